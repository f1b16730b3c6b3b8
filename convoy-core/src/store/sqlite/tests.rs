//! What only the store on disk must do.

use std::fs;
use std::sync::Arc;

use super::*;
use crate::store::conformance::{self, block_on, samples};
use crate::store::project::{Cell, Key, Table, Tables, created, project};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state/convoy.db")
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(self.path()).expect("opens")
    }
}

impl conformance::Place for Folder {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store())
    }
}

crate::store::conformance::store_conformance!(Folder::new());

/// What a process leaves that is killed now: the file and its journal, as they are.
fn killed(from: &Folder) -> Folder {
    let to = Folder::new();
    fs::create_dir(to.path().parent().expect("a folder")).expect("is made");
    for name in ["convoy.db", "convoy.db-wal"] {
        fs::copy(from.path().with_file_name(name), to.path().with_file_name(name)).expect("copies");
    }
    to
}

#[test]
fn what_was_answered_survives_a_kill_and_a_torn_journal() {
    let folder = Folder::new();
    let store = folder.store();
    let (lease, mut at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    for n in 0..20 {
        let batch = samples::batch(n, samples::attempt(0));
        at = block_on(store.append(&lease, at.last_seq, batch)).expect("appended");
    }
    let events = block_on(store.load(&lease.convoy)).expect("loads").events;
    let after = killed(&folder);
    let journal = after.path().with_file_name("convoy.db-wal");
    let whole = fs::read(&journal).expect("reads");
    let survivor = |bytes: &[u8]| {
        fs::write(&journal, bytes).expect("writes");
        block_on(after.store().load(&lease.convoy)).map(|convoy| convoy.events)
    };
    // A write that was under way when the machine stopped leaves half a frame at the end.
    let torn = [&whole[..], &[0x5a; 3000]].concat();
    assert_eq!(survivor(&torn).expect("loads"), events);

    // Where the end of the journal is lost, whole turns are lost, never parts of them.
    let cut = killed(&folder);
    let journal = cut.path().with_file_name("convoy.db-wal");
    fs::write(&journal, &whole[..whole.len() - 2500]).expect("writes");
    let left = block_on(cut.store().load(&lease.convoy)).expect("loads").events;
    assert_eq!(left, events[..left.len()]);
    assert_eq!((left.len() - 1) % samples::attempt(0).len(), 0);
    assert!(left.len() < events.len() && left.len() > 1);
}

#[test]
fn projections_are_what_the_log_says() {
    let folder = Folder::new();
    let store = folder.store();
    for n in 0..3 {
        let new = samples::new_convoy(n);
        let (lease, at) = block_on(store.create(new)).expect("created");
        let mut events = samples::every_kind();
        events.retain(|event| n == 0 || !event.type_name().starts_with("dlq"));
        block_on(store.append(&lease, at.last_seq, samples::batch(5, events))).expect("appended");
    }
    let mut rebuilt = Tables::default();
    for summary in block_on(store.list()).expect("listed") {
        let loaded = block_on(store.load(&summary.id)).expect("loads");
        rebuilt.apply(created(&summary.id, &summary.name, loaded.created_at, loaded.events[0].seq));
        loaded.events.iter().flat_map(project).for_each(|change| rebuilt.apply(change));
    }
    let (rows, convoys) = block_on(store.read(|db| {
        let rows = Table::ALL.map(|table| (table, read::rows(db, table).expect("reads")));
        Ok((rows, read::list(db).expect("listed")))
    }))
    .expect("reads");
    let mut stored = Tables::default();
    for (table, rows) in rows {
        assert!(!rows.is_empty(), "{}", table.name());
        for (key, row) in rows {
            let key = key.into_iter().map(|cell| match cell {
                Cell::Int(n) => Key::Int(n),
                Cell::Text(text) => Key::Text(text),
                Cell::Null | Cell::Real(_) => panic!("{cell:?} in a key"),
            });
            stored.insert(table, key.collect(), row);
        }
    }
    assert_eq!(stored, rebuilt);
    assert_eq!(rebuilt.summaries().expect("readable"), convoys);
}

#[test]
fn many_clients_share_few_transactions() {
    let folder = Folder::new();
    let store = folder.store();
    let (entered, begun) = std::sync::mpsc::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let clients: Vec<_> =
        (0..64).map(|n| block_on(store.create(samples::new_convoy(n))).expect("created")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let block = store.write(move |_| {
            entered.send(()).expect("the test waits");
            gate.recv().expect("the test opens it");
            Ok(())
        });
        let appends = clients.iter().map(|(lease, at)| {
            let batch = samples::batch(1, samples::attempt(0));
            store.append(lease, at.last_seq, batch)
        });
        let mut set: Vec<_> = appends.collect();
        let mut block = Box::pin(block);
        assert!(futures_poll_once(block.as_mut()).is_none());
        begun.recv().expect("the writer is busy");
        for append in &mut set {
            assert!(futures_poll_once(append.as_mut()).is_none());
        }
        open.send(()).expect("the writer waits");
        for append in set {
            append.await.expect("appended");
        }
    });
    assert_eq!(block_on(store.close()), Some(64 + 2));
}

