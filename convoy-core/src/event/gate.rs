//! What gates said of a task's work.

use serde::{Deserialize, Serialize};

use crate::types::{GateLevel, Oid};

/// What a command, or code of the host, said of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// The command, or the name of the host's code.
    pub gate: String,
    /// Whether it passed.
    pub passed: bool,
    /// Its exit code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How long it ran.
    pub duration_ms: u64,
    /// The end of its output, bounded.
    #[serde(default)]
    pub output: String,
    /// The tree that it was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Oid>,
    /// Files of the work that it had changed, bounded. They were put back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_files: Vec<String>,
    /// It was not run: it had passed this very tree before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// It is code of the host, not a command.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host: bool,
}

/// What somebody changed of the repository while an attempt was at work: what configures it for everybody, or refs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryGuard {
    /// `warn`: it is the user's to change, so it is only told. `block`: the attempt does not pass.
    pub level: GateLevel,
    /// Settings by their key, files by their path in the git directory, refs; never values. Bounded.
    pub changes: Vec<String>,
}

impl GateResult {
    /// The result of a command that ran, without output.
    pub fn new(gate: impl Into<String>, passed: bool, exit_code: Option<i32>, duration_ms: u64) -> Self {
        Self {
            gate: gate.into(),
            passed,
            exit_code,
            duration_ms,
            output: String::new(),
            tree: None,
            changed_files: Vec::new(),
            reused: false,
            host: false,
        }
    }
}

/// What a gate of the engine said of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltInGateResult {
    /// Its name, as in `built_in_gates`; `symlinks` and `judge_files` for those that have no switch.
    pub gate: String,
    /// How it takes what it found; absent when it found nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<GateLevel>,
    /// Whether it passed.
    pub passed: bool,
    /// What it found, bounded, without any secret.
    #[serde(default)]
    pub output: String,
    /// The tree that it judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Oid>,
    /// It was not run: it had passed this very tree before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
}
