//! Tests on real repositories, by topic.

mod added;
mod backend;
mod beginnings;
mod fill;
mod flavours;
mod histories;
mod open;
mod plain;
mod pool;
mod pool_commits;
mod pool_rests;
mod power;
mod prune;
mod publish;
mod publish_recover;
mod refs;
mod replay;
mod same;
mod signing;
mod snapshot;
mod submodule;
mod unreadable;
mod worktree;

pub(super) use self::snapshot::request;
