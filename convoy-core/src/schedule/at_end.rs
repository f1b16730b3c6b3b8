//! What the end of a convoy is told, and what it asks for.

use crate::types::{Oid, Usage};

/// What the end of the convoy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReport {
    /// A gate of the convoy ended.
    Gate {
        /// The round.
        round: u32,
        /// What it said.
        result: GateReport,
    },
    /// All gates of the convoy were run.
    GatesOver {
        /// The round.
        round: u32,
    },
    /// A hook ended.
    HookOver {
        /// Its position.
        index: u32,
        /// What it did.
        result: HookReport,
    },
    /// The guard has looked at what is left.
    Guarded {
        /// What it found.
        found: Vec<String>,
    },
    /// What was under way was stopped before it had an answer.
    Stopped,
}

/// What a gate said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateReport {
    /// The command.
    pub gate: String,
    /// Whether it passed.
    pub passed: bool,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// How long it ran.
    pub duration_ms: u64,
    /// The ends of its output.
    pub output: String,
    /// Files of the merged result that it had changed.
    pub changed_files: Vec<String>,
}

/// What a hook did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReport {
    /// What happened; `None`: it did what it is for.
    pub error: Option<String>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// How long it ran.
    pub duration_ms: u64,
    /// The ends of what it printed.
    pub output: String,
    /// What its agent consumed.
    pub usage: Usage,
}

/// A stage of the end of the convoy.
#[derive(Debug, Clone, PartialEq)]
pub enum EndOrder {
    /// Run all gates of the convoy. Answers with a `Gate` each and at last `GatesOver`, or `Stopped`.
    Gates {
        /// Which time they run.
        round: u32,
        /// What is judged.
        commit: Oid,
    },
    /// Remove the worktrees that nobody needs, and tell what is left all the same. Answers with `Guarded`.
    Guard,
    /// Run a hook. Answers with `HookOver` or `Stopped`.
    Hook {
        /// Its position.
        index: u32,
        /// The merged result.
        commit: Oid,
    },
}
