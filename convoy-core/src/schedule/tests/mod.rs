//! The decisions, tried in a small world that answers actions as a table or a generator says.

mod build;
mod choose;
mod conflict;
mod control;

mod invariants;
mod moves;
mod outcomes;
mod properties;
mod retry;
mod shape;
mod shown;
mod steps;
mod world;
