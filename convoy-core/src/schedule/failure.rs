//! One function decides what a failure leads to, for every kind alike.

use std::time::Duration;

use super::handle::{Scheduler, Turn};
use super::land::CONFLICT_TRIES;
use crate::event::{DeadLetter, TaskEvent};
use crate::spec::{OnDispute, OnExhausted, OnFailure, Retry};
use crate::state::{IllegalEvent, Stage};
use crate::types::{ConvoyId, Failure, FailureKind, TaskIx, TaskStatus, Timestamp, WorkerId};

impl Scheduler {
    /// Decides what follows from a failed attempt: another try, or the end of the task and what that
    /// means for the others.
    pub(super) fn failed(
        &mut self,
        task: TaskIx,
        failure: Failure,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        if self.end_early(task, now, turn)? {
            return Ok(());
        }
        let state = self.state.task(task);
        let settling = matches!(state.stage, Stage::Settling { .. });
        if settling && failure.kind == FailureKind::RateLimit {
            return self.park(task, failure, now, turn);
        }
        // What a hook keeps from happening is not tried again, a resolution neither.
        let by_hook = matches!(failure.kind, FailureKind::Hook(_));
        if let (true, false, Some(conflict)) = (settling, by_hook, state.conflict.clone()) {
            return self.resolution_failed(task, conflict, failure, now, turn);
        }
        if self.is_dispute(task, &failure) {
            // What that means for the others is said by `on_dispute` alone.
            let stops = self.state.plan().spec().reviews.on_dispute == OnDispute::Stop;
            return self.give_up(task, TaskStatus::Disputed, failure, stops, now, turn);
        }
        let spec = self.state.plan().spec_of(task);
        if failure.kind == FailureKind::Drift && !state.drifted && self.state.stopped_by().is_none() {
            let event = TaskEvent::Retried {
                previous_status: exhausted_status(&failure.kind),
                failure: Some(failure),
                not_before: now,
                retries: state.retries,
                escalated_to: None,
            };
            self.emit_task(task, event, now, turn)?;
            return self.is_over_budget(task, now, turn).map(drop);
        }
        // Another attempt would not be reviewed either.
        let refused = failure.kind == FailureKind::ReviewBlocked && state.review.refused;
        let may_retry = failure.kind.is_retried() && !refused && self.state.stopped_by().is_none();
        if may_retry && state.retries < spec.max_retries {
            let retries = state.retries + 1;
            let wait = backoff(spec.retry, retries, self.state.convoy(), task);
            let previous_status = exhausted_status(&failure.kind);
            let not_before = now.plus(wait);
            let failure = Some(failure);
            let event =
                TaskEvent::Retried { previous_status, failure, not_before, retries, escalated_to: None };
            self.emit_task(task, event, now, turn)?;
            return self.is_over_budget(task, now, turn).map(drop);
        }
        let other = spec
            .escalate_to
            .clone()
            .filter(|other| may_retry && !state.escalated && self.works(task, other, now));
        if let Some(other) = other {
            let event = TaskEvent::Retried {
                previous_status: exhausted_status(&failure.kind),
                failure: Some(failure),
                not_before: now,
                retries: state.retries,
                escalated_to: Some(other),
            };
            self.emit_task(task, event, now, turn)?;
            // Whoever had the task before has used up all tries at it.
            self.move_breaker(task, now, turn)?;
            return self.is_over_budget(task, now, turn).map(drop);
        }
        self.exhausted(task, failure, now, turn)
    }

    /// A try at a conflict failed: the other try, or the end. Uses no retry.
    fn resolution_failed(
        &mut self,
        task: TaskIx,
        conflict: crate::state::Conflict,
        failure: Failure,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let met = self.state.task(task).conflicts;
        let worth_it = failure.kind.is_retried() || failure.kind == FailureKind::MergeConflict;
        if met < CONFLICT_TRIES && worth_it && self.state.stopped_by().is_none() {
            let event = TaskEvent::Conflict {
                attempt: met + 1,
                conflicting_files: conflict.files,
                onto: conflict.onto,
                tree: conflict.tree,
                conflicts: conflict.paths,
            };
            return self.emit_task(task, event, now, turn);
        }
        let event = TaskEvent::ConflictFailed { attempts: met, conflicting_files: conflict.files.clone() };
        self.emit_task(task, event, now, turn)?;
        let files = conflict.files.join(", ");
        let message = format!("the conflict in {files} was not resolved: {}", failure.message);
        let failure = Failure { kind: FailureKind::MergeConflict, message, ..failure };
        self.exhausted(task, failure, now, turn)
    }

