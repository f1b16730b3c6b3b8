//! What people and the life of the engine ask for: pause, cancel, interrupt, retry.

use std::collections::HashSet;

use super::handle::{Scheduler, Turn};
use super::inject::Injection;
use super::input::Action;
use super::people::{Person, Wish};
use crate::event::{ConvoyEvent, Event, Request, RequestKind, TaskEvent};
use crate::state::{IllegalEvent, Stage};
use crate::types::{ConvoyStatus, FailureKind, TaskIx, Timestamp};

impl Scheduler {
    pub(super) fn request(
        &mut self,
        request: Request,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let Request { actor, kind, id: request_id } = request;
        let over = self.state.ended().is_some();
        match kind {
            RequestKind::Pause if !over && !self.state.is_paused() => {
                self.emit(Event::Convoy(ConvoyEvent::Paused { actor }), now, turn)
            }
            RequestKind::Unpause if !over && self.state.is_paused() => {
                self.emit(Event::Convoy(ConvoyEvent::Unpaused { actor }), now, turn)
            }
            RequestKind::Cancel if !over && !self.state.is_cancelling() => self.cancel(actor, now, turn),
            RequestKind::Interrupt { reason } if !self.state.is_interrupting() => {
                self.emit(Event::Convoy(ConvoyEvent::Interrupted { reason }), now, turn)?;
                self.stop_all(true, turn);
                Ok(())
            }
            RequestKind::Inject { tasks, source, idempotency_key } => self.inject(
                Injection { tasks, origin: source, idempotency_key, actor, request_id },
                now,
                turn,
            ),
            RequestKind::RefuseInjection { reason, source, idempotency_key } => {
                let event =
                    ConvoyEvent::InjectionRefused { reason, source, actor, idempotency_key, request_id };
                self.emit(Event::Convoy(event), now, turn)
            }
            RequestKind::Approve { task, tree, reason } => {
                self.wish(task, Wish::Approve { tree }, Person { actor, reason, request_id }, now, turn)
            }
            RequestKind::Reject { task, reason } => {
                self.wish(task, Wish::Reject, Person { actor, reason, request_id }, now, turn)
            }
            RequestKind::Skip { task, reason } => {
                self.wish(task, Wish::Skip, Person { actor, reason, request_id }, now, turn)
            }
            RequestKind::Accept { task, work, reason } => {
                let wish = Wish::Accept { work: Box::new(work) };
                self.wish(task, wish, Person { actor, reason, request_id }, now, turn)
            }
            RequestKind::Publish => {
                self.queues.publish_again = true;
                Ok(())
            }
            RequestKind::ResolveDeadLetter { dlq_id, resolution } => match self.task_of_letter(&dlq_id) {
                Some(task) => self.resolve_dead_letter(task, actor, resolution, now, turn),
                None => Ok(()),
            },
            RequestKind::ResolveDispute { dispute_id, resolution } => {
                self.resolve_dispute(&dispute_id, &actor, &resolution, now, turn)
            }
            RequestKind::Pause if over => self.too_late("pause", actor, request_id, now, turn),
            RequestKind::Unpause if over => self.too_late("unpause", actor, request_id, now, turn),
            RequestKind::Cancel if over && self.state.status() != ConvoyStatus::Cancelled => {
                self.too_late("cancel", actor, request_id, now, turn)
            }
            // It is so already, or the run ends anyway: nothing to do.
            RequestKind::Pause
            | RequestKind::Unpause
            | RequestKind::Cancel
            | RequestKind::Interrupt { .. } => Ok(()),
        }
    }

    fn task_of_letter(&self, dlq_id: &str) -> Option<TaskIx> {
        let letter = |ix: &TaskIx| self.state.task(*ix).dead_letter.as_ref();
        self.state.plan().indices().find(|ix| letter(ix).is_some_and(|(id, _)| id == dlq_id))
    }

    /// Refuses what a convoy that has ended, and is only published, can no longer do.
    fn too_late(
        &mut self,
        request: &str,
        actor: String,
        request_id: Option<String>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let reason = format!("the convoy is over ({}); nothing is left to {request}", self.state.status());
        let request = request.to_owned();
        let event = ConvoyEvent::RequestRefused { request, task: None, reason, actor, request_id };
        self.emit(Event::Convoy(event), now, turn)
    }

    fn cancel(&mut self, actor: String, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        self.emit(Event::Convoy(ConvoyEvent::CancelRequested { actor }), now, turn)?;
        // While the engine ends, everything was told to end already.
        if !self.state.is_interrupting() {
            self.stop_all(false, turn);
        }
        self.cancel_waiting(now, turn)
    }

    /// Cancels every task that nobody works on.
    pub(super) fn cancel_waiting(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        for task in self.state.plan().clone().indices() {
            match self.state.task(task).stage {
                Stage::Pending { .. }
                | Stage::Conflicted
                | Stage::AwaitingApproval { .. }
                | Stage::Checking { .. } => {
                    self.emit_task(task, TaskEvent::Cancelled {}, now, turn)?;
                }
                // One that is landing may be on the integration ref already: its end is awaited.
                Stage::Queued { prepared: None, .. } if self.queues.landing != Some(task) => {
                    self.emit_task(task, TaskEvent::Cancelled {}, now, turn)?;
                }
                Stage::Queued { .. }
                | Stage::Working { .. }
                | Stage::Snapshotting { .. }
                | Stage::Settling { .. }
                | Stage::Done
                | Stage::Failed { .. }
                | Stage::Skipped { .. }
                | Stage::Cancelled => {}
            }
        }
        Ok(())
    }

