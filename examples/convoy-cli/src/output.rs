//! Where lines go. A reader that went away is no error: nobody listens any more, and the work goes on.

use std::io::{self, Write};

use serde_json::Value;

/// Standard output and standard error.
pub(crate) struct Out {
    stdout: Box<dyn Write>,
    stderr: Box<dyn Write>,
    /// Whether standard output is a terminal that can be redrawn.
    live: bool,
    closed: bool,
    error: Option<io::Error>,
}

impl Out {
    pub(crate) fn new(stdout: Box<dyn Write>, stderr: Box<dyn Write>, live: bool) -> Self {
        Self { stdout, stderr, live, closed: false, error: None }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Whether nothing that is written arrives any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// A line on standard output. The text is free of control characters: see [`crate::render::safe`].
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.text(text.as_ref());
        self.text("\n");
    }

    /// Lines on standard output.
    pub(crate) fn lines(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.line(line));
    }

    /// A JSON value on one line.
    pub(crate) fn json_line(&mut self, value: &Value) {
        self.line(escaped(&value.to_string()));
    }

    /// A JSON value for people and programs, on several lines.
    pub(crate) fn json(&mut self, value: &Value) {
        // `{:#}` is serde_json's own indented form.
        self.line(escaped(&format!("{value:#}")));
    }

    /// Text on standard output as it is.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Bytes on standard output as they are, for a program that reads them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        if let Err(error) = self.stdout.write_all(bytes) {
            self.failed(error);
        }
    }

    /// A line on standard error, for what is not the answer.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        // Standard error is the last place to complain at: when it is gone there is none.
        let _ = writeln!(self.stderr, "{}", text.as_ref());
    }

    fn failed(&mut self, error: io::Error) {
        self.closed = true;
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.error = Some(error);
        }
    }

    /// Flushes, and says whether everything could be written or nobody wanted it.
    pub(crate) fn finish(&mut self) -> Result<(), io::Error> {
        if !self.closed
            && let Err(error) = self.stdout.flush()
        {
            self.failed(error);
        }
        self.error.take().map_or(Ok(()), Err)
    }
}

/// JSON text in which every character that could drive a terminal is written as an escape. Outside of
/// strings JSON has none of them but line breaks.
fn escaped(json: &str) -> String {
    let drives = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || (c.is_control() && c != '\n')
    };
    if !json.chars().any(drives) {
        return json.to_owned();
    }
    let escape = |c: char| if drives(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Captured, failing};

    #[test]
    fn json_survives_the_escapes_and_has_no_control_character() {
        let value = json!({"text": "a\u{1b}[31m\u{7f}\u{9b}\u{202e}é\n", "n": 1});
        let (mut out, captured) = Captured::out();
        out.json_line(&value);
        let line = captured.stdout();
        assert_eq!(serde_json::from_str::<Value>(&line).expect("json"), value);
        assert!(line.trim_end().chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
        assert!(line.contains('é') && line.ends_with("}\n"), "{line:?}");
    }

    #[test]
    fn a_reader_that_went_away_is_no_error_but_a_full_disk_is() {
        for (kind, fails) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let mut out = failing(kind);
            out.line("x");
            assert!(out.is_closed());
            out.line("y");
            assert_eq!(out.finish().is_err(), fails, "{kind:?}");
        }
    }
}
