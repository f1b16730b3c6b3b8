//! The one function that changes a convoy's state.

use std::sync::Arc;

use super::budget::{Spending, asks_agents};
use super::note::note;
use super::people;
use super::publish::{BlockedPublish, Moving};
use super::run::RunState;
use super::stage::{Prepared, Stage, StageKind, TaskState, allowed};
use super::verdicts::Verdicts;
use crate::event::{AgentOutcome, ConvoyEvent, Event, PublishEvent, TaskEvent, TaskSource, Work};
use crate::plan::PlanProblem;
use crate::spec::{HookType, Task};
use crate::types::{Failure, FailureKind, TaskId, TaskIx, TaskStatus, Timestamp, Usage};

/// An event that cannot happen in the state that it meets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// The task is not in a stage where this can happen.
    #[error("{event} cannot happen to task {task} while it is {stage:?}")]
    Stage {
        /// Type of the event.
        event: &'static str,
        /// Id of the task.
        task: TaskId,
        /// Where the task is.
        stage: StageKind,
    },
    /// The position names no task of the convoy.
    #[error("{event} names task {task}, which the spec does not have")]
    NoTask {
        /// Type of the event.
        event: &'static str,
        /// Id of the task.
        task: TaskId,
    },
    /// The convoy is not in a state where this can happen.
    #[error("{event} cannot happen to the convoy now")]
    Convoy {
        /// Type of the event.
        event: &'static str,
    },
}

impl RunState {
    /// Changes the state by one event that was recorded at `time`. The only function that does, live
    /// and in recovery.
    ///
    /// # Errors
    /// [`IllegalEvent`] when the event cannot happen in this state; the state is unchanged then.
    pub fn apply(&mut self, event: &Event, time: Timestamp) -> Result<(), IllegalEvent> {
        match event {
            Event::Convoy(inner) => self.apply_convoy(inner, time),
            Event::Publish(inner) => self.apply_publish(inner),
            Event::Task { task, id, event: inner, .. } => self.apply_task(*task, id, inner, time),
        }?;
        self.last_time = time;
        Ok(())
    }

    fn apply_convoy(&mut self, event: &ConvoyEvent, time: Timestamp) -> Result<(), IllegalEvent> {
        let illegal = Err(IllegalEvent::Convoy { event: event.type_name() });
        let (over, slots) = (self.ended.is_some(), self.slot_limit());
        match event {
            // The first event made this state; a second one is damage.
            ConvoyEvent::Started(_) => return illegal,
            ConvoyEvent::Resumed { adapter_limits, .. } => {
                self.adapter_limits.clone_from(adapter_limits);
                self.interrupting = false;
                self.paused = false;
                self.resume_spending(time);
                self.grant_budgets(time);
                self.parking.forgive();
                self.verification.resumed();
                self.tasks.iter_mut().for_each(|task| task.review.under_way = None);
            }
            ConvoyEvent::Paused { .. } if !over => self.paused = true,
            ConvoyEvent::Unpaused { .. } if !over => {
                self.paused = false;
                self.grant_budgets(time);
            }
            ConvoyEvent::CancelRequested { .. } if !over => self.cancelling = true,
            ConvoyEvent::Interrupted { .. } => self.interrupting = true,
            ConvoyEvent::Retried { tasks, adapter_limits, .. } if over => {
                self.revive(tasks, event)?;
                self.adapter_limits.clone_from(adapter_limits);
                // Whoever has tasks taken up again pays for it anew.
                self.spending = Spending::begun(time);
                self.review_tokens = 0;
            }
            ConvoyEvent::TasksAdded { tasks, source, idempotency_key, .. } if !over => {
                self.add(tasks, *source).map_err(|_| IllegalEvent::Convoy { event: event.type_name() })?;
                self.idempotency_keys.extend(idempotency_key.clone());
            }
            ConvoyEvent::BudgetExceeded { measure, task, .. } if !over => {
                if !self.exceed(task.as_ref(), *measure) {
                    return illegal;
                }
            }
            ConvoyEvent::BreakerTripped { agent, state }
            | ConvoyEvent::BreakerHalfOpen { agent, state }
            | ConvoyEvent::BreakerClosed { agent, state }
                if !over =>
            {
                self.breakers.moved(agent, *state, time);
            }
            ConvoyEvent::SwarmConcurrency { effective_concurrency, .. } if !over => {
                self.swarm = Some(*effective_concurrency);
            }
            // Says nothing about the state.
            ConvoyEvent::InjectionRefused { .. } | ConvoyEvent::RequestRefused { .. } => {}
            ConvoyEvent::InjectionReceived { .. } if !over => {}
            ConvoyEvent::Finished(end) | ConvoyEvent::Failed(end) | ConvoyEvent::Cancelled(end) if !over => {
                if self.totals().open > 0 {
                    return illegal;
                }
                self.ended = Some(*end);
                self.finished_at = Some(time);
            }
            _ if !over && self.verification.apply(event, time, slots) => {}
            _ if !over && self.ending.apply(event) => self.hook_of_end(event),
            _ => return illegal,
        }
        Ok(())
    }

