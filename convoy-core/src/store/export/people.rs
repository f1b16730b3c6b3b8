//! The files that are kept for people: what is derived of one convoy stands beside what they wrote.

use std::path::PathBuf;

use super::ExportError;
use super::disputes::Disputes;
use super::entries::keep;
use super::failures::Failures;
use crate::store::Store;
use crate::store::wait::block_on;
use crate::types::ConvoyId;

/// Events read at once.
const PAGE: usize = 256;

/// Keeps `AGENT-FAILURES.md` and `DISPUTES.md` in step with one convoy. What others wrote in the files stays.
///
/// Blocks on the files and on the store: call it on a thread that may block.
#[derive(Debug)]
pub struct PeopleFiles {
    folder: PathBuf,
    convoy: ConvoyId,
    /// Number of the last event that was looked at.
    seen: u64,
    failures: Failures,
    disputes: Disputes,
}

impl PeopleFiles {
    /// The files in this folder, for this convoy.
    pub fn new(folder: impl Into<PathBuf>, convoy: ConvoyId) -> Self {
        let (failures, disputes) = (Failures::default(), Disputes::default());
        Self { folder: folder.into(), convoy, seen: 0, failures, disputes }
    }

    /// Writes what was recorded since the last call. Makes no file where there is nothing to write.
    ///
    /// # Errors
    /// [`ExportError`]; the next call writes what is missing then.
    pub fn sync(&mut self, store: &dyn Store) -> Result<(), ExportError> {
        let (mut failures, mut disputes) = (false, false);
        loop {
            let page = block_on(store.read_from(Some(&self.convoy), self.seen, PAGE));
            let page = page.map_err(|source| ExportError::Store { path: self.folder.clone(), source });
            let page = page.inspect_err(|_| self.seen_nothing())?;
            let Some(last) = page.last().map(|record| record.seq) else { break };
            for record in &page {
                failures |= self.failures.note(record);
                disputes |= self.disputes.note(record);
            }
            self.seen = last;
        }
        let failures = if failures { self.failures.entries() } else { Vec::new() };
        let disputes = if disputes { self.disputes.entries(&self.convoy) } else { Vec::new() };
        let kept = keep(&self.folder.join("AGENT-FAILURES.md"), "Agent Failures", &failures);
        let kept = kept.and(keep(&self.folder.join("DISPUTES.md"), "Disputes", &disputes));
        kept.inspect_err(|_| self.seen_nothing())
    }

    /// Everything is looked at again.
    fn seen_nothing(&mut self) {
        (self.seen, self.failures, self.disputes) = (0, Failures::default(), Disputes::default());
    }
}
