//! Helpers on whole texts.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::generic;
use super::redactor::Redactor;

pub(super) const MARKER: &str = "[REDACTED:";

static PATTERNS: LazyLock<Redactor> = LazyLock::new(Redactor::new);

/// Whether something was redacted in this text.
///
/// ```
/// assert!(convoy_core::secret::has_marker("key: [REDACTED:aws-access-key]"));
/// ```
pub fn has_marker(text: &str) -> bool {
    text.contains(MARKER)
}

/// Whether a value looks like a secret that should not stand in a file: it holds one of the known
/// formats, or is one long random token. Commit ids, paths and version numbers do not.
///
/// ```
/// use convoy_core::secret::looks_secret;
/// assert!(looks_secret("ghp_0123456789abcdefghijABCDEFGHIJ012345"));
/// assert!(!looks_secret("/usr/lib/jvm/java-21"));
/// ```
pub fn looks_secret(value: &str) -> bool {
    !PATTERNS.scan(value).is_empty() || is_random_token(value.trim())
}

/// Whether a variable with this name and value looks like a secret: as [`looks_secret`], and where the
/// name says that it is one (`DB_PASSWORD`, `API_TOKEN`), a value with letters and digits is enough.
pub fn looks_secret_variable(name: &str, value: &str) -> bool {
    looks_secret(value) || !PATTERNS.scan(&format!("{name}=\"{value}\"")).is_empty()
}

fn is_random_token(value: &str) -> bool {
    let bytes = value.as_bytes();
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-');
    let slashes = bytes.iter().filter(|byte| **byte == b'/').count();
    bytes.len() >= 24
        && slashes < 2
        && bytes.iter().all(token)
        && bytes.iter().any(u8::is_ascii_uppercase)
        && bytes.iter().any(u8::is_ascii_lowercase)
        && generic::is_random(bytes, 4.0)
}

/// The text made safe for a terminal or a markdown file: escape sequences are taken out, a carriage
/// return becomes a line break, and every other control or direction-changing character becomes `�`.
/// Line breaks and tabs stay.
///
/// ```
/// assert_eq!(convoy_core::secret::printable("\u{1b}[31mred\u{1b}[0m\u{7}"), "red\u{fffd}");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\u{1b}' => rest = after_escape(rest),
            '\u{9b}' => rest = after_control_sequence(rest),
            '\r' => {
                rest = rest.strip_prefix('\n').unwrap_or(rest);
                out.push('\n');
            }
            c if is_unsafe(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_unsafe(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    turns || breaks || (c.is_control() && c != '\n' && c != '\t')
}

/// What follows an escape sequence whose escape character is already taken.
fn after_escape(rest: &str) -> &str {
    match rest.chars().next() {
        Some('[') => after_control_sequence(&rest[1..]),
        // Titles, links, device strings: up to BEL or ESC \, on one line.
        Some(']' | 'P' | '^' | '_' | 'X') => match rest.find(['\u{7}', '\u{1b}', '\n']) {
            Some(at) if rest[at..].starts_with('\u{7}') => &rest[at + 1..],
            Some(at) if rest[at..].starts_with("\u{1b}\\") => &rest[at + 2..],
            Some(at) => &rest[at..],
            None => "",
        },
        Some(c @ ('\u{20}'..='\u{2f}')) => {
            let after = &rest[c.len_utf8()..];
            after.strip_prefix(|c: char| ('0'..='~').contains(&c)).unwrap_or(after)
        }
        Some(c @ ('0'..='~')) => &rest[c.len_utf8()..],
        _ => rest,
    }
}

/// What follows a control sequence whose introducer is already taken: parameters, then one final byte.
fn after_control_sequence(rest: &str) -> &str {
    let rest = rest.trim_start_matches(|c: char| ('\u{20}'..='\u{3f}').contains(&c));
    rest.strip_prefix(|c: char| ('@'..='~').contains(&c)).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_look_secret_are_told_from_settings() {
        let secrets = [
            "ghp_0123456789abcdefghijABCDEFGHIJ012345",
            "Zk3vQ9xW1mP7rT5yB2nC8dF4",
            "postgres://app:S3cret99@db/x",
            " AbCdEf0123456789GhIjKlMn\n",
        ];
        for value in secrets {
            assert!(looks_secret(value), "{value}");
        }
        let settings = [
            "",
            "production",
            "1",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "/usr/lib/jvm/java-21-Openjdk",
            "postgres://localhost:5432/test",
            "--max-old-space-size=4096",
            "2026-01-31T10:00:00.000Z",
            "Mozilla/5.0 (X11; Linux x86_64)",
        ];
        for value in settings {
            assert!(!looks_secret(value), "{value}");
            assert!(!looks_secret_variable("SETTING", value), "{value}");
        }
        assert!(looks_secret_variable("DB_PASSWORD", "hunter2hunter"));
        assert!(!looks_secret_variable("DB_USER", "hunter2hunter"));
        assert!(!looks_secret_variable("TOKEN_TTL", "3600"));
    }

    #[test]
    fn printable_text_has_no_controls_but_lines_and_tabs() {
        let cases = [
            ("plain\ttext\n", "plain\ttext\n"),
            ("a\r\nb\rc", "a\nb\nc"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\link", "xlink"),
            ("\u{1b}]never ended\nnext", "\nnext"),
            ("\u{1b}(Bx\u{1b}7y\u{1b}", "xy"),
            ("\u{9b}2Jx", "x"),
            ("a\u{0}b\u{7f}c\u{202e}d\u{85}", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}"),
            ("日本 é", "日本 é"),
        ];
        for (text, wanted) in cases {
            assert_eq!(printable(text), wanted, "{text:?}");
        }
        assert!(matches!(printable("untouched"), Cow::Borrowed(_)));
    }
}
