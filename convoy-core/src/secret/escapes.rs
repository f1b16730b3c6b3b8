//! Taking escape sequences out of a stream, so that no secret is cut in two by them.

/// Longest escape sequence that is written out in JSON, in bytes; a longer one is text.
const LONGEST_WRITTEN: usize = 64;
/// How JSON writes the start of a control sequence, behind a backslash.
const WRITTEN: &[u8] = b"u001b[";

/// Takes the escape sequences out of a stream of bytes that arrives in chunks: colours, titles, links. What
/// programs such as `grep --color` write into the middle of a word would else keep a
/// [`StreamRedactor`](super::StreamRedactor) from knowing a secret that everybody sees. Control sequences that stand
/// written out in JSON (`\u001b[31m`) go, too. Everything else passes unchanged, other control characters included.
///
/// The output is the same however the input is cut; at most 64 bytes are held back.
#[derive(Debug, Default)]
pub struct EscapeFilter {
    state: State,
    /// The first byte of what may become the control character U+009B.
    lead: bool,
    /// What may become a sequence written out in JSON.
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After the escape character.
    Escape,
    /// Within a sequence of two bytes and more: one more byte ends it.
    Last,
    /// Within a control sequence: parameters, then one final byte.
    Control,
    /// Within a title, a link, a device string.
    Words,
    /// After an escape character within such.
    WordsEscape,
    /// Within `held`.
    Written,
}

impl EscapeFilter {
    /// Takes the next bytes and appends to `out` what is no escape sequence.
    pub fn push(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = chunk.split_first() {
            if self.state == State::Text && !self.lead {
                let plain = chunk.iter().position(|byte| matches!(byte, 0x1b | 0xc2 | b'\\'));
                let (text, special) = chunk.split_at(plain.unwrap_or(chunk.len()));
                if !text.is_empty() {
                    out.extend_from_slice(text);
                    chunk = special;
                    continue;
                }
            }
            if self.takes(byte, out) {
                chunk = rest;
            }
        }
    }

    /// Ends the stream: appends to `out` what was held back.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.release_lead(out);
        out.append(&mut self.held);
    }

    /// Takes one byte; `false`: it ended what it does not belong to, and is to be looked at again.
    fn takes(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let (next, taken) = match (self.state, byte) {
            (State::Text, _) => return self.text(byte, out),
            (State::Written, _) => return self.written(byte, out),
            (State::Escape, b'[') => (State::Control, true),
            (State::Escape, b']' | b'P' | b'^' | b'_' | b'X') => (State::Words, true),
            (State::Escape, b' '..=b'/') => (State::Last, true),
            (State::Escape | State::Last, b'0'..=b'~') => (State::Text, true),
            (State::Control, b' '..=b'?') => (State::Control, true),
            (State::Control, b'@'..=b'~') => (State::Text, true),
            (State::Escape | State::Last | State::Control, _) => (State::Text, false),
            (State::Words, 0x07) => (State::Text, true),
            (State::Words, 0x1b) => (State::WordsEscape, true),
            (State::Words, b'\n') => (State::Text, false),
            (State::Words, _) => (State::Words, true),
            (State::WordsEscape, b'\\') => (State::Text, true),
            (State::WordsEscape, _) => (State::Escape, false),
        };
        self.state = next;
        taken
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        match byte {
            // A sequence between the two bytes of a character does not keep them apart.
            0x1b => self.state = State::Escape,
            0x9b if self.lead => (self.lead, self.state) = (false, State::Control),
            _ => {
                self.release_lead(out);
                match byte {
                    0xc2 => self.lead = true,
                    b'\\' => {
                        self.held.push(byte);
                        self.state = State::Written;
                    }
                    _ => out.push(byte),
                }
            }
        }
        true
    }

    fn written(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        self.held.push(byte);
        match is_written(&self.held) {
            Some(false) if self.held.len() < LONGEST_WRITTEN => true,
            Some(true) => {
                self.held.clear();
                self.state = State::Text;
                true
            }
            _ => {
                self.held.pop();
                out.append(&mut self.held);
                self.state = State::Text;
                false
            }
        }
    }

    fn release_lead(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.lead) {
            out.push(0xc2);
        }
    }
}

