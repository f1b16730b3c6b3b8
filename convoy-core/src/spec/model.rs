//! The typed spec: what a valid convoy file says, with every default applied.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::artifact::{Input, Output};
use super::built_in::BuiltInGates;
use super::guard::Guard;
use super::hook::Hook;
use super::merge::Merge;
use super::review::{ReviewMode, ReviewSettings};
use super::step::{OnStepFailure, Step};
use crate::types::{Cost, Isolation, TaskId};

/// A valid convoy file with its defaults applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Shown to people.
    pub name: String,
    /// Format version, 1 or 2.
    pub version: u8,
    /// Free text.
    pub description: Option<String>,
    /// Most agents running at once.
    pub concurrency: Concurrency,
    /// What an exhausted task does to the rest.
    pub on_failure: OnFailure,
    /// The adapter for tasks that name none; `None` = detect. `claude-code` is already `claude` here.
    pub adapter: Option<String>,
    /// The user's own agent programs.
    pub adapters: BTreeMap<String, CliProfile>,
    /// The branch that receives the work, as written; `None` = the one HEAD is on.
    pub branch: Option<String>,
    /// Upper bound of `auto` concurrency (`defaults.max_swarm_concurrency`).
    pub max_swarm_concurrency: u32,
    /// Limits of what the agents of the convoy consume; `None` = none.
    pub budget: Option<Budget>,
    /// When a role that keeps failing is rested; `None` = never.
    pub circuit_breaker: Option<CircuitBreaker>,
    /// The least rating of its own work with which an agent's work passes, where it is asked for one.
    #[serde(default = "drift_threshold")]
    pub drift_threshold: f64,
    /// The tasks in file order.
    pub tasks: Vec<Task>,
    /// Permits of each lock.
    pub locks: BTreeMap<String, u32>,
    /// Environment of agents, gates and setup.
    pub env: BTreeMap<String, EnvValue>,
    /// How worktrees are prepared.
    pub worktree: Worktree,
    /// How work lands.
    #[serde(default)]
    pub merge: Merge,
    /// How work is reviewed.
    #[serde(default)]
    pub reviews: ReviewSettings,
    /// Shell commands that judge the merged result at the end.
    #[serde(default)]
    pub gates: Vec<String>,
    /// How often failing `gates` are handed to a fixing task.
    #[serde(default)]
    pub gate_retries: u32,
    /// What runs at the end, in order.
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// What is looked after at the end.
    #[serde(default)]
    pub guard: Guard,
    /// What a task has that says nothing itself; the engine's own tasks are made of it. Always there, except in
    /// specs that were stored before there were such tasks.
    #[serde(default)]
    pub task_defaults: Option<Box<Task>>,
    /// Fields that are written and valid but not honoured by this version; the engine refuses to run
    /// them. Values that merely switch such a field off are not listed.
    pub unsupported: Vec<UnsupportedField>,
}

/// The default of [`Spec::drift_threshold`].
pub(super) fn drift_threshold() -> f64 {
    0.8
}

/// A field that is written and valid, but not built in this version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsupportedField {
    /// Where it stands, for example `tasks[3].steps`.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Most agents running at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concurrency {
    /// This many, 1 to 512.
    Fixed(u32),
    /// As many as are ready, at most `max_swarm_concurrency`.
    Auto,
}

/// What happens to the rest of the convoy when a task is exhausted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Everything that does not depend on it goes on.
    Continue,
    /// Pending tasks are skipped; running agents finish; checked work lands.
    Stop,
}

/// What happens to a task without retries left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExhausted {
    /// A dead letter is written; dependants are skipped.
    Dlq,
    /// Dependants are skipped.
    Skip,
    /// A dead letter is written; everything pending is skipped.
    Stop,
}

/// Limits of what agents consume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Most tokens.
    pub tokens: Option<u64>,
    /// Most dollars.
    pub cost_usd: Option<Cost>,
    /// Longest time in which an engine runs the convoy, waiting included; of a task: from its first attempt on.
    pub wall_time: Option<Duration>,
    /// What happens when one is reached.
    pub on_exceeded: OnExceeded,
}

/// What happens when a limit of a budget is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExceeded {
    /// What was not begun is skipped, and nothing is retried. What is under way goes on, and lands.
    Stop,
    /// The convoy is paused; going on waves that limit through.
    Pause,
}

