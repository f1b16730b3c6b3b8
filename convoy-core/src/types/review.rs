//! Words about reviews that events, decisions and reviewers share.

use serde::{Deserialize, Serialize};

/// How thorough a review is, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewLevel {
    /// Nobody looks: the rules of the convoy file let this work pass. Reviewers are never asked for it.
    AutoPass,
    /// One reviewer decides.
    Fast,
    /// One of three reviewers; two that block, block the work.
    Panel,
}

impl ReviewLevel {
    /// The public text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AutoPass => "auto-pass",
            Self::Fast => "fast",
            Self::Panel => "panel",
        }
    }
}

impl std::fmt::Display for ReviewLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a review came to, as it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewVerdict {
    /// The work may land.
    Pass,
    /// It must not.
    Block,
    /// There is no judgement, and the convoy file lets such work land. It is counted as unreviewed.
    Skipped,
}

impl ReviewVerdict {
    /// The public text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Block => "block",
            Self::Skipped => "skipped",
        }
    }
}

impl std::fmt::Display for ReviewVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_json_agree() {
        for level in [ReviewLevel::AutoPass, ReviewLevel::Fast, ReviewLevel::Panel] {
            assert_eq!(serde_json::to_value(level).expect("json"), level.as_str());
        }
        for verdict in [ReviewVerdict::Pass, ReviewVerdict::Block, ReviewVerdict::Skipped] {
            assert_eq!(serde_json::to_value(verdict).expect("json"), verdict.as_str());
        }
        assert!(ReviewLevel::AutoPass < ReviewLevel::Fast && ReviewLevel::Fast < ReviewLevel::Panel);
    }
}