    /// Counts what a hook at the end consumed.
    fn hook_of_end(&mut self, event: &ConvoyEvent) {
        let (ConvoyEvent::HookPassed { usage, index, .. } | ConvoyEvent::HookFailed { usage, index, .. }) =
            event
        else {
            return;
        };
        let hook = self.plan.spec().hooks.get(*index as usize);
        if !usage.is_empty() || hook.is_some_and(|hook| asks_agents(hook.kind)) {
            self.spending.spend(usage);
            self.calls.count(usage);
        }
        if hook.is_some_and(|hook| hook.kind == HookType::Review) {
            self.reviewed_for(usage);
        }
    }

    /// What reviewers consumed.
    fn reviewed_for(&mut self, usage: &Usage) {
        let tokens = usage.total_tokens().unwrap_or(0);
        self.review_tokens = self.review_tokens.saturating_add(tokens);
    }

    fn add(&mut self, tasks: &[Task], source: TaskSource) -> Result<(), Vec<PlanProblem>> {
        self.plan = Arc::new(self.plan.extended(tasks.to_vec())?);
        self.tasks.resize_with(self.plan.len(), TaskState::new);
        match source {
            TaskSource::Injected => self.injected += u32::try_from(tasks.len()).unwrap_or(u32::MAX),
            TaskSource::GateFix => {
                self.ending.fixes += 1;
                self.ending.fix = self.plan.indices().last();
            }
            TaskSource::Guard => self.ending.guard_task = true,
        }
        Ok(())
    }

    fn revive(&mut self, tasks: &[TaskIx], event: &ConvoyEvent) -> Result<(), IllegalEvent> {
        if tasks.iter().any(|ix| ix.index() >= self.tasks.len()) {
            return Err(IllegalEvent::Convoy { event: event.type_name() });
        }
        for ix in tasks {
            let task = &mut self.tasks[ix.index()];
            let lacks_input = matches!(&task.failure, Some(f) if f.kind == FailureKind::MissingInput);
            task.stage = Stage::Pending { not_before: None, repeats: false, parked: false, lacks_input };
            task.retries = 0;
            task.escalated = false;
            task.drifted = false;
            task.spending = None;
            task.conflicts = 0;
            task.conflict = None;
            task.no_changes = false;
            task.verdicts = Verdicts::default();
            task.review.revive();
            (task.run_approved, task.approved, task.skip) = (false, None, None);
        }
        (self.ended, self.finished_at) = (None, None);
        (self.cancelling, self.paused, self.interrupting) = (false, false, false);
        self.stopped_by = None;
        self.parking.forgive();
        self.breakers.forgive();
        self.verification.forgive();
        self.ending = self.ending.retried();
        Ok(())
    }

    fn apply_publish(&mut self, event: &PublishEvent) -> Result<(), IllegalEvent> {
        let publish = &mut self.publish;
        match event {
            PublishEvent::Started { from, to, tip, checkout, lock } => {
                publish.moving = Some(Moving {
                    from: from.clone(),
                    to: to.clone(),
                    tip: tip.clone(),
                    checkout: checkout.clone(),
                    lock: lock.clone(),
                });
            }
            PublishEvent::Voided { .. } => publish.moving = None,
            PublishEvent::Published { commit, tip, .. } => {
                publish.tip = tip.clone();
                publish.known = commit.clone();
                (publish.moving, publish.blocked) = (None, None);
            }
            PublishEvent::Blocked { reason, paths, tip, .. } => {
                publish.moving = None;
                publish.blocked =
                    Some(BlockedPublish { tip: tip.clone(), reason: reason.clone(), paths: paths.clone() });
            }
        }
        Ok(())
    }

