//! What is written, within one transaction.

use std::fmt::Write as _;

use rusqlite::types::{ToSql, ToSqlOutput, Value};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::{medium, prune};
use crate::event::{Event, EventRecord, Request};
use crate::store::project::{Cell, Change, Only, created, project};
use crate::store::{Appended, Batch, Holder, Lease, NewConvoy, StoreError};
use crate::types::{ConvoyId, TaskId, Timestamp};

const CREATING: &str = "record a convoy";
const APPENDING: &str = "record a turn";
const LEASING: &str = "record a lease";

/// A batch whose events are encoded already, so that the writer's thread need not.
pub(super) struct Encoded {
    time: Option<Timestamp>,
    events: Vec<(Event, String)>,
    consumed: Vec<u64>,
}

impl From<Batch> for Encoded {
    fn from(batch: Batch) -> Self {
        let events = batch.events.into_iter().map(|event| {
            let data = event.data_text();
            (event, data)
        });
        Self { time: batch.time, events: events.collect(), consumed: batch.consumed }
    }
}

pub(super) fn create(db: &Connection, new: NewConvoy) -> Result<(Lease, Appended), StoreError> {
    let NewConvoy { id, name, spec_text, event_format, created_at, holder, first } = new;
    prune::must_be_kept(db, &id)?;
    if let Some((found, _)) = end_of_log(db, &id).map_err(medium(CREATING))? {
        return Err(StoreError::Sequence { convoy: id, expected: 0, found });
    }
    let row = params![id.as_str(), name, spec_text, event_format, created_at.0];
    db.prepare_cached("INSERT INTO specs VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut insert| insert.execute(row))
        .map_err(medium(CREATING))?;
    db.prepare_cached("INSERT INTO leases VALUES (?1, 1, ?2, ?3, ?4, ?5)")
        .and_then(|mut insert| insert.execute(holder_params(&id, &holder)))
        .map_err(medium(CREATING))?;
    let batch = Batch { time: Some(created_at), events: vec![first], consumed: Vec::new() };
    let appended =
        insert_events(db, &id, created_at, batch.into(), |seq| Some(created(&id, &name, created_at, seq)))
            .map_err(medium(CREATING))?;
    Ok((Lease { convoy: id, holder, fence: 1 }, appended))
}

pub(super) fn append(
    db: &Connection,
    lease: &Lease,
    expected: u64,
    mut batch: Encoded,
) -> Result<Appended, StoreError> {
    let convoy = &lease.convoy;
    let valid = db
        .prepare_cached("SELECT fence = ?2 AND engine IS NOT NULL FROM leases WHERE convoy_id = ?1")
        .and_then(|mut query| query.query_row(params![convoy.as_str(), int(lease.fence)], |row| row.get(0)))
        .optional()
        .map_err(medium(APPENDING))?;
    match valid {
        None => return Err(prune::missing(db, convoy)),
        Some(false) => return Err(StoreError::Fenced(convoy.clone())),
        Some(true) => {}
    }
    prune::must_be_kept(db, convoy)?;
    let end = end_of_log(db, convoy).map_err(medium(APPENDING))?;
    let (found, last_time) = end.unwrap_or((0, Timestamp(0)));
    if found != expected {
        return Err(StoreError::Sequence { convoy: convoy.clone(), expected, found });
    }
    let consumed = std::mem::take(&mut batch.consumed);
    for id in consumed {
        db.prepare_cached("DELETE FROM inbox WHERE id = ?1 AND convoy_id = ?2")
            .and_then(|mut delete| delete.execute(params![int(id), convoy.as_str()]))
            .map_err(medium(APPENDING))?;
    }
    if batch.events.is_empty() {
        return Ok(Appended { first_seq: found, last_seq: found });
    }
    let time = batch.time.unwrap_or(last_time);
    insert_events(db, convoy, time, batch, |_| None).map_err(medium(APPENDING))
}

/// Number and time of a convoy's last event.
fn end_of_log(db: &Connection, convoy: &ConvoyId) -> rusqlite::Result<Option<(u64, Timestamp)>> {
    db.prepare_cached("SELECT id, time_ms FROM events WHERE convoy_id = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([convoy.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), Timestamp(row.get(1)?)))
        })
        .optional()
}

