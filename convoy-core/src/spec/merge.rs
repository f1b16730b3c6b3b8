//! How work lands.

use serde::{Deserialize, Serialize};

use super::value::Record;
use crate::types::MergeStrategy;

/// How work lands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Merge {
    /// The form of a landing.
    pub strategy: MergeStrategy,
    /// Shell commands that must pass on the merged tree before the integration ref moves to it; none = it moves
    /// unseen.
    pub verify: Vec<String>,
    /// Most pieces of work that one run of them adds.
    pub batch: u32,
}

impl Default for Merge {
    fn default() -> Self {
        Self { strategy: MergeStrategy::default(), verify: Vec::new(), batch: 1 }
    }
}

pub(super) fn merge(record: Option<&Record>) -> Merge {
    let Some(record) = record else { return Merge::default() };
    let strategy = match record.text("strategy") {
        Some("squash") => MergeStrategy::Squash,
        Some("rebase") => MergeStrategy::Rebase,
        _ => MergeStrategy::Merge,
    };
    let (verify, batch) = (record.texts("verify").unwrap_or_default(), record.count("batch").unwrap_or(1));
    Merge { strategy, verify, batch }
}
