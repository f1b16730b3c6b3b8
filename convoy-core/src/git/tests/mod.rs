//! Tests on real repositories, by topic.

mod flavours;
mod open;
mod publish;
mod publish_recover;
mod refs;
mod snapshot;
mod worktree;
