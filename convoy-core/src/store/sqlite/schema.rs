//! The tables, and how older files get them.

use rusqlite::{Connection, TransactionBehavior};

use super::medium;
use crate::store::StoreError;

/// Says that a file is ours: "CONV". Files of other programs have another one, or 0.
pub(super) const APPLICATION_ID: u32 = 0x434f_4e56;

/// How to get from each version to the next one. A step that was released is never changed again.
pub(super) const STEPS: &[&str] = &[V1, V2, V3, V4];

/// `specs`, `events`, `leases`, `inbox` and `prunings` are the truth; the other tables are projections, with times
/// as text, for people.
const V1: &str = "
CREATE TABLE specs (
    convoy_id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    spec_text TEXT NOT NULL,
    event_format INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    convoy_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    type TEXT NOT NULL,
    task_id TEXT,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_convoy ON events (convoy_id, id);
CREATE TABLE leases (
    convoy_id TEXT PRIMARY KEY NOT NULL,
    fence INTEGER NOT NULL,
    engine TEXT,
    pid INTEGER,
    start_time INTEGER,
    boot TEXT
) STRICT;
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    convoy_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    request TEXT NOT NULL
) STRICT;
CREATE INDEX inbox_of_convoy ON inbox (convoy_id, id);

CREATE TABLE convoys (
    convoy_id TEXT PRIMARY KEY NOT NULL,
    name TEXT,
    status TEXT,
    branch TEXT,
    base TEXT,
    integration_ref TEXT,
    adapter TEXT,
    tasks INTEGER,
    engine_version TEXT,
    created_at TEXT,
    started_at TEXT,
    finished_at TEXT,
    tip TEXT,
    published_tip TEXT,
    publish_state TEXT,
    publish_reason TEXT,
    publish_paths TEXT,
    first_event INTEGER
) STRICT;
CREATE TABLE tasks (
    convoy_id TEXT NOT NULL,
    task_index INTEGER NOT NULL,
    task_id TEXT,
    status TEXT,
    agent TEXT,
    adapter TEXT,
    model TEXT,
    attempts INTEGER,
    retries INTEGER,
    started_at TEXT,
    finished_at TEXT,
    not_before TEXT,
    commit_id TEXT,
    no_changes INTEGER,
    failure_type TEXT,
    error TEXT,
    exit_code INTEGER,
    reason TEXT,
    PRIMARY KEY (convoy_id, task_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_by_status ON tasks (convoy_id, status);
CREATE TABLE attempts (
    convoy_id TEXT NOT NULL,
    task_index INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    task_id TEXT,
    kind TEXT,
    agent TEXT,
    adapter TEXT,
    model TEXT,
    base TEXT,
    worktree TEXT,
    pid INTEGER,
    assigned_at TEXT,
    started_at TEXT,
    ended_at TEXT,
    outcome TEXT,
    failure_type TEXT,
    exit_code INTEGER,
    session_id TEXT,
    duration_ms INTEGER,
    input_tokens INTEGER,
    cached_input_tokens INTEGER,
    cache_write_tokens INTEGER,
    output_tokens INTEGER,
    cost_usd REAL,
    work_commit TEXT,
    kept_ref TEXT,
    landed_commit TEXT,
    PRIMARY KEY (convoy_id, task_index, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE gate_results (
    event_id INTEGER PRIMARY KEY,
    convoy_id TEXT,
    task_index INTEGER,
    task_id TEXT,
    attempt INTEGER,
    gate TEXT,
    passed INTEGER,
    exit_code INTEGER,
    duration_ms INTEGER,
    time TEXT
) STRICT;
CREATE TABLE dead_letters (
    dlq_id TEXT PRIMARY KEY NOT NULL,
    convoy_id TEXT,
    task_index INTEGER,
    task_id TEXT,
    agent TEXT,
    failure_type TEXT,
    attempts INTEGER,
    error TEXT,
    created_at TEXT,
    resolved_at TEXT,
    resolved_by TEXT,
    resolution TEXT
) STRICT;
";

/// How many files an attempt changed; unknown for those made before.
const V2: &str = "
ALTER TABLE tasks ADD COLUMN files_changed INTEGER;
ALTER TABLE attempts ADD COLUMN files_changed INTEGER;
";

/// Whether a task's work has no review that it was to get; unknown for those of before.
const V3: &str = "
ALTER TABLE tasks ADD COLUMN unreviewed INTEGER;
";

/// The convoys that are being pruned, and those that were: all that is known of these.
const V4: &str = "
CREATE TABLE prunings (
    convoy_id TEXT PRIMARY KEY NOT NULL,
    begun_ms INTEGER NOT NULL,
    finished_ms INTEGER
) STRICT, WITHOUT ROWID;
";

/// Brings an empty or older file of ours to the newest version, all in one transaction.
///
/// # Errors
/// [`StoreError::Newer`] when the file has more steps behind it than are known here; it is unchanged.
pub(super) fn migrate(db: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    let doing = "bring the store to this version";
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let version = |db: &Connection| db.query_row("PRAGMA user_version", (), |row| row.get::<_, u32>(0));
    if version(db).map_err(medium(doing))? == known {
        return Ok(());
    }
    let turn = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(medium(doing))?;
    // Another process may have done it meanwhile.
    let found = version(&turn).map_err(medium(doing))?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for step in steps.iter().skip(found as usize) {
        turn.execute_batch(step).map_err(medium(doing))?;
    }
    turn.pragma_update(None, "application_id", APPLICATION_ID).map_err(medium(doing))?;
    turn.pragma_update(None, "user_version", known).map_err(medium(doing))?;
    turn.commit().map_err(medium(doing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::project::Table;

    #[test]
    fn a_file_goes_from_version_to_version_and_keeps_its_rows() {
        let mut db = Connection::open_in_memory().expect("opens");
        let one = "CREATE TABLE a (x INTEGER) STRICT;";
        let two = "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 7;";
        let three = "UPDATE a SET y = y + x;";
        migrate(&mut db, &[one]).expect("a new file");
        db.execute("INSERT INTO a VALUES (5)", ()).expect("a row");
        migrate(&mut db, &[one, two, three]).expect("two steps");
        migrate(&mut db, &[one, two, three]).expect("none is done twice");
        let row = db.query_row("SELECT x, y FROM a", (), |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row, Ok((5, 12)));
        let refused = migrate(&mut db, &[one, two]);
        assert!(matches!(refused, Err(StoreError::Newer { found: 3, known: 2 })), "{refused:?}");
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut db = Connection::open_in_memory().expect("opens");
        migrate(&mut db, &["CREATE TABLE a (x INTEGER) STRICT;"]).expect("a new file");
        let steps = ["", "CREATE TABLE b (x INTEGER) STRICT;", "nonsense"];
        assert!(matches!(migrate(&mut db, &steps), Err(StoreError::Medium { .. })));
        let tables = db.query_row("SELECT group_concat(name) FROM sqlite_schema", (), |row| row.get(0));
        assert_eq!(tables, Ok("a".to_owned()));
        let version = db.query_row("PRAGMA user_version", (), |row| row.get(0));
        assert_eq!(version, Ok(1));
    }

    #[test]
    fn a_file_of_the_first_version_keeps_its_tasks_and_says_nothing_of_their_files() {
        let mut db = Connection::open_in_memory().expect("opens");
        migrate(&mut db, &[V1]).expect("a file of the first version");
        db.execute("INSERT INTO tasks (convoy_id, task_index, status) VALUES ('c', 0, 'done')", ())
            .expect("a row");
        migrate(&mut db, STEPS).expect("goes on");
        let row = db.query_row("SELECT status, files_changed FROM tasks", (), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))
        });
        assert_eq!(row, Ok(("done".to_owned(), None)));
    }

    #[test]
    fn the_projected_tables_have_the_columns_that_are_projected() {
        let mut db = Connection::open_in_memory().expect("opens");
        migrate(&mut db, STEPS).expect("a new file");
        for table in Table::ALL {
            let mut columns = db.prepare("SELECT name FROM pragma_table_info(?1)").expect("prepares");
            let names = columns.query_map([table.name()], |row| row.get::<_, String>(0)).expect("runs");
            let names: Vec<String> = names.collect::<Result<_, _>>().expect("names");
            assert_eq!(names, [table.key(), table.columns()].concat(), "{}", table.name());
        }
    }
}
