//! All of git behind one interface. Knows no convoy words.

mod added;
mod call;
mod commit_text;
mod commit_write;
mod commits;
mod conflict;
mod diff;
mod error;
mod exclude;
mod fast;
mod files;
mod gone;
mod guard;
mod hooks_folder;
mod ignore;
mod keep;
mod links;
mod markers;
mod merge;
mod open;
mod patch;
mod plain;
mod pool;
mod prune;
mod publish;
mod refs;
mod replay;
mod repository;
mod room;
mod separate;
mod signing;
mod skip;
mod snapshot;
mod submodule;
mod sync;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod unreadable;
mod worktree;

pub(crate) use self::files::delete_tree;

pub use self::added::Added;
pub use self::commits::CommitInfo;
pub use self::diff::{Change, ChangedPath, FileKind};
pub use self::error::GitError;
pub use self::guard::{Fingerprint, Touched};
pub use self::ignore::IgnoreRules;
pub use self::keep::Keep;
pub use self::links::TreeLink;
pub use self::merge::MergeResult;
pub use self::patch::PatchText;
pub use self::publish::{
    BlockReason, Blocked, PublishMove, PublishPlan, PublishRequest, Published, StaleLock, remove_stale_lock,
};
pub use self::refs::{Expected, Head, RefEdit, RefUpdate};
pub use self::repository::{Backend, GitOptions, Identity, ObjectFormat, Repository};
pub use self::snapshot::{Snapshot, SnapshotRequest};
pub(crate) use self::worktree::KEPT_ASIDE;
pub use self::worktree::{WorktreeInfo, WorktreeState};
