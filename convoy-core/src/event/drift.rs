//! What an agent says of its own work.

use serde::{Deserialize, Serialize};

use crate::types::Usage;

/// What an agent says of its own work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftResult {
    /// Whether there is a rating.
    pub checked: bool,
    /// Whether the agent was called for it. One that was may not have said what it used.
    #[serde(default)]
    pub asked: bool,
    /// The rating, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The least rating that passes.
    pub threshold: f64,
    /// Its words, bounded.
    #[serde(default)]
    pub explanation: String,
    /// Whether the rating is below that.
    pub drifted: bool,
    /// Why there is no rating.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long the agent ran.
    pub duration_ms: u64,
    /// What it consumed.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
}
