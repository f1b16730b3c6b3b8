//! Why a task did not succeed: one closed list for every kind alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The kind of a failure. Its text is the public `failure_type`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum FailureKind {
    /// The agent exited with an error, reported one, sent no terminal event or could not be started.
    Error,
    /// The agent refused the task.
    Refused,
    /// The agent reached its own limit of turns.
    TurnLimit,
    /// The agent ended with a question.
    NeedsInput,
    /// The agent printed nothing for too long.
    Idle,
    /// The time limit of the task passed.
    Timeout,
    /// The gate with this command or name failed.
    Gate(String),
    /// This command of `merge.verify` failed on the merged tree with the work in it.
    Verify(String),
    /// This command of `merge.verify` fails on the integration ref itself, without the work; the work is not blamed.
    RedTip(String),
    /// The agent rates its own work below what passes.
    Drift,
    /// The hook of this name or command failed.
    Hook(String),
    /// A review blocks the work, or was asked for and cannot be made.
    ReviewBlocked,
    /// No worktree could be made, or its setup failed.
    Worktree,
    /// The work could not be taken as a commit: an unfinished merge, an embedded repository.
    Snapshot,
    /// The merge conflict was not resolved.
    MergeConflict,
    /// Landing failed for another reason than a conflict.
    MergeError,
    /// A symbolic link of the tree leads out of it.
    SymlinkEscape,
    /// An artifact that the task is to leave is missing, invalid or too large.
    Artifact,
    /// An artifact that the task needs will never come.
    MissingInput,
    /// The prompt names an input that the task does not have.
    Template,
    /// A person refused it.
    ApprovalRefused,
    /// The prompt as it would have been sent holds a secret; nothing was sent.
    SecretInPrompt,
    /// The agent program is not installed.
    NotInstalled,
    /// The agent program is not logged in.
    Auth,
    /// The agent program does not understand how it was called.
    Contract,
    /// The provider's rate limit or quota is used up, or it is overloaded.
    RateLimit,
}

/// Text that names no [`FailureKind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no failure type; there are {list}, gate:NAME, hook:NAME", list = PLAIN.map(|(_, text)| text).join(", "))]
pub struct InvalidFailureKind(pub String);

const PLAIN: [(FailureKind, &str); 22] = [
    (FailureKind::Error, "error"),
    (FailureKind::Refused, "refused"),
    (FailureKind::TurnLimit, "turn-limit"),
    (FailureKind::NeedsInput, "needs-input"),
    (FailureKind::Idle, "idle"),
    (FailureKind::Timeout, "timeout"),
    (FailureKind::ReviewBlocked, "review-blocked"),
    (FailureKind::Worktree, "worktree-error"),
    (FailureKind::Snapshot, "snapshot-error"),
    (FailureKind::Drift, "drift"),
    (FailureKind::MergeConflict, "merge-conflict"),
    (FailureKind::MergeError, "merge-error"),
    (FailureKind::SymlinkEscape, "symlink-escape"),
    (FailureKind::Artifact, "artifact"),
    (FailureKind::MissingInput, "missing-input"),
    (FailureKind::Template, "template"),
    (FailureKind::ApprovalRefused, "approval-refused"),
    (FailureKind::SecretInPrompt, "secret-in-prompt"),
    (FailureKind::NotInstalled, "not-installed"),
    (FailureKind::Auth, "auth"),
    (FailureKind::Contract, "contract"),
    (FailureKind::RateLimit, "rate-limit"),
];

impl FailureKind {
    /// Whether every other task that calls the adapter in the same way would fail so, too.
    pub fn breaks_adapter(&self) -> bool {
        matches!(self, Self::NotInstalled | Self::Auth | Self::Contract)
    }

    /// Whether another attempt may be made while retries are left.
    pub fn is_retried(&self) -> bool {
        match self {
            Self::Error
            | Self::Refused
            | Self::TurnLimit
            | Self::NeedsInput
            | Self::Idle
            | Self::Timeout
            | Self::Gate(_)
            | Self::Verify(_)
            | Self::ReviewBlocked
            | Self::Worktree
            | Self::Snapshot
            | Self::Artifact
            | Self::MergeError
            | Self::RateLimit => true,
            // No other work of this task is asked for.
            Self::RedTip(_) => false,
            // What a hook keeps from happening, another attempt must not bring about either.
            Self::Hook(_) => false,
            // It has a try of its own, once.
            Self::Drift => false,
            // A conflict has two tries of its own before it comes here.
            Self::MergeConflict
            | Self::SymlinkEscape
            | Self::MissingInput
            | Self::Template
            | Self::ApprovalRefused
            | Self::SecretInPrompt
            | Self::NotInstalled
            | Self::Auth
            | Self::Contract => false,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate(name) => return write!(f, "gate:{name}"),
            Self::Verify(name) => return write!(f, "verify:{name}"),
            Self::RedTip(name) => return write!(f, "verify-tip:{name}"),
            Self::Hook(name) => return write!(f, "hook:{name}"),
            _ => {}
        }
        let text = PLAIN.iter().find(|(kind, _)| kind == self).map_or("error", |(_, text)| text);
        f.write_str(text)
    }
}

impl FromStr for FailureKind {
    type Err = InvalidFailureKind;
    fn from_str(text: &str) -> Result<Self, InvalidFailureKind> {
        if let Some(name) = text.strip_prefix("gate:") {
            return Ok(Self::Gate(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("verify:") {
            return Ok(Self::Verify(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("verify-tip:") {
            return Ok(Self::RedTip(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("hook:") {
            return Ok(Self::Hook(name.to_owned()));
        }
        let found = PLAIN.iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| kind.clone()).ok_or_else(|| InvalidFailureKind(text.to_owned()))
    }
}

impl TryFrom<String> for FailureKind {
    type Error = InvalidFailureKind;
    fn try_from(text: String) -> Result<Self, InvalidFailureKind> {
        text.parse()
    }
}

impl From<FailureKind> for String {
    fn from(kind: FailureKind) -> Self {
        kind.to_string()
    }
}

/// A failure: what kind, and what a person must know. Texts are redacted before they come here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind.
    #[serde(rename = "failure_type")]
    pub kind: FailureKind,
    /// What happened and what the person can do, one or a few lines.
    pub message: String,
    /// The exit code of the program that failed, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The end of the output of the program that failed, bounded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output_tail: String,
    /// When another try makes sense, as far as the provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

impl Failure {
    /// A failure without program output.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), exit_code: None, output_tail: String::new(), retry_at: None }
    }

    /// The failure of a hook of this name; `how` it ended in words, for example `exit code 1`.
    pub fn of_hook(name: &str, how: &str, exit_code: Option<i32>, output: &str) -> Self {
        let kind = FailureKind::Hook(name.to_owned());
        let failure = Self::new(kind, format!("hook `{name}` did not pass: {how}"));
        Self { exit_code, output_tail: output.to_owned(), ..failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_text_of_its_own() {
        for (kind, text) in PLAIN {
            assert_eq!(kind.to_string(), text);
            assert_eq!(text.parse::<FailureKind>().expect("known"), kind);
        }
        for named in [FailureKind::Gate, FailureKind::Verify, FailureKind::RedTip, FailureKind::Hook]
            .map(|of| of("npm test".into()))
        {
            assert_eq!(named.to_string().parse::<FailureKind>().expect("known"), named);
        }
        assert!("nonsense".parse::<FailureKind>().is_err());
    }
}