    pub(super) fn exhausted(
        &mut self,
        task: TaskIx,
        failure: Failure,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let plan = self.state.plan();
        let stops =
            plan.spec_of(task).on_exhausted == OnExhausted::Stop || plan.spec().on_failure == OnFailure::Stop;
        self.give_up(task, exhausted_status(&failure.kind), failure, stops, now, turn)
    }

    /// Ends a task with this status, and says what that means for the others.
    fn give_up(
        &mut self,
        task: TaskIx,
        status: TaskStatus,
        failure: Failure,
        stops: bool,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let already_stopped = self.state.stopped_by().is_some();
        let gate = match &failure.kind {
            FailureKind::Gate(name) | FailureKind::Verify(name) | FailureKind::RedTip(name) => {
                Some(name.clone())
            }
            _ => None,
        };
        let hook = match &failure.kind {
            FailureKind::Hook(name) => Some(name.clone()),
            _ => None,
        };
        let event = TaskEvent::Failed {
            status,
            reason: reason(status, &failure.kind),
            gate,
            hook,
            exit_code: failure.exit_code,
            failure,
            stops,
        };
        self.emit_task(task, event, now, turn)?;
        if status == TaskStatus::Disputed {
            self.write_dispute(task, now, turn)?;
        } else {
            self.write_dead_letter(task, now, turn)?;
        }
        self.move_breaker(task, now, turn)?;
        self.skip_dependants(task, now, turn)?;
        if stops && !already_stopped {
            self.skip_pending(task, now, turn)?;
        }
        Ok(())
    }

    /// Writes the dead letter of an exhausted task, where its spec wants one and it is not written yet.
    pub(super) fn write_dead_letter(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let spec = self.state.plan().spec_of(task);
        let state = self.state.task(task);
        let before = state.dead_letter.as_ref().map(|(id, _)| id.as_str());
        let dlq_id = dead_letter_id(self.state.convoy(), task, state.attempts, before);
        let Some(failure) = &state.failure else { return Ok(()) };
        if !state.letter_due || spec.on_exhausted == OnExhausted::Skip {
            return Ok(());
        }
        let letter = DeadLetter {
            dlq_id,
            agent: state.agent.clone().unwrap_or_else(|| spec.agent.clone()),
            failure_type: failure.kind.to_string(),
            attempts: state.attempts,
            error: told(failure),
        };
        self.emit_task(task, TaskEvent::DeadLettered(letter), now, turn)
    }

    /// Skips everything that can no longer run because `root` is not done.
    pub(super) fn skip_dependants(
        &mut self,
        root: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let plan = self.state.plan().clone();
        let mut stack = vec![root];
        while let Some(task) = stack.pop() {
            for dependant in &plan.task(task).dependants {
                let stage = &self.state.task(*dependant).stage;
                if matches!(stage, Stage::Pending { .. } | Stage::AwaitingApproval { work: None, .. }) {
                    let reason = format!("task {} is not done", plan.id(root));
                    let event = TaskEvent::Skipped { reason, because: Some(root) };
                    self.emit_task(*dependant, event, now, turn)?;
                    stack.push(*dependant);
                }
            }
        }
        Ok(())
    }

    /// Skips everything that was not begun, because `root` stops the convoy.
    pub(super) fn skip_pending(
        &mut self,
        root: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let plan = self.state.plan().clone();
        for task in plan.indices() {
            let stage = &self.state.task(task).stage;
            let waits = matches!(
                stage,
                Stage::Pending { repeats: false, .. } | Stage::AwaitingApproval { work: None, .. }
            );
            if waits {
                self.skip_stopped(task, root, now, turn)?;
            }
        }
        Ok(())
    }

