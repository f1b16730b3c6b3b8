//! Decides who starts, retries, is skipped, lands next, and when the run is over. Pure.
//!
//! [`Scheduler::handle`] takes one [`Input`] and the time, changes the state by events, and says which
//! [`Action`]s follow. The caller records the events before it performs the actions. The queues beside
//! the state are derived from it ([`Scheduler::new`]), so a restart needs nothing but the log, and a
//! decision costs what it changes, not what exists.

mod artifacts;
mod at_end;
mod begin;
mod breaker;
mod budget;
mod control;
mod dispute;
mod end;
mod failure;
mod handle;
mod inject;
mod input;
mod land;
mod parking;
mod people;
mod places;
mod queues;
mod start;
mod train;

pub use self::at_end::{EndOrder, EndReport, GateReport, HookReport};
pub use self::failure::backoff;
pub use self::handle::{Scheduler, Turn};
pub use self::inject::MOST_INJECTED;
pub use self::input::{
    Action, AdvanceReport, AgentEnd, CheckOrder, Input, InputArtifact, PrepareReport, PublishOrder,
    PublishReport, Report, SnapshotOrder, SnapshotReport, Stale, StartedReport, WorkOrder,
};

pub use self::train::{VerifyOrder, VerifyReport};

#[cfg(test)]
pub(crate) mod tests;
