//! The steps of an attempt.

use serde::{Deserialize, Serialize};

use crate::types::{Failure, StepStatus};

/// The agent is about to be called for a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStarted {
    /// Its id, else its number, from 1.
    pub step: String,
    /// Its position, from 0.
    pub index: u32,
    /// How many steps the task has.
    pub of: u32,
    /// Which retry of the step it is; 0: the first try.
    pub retry: u32,
    /// `fresh`, `continued`, or `fresh: ` and why.
    pub session: String,
    /// What failed at the try before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A step is over, or was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFinished {
    /// Its id, else its number, from 1.
    pub step: String,
    /// Its position, from 0.
    pub index: u32,
    /// How it ended.
    pub status: StepStatus,
    /// The exit code that conditions of later steps see.
    pub exit_code: i32,
    /// Retries of the step that were used.
    pub retries: u32,
    /// How long its agent ran, all tries together.
    pub duration_ms: u64,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}
