//! Words that every module shares: ids, object ids, times, usage, failures, verdicts.
//!
//! Every id is a newtype whose constructor validates, so a value of the type is always usable.

mod artifact;
mod breaker;
mod conflict;
mod failure;
mod fence;
mod gate;
mod ids;
mod isolation;
mod limit;
mod review;
mod status;
mod step;
mod strategy;
mod time;
mod usage;

use std::future::Future;
use std::pin::Pin;

pub use self::artifact::{Artifact, ArtifactKind, MOST_ARTIFACT_BYTES, MOST_ARTIFACTS};
pub use self::breaker::{BreakerState, Measure};
pub use self::conflict::{ConflictKind, PathConflict, PathVersion};
pub use self::failure::{Failure, FailureKind, InvalidFailureKind};
pub use self::fence::write_fenced;
pub use self::gate::GateLevel;
pub use self::ids::{AttemptNo, ConvoyId, InvalidId, Oid, SessionId, TaskId, TaskIx, WorkerId, slug};
pub use self::isolation::Isolation;
pub use self::limit::AdapterLimit;
pub use self::review::{ReviewLevel, ReviewVerdict};
pub use self::status::{ConvoyStatus, TaskStatus, Totals};
pub use self::step::StepStatus;
pub use self::strategy::MergeStrategy;
pub use self::time::{InvalidTimestamp, Timestamp};
pub use self::usage::{Cost, Usage};

/// A boxed future, as the object-safe plug-in traits return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
