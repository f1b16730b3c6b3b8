//! The guard: what is looked after at the end of a run.

use serde::{Deserialize, Serialize};

use super::value::Record;

/// Bookkeeping checks at the end of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Whether there are any. Not in a spec that was stored before there were such checks.
    pub enabled: bool,
    /// The role that gets the findings as a last task.
    pub agent: Option<String>,
    /// Which there are.
    pub checks: Vec<GuardCheck>,
}

/// A bookkeeping check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardCheck {
    /// Every task is final; the log tells of every attempt and of every gate.
    Observability,
    /// No worktree, no ref of unknown purpose and no process is left.
    Cleanup,
    /// What agents consumed is known as a whole.
    CostReport,
}

impl GuardCheck {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Observability, Self::Cleanup, Self::CostReport];

    /// As the convoy file calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observability => "observability",
            Self::Cleanup => "cleanup",
            Self::CostReport => "cost-report",
        }
    }
}

impl Guard {
    /// All checks and nobody who gets the findings.
    pub fn all() -> Self {
        Self { enabled: true, agent: None, checks: GuardCheck::ALL.to_vec() }
    }
}

/// What is written of the guard; without `checks` there are all. Unknown ones, which a warning names, are left out.
pub(super) fn guard(record: Option<&Record>) -> Guard {
    let all = Guard::all();
    let Some(record) = record else { return all };
    let written = record.texts("checks").map(|names| {
        let known = |check: &GuardCheck| names.iter().any(|name| name == check.as_str());
        GuardCheck::ALL.into_iter().filter(known).collect()
    });
    Guard {
        enabled: record.bool("enabled").unwrap_or(true),
        agent: record.text("agent").filter(|agent| !agent.is_empty()).map(str::to_owned),
        checks: written.unwrap_or(all.checks),
    }
}
