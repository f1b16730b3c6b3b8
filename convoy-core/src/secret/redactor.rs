//! The redactor: the patterns, the registered values, whole texts and streams.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::scan::{LIMITS, Limits, Piece, Scanner};
use super::text::printable;

/// Most entries of a list that is shown or stored.
const MOST_ENTRIES: usize = 200;

/// What a registered value is called.
pub(super) const REGISTERED: &str = "registered";
/// Values shorter than this many bytes are not registered: replacing every `1` or `yes` would make
/// texts unreadable and hide nothing.
pub const SHORTEST_VALUE: usize = 4;
/// Lines shorter than this many bytes of a value with several lines are not looked for alone.
const SHORTEST_LINE: usize = 8;
/// Longer values are looked for in pieces of this many bytes.
const LONGEST_PIECE: usize = 4096;
/// How many bytes of values one expression holds.
const VALUES_PER_REGEX: usize = 64 * 1024;

/// A secret that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is, as in the marker: `github-token`, `private-key`, `registered` …, or the name of the
    /// repository's own rule that found it.
    pub kind: Cow<'static, str>,
    /// The line it starts on, from 1.
    pub line: usize,
    /// Where it stands in the text, in bytes.
    pub range: Range<usize>,
}

/// Finds secrets and replaces them by `[REDACTED:<kind>]`. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Redactor {
    scanner: Arc<Scanner>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the values.
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Redactor {
    /// Knows the formats of secrets, and no values.
    pub fn new() -> Self {
        Self::with_values(std::iter::empty())
    }

    /// Knows the formats of secrets, and these values, which are replaced wherever they stand, also as
    /// they look inside a JSON string. Values of fewer than 4 bytes are ignored. Of a value with
    /// several lines, each line of at least 8 bytes is replaced where it stands.
    pub fn with_values(values: impl Iterator<Item = String>) -> Self {
        Self::with_limits(values, LIMITS)
    }

    pub(super) fn with_limits(values: impl Iterator<Item = String>, limits: Limits) -> Self {
        Self { scanner: Arc::new(Scanner { values: compile(pieces(values)), limits }) }
    }

    /// The text with every secret replaced, borrowed when there is none.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut out: Option<Vec<u8>> = None;
        let mut kept = 0;
        self.walk(text.as_bytes(), &mut |piece| match (piece, &mut out) {
            (Piece::Keep(bytes), None) => kept += bytes.len(),
            (Piece::Keep(bytes), Some(out)) => out.extend_from_slice(bytes),
            (Piece::Secret(kind, _), out) => {
                let out = out.get_or_insert_with(|| text.as_bytes()[..kept].to_vec());
                write_marker(out, kind);
            }
        });
        // Secrets start and end with whole characters, so what is left is valid; `lossy` only saves
        // an error path that cannot be reached.
        out.map_or(Cow::Borrowed(text), |out| Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
    }

    /// The text fit to be stored and shown: [`printable`] first, so that no escape sequence keeps a secret from being
    /// known, then without secrets.
    ///
    /// ```
    /// let text = "key: ghp_\u{1b}[m\u{1b}[K0123456789abcdefghijABCDEFGHIJ012345";
    /// assert_eq!(convoy_core::secret::Redactor::new().clean(text), "key: [REDACTED:github-token]");
    /// ```
    pub fn clean(&self, text: &str) -> String {
        let text = printable(text);
        match self.redact(&text) {
            Cow::Owned(clean) => clean,
            Cow::Borrowed(_) => text.into_owned(),
        }
    }

    /// As [`clean`](Self::clean), of a long text only its start: at most `most` bytes, then `[…]`, so that nobody takes it
    /// for the whole. It is cut last, so that no half of a secret is left.
    ///
    /// ```
    /// assert_eq!(convoy_core::secret::Redactor::new().clean_bounded("so far and no further", 6), "so far[…]");
    /// ```
    pub fn clean_bounded(&self, text: &str, most: usize) -> String {
        let mut text = self.clean(text);
        if text.len() > most {
            text.truncate(text.floor_char_boundary(most));
            text.push_str("[…]");
        }
        text
    }

    /// As [`clean`](Self::clean), of a list only its start: at most `most` bytes in all and 200 entries, then how many more
    /// there are. An entry that does not fit is left out whole: half of a path is none.
    ///
    /// ```
    /// let paths = ["a", "b/c", "d"].map(str::to_owned);
    /// assert_eq!(convoy_core::secret::Redactor::new().clean_list(&paths, 3), ["a", "[… and 2 more]"]);
    /// ```
    pub fn clean_list(&self, list: &[String], most: usize) -> Vec<String> {
        let mut left = most;
        let room = |text: &String| {
            let fits = left.checked_sub(text.len());
            left = fits.unwrap_or(left);
            fits.is_some()
        };
        let clean = list.iter().take(MOST_ENTRIES).map(|text| self.clean(text));
        let mut all: Vec<String> = clean.take_while(room).collect();
        let more = list.len() - all.len();
        if more > 0 {
            all.push(format!("[… and {more} more]"));
        }
        all
    }

    /// Every secret in the text, in order.
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        let bytes = text.as_bytes();
        let (mut findings, mut line, mut counted) = (Vec::new(), 1, 0);
        self.walk(bytes, &mut |piece| {
            if let Piece::Secret(kind, range) = piece {
                line += bytes[counted..range.start].iter().filter(|byte| **byte == b'\n').count();
                counted = range.start;
                findings.push(Finding { kind: Cow::Borrowed(kind), line, range });
            }
        });
        findings
    }

    /// Redacts a stream that arrives in chunks.
    pub fn stream(&self) -> StreamRedactor {
        StreamRedactor { scanner: Arc::clone(&self.scanner), held: Vec::new(), before: [b'\n'; 2] }
    }

    /// Hands the pieces of a whole text to `emit`, with secrets' places in that text.
    fn walk(&self, text: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        let (mut at, mut before) = (0, [b'\n'; 2]);
        while at < text.len() {
            let len = self.scanner.step(&text[at..], before, true, &mut |piece| match piece {
                Piece::Secret(kind, range) => emit(Piece::Secret(kind, at + range.start..at + range.end)),
                Piece::Keep(_) => emit(piece),
            });
            debug_assert!(len > 0, "a whole text is always judged");
            advance(&mut before, &text[at..at + len]);
            at += len.max(1);
        }
    }
}

