//! The decisions, tried in a small world that answers actions as a table or a generator says.

mod build;
mod choose;
mod invariants;
mod properties;
mod shape;
mod world;
