//! The states of a circuit breaker, and what a budget limits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of an agent's circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// The agent works.
    Closed,
    /// It failed too often in a row and is rested.
    Open,
    /// One task tries whether it works again.
    HalfOpen,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// What a budget limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Tokens of all agents.
    Tokens,
    /// Dollars of all agents.
    CostUsd,
    /// Seconds in which an engine ran the convoy, waiting included.
    WallTime,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokens => "tokens",
            Self::CostUsd => "dollars",
            Self::WallTime => "seconds",
        })
    }
}
