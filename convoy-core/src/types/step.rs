//! How a step of a task ended.

use serde::{Deserialize, Serialize};

/// How a step of a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Its agent finished and its gates passed.
    Passed,
    /// It failed, and no retry is left.
    Failed,
    /// Its condition did not hold.
    Skipped,
}
