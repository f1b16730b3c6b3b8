//! Events of one task.

use serde::{Deserialize, Serialize};

use super::{
    BuiltInGateResult, Dispute, DriftResult, GateResult, HookResult, RepositoryGuard, ReviewRecord,
    ReviewStarted, StepFinished, StepStarted, area,
};
use crate::spec::Approve;
use crate::types::{
    Artifact, BreakerState, Failure, Oid, PathConflict, SessionId, TaskId, TaskIx, TaskStatus, Timestamp,
    Usage,
};

/// Why an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AttemptKind {
    /// The first one.
    First,
    /// One that is over is tried again: a failed one, which uses a retry, or any that a person takes up.
    Retry,
    /// One that was interrupted, or cut off by a rate limit, is repeated; uses no retry.
    Repeat,
    /// The work conflicts with the tip; the agent resolves it. Uses no retry.
    Resolve,
}

/// How the agent's part of an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AgentOutcome {
    /// It says that it is finished.
    Succeeded,
    /// It failed, or could not be started.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// The engine ended before it did.
    Interrupted,
    /// A person cancelled the convoy.
    Cancelled,
}

/// The work of an attempt as a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The commit.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// The commit that the work began from.
    pub base: Oid,
    /// Whether the tree differs from the base's.
    pub changed: bool,
    /// The ref that keeps it.
    pub kept_ref: String,
}

/// A task that was given up, kept for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its id, unique within the store.
    pub dlq_id: String,
    /// The role that made the last attempt, or was to make it.
    pub agent: String,
    /// What failed.
    #[serde(rename = "failure_type")]
    pub failure_type: String,
    /// Attempts made.
    pub attempts: u32,
    /// What the person must know.
    pub error: String,
}