    fn stop_all(&mut self, resumable: bool, turn: &mut Turn) {
        if self.queues.ending {
            turn.actions.push(Action::StopEnd { resumable });
        }
        for run in self.queues.train.runs() {
            turn.actions.push(Action::StopVerify { run });
        }
        let checking = self.queues.checking.iter().copied();
        let mut tasks: Vec<TaskIx> = self.queues.holders().chain(checking).collect();
        tasks.sort_unstable();
        turn.actions.extend(tasks.into_iter().map(|task| Action::Stop { task, resumable }));
    }

    /// Takes final tasks up again, and with them what was skipped because of them. Where every task is done, what
    /// failed at the end is taken up.
    pub(super) fn retry(
        &mut self,
        named: &[TaskIx],
        actor: String,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let tasks = self.revived_by(named);
        let Some(end) = self.state.ended() else { return Ok(()) };
        if tasks.is_empty() && end.status == ConvoyStatus::Done {
            return Ok(());
        }
        for task in &tasks {
            if let Some((_, true)) = &self.state.task(*task).dead_letter {
                let resolution = "retried".to_owned();
                self.resolve_dead_letter(*task, actor.clone(), resolution, now, turn)?;
            }
            if let Some((dispute_id, true)) = self.state.task(*task).review.dispute.clone() {
                self.resolve_dispute(&dispute_id, &actor, "retried", now, turn)?;
            }
        }
        let adapter_limits = self.limits.clone();
        self.emit(Event::Convoy(ConvoyEvent::Retried { tasks, actor, adapter_limits }), now, turn)?;
        self.queues = self.queues.rebuilt(&self.state);
        self.queues.publish_again = true;
        Ok(())
    }

    /// The tasks that a retry of `named` (empty: of all that are not done) makes pending: those, and
    /// every skipped task that can run again because of it.
    fn revived_by(&self, named: &[TaskIx]) -> Vec<TaskIx> {
        let plan = self.state.plan();
        let is_done = |ix: TaskIx| matches!(self.state.task(ix).stage, Stage::Done);
        if named.is_empty() {
            return plan.indices().filter(|ix| !is_done(*ix)).collect();
        }
        let mut revived = HashSet::new();
        let mut stack: Vec<TaskIx> = named.iter().copied().filter(|ix| ix.index() < plan.len()).collect();
        while let Some(ix) = stack.pop() {
            if revived.insert(ix) {
                // It could not run before these.
                stack.extend(plan.task(ix).depends_on.iter().copied().filter(|dep| !is_done(*dep)));
            }
        }
        let mut by_phase: Vec<TaskIx> = plan.indices().collect();
        by_phase.sort_by_key(|ix| plan.task(*ix).phase);
        // What stopped the convoy may stand in a later phase than what was skipped because of it.
        while self.revive_more(&by_phase, &mut revived) {}
        let mut tasks: Vec<TaskIx> = revived.into_iter().collect();
        tasks.sort_unstable();
        tasks
    }

    /// Adds the tasks that can run again because of those that are revived. Says whether there are any.
    fn revive_more(&self, by_phase: &[TaskIx], revived: &mut HashSet<TaskIx>) -> bool {
        let plan = self.state.plan();
        let is_done = |ix: TaskIx| matches!(self.state.task(ix).stage, Stage::Done);
        let before = revived.len();
        for ix in by_phase.iter().copied() {
            let depends_on = &plan.task(ix).depends_on;
            let because = match &self.state.task(ix).stage {
                Stage::Skipped { because, .. } => *because,
                Stage::Failed { .. } if self.waits_for_artifact(ix, revived) => {
                    revived.insert(ix);
                    continue;
                }
                _ => continue,
            };
            // The recorded cause is the first of several: any of them that runs again will do.
            let caused = because.is_some_and(|root| revived.contains(&root))
                || depends_on.iter().any(|dep| revived.contains(dep) && !is_done(*dep));
            if caused && depends_on.iter().all(|dep| is_done(*dep) || revived.contains(dep)) {
                revived.insert(ix);
            }
        }
        revived.len() > before
    }

    /// Whether a task failed for want of an artifact that one of these tasks may now leave.
    fn waits_for_artifact(&self, ix: TaskIx, revived: &HashSet<TaskIx>) -> bool {
        let failure = self.state.task(ix).failure.as_ref();
        let lacking = failure.is_some_and(|failure| failure.kind == FailureKind::MissingInput);
        let plan = self.state.plan();
        let mut from = plan.spec_of(ix).inputs.iter().filter_map(|input| plan.find(&input.from));
        let all = || plan.task(ix).depends_on.iter();
        lacking
            && from.any(|from| revived.contains(&from))
            && all().all(|dep| revived.contains(dep) || matches!(self.state.task(*dep).stage, Stage::Done))
    }

    /// Closes the dead letter of a task, unless it is closed or there is none.
    fn resolve_dead_letter(
        &mut self,
        task: TaskIx,
        actor: String,
        resolution: String,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        match &self.state.task(task).dead_letter {
            Some((dlq_id, true)) => {
                let event = TaskEvent::DeadLetterResolved { dlq_id: dlq_id.clone(), actor, resolution };
                self.emit_task(task, event, now, turn)
            }
            Some((_, false)) | None => Ok(()),
        }
    }
}
