//! Convoys that go.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::write::int;
use super::{file, medium};
use crate::store::{Lease, Pruning, StoreError};
use crate::types::{ConvoyId, Timestamp};

const PRUNING: &str = "prune a convoy";
const SPACE: &str = "give space back";

/// `auto_vacuum`: free pages are given back when that is asked for.
const INCREMENTAL: u32 = 2;

/// Everything that is kept of a convoy; its lease goes last.
const TABLES: [&str; 10] = [
    "events",
    "inbox",
    "gate_results",
    "dead_letters",
    "attempts",
    "tasks",
    "convoys",
    "specs",
    "leases",
    "prunings",
];

/// Why a convoy that cannot be used is not there.
pub(super) fn missing(db: &Connection, convoy: &ConvoyId) -> StoreError {
    match find(db, convoy) {
        Ok(Some(Pruning { finished_at: Some(at), .. })) => StoreError::Pruned { convoy: convoy.clone(), at },
        Ok(Some(Pruning { finished_at: None, .. })) => StoreError::Pruning(convoy.clone()),
        Ok(None) => StoreError::NoConvoy(convoy.clone()),
        Err(error) => error,
    }
}

/// Fails for a convoy that is being pruned or was.
pub(super) fn must_be_kept(db: &Connection, convoy: &ConvoyId) -> Result<(), StoreError> {
    match find(db, convoy)? {
        None => Ok(()),
        Some(_) => Err(missing(db, convoy)),
    }
}

/// The ids of those that are being pruned.
pub(super) fn under_way(db: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut query = db.prepare_cached("SELECT convoy_id FROM prunings WHERE finished_ms IS NULL")?;
    query.query_map((), |row| row.get(0))?.collect()
}

fn find(db: &Connection, convoy: &ConvoyId) -> Result<Option<Pruning>, StoreError> {
    db.prepare_cached("SELECT begun_ms, finished_ms FROM prunings WHERE convoy_id = ?1")
        .and_then(|mut query| {
            query.query_row([convoy.as_str()], |row| {
                let (begun, finished): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
                let finished_at = finished.map(Timestamp);
                Ok(Pruning { convoy: convoy.clone(), begun_at: Timestamp(begun), finished_at })
            })
        })
        .optional()
        .map_err(medium(PRUNING))
}

fn must_hold(db: &Connection, lease: &Lease) -> Result<(), StoreError> {
    let valid: Option<bool> = db
        .prepare_cached("SELECT fence = ?2 AND engine IS NOT NULL FROM leases WHERE convoy_id = ?1")
        .and_then(|mut query| {
            query.query_row(params![lease.convoy.as_str(), int(lease.fence)], |row| row.get(0))
        })
        .optional()
        .map_err(medium(PRUNING))?;
    match valid {
        None => Err(missing(db, &lease.convoy)),
        Some(false) => Err(StoreError::Fenced(lease.convoy.clone())),
        Some(true) => Ok(()),
    }
}

pub(super) fn begin(db: &Connection, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
    must_hold(db, lease)?;
    let sql = "INSERT INTO prunings (convoy_id, begun_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.execute(sql, params![lease.convoy.as_str(), now.0]).map(drop).map_err(medium(PRUNING))
}

pub(super) fn finish(db: &Connection, lease: &Lease, now: Timestamp) -> Result<u64, StoreError> {
    must_hold(db, lease)?;
    let convoy = lease.convoy.as_str();
    let sql = "UPDATE prunings SET finished_ms = ?2 WHERE convoy_id = ?1";
    if db.execute(sql, params![convoy, now.0]).map_err(medium(PRUNING))? == 0 {
        return Err(StoreError::Fenced(lease.convoy.clone()));
    }
    let mut events = 0;
    for table in TABLES.into_iter().filter(|table| *table != "prunings") {
        let gone = db.execute(&format!("DELETE FROM {table} WHERE convoy_id = ?1"), [convoy]);
        let gone = gone.map_err(medium(PRUNING))?;
        if table == "events" {
            events = gone as u64;
        }
    }
    Ok(events)
}

pub(super) fn list(db: &Connection) -> Result<Vec<Pruning>, StoreError> {
    let mut query = db
        .prepare_cached("SELECT convoy_id, begun_ms, finished_ms FROM prunings ORDER BY convoy_id")
        .map_err(medium(PRUNING))?;
    let rows = query.query_map((), |row| {
        Ok((row.get::<_, String>(0)?, Timestamp(row.get(1)?), row.get::<_, Option<i64>>(2)?.map(Timestamp)))
    });
    let mut prunings = Vec::new();
    for row in rows.map_err(medium(PRUNING))? {
        let (id, begun_at, finished_at) = row.map_err(medium(PRUNING))?;
        let convoy = ConvoyId::new(id).map_err(medium(PRUNING))?;
        prunings.push(Pruning { convoy, begun_at, finished_at });
    }
    Ok(prunings)
}

