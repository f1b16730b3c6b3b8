//! Taking a convoy up, for the first time or after an interrupt or a crash.

use super::handle::{Scheduler, Turn};
use super::input::AgentEnd;
use crate::event::{AgentOutcome, ConvoyEvent, Event, TaskEvent};
use crate::state::{IllegalEvent, Stage, StageKind};
use crate::types::{TaskIx, TaskStatus, Timestamp, Usage};

impl Scheduler {
    /// Takes the convoy up: everything that the state says is under way is asked for again. The log may
    /// have been cut anywhere, also between two events of one turn. With somebody who cancels it, what is under
    /// way is only brought to its end.
    pub(super) fn begin(
        &mut self,
        resumed: bool,
        cancelled_by: Option<String>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        if resumed {
            let (original_created_at, adapter_limits) = (self.state.created_at(), self.limits.clone());
            self.emit(
                Event::Convoy(ConvoyEvent::Resumed { original_created_at, adapter_limits }),
                now,
                turn,
            )?;
        }
        if self.state.ended().is_some() {
            self.queues.publish_again = true;
            return Ok(());
        }
        if let Some(actor) = cancelled_by.filter(|_| !self.state.is_cancelling()) {
            self.emit(Event::Convoy(ConvoyEvent::CancelRequested { actor }), now, turn)?;
        }
        if let Some(root) = self.state.stopped_by() {
            self.skip_pending(root, now, turn)?;
        }
        self.move_breakers(now, turn)?;
        self.skip_for_budget(now, turn)?;
        for task in self.state.plan().clone().indices() {
            self.take_up(task, now, turn)?;
        }
        if self.state.is_cancelling() {
            self.cancel_waiting(now, turn)?;
        }
        Ok(())
    }

    fn take_up(&mut self, task: TaskIx, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
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
                self.agent_ended(task, end, now, turn)
            }
            Stage::Snapshotting { .. } => {
                self.take_tree(task, turn);
                Ok(())
            }
            Stage::Settling { outcome } => self.settle(task, outcome, now, turn),
            // A person wanted it skipped, and what worked on it has ended with the engine.
            Stage::Pending { .. }
            | Stage::Checking { .. }
            | Stage::Conflicted
            | Stage::AwaitingApproval { .. }
            | Stage::Queued { prepared: None, .. }
                if self.state.task(task).skip.is_some() =>
            {
                self.end_early(task, now, turn).map(drop)
            }
            Stage::Pending { .. } => self.skip_hopeless(task, now, turn),
            Stage::Queued { prepared: Some(prepared), lands_with, .. }
                if lands_with.as_ref().unwrap_or(&prepared.commit) == self.state.tip() =>
            {
                // That the ref moved is recorded; only the end of this task is missing.
                self.landed(task, prepared.commit, now, turn)
            }
            Stage::Failed { status: TaskStatus::Disputed } => self.write_dispute(task, now, turn),
            Stage::Failed { .. } => self.write_dead_letter(task, now, turn),
            Stage::AwaitingApproval { work: Some(work), .. } if self.is_approved(task, &work) => {
                self.emit_task(task, TaskEvent::Queued { commit: work.commit }, now, turn)
            }
            Stage::Checking { .. }
            | Stage::Conflicted
            | Stage::AwaitingApproval { .. }
            | Stage::Queued { .. }
            | Stage::Done
            | Stage::Skipped { .. }
            | Stage::Cancelled => Ok(()),
        }
    }

    /// Whether a task has ended without being done.
    fn is_lost(&self, task: TaskIx) -> bool {
        let kind = self.state.task(task).stage.kind();
        kind.is_final() && kind != StageKind::Done
    }

    /// Skips a pending task whose dependency ended without being done. Such a task exists only when
    /// the log was cut inside a turn, or when it was just added.
    pub(super) fn skip_hopeless(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let lost = self.state.unmet(task).find(|dep| self.state.task(*dep).stage.kind().is_final());
        let Some(lost) = lost else { return Ok(()) };
        let root = match self.state.task(lost).stage {
            // The cause of its skip may have been taken up again since.
            Stage::Skipped { because: Some(first), .. } if self.is_lost(first) => first,
            _ => lost,
        };
        let reason = format!("task {} is not done", self.state.plan().id(root));
        self.emit_task(task, TaskEvent::Skipped { reason, because: Some(root) }, now, turn)?;
        self.skip_dependants(task, now, turn)
    }
}
