//! The trait that every store implements.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::{DecodeError, Event, EventRecord, Request};
use crate::types::{BoxFuture, ConvoyId, ConvoyStatus, Timestamp, Totals};

/// What went wrong in a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The convoy is not stored.
    #[error("no convoy {0} is stored here; `list` shows those that are")]
    NoConvoy(ConvoyId),
    /// The convoy was pruned.
    #[error("convoy {convoy} was pruned at {at}: nothing of it is kept")]
    Pruned {
        /// The convoy.
        convoy: ConvoyId,
        /// When that was finished.
        at: Timestamp,
    },
    /// The convoy is being pruned, or that was cut off.
    #[error(
        "convoy {0} is being pruned and cannot be used any more; if that was cut off, prune it again to finish it"
    )]
    Pruning(ConvoyId),
    /// A live engine holds the convoy.
    #[error("convoy {convoy} is run by process {} on this machine: ask for a pause or a cancellation, which reaches it there, or take the convoy up when that has ended", holder.pid)]
    Held {
        /// The convoy.
        convoy: ConvoyId,
        /// Who holds it.
        holder: Holder,
    },
    /// The lease was taken over; the caller must stop at once and not act any more.
    #[error("another engine took convoy {0} over, so this run of it ends: follow it there")]
    Fenced(ConvoyId),
    /// The log is not where the caller believes it to be.
    #[error("the log of convoy {convoy} ends at {found}, not at {expected}: another writer was here")]
    Sequence {
        /// The convoy.
        convoy: ConvoyId,
        /// What the caller expected.
        expected: u64,
        /// Where the log really ends.
        found: u64,
    },
    /// The file is not one of ours.
    #[error("{0}")]
    Foreign(String),
    /// A newer engine wrote the file.
    #[error("the store has format {found}, this version reads up to {known}; use a newer version")]
    Newer {
        /// Format of the file.
        found: u32,
        /// Newest format that is known here.
        known: u32,
    },
    /// The stored events are damaged.
    #[error("the log of convoy {convoy} cannot be read")]
    Damaged {
        /// The convoy.
        convoy: ConvoyId,
        /// The reason.
        #[source]
        source: DecodeError,
    },
    /// The medium failed: disk full, no permission, corruption.
    #[error("the store failed to {doing}; free disk space or check permissions, then resume")]
    Medium {
        /// What was being done.
        doing: &'static str,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store is shut down.
    #[error("the store is closed")]
    Closed,
}

/// Who decides for a convoy: enough to tell whether that process still lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The engine, unique for each engine object.
    pub engine: String,
    /// Its process.
    pub pid: u32,
    /// When that process started, in the system's own unit.
    pub start_time: u64,
    /// The boot of the machine.
    pub boot: String,
}

/// The right to decide for one convoy. A later lease has a higher `fence`; writes with a lower one fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The convoy.
    pub convoy: ConvoyId,
    /// Who holds it.
    pub holder: Holder,
    /// Rises with every lease of this convoy.
    pub fence: u64,
}

/// A convoy that is to be stored.
#[derive(Debug, Clone)]
pub struct NewConvoy {
    /// Its id.
    pub id: ConvoyId,
    /// The spec's name.
    pub name: String,
    /// The spec as it is run, redacted. Kept whole: it is the other half of the truth.
    pub spec_text: String,
    /// Version of the event format.
    pub event_format: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who decides for it at first.
    pub holder: Holder,
    /// Its first event.
    pub first: Event,
}

/// One turn of a convoy: written in one transaction, or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// When the turn was decided. Without it the events take the time of the convoy's last event.
    pub time: Option<Timestamp>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Inbox entries that this turn answers; they are gone afterwards.
    pub consumed: Vec<u64>,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Number of the first event; the others follow without a gap. With no event: the log's end.
    pub first_seq: u64,
    /// Number of the last event: what the next append must expect.
    pub last_seq: u64,
}

/// A convoy as it is stored.
#[derive(Debug, Clone)]
pub struct StoredConvoy {
    /// Its id.
    pub id: ConvoyId,
    /// The spec text as it was given to [`Store::create`].
    pub spec_text: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// All its events, in order.
    pub events: Vec<EventRecord>,
}

/// A line of the list of convoys, read from the projection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConvoySummary {
    /// Its id.
    pub id: ConvoyId,
    /// The spec's name.
    pub name: String,
    /// Its stored status.
    pub status: ConvoyStatus,
    /// The user's branch, such as `main`.
    pub branch: String,
    /// Its full name, such as `refs/heads/main`.
    pub branch_ref: String,
    /// Whether what landed is on the user's branch.
    pub published: bool,
    /// Whether it can be resumed: not final, or a publish is still owed.
    pub unfinished: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What became of its tasks, from the projection.
    pub totals: Totals,
}

