//! Finds what has the format of a secret.
//!
//! Searching goes in two steps, because one pass of a plain literal search costs a tiny part of what a
//! hundred regular expressions do: first every place where some literal stands, then the expressions of that
//! literal, each tied to that place.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

use super::formats::{self, Before, Format};
use super::generic::{self, is_filler, is_placeholder, is_random_token};
use super::search::Search;

/// The farthest that a secret starts before the literal it is found by.
const FARTHEST_BEFORE: usize = 76;
/// Bytes behind a start that have to be bytes of tokens.
const LOOK_AHEAD: usize = 6;
/// Bits a byte of what has to look random.
const RANDOM_BITS: f64 = 3.0;

/// A secret in a slice: `start..end` of it, and of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: &'static str,
}

struct Compiled {
    search: Search,
    /// What each literal of the search begins.
    literals: Vec<Literal>,
    formats: Vec<(&'static Format, Regex)>,
}

#[derive(Default)]
struct Literal {
    /// Formats, by number, each with the length of its own start, which is this literal or its beginning.
    formats: Vec<(usize, usize)>,
    /// The length of its beginning with which the name of something begins that may be given a secret.
    name: Option<usize>,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let formats: Vec<(&'static Format, Regex)> =
        formats::all().map(|format| (format, compile(format))).collect();
    let stems = generic::stems();
    let starts = formats.iter().flat_map(|(format, _)| format.starts).map(|start| (*start).to_owned());
    let mut texts: Vec<String> = starts.chain(stems.iter().cloned()).collect();
    texts.sort_unstable();
    texts.dedup();
    let literals = texts.iter().map(|text| {
        let begun = formats.iter().enumerate().flat_map(|(number, (format, _))| {
            let starts = format.starts.iter().filter(|start| text.starts_with(**start));
            starts.map(move |start| (number, start.len()))
        });
        let name = stems.iter().find(|stem| text.starts_with(stem.as_str())).map(String::len);
        Literal { formats: begun.collect(), name }
    });
    Compiled { literals: literals.collect(), search: Search::new(&texts), formats }
});

fn compile(format: &Format) -> Regex {
    let starts: Vec<String> = format.starts.iter().map(|start| regex::escape(start)).collect();
    let before = match format.before {
        Before::Secret(_, expression) => expression,
        Before::Anything | Before::NoWord | Before::Digit => "",
    };
    regex(&format!("(?-u)^{before}(?:{}){}", starts.join("|"), format.rest))
}

/// Compiles one of our own expressions.
pub(super) fn regex(pattern: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the expressions are constants, and a test compiles each")]
    RegexBuilder::new(pattern).build().expect("a constant expression is valid")
}

/// What of a text is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'t> {
    pub(super) text: &'t [u8],
    /// The two bytes in front of the text.
    pub(super) before: [u8; 2],
    /// Where it ends.
    pub(super) reach: usize,
    /// The longest that a secret with what announces it is.
    pub(super) longest: usize,
}

impl View<'_> {
    fn slice(&self, at: usize) -> &[u8] {
        &self.text[at..self.reach.min(at + self.longest)]
    }

    /// The byte so many before `at`.
    fn back(&self, at: usize, n: usize) -> u8 {
        at.checked_sub(n).map_or_else(|| self.before[2 + at - n], |index| self.text[index])
    }

    /// Whether the byte before `at` belongs to the same word. The letter of an escape such as `\n` in JSON
    /// does not.
    fn continues_word(&self, at: usize) -> bool {
        let last = self.back(at, 1);
        if !(last.is_ascii_alphanumeric() || last == b'_') {
            return false;
        }
        !(self.back(at, 2) == b'\\' && matches!(last, b'n' | b'r' | b't' | b'b' | b'f'))
    }
}

/// Looks for secrets that start in `from..limit` and end before the view does, and hands each to `found`,
/// with the place from which its length counts.
pub(super) fn find(view: View<'_>, from: usize, limit: usize, found: &mut dyn FnMut(usize, Found)) {
    let compiled = &*COMPILED;
    let until = view.reach.min(limit + FARTHEST_BEFORE + 64);
    compiled.search.each(view.text, from, until, &mut |at, literal| {
        let literal = &compiled.literals[literal];
        for (number, len) in &literal.formats {
            let (format, regex) = &compiled.formats[*number];
            let start = start_of(view, format, at, *len).filter(|start| (from..limit).contains(start));
            let Some(start) = start else { continue };
            if let Some((first, end)) = format_match(format, regex, *len, view.slice(start)) {
                found(start, Found { start: start + first, end: start + end, kind: format.kind });
            }
        }
        if let Some(stem) = literal.name.filter(|_| at < limit)
            && let Some((start, end, kind)) = generic::find(view.slice(at), stem)
        {
            found(at, Found { start: at + start, end: at + end, kind });
        }
    });
}

/// Where the format would start that has its literal here, if what stands around allows it.
fn start_of(view: View<'_>, format: &Format, at: usize, len: usize) -> Option<usize> {
    let behind = &view.text[at + len..view.reach];
    let ahead = behind.len().min(LOOK_AHEAD);
    let possible = match format.before {
        Before::Secret(before, _) => return at.checked_sub(before),
        Before::Anything => true,
        // `cache-key-…` is no `key-…`.
        Before::NoWord if view.back(at, 1) == b'-' => !view.text[at..at + len].contains(&b'-'),
        Before::NoWord => !view.continues_word(at),
        Before::Digit => view.back(at, 1).is_ascii_digit(),
    };
    // Nearly every place that is none is told here, before an expression is tried.
    (possible && behind[..ahead].iter().all(|byte| TOKEN[usize::from(*byte)])).then_some(at)
}

/// The bytes that tokens and the parts of addresses are made of.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let c = byte as u8;
        table[byte] = c > 0x20 && !matches!(c, b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | 0x7f);
        byte += 1;
    }
    table
};

/// The secret in a slice that starts as the format does, with a start of this length.
fn format_match(format: &Format, regex: &Regex, len: usize, slice: &[u8]) -> Option<(usize, usize)> {
    let captures = regex.captures(slice)?;
    let whole = captures.get(0)?;
    if format.kind == "url-password" {
        let (user, secret) = (captures.name("user")?, captures.name("secret")?);
        // A name given twice is what databases come with; a mark of ours has a colon too.
        let simple = user.as_bytes() == secret.as_bytes() || user.as_bytes().ends_with(b"[REDACTED");
        return (!simple && !is_placeholder(secret.as_bytes())).then(|| (secret.start(), secret.end()));
    }
    if format.kind == "aws-access-key" {
        // The expression looks one byte ahead, to tell a key from a longer word.
        let secret = captures.name("secret")?;
        return (!is_filler(secret.as_bytes())).then(|| (whole.start(), secret.end()));
    }
    let secret = captures.name("secret").unwrap_or(whole);
    let body = match format.before {
        Before::Secret(..) => secret.as_bytes(),
        // What every token of the kind starts with says nothing.
        Before::Anything | Before::NoWord | Before::Digit => &slice[secret.start().max(len)..secret.end()],
    };
    if is_filler(body) || (format.random && !is_random_token(body, RANDOM_BITS)) {
        return None;
    }
    Some((secret.start(), secret.end()))
}
