//! Publishing: a person's branch takes new commits, and its files follow where it is checked out, as git's own
//! checkout would do it and never at the cost of anything a person has there.
//!
//! Two steps, so that the caller can record in between what is about to happen: [`Repository::plan_publish`]
//! looks and, where the branch went on, merges in memory; [`Repository::apply_publish`] does it. The order is:
//! the lock of the worktree's index, the files (of changed paths only), the branch by compare-and-swap, the
//! index, the lock given back. A crash in between leaves at most files that are ahead of their branch or index,
//! and locks; the same call with `recover` completes it (`note` tells which locks it removes).
//!
//! [`Repository::plan_publish`]: super::Repository::plan_publish
//! [`Repository::apply_publish`]: super::Repository::apply_publish

mod adopt;
mod apply;
mod glance;
mod lock;
mod note;
mod plan;
mod way;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(in crate::git) use self::lock::dead_lock;
pub use self::lock::{StaleLock, remove_stale_lock};
use crate::types::Oid;

/// What to publish, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The full name of the branch.
    pub branch: String,
    /// The commit that it is to reach.
    pub target: Oid,
    /// What the branch was when it was last published to or, before that, when work began. A branch that does not
    /// reach this any more was rewritten.
    pub known: Oid,
    /// The message of the merge commit, where the branch went on meanwhile.
    pub message: String,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishPlan {
    /// The branch reaches the target already.
    UpToDate {
        /// What it is at.
        tip: Oid,
    },
    /// It is to move.
    Move(PublishMove),
    /// It cannot move now.
    Blocked(Blocked),
}

/// A move of a branch, to be recorded before it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishMove {
    /// The full name of the branch.
    pub branch: String,
    /// Where it must be.
    pub from: Oid,
    /// Where it goes: the target, or a merge of branch and target.
    pub to: Oid,
    /// The worktree that has it checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<PathBuf>,
    /// The lock that is taken meanwhile: the one of that worktree's index. After a crash of the holder,
    /// [`remove_stale_lock`] removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<PathBuf>,
}

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a branch that moved meanwhile was not published to"]
pub enum Published {
    /// Branch, files and index are at `to`.
    Done,
    /// The branch moved, or is checked out elsewhere now: nothing was changed. Plan again.
    Moved,
    /// It cannot be done now.
    Blocked(Blocked),
}

/// Why a branch stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The reason.
    pub reason: BlockReason,
    /// The paths it is about; relative to the root of the worktree unless the reason says otherwise.
    pub paths: Vec<String>,
}

/// Why a branch stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockReason {
    /// The branch was deleted.
    Deleted,
    /// The branch was rewritten: it does not reach any more what was known of it.
    Rewritten,
    /// Branch and target conflict; `paths` says where.
    Conflict,
    /// Local changes, staged changes or files that git does not track (ignored ones too) are at `paths`, which
    /// have to change.
    InTheWay,
    /// Another program holds a lock.
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// A worktree is in the middle of an operation on the branch; `paths` are those still unmerged.
    Unfinished {
        /// The operation, such as `merge` or `rebase`.
        operation: &'static str,
        /// The folder of the worktree, or its git directory when it is rebasing or bisecting the branch.
        worktree: PathBuf,
    },
    /// The branch is checked out more than once; `paths` are the folders.
    SeveralCheckouts,
}

impl Blocked {
    fn new(reason: BlockReason) -> Self {
        Self { reason, paths: Vec::new() }
    }

    fn at(reason: BlockReason, paths: Vec<String>) -> Self {
        Self { reason, paths }
    }
}

/// What happened, and what the person must do.
impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            BlockReason::Deleted => f.write_str("the branch was deleted: make it again"),
            BlockReason::Rewritten => {
                f.write_str("the branch was rewritten meanwhile: merge the landed work into it yourself")
            }
            BlockReason::Conflict => {
                f.write_str("the branch conflicts with the landed work: merge it yourself, and resolve")
            }
            BlockReason::InTheWay => {
                f.write_str("local changes or untracked files are in the way: commit, stash or move them")
            }
            BlockReason::Locked { lock } => {
                write!(
                    f,
                    "another program holds {lock:?}: wait for it to end; if none runs, delete that file"
                )
            }
            BlockReason::Unfinished { operation, worktree } => {
                write!(f, "an unfinished {operation} is in {worktree:?}: conclude or abort it")
            }
            BlockReason::SeveralCheckouts => {
                f.write_str("the branch is checked out in several worktrees: keep it in one only")
            }
        }?;
        if self.paths.is_empty() { Ok(()) } else { write!(f, " ({})", self.paths.join(", ")) }
    }
}
