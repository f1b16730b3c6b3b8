//! What the errors of Claude Code mean. It names few of them by a code; the rest is told by the text of
//! an error, never by the text of an answer.

use super::dialect::excerpt;
use crate::types::{Failure, FailureKind, Timestamp};

/// A limit of the provider that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    /// Seconds since 1970 when it is lifted.
    pub(super) resets_at: Option<i64>,
    /// Which limit: `five_hour`, `seven_day` …
    pub(super) window: Option<String>,
}

/// Words of an error text, in lower case, and what they mean. The first that is found counts.
const MEANINGS: [(&[&str], Meaning); 7] = [
    (&["violate our usage policy", "unable to respond to this request"], Meaning::Refused),
    (&["529", "overloaded"], Meaning::Overloaded),
    (
        &[
            "429",
            "rate limit",
            "rate_limit",
            "usage limit",
            "hit your limit",
            "limit reached",
            "quota",
            "credit balance",
            "billing",
        ],
        Meaning::Limited,
    ),
    (
        &[
            "/login",
            "not logged in",
            "invalid api key",
            "authentication_error",
            "authentication failed",
            "oauth token",
            "401",
        ],
        Meaning::LoggedOut,
    ),
    (
        &[
            "unknown option",
            "unknown argument",
            "unexpected argument",
            "missing required argument",
            "requires --verbose",
            "is invalid. allowed choices",
        ],
        Meaning::UnknownFlag,
    ),
    (&["issue with the selected model", "model not found", "not_found_error"], Meaning::UnknownModel),
    (&["cannot be used with root/sudo"], Meaning::Root),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Refused,
    Overloaded,
    Limited,
    LoggedOut,
    UnknownFlag,
    UnknownModel,
    Root,
}

fn meaning(text: &str) -> Option<Meaning> {
    let text = text.to_lowercase();
    MEANINGS.iter().find(|(words, _)| words.iter().any(|word| says(&text, word))).map(|(_, meaning)| *meaning)
}

/// Whether the text holds the word; a status code only as a number of its own.
fn says(text: &str, word: &str) -> bool {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.contains(word);
    }
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word)
}

/// The failure that a result with an error declares.
pub(super) fn from_result(subtype: &str, said: &str, limit: Option<&Limit>) -> Failure {
    if let Some(meaning) = meaning(said) {
        return failure(meaning, said, limit);
    }
    if limit.is_some() {
        return limited(limit, said);
    }
    let kind = if subtype == "success" { String::new() } else { format!(" ({subtype})") };
    let message = if said.trim().is_empty() {
        format!("claude ended with an error{kind} and did not say which")
    } else {
        format!("claude ended with an error{kind}: {}", excerpt(said))
    };
    Failure::new(FailureKind::Error, message)
}

/// The failure that a message with an error code stands for.
pub(super) fn from_code(code: &str, said: &str, limit: Option<&Limit>) -> Failure {
    let named = match code {
        "rate_limit" | "billing_error" => Some(Meaning::Limited),
        "overloaded" => Some(Meaning::Overloaded),
        "authentication_failed" => Some(Meaning::LoggedOut),
        "model_not_found" => Some(Meaning::UnknownModel),
        _ => None,
    };
    // The text may know better: an overload comes as a server error.
    match (named, meaning(said)) {
        (Some(Meaning::Limited), Some(Meaning::Overloaded)) => failure(Meaning::Overloaded, said, limit),
        (Some(named), _) => failure(named, said, limit),
        (None, _) => from_result(code, said, limit),
    }
}

/// The failure that the error output of a run without a result tells; `None` = nothing is known but
/// the exit code.
pub(super) fn from_error_output(errors: &str, limit: Option<&Limit>) -> Option<Failure> {
    let known = meaning(errors).map(|meaning| failure(meaning, errors, limit));
    known.or_else(|| limit.map(|limit| limited(Some(limit), errors)))
}

