//! The state of one convoy, changed only by [`RunState::apply`], live and in recovery. Pure.
//!
//! A task is in exactly one [`Stage`], which carries the data that only this stage has. Which move from
//! stage to stage an event may make stands in one table, [`allowed`]; every other move is an error.

mod apply;
mod breaker;
mod budget;
mod ending;
mod guard;
mod judged;
mod note;
mod parking;
mod people;
mod publish;
mod review;
mod run;
mod stage;
mod verdicts;
mod verify;
mod view;

#[cfg(test)]
mod tests;

pub use self::apply::IllegalEvent;
pub use self::breaker::{Admission, BreakerDue};
pub use self::budget::{AgentCalls, BudgetView};
pub use self::ending::{EndStage, Ending, FailedGate, GatesView, Round, Verdict};
pub use self::guard::GuardView;
pub use self::judged::Judged;
pub use self::publish::{BlockedPublish, Moving, Publish};
pub use self::review::TaskReview;
pub use self::run::RunState;
pub use self::stage::{Conflict, CutOff, Prepared, Session, Stage, StageKind, TaskState, allowed};
pub use self::verdicts::{Passed, Verdicts};
pub use self::verify::{Red, Verification, Verifying};
pub use self::view::{ArtifactView, ConvoyView, TaskView, view};
