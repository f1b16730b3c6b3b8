//! How a built-in gate takes what it found.

use serde::{Deserialize, Serialize};

/// How a built-in gate takes what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GateLevel {
    /// It is said, and the work goes on.
    Warn,
    /// The work does not pass.
    Block,
}