/// Writes events, and what is projected from them. `before` is projected ahead of the first one.
fn insert_events(
    db: &Connection,
    convoy: &ConvoyId,
    time: Timestamp,
    batch: Encoded,
    before: impl Fn(u64) -> Option<Change>,
) -> rusqlite::Result<Appended> {
    let (mut first_seq, mut last_seq) = (0, 0);
    for (event, data) in batch.events {
        let mut record = EventRecord { seq: 0, time, convoy: convoy.clone(), event };
        let sql = "INSERT INTO events (convoy_id, time_ms, type, task_id, data) VALUES (?1, ?2, ?3, ?4, ?5)";
        let task = record.task_id().map(TaskId::as_str);
        let row = params![convoy.as_str(), time.0, record.event.type_name(), task, data];
        last_seq = db.prepare_cached(sql)?.insert(row)?.unsigned_abs();
        record.seq = last_seq;
        if first_seq == 0 {
            first_seq = last_seq;
            before(first_seq).map_or(Ok(()), |change| upsert(db, change))?;
        }
        project(&record).into_iter().try_for_each(|change| upsert(db, change))?;
    }
    Ok(Appended { first_seq, last_seq })
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Int(n) => ToSqlOutput::Owned(Value::Integer(*n)),
            Self::Real(n) => ToSqlOutput::Owned(Value::Real(*n)),
            Self::Text(text) => ToSqlOutput::Borrowed(text.as_str().into()),
        })
    }
}

/// Makes or changes a projected row.
fn upsert(db: &Connection, change: Change) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(&upsert_sql(&change))?;
    let cells = change.key.into_iter().map(Cell::from).chain(change.set.into_iter().map(|set| set.cell));
    statement.execute(params_from_iter(cells)).map(|_| ())
}

/// All names in it are constants of this crate.
fn upsert_sql(change: &Change) -> String {
    let (table, key) = (change.table.name(), change.table.key());
    let columns: Vec<&str> = key.iter().copied().chain(change.set.iter().map(|set| set.column)).collect();
    let places: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let mut sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
    let _: std::fmt::Result = write!(sql, " ON CONFLICT ({}) DO ", key.join(", "));
    if change.set.is_empty() {
        return sql + "NOTHING";
    }
    let set = change.set.iter().map(|set| {
        let c = set.column;
        match set.only {
            Only::Always => format!("{c} = excluded.{c}"),
            Only::Empty => format!("{c} = coalesce({table}.{c}, excluded.{c})"),
            Only::Is(text) => {
                format!("{c} = CASE {table}.{c} WHEN '{text}' THEN excluded.{c} ELSE {table}.{c} END")
            }
        }
    });
    sql + "UPDATE SET " + &set.collect::<Vec<_>>().join(", ")
}

/// Takes the lease over if its fence is still this one. Whether it was.
pub(super) fn take_lease(
    db: &Connection,
    convoy: &ConvoyId,
    fence: u64,
    holder: &Holder,
) -> Result<bool, StoreError> {
    let sql = "UPDATE leases SET fence = fence + 1, engine = ?2, pid = ?3, start_time = ?4, boot = ?5
        WHERE convoy_id = ?1 AND fence = ?6";
    let (engine, pid, boot) = (&holder.engine, holder.pid, &holder.boot);
    let row = params![convoy.as_str(), engine, pid, holder.start_time.cast_signed(), boot, int(fence)];
    let taken = db.prepare_cached(sql).and_then(|mut update| update.execute(row));
    taken.map(|rows| rows == 1).map_err(medium(LEASING))
}

pub(super) fn release(db: &Connection, lease: &Lease) -> Result<(), StoreError> {
    let sql = "UPDATE leases SET engine = NULL, pid = NULL, start_time = NULL, boot = NULL
        WHERE convoy_id = ?1 AND fence = ?2";
    let row = params![lease.convoy.as_str(), int(lease.fence)];
    db.prepare_cached(sql).and_then(|mut update| update.execute(row)).map(|_| ()).map_err(medium(LEASING))
}

pub(super) fn submit(
    db: &Connection,
    convoy: &ConvoyId,
    request: &Request,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let doing = "record a request";
    let request = serde_json::to_string(request).map_err(medium(doing))?;
    let sql = "INSERT INTO inbox (convoy_id, time_ms, request)
        SELECT convoy_id, ?2, ?3 FROM specs WHERE convoy_id = ?1
        AND NOT EXISTS (SELECT 1 FROM prunings WHERE convoy_id = ?1)";
    let row = params![convoy.as_str(), now.0, request];
    let inserted =
        db.prepare_cached(sql).and_then(|mut insert| insert.execute(row)).map_err(medium(doing))?;
    if inserted == 0 {
        return Err(prune::missing(db, convoy));
    }
    Ok(db.last_insert_rowid().unsigned_abs())
}

fn holder_params<'a>(convoy: &'a ConvoyId, holder: &'a Holder) -> (&'a str, &'a str, u32, i64, &'a str) {
    (convoy.as_str(), &holder.engine, holder.pid, holder.start_time.cast_signed(), &holder.boot)
}

/// SQLite's numbers are signed; no number of a row goes so far.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
