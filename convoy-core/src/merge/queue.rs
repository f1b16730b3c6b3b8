//! The trait.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{BoxFuture, MergeStrategy, Oid};

/// What is to land, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareRequest {
    /// The full name of the ref on which work lands. It belongs to the engine; no person works on it.
    pub integration_ref: String,
    /// The commit to land onto: what the ref was when the caller looked, or a landing commit that was prepared onto
    /// that, and so on.
    pub tip: Oid,
    /// The commit that was checked.
    pub work: Oid,
    /// The whole message of the landing commit, trailers included.
    pub message: String,
    /// The form of the landing; one that [`MergeQueue::lands_as`] took.
    pub strategy: MergeStrategy,
}

/// The trailer of a landing that does not have the work among its ancestors: the id of the work.
pub(crate) const WORK_TRAILER: &str = "Convoy-Work";

/// A landing commit that was made and has not been landed. It goes into the event log before it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The landing commit. Its parents are `onto` and the work, in this order, when the work lands as a merge; else it
    /// descends from `onto` alone. Where several land at once it is the last of them, and `onto` is what the first of
    /// them was made for.
    pub commit: Oid,
    /// The commit that the ref must be at when it lands.
    pub onto: Oid,
    /// The ref.
    pub integration_ref: String,
}

/// What came of preparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepareOutcome {
    /// The landing commit is there.
    Prepared(Prepared),
    /// The tip already reaches the work.
    NothingToLand,
    /// Somebody has to resolve a conflict first.
    Conflict {
        /// The merged tree, with markers where a file can hold them.
        tree: Oid,
        /// The paths that are part of the conflict; never empty.
        paths: Vec<String>,
        /// The tip that the work conflicts with.
        onto: Oid,
    },
}

/// What came of advancing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a landing that found the ref moved did not happen"]
pub enum Advance {
    /// The ref reaches the landing commit.
    Advanced,
    /// The ref is no longer at `onto`: prepare again.
    Moved {
        /// What it is at; `None` when it is gone.
        now: Option<Oid>,
    },
}

/// Whether a prepared commit landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The ref reaches it.
    Landed,
    /// It does not.
    NotLanded,
}

/// Why landing could not be tried. Never a conflict, never a ref that moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Somebody with a newer lease has landed work: this engine must stop.
    #[error("work was landed with a newer lease ({newer}, this engine has {held})")]
    Fenced {
        /// The number of the caller's lease.
        held: u64,
        /// The number of the newer one.
        newer: u64,
    },
    /// The engine ends, and nobody waits for the answer any more. What was asked for may have happened: it is asked for
    /// again when the convoy is resumed. From an engine that goes on it is an error as any other.
    #[error("the engine ends, and the merge queue has not answered")]
    Stopped,
    /// The medium failed.
    #[error("could not {action}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Lands work on one ref, each piece exactly once.
///
/// The caller records the [`Prepared`] between `prepare` and `advance`, so that after a crash at any moment
/// [`settle`](Self::settle) tells what is still to be done. One landing per ref is under way at a time, but an
/// implementation must not rely on it.
///
/// The engine looks up what `prepare` and `advance` answered before it records it, so that a fault of an
/// implementation is an error and never work that is lost.
///
/// What every implementation guarantees is checked by `merge::conformance` (feature `testing`).
pub trait MergeQueue: Send + Sync + fmt::Debug {
    /// Whether work can land in this form. Convoys that ask for another one are refused. Not overridden: merges alone.
    fn lands_as(&self, strategy: MergeStrategy) -> bool {
        strategy == MergeStrategy::Merge
    }

    /// Merges the work onto the tip, without touching files or refs, and writes the landing commit: always a
    /// commit of its own with the parents (tip, work), also where a fast-forward would do, or for another
    /// [strategy](PrepareRequest::strategy) one or more commits on the tip with the same files. When this returns
    /// `Prepared`, everything that the commit reaches will survive a power cut.
    ///
    /// Preparing twice is harmless; a prepared commit that never lands is garbage.
    ///
    /// # Errors
    /// [`MergeError`]. A failure that is not a text conflict is never reported as `Conflict` nor as `Prepared`.
    fn prepare<'a>(
        &'a self,
        request: &'a PrepareRequest,
    ) -> BoxFuture<'a, Result<PrepareOutcome, MergeError>>;

    /// Moves the ref from `onto` to the landing commit, by compare-and-swap, durably. When the ref already
    /// reaches the commit this is `Advanced`: it may be repeated after a crash.
    ///
    /// `fence` is the number of the caller's lease, which grows with every new holder. Once a number has been
    /// seen, a smaller one is refused, also when the ref has not moved.
    ///
    /// # Errors
    /// [`MergeError::Fenced`]; the ref is unchanged then. After any other error it may have moved: settle.
    fn advance<'a>(
        &'a self,
        prepared: &'a Prepared,
        fence: u64,
    ) -> BoxFuture<'a, Result<Advance, MergeError>>;

    /// Looks whether the ref reaches a prepared commit, which need not exist any more. Changes nothing.
    ///
    /// # Errors
    /// [`MergeError`] when that cannot be known.
    fn settle<'a>(&'a self, prepared: &'a Prepared) -> BoxFuture<'a, Result<Settled, MergeError>>;
}
