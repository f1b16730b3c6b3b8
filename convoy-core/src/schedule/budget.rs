//! The convoy's budget: what happens when a limit is reached.

use super::handle::{Scheduler, Turn};
use crate::event::{ConvoyEvent, Event, TaskEvent};
use crate::spec::OnExceeded;
use crate::state::{IllegalEvent, Stage};
use crate::types::{TaskIx, Timestamp};

impl Scheduler {
    /// Says which limits are reached, and stops or pauses the convoy for them.
    pub(super) fn watch_budget(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        if self.state.ended().is_some() || self.state.is_cancelling() {
            return Ok(());
        }
        while let Some(over) = self.state.over_budget(now) {
            let event = ConvoyEvent::BudgetExceeded {
                scope: "convoy".to_owned(),
                measure: over.measure,
                limit: over.limit,
                used: over.used.unwrap_or(over.limit),
                at_least: over.at_least,
            };
            self.emit(Event::Convoy(event), now, turn)?;
            let pauses =
                self.state.plan().spec().budget.as_ref().is_some_and(|b| b.on_exceeded == OnExceeded::Pause);
            if !pauses {
                self.skip_for_budget(now, turn)?;
            } else if !self.state.is_paused() {
                self.emit(Event::Convoy(ConvoyEvent::Paused { actor: "budget".to_owned() }), now, turn)?;
            }
        }
        Ok(())
    }

    /// Skips everything that was not begun.
    pub(super) fn skip_for_budget(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        let plan = self.state.plan().clone();
        plan.indices().try_for_each(|task| self.is_over_budget(task, now, turn).map(drop))
    }

    /// Skips a pending task when the budget is used up, and says whether it did. What an engine's end cut off
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
        if !pending || !self.state.is_budget_used_up() {
            return Ok(false);
        }
        let reason = "the budget of the convoy is used up".to_owned();
        self.emit_task(task, TaskEvent::Skipped { reason, because: None }, now, turn)?;
        self.skip_dependants(task, now, turn)?;
        Ok(true)
    }
}