/// Whether these bytes are a whole control sequence as JSON writes it, or JSON within JSON; `None`: they are not, and
/// cannot become one.
fn is_written(bytes: &[u8]) -> Option<bool> {
    let slashes = bytes.iter().take_while(|byte| **byte == b'\\').count();
    let rest = &bytes[slashes..];
    let (word, parameters) = rest.split_at(rest.len().min(WRITTEN.len()));
    if !word.eq_ignore_ascii_case(&WRITTEN[..word.len()]) {
        return None;
    }
    let Some((last, before)) = parameters.split_last() else { return Some(false) };
    let is_parameter = |byte: &u8| matches!(byte, b'0'..=b'?');
    match last {
        _ if !before.iter().all(is_parameter) => None,
        b'@'..=b'[' | b']'..=b'~' => Some(true),
        byte => is_parameter(byte).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::printable;
    use super::*;

    fn filtered(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut filter, mut out) = (EscapeFilter::default(), Vec::new());
        bytes.chunks(size).for_each(|chunk| filter.push(chunk, &mut out));
        filter.finish(&mut out);
        out
    }

    #[test]
    fn escape_sequences_go_and_the_rest_stays_however_the_stream_is_cut() {
        let cases: [(&[u8], &[u8]); 16] = [
            (b"plain\ttext\r\n\x07\x00\xff", b"plain\ttext\r\n\x07\x00\xff"),
            (b"ghp_\x1b[m\x1b[K0123", b"ghp_0123"),
            (b"\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link", b"xlink"),
            (b"\x1b]never ended\nnext", b"\nnext"),
            (b"\x1b]0;a\x1b[31mred", b"red"),
            (b"\x1b(Bx\x1b7y\x1b\x1b[mz\x1b", b"xyz"),
            ("\u{9b}2Jx é \u{c2}".as_bytes(), "x é \u{c2}".as_bytes()),
            (b"a\xc2\x1b[m\x9bmb", b"ab"),
            (b"a\xc2", b"a\xc2"),
            (br#"{"a":"ghp_\u001b[m\u001B[01;31m0123"}"#, br#"{"a":"ghp_0123"}"#),
            (br#"ghp_\\u001b[K0123"#, b"ghp_0123"),
            (br#"{"a":"\u001b["}"#, br#"{"a":"\u001b["}"#),
            (br#"\n \u00e9 \\ \u001 \u001b["#, br#"\n \u00e9 \\ \u001 \u001b["#),
            (br#"\\u001b[\\u001b[m"#, br#"\\u001b["#),
            (b"\\\x1b[mn", b"\\n"),
            (b"", b""),
        ];
        for (text, wanted) in cases {
            for size in 1..=text.len().max(1) {
                let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let found = filtered(text, size);
                assert_eq!(found, wanted, "{:?} in pieces of {size}: {:?}", shown(text), shown(&found));
            }
        }
    }

    #[test]
    fn it_takes_what_printable_takes() {
        let parts = ["\u{1b}", "[", "]0;", "31", "m", "\u{7}", "\\", "\n", "\u{9b}", "é", "(", "P", "x"];
        for a in parts {
            for b in parts {
                for c in parts {
                    for d in parts {
                        let text = format!("k{a}{b}{c}{d}z");
                        let found = String::from_utf8(filtered(text.as_bytes(), 3)).expect("text stays text");
                        assert_eq!(printable(&found), printable(&text), "{text:?}");
                        assert!(!found.contains(['\u{1b}', '\u{9b}']), "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let mut out = Vec::new();
        for endless in [&b"\\"[..], b"\\u001b[1111"] {
            let mut filter = EscapeFilter::default();
            filter.push(endless, &mut out);
            filter.push(&endless[endless.len() - 1..].repeat(100_000), &mut out);
            assert!(filter.held.len() < LONGEST_WRITTEN);
        }
    }
}