    fn apply_task(
        &mut self,
        ix: TaskIx,
        id: &TaskId,
        event: &TaskEvent,
        time: Timestamp,
    ) -> Result<(), IllegalEvent> {
        let Some(task) = self.tasks.get_mut(ix.index()) else {
            return Err(IllegalEvent::NoTask { event: event.type_name(), task: id.clone() });
        };
        let from = task.stage.kind();
        let illegal = || IllegalEvent::Stage { event: event.type_name(), task: id.clone(), stage: from };
        let next = next_stage(task, event, &mut self.next_order).ok_or_else(illegal)?;
        let mut before = Stage::Conflicted;
        if let Some(stage) = next {
            if stage.kind() != from && !allowed(from, stage.kind()) {
                return Err(illegal());
            }
            before = std::mem::replace(&mut task.stage, stage);
        }
        let task_target = task.stage.target().cloned();
        let held = task.artifacts_held();
        note(task, &before, event);
        let reviewing = task.review.under_way;
        task.review.note(event, &task.stage, task.attempts);
        self.artifacts_held = (self.artifacts_held + task.artifacts_held()).saturating_sub(held);
        if let (Some(_), Some(role)) = (&self.plan.spec().circuit_breaker, &task.agent) {
            self.breakers.note(ix, role, event);
        }
        if matches!(event, TaskEvent::Accepted { .. }) {
            self.breakers.release(ix, None);
        }
        self.note_provider(ix, &before, event, time);
        self.count_spending(ix, event, (&before, reviewing), time);
        match event {
            TaskEvent::Hook(hook) if hook.kind == HookType::Review => self.reviewed_for(&hook.usage),
            // Those that land together move the ref as one.
            TaskEvent::Landed { commit } => self.tip = task_target.unwrap_or_else(|| commit.clone()),
            TaskEvent::Unprepared { tip, .. } => self.tip = tip.clone(),
            TaskEvent::ReviewVerdict(record) => self.reviewed_for(&record.usage),
            TaskEvent::Failed { stops: true, .. } => self.stopped_by = self.stopped_by.or(Some(ix)),
            _ => {}
        }
        Ok(())
    }
}

impl RunState {
    /// Keeps what an event says of the provider of a task. `before` is the stage that it met.
    fn note_provider(&mut self, ix: TaskIx, before: &Stage, event: &TaskEvent, time: Timestamp) {
        match event {
            TaskEvent::Parked { provider, until, .. } => self.parking.limit(provider, *until, time),
            TaskEvent::AgentEnded { outcome, .. }
                if matches!(before, Stage::Working { started: true, .. }) =>
            {
                let works = match outcome {
                    AgentOutcome::Succeeded => true,
                    AgentOutcome::Failed { failure } => failure.kind != FailureKind::RateLimit,
                    AgentOutcome::Interrupted | AgentOutcome::Cancelled => false,
                };
                if works {
                    let provider = self.provider(ix).to_owned();
                    self.parking.works(&provider);
                }
            }
            TaskEvent::Failed { failure, .. } if failure.kind.breaks_adapter() => {
                let (provider, model) = (self.provider(ix).to_owned(), self.plan.spec_of(ix).model.clone());
                self.parking.break_down(&provider, model.as_ref(), failure);
            }
            _ => {}
        }
    }
}

