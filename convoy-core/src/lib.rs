//! The Convoy engine as a library: runs many coding agents on one git repository at once.
//!
//! A convoy file (`*.convoy.yml`) is a graph of tasks. Each task runs in its own git worktree, is
//! checked, and lands on one branch exactly once; everything is recorded in a store and survives a
//! crash. Start with `engine::Engine`.
#![forbid(unsafe_code)]

pub mod agent;
pub mod attempt;
pub mod clock;
pub mod engine;
pub mod error;
pub mod event;
pub mod gate;
pub mod git;
pub mod merge;
pub mod plan;
pub mod process;
pub mod review;
pub mod schedule;
pub mod secret;
pub mod spec;
pub mod state;
pub mod store;
pub mod types;
