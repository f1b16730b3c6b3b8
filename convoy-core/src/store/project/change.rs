//! One change to one row of one table.

use crate::types::{Cost, FailureKind, Oid, SessionId, TaskId, Timestamp};

/// A projected table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Table {
    Convoys,
    Tasks,
    Attempts,
    GateResults,
    DeadLetters,
}

impl Table {
    /// Every table.
    #[cfg(test)]
    pub(in crate::store) const ALL: [Self; 5] =
        [Self::Convoys, Self::Tasks, Self::Attempts, Self::GateResults, Self::DeadLetters];

    /// Its name in SQL.
    #[cfg(feature = "sqlite")]
    pub(in crate::store) fn name(self) -> &'static str {
        match self {
            Self::Convoys => "convoys",
            Self::Tasks => "tasks",
            Self::Attempts => "attempts",
            Self::GateResults => "gate_results",
            Self::DeadLetters => "dead_letters",
        }
    }

    /// The columns of its primary key.
    pub(in crate::store) fn key(self) -> &'static [&'static str] {
        match self {
            Self::Convoys => &["convoy_id"],
            Self::Tasks => &["convoy_id", "task_index"],
            Self::Attempts => &["convoy_id", "task_index", "attempt"],
            Self::GateResults => &["event_id"],
            Self::DeadLetters => &["dlq_id"],
        }
    }

    /// The columns beside the key.
    pub(in crate::store) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Convoys => &CONVOYS,
            Self::Tasks => &TASKS,
            Self::Attempts => &ATTEMPTS,
            Self::GateResults => &GATE_RESULTS,
            Self::DeadLetters => &DEAD_LETTERS,
        }
    }
}

#[rustfmt::skip]
const CONVOYS: [&str; 17] = [
    "name", "status", "branch", "base", "integration_ref", "adapter",
    "tasks", "engine_version", "created_at", "started_at", "finished_at", "tip",
    "published_tip", "publish_state", "publish_reason", "publish_paths", "first_event",
];

#[rustfmt::skip]
const TASKS: [&str; 18] = [
    "task_id", "status", "agent", "adapter", "model", "attempts",
    "retries", "started_at", "finished_at", "not_before", "commit_id", "no_changes",
    "failure_type", "error", "exit_code", "reason", "files_changed", "unreviewed",
];

#[rustfmt::skip]
const ATTEMPTS: [&str; 25] = [
    "task_id", "kind", "agent", "adapter", "model", "base",
    "worktree", "pid", "assigned_at", "started_at", "ended_at", "outcome",
    "failure_type", "exit_code", "session_id", "duration_ms", "input_tokens", "cached_input_tokens",
    "cache_write_tokens", "output_tokens", "cost_usd", "work_commit", "kept_ref", "landed_commit",
    "files_changed",
];

#[rustfmt::skip]
const GATE_RESULTS: [&str; 9] = [
    "convoy_id", "task_index", "task_id", "attempt", "gate", "passed",
    "exit_code", "duration_ms", "time",
];

#[rustfmt::skip]
const DEAD_LETTERS: [&str; 11] = [
    "convoy_id", "task_index", "task_id", "agent", "failure_type", "attempts",
    "error", "created_at", "resolved_at", "resolved_by", "resolution",
];

/// A value of a primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Key {
    Int(i64),
    Text(String),
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

/// What becomes of one column.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Set {
    pub(in crate::store) column: &'static str,
    pub(in crate::store) cell: Cell,
    pub(in crate::store) only: Only,
}

/// Where a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Only {
    Always,
    /// Where it has no value.
    Empty,
    /// Where its value is this text; the row must exist.
    Is(&'static str),
}

/// A row is made, or columns of it are set; the others stay.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Change {
    pub(in crate::store) table: Table,
    pub(in crate::store) key: Vec<Key>,
    pub(in crate::store) set: Vec<Set>,
}

impl Change {
    /// A change of this row that sets nothing yet.
    pub(super) fn of(table: Table, key: Vec<Key>) -> Self {
        debug_assert_eq!(table.key().len(), key.len());
        Self { table, key, set: Vec::new() }
    }

    /// Sets a column.
    pub(super) fn set(self, column: &'static str, cell: impl Into<Cell>) -> Self {
        self.with(column, cell.into(), Only::Always)
    }

    /// Sets a column unless it has a value.
    pub(super) fn once(self, column: &'static str, cell: impl Into<Cell>) -> Self {
        self.with(column, cell.into(), Only::Empty)
    }

    /// Sets a column where it holds this text.
    pub(super) fn replace(self, column: &'static str, old: &'static str, new: &'static str) -> Self {
        self.with(column, new.into(), Only::Is(old))
    }

    /// Empties columns.
    pub(super) fn clear(self, columns: &[&'static str]) -> Self {
        columns.iter().fold(self, |change, column| change.with(column, Cell::Null, Only::Always))
    }

    fn with(mut self, column: &'static str, cell: Cell, only: Only) -> Self {
        debug_assert!(self.table.columns().contains(&column), "{column}");
        self.set.push(Set { column, cell, only });
        self
    }
}

impl From<Key> for Cell {
    fn from(key: Key) -> Self {
        match key {
            Key::Int(n) => Self::Int(n),
            Key::Text(text) => Self::Text(text),
        }
    }
}

impl From<u64> for Key {
    fn from(n: u64) -> Self {
        Self::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Key {
    fn from(n: u32) -> Self {
        Self::Int(n.into())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

macro_rules! cell {
    ($($from:ty, $value:ident => $cell:expr;)*) => {
        $(impl From<$from> for Cell {
            fn from($value: $from) -> Self {
                $cell
            }
        })*
    };
}

cell! {
    bool, b => Self::Int(b.into());
    i32, n => Self::Int(n.into());
    u32, n => Self::Int(n.into());
    u64, n => Self::Int(i64::try_from(n).unwrap_or(i64::MAX));
    String, text => Self::Text(text);
    &str, text => Self::Text(text.to_owned());
    &String, text => Self::Text(text.clone());
    &Oid, oid => Self::Text(oid.to_string());
    &TaskId, id => Self::Text(id.to_string());
    &SessionId, id => Self::Text(id.to_string());
    &FailureKind, kind => Self::Text(kind.to_string());
    Timestamp, time => Self::Text(time.to_string());
    Cost, cost => Self::Real(cost.into());
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
