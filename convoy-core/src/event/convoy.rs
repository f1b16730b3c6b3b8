//! Events of the convoy as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{VerifyResult, VerifyStarted, area};
use crate::spec::{Concurrency, Task};
use crate::types::{
    AdapterLimit, BreakerState, ConvoyStatus, Measure, Oid, TaskId, TaskIx, Timestamp, Totals, Usage,
};

/// What a host may set for one run on top of the spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// Instead of the spec's `concurrency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// Instead of the spec's `adapter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Instead of the spec's `branch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Tasks that may be injected; absent = [`MOST_INJECTED`](crate::schedule::MOST_INJECTED).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_injected: Option<u32>,
    /// Take tasks from the file `inject/<convoy>/inject.yml` of the state directory while the convoy runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inject_file: bool,
}

/// The facts that a convoy starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The spec's name.
    pub name: String,
    /// SHA-256 of the stored spec text.
    pub spec_digest: String,
    /// What the host set for this run.
    #[serde(default)]
    pub options: RunOptions,
    /// The adapter of tasks that name none, after detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The provider of each adapter: its label with that of its account, where it names one.
    #[serde(default)]
    pub providers: BTreeMap<String, String>,
    /// What its engine allows of an adapter, where it limits one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adapter_limits: BTreeMap<String, AdapterLimit>,
    /// Full name of the user's branch that the work is published to.
    pub branch: String,
    /// Its commit when the convoy started: the first tip.
    pub base: Oid,
    /// The engine's own ref that work lands on.
    pub integration_ref: String,
    /// Defaults of the format that this version does not act on, and that are therefore off.
    #[serde(default)]
    pub inactive: Vec<String>,
    /// Number of tasks.
    pub tasks: u32,
    /// Version of the engine.
    pub engine_version: String,
    /// Version of the event format.
    pub event_format: u32,
}

/// How a convoy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The final status.
    pub status: ConvoyStatus,
    /// What became of the tasks.
    pub totals: Totals,
}

/// Why tasks were added to a convoy that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TaskSource {
    /// Somebody asked for it.
    Injected,
    /// The convoy's gates failed on the merged result: it is to mend them.
    GateFix,
    /// The guard's findings are its prompt.
    Guard,
}