/// A convoy that is being pruned, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruning {
    /// Its id.
    pub convoy: ConvoyId,
    /// When that was begun.
    pub begun_at: Timestamp,
    /// When it was finished; absent while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// A request that waits in the inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxEntry {
    /// Its number, for [`Batch::consumed`].
    pub id: u64,
    /// When it was made.
    pub time: Timestamp,
    /// The request.
    pub request: Request,
}

/// The durable record of convoys.
///
/// Guarantees that an implementation gives and the engine relies on:
/// - [`Store::append`] is atomic and durable: when it answers `Ok`, everything of the batch survives a
///   crash of the process (and of the machine, for a store on disk); when it answers an error, or never
///   answers, all or nothing of the batch is there.
/// - Event numbers rise across all convoys of the store; a reader that has seen number n has missed
///   nothing below n.
/// - At most one lease of a convoy is valid; a write with an older fence fails with
///   [`StoreError::Fenced`].
///
/// - A convoy that is being pruned is as good as gone: it is not listed, its events are not read, and every method that
///   is asked about it answers [`StoreError::Pruning`], later [`StoreError::Pruned`]; but for its lease, which whoever prunes
///   it holds.
///
/// All methods may be called from several threads at once and from any async executor.
pub trait Store: Send + Sync + fmt::Debug {
    /// Stores a new convoy with its first event, and gives its first lease.
    ///
    /// # Errors
    /// [`StoreError::Sequence`] when a convoy of this id is stored, [`StoreError::Medium`] and the like;
    /// nothing is stored then.
    fn create(&self, new: NewConvoy) -> BoxFuture<'_, Result<(Lease, Appended), StoreError>>;

    /// Takes the lease of a convoy. A holder for which `is_alive` is false is replaced at once, and so is
    /// a lease of the same `holder.engine`.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another holder lives, [`StoreError::NoConvoy`], [`StoreError::Newer`] when
    /// a newer engine made the convoy.
    fn acquire<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        holder: Holder,
        is_alive: &'a (dyn Fn(&Holder) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Lease, StoreError>>;

    /// Gives a lease back. A lease that is no longer valid is ignored.
    ///
    /// # Errors
    /// [`StoreError::Medium`].
    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The holder of a convoy, live or not.
    ///
    /// # Errors
    /// [`StoreError::NoConvoy`].
    fn holder<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Option<Holder>, StoreError>>;

    /// Writes one turn. `expected` is the number of the convoy's last event.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Sequence`], [`StoreError::Medium`].
    fn append<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Appended, StoreError>>;

    /// Everything of one convoy.
    ///
    /// # Errors
    /// [`StoreError::NoConvoy`], [`StoreError::Damaged`], [`StoreError::Newer`] when a newer engine made the
    /// convoy.
    fn load<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<StoredConvoy, StoreError>>;

    /// Up to `limit` events with a number above `after`, of one convoy or of all, in order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Medium`].
    fn read_from<'a>(
        &'a self,
        convoy: Option<&'a ConvoyId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<EventRecord>, StoreError>>;

    /// All convoys, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Medium`].
    fn list(&self) -> BoxFuture<'_, Result<Vec<ConvoySummary>, StoreError>>;

    /// Puts a request into the inbox of a convoy, from any process.
    ///
    /// # Errors
    /// [`StoreError::NoConvoy`], [`StoreError::Medium`].
    fn submit<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        request: Request,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// The requests that wait in the inbox of a convoy, in order. Cheap enough to be asked several
    /// times a second.
    ///
    /// # Errors
    /// [`StoreError::NoConvoy`], [`StoreError::Medium`].
    fn inbox<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Vec<InboxEntry>, StoreError>>;

    /// Records that a convoy is to be pruned; from now on nobody can use it any more. Asked for again, it changes nothing.
    /// What is not in the store is to be deleted then, and after it [`finish_pruning`](Self::finish_pruning) called: a
    /// crash in between leaves a convoy that can only be pruned.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::NoConvoy`], [`StoreError::Pruned`], [`StoreError::Medium`].
    fn begin_pruning<'a>(&'a self, lease: &'a Lease, now: Timestamp)
    -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes everything of a convoy that is being pruned, its lease included, all or nothing; only that it was pruned is
    /// still known. Event numbers are not used again. Gives the number of events that are gone.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], also for a convoy that is not being pruned; [`StoreError::NoConvoy`],
    /// [`StoreError::Pruned`], [`StoreError::Medium`].
    fn finish_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// The convoys that are being pruned or were, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::Medium`].
    fn prunings(&self) -> BoxFuture<'_, Result<Vec<Pruning>, StoreError>>;

    /// Gives back the space of what was deleted, and tells how many bytes that were. A store that does so by itself has
    /// nothing to do.
    ///
    /// # Errors
    /// [`StoreError::Medium`].
    fn give_space_back(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(std::future::ready(Ok(0)))
    }

    /// Finishes what was asked and closes files and threads; every later call may answer
    /// [`StoreError::Closed`]. A store that holds nothing open has nothing to do.
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
