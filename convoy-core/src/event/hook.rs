//! What a hook said.

use serde::{Deserialize, Serialize};

use crate::spec::{HookMoment, HookType};
use crate::types::{Failure, Usage};

/// What a hook said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookResult {
    /// Its name, else its command, else its type.
    pub hook: String,
    /// What it is.
    #[serde(rename = "hook_type")]
    pub kind: HookType,
    /// When it ran.
    pub on: HookMoment,
    /// Whether it passed.
    pub passed: bool,
    /// How it ended, in words.
    pub how: String,
    /// Its exit code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How long it ran.
    pub duration_ms: u64,
    /// The end of its output, bounded.
    #[serde(default)]
    pub output: String,
    /// What an agent consumed for it.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
}

impl HookResult {
    /// The failure that it is, unless it passed.
    pub fn failure(&self) -> Option<Failure> {
        (!self.passed).then(|| Failure::of_hook(&self.hook, &self.how, self.exit_code, &self.output))
    }
}
