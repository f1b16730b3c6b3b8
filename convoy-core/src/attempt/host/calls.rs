//! What code of the host is told, and what it answers.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::review::DiffText;
use crate::spec::{HookMoment, Task};
use crate::types::{AttemptNo, ConvoyId, Failure, Oid};

/// What a gate of the host is to judge.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GateCall {
    /// The convoy.
    pub convoy: ConvoyId,
    /// The task, as it is stored.
    pub task: Task,
    /// The attempt.
    pub attempt: AttemptNo,
    /// A worktree with the files of the work. What is edited in it is undone, and told.
    pub worktree: PathBuf,
    /// Where the work began.
    pub base: Oid,
    /// The commit of the work.
    pub commit: Oid,
    /// Its tree. A gate that passed is not asked again about the same one.
    pub tree: Oid,
    /// The paths that the work changed, those that files were renamed from included.
    pub changed_files: Vec<String>,
    /// What it changed, as a patch of at most 1 MiB, without any secret.
    pub diff: DiffText,
    /// Whoever still works when this is cancelled should end: the run stops, or the time is up. Code that does not is
    /// left to itself a moment later, and what it says then is not heard.
    pub stop: CancellationToken,
}

/// Whom a prompt source of the host is asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PromptCall {
    /// The convoy.
    pub convoy: ConvoyId,
    /// The task, as it is stored.
    pub task: Task,
    /// The attempt.
    pub attempt: AttemptNo,
    /// The role that makes the attempt.
    pub agent: String,
    /// The worktree that the agent will work in, set up.
    pub worktree: PathBuf,
    /// What failed in the attempt before.
    pub feedback: Option<Failure>,
    /// As [`GateCall::stop`].
    pub stop: CancellationToken,
}

/// What a hook of the host is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HookCall {
    /// The convoy.
    pub convoy: ConvoyId,
    /// The task, as it is stored, and the attempt; `None` at the end of the convoy.
    pub task: Option<(Task, AttemptNo)>,
    /// The moment.
    pub on: HookMoment,
    /// Where it runs. What a hook of a task edits there is part of the work.
    pub worktree: PathBuf,
    /// As [`GateCall::stop`].
    pub stop: CancellationToken,
}

/// What a gate or a hook of the host says. Reasons are bounded, and secrets in them are redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The work may go on.
    Pass,
    /// It may not, and why: one line, and more after it where that helps. Of a gate the agent's next attempt is told.
    Fail(String),
}

impl Answer {
    /// A failure with its reason.
    pub fn fail(reason: impl Into<String>) -> Self {
        Self::Fail(reason.into())
    }
}

impl<E: std::fmt::Display> From<Result<(), E>> for Answer {
    fn from(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Pass,
            Err(error) => Self::Fail(error.to_string()),
        }
    }
}

/// What a prompt source of the host adds to a prompt: at most 1 MiB, before the prompt of the task. The whole prompt is
/// looked through for secrets before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptPart {
    /// Nothing, this time.
    Nothing,
    /// What the agent is to do or to heed: the host's own words.
    Instructions(String),
    /// What the agent is to know: text from elsewhere, which it is told to take as data.
    Data(String),
}
