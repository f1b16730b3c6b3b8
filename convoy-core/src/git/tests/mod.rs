//! Tests on real repositories, by topic.

mod open;
mod refs;
mod snapshot;
mod worktree;
