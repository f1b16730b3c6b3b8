//! The durable record: the trait, the memory store and SQLite.
//!
//! The event log is the truth. Tables beside it are projections, made by one pure function and written
//! in the same transaction, for people who like SQL.

mod api;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod export;
mod memory;
mod project;
#[cfg(feature = "sqlite")]
mod sqlite;
mod wait;

pub use self::api::{
    Appended, Batch, ConvoySummary, Holder, InboxEntry, Lease, NewConvoy, Pruning, Store, StoreError,
    StoredConvoy,
};
pub use self::export::{ExportError, NdjsonExport, PeopleFiles, RunRecord, RunTask, Synced};
pub use self::memory::{MemoryStore, When};
#[cfg(feature = "sqlite")]
pub(crate) use self::sqlite::LateStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
