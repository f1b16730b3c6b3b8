//! What people read: events as lines, convoys as tables, a live display. Pure but for the display.
//!
//! Everything that comes from a spec, an agent, git or a file name goes through [`safe`] or
//! [`safe_line`] on its way here.

mod attempt;
mod board;
mod event;
mod live;
mod prune;
mod status;
mod table;

use std::borrow::Cow;
use std::time::Duration;

use convoy_core::secret::printable;

pub(crate) use self::attempt::attempt_lines;
pub(crate) use self::board::Board;
pub(crate) use self::event::{describe, notable};
pub(crate) use self::live::Live;
pub(crate) use self::prune::{prune_lines, retention_lines};
pub(crate) use self::status::{Hints, quoted, status_lines, summary_lines};
pub(crate) use self::table::table;

/// Foreign text without anything that could drive a terminal. Line breaks and tabs stay.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    printable(text)
}

/// The same on one line: what follows the first non-empty line is left out, and said to be. A line that only
/// announces the next one (`…:`) is followed by it.
pub(crate) fn safe_line(text: &str) -> String {
    let text = safe(text.trim());
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut first = lines.next().unwrap_or_default().replace('\t', " ");
    if first.ends_with(':')
        && let Some(next) = lines.next()
    {
        first.push_str(&format!(" {}", next.replace('\t', " ")));
    }
    if lines.next().is_some() { format!("{first} …") } else { first }
}

/// `0.4s`, `12.3s`, `2m 05s`, `3h 02m`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{}.{}s", seconds, time.subsec_millis() / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(number: impl Into<u64>, what: &str) -> String {
    let number = number.into();
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `refs/heads/main` as people write it.
pub(crate) fn short_branch(name: &str) -> String {
    safe_line(name.strip_prefix("refs/heads/").unwrap_or(name))
}

/// Some of many: at most five, and how many more there are.
pub(crate) fn some_of(items: &[String]) -> String {
    let shown: Vec<String> = items.iter().take(5).map(|item| safe_line(item)).collect();
    let more = items.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_for_people() {
        let times = [
            (0, "0.0s"),
            (450, "0.4s"),
            (59_999, "59.9s"),
            (60_000, "1m 00s"),
            (3_599_000, "59m 59s"),
            (7_325_000, "2h 02m"),
        ];
        for (millis, text) in times {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        let numbers = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in numbers {
            assert_eq!(thousands(number), text);
        }
        assert_eq!((count(1_u32, "task"), count(2_u32, "task")), ("1 task".into(), "2 tasks".into()));
    }

    #[test]
    fn foreign_text_becomes_one_harmless_line() {
        let cases = [
            ("", ""),
            ("one", "one"),
            ("\n\n one \n", "one"),
            ("one\ntwo", "one …"),
            ("one:\n  two", "one: two"),
            ("one:\n\n- two:\nthree", "one: - two: …"),
            ("\u{1b}[2Ja\rb", "a …"),
            ("a\tb\u{7}", "a b\u{fffd}"),
        ];
        for (text, wanted) in cases {
            assert_eq!(safe_line(text), wanted, "{text:?}");
        }
        let six: Vec<String> = (1..=7).map(|n| n.to_string()).collect();
        assert_eq!(some_of(&six), "1, 2, 3, 4, 5 and 2 more");
        assert_eq!(some_of(&six[..2]), "1, 2");
    }
}
