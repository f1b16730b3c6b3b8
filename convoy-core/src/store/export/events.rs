//! The file of all events.

use serde_json::Value;

use super::lines::Lines;
use super::{ExportError, NdjsonExport};
use crate::event::EventRecord;
use crate::store::wait::block_on;
use crate::store::{Store, StoreError};
use crate::types::ConvoyId;

/// Events read and written at once.
const PAGE: usize = 256;

/// What was done to bring the file up to date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Synced {
    /// Events written.
    pub written: u64,
    /// Number of the last event in the file; 0 when there is none.
    pub last: u64,
    /// Bytes of a torn end that were cut off before.
    pub cut: u64,
}

/// The last event in the file.
struct Last {
    seq: u64,
    convoy: String,
    time: String,
}

impl Last {
    /// Lines of other programs are passed over.
    fn of(line: &Value) -> Option<Self> {
        let seq = line.get("_event_id")?.as_u64()?;
        let convoy = line.get("convoy_id")?.as_str().filter(|id| ConvoyId::new(id).is_ok())?;
        let time = line.get("timestamp")?.as_str()?;
        Some(Self { seq, convoy: convoy.to_owned(), time: time.to_owned() })
    }

    fn is(&self, record: &EventRecord) -> bool {
        self.seq == record.seq
            && self.convoy == record.convoy.as_str()
            && self.time == record.time.to_string()
    }
}

impl NdjsonExport {
    /// Appends the events that are missing in `convoy-events.ndjson`: afterwards it holds every event of
    /// the store up to now, in order, each once. A torn end is mended first. Costs a look at the end of
    /// the file when nothing is missing.
    ///
    /// # Errors
    /// [`ExportError`]; the file is whole then, and the next call goes on. It is left as it is when it
    /// holds no lines, or the events of another store.
    pub fn sync(&self, store: &dyn Store) -> Result<Synced, ExportError> {
        let mut lines = Lines::open(self.events_path())?;
        let mended = lines.mend(Last::of)?;
        let mut synced = Synced { cut: mended.cut, ..Synced::default() };
        if let Some(last) = mended.found {
            let (path, seq) = (lines.path().to_owned(), last.seq);
            let same = page(&lines, store, seq.saturating_sub(1), 1)?;
            if !same.first().is_some_and(|record| last.is(record)) && !was_pruned(&lines, store, &last)? {
                return Err(ExportError::OtherStore { path, seq });
            }
            synced.last = seq;
        }
        loop {
            let records = page(&lines, store, synced.last, PAGE)?;
            let Some(end) = records.last() else { return Ok(synced) };
            let mut text = String::new();
            for record in &records {
                text.push_str(&record.to_flat_json().to_string());
                text.push('\n');
            }
            lines.append(text.as_bytes())?;
            synced.last = end.seq;
            synced.written += records.len() as u64;
        }
    }
}

/// Whether the event is of a convoy that the store has no more: its line goes, too, or stays with a file that it cannot be
/// taken out of.
fn was_pruned(lines: &Lines, store: &dyn Store, last: &Last) -> Result<bool, ExportError> {
    let failed = |source: StoreError| ExportError::Store { path: lines.path().to_owned(), source };
    let prunings = block_on(store.prunings()).map_err(failed)?;
    Ok(prunings.iter().any(|pruning| pruning.convoy.as_str() == last.convoy))
}

