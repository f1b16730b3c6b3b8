//! What `merge.verify` said of merged trees.

use serde::{Deserialize, Serialize};

use crate::types::{Failure, Oid, TaskId};

/// The tip with more work merged onto it is about to be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyStarted {
    /// Number of the run, from 1.
    pub run: u32,
    /// The tasks whose work is merged onto the tip, in the order of their landing commits.
    pub tasks: Vec<TaskId>,
    /// The last of these commits.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// The tip.
    pub onto: Oid,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum VerifyOutcome {
    /// Every command passed: the integration ref may move to this tree.
    Passed,
    /// One did not.
    Failed,
    /// It was ended without an answer, since nobody needs it any more.
    Stopped,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyResult {
    /// Number of the run.
    pub run: u32,
    /// The tree.
    pub tree: Oid,
    /// How it ended.
    pub outcome: VerifyOutcome,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How long it took.
    pub duration_ms: u64,
    /// Files of the merged tree that the commands had changed, bounded. They were put back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_files: Vec<String>,
}