area! {
    /// Something that happened to one task.
    TaskEvent {
        /// An attempt is recorded; no process yet.
        Assigned = "task_assigned" {
            /// Why it is made.
            kind: AttemptKind,
            /// The role that makes it.
            agent: String,
            /// Its worktree starts at this commit.
            base: Oid,
        },
        /// The worktree is ready and the agent is about to be called.
        Started = "task_started" {
            /// The adapter.
            adapter: String,
            /// The account that the adapter runs under, where it names one.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            account: Option<String>,
            /// The model, where one is set.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            model: Option<String>,
            /// The worktree.
            worktree: String,
            /// The slot that its files are in, where worktrees are used again: a session is continued only there.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            slot: Option<u32>,
            /// Length of the whole prompt in bytes.
            prompt_bytes: u64,
            /// `fresh`, `continued`, or `fresh: ` and why the kept session was not continued.
            session: String,
        },
        /// The agent program runs.
        Spawned = "worker_spawned" {
            /// Process id.
            pid: u32,
            /// When the process started, in the system's own unit; tells it from a later one of the same id.
            start_time: u64,
        },
        /// The agent ended. From here on its work is never bought again.
        AgentEnded = "task_agent_ended" {
            /// How.
            #[serde(rename = "result")]
            outcome: AgentOutcome,
            /// Its exit code, where there is one.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            exit_code: Option<i32>,
            /// Its session, where it has one.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            session: Option<SessionId>,
            /// What it consumed.
            #[serde(default)]
            usage: Usage,
            /// How long it ran.
            duration_ms: u64,
            /// The end of what it said, bounded.
            #[serde(default)]
            summary: String,
        },
        /// The agent is about to be called for a step.
        StepStarted = "step_started" (StepStarted),
        /// A step is over, or was skipped.
        StepFinished = "step_finished" (StepFinished),
        /// A hook was run.
        Hook = "hook_result" (HookResult),
        /// The agent's processes were ended by the engine.
        Killed = "worker_killed" {
            /// Why.
            reason: String,
        },
        /// The agent left an artifact. Other tasks get it once this one is done.
        ArtifactStored = "artifact_stored" (Artifact),
        /// The convoy holds as many artifacts as it may: this one is not kept, and the attempt fails.
        ArtifactLimitReached = "artifact_limit_reached" {
            /// Its name.
            artifact_name: String,
        },
        /// An artifact that the task needs is not there, although the task that leaves it is done.
        WaitingInput = "task_waiting_input" {
            /// The artifact.
            missing_artifact: String,
            /// The task that would have to leave it.
            from_task: TaskId,
        },
        /// The work is a commit, or there was no worktree to take it from.
        Snapshot = "task_snapshot" {
            /// The work.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            work: Option<Work>,
            /// The agent moved HEAD away from the base: what it changed became one commit on the base.
            #[serde(default)]
            rebased: bool,
            /// How many files the work changed; absent when that is not known.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            files_changed: Option<u64>,
            /// Why the work is kept, but not judged: an artifact is missing or invalid.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            failure: Option<Failure>,
        },
        /// A gate was run on the work.
        Gate = "gate_result" (GateResult),
        /// A gate of the engine judged the work.
        BuiltInGate = "built_in_gate_result" (BuiltInGateResult),
        /// Somebody changed the repository while the attempt was at work.
        Guard = "repository_guard" (RepositoryGuard),
        /// The agent was asked to rate its own work.
        DriftChecked = "drift_check_result" (DriftResult),
        /// Its rating is below what passes.
        DriftDetected = "drift_detected" {
            /// The rating.
            score: f64,
            /// The least one that passes.
            threshold: f64,
            /// Its words.
            #[serde(default)]
            explanation: String,
        },
        /// Reviewers are about to look at the work.
        ReviewStarted = "review_started" (ReviewStarted),
        /// The review is over, or there was none. From here on it is not bought again for the same tree.
        ReviewVerdict = "review_verdict" (Box<ReviewRecord>),
        /// The work passed its checks and waits to land.
        Queued = "merge_queued" {
            /// The work.
            commit: Oid,
        },
        /// The landing commit is written; the integration ref has not moved yet.
        Prepared = "merge_prepared" {
            /// The landing commit.
            commit: Oid,
            /// The tip that it was made for, or the landing commit that it lands on top of.
            onto: Oid,
            /// The commit that the integration ref moves to, where that is not this one: the landing commit of the
            /// last of those that land together.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            lands_with: Option<Oid>,
        },
        /// The merged tree fails with the work as the only one that is new. Everybody who waits goes first; then it
        /// is tried again.
        SetAside = "merge_set_aside" {
            /// The tree that failed.
            tree: Oid,
        },
        /// The prepared landing commit no longer fits, because the integration ref moved.
        Unprepared = "merge_unprepared" {
            /// The commit that did not land.
            commit: Oid,
            /// The integration ref as it is.
            tip: Oid,
        },
        /// The landing commit is reachable from the integration ref.
        Landed = "merge_done" {
            /// The landing commit.
            commit: Oid,
        },
        /// The work conflicts with the tip.
        Conflict = "merge_conflict_detected" {
            /// Which conflict of this task it is, from 1.
            attempt: u32,
            /// Paths in conflict, bounded.
            conflicting_files: Vec<String>,
            /// The tip that it conflicts with.
            onto: Oid,
            /// The merged tree with the markers.
            tree: Oid,
            /// What the matter is with each path and what the sides have there, bounded; empty when git could not
            /// be asked.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            conflicts: Vec<PathConflict>,
        },
        /// The conflict stays unresolved.
        ConflictFailed = "merge_conflict_failed" {
            /// Conflicts met.
            attempts: u32,
            /// Paths in conflict, bounded.
            conflicting_files: Vec<String>,
        },
        /// The work has landed, or there was nothing to land.
        Done = "task_done" {
            /// The landing commit; absent when nothing changed.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            commit: Option<Oid>,
            /// Nothing changed.
            no_changes: bool,
            /// The agent's exit code.
            exit_code: i32,
            /// Retries used.
            retries: u32,
        },
        /// It is pending again.
        Retried = "task_retried" {
            /// The status that the attempt would have ended with.
            previous_status: TaskStatus,
            /// What failed; absent when the engine's end interrupted it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            failure: Option<Failure>,
            /// It does not start before this time.
            not_before: Timestamp,
            /// Retries used, this one included.
            retries: u32,
            /// No retry is left: the next attempt is the last one, and is made by this role. Uses no retry.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            escalated_to: Option<String>,
        },
        /// Its provider's limit is reached: nothing of that provider starts before this time, and the task is
        /// tried again then. Uses no retry, and its session is kept.
        Parked = "task_parked" {
            /// The adapter and its account.
            provider: String,
            /// It is tried again at this time.
            until: Timestamp,
            /// What the provider said.
            failure: Failure,
        },
        /// Its agent is rested: another one makes the attempt.
        BreakerFallback = "circuit_breaker_fallback" {
            /// Who is rested.
            original_agent: String,
            /// Who takes the task.
            fallback_agent: String,
            /// The state of the first one's breaker.
            state: BreakerState,
        },
        /// Its agent is rested, and nobody else can take it: it is skipped.
        BreakerBlocked = "circuit_breaker_blocked" {
            /// Who is rested.
            agent: String,
            /// The state of the breaker.
            state: BreakerState,
        },
        /// It is exhausted.
        Failed = "task_failed" {
            /// The final status.
            status: TaskStatus,
            /// The kind of failure in the words of the ancestor: `error`, `timeout`, `gate-failed`, …
            reason: String,
            /// What failed.
            failure: Failure,
            /// The gate that failed.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            gate: Option<String>,
            /// The hook that failed.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            hook: Option<String>,
            /// Exit code of what failed.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            exit_code: Option<i32>,
            /// It stops the convoy: pending tasks are skipped and nothing is retried any more.
            #[serde(default)]
            stops: bool,
        },
        /// It waits for a person.
        AwaitingApproval = "task_awaiting_approval" {
            /// Before what.
            before: Approve,
            /// The work that is to be approved, when it is about work.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            commit: Option<Oid>,
            /// Its tree: the approval holds for this one only.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            tree: Option<Oid>,
            /// When it was asked.
            asked_at: Timestamp,
        },
        /// A person approved it.
        Approved = "task_approved" {
            /// Before what.
            before: Approve,
            /// The tree that was approved.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            tree: Option<Oid>,
            /// Who.
            actor: String,
            /// Why.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            reason: String,
        },
        /// A person refused it.
        Rejected = "task_rejected" {
            /// Before what.
            before: Approve,
            /// The tree that was refused.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            tree: Option<Oid>,
            /// Who.
            actor: String,
            /// Why.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            reason: String,
        },
        /// A person wants it skipped; what works on it is being ended.
        SkipRequested = "task_skip_requested" {
            /// Who.
            actor: String,
            /// Why.
            reason: String,
        },
        /// A person's commit is its work now: an attempt without an agent.
        Accepted = "task_accepted" {
            /// The work.
            work: Work,
            /// Who.
            actor: String,
            /// Why.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            reason: String,
        },
        /// It never runs.
        Skipped = "task_skipped" {
            /// Why.
            reason: String,
            /// The task that is the cause.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            because: Option<TaskIx>,
        },
        /// It was ended by a cancel. Its work is kept.
        Cancelled = "task_cancelled" {},
        /// It was given up and is kept for a person.
        DeadLettered = "dlq_entry_created" (DeadLetter),
        /// A person closed its dead letter.
        DeadLetterResolved = "dlq_entry_resolved" {
            /// Id of the dead letter.
            dlq_id: String,
            /// Who closed it.
            actor: String,
            /// Why or how.
            resolution: String,
        },
        /// Three panels have blocked it: a person is needed.
        DisputeOpened = "dispute_opened" (Dispute),
        /// A person closed its dispute.
        DisputeResolved = "dispute_resolved" {
            /// Id of the dispute.
            dispute_id: String,
            /// Who closed it.
            actor: String,
            /// Why or how.
            resolution: String,
        },
    }
}
