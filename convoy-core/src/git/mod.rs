//! All of git behind one interface. Knows no convoy words.

mod added;
mod call;
mod commit_text;
mod commits;
mod diff;
mod error;
mod exclude;
mod files;
mod guard;
mod hooks_folder;
mod ignore;
mod links;
mod merge;
mod open;
mod patch;
mod publish;
mod refs;
mod repository;
mod skip;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod worktree;

pub use self::added::Added;
pub use self::commits::CommitInfo;
pub use self::diff::{Change, ChangedPath, FileKind};
pub use self::error::GitError;
pub use self::guard::{Fingerprint, Touched};
pub use self::ignore::IgnoreRules;
pub use self::links::TreeLink;
pub use self::merge::MergeResult;
pub use self::patch::PatchText;
pub use self::publish::{
    BlockReason, Blocked, PublishMove, PublishPlan, PublishRequest, Published, StaleLock, remove_stale_lock,
};
pub use self::refs::{Expected, Head, RefEdit, RefUpdate};
pub use self::repository::{GitOptions, Identity, ObjectFormat, Repository};
pub use self::snapshot::{Snapshot, SnapshotRequest};
pub use self::worktree::{WorktreeInfo, WorktreeState};
