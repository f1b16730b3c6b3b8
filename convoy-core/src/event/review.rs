//! What is recorded of reviews and disputes.

use serde::{Deserialize, Serialize};

use crate::types::{Oid, ReviewLevel, ReviewVerdict, Usage};

/// A review begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewStarted {
    /// How thorough it is.
    pub level: ReviewLevel,
    /// Who reviews: the adapter, or the host's own reviewer.
    #[serde(default)]
    pub reviewer: String,
    /// The reviewer's model, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Why it has this level.
    #[serde(default)]
    pub reason: String,
}

/// What a review came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRecord {
    /// How thorough it was.
    pub level: ReviewLevel,
    /// The judgement.
    pub verdict: ReviewVerdict,
    /// Tokens of all its reviewers; absent when none were reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// What its reviewers consumed.
    #[serde(default)]
    pub usage: Usage,
    /// The reviewer's model, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// There is no judgement: the reviewers could not make one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub could_not: bool,
    /// Length of what the reviewers said, in bytes.
    #[serde(default)]
    pub feedback_length: u64,
    /// Members of a panel that passed the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes: Option<u32>,
    /// Members of a panel that blocked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u32>,
    /// The tokens for reviews were used up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub budget_exceeded: bool,
    /// Therefore a fast review took the place of a panel.
    #[serde(default, skip_serializing_if = "is_false")]
    pub budget_downgrade: bool,
    /// Therefore there was none.
    #[serde(default, skip_serializing_if = "is_false")]
    pub budget_skip: bool,
    /// The tree that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Oid>,
    /// It is the verdict of an earlier review of the same tree.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reused: bool,
    /// What the reviewers said, or why there is no judgement; redacted, bounded.
    #[serde(default)]
    pub reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A task on which agent and reviewers do not agree, kept for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Its id, unique within the store.
    pub dispute_id: String,
    /// The role of the task.
    pub agent: String,
    /// Panels that blocked the work.
    pub panel_attempts: u32,
    /// Why the last of them did.
    #[serde(default)]
    pub reasons: String,
}