fn page(lines: &Lines, store: &dyn Store, after: u64, limit: usize) -> Result<Vec<EventRecord>, ExportError> {
    let failed = |source: StoreError| ExportError::Store { path: lines.path().to_owned(), source };
    block_on(store.read_from(None, after, limit)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::store::conformance::samples;
    use crate::store::{Appended, Lease, MemoryStore};

    struct Place {
        folder: tempfile::TempDir,
        export: NdjsonExport,
        store: MemoryStore,
        lease: Lease,
        at: Appended,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let export = NdjsonExport::new(folder.path().join("logs"));
            let store = MemoryStore::new();
            let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
            Self { folder, export, store, lease, at }
        }

        fn append(&mut self) {
            let batch = samples::batch(9, samples::every_kind());
            let at = block_on(self.store.append(&self.lease, self.at.last_seq, batch));
            self.at = at.expect("appended");
        }

        /// The file must be exactly the log.
        fn check(&self) {
            let log = block_on(self.store.read_from(None, 0, usize::MAX)).expect("read");
            let text: String = log.iter().map(|record| format!("{}\n", record.to_flat_json())).collect();
            assert_eq!(fs::read_to_string(self.export.events_path()).expect("reads"), text);
        }
    }

    #[test]
    fn every_event_is_in_the_file_once_in_order() {
        let mut place = Place::new();
        for _ in 0..20 {
            place.append();
            let synced = place.export.sync(&place.store).expect("synced");
            assert_eq!((synced.last, synced.cut), (place.at.last_seq, 0));
            place.check();
        }
        let synced = place.export.sync(&place.store).expect("synced");
        assert_eq!(synced.written, 0);
        place.check();
        fs::remove_file(place.export.events_path()).expect("removed");
        let synced = place.export.sync(&place.store).expect("synced");
        assert_eq!(synced.written, place.at.last_seq);
        place.check();
    }

    #[test]
    fn a_file_torn_anywhere_becomes_whole_again() {
        let mut place = Place::new();
        place.append();
        place.export.sync(&place.store).expect("synced");
        let path = place.export.events_path();
        let whole = fs::read(&path).expect("reads");
        let start = whole.len() - whole.len().min(500);
        for len in (0..40).chain(start..=whole.len()) {
            for junk in [&b""[..], b"\0\0\0\0", b"{\"_event_id\":", b"\n"] {
                // A new file: some file systems flush one that is emptied and written again.
                fs::remove_file(&path).expect("removed");
                fs::write(&path, [&whole[..len], junk].concat()).expect("writes");
                place.export.sync(&place.store).expect("synced");
                assert!(fs::read(&path).expect("reads") == whole, "torn at {len} with {junk:?}");
            }
        }
    }

    #[test]
    fn several_writers_of_the_file_share_the_work() {
        let mut place = Place::new();
        let stop = AtomicBool::new(false);
        let (export, store) = (place.export.clone(), place.store.clone());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Ordering::SeqCst) {
                        export.sync(&store).expect("synced");
                    }
                });
            }
            for _ in 0..30 {
                place.append();
            }
            stop.store(true, Ordering::SeqCst);
        });
        export.sync(&store).expect("synced");
        place.check();
    }

    #[test]
    fn the_file_of_another_store_is_left_as_it_is() {
        let mut place = Place::new();
        place.append();
        place.export.sync(&place.store).expect("synced");
        let path = place.export.events_path();
        let before = fs::read(&path).expect("reads");
        let other = MemoryStore::new();
        for n in 2..4 {
            let refused = place.export.sync(&other);
            assert!(matches!(refused, Err(ExportError::OtherStore { .. })), "{refused:?}");
            let (lease, at) = block_on(other.create(samples::new_convoy(n))).expect("created");
            let batch = samples::batch(9, samples::every_kind());
            block_on(other.append(&lease, at.last_seq, batch)).expect("appended");
        }
        assert!(fs::read(&path).expect("reads") == before);
    }

    #[test]
    fn lines_of_another_program_are_kept() {
        let mut place = Place::new();
        let path = place.export.events_path();
        let old = "{\"_event_id\":900,\"convoy_id\":\"convoy-1712-ab\",\"timestamp\":\"x\",\"type\":\"task_done\"}\n";
        fs::create_dir(place.folder.path().join("logs")).expect("is made");
        fs::write(&path, old).expect("writes");
        for _ in 0..2 {
            place.append();
            place.export.sync(&place.store).expect("synced");
        }
        let text = fs::read_to_string(&path).expect("reads");
        let ours = text.strip_prefix(old).expect("the old line is first");
        fs::write(&path, ours).expect("writes");
        place.check();
    }

    #[test]
    fn an_error_of_the_store_is_said_and_leaves_a_whole_file() {
        let place = Place::new();
        place.export.sync(&place.store).expect("synced");
        let closed = place.store.reopen();
        closed.close();
        let failed = place.export.sync(&closed);
        assert!(matches!(failed, Err(ExportError::Store { source: StoreError::Closed, .. })), "{failed:?}");
        place.check();
    }
}
