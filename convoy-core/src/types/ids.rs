//! Identifiers, each with a validating constructor.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Text that is not a valid identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {what}: {why}")]
pub struct InvalidId {
    /// The kind of identifier that was wanted.
    pub what: &'static str,
    /// The text that was given.
    pub text: String,
    /// Which rule it breaks.
    pub why: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// [`InvalidId`] with the rule that the text breaks.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(why) => Err(InvalidId { what: $what, text: text.to_owned(), why }),
                }
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

text_id!(
    /// A convoy: one execution of one spec. `convoy-` and a ULID, in lower case so that it is safe on
    /// file systems that fold case.
    ConvoyId,
    "convoy id",
    |text| match text.strip_prefix("convoy-") {
        Some(rest) if rest.len() == 26 && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()) =>
            Ok(()),
        _ => Err("it must be `convoy-` and 26 digits or lower case letters"),
    }
);

text_id!(
    /// The id that a user gives to a task: any printable text, unique within its convoy only.
    TaskId,
    "task id",
    |text| {
        if text.is_empty() {
            Err("it must not be empty")
        } else if text.chars().count() > 200 {
            Err("it must have at most 200 characters")
        } else if text.chars().any(char::is_control) {
            Err("it must have no control characters")
        } else {
            Ok(())
        }
    }
);

text_id!(
    /// One attempt of one task of one convoy: `<convoy id>.<task index>.<attempt>`, or what runs at the convoy's
    /// end: `<convoy id>.end.<number>`. It is the value of `CONVOY_ATTEMPT` in the environment of everything that
    /// the attempt starts.
    WorkerId,
    "worker id",
    |text| {
        let mut parts = text.split('.');
        let convoy = parts.next().is_some_and(|c| ConvoyId::new(c).is_ok());
        let task = parts.next().is_some_and(|n| n == "end" || n.parse::<u32>().is_ok());
        let attempt = parts.next().is_some_and(|n| n.parse::<u32>().is_ok());
        if convoy && task && attempt && parts.next().is_none() {
            Ok(())
        } else {
            Err("it must be a convoy id, a task index (or `end`) and a number, joined by dots")
        }
    }
);

text_id!(
    /// A git object id in lower case hexadecimal: 40 digits (SHA-1) or 64 (SHA-256).
    Oid,
    "git object id",
    |text| {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && (text.len() == 40 || text.len() == 64) {
            Ok(())
        } else {
            Err("it must be 40 or 64 lower case hexadecimal digits")
        }
    }
);

text_id!(
    /// The session of an agent program, in that program's own words.
    SessionId,
    "session id",
    |text| {
        if text.is_empty() || text.len() > 512 || text.starts_with('-') || text.chars().any(char::is_control) {
            Err("it must have 1 to 512 bytes, no control characters, and must not start with a dash")
        } else {
            Ok(())
        }
    }
);

impl ConvoyId {
    /// Makes the id from a time in milliseconds and 80 random bits.
    pub fn from_parts(millis: u64, random: u128) -> Self {
        let ulid = ulid::Ulid::from_parts(millis, random);
        Self(format!("convoy-{}", ulid.to_string().to_lowercase()).into())
    }
}

impl WorkerId {
    /// The id of an attempt.
    pub fn of(convoy: &ConvoyId, task: TaskIx, attempt: AttemptNo) -> Self {
        Self(format!("{convoy}.{}.{}", task.0, attempt.0).into())
    }

    /// The id of what runs at the end of the convoy for this number.
    pub fn of_end(convoy: &ConvoyId, number: u32) -> Self {
        Self(format!("{convoy}.end.{number}").into())
    }

    /// The id of what a hook of the convoy runs as; `index` is its position. Told from those of rounds of gates.
    pub fn of_hook(convoy: &ConvoyId, index: u32) -> Self {
        Self::of_end(convoy, 1_000_000 + index)
    }

    /// The id of a run of `merge.verify`, told from the others.
    pub fn of_verify(convoy: &ConvoyId, run: u32) -> Self {
        Self::of_end(convoy, 2_000_000_u32.saturating_add(run))
    }
}

/// The position of a task in its convoy, from 0, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskIx(pub u32);

impl TaskIx {
    /// The position as an index into a slice.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The number of an attempt of a task, from 1. Every run of an agent is one attempt: a first try, a
/// retry, the repetition after an interrupt, the resolution of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptNo(pub u32);

impl fmt::Display for AttemptNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A short name made of the safe part of any text: lower case letters, digits and single dashes, at
/// most 40 characters, never empty. Not unique: callers put an index in front of it.
///
/// ```
/// assert_eq!(convoy_core::types::slug("Add a..b.lock!"), "add-a-b-lock");
/// assert_eq!(convoy_core::types::slug("日本"), "task");
/// ```
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= 40 {
            break;
        }
    }
    let short = out.trim_end_matches('-');
    if short.is_empty() { "task".to_owned() } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_they_must() {
        let long = "x".repeat(201);
        for bad in ["", "a\nb", "a\u{7f}", long.as_str()] {
            assert!(TaskId::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "../..", "a b", "日本", ".lock", "-x"] {
            assert_eq!(TaskId::new(good).expect("valid").as_str(), good);
        }
        assert!(Oid::new("abc").is_err());
        assert!(Oid::new("A".repeat(40)).is_err());
        assert!(Oid::new("a".repeat(64)).is_ok());
        assert!(SessionId::new("--resume").is_err());
        assert!(ConvoyId::new("convoy-x").is_err());
    }

    #[test]
    fn worker_ids_round_trip() {
        let convoy = ConvoyId::from_parts(1, 2);
        let worker = WorkerId::of(&convoy, TaskIx(3), AttemptNo(4));
        assert_eq!(WorkerId::new(worker.as_str()).expect("valid"), worker);
        assert!(worker.as_str().ends_with(".3.4"));
        let end = WorkerId::of_end(&convoy, 5);
        assert_eq!(WorkerId::new(end.as_str()).expect("valid"), end);
        let json = serde_json::to_string(&worker).expect("json");
        assert_eq!(serde_json::from_str::<WorkerId>(&json).expect("back"), worker);
    }
}
