//! The durable record: the trait, the memory store and SQLite.
//!
//! The event log is the truth. Tables beside it are projections, made by one pure function and written
//! in the same transaction, for people who like SQL.

mod api;

pub use self::api::{
    Appended, Batch, ConvoySummary, Holder, InboxEntry, Lease, NewConvoy, Store, StoreError, StoredConvoy,
};
