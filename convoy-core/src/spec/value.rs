//! Checked values: what the field table made of a tree.

use std::time::Duration;

use super::problem::Pos;
use super::table::{Field, Section};

/// A value that has the type the table asks for.
#[derive(Debug)]
pub(super) enum Val {
    Text(String),
    Bool(bool),
    Int(i64),
    /// A number that is no count.
    Number(f64),
    Duration(Duration),
    List(Vec<Item>),
    Map(Vec<(String, Item)>),
    Record(Record),
    /// Anything, where the format does not say more.
    Json,
}

/// A checked value and its place.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) pos: Pos,
    /// Its position in the list that it is written in; broken neighbours are left out.
    pub(super) index: usize,
    pub(super) val: Val,
}

/// A checked mapping. Values that are broken, and keys without a value, are left out.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) section: &'static Section,
    pub(super) pos: Pos,
    pub(super) slots: Vec<Slot>,
}

/// A written key of a mapping.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) field: &'static Field,
    pub(super) key_pos: Pos,
    /// The place of the value.
    pub(super) pos: Pos,
    /// `None` when it is broken or means the default.
    pub(super) val: Option<Val>,
}

impl Record {
    /// A written key, also when its value is broken. A name that the section does not have is a
    /// mistake in the caller, which the tests over the whole table would show.
    pub(super) fn slot(&self, key: &str) -> Option<&Slot> {
        debug_assert!(self.section.field(key).is_some(), "{}.{key}", self.section.name);
        self.slots.iter().find(|slot| slot.field.key == key)
    }

    fn val(&self, key: &str) -> Option<&Val> {
        self.slot(key)?.val.as_ref()
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.val(key)? {
            Val::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(&self, key: &str) -> Option<i64> {
        match self.val(key)? {
            Val::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// A count that the table bounds to `u32`.
    pub(super) fn count(&self, key: &str) -> Option<u32> {
        self.int(key).and_then(|int| u32::try_from(int).ok())
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        match self.val(key)? {
            Val::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn bool(&self, key: &str) -> Option<bool> {
        match self.val(key)? {
            Val::Bool(b) => Some(*b),
            _ => None,
        }
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        match self.val(key)? {
            Val::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    pub(super) fn record(&self, key: &str) -> Option<&Self> {
        match self.val(key)? {
            Val::Record(record) => Some(record),
            _ => None,
        }
    }

    pub(super) fn map(&self, key: &str) -> &[(String, Item)] {
        match self.val(key) {
            Some(Val::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The items of a list, `None` when it is not written.
    pub(super) fn list(&self, key: &str) -> Option<&[Item]> {
        match self.val(key)? {
            Val::List(items) => Some(items),
            _ => None,
        }
    }

    /// A list of texts, `None` when it is not written.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        Some(self.list(key)?.iter().filter_map(Item::text).map(str::to_owned).collect())
    }

    /// The mappings of a list with their positions in it.
    pub(super) fn records(&self, key: &str) -> impl Iterator<Item = (usize, &Self)> {
        let items = self.list(key).unwrap_or_default();
        items.iter().filter_map(|item| match &item.val {
            Val::Record(record) => Some((item.index, record)),
            _ => None,
        })
    }
}

impl Item {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.val {
            Val::Text(text) => Some(text),
            _ => None,
        }
    }
}