/// When a role that keeps failing is rested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitBreaker {
    /// Exhausted tasks in a row that open it, at least 1.
    pub threshold: u32,
    /// Time until a probe.
    pub cooldown: Duration,
    /// The role that takes the tasks meanwhile; `None` = they are skipped.
    pub fallback_agent: Option<String>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Unique within the convoy.
    pub id: TaskId,
    /// What the agent is asked.
    pub prompt: String,
    /// The role.
    pub agent: String,
    /// The adapter; `None` = the convoy's.
    pub adapter: Option<String>,
    /// The model, in the agent program's words.
    pub model: Option<String>,
    /// Limit of the agent's running time.
    pub timeout: Duration,
    /// Retries after the first attempt.
    pub max_retries: u32,
    /// How retries are spaced.
    pub retry: Retry,
    /// What happens without retries left.
    pub on_exhausted: OnExhausted,
    /// The role that gets one last try without retries left.
    pub escalate_to: Option<String>,
    /// Shell commands that judge the work.
    pub gates: Vec<String>,
    /// Code of the host that judges the work, by the names it is registered under.
    #[serde(default)]
    pub host_gates: Vec<String>,
    /// Code of the host that adds to the prompt, by the names it is registered under.
    #[serde(default)]
    pub host_prompts: Vec<String>,
    /// Limit of each gate, and of each setup command.
    pub gate_timeout: Duration,
    /// The checks that the engine brings. None in a spec that was stored before there were any.
    #[serde(default = "BuiltInGates::none")]
    pub built_in_gates: BuiltInGates,
    /// Who reviews the work.
    #[serde(default)]
    pub review: ReviewMode,
    /// Shown to people; the id when not written.
    pub description: String,
    /// Tasks that must be done first; repeated ids are already removed.
    pub depends_on: Vec<TaskId>,
    /// The task's partition, normalised (`/src`, `./src`, `src\a` and `src/` have one form).
    pub files: Vec<String>,
    /// Artifacts that it leaves for other tasks.
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// Artifacts of other tasks that it needs; each of these tasks is among its dependencies.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// Higher starts earlier.
    pub priority: i64,
    /// Locks it holds while it works, one permit each.
    pub locks: Vec<String>,
    /// Environment on top of the convoy's.
    pub env: BTreeMap<String, EnvValue>,
    /// Whether the agent rates its own work.
    #[serde(default)]
    pub detect_drift: bool,
    /// What the agent is asked one after the other, led by the prompt; empty: the prompt alone.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// What a step that failed for good does to those after it.
    #[serde(default)]
    pub on_step_failure: OnStepFailure,
    /// What runs before and after its agent.
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// When it waits for a person.
    #[serde(default)]
    pub approve: Option<Approve>,
    /// Limits of what its agents consume, all attempts taken together.
    #[serde(default)]
    pub budget: Option<Budget>,
}

/// When a task waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approve {
    /// Before its agent is called for the first time.
    BeforeRun,
    /// Before its checked work lands.
    BeforeMerge,
}

/// How retries are spaced: `backoff`, doubled for each further retry, at most `max_backoff`; with
/// `jitter` a deterministic part of it is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Wait before the first retry.
    pub backoff: Duration,
    /// Longest wait.
    pub max_backoff: Duration,
    /// Whether waits are spread.
    pub jitter: bool,
}

/// A value of an environment map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvValue {
    /// The text itself.
    Literal(String),
    /// The variable of this name in the environment that the host passes. Registered as a secret.
    FromEnv(String),
}

/// How a worktree is prepared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// Shell commands run once in a new worktree.
    pub setup: Vec<String>,
    /// Untracked files or folders of the user's checkout that are copied in, relative to its root.
    pub copy: Vec<String>,
    /// Globs of ignored files that stay in a worktree for the next task of the convoy.
    #[serde(default)]
    pub keep: Vec<String>,
    /// What worktrees share with the repository.
    #[serde(default)]
    pub isolation: Isolation,
}

/// A command line agent program. Arguments go to the program as they are, never through a shell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CliProfile {
    /// Program and arguments; `{{prompt}}` in an argument only with `prompt: arg`.
    pub command: Vec<String>,
    /// How the prompt reaches it.
    pub prompt: PromptVia,
    /// Program and arguments that continue a session, with `{{session}}`.
    pub resume: Option<Vec<String>>,
    /// Arguments added when a model is set, with `{{model}}`.
    pub model: Option<Vec<String>>,
    /// Arguments for a run that may only read.
    pub read_only: Option<Vec<String>>,
    /// Arguments that name an MCP configuration file, with `{{file}}`.
    pub mcp_config: Option<Vec<String>>,
    /// What it prints.
    pub output: OutputFormat,
    /// Where the facts stand in its JSON.
    pub fields: FieldMap,
    /// Environment for this program.
    pub env: BTreeMap<String, EnvValue>,
    /// The account it runs under, for people and for parking.
    pub account: Option<String>,
    /// Program and arguments that exit with 0 when it is installed.
    pub probe: Option<Vec<String>>,
}

/// How the prompt reaches an agent program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptVia {
    /// On standard input, which is then closed.
    #[default]
    Stdin,
    /// As an argument.
    Arg,
}

/// What an agent program prints on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFormat {
    /// Plain text; the exit code alone tells the outcome.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
}

/// Where facts stand in an agent program's JSON, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldMap {
    /// The final text.
    pub result: Option<String>,
    /// The session id.
    pub session: Option<String>,
    /// True (or a non-empty text) when the run failed.
    pub error: Option<String>,
    /// `/pointer=value`: the document that ends the run.
    pub terminal: Option<TerminalField>,
    /// Input tokens.
    pub input_tokens: Option<String>,
    /// Output tokens.
    pub output_tokens: Option<String>,
    /// Dollars.
    pub cost_usd: Option<String>,
    /// How the token numbers of several documents combine.
    pub usage: UsageMode,
}

/// How the terminal document of a stream is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalField {
    /// JSON pointer.
    pub pointer: String,
    /// The text (or JSON scalar, written out) found there.
    pub value: String,
}

/// How the token numbers of several documents combine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageMode {
    /// Only the terminal (or last) document counts.
    #[default]
    Final,
    /// Each document holds the total so far: the last one counts.
    Running,
    /// Each document holds a part: they are added.
    Sum,
}
