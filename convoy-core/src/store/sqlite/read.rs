//! What is read, within one transaction.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::write::int;
use super::{medium, prune};
use crate::event::{DecodeError, EVENT_FORMAT, Event, EventRecord};
use crate::store::project::{Alike, BadRow, Cell, Row, Table, newest_first, summary};
use crate::store::{ConvoySummary, Holder, InboxEntry, StoreError, StoredConvoy};
use crate::types::{ConvoyId, Timestamp};

const LOADING: &str = "load a convoy";
const READING: &str = "read events";
const LISTING: &str = "list the convoys";

pub(super) fn load(db: &mut Connection, convoy: &ConvoyId) -> Result<StoredConvoy, StoreError> {
    // One transaction, so that spec and events are of the same moment.
    let db = db.transaction().map_err(medium(LOADING))?;
    prune::must_be_kept(&db, convoy)?;
    check_format(&db, convoy)?;
    let spec = db
        .prepare_cached("SELECT spec_text, created_ms FROM specs WHERE convoy_id = ?1")
        .and_then(|mut query| {
            query.query_row([convoy.as_str()], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))
        })
        .optional()
        .map_err(medium(LOADING))?;
    let (spec_text, created_at) = spec.ok_or_else(|| prune::missing(&db, convoy))?;
    let events = read_from(&db, Some(convoy), 0, usize::MAX)?;
    Ok(StoredConvoy { id: convoy.clone(), spec_text, created_at, events })
}

/// Refuses a convoy that a newer engine made.
pub(super) fn check_format(db: &Connection, convoy: &ConvoyId) -> Result<(), StoreError> {
    let found: Option<u32> = db
        .prepare_cached("SELECT event_format FROM specs WHERE convoy_id = ?1")
        .and_then(|mut query| query.query_row([convoy.as_str()], |row| row.get(0)))
        .optional()
        .map_err(medium(LOADING))?;
    match found {
        None => Err(prune::missing(db, convoy)),
        Some(found) if found > EVENT_FORMAT => Err(StoreError::Newer { found, known: EVENT_FORMAT }),
        Some(_) => Ok(()),
    }
}

pub(super) fn read_from(
    db: &Connection,
    convoy: Option<&ConvoyId>,
    after: u64,
    limit: usize,
) -> Result<Vec<EventRecord>, StoreError> {
    let sql = match convoy {
        Some(_) => {
            "SELECT id, time_ms, convoy_id, type, task_id, data FROM events
            WHERE convoy_id = ?3 AND id > ?1 AND NOT EXISTS (SELECT 1 FROM prunings WHERE convoy_id = ?3)
            ORDER BY id LIMIT ?2"
        }
        // The third parameter is bound, so it must be named.
        None => {
            "SELECT id, time_ms, convoy_id, type, task_id, data FROM events
            WHERE id > ?1 AND ?3 IS NULL AND convoy_id NOT IN (SELECT convoy_id FROM prunings)
            ORDER BY id LIMIT ?2"
        }
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut query = db.prepare_cached(sql).map_err(medium(READING))?;
    let bound = params![int(after), limit, convoy.map(ConvoyId::as_str)];
    let mut rows = query.query(bound).map_err(medium(READING))?;
    let mut events: Vec<EventRecord> = Vec::new();
    while let Some(row) = rows.next().map_err(medium(READING))? {
        let record = stored(row, events.last()).or_else(|error| {
            // What a newer engine wrote is not damaged.
            if let StoreError::Damaged { convoy, .. } = &error {
                check_format(db, convoy)?;
            }
            Err(error)
        });
        events.push(record?);
    }
    Ok(events)
}

/// The event of a row. Those of one convoy share its id.
fn stored(row: &SqlRow<'_>, before: Option<&EventRecord>) -> Result<EventRecord, StoreError> {
    let text = |at| row.get_ref(at).map_err(medium(READING))?.as_str().map_err(medium(READING));
    let id = text(2)?;
    let convoy = match before {
        Some(before) if before.convoy.as_str() == id => before.convoy.clone(),
        _ => ConvoyId::new(id).map_err(medium(READING))?,
    };
    let task = row.get_ref(4).map_err(medium(READING))?.as_str_or_null().map_err(medium(READING))?;
    let event = match Event::decode_text(text(3)?, task, text(5)?) {
        Ok(event) => event,
        Err(source) => return Err(StoreError::Damaged { convoy, source }),
    };
    let seq = row.get::<_, i64>(0).map_err(medium(READING))?.unsigned_abs();
    let time = Timestamp(row.get(1).map_err(medium(READING))?);
    Ok(EventRecord { seq, time, convoy, event })
}

pub(super) fn list(db: &mut Connection) -> Result<Vec<ConvoySummary>, StoreError> {
    let db = db.transaction().map_err(medium(LISTING))?;
    let counts = counts(&db).map_err(medium(LISTING))?;
    let rows = rows(&db, Table::Convoys).map_err(medium(LISTING))?;
    let pruned = prune::under_way(&db).map_err(medium(LISTING))?;
    let mut lines = Vec::new();
    for (key, row) in rows {
        let [Cell::Text(id)] = &key[..] else { continue };
        if pruned.contains(id) {
            continue;
        }
        let tasks = counts.get(id).map_or(&[][..], Vec::as_slice);
        let line = summary(id, &row, tasks.iter().map(Counted::alike));
        let line = line.map_err(|bad| unreadable(&db, id, bad))?;
        lines.push((row.int("first_event"), line));
    }
    Ok(newest_first(lines))
}

fn unreadable(db: &Connection, convoy: &str, bad: BadRow) -> StoreError {
    let newer = ConvoyId::new(convoy).ok().and_then(|id| check_format(db, &id).err());
    newer.unwrap_or_else(|| medium(LISTING)(bad))
}

/// Rows of tasks that are alike, as they were counted.
struct Counted {
    status: String,
    unreviewed: bool,
    count: u32,
}

impl Counted {
    fn alike(&self) -> Alike<'_> {
        Alike { status: &self.status, unreviewed: self.unreviewed, count: self.count }
    }
}

