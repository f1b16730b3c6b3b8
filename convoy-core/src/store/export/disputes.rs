//! `DISPUTES.md`: the disputes of all convoys.

use super::entries::{Entry, cell, fenced};
use crate::event::{Dispute, Event, EventRecord, TaskEvent};
use crate::types::{ConvoyId, TaskId, Timestamp};

/// Most characters of the reasons.
const REASONS: usize = 4000;

const STATUS: &str = "| **Status** |";

/// The disputes of one convoy.
#[derive(Debug, Default)]
pub(super) struct Disputes(Vec<Known>);

#[derive(Debug)]
struct Known {
    dispute: Dispute,
    task: TaskId,
    opened: Timestamp,
    closed: Option<String>,
}

impl Disputes {
    /// Whether the event concerns the file.
    pub(super) fn note(&mut self, record: &EventRecord) -> bool {
        match &record.event {
            Event::Task { id, event: TaskEvent::DisputeOpened(dispute), .. } => {
                let (dispute, task) = (dispute.clone(), id.clone());
                self.0.push(Known { dispute, task, opened: record.time, closed: None });
                true
            }
            Event::Task { event: TaskEvent::DisputeResolved { dispute_id, actor, resolution }, .. } => {
                for known in self.0.iter_mut().filter(|known| known.dispute.dispute_id == *dispute_id) {
                    known.closed = Some(format!("resolved by {actor} ({}): {resolution}", record.time));
                }
                true
            }
            Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => false,
        }
    }

    pub(super) fn entries(&self, convoy: &ConvoyId) -> Vec<Entry> {
        self.0.iter().map(|known| known.entry(convoy)).collect()
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
    use crate::store::conformance::samples;
    use crate::store::export::PeopleFiles;
    use crate::store::wait::block_on;
    use crate::store::{MemoryStore, Store as _};

    #[test]
    fn disputes_are_in_the_file_once_and_are_shown_to_be_resolved() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, path) = (MemoryStore::new(), folder.path().join("DISPUTES.md"));
        let (lease, mut at) = block_on(store.create(samples::new_convoy(1))).expect("created");
        let mut file = PeopleFiles::new(folder.path(), samples::convoy_id(1));
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
            PeopleFiles::new(folder.path(), samples::convoy_id(1)).sync(&store).expect("written");
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