    /// Skips a task that was not begun, because `root` stops the convoy.
    pub(super) fn skip_stopped(
        &mut self,
        task: TaskIx,
        root: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let reason = format!("task {} failed and stops the convoy", self.state.plan().id(root));
        self.emit_task(task, TaskEvent::Skipped { reason, because: Some(root) }, now, turn)
    }
}

/// The wait before retry number `retry` (from 1): `backoff`, doubled for each further retry, at most
/// `max_backoff`. With `jitter` up to half of it is taken off, by a hash of convoy, task and retry, so
/// that the same log always gives the same time.
pub fn backoff(policy: Retry, retry: u32, convoy: &ConvoyId, task: TaskIx) -> Duration {
    let doubled = policy.backoff.saturating_mul(2_u32.saturating_pow(retry.saturating_sub(1)));
    let wait = doubled.min(policy.max_backoff);
    if !policy.jitter {
        return wait;
    }
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let seed = convoy.as_str().bytes().chain(task.0.to_le_bytes()).chain(retry.to_le_bytes());
    for byte in seed {
        // FNV-1a: stable across versions and machines, which std's hasher does not promise.
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let permille = u32::try_from(hash % 501).unwrap_or(0);
    wait - wait * permille / 1000
}

/// Named after the newest attempt; a task can be given up again without another one, then it is numbered, too.
fn dead_letter_id(convoy: &ConvoyId, task: TaskIx, attempts: u32, before: Option<&str>) -> String {
    let worker = WorkerId::of(convoy, task, crate::types::AttemptNo(attempts));
    let id = format!("dlq-{}", worker.as_str().trim_start_matches("convoy-"));
    match before.and_then(|before| before.strip_prefix(&id)) {
        None => id,
        Some(number) => {
            let number: u32 = number.trim_start_matches('-').parse().unwrap_or(1);
            format!("{id}-{}", number.saturating_add(1))
        }
    }
}

/// What failed, and the end of what it printed.
fn told(failure: &Failure) -> String {
    match failure.output_tail.trim_end() {
        "" => failure.message.clone(),
        tail => format!("{}\n\n{tail}", failure.message),
    }
}

fn exhausted_status(kind: &FailureKind) -> TaskStatus {
    match kind {
        FailureKind::Timeout => TaskStatus::TimedOut,
        FailureKind::Gate(_) | FailureKind::Verify(_) | FailureKind::RedTip(_) => TaskStatus::GateFailed,
        FailureKind::Hook(_) => TaskStatus::HookFailed,
        FailureKind::ReviewBlocked => TaskStatus::ReviewBlocked,
        _ => TaskStatus::Failed,
    }
}

/// The reason in the words of the ancestor's `task_failed`, which had one word for all gates.
fn reason(status: TaskStatus, kind: &FailureKind) -> String {
    match kind {
        _ if status == TaskStatus::Disputed => status.as_str().to_owned(),
        FailureKind::Gate(_) | FailureKind::Verify(_) | FailureKind::RedTip(_) => "gate-failed".to_owned(),
        FailureKind::Hook(_) => "hook-failed".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_limit_and_jitter_takes_at_most_half() {
        let convoy = ConvoyId::from_parts(1, 1);
        let seconds = Duration::from_secs;
        let plain = Retry { backoff: seconds(2), max_backoff: seconds(10), jitter: false };
        let waits: Vec<u64> = (1..=5).map(|n| backoff(plain, n, &convoy, TaskIx(0)).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 10, 10]);
        let spread = Retry { jitter: true, ..plain };
        let waits: Vec<Duration> = (0..50).map(|ix| backoff(spread, 3, &convoy, TaskIx(ix))).collect();
        assert!(waits.iter().all(|wait| (seconds(4)..=seconds(8)).contains(wait)), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]), "all the same: {waits:?}");
        assert_eq!(backoff(spread, 3, &convoy, TaskIx(7)), waits[7], "the same again");
        assert_eq!(backoff(plain, u32::MAX, &convoy, TaskIx(0)), seconds(10), "no overflow");
    }
}
