//! `AGENT-FAILURES.md`: the dead letters of all convoys.

use super::entries::{Entry, cell, fenced};
use crate::event::{DeadLetter, Event, EventRecord, TaskEvent};
use crate::types::{TaskId, Timestamp};

/// Most characters of an error.
const ERROR: usize = 2000;

const STATUS: &str = "| **Status** |";

/// The dead letters of one convoy.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<Known>);

#[derive(Debug)]
struct Known {
    letter: DeadLetter,
    task: TaskId,
    written: Timestamp,
    closed: Option<String>,
}

impl Failures {
    /// Whether the event concerns the file.
    pub(super) fn note(&mut self, record: &EventRecord) -> bool {
        match &record.event {
            Event::Task { id, event: TaskEvent::DeadLettered(letter), .. } => {
                let (letter, task) = (letter.clone(), id.clone());
                self.0.push(Known { letter, task, written: record.time, closed: None });
                true
            }
            Event::Task { event: TaskEvent::DeadLetterResolved { dlq_id, actor, resolution }, .. } => {
                for known in self.0.iter_mut().filter(|known| known.letter.dlq_id == *dlq_id) {
                    known.closed = Some(format!("resolved by {actor} ({}): {resolution}", record.time));
                }
                true
            }
            Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => false,
        }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.0.iter().map(Known::entry).collect()
    }
}

impl Known {
    fn entry(&self) -> Entry {
        let DeadLetter { dlq_id, agent, failure_type, attempts, error } = &self.letter;
        let status = self.closed.as_deref().unwrap_or("open");
        let text = format!(
            "### {dlq_id}\n\n| | |\n|---|---|\n| **Task** | {} |\n| **Agent** | {} |\n| **Type** | {} |\n\
             | **Attempts** | {attempts} |\n| **Date** | {} |\n{STATUS} {} |\n\n**Error:**\n\n{}\n",
            cell(self.task.as_str()),
            cell(agent),
            cell(failure_type),
            self.written,
            cell(status),
            fenced(error, ERROR),
        );
        Entry { marker: format!("dlq:{dlq_id}"), text, changing: STATUS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::samples;
    use crate::store::export::PeopleFiles;
    use crate::store::wait::block_on;
    use crate::store::{MemoryStore, Store as _};

    fn letter(id: &str, error: &str) -> TaskEvent {
        TaskEvent::DeadLettered(DeadLetter {
            dlq_id: id.into(),
            agent: "devel|oper".into(),
            failure_type: "gate:npm test".into(),
            attempts: 2,
            error: error.into(),
        })
    }

    #[test]
    fn dead_letters_are_in_the_file_once_and_are_shown_to_be_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, path) = (MemoryStore::new(), folder.path().join("AGENT-FAILURES.md"));
        let (lease, mut at) = block_on(store.create(samples::new_convoy(1))).expect("created");
        let mut files = PeopleFiles::new(folder.path(), samples::convoy_id(1));
        files.sync(&store).expect("nothing to do");
        assert!(!path.exists(), "no dead letter, no file");
        let error = format!("exit code 1\n<!-- dlq:dlq-2 -->\n```\n{}", "é".repeat(3000));
        let events = vec![samples::task(0, letter("dlq-1", &error)), samples::task(1, letter("dlq-2", "x"))];
        at = block_on(store.append(&lease, at.last_seq, samples::batch(7, events))).expect("appended");
        for _ in 0..2 {
            files.sync(&store).expect("written");
            // Another engine, later, writes nothing twice.
            PeopleFiles::new(folder.path(), samples::convoy_id(1)).sync(&store).expect("written");
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        let kept = 2000 - "exit code 1\n<!-- dlq:dlq-2 -->\n```\n".chars().count();
        let entry = |id: &str, task: &str, fence: &str, error: &str| {
            format!(
                "<!-- dlq:{id} -->\n### {id}\n\n| | |\n|---|---|\n| **Task** | {task} |\n| **Agent** | devel\\|oper |\n\
                 | **Type** | gate:npm test |\n| **Attempts** | 2 |\n| **Date** | 1970-01-01T00:00:00.007Z |\n\
                 | **Status** | open |\n\n**Error:**\n\n{fence}\n{error}\n{fence}\n"
            )
        };
        let error = format!("exit code 1\n<!\u{2010}- dlq:dlq-2 -->\n```\n{}[…]", "é".repeat(kept));
        let (first, second) = (entry("dlq-1", "t0", "````", &error), entry("dlq-2", "t1", "```", "x"));
        let wanted = format!("# Agent Failures\n\n{first}\n{second}");
        assert_eq!(text, wanted);
        let (actor, resolution) = ("me".into(), "by hand\n| done".into());
        let closed = TaskEvent::DeadLetterResolved { dlq_id: "dlq-2".into(), actor, resolution };
        let batch = samples::batch(8, vec![samples::task(1, closed)]);
        block_on(store.append(&lease, at.last_seq, batch)).expect("appended");
        files.sync(&store).expect("written");
        let status = "resolved by me (1970-01-01T00:00:00.008Z): by hand \\| done";
        let wanted =
            format!("# Agent Failures\n\n{first}\n{}", second.replace("| open |", &format!("| {status} |")));
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), wanted);
    }

    #[test]
    fn a_file_that_is_gone_or_was_being_written_when_the_power_failed_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, path) = (MemoryStore::new(), folder.path().join("AGENT-FAILURES.md"));
        let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
        let events = vec![samples::task(0, letter("dlq-1", "x"))];
        block_on(store.append(&lease, at.last_seq, samples::batch(7, events))).expect("appended");
        let sync = || {
            PeopleFiles::new(folder.path(), samples::convoy_id(1)).sync(&store).expect("written");
            std::fs::read_to_string(&path).expect("reads")
        };
        let whole = sync();
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(folder.path().join("AGENT-FAILURES.md.new"), &whole[..40]).expect("torn");
        assert_eq!(sync(), whole);
        std::fs::write(&path, "").expect("emptied");
        assert_eq!(sync(), whole);
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing else is left");
        // The same run writes it again only with its news: a file that a person deletes stays deleted till then.
        let mut files = PeopleFiles::new(folder.path(), samples::convoy_id(1));
        files.sync(&store).expect("written");
        std::fs::remove_file(&path).expect("removed");
        files.sync(&store).expect("nothing to do");
        assert!(!path.exists());
    }
}
