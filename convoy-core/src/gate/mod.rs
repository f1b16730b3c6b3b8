//! What judges work: shell commands, and the gates that the engine brings.
//!
//! A built-in gate is a pure function of the [`Diff`] of the work, or of what git says of its tree, to a
//! [`Verdict`]. The diff is always that to the commit where the work began (`base...commit`), so what others
//! landed meanwhile does not count, and it is judged whole, however large it is.

mod blast_radius;
mod command;
mod dependency_audit;
mod diff;
mod glob;
mod judge_files;
mod manifest;
mod no_op;
mod partition;
mod regression_test;
mod scripts;
mod secret_scan;
mod symlinks;
mod verdict;

pub use self::blast_radius::{Size, blast_radius};
pub use self::command::{GateCommand, GateEnd, GateOutcome, run};
pub use self::dependency_audit::{Audit, Audits, dependency_audit};
pub use self::diff::Diff;
pub use self::glob::covers;
pub use self::judge_files::{audit_files, judge_files, test_files};
pub use self::manifest::{AsBefore, Manifests};
pub use self::no_op::no_op;
pub use self::partition::partition;
pub use self::regression_test::{TestRun, regression_test};
pub use self::scripts::scripts;
pub use self::secret_scan::secret_scan;
pub use self::symlinks::{Escape, escaping, symlinks};
pub use self::verdict::Verdict;
