//! `DISPUTES.md`: the disputes of all convoys, for people.

use std::path::PathBuf;

use super::ExportError;
use super::entries::{Entry, cell, fenced, keep};
use crate::event::{Dispute, Event, EventRecord, TaskEvent};
use crate::store::Store;
use crate::store::wait::block_on;
use crate::types::{ConvoyId, TaskId, Timestamp};

/// Events read at once.
const PAGE: usize = 256;

/// Most characters of the reasons.
const REASONS: usize = 4000;

const STATUS: &str = "| **Status** |";

/// Keeps `DISPUTES.md` in step with one convoy. What others wrote in the file stays.
///
/// Blocks on the file and on the store: call it on a thread that may block.
#[derive(Debug)]
pub struct DisputesFile {
    path: PathBuf,
    convoy: ConvoyId,
    /// Number of the last event that was looked at.
    seen: u64,
    disputes: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    dispute: Dispute,
    task: TaskId,
    opened: Timestamp,
    closed: Option<String>,
}

impl DisputesFile {
    /// The file in this folder, for this convoy.
    pub fn new(folder: impl Into<PathBuf>, convoy: ConvoyId) -> Self {
        Self { path: folder.into().join("DISPUTES.md"), convoy, seen: 0, disputes: Vec::new() }
    }

    /// Writes what was recorded since the last call. Makes no file where there is no dispute.
    ///
    /// # Errors
    /// [`ExportError`]; the file is as before then, and the next call goes on.
    pub fn sync(&mut self, store: &dyn Store) -> Result<(), ExportError> {
        let mut news = false;
        loop {
            let page = block_on(store.read_from(Some(&self.convoy), self.seen, PAGE));
            let page = page.map_err(|source| ExportError::Store { path: self.path.clone(), source })?;
            let Some(last) = page.last().map(|record| record.seq) else { break };
            for record in page {
                news |= self.note(record);
            }
            self.seen = last;
        }
        if !news {
            return Ok(());
        }
        let entries: Vec<Entry> = self.disputes.iter().map(|known| known.entry(&self.convoy)).collect();
        let kept = keep(&self.path, "Disputes", &entries);
        if kept.is_err() {
            // Everything is looked at again.
            (self.seen, self.disputes) = (0, Vec::new());
        }
        kept
    }

    /// Whether the event concerns the file.
    fn note(&mut self, record: EventRecord) -> bool {
        match record.event {
            Event::Task { id: task, event: TaskEvent::DisputeOpened(dispute), .. } => {
                self.disputes.push(Known { dispute, task, opened: record.time, closed: None });
                true
            }
            Event::Task { event: TaskEvent::DisputeResolved { dispute_id, actor, resolution }, .. } => {
                for known in self.disputes.iter_mut().filter(|known| known.dispute.dispute_id == dispute_id) {
                    known.closed = Some(format!("resolved by {actor} ({}): {resolution}", record.time));
                }
                true
            }
            Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => false,
        }
    }
}

impl Known {
    fn entry(&self, convoy: &ConvoyId) -> Entry {
        let Dispute { dispute_id, agent, panel_attempts, reasons } = &self.dispute;
        let status = self.closed.as_deref().unwrap_or("open");
        let task = cell(self.task.as_str());
        let text = format!(
            "## Dispute: {task}\n\n| | |\n|---|---|\n| **Convoy** | `{convoy}` |\n| **Task** | {task} |\n\
             | **Date** | {} |\n| **Panel attempts** | {panel_attempts} |\n| **Agent** | {} |\n{STATUS} {} |\n\n\
             **Blocking reasons:**\n\n{}\n",
            self.opened,
            cell(agent),
            cell(status),
            fenced(reasons, REASONS),
        );
        Entry { marker: format!("dispute:{dispute_id}"), text, changing: STATUS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use crate::store::conformance::samples;

    #[test]
    fn disputes_are_in_the_file_once_and_are_shown_to_be_resolved() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, path) = (MemoryStore::new(), folder.path().join("DISPUTES.md"));
        let (lease, mut at) = block_on(store.create(samples::new_convoy(1))).expect("created");
        let mut file = DisputesFile::new(folder.path(), samples::convoy_id(1));
        file.sync(&store).expect("nothing to do");
        assert!(!path.exists(), "no dispute, no file");
        let dispute = Dispute {
            dispute_id: "dispute-1".into(),
            agent: "developer".into(),
            panel_attempts: 3,
            reasons: "The index is missing.\n<!-- dispute:forged -->\n```".into(),
        };
        let opened = samples::task(0, TaskEvent::DisputeOpened(dispute));
        at = block_on(store.append(&lease, at.last_seq, samples::batch(7, vec![opened]))).expect("appended");
        for _ in 0..2 {
            file.sync(&store).expect("written");
            // Another engine, later, writes nothing twice.
            DisputesFile::new(folder.path(), samples::convoy_id(1)).sync(&store).expect("written");
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        let convoy = samples::convoy_id(1);
        let wanted = format!(
            "# Disputes\n\n<!-- dispute:dispute-1 -->\n## Dispute: t0\n\n| | |\n|---|---|\n| **Convoy** | `{convoy}` |\n\
             | **Task** | t0 |\n| **Date** | 1970-01-01T00:00:00.007Z |\n| **Panel attempts** | 3 |\n\
             | **Agent** | developer |\n| **Status** | open |\n\n**Blocking reasons:**\n\n````\nThe index is missing.\n\
             <!\u{2010}- dispute:forged -->\n```\n````\n"
        );
        assert_eq!(text, wanted);
        let (actor, resolution) = ("me".into(), "agreed | done".into());
        let closed = TaskEvent::DisputeResolved { dispute_id: "dispute-1".into(), actor, resolution };
        let batch = samples::batch(8, vec![samples::task(0, closed)]);
        block_on(store.append(&lease, at.last_seq, batch)).expect("appended");
        file.sync(&store).expect("written");
        let status = "resolved by me (1970-01-01T00:00:00.008Z): agreed \\| done";
        let text = std::fs::read_to_string(&path).expect("reads");
        assert_eq!(text, wanted.replace("| open |", &format!("| {status} |")));
    }
}