/// For each convoy how many rows of tasks are alike.
fn counts(db: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<Counted>>> {
    let sql = "SELECT convoy_id, coalesce(status, ''), coalesce(unreviewed, 0) = 1, count(*) FROM tasks
        GROUP BY convoy_id, status, coalesce(unreviewed, 0) = 1";
    let mut query = db.prepare_cached(sql)?;
    let mut counts: BTreeMap<String, Vec<Counted>> = BTreeMap::new();
    let rows = query.query_map((), |row| {
        Ok((row.get(0)?, Counted { status: row.get(1)?, unreviewed: row.get(2)?, count: row.get(3)? }))
    })?;
    for row in rows {
        let (convoy, count): (String, Counted) = row?;
        counts.entry(convoy).or_default().push(count);
    }
    Ok(counts)
}

/// All rows of a projected table, each with its key.
pub(super) fn rows(db: &Connection, table: Table) -> rusqlite::Result<Vec<(Vec<Cell>, Row)>> {
    let (key, columns) = (table.key(), table.columns());
    let names = [key, columns].concat().join(", ");
    let mut query = db.prepare_cached(&format!("SELECT {names} FROM {}", table.name()))?;
    let cell = |row: &SqlRow<'_>, at: usize| -> rusqlite::Result<Cell> {
        Ok(match row.get_ref(at)? {
            ValueRef::Integer(n) => Cell::Int(n),
            ValueRef::Real(n) => Cell::Real(n),
            ValueRef::Text(_) => Cell::Text(row.get(at)?),
            ValueRef::Null | ValueRef::Blob(_) => Cell::Null,
        })
    };
    let rows = query.query_map((), |row| {
        let keys = (0..key.len()).map(|at| cell(row, at)).collect::<Result<_, _>>()?;
        let mut read = Row::default();
        for (at, column) in columns.iter().enumerate() {
            read.set(column, cell(row, key.len() + at)?);
        }
        Ok((keys, read))
    })?;
    rows.collect()
}

/// The fence of a convoy's lease, and who holds it.
pub(super) fn lease(db: &Connection, convoy: &ConvoyId) -> Result<(u64, Option<Holder>), StoreError> {
    let sql = "SELECT fence, engine, pid, start_time, boot FROM leases WHERE convoy_id = ?1";
    let found = db.prepare_cached(sql).and_then(|mut query| {
        query.query_row([convoy.as_str()], |row| {
            let fence = row.get::<_, i64>(0)?.unsigned_abs();
            let Some(engine) = row.get::<_, Option<String>>(1)? else { return Ok((fence, None)) };
            let start_time = row.get::<_, i64>(3)?.cast_unsigned();
            Ok((fence, Some(Holder { engine, pid: row.get(2)?, start_time, boot: row.get(4)? })))
        })
    });
    let found = found.optional().map_err(medium("read a lease"))?;
    found.ok_or_else(|| prune::missing(db, convoy))
}

pub(super) fn inbox(db: &Connection, convoy: &ConvoyId) -> Result<Vec<InboxEntry>, StoreError> {
    let doing = "read the requests";
    let sql = "SELECT id, time_ms, request FROM inbox WHERE convoy_id = ?1 ORDER BY id";
    let mut query = db.prepare_cached(sql).map_err(medium(doing))?;
    let rows = query.query_map([convoy.as_str()], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), Timestamp(row.get(1)?), row.get::<_, String>(2)?))
    });
    let mut entries = Vec::new();
    for row in rows.map_err(medium(doing))? {
        let (id, time, text) = row.map_err(medium(doing))?;
        let request = serde_json::from_str(&text).map_err(|source| StoreError::Damaged {
            convoy: convoy.clone(),
            source: DecodeError::Data { kind: "request".to_owned(), source },
        })?;
        entries.push(InboxEntry { id, time, request });
    }
    if entries.is_empty() {
        // Only now: an engine asks often, and mostly there is nothing.
        lease(db, convoy)?;
    }
    prune::must_be_kept(db, convoy)?;
    Ok(entries)
}
