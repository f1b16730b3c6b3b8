//! The budgets of the convoy and of its tasks: what happens when a limit is reached.

use super::handle::{Scheduler, Turn};
use crate::event::{ConvoyEvent, Event, TaskEvent};
use crate::spec::OnExceeded;
use crate::state::{BudgetView, IllegalEvent, Stage};
use crate::types::{TaskIx, Timestamp};

impl Scheduler {
    /// Says which limits are reached, and stops or pauses for them. Only those tasks are looked at whose agents have
    /// used something since, or whose time is up.
    pub(super) fn watch_budget(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        if self.state.ended().is_some() || self.state.is_cancelling() {
            return Ok(());
        }
        while let Some(over) = self.state.over_budget(now) {
            if self.exceeded(None, over, now, turn)? {
                self.skip_for_budget(now, turn)?;
            }
        }
        while let Some(task) = self.queues.take_spender(&self.state, now) {
            while let Some(over) = self.state.over_task_budget(task, now) {
                if self.exceeded(Some(task), over, now, turn)? {
                    self.is_over_budget(task, now, turn)?;
                }
            }
        }
        Ok(())
    }

    /// Says that a limit of the convoy's budget, or of a task's, is reached, and pauses the convoy where that is
    /// wanted. Says whether what was not begun is to be skipped.
    fn exceeded(
        &mut self,
        task: Option<TaskIx>,
        over: BudgetView,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<bool, IllegalEvent> {
        let plan = self.state.plan().clone();
        let (scope, budget) = match task {
            None => ("convoy", &plan.spec().budget),
            Some(task) => ("task", &plan.spec_of(task).budget),
        };
        let pauses = budget.as_ref().is_some_and(|budget| budget.on_exceeded == OnExceeded::Pause);
        let event = ConvoyEvent::BudgetExceeded {
            scope: scope.to_owned(),
            task: task.map(|task| plan.id(task).clone()),
            measure: over.measure,
            limit: over.limit,
            used: over.used.unwrap_or(over.limit),
            at_least: over.at_least,
        };
        self.emit(Event::Convoy(event), now, turn)?;
        if pauses && !self.state.is_paused() {
            self.emit(Event::Convoy(ConvoyEvent::Paused { actor: "budget".to_owned() }), now, turn)?;
        }
        Ok(!pauses)
    }

    /// Skips everything that was not begun.
    pub(super) fn skip_for_budget(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        let plan = self.state.plan().clone();
        plan.indices().try_for_each(|task| self.is_over_budget(task, now, turn).map(drop))
    }

    /// Skips a pending task when the convoy's budget or its own is used up, and says whether it did. What an engine's end cut off
    /// was under way, and goes on.
    pub(super) fn is_over_budget(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<bool, IllegalEvent> {
        let pending = matches!(
            self.state.task(task).stage,
            Stage::Pending { repeats: false, .. } | Stage::AwaitingApproval { work: None, .. }
        );
        let whose = match (self.state.is_budget_used_up(), self.state.is_task_budget_used_up(task)) {
            (true, _) => "convoy",
            (false, true) => "task",
            (false, false) => return Ok(false),
        };
        if !pending {
            return Ok(false);
        }
        let reason = format!("the budget of the {whose} is used up");
        self.emit_task(task, TaskEvent::Skipped { reason, because: None }, now, turn)?;
        self.skip_dependants(task, now, turn)?;
        Ok(true)
    }
}
