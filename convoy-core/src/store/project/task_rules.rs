//! Which event of a task changes which rows.

use super::change::{Change, Key, Table};
use crate::event::{AgentOutcome, BuiltInGateResult, DeadLetter, EventRecord, GateResult, TaskEvent};
use crate::spec::Approve;
use crate::types::{AttemptNo, ReviewVerdict, TaskId, TaskIx, TaskStatus, Usage};

/// The task, and where there is one the attempt, that an event concerns.
pub(super) struct Of<'a> {
    pub(super) record: &'a EventRecord,
    pub(super) task: TaskIx,
    pub(super) id: &'a TaskId,
    pub(super) attempt: Option<AttemptNo>,
}

impl Of<'_> {
    fn convoy(&self) -> Key {
        Key::from(self.record.convoy.as_str())
    }

    fn task(&self, status: TaskStatus) -> Change {
        Change::of(Table::Tasks, vec![self.convoy(), Key::from(self.task.0)])
            .set("task_id", self.id)
            .set("status", status.as_str())
    }

    /// Changes the attempt's row, where the event belongs to an attempt.
    fn attempt(&self, change: impl FnOnce(Change) -> Change) -> Option<Change> {
        let key = vec![self.convoy(), Key::from(self.task.0), Key::from(self.attempt?.0)];
        Some(change(Change::of(Table::Attempts, key).set("task_id", self.id)))
    }

    pub(super) fn project(&self, event: &TaskEvent) -> Vec<Change> {
        let mut changes = Vec::new();
        changes.extend(self.task_row(event));
        changes.extend(self.attempt_row(event));
        changes.extend(self.other_row(event));
        changes
    }

    /// The row of the task.
    fn task_row(&self, event: &TaskEvent) -> Option<Change> {
        let time = self.record.time;
        let change = match event {
            TaskEvent::Assigned { agent, .. } => self
                .task(TaskStatus::Assigned)
                .set("agent", agent)
                .set("attempts", self.attempt.map(|n| n.0))
                .clear(&["not_before"]),
            TaskEvent::Started { adapter, model, .. } => self
                .task(TaskStatus::Running)
                .set("adapter", adapter)
                .set("model", model.as_ref())
                .once("started_at", time),
            TaskEvent::Spawned { .. } => self.task(TaskStatus::Running),
            TaskEvent::Snapshot { work, files_changed, .. } => {
                let row = self.task(TaskStatus::Checking).set("files_changed", *files_changed);
                if work.is_some() { row.clear(&["unreviewed"]) } else { row }
            }
            TaskEvent::ReviewVerdict(review) => {
                self.task(TaskStatus::Checking).set("unreviewed", review.verdict == ReviewVerdict::Skipped)
            }
            TaskEvent::Queued { .. } => self.task(TaskStatus::Queued),
            TaskEvent::Done { commit, no_changes, exit_code, retries } => self
                .task(TaskStatus::Done)
                .set("commit_id", commit.as_ref())
                .set("no_changes", *no_changes)
                .set("exit_code", *exit_code)
                .set("retries", *retries)
                .set("finished_at", time)
                .clear(&["failure_type", "error"]),
            TaskEvent::Retried { failure, not_before, retries, .. } => self
                .task(TaskStatus::Pending)
                .set("not_before", *not_before)
                .set("retries", *retries)
                .set("failure_type", failure.as_ref().map(|f| &f.kind))
                .set("error", failure.as_ref().map(|f| &f.message)),
            TaskEvent::Failed { status, failure, exit_code, reason, .. } => self
                .task(*status)
                .set("reason", reason)
                .set("failure_type", &failure.kind)
                .set("error", &failure.message)
                .set("exit_code", *exit_code)
                .set("finished_at", time),
            other => return self.waiting_row(other),
        };
        Some(change)
    }

    /// The part of [`task_row`](Self::task_row) that concerns waiting and what leaves a task where it is.
    fn waiting_row(&self, event: &TaskEvent) -> Option<Change> {
        let time = self.record.time;
        let change = match event {
            TaskEvent::Skipped { reason, .. } => {
                self.task(TaskStatus::Skipped).set("reason", reason).set("finished_at", time)
            }
            TaskEvent::WaitingInput { .. } => self.task(TaskStatus::WaitForInput),
            TaskEvent::Parked { until, .. } => self.task(TaskStatus::Parked).set("not_before", *until),
            TaskEvent::AwaitingApproval { .. } => self.task(TaskStatus::AwaitingApproval),
            TaskEvent::Approved { before: Approve::BeforeRun, .. } => self.task(TaskStatus::Pending),
            TaskEvent::Accepted { .. } => {
                self.task(TaskStatus::Checking).set("attempts", self.attempt.map(|n| n.0))
            }
            TaskEvent::Cancelled {} => self.task(TaskStatus::Cancelled).set("finished_at", time),
            // These leave the task where it is.
            _ => return None,
        };
        Some(change)
    }

    /// The row of the attempt.
    fn attempt_row(&self, event: &TaskEvent) -> Option<Change> {
        let time = self.record.time;
        match event {
            TaskEvent::Assigned { kind, agent, base } => {
                let kind = serde_json::to_value(kind).ok();
                let kind = kind.as_ref().and_then(serde_json::Value::as_str).map(str::to_owned);
                self.attempt(|row| {
                    row.set("kind", kind).set("agent", agent).set("base", base).set("assigned_at", time)
                })
            }
            TaskEvent::Started { adapter, model, worktree, .. } => self.attempt(|row| {
                row.set("adapter", adapter)
                    .set("model", model.as_ref())
                    .set("worktree", worktree)
                    .set("started_at", time)
            }),
            TaskEvent::Spawned { pid, .. } => self.attempt(|row| row.set("pid", *pid)),
            TaskEvent::AgentEnded { outcome, exit_code, session, usage, duration_ms, .. } => {
                let row = self.attempt(|row| outcome_cells(row, outcome))?;
                let row = usage_cells(row, usage).set("exit_code", *exit_code);
                Some(
                    row.set("session_id", session.as_ref())
                        .set("duration_ms", *duration_ms)
                        .set("ended_at", time),
                )
            }
            TaskEvent::Snapshot { work: Some(work), files_changed, .. } => self.attempt(|row| {
                row.set("work_commit", &work.commit)
                    .set("kept_ref", &work.kept_ref)
                    .set("files_changed", *files_changed)
            }),
            TaskEvent::Accepted { work, actor, .. } => self.attempt(|row| {
                row.set("kind", "accepted")
                    .set("agent", actor)
                    .set("base", &work.base)
                    .set("assigned_at", time)
                    .set("work_commit", &work.commit)
                    .set("kept_ref", &work.kept_ref)
            }),
            TaskEvent::Landed { commit } => self.attempt(|row| row.set("landed_commit", commit)),
            _ => None,
        }
    }

    /// The row of a gate's verdict.
    fn gate(&self, gate: &str, passed: bool) -> Change {
        Change::of(Table::GateResults, vec![Key::from(self.record.seq)])
            .set("attempt", self.attempt.map(|n| n.0))
            .set("gate", gate)
            .set("passed", passed)
    }

    /// The rows of gates, of dead letters and of the convoy.
    fn other_row(&self, event: &TaskEvent) -> Option<Change> {
        let time = self.record.time;
        let place = |row: Change| {
            row.set("convoy_id", self.record.convoy.as_str())
                .set("task_index", self.task.0)
                .set("task_id", self.id)
        };
        match event {
            TaskEvent::Gate(GateResult { gate, passed, exit_code, duration_ms, .. }) => {
                let row = place(self.gate(gate, *passed));
                Some(row.set("exit_code", *exit_code).set("duration_ms", *duration_ms).set("time", time))
            }
            TaskEvent::BuiltInGate(BuiltInGateResult { gate, passed, .. }) => {
                Some(place(self.gate(gate, *passed)).set("time", time))
            }
            TaskEvent::DeadLettered(DeadLetter { dlq_id, agent, failure_type, attempts, error }) => Some(
                place(Change::of(Table::DeadLetters, vec![Key::from(dlq_id.as_str())]))
                    .set("agent", agent)
                    .set("failure_type", failure_type)
                    .set("attempts", *attempts)
                    .set("error", error)
                    .set("created_at", time)
                    .clear(&["resolved_at", "resolved_by", "resolution"]),
            ),
            TaskEvent::DeadLetterResolved { dlq_id, actor, resolution } => Some(
                place(Change::of(Table::DeadLetters, vec![Key::from(dlq_id.as_str())]))
                    .set("resolved_at", time)
                    .set("resolved_by", actor)
                    .set("resolution", resolution),
            ),
            TaskEvent::Landed { commit: tip } | TaskEvent::Unprepared { tip, .. } => {
                Some(Change::of(Table::Convoys, vec![self.convoy()]).set("tip", tip))
            }
            _ => None,
        }
    }
}

fn outcome_cells(row: Change, outcome: &AgentOutcome) -> Change {
    match outcome {
        AgentOutcome::Succeeded => row.set("outcome", "succeeded"),
        AgentOutcome::Failed { failure } => row.set("outcome", "failed").set("failure_type", &failure.kind),
        AgentOutcome::Interrupted => row.set("outcome", "interrupted"),
        AgentOutcome::Cancelled => row.set("outcome", "cancelled"),
    }
}

/// An absent number stays absent.
fn usage_cells(row: Change, usage: &Usage) -> Change {
    row.set("input_tokens", usage.input)
        .set("cached_input_tokens", usage.cached_input)
        .set("cache_write_tokens", usage.cache_write)
        .set("output_tokens", usage.output)
        .set("cost_usd", usage.cost_usd)
}