/// The stage that an event leads to: `None` when it cannot happen in this stage, `Some(None)` when the
/// task stays where it is.
fn next_stage(task: &TaskState, event: &TaskEvent, next_order: &mut u64) -> Option<Option<Stage>> {
    use StageKind as K;
    let kind = task.stage.kind();
    let stay = |ok: bool| ok.then_some(None);
    // A landing commit that is written may have landed: the task cannot end any other way before that is known.
    let may_end = !kind.is_final() && !matches!(task.stage, Stage::Queued { prepared: Some(_), .. });
    match (event, &task.stage) {
        (TaskEvent::Assigned { base, .. }, Stage::Pending { .. } | Stage::Conflicted) => {
            Some(Some(Stage::Working { base: base.clone(), started: false }))
        }
        (TaskEvent::Started { .. }, Stage::Working { base, started: false }) => {
            Some(Some(Stage::Working { base: base.clone(), started: true }))
        }
        (TaskEvent::AgentEnded { outcome, .. }, Stage::Working { base, .. }) => {
            Some(Some(Stage::Snapshotting { base: base.clone(), outcome: outcome.clone() }))
        }
        (TaskEvent::Snapshot { work, failure, .. }, Stage::Snapshotting { outcome, .. }) => {
            Some(Some(after_snapshot(outcome, work.as_ref(), failure.as_ref())))
        }
        (TaskEvent::WaitingInput { .. }, Stage::Pending { not_before, repeats, parked, .. }) => {
            let (not_before, repeats, parked) = (*not_before, *repeats, *parked);
            Some(Some(Stage::Pending { not_before, repeats, parked, lacks_input: true }))
        }
        (TaskEvent::ArtifactStored(_) | TaskEvent::ArtifactLimitReached { .. }, _) => {
            stay(kind == K::Snapshotting)
        }
        (
            TaskEvent::Queued { .. },
            Stage::Checking { work } | Stage::AwaitingApproval { work: Some(work), .. },
        ) => {
            *next_order += 1;
            Some(Some(Stage::queued(work, *next_order, None)))
        }
        (TaskEvent::Retried { failure: None, .. }, Stage::Settling { .. }) if task.conflict.is_some() => {
            Some(Some(Stage::Conflicted))
        }
        (TaskEvent::Retried { not_before, failure: None, .. }, Stage::Settling { .. }) => {
            Some(Some(waiting(*not_before, true, false)))
        }
        (TaskEvent::Parked { .. }, Stage::Settling { .. }) if task.conflict.is_some() => {
            Some(Some(Stage::Conflicted))
        }
        (TaskEvent::Parked { until, .. }, Stage::Settling { .. }) => Some(Some(waiting(*until, false, true))),
        (TaskEvent::Retried { not_before, failure: Some(_), .. }, _)
            if may_end && !matches!(kind, K::Pending | K::AwaitingApproval) =>
        {
            Some(Some(waiting(*not_before, false, false)))
        }
        (TaskEvent::Failed { status, .. }, _) if may_end && is_failure(*status) => {
            Some(Some(Stage::Failed { status: *status }))
        }
        (TaskEvent::Skipped { reason, because }, _) if may_end => {
            Some(Some(Stage::Skipped { reason: reason.clone(), because: *because }))
        }
        (TaskEvent::Cancelled {}, _) if may_end => Some(Some(Stage::Cancelled)),
        (TaskEvent::BreakerFallback { .. } | TaskEvent::BreakerBlocked { .. }, _) => stay(kind == K::Pending),
        (TaskEvent::SkipRequested { .. }, _) => stay(may_end),
        (TaskEvent::ConflictFailed { .. }, _) => stay(may_end && matches!(kind, K::Queued | K::Settling)),
        _ => told(task, event).or_else(|| set_aside(&task.stage, event, *next_order)),
    }
}

/// The part of [`next_stage`] that concerns what is said while an attempt is made and judged.
fn told(task: &TaskState, event: &TaskEvent) -> Option<Option<Stage>> {
    use StageKind as K;
    let kind = task.stage.kind();
    let stay = |ok: bool| ok.then_some(None);
    match (event, &task.stage) {
        (TaskEvent::Spawned { .. } | TaskEvent::StepStarted(_) | TaskEvent::StepFinished(_), _) => {
            stay(kind == K::Working)
        }
        (TaskEvent::Killed { .. }, _) => stay(kind.holds_slot()),
        (TaskEvent::Hook(hook), Stage::Snapshotting { base, .. }) => {
            // The work is kept and not judged, also by an engine that did not see the hook fail.
            let failed = |failure| {
                let outcome = AgentOutcome::Failed { failure };
                Stage::Snapshotting { base: base.clone(), outcome }
            };
            Some(hook.failure().map(failed))
        }
        (TaskEvent::Hook(_), _) => stay(matches!(kind, K::Working | K::Checking)),
        (TaskEvent::Guard(_), _) => stay(matches!(kind, K::Working | K::Snapshotting | K::Checking)),
        (TaskEvent::Gate(_) | TaskEvent::BuiltInGate(_), _) => stay(kind == K::Checking),
        (TaskEvent::DriftChecked(_) | TaskEvent::DriftDetected { .. }, _) => stay(kind == K::Checking),
        (TaskEvent::ReviewStarted(_) | TaskEvent::ReviewVerdict(_), _) => stay(kind == K::Checking),
        (TaskEvent::DeadLettered(_) | TaskEvent::DisputeOpened(_), _) => stay(kind == K::Failed),
        (TaskEvent::DeadLetterResolved { dlq_id, .. }, _) => {
            stay(task.dead_letter.as_ref().is_some_and(|(id, _)| id == dlq_id))
        }
        (TaskEvent::DisputeResolved { dispute_id, .. }, _) => {
            stay(task.review.dispute.as_ref().is_some_and(|(id, _)| id == dispute_id))
        }
        _ => people::next_stage(task, event).or_else(|| landing_stage(task, event)),
    }
}

