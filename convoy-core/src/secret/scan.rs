//! Cuts any text into units that can be judged on their own, and finds what is secret in each.
//!
//! The cuts depend on the text alone, never on how it arrived; that is what makes streaming equal to
//! one pass. No pattern but the private key spans lines, so lines are judged independently and any
//! number of whole lines makes a unit. A line longer than the window is judged in windows that overlap
//! by the longest secret. A private key splits the text: nothing is matched across it.

use std::ops::Range;

use regex::bytes::Regex;

use super::generic::is_generic;
use super::key::{self, Key};
use super::pattern::{self, Found, View};
use super::redactor::REGISTERED;

/// How far one look reaches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of one line that are judged together.
    pub(super) window: usize,
    /// The longest secret; less than half of the window.
    pub(super) longest: usize,
}

pub(super) const LIMITS: Limits = Limits { window: 64 * 1024, longest: 16 * 1024 };

/// A part of the output.
#[derive(Debug, Clone)]
pub(super) enum Piece<'a> {
    /// Text that stays.
    Keep(&'a [u8]),
    /// A secret of this kind, at these bytes of the text.
    Secret(&'static str, Range<usize>),
}

/// What is looked for.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The registered values, longest first.
    pub(super) values: Vec<Regex>,
    pub(super) limits: Limits,
}

/// How much of the text is judged next.
enum Unit {
    /// Whole lines, this many bytes.
    Lines(usize),
    /// The first window of a longer line.
    Window,
    /// Nothing before more text arrives.
    Wait,
}

impl Scanner {
    /// Judges the first unit of `text`, hands its pieces to `emit`, and returns how many bytes they
    /// cover; 0 = more text is needed. `before` are the two bytes in front, `whole` says that nothing
    /// follows.
    pub(super) fn step(
        &self,
        text: &[u8],
        before: [u8; 2],
        whole: bool,
        emit: &mut dyn FnMut(Piece<'_>),
    ) -> usize {
        let Limits { window, longest } = self.limits;
        let (limit, reach) = match self.unit(text, whole) {
            Unit::Lines(len) => (len, len),
            Unit::Window => (window - longest, window),
            Unit::Wait => return 0,
        };
        let mut at = 0;
        while at < limit {
            match key::find(text, at, limit, reach, longest, whole) {
                Key::None => at = self.segment(text, at, limit, reach, before, emit),
                Key::At { start, end } => {
                    self.segment(text, at, start, start, before, emit);
                    emit(Piece::Secret(key::KIND, start..end));
                    at = end;
                }
                Key::Open(start) => {
                    // Nothing matches across lines, so everything before this line is final.
                    let line = text[at..start].iter().rposition(|byte| *byte == b'\n');
                    let cut = line.map_or(at, |newline| at + newline + 1);
                    self.segment(text, at, cut, cut, before, emit);
                    return cut;
                }
            }
        }
        at
    }

    fn unit(&self, text: &[u8], whole: bool) -> Unit {
        let head = &text[..text.len().min(self.limits.window)];
        match head.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => Unit::Lines(newline + 1),
            None if text.len() >= self.limits.window => Unit::Window,
            None if whole && !text.is_empty() => Unit::Lines(text.len()),
            None => Unit::Wait,
        }
    }

    /// Emits `from..limit`, and the rest of a secret that starts in it; returns where that ends.
    fn segment(
        &self,
        text: &[u8],
        from: usize,
        limit: usize,
        reach: usize,
        before: [u8; 2],
        emit: &mut dyn FnMut(Piece<'_>),
    ) -> usize {
        let mut end = limit;
        let mut at = from;
        for secret in self.secrets(text, from, limit, reach, before) {
            if secret.start > at {
                emit(Piece::Keep(&text[at..secret.start]));
            }
            emit(Piece::Secret(secret.kind, secret.start..secret.end));
            at = secret.end;
            end = end.max(at);
        }
        if end > at {
            emit(Piece::Keep(&text[at..end]));
        }
        end
    }

    /// The secrets that start in `from..limit`, in order, those that overlap made one.
    fn secrets(&self, text: &[u8], from: usize, limit: usize, reach: usize, before: [u8; 2]) -> Vec<Found> {
        let mut all: Vec<Found> = Vec::new();
        let longest = self.limits.longest;
        let view = View { text, before, reach, longest };
        pattern::find(view, from, limit, &mut |at, mut found| {
            if found.end - at >= longest {
                found.end = token_end(text, found.end, reach);
            }
            all.push(found);
        });
        for values in &self.values {
            let mut at = from;
            while let Some(hit) = values.find_at(&text[..reach], at).filter(|hit| hit.start() < limit) {
                all.push(Found { start: hit.start(), end: hit.end(), kind: REGISTERED });
                // Values may overlap each other, so the search goes on within the hit.
                at = hit.start() + 1;
            }
        }
        all.sort_by_key(|found| (found.start, usize::MAX - found.end, is_generic(found.kind)));
        let mut merged: Vec<Found> = Vec::with_capacity(all.len());
        for found in all {
            match merged.last_mut() {
                Some(last) if found.start < last.end => {
                    last.end = last.end.max(found.end);
                    if is_generic(last.kind) {
                        last.kind = found.kind;
                    }
                }
                _ => merged.push(found),
            }
        }
        merged
    }
}

/// Where the run of token characters that reaches `from` ends: a token longer than any known one goes
/// as a whole.
fn token_end(text: &[u8], from: usize, reach: usize) -> usize {
    let token =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'=');
    from + text[from..reach].iter().take_while(|byte| token(byte)).count()
}
