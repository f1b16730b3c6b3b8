//! The form in which work lands.

use serde::{Deserialize, Serialize};

/// The form in which work lands. What lands is the same in each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeStrategy {
    /// A merge commit of the tip and the work.
    #[default]
    Merge,
    /// One commit on the tip.
    Squash,
    /// The commits of the work, one after the other, on the tip.
    Rebase,
}

impl MergeStrategy {
    /// As the convoy file calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}