#[test]
fn a_store_that_is_shut_down_has_finished_and_leaves_its_file_alone_in_its_folder() {
    let folder = Folder::new();
    let files = || {
        let all = fs::read_dir(folder.path().parent().expect("a folder")).expect("reads");
        all.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect::<Vec<_>>()
    };
    for n in 0..20 {
        let (store, other) = (folder.store(), folder.store());
        let clone = store.clone();
        // Nobody waits for this one.
        drop(futures_poll_once(store.create(samples::new_convoy(n)).as_mut()));
        block_on(Store::shutdown(&store));
        block_on(store.shutdown());
        let closed = block_on(clone.list());
        assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
        assert_eq!(block_on(other.list()).expect("the other handle goes on").len(), n as usize + 1);
        assert!(files().len() > 1, "somebody has it open");
        block_on(other.shutdown());
        assert_eq!(files(), ["convoy.db"]);
    }
}

fn futures_poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn a_full_disk_is_an_error_of_the_medium_and_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.store();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let limit = |pages: &'static str| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        block_on(store.write(move |db| db.query_row(&sql, (), |_| Ok(())).map_err(medium("limit"))))
    };
    limit("1").expect("the limit is the present size");
    let turn = || {
        let events = (0..50).flat_map(|_| samples::attempt(0)).collect();
        block_on(store.append(&lease, at.last_seq, samples::batch(1, events)))
    };
    let full = turn();
    assert!(matches!(full, Err(StoreError::Medium { .. })), "{full:?}");
    assert_eq!(block_on(store.load(&lease.convoy)).expect("loads").events.len(), 1);
    limit("1000000").expect("space is made");
    turn().expect("appended");
}

#[test]
fn damage_names_the_convoy_and_a_newer_convoy_is_no_damage() {
    let folder = Folder::new();
    let store = folder.store();
    let (lease, _) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let run = |sql: &'static str| {
        block_on(store.write(move |db| db.execute_batch(sql).map_err(medium("spoil")))).expect("done");
    };
    run("UPDATE events SET type = 'convoy_flown'");
    for answer in
        [block_on(store.load(&lease.convoy)).map(|_| ()), block_on(store.read_from(None, 0, 9)).map(|_| ())]
    {
        assert!(
            matches!(&answer, Err(StoreError::Damaged { convoy, .. }) if *convoy == lease.convoy),
            "{answer:?}"
        );
    }
    run("UPDATE convoys SET status = 'flying'");
    assert!(matches!(block_on(store.list()), Err(StoreError::Medium { .. })));
    run("UPDATE specs SET event_format = 99");
    for answer in [
        block_on(store.load(&lease.convoy)).map(|_| ()),
        block_on(store.read_from(None, 0, 9)).map(|_| ()),
        block_on(store.list()).map(|_| ()),
    ] {
        assert!(matches!(answer, Err(StoreError::Newer { found: 99, .. })), "{answer:?}");
    }
}
