//! The log as text files, one JSON object a line, for people and their tools.
//!
//! `convoy-events.ndjson` holds every event of the store, in order, each once. `convoys.ndjson` holds a
//! line for each end of a convoy. Both are derived: whatever a crash tears off is written again, and a
//! file that is deleted comes back with the next call. `AGENT-FAILURES.md` and `DISPUTES.md` are for people:
//! entries are added to them, and what people write there stays. Several processes may write them all.

mod disputes;
mod entries;
mod events;
mod failures;
mod lines;
mod people;
mod prune;
mod run_record;

use std::path::{Path, PathBuf};

pub use self::events::Synced;
pub use self::people::PeopleFiles;
pub use self::run_record::{RunRecord, RunTask};
use super::StoreError;

/// What went wrong with a text file. Nothing is lost by it: the store has everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The file cannot be read or written.
    #[error("cannot {doing} {}; free disk space or check permissions", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// A record does not become JSON.
    #[error("a record for {} cannot be written as JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: serde_json::Error,
    },
    /// The file ends with more text without a line than any line of ours has.
    #[error("{} ends with something that is no NDJSON; move it away, it is written anew", path.display())]
    NoLines {
        /// The file.
        path: PathBuf,
    },
    /// The events in the file are of another store.
    #[error(
        "{} holds event {seq} of another store; move it away, it is written anew",
        path.display()
    )]
    OtherStore {
        /// The file.
        path: PathBuf,
        /// The number of its last event.
        seq: u64,
    },
    /// The store failed.
    #[error("the events for {} cannot be read", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: StoreError,
    },
}

/// Writes the text files of one folder.
///
/// All methods block on files, and [`NdjsonExport::sync`] on the store as well: call them on a thread
/// that may block, for example through `spawn_blocking`.
#[derive(Debug, Clone)]
pub struct NdjsonExport {
    folder: PathBuf,
}

impl NdjsonExport {
    /// The files are in this folder; it is made when the first of them is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file of all events.
    pub fn events_path(&self) -> PathBuf {
        self.folder.join("convoy-events.ndjson")
    }

    /// The file of ended convoys.
    pub fn runs_path(&self) -> PathBuf {
        self.folder.join("convoys.ndjson")
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
