//! Projections: tables that are made from the events, for lists and for people who like SQL.
//!
//! [`project`] is the one function that makes them. A store on disk applies the changes as upserts in
//! the transaction of the events; [`Tables`] applies the same changes to maps. Every change names its
//! values outright and reads nothing, so applying all events from the first on gives the same rows.
//!
//! The rows of tasks appear with their first event; how many tasks there are stands in the convoy's row.

mod change;
mod rules;
mod summary;
mod tables;
mod task_rules;

pub(super) use self::change::{Cell, Change, Key, Only, Table};
pub(super) use self::rules::{created, project};
pub(super) use self::summary::{BadRow, newest_first, status_of, summary};
pub(super) use self::tables::{Row, Tables};
