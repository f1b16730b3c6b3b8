//! The decisions, tried in a small world that answers actions as a table or a generator says.

mod answers;
mod artifacts;
mod breaker;
mod budget;
pub(crate) mod build;
mod choose;
mod conflict;
mod control;
mod desks;
mod drift;
mod ending;
mod hooks;
mod idle;
mod inject;

pub(crate) mod invariants;
mod known;
mod moves;
mod outcomes;
mod parking;
mod people;
mod places;
mod properties;
mod reports;
mod retry;
mod review;
pub(crate) mod shape;
mod shown;
mod steps;
mod table;
mod verify;
pub(crate) mod world;
