//! Landing work: prepare, advance, settle.
//!
//! [`MergeQueue`] is the plug-in trait, [`GitMergeQueue`] the implementation on a git repository. How often
//! landing is tried, in which order, and what becomes of a conflict is decided by the engine.

#[cfg(any(test, feature = "testing"))]
mod conformance;
mod git_queue;
mod queue;

#[cfg(any(test, feature = "testing"))]
pub use self::conformance::conformance;
pub use self::git_queue::GitMergeQueue;
pub(crate) use self::queue::WORK_TRAILER;
pub use self::queue::{Advance, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled};