/// Redacts a stream of bytes that arrives in chunks: the same output as for one piece, wherever the
/// chunks are cut, in bounded memory. Bytes that are not UTF-8 pass through unchanged.
///
/// Output lags behind input by at most the unfinished line, up to 64 KiB of it, or by an unfinished
/// private key block, up to 16 KiB.
pub struct StreamRedactor {
    scanner: Arc<Scanner>,
    held: Vec<u8>,
    before: [u8; 2],
}

impl fmt::Debug for StreamRedactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the text that is held back: it may be half a secret.
        f.debug_struct("StreamRedactor").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

impl StreamRedactor {
    /// Takes the next bytes and appends to `out` what is decided.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(chunk);
        if chunk.contains(&b'\n') || self.held.len() >= self.scanner.limits.window {
            self.drain(false, out);
        }
    }

    /// Ends the stream: appends to `out` what was held back.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.drain(true, out);
    }

    fn drain(&mut self, whole: bool, out: &mut Vec<u8>) {
        let mut at = 0;
        loop {
            let rest = &self.held[at..];
            let len = self.scanner.step(rest, self.before, whole, &mut |piece| match piece {
                Piece::Keep(bytes) => out.extend_from_slice(bytes),
                Piece::Secret(kind, _) => write_marker(out, kind),
            });
            if len == 0 {
                break;
            }
            advance(&mut self.before, &rest[..len]);
            at += len;
        }
        self.held.drain(..at);
    }
}

fn advance(before: &mut [u8; 2], consumed: &[u8]) {
    match consumed {
        [.., a, b] => *before = [*a, *b],
        [b] => *before = [before[1], *b],
        [] => {}
    }
}

fn write_marker(out: &mut Vec<u8>, kind: &str) {
    out.extend_from_slice(super::text::MARKER.as_bytes());
    out.extend_from_slice(kind.as_bytes());
    out.push(b']');
}

/// What is looked for to find these values: no piece has a line break, and each has a bounded length.
fn pieces(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for value in values.filter(|value| value.len() >= SHORTEST_VALUE) {
        let quoted = serde_json::Value::from(value.as_str()).to_string();
        add(&mut all, &quoted[1..quoted.len() - 1]);
        if value.contains('\n') {
            for line in value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE) {
                add(&mut all, line);
            }
        } else {
            add(&mut all, &value);
        }
        // As `clean` looks for it.
        if let Cow::Owned(shown) = printable(&value) {
            shown.lines().filter(|line| line.len() >= SHORTEST_VALUE).for_each(|line| add(&mut all, line));
        }
    }
    all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    all.dedup();
    all
}

fn add(all: &mut Vec<String>, mut value: &str) {
    while value.len() > LONGEST_PIECE {
        let cut = (1..=LONGEST_PIECE).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(value.len());
        all.push(value[..cut].to_owned());
        value = &value[cut..];
    }
    if value.len() >= SHORTEST_VALUE {
        all.push(value.to_owned());
    }
}

/// Expressions that match the pieces, longest first.
fn compile(pieces: Vec<String>) -> Vec<Regex> {
    let mut all = Vec::new();
    let mut rest = pieces.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fit = rest.iter().take_while(|piece| {
            bytes += piece.len();
            bytes <= VALUES_PER_REGEX
        });
        let (now, later) = rest.split_at(fit.count().max(1));
        let escaped: Vec<String> = now.iter().map(|piece| regex::escape(piece)).collect();
        #[expect(clippy::expect_used, reason = "escaped text is valid and its size is bounded here")]
        all.push(
            RegexBuilder::new(&escaped.join("|"))
                .size_limit(usize::MAX)
                .build()
                .expect("escaped text is a valid expression"),
        );
        rest = later;
    }
    all
}