/// The part of [`next_stage`] that concerns work that failed alone in `merge.verify`. `newest`: the newest position
/// in the queue.
fn set_aside(stage: &Stage, event: &TaskEvent, newest: u64) -> Option<Option<Stage>> {
    match (event, stage) {
        (TaskEvent::SetAside { .. }, Stage::Queued { work, order, aside, prepared: None, .. })
            if aside.is_none_or(|aside| aside < newest) =>
        {
            Some(Some(Stage::queued(work, *order, Some(newest))))
        }
        _ => None,
    }
}

/// The part of [`next_stage`] that concerns landing.
fn landing_stage(task: &TaskState, event: &TaskEvent) -> Option<Option<Stage>> {
    let stay = |ok: bool| ok.then_some(None);
    match (event, &task.stage) {
        (
            TaskEvent::Prepared { commit, onto, lands_with },
            Stage::Queued { work, order, aside, prepared: None, .. },
        ) => {
            let prepared = Some(Prepared { commit: commit.clone(), onto: onto.clone() });
            let (work, order, aside, lands_with) = (work.clone(), *order, *aside, lands_with.clone());
            Some(Some(Stage::Queued { work, order, aside, prepared, lands_with }))
        }
        (TaskEvent::Unprepared { .. }, Stage::Queued { work, order, aside, prepared: Some(_), .. }) => {
            Some(Some(Stage::queued(work, *order, *aside)))
        }
        (TaskEvent::Landed { commit }, Stage::Queued { prepared: Some(p), .. }) => stay(p.commit == *commit),
        (TaskEvent::Conflict { .. }, Stage::Queued { prepared: None, .. }) => Some(Some(Stage::Conflicted)),
        (TaskEvent::Conflict { .. }, Stage::Settling { .. }) if task.conflict.is_some() => {
            Some(Some(Stage::Conflicted))
        }
        (TaskEvent::Done { commit, .. }, Stage::Queued { prepared: Some(p), .. }) => {
            (commit.as_ref() == Some(&p.commit)).then_some(Some(Stage::Done))
        }
        (
            TaskEvent::Done { commit: None, .. },
            Stage::Checking { .. } | Stage::Queued { prepared: None, .. },
        ) => Some(Some(Stage::Done)),
        _ => None,
    }
}

/// Whether an exhausted task may have this status.
fn is_failure(status: TaskStatus) -> bool {
    use TaskStatus as S;
    matches!(status, S::Failed | S::TimedOut | S::GateFailed | S::HookFailed | S::ReviewBlocked | S::Disputed)
}

fn waiting(until: Timestamp, repeats: bool, parked: bool) -> Stage {
    Stage::Pending { not_before: Some(until), repeats, parked, lacks_input: false }
}

fn after_snapshot(outcome: &AgentOutcome, work: Option<&Work>, failure: Option<&Failure>) -> Stage {
    match (outcome, work) {
        (AgentOutcome::Succeeded, _) if let Some(failure) = failure => {
            Stage::Settling { outcome: AgentOutcome::Failed { failure: failure.clone() } }
        }
        (AgentOutcome::Succeeded, Some(work)) => Stage::Checking { work: work.clone() },
        _ => Stage::Settling { outcome: outcome.clone() },
    }
}
