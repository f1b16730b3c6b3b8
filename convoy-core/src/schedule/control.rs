//! What people and the life of the engine ask for: begin, resume, pause, cancel, interrupt, retry.

use std::collections::HashSet;

use super::handle::{Scheduler, Turn};
use super::input::{Action, AgentEnd};
use super::queues::Queues;
use crate::event::{AgentOutcome, ConvoyEvent, Event, Request, RequestKind, TaskEvent};
use crate::state::{IllegalEvent, Stage};
use crate::types::{TaskIx, Timestamp, Usage};

impl Scheduler {
    /// Takes the convoy up: everything that the state says is under way is asked for again.
    pub(super) fn begin(
        &mut self,
        resumed: bool,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        if resumed {
            let original_created_at = self.state.created_at();
            self.emit(Event::Convoy(ConvoyEvent::Resumed { original_created_at }), now, turn)?;
        }
        for task in self.state.plan().clone().indices() {
            match self.state.task(task).stage.clone() {
                Stage::Working { .. } => {
                    // Nobody saw this agent end: what it made is kept and the work repeated.
                    let end = AgentEnd {
                        outcome: AgentOutcome::Interrupted,
                        exit_code: None,
                        session: None,
                        usage: Usage::default(),
                        duration_ms: 0,
                        summary: String::new(),
                        killed: Some("the engine ended".to_owned()),
                    };
                    self.agent_ended(task, end, now, turn)?;
                }
                Stage::Snapshotting { .. } => self.take_tree(task, turn),
                Stage::Settling { outcome } => self.settle(task, outcome, None, now, turn)?,
                Stage::Pending { .. } => self.skip_hopeless(task, now, turn)?,
                Stage::Checking { .. }
                | Stage::Queued { .. }
                | Stage::Conflicted
                | Stage::Done
                | Stage::Failed { .. }
                | Stage::Skipped { .. }
                | Stage::Cancelled => {}
            }
        }
        if self.state.is_cancelling() {
            self.cancel_waiting(now, turn)?;
        }
        Ok(())
    }

    /// Skips a pending task whose dependency ended without being done. Such a task exists only when
    /// the log was cut inside a turn.
    fn skip_hopeless(&mut self, task: TaskIx, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        let lost = self.state.unmet(task).find(|dep| self.state.task(*dep).stage.kind().is_final());
        match lost {
            Some(root) => {
                let root = match self.state.task(root).stage {
                    Stage::Skipped { because: Some(first), .. } => first,
                    _ => root,
                };
                let reason = format!("task {} is not done", self.state.plan().id(root));
                let event = TaskEvent::Skipped { reason, because: Some(root) };
                self.emit_task(task, event, now, turn)?;
                self.skip_dependants(task, now, turn)
            }
            None => Ok(()),
        }
    }

    pub(super) fn request(
        &mut self,
        request: Request,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let actor = request.actor;
        let over = self.state.ended().is_some();
        match request.kind {
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
            RequestKind::Publish => {
                self.queues.publish_again = true;
                Ok(())
            }
            // It is so already, or the convoy is over: nothing to do.
            RequestKind::Pause
            | RequestKind::Unpause
            | RequestKind::Cancel
            | RequestKind::Interrupt { .. } => Ok(()),
        }
    }

    fn cancel(&mut self, actor: String, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        self.emit(Event::Convoy(ConvoyEvent::CancelRequested { actor }), now, turn)?;
        self.stop_all(false, turn);
        self.cancel_waiting(now, turn)
    }

    /// Cancels every task that nobody works on.
    fn cancel_waiting(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        for task in self.state.plan().clone().indices() {
            match self.state.task(task).stage {
                Stage::Pending { .. } | Stage::Conflicted | Stage::Checking { .. } => {
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

    fn stop_all(&self, resumable: bool, turn: &mut Turn) {
        let checking = self.queues.checking.iter().copied();
        let mut tasks: Vec<TaskIx> = self.queues.holders().chain(checking).collect();
        tasks.sort_unstable();
        turn.actions.extend(tasks.into_iter().map(|task| Action::Stop { task, resumable }));
    }

    /// Takes final tasks up again, and with them what was skipped because of them.
    pub(super) fn retry(
        &mut self,
        named: &[TaskIx],
        actor: String,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let tasks = self.revived_by(named);
        if tasks.is_empty() {
            return Ok(());
        }
        for task in &tasks {
            if let Some((_, true)) = &self.state.task(*task).dead_letter {
                let resolution = "retried".to_owned();
                self.resolve_dead_letter(*task, actor.clone(), resolution, now, turn)?;
            }
        }
        self.emit(Event::Convoy(ConvoyEvent::Retried { tasks, actor }), now, turn)?;
        self.queues = Queues::new(&self.state);
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
        let mut stack = named.to_vec();
        while let Some(ix) = stack.pop() {
            if revived.insert(ix) {
                // It could not run before these.
                stack.extend(plan.task(ix).depends_on.iter().copied().filter(|dep| !is_done(*dep)));
            }
        }
        let mut by_phase: Vec<TaskIx> = plan.indices().collect();
        by_phase.sort_by_key(|ix| plan.task(*ix).phase);
        for ix in by_phase {
            let because = match &self.state.task(ix).stage {
                Stage::Skipped { because, .. } => *because,
                _ => None,
            };
            let ready = plan.task(ix).depends_on.iter().all(|dep| is_done(*dep) || revived.contains(dep));
            if because.is_some_and(|root| revived.contains(&root)) && ready {
                revived.insert(ix);
            }
        }
        let mut tasks: Vec<TaskIx> = revived.into_iter().collect();
        tasks.sort_unstable();
        tasks
    }

    pub(super) fn resolve_dead_letter(
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
