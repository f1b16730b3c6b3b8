//! Expressions that other people wrote, for Go or for us, compiled within bounds.

use regex::bytes::{Regex, RegexBuilder};

/// Bytes that one compiled expression may take.
const MAX_SIZE: usize = 4 * 1024 * 1024;
/// Bytes that an expression may have.
const MAX_TEXT: usize = 16 * 1024;

/// Compiles an expression.
///
/// # Errors
/// Why it cannot be used, in one line.
pub(super) fn compile(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    if pattern.len() > MAX_TEXT {
        return Err(format!("the expression has {} bytes; at most {MAX_TEXT}", pattern.len()));
    }
    let pattern = from_go(pattern);
    let build = |unicode: bool| {
        RegexBuilder::new(&pattern)
            .unicode(unicode)
            .case_insensitive(ignore_case)
            .size_limit(MAX_SIZE)
            .dfa_size_limit(MAX_SIZE)
            .build()
    };
    // In Go the classes are ASCII. Text that is not ASCII inside a class needs the other mode.
    build(false).or_else(|_| build(true)).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim();
        format!("its expression cannot be used: {}", reason.trim_start_matches("error: "))
    })
}

/// The same expression with everything escaped that is literal in Go and has a meaning here: `{` that
/// begins no repetition, `\<` and `\>`, `[` and doubled operators inside a class, and `\Q…\E`.
fn from_go(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut class = Class::Outside;
    while let Some(c) = rest.chars().next() {
        let (head, tail) = rest.split_at(c.len_utf8());
        rest = tail;
        if c == '\\' {
            rest = escape(tail, &mut out);
            class = class.after_item();
        } else if class == Class::Outside {
            match c {
                '[' => {
                    out.push('[');
                    class = Class::Start;
                    if let Some(after) = rest.strip_prefix('^') {
                        out.push('^');
                        rest = after;
                    }
                }
                '{' if !is_repetition(rest) => out.push_str("\\{"),
                _ => out.push_str(head),
            }
        } else {
            (rest, class) = in_class(c, head, rest, class, &mut out);
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    /// Behind the opening bracket, where `]` is a character.
    Start,
    Inside,
}

impl Class {
    fn after_item(self) -> Self {
        if self == Self::Outside { self } else { Self::Inside }
    }
}

fn in_class<'t>(c: char, head: &str, rest: &'t str, class: Class, out: &mut String) -> (&'t str, Class) {
    match c {
        ']' if class == Class::Inside => {
            out.push(']');
            return (rest, Class::Outside);
        }
        ']' => out.push_str("\\]"),
        '[' => {
            let named = rest.starts_with(':').then(|| rest.find(":]")).flatten();
            if let Some(end) = named {
                out.push('[');
                out.push_str(&rest[..end + 2]);
                return (&rest[end + 2..], Class::Inside);
            }
            out.push_str("\\[");
        }
        '&' | '~' if rest.starts_with(c) => {
            out.push('\\');
            out.push(c);
        }
        '-' if rest.starts_with('-') && class == Class::Start => out.push_str("\\-"),
        '-' if rest.starts_with('-') => {
            // A range that ends with the dash.
            out.push_str("-\\-");
            return (&rest[1..], Class::Inside);
        }
        _ => out.push_str(head),
    }
    (rest, Class::Inside)
}

/// Writes what follows a backslash; gives what follows that.
fn escape<'t>(tail: &'t str, out: &mut String) -> &'t str {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return tail;
    };
    let rest = &tail[c.len_utf8()..];
    match c {
        'Q' => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        '<' | '>' => out.push(c),
        'p' | 'P' => {
            // The class of characters behind it belongs to it.
            let end = if rest.starts_with('{') { rest.find('}').map_or(0, |at| at + 1) } else { 0 };
            out.push('\\');
            out.push(c);
            out.push_str(&rest[..end]);
            return &rest[end..];
        }
        'x' if rest.starts_with('{') => {
            let end = rest.find('}').map_or(0, |at| at + 1);
            out.push_str("\\x");
            out.push_str(&rest[..end]);
            return &rest[end..];
        }
        _ => {
            out.push('\\');
            out.push(c);
        }
    }
    rest
}

/// Whether `{` with this behind it repeats something: `3}`, `3,}`, `3,5}`.
fn is_repetition(rest: &str) -> bool {
    let Some((inner, _)) = rest.split_once('}') else { return false };
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && number(least) && number(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_literal_in_go_stays_literal() {
        let cases = [
            ("{{token}}", "x {{token}}", "token"),
            (r"\<a\>", "<a>", "a"),
            ("[[]x", "[x", "x"),
            ("[a&&b]{2}", "&&", "a"),
            ("[]a]", "]", "b"),
            ("[^]a]", "b", "]"),
            ("[[:digit:]_]{3}", "1_2", "ab:"),
            (r"\Qa.b\E{2}", "a.bb", "axbb"),
            (r"\x{41}\pL", "Aé", "A1"),
            (r"a{2,3}b{1}c{2,}", "aabcc", "abcc"),
            (r"[a\]]{2}", "a]", "ab"),
            ("[é]", "é", "e"),
            ("[+--]", ",", "a"),
            ("[--0]", ".", "a"),
            (r"^\w+\d$", "abc1", "é1"),
            (r"(?P<x>a)\/\-\_", "a/-_", "a"),
        ];
        for (pattern, hit, miss) in cases {
            let regex = compile(pattern, false).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert!(regex.is_match(hit.as_bytes()), "{pattern} finds {hit}");
            assert!(!regex.is_match(miss.as_bytes()), "{pattern} does not find {miss}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_in_one_line() {
        let long = "a".repeat(MAX_TEXT + 1);
        let cases = [
            ("(?=x)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("(", "unclosed group"),
            (r"[\w]{1000}{1000}", "size limit"),
            (&long, "16385 bytes"),
        ];
        for (pattern, wanted) in cases {
            let error = compile(pattern, false).expect_err(&pattern[..pattern.len().min(20)]);
            assert!(error.contains(wanted) && !error.contains('\n'), "{error}");
        }
    }
}
