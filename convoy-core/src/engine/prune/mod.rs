//! Convoys that go: their refs, files, lines and rows.
//!
//! Only a convoy that has ended is pruned, under its lease, so that nobody runs or retries it meanwhile. First that is
//! recorded; from then on nobody can use the convoy any more. Then its refs go, each if it is still what was looked at, then
//! worktrees and files, then its lines in the NDJSON files, and last what the store has of it. Every step can be done again:
//! whatever a crash cuts off is finished by the next call, whichever convoys that is about. Which refs were looked at is noted
//! before: one that somebody changed meanwhile is not deleted by those calls either, until one names its convoy.
//!
//! No convoy needs the refs of another one: what it builds on are commits of the user's branch. The files for people
//! (`AGENT-FAILURES.md`, `DISPUTES.md`) stay as they are. Objects of git that nothing reaches any more go with git's own
//! garbage collection.

mod choose;
mod files;
mod retain;
mod steps;
#[cfg(test)]
mod tests;
mod unlock;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) use self::retain::Retained;
pub use self::retain::Retention;
pub(super) use self::retain::apply as retain;
use self::steps::{give_space_back, prune_all};
pub(super) use self::unlock::unlock;
use super::driver::store_error;
use super::handle::Inner;
use crate::error::{Error, ErrorKind};
use crate::store::StoreError;
use crate::types::{ConvoyId, ConvoyStatus, Oid, Timestamp};

/// Which convoys are to be pruned. At least one of `convoys`, `older_than` and `all` says so; where more are given, a convoy
/// must fulfil all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PruneOptions {
    /// These; an empty list means none of them. Not together with `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convoys: Option<Vec<ConvoyId>>,
    /// Those that ended at least so long ago; as JSON `older_than_ms`, in milliseconds.
    #[serde(rename = "older_than_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub older_than: Option<Duration>,
    /// Every one that has ended. As with those that are named, dead letters and disputes that are still open hold none back;
    /// files of an attempt that are in no commit hold back all but those that are named.
    pub all: bool,
    /// Also those whose landed work is on no branch, tag or remote branch: nothing reaches it any more then.
    pub unpublished: bool,
    /// Only tell what would be done.
    pub dry_run: bool,
}

/// What was pruned, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Nothing was done: this is what would be.
    pub dry_run: bool,
    /// The convoys that are gone, the oldest first.
    pub pruned: Vec<PrunedConvoy>,
    /// Those that were asked for and are kept, the oldest first.
    pub kept: Vec<KeptConvoy>,
    /// Ended convoys whose logs were removed to keep all logs below the quota; the convoys themselves are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs_removed: Vec<RemovedLogs>,
    /// How much shorter the database became.
    pub database_bytes: u64,
}

/// A convoy that was pruned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrunedConvoy {
    /// Its id.
    pub convoy_id: ConvoyId,
    /// Its name; absent for one that was pruned in part before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ConvoyStatus>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Whether an earlier call had begun it.
    pub continued: bool,
    /// Refs below `refs/convoy/`.
    pub refs: u64,
    /// Logs and other files.
    pub files: u64,
    /// What they held, in bytes.
    pub bytes: u64,
    /// Events.
    pub events: u64,
    /// The newest commit of its landed work, where that is on no branch: nothing but this id leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpublished: Option<Oid>,
    /// What was left, because it is not the engine's: links in the place of its folders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// A convoy that was asked for and is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptConvoy {
    /// Its id.
    pub convoy_id: ConvoyId,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why.
    pub reason: KeepReason,
    /// The same for people, and what they can do about it.
    pub detail: String,
}

/// Why a convoy is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeepReason {
    /// A live engine has it, or prunes it.
    Running,
    /// It has not ended, or its branch was being moved: it can be resumed.
    Unfinished,
    /// Its landed work is on no branch.
    Unpublished,
    /// It has dead letters or disputes that are open, or files of work that could not be taken as a commit.
    OpenForPeople,
    /// Its record cannot be read.
    Unreadable,
    /// It could not be pruned, or not to the end; the next call goes on. Where somebody changed or made one of its refs
    /// meanwhile, only one that names it.
    Failed,
}

/// Logs that were removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemovedLogs {
    /// Whose.
    pub convoy_id: ConvoyId,
    /// How many bytes that were.
    pub bytes: u64,
}

/// Prunes what is asked for.
pub(super) async fn prune(inner: &Arc<Inner>, options: PruneOptions) -> Result<PruneReport, Error> {
    check(&options)?;
    let parts = &inner.parts;
    if !options.dry_run {
        unlock(parts).await;
    }
    let prunings = parts.store.prunings().await.map_err(store_error)?;
    let mut stored = parts.store.list().await.map_err(store_error)?;
    for convoy in options.convoys.iter().flatten() {
        if stored.iter().any(|line| line.id == *convoy) {
            continue;
        }
        match prunings.iter().find(|pruning| pruning.convoy == *convoy).map(|pruning| pruning.finished_at) {
            // It is finished below.
            Some(None) => {}
            Some(Some(at)) => return Err(store_error(StoreError::Pruned { convoy: convoy.clone(), at })),
            None => return Err(store_error(StoreError::NoConvoy(convoy.clone()))),
        }
    }
    let half = prunings.into_iter().filter(|one| one.finished_at.is_none());
    let half = half.map(|one| options.half(one.convoy)).collect();
    let now = parts.clock.now();
    stored.retain(|line| options.wants(line, now));
    let mut report = prune_all(parts, half, stored, options.conditions()).await?;
    give_space_back(parts, &mut report).await;
    Ok(report)
}

fn check(options: &PruneOptions) -> Result<(), Error> {
    let text = match (options.all, options.convoys.is_some()) {
        (true, true) => {
            "either all convoys that have ended are pruned or those that are named: give one of them"
        }
        (false, false) if options.older_than.is_none() => {
            "nothing says which convoys are to be pruned: name them, say how long ago they ended, or all"
        }
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidArgument, text))
}

/// A duration that may be absent, as a whole number of milliseconds.
mod millis {
    use super::{Deserialize as _, Deserializer, Duration, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}
