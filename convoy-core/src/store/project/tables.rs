//! Projected tables in memory.

use std::collections::BTreeMap;

use super::change::{Cell, Change, Key, Only, Table};
use super::summary::{Alike, BadRow, newest_first, summary};
use crate::store::ConvoySummary;

/// The columns of a row that have a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::store) struct Row(BTreeMap<&'static str, Cell>);

impl Row {
    /// Sets a column, or empties it.
    pub(in crate::store) fn set(&mut self, column: &'static str, cell: Cell) {
        if cell == Cell::Null {
            self.0.remove(column);
        } else {
            self.0.insert(column, cell);
        }
    }

    /// The text of a column.
    pub(in crate::store) fn text(&self, column: &str) -> Option<&str> {
        match self.0.get(column) {
            Some(Cell::Text(text)) => Some(text),
            Some(Cell::Int(_) | Cell::Real(_) | Cell::Null) | None => None,
        }
    }

    /// The whole number of a column.
    pub(in crate::store) fn int(&self, column: &str) -> Option<u64> {
        match self.0.get(column) {
            Some(Cell::Int(n)) => u64::try_from(*n).ok(),
            Some(Cell::Text(_) | Cell::Real(_) | Cell::Null) | None => None,
        }
    }

    /// The number of a column.
    pub(in crate::store) fn real(&self, column: &str) -> Option<f64> {
        match self.0.get(column) {
            Some(Cell::Real(n)) => Some(*n),
            Some(Cell::Text(_) | Cell::Int(_) | Cell::Null) | None => None,
        }
    }
}

/// All projected tables as maps.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::store) struct Tables(BTreeMap<(Table, Vec<Key>), Row>);

impl Tables {
    /// Makes or changes a row.
    pub(in crate::store) fn apply(&mut self, change: Change) {
        let row = self.0.entry((change.table, change.key)).or_default();
        for set in change.set {
            let applies = match set.only {
                Only::Always => true,
                Only::Empty => !row.0.contains_key(set.column),
                Only::Is(text) => row.text(set.column) == Some(text),
            };
            if applies {
                row.set(set.column, set.cell);
            }
        }
    }

    /// Puts a row as it was read from elsewhere.
    #[cfg(test)]
    pub(in crate::store) fn insert(&mut self, table: Table, key: Vec<Key>, row: Row) {
        self.0.insert((table, key), row);
    }

    /// The rows of a table whose key starts so, in the order of the key.
    pub(in crate::store) fn rows(
        &self,
        table: Table,
        prefix: Vec<Key>,
    ) -> impl Iterator<Item = (&[Key], &Row)> {
        let start = (table, prefix.clone());
        self.0
            .range(start..)
            .take_while(move |((of, key), _)| *of == table && key.starts_with(&prefix))
            .map(|((_, key), row)| (key.as_slice(), row))
    }

    /// A line for each convoy, the newest first.
    pub(in crate::store) fn summaries(&self) -> Result<Vec<ConvoySummary>, BadRow> {
        let mut lines = Vec::new();
        for (key, row) in self.rows(Table::Convoys, Vec::new()) {
            let Some(Key::Text(id)) = key.first() else { continue };
            let mut counts: BTreeMap<(&str, bool), u32> = BTreeMap::new();
            for (_, task) in self.rows(Table::Tasks, key.to_vec()) {
                let unreviewed = task.int("unreviewed") == Some(1);
                *counts.entry((task.text("status").unwrap_or_default(), unreviewed)).or_default() += 1;
            }
            let alike = |((status, unreviewed), count)| Alike { status, unreviewed, count };
            let line = summary(id, row, counts.into_iter().map(alike))?;
            lines.push((row.int("first_event"), line));
        }
        Ok(newest_first(lines))
    }
}
