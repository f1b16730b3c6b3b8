//! Projections: tables that are made from the events, for lists and for people who like SQL.
//!
//! [`project`] is the one function that makes them. A store on disk applies the changes as upserts in
//! the transaction of the events; [`Tables`] applies the same changes to maps. Every change names its
//! values outright and reads nothing, so applying all events from the first on gives the same rows.
//!
//! The rows of tasks appear with their first event; how many tasks there are stands in the convoy's row.
//! The status of a convoy and the final statuses of tasks are those of [`crate::state`]; a task that is not
//! final may be shown a step off while its agent's failure is being judged.

mod change;
mod rules;
mod summary;
mod tables;
mod task_rules;
#[cfg(test)]
mod tests;

#[cfg(feature = "sqlite")]
pub(super) use self::change::{Cell, Change, Only};
pub(super) use self::change::{Key, Table};
pub(super) use self::rules::{created, project};
pub(super) use self::summary::status_of;
#[cfg(feature = "sqlite")]
pub(super) use self::summary::{Alike, BadRow, newest_first, summary};
pub(super) use self::tables::{Row, Tables};