/// Shortens the file by its free pages. The first time it is written anew, since only then it can be shortened page by page:
/// a file that is made with that setting would have pages before it can be told to be ours.
pub(super) fn give_space_back(path: &Path) -> Result<u64, StoreError> {
    let db = file::open(path, OpenFlags::empty())?;
    let size = |db: &Connection| -> rusqlite::Result<u64> {
        let pages: u32 = db.query_row("PRAGMA page_count", (), |row| row.get(0))?;
        let bytes: u32 = db.query_row("PRAGMA page_size", (), |row| row.get(0))?;
        Ok(u64::from(pages) * u64::from(bytes))
    };
    let shorten = || -> rusqlite::Result<u64> {
        let before = size(&db)?;
        let mode: u32 = db.query_row("PRAGMA auto_vacuum", (), |row| row.get(0))?;
        if mode == INCREMENTAL {
            let mut vacuum = db.prepare("PRAGMA incremental_vacuum")?;
            let mut pages = vacuum.query(())?;
            while pages.next()?.is_some() {}
        } else {
            db.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
            db.execute_batch("VACUUM")?;
        }
        let after = size(&db)?;
        // The file itself becomes shorter when the journal is copied back. Somebody who reads keeps it from that; then the
        // next one does it.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        Ok(before.saturating_sub(after))
    };
    shorten().map_err(medium(SPACE))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance::{block_on, samples};
    use crate::store::{SqliteStore, Store};

    fn fill(store: &dyn Store, n: u64) -> Lease {
        let (lease, mut at) = block_on(store.create(samples::new_convoy(n))).expect("created");
        for _ in 0..20 {
            let batch = samples::batch(9, samples::every_kind());
            at = block_on(store.append(&lease, at.last_seq, batch)).expect("appended");
        }
        lease
    }

    fn prune(store: &dyn Store, lease: &Lease) {
        block_on(store.begin_pruning(lease, Timestamp(1))).expect("begun");
        assert!(block_on(store.finish_pruning(lease, Timestamp(2))).expect("finished") > 100);
    }

    #[test]
    fn every_table_with_a_convoy_is_emptied_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("convoy.db");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).expect("opens"));
        let (gone, stays) = (fill(&*store, 1), fill(&*store, 2));
        let db = Connection::open(&path).expect("opens");
        let tables = || -> Vec<String> {
            let sql = "SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) c
                WHERE m.type = 'table' AND c.name = 'convoy_id' ORDER BY m.name";
            let mut query = db.prepare(sql).expect("prepares");
            let names = query.query_map((), |row| row.get(0)).expect("runs");
            names.collect::<Result<_, _>>().expect("names")
        };
        let mut known = TABLES.map(str::to_owned).to_vec();
        known.sort();
        assert_eq!(tables(), known, "a table that nobody empties");
        let count = |table: &str, convoy: &ConvoyId| -> u32 {
            let sql = format!("SELECT count(*) FROM {table} WHERE convoy_id = ?1");
            db.query_row(&sql, [convoy.as_str()], |row| row.get(0)).expect("counts")
        };
        let before: Vec<u32> = TABLES.iter().map(|table| count(table, &stays.convoy)).collect();
        prune(&*store, &gone);
        for (table, before) in TABLES.iter().zip(before) {
            assert_eq!(count(table, &gone.convoy), u32::from(*table == "prunings"), "{table}");
            assert_eq!(count(table, &stays.convoy), before, "{table}");
        }
    }

    #[test]
    fn the_file_becomes_shorter_the_first_time_and_later() {
        for later in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("convoy.db");
            let store = SqliteStore::open(&path).expect("opens");
            let leases: Vec<Lease> = (1..=10).map(|n| fill(&store, n)).collect();
            if later {
                block_on(store.give_space_back()).expect("nothing to give back");
            }
            block_on(store.shutdown());
            let store = SqliteStore::open(&path).expect("opens");
            let before = std::fs::metadata(&path).expect("is there").len();
            leases[1..].iter().for_each(|lease| prune(&store, lease));
            let given = block_on(store.give_space_back()).expect("given back");
            let after = std::fs::metadata(&path).expect("is there").len();
            assert!(after < before / 2, "later {later}: {before} bytes became {after}");
            assert!(given >= before - after, "later {later}: {given}");
            let events = block_on(store.load(&leases[0].convoy)).expect("is whole").events.len();
            assert!(events > 100);
            fill(&store, 11);
            block_on(store.shutdown());
            let db = Connection::open(&path).expect("opens");
            let whole: String = db.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("checks");
            assert_eq!(whole, "ok");
        }
    }
}