fn limited(limit: Option<&Limit>, said: &str) -> Failure {
    let window = limit.and_then(|limit| limit.window.as_deref());
    let window = window.map(|window| format!(" ({window})")).unwrap_or_default();
    let until = limit.and_then(|limit| limit.resets_at).or_else(|| epoch(said));
    let until = until.map(|seconds| Timestamp(seconds.saturating_mul(1000)));
    let told = until.map(|until| format!(" until {until}")).unwrap_or_default();
    let what = format!("the limit of claude's account{window} is used up{told}");
    Failure { retry_at: until, ..message(FailureKind::RateLimit, what, said) }
}

fn failure(meaning: Meaning, said: &str, limit: Option<&Limit>) -> Failure {
    let (kind, what) = match meaning {
        Meaning::Limited => return limited(limit, said),
        Meaning::Overloaded => (FailureKind::RateLimit, "the provider of claude is overloaded"),
        Meaning::Refused => (FailureKind::Refused, "claude refused the task"),
        Meaning::LoggedOut => (
            FailureKind::Auth,
            "claude is not logged in: start `claude` once and log in, or set ANTHROPIC_API_KEY in its environment",
        ),
        Meaning::UnknownFlag => (
            FailureKind::Contract,
            "this version of claude does not understand how it is called: update it, or define your own command line under `adapters:`",
        ),
        Meaning::UnknownModel => (FailureKind::Contract, "claude does not know the model: correct `model`"),
        Meaning::Root => (
            FailureKind::Contract,
            "claude does not work on its own as root: run as another user, or set IS_SANDBOX=1 in `env` inside a container",
        ),
    };
    message(kind, what.to_owned(), said)
}

fn message(kind: FailureKind, what: String, said: &str) -> Failure {
    let said = excerpt(said);
    Failure::new(kind, if said.is_empty() { what } else { format!("{what}. It said: {said}") })
}

/// The time in `… usage limit reached|1735689600`.
fn epoch(said: &str) -> Option<i64> {
    let (_, digits) = said.split_once('|')?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok().filter(|seconds| (1_000_000_000..100_000_000_000).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_have_the_kind_that_a_person_would_give_them() {
        let cases = [
            (
                "API Error: 529 {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
                FailureKind::RateLimit,
                "overloaded",
            ),
            ("API Error: Request rejected (429) · Rate limited.", FailureKind::RateLimit, "used up"),
            (
                "Claude AI usage limit reached|1735689600",
                FailureKind::RateLimit,
                "until 2025-01-01T00:00:00.000Z",
            ),
            ("Credit balance is too low", FailureKind::RateLimit, "used up"),
            ("Invalid API key · Please run /login", FailureKind::Auth, "log in"),
            ("API Error: 401 {\"type\":\"authentication_error\"}", FailureKind::Auth, "log in"),
            ("error: unknown option '--verbose'", FailureKind::Contract, "update it"),
            ("There's an issue with the selected model (opus-9).", FailureKind::Contract, "correct `model`"),
            (
                "--dangerously-skip-permissions cannot be used with root/sudo privileges",
                FailureKind::Contract,
                "another user",
            ),
            ("API Error: Claude Code is unable to respond to this request", FailureKind::Refused, "refused"),
            ("line 4290 of 1529 broke", FailureKind::Error, "line 4290"),
            ("something else broke", FailureKind::Error, "something else broke"),
            ("", FailureKind::Error, "did not say which"),
        ];
        for (said, kind, part) in cases {
            let failure = from_result("success", said, None);
            assert_eq!(failure.kind, kind, "{said}");
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }

    #[test]
    fn the_reset_time_and_the_window_are_told() {
        let limit = Limit { resets_at: Some(1_774_447_200), window: Some("five_hour".to_owned()) };
        let failure = from_code("rate_limit", "You've hit your limit", Some(&limit));
        assert_eq!(failure.kind, FailureKind::RateLimit);
        assert!(
            failure.message.contains("(five_hour) is used up until 2026-03-25T14:00:00.000Z"),
            "{}",
            failure.message
        );
        assert_eq!(failure.retry_at, Some(Timestamp(1_774_447_200_000)));
        let overloaded = from_code("server_error", "API Error: 529 Overloaded", None);
        assert_eq!(overloaded.retry_at, None);
        assert_eq!(from_code("server_error", "API Error: 529 Overloaded", None).kind, FailureKind::RateLimit);
        assert_eq!(from_code("server_error", "API Error: 500", None).kind, FailureKind::Error);
    }
}
