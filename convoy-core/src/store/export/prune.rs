//! Lines of a convoy that goes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::lines::Lines;
use super::{ExportError, NdjsonExport};
use crate::types::ConvoyId;

impl NdjsonExport {
    /// Takes all lines of a convoy out of the NDJSON files, and gives their number. The store must have recorded that the
    /// convoy is being pruned, else they come back with the next [`sync`](Self::sync). A file that is a link is left as it
    /// is: it is somebody else's.
    ///
    /// # Errors
    /// [`ExportError`]; each file is whole then, with the lines or without.
    pub fn remove(&self, convoy: &ConvoyId) -> Result<u64, ExportError> {
        let mut gone = 0;
        for (path, field) in [(self.events_path(), "convoy_id"), (self.runs_path(), "id")] {
            if !is_file(&path) {
                continue;
            }
            let of = |line: &Value| line.get(field).and_then(Value::as_str) == Some(convoy.as_str());
            let mut lines = Lines::open(path)?;
            if lines.any(convoy.as_str(), of)? {
                gone += lines.retain(|line| !is(line, convoy, of))?;
            }
        }
        Ok(gone)
    }
}

/// What is neither there nor a file of ours has no lines of ours.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

fn is(line: &[u8], convoy: &ConvoyId, of: impl Fn(&Value) -> bool) -> bool {
    let id = convoy.as_str().as_bytes();
    // Most lines need not be read as JSON.
    line.windows(id.len()).any(|part| part == id) && serde_json::from_slice(line).is_ok_and(|line| of(&line))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::store::conformance::{block_on, samples};
    use crate::store::{Appended, Lease, MemoryStore, Store as _};
    use crate::types::Timestamp;

    struct Place {
        _folder: tempfile::TempDir,
        export: NdjsonExport,
        store: MemoryStore,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let export = NdjsonExport::new(folder.path().join("logs"));
            Self { _folder: folder, export, store: MemoryStore::new() }
        }

        fn convoy(&self, n: u64) -> (Lease, Appended) {
            let (lease, at) = block_on(self.store.create(samples::new_convoy(n))).expect("created");
            let batch = samples::batch(9, samples::every_kind());
            (lease.clone(), block_on(self.store.append(&lease, at.last_seq, batch)).expect("appended"))
        }

        fn begin(&self, lease: &Lease) {
            block_on(self.store.begin_pruning(lease, Timestamp(1))).expect("begun");
        }

        fn finish(&self, lease: &Lease) {
            block_on(self.store.finish_pruning(lease, Timestamp(1))).expect("finished");
        }

        fn sync(&self) {
            self.export.sync(&self.store).expect("synced");
        }

        fn text(&self) -> String {
            fs::read_to_string(self.export.events_path()).expect("reads")
        }

        fn check(&self) {
            let log = block_on(self.store.read_from(None, 0, usize::MAX)).expect("read");
            let text: String = log.iter().map(|record| format!("{}\n", record.to_flat_json())).collect();
            assert_eq!(self.text(), text);
        }
    }

    #[test]
    fn the_lines_of_a_pruned_convoy_go_and_do_not_come_back_whenever_others_write() {
        // The last of the file, or one in the middle; others write at any moment of it.
        for middle in [false, true] {
            for moment in 0..4 {
                let place = Place::new();
                let other = place.convoy(1);
                let (gone, at) = place.convoy(2);
                if middle {
                    block_on(place.store.append(
                        &other.0,
                        other.1.last_seq,
                        samples::batch(9, vec![samples::landed(0, 'b')]),
                    ))
                    .expect("appended");
                }
                place.sync();
                let before = place.text().lines().count();
                let sync = |now| {
                    if now == moment {
                        place.sync()
                    }
                };
                place.begin(&gone);
                sync(0);
                let lines = place.export.remove(&gone.convoy).expect("removed");
                assert_eq!(lines, at.last_seq - at.first_seq + 2, "with the first of it");
                assert_eq!(place.export.remove(&gone.convoy).expect("nothing to do"), 0);
                sync(1);
                place.finish(&gone);
                sync(2);
                place.check();
                assert!(place.text().lines().count() < before);
                place.convoy(3);
                place.sync();
                place.check();
            }
        }
    }

    #[test]
    fn a_file_that_lost_its_last_lines_or_is_gone_is_written_on() {
        let place = Place::new();
        place.convoy(1);
        let (gone, _) = place.convoy(2);
        place.sync();
        place.begin(&gone);
        place.finish(&gone);
        // Cut off before its lines went: they are no reason to give up, and go with the next try.
        place.convoy(3);
        place.sync();
        assert!(place.text().contains(gone.convoy.as_str()));
        place.export.remove(&gone.convoy).expect("removed");
        place.check();
        fs::remove_file(place.export.events_path()).expect("removed");
        place.sync();
        place.check();
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let place = Place::new();
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
            for n in 1..20 {
                let (lease, _) = place.convoy(n);
                place.sync();
                if n % 2 == 0 {
                    place.begin(&lease);
                    place.export.remove(&lease.convoy).expect("removed");
                    place.finish(&lease);
                }
            }
            stop.store(true, Ordering::SeqCst);
        });
        place.sync();
        place.check();
    }

    #[test]
    fn lines_of_others_and_the_end_of_a_torn_file_stay() {
        let place = Place::new();
        let (gone, _) = place.convoy(1);
        place.sync();
        let id = &gone.convoy;
        let others = format!("{{\"note\":\"{id}\"}}\nno json {id}\n{{\"convoy_id\":\"convoy-17-ab\"}}\n");
        let torn = format!("{{\"convoy_id\":\"{id}\",");
        fs::write(place.export.events_path(), format!("{others}{}{torn}", place.text())).expect("writes");
        let runs = format!("{{\"id\":\"{id}\",\"name\":\"n\"}}\n{{\"id\":\"x\"}}\n");
        fs::write(place.export.runs_path(), runs).expect("writes");
        // What a crash left.
        let left = place.export.events_path().with_added_extension("new");
        fs::write(&left, "half").expect("writes");
        place.begin(&gone);
        place.export.remove(id).expect("removed");
        assert_eq!(place.text(), format!("{others}{torn}"));
        assert_eq!(fs::read_to_string(place.export.runs_path()).expect("reads"), "{\"id\":\"x\"}\n");
        assert!(!left.exists());
    }

    #[test]
    fn a_link_to_somebody_elses_file_is_left_alone() {
        let place = Place::new();
        let (gone, _) = place.convoy(1);
        place.sync();
        let theirs = place.export.folder().with_file_name("theirs");
        fs::rename(place.export.events_path(), &theirs).expect("renames");
        symlink(&theirs, place.export.events_path()).expect("links");
        let before = fs::read_to_string(&theirs).expect("reads");
        place.begin(&gone);
        assert_eq!(place.export.remove(&gone.convoy).expect("nothing to do"), 0);
        assert_eq!(fs::read_to_string(&theirs).expect("reads"), before);
        assert!(place.export.events_path().is_symlink());
    }
}