area! {
    /// Something that happened to the convoy as a whole.
    ConvoyEvent {
        /// It is recorded and begins.
        Started = "convoy_started" (Box<Started>),
        /// An engine takes it up again after an interrupt or a crash.
        Resumed = "convoy_resumed" {
            /// When it was started first.
            original_created_at: Timestamp,
            /// What this engine allows of an adapter, where it limits one.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            adapter_limits: BTreeMap<String, AdapterLimit>,
        },
        /// Nothing more starts until it is unpaused.
        Paused = "convoy_paused" {
            /// Who asked.
            actor: String,
        },
        /// Tasks start again.
        Unpaused = "convoy_unpaused" {
            /// Who asked.
            actor: String,
        },
        /// A person wants it to end now; running agents are being ended.
        CancelRequested = "convoy_cancel_requested" {
            /// Who asked.
            actor: String,
        },
        /// The engine stops; the convoy can be resumed.
        Interrupted = "convoy_interrupted" {
            /// Why.
            reason: String,
        },
        /// Final tasks are taken up again.
        Retried = "convoy_retried" {
            /// The tasks that are pending again, in file order.
            tasks: Vec<TaskIx>,
            /// Who asked.
            actor: String,
            /// What this engine allows of an adapter, where it limits one.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            adapter_limits: BTreeMap<String, AdapterLimit>,
        },
        /// Tasks are added at the end of the list.
        TasksAdded = "tasks_added" {
            /// The tasks, defaults applied.
            tasks: Vec<Task>,
            /// Why.
            source: TaskSource,
            /// Who asked.
            actor: String,
            /// What the asker calls this request: one of the same key is not carried out twice.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            idempotency_key: Option<String>,
            /// Number of tasks of the convoy now.
            total: u32,
        },
        /// Tasks are about to be added because somebody asked for it.
        InjectionReceived = "file_injection_received" {
            /// How many.
            task_count: u32,
            /// Where they come from.
            source: String,
        },
        /// Tasks that somebody wanted to add were not.
        InjectionRefused = "injection_refused" {
            /// Why, and what the person can do.
            reason: String,
            /// Where they come from.
            source: String,
            /// Who asked.
            actor: String,
            /// What the asker calls the request.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            idempotency_key: Option<String>,
            /// What the asker knows the answer by.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            request_id: Option<String>,
        },
        /// What a person asked for is not possible; nothing follows from it.
        RequestRefused = "request_refused" {
            /// What was asked.
            request: String,
            /// The task that it was about.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            task: Option<TaskId>,
            /// Why not, and what the person can do.
            reason: String,
            /// Who asked.
            actor: String,
            /// What the asker knows the answer by.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            request_id: Option<String>,
        },
        /// With `concurrency: auto`: how many agents may run now.
        SwarmConcurrency = "swarm_concurrency_update" {
            /// Lowest phase that has an open task.
            phase: u32,
            /// Tasks that are not final.
            pending_count: u32,
            /// Agents that may run at once.
            effective_concurrency: u32,
        },
        /// A limit of the budget is reached. With `on_exceeded: pause` the convoy is paused, and going on grants
        /// as much again; else what was not begun is skipped, and nothing is retried. Of a task's budget: the task.
        BudgetExceeded = "budget_exceeded" {
            /// Whose budget: `convoy` or `task`.
            scope: String,
            /// The task, where it is a task's.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            task: Option<TaskId>,
            /// What is limited.
            measure: Measure,
            /// The limit: tokens, dollars or seconds.
            limit: f64,
            /// What was used.
            used: f64,
            /// Some agents did not say what they used: it is more than that.
            #[serde(default)]
            at_least: bool,
        },
        /// An agent (role) failed too often in a row and is rested: its tasks go to the fallback, or are skipped.
        BreakerTripped = "circuit_breaker_tripped" {
            /// The role.
            agent: String,
            /// The state now: `open`.
            state: BreakerState,
        },
        /// Its rest is over: one task is the probe, the others wait for its end.
        BreakerHalfOpen = "circuit_breaker_half_open" {
            /// The role.
            agent: String,
            /// The state now: `half-open`.
            state: BreakerState,
        },
        /// The probe was done: it gets tasks again.
        BreakerClosed = "circuit_breaker_closed" {
            /// The role.
            agent: String,
            /// The state now: `closed`.
            state: BreakerState,
        },
        /// The commands of `merge.verify` begin on the tip with more work merged onto it.
        VerifyStarted = "verify_started" (VerifyStarted),
        /// They have judged it, or were stopped.
        VerifyResult = "verify_result" (Box<VerifyResult>),
        /// The gates of the convoy begin on the merged result.
        GatesStarted = "convoy_gates_started" {
            /// Which time they run, from 1.
            round: u32,
            /// The merged result.
            commit: Oid,
        },
        /// A gate of the convoy was run.
        Gate = "convoy_gate_result" {
            /// The command.
            gate: String,
            /// Whether it passed.
            passed: bool,
            /// Its exit code, where there is one.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            exit_code: Option<i32>,
            /// How long it ran.
            duration_ms: u64,
            /// The ends of its output, bounded.
            #[serde(default)]
            output: String,
            /// Files of the merged result that it had changed, bounded. They were put back.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            changed_files: Vec<String>,
            /// The round.
            round: u32,
            /// The merged result.
            commit: Oid,
        },
        /// All gates of the convoy have judged the merged result.
        GatesFinished = "convoy_gates_finished" {
            /// The round.
            round: u32,
            /// The merged result.
            commit: Oid,
            /// Whether all passed.
            passed: bool,
        },
        /// A hook at the end of the convoy begins.
        HookStarted = "post_convoy_hook_started" {
            /// What people call it.
            hook: String,
            /// Its position in the list, from 0.
            index: u32,
            /// The merged result that it runs on.
            commit: Oid,
        },
        /// A hook at the end of the convoy did what it is for.
        HookPassed = "post_convoy_hook_passed" {
            /// What people call it.
            hook: String,
            /// Its position in the list, from 0.
            index: u32,
            /// How long it ran.
            duration_ms: u64,
            /// The ends of what it printed, or what its agent said; bounded.
            #[serde(default)]
            output: String,
            /// What its agent consumed.
            #[serde(default)]
            usage: Usage,
        },
        /// A hook at the end of the convoy failed.
        HookFailed = "post_convoy_hook_failed" {
            /// What people call it.
            hook: String,
            /// Its position in the list, from 0.
            index: u32,
            /// What happened.
            error: String,
            /// Its exit code, where there is one.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            exit_code: Option<i32>,
            /// How long it ran.
            duration_ms: u64,
            /// The ends of what it printed; bounded.
            #[serde(default)]
            output: String,
            /// What its agent consumed.
            #[serde(default)]
            usage: Usage,
        },
        /// The books were looked at.
        Guard = "convoy_guard" {
            /// Whether nothing was found.
            passed: bool,
            /// What was found; bounded.
            warnings: Vec<String>,
        },
        /// Every task is done.
        Finished = "convoy_finished" (End),
        /// It ended with a task that is not done.
        Failed = "convoy_failed" (End),
        /// It ended because a person cancelled it.
        Cancelled = "convoy_cancelled" (End),
    }
}
