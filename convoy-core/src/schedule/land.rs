//! Landing and publishing: one landing at a time, in the order in which checks passed.

use super::handle::{Scheduler, Turn};
use super::input::{Action, AdvanceReport, PrepareReport, PublishOrder, PublishReport};
use crate::event::{Event, PublishEvent, TaskEvent};
use crate::state::{IllegalEvent, Moving, Prepared, Stage};
use crate::types::{AttemptNo, Failure, FailureKind, TaskIx, Timestamp};

/// How often an agent is asked to resolve a conflict of one task.
pub(super) const CONFLICT_TRIES: u32 = 2;

impl Scheduler {
    /// Begins the next landing, when none is under way.
    pub(super) fn land_next(&mut self, turn: &mut Turn) {
        if self.queues.landing.is_some() {
            return;
        }
        if let Some(task) = self.queues.take_landing(&self.state) {
            self.queues.landing = Some(task);
            self.land_step(task, turn);
        }
    }

    fn land_step(&self, task: TaskIx, turn: &mut Turn) {
        let state = self.state.task(task);
        let attempt = AttemptNo(state.attempts);
        if let Stage::Queued { work, prepared, .. } = &state.stage {
            turn.actions.push(match prepared {
                Some(prepared) => Action::Advance { task, attempt, prepared: prepared.clone() },
                None => Action::Prepare { task, attempt, work: work.clone(), tip: self.state.tip().clone() },
            });
        }
    }

    pub(super) fn prepare_report(
        &mut self,
        task: TaskIx,
        report: PrepareReport,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        match report {
            PrepareReport::Candidate { prepared, tree, onto_tree } => {
                self.candidate(task, prepared, (tree, onto_tree), now, turn)
            }
            // Onto work that has not landed and may not: it is tried again on the tip.
            PrepareReport::Nothing | PrepareReport::Conflict { .. } if self.is_coupled_onto_others() => {
                self.stays_apart(task, now, turn)
            }
            PrepareReport::Prepared(Prepared { commit, onto }) => {
                let lands_with = None;
                self.emit_task(task, TaskEvent::Prepared { commit, onto, lands_with }, now, turn)?;
                self.land_step(task, turn);
                Ok(())
            }
            PrepareReport::Nothing => self.done(task, None, now, turn),
            PrepareReport::Conflict { .. } => self.conflict(task, report, now, turn),
            PrepareReport::Failed(failure) => self.failed(task, failure, now, turn),
        }
    }

    pub(super) fn advance_report(
        &mut self,
        task: TaskIx,
        report: AdvanceReport,
        prepared: Prepared,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        if self.state.verifies() {
            return self.train_arrived(&prepared.commit, report, now, turn);
        }
        let commit = prepared.commit;
        match report {
            AdvanceReport::Landed => {
                self.emit_task(task, TaskEvent::Landed { commit: commit.clone() }, now, turn)?;
                self.done(task, Some(commit), now, turn)
            }
            AdvanceReport::Moved { tip } => {
                self.emit_task(task, TaskEvent::Unprepared { commit, tip }, now, turn)?;
                self.land_step(task, turn);
                Ok(())
            }
        }
    }

    fn conflict(
        &mut self,
        task: TaskIx,
        report: PrepareReport,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let PrepareReport::Conflict { files, onto, tree, conflicts } = report else { return Ok(()) };
        let met = self.state.task(task).conflicts;
        if met < CONFLICT_TRIES {
            let event =
                TaskEvent::Conflict { attempt: met + 1, conflicting_files: files, onto, tree, conflicts };
            self.emit_task(task, event, now, turn)?;
            return self.end_early(task, now, turn).map(drop);
        }
        let message = format!(
            "the work conflicts with what landed before it, and {met} tries did not resolve: {}",
            files.join(", ")
        );
        let event = TaskEvent::ConflictFailed { attempts: met, conflicting_files: files };
        self.emit_task(task, event, now, turn)?;
        self.failed(task, Failure::new(FailureKind::MergeConflict, message), now, turn)
    }

    pub(super) fn publish_report(
        &mut self,
        report: PublishReport,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        self.queues.publishing = false;
        let branch = self.state.started().branch.clone();
        let event = match report {
            PublishReport::UpToDate { commit, tip } => PublishEvent::Published { branch, commit, tip },
            PublishReport::Done(moving) => {
                PublishEvent::Published { branch, commit: moving.to, tip: moving.tip }
            }
            PublishReport::Blocked { tip, reason, paths } => {
                PublishEvent::Blocked { branch, reason, paths, tip }
            }
            PublishReport::Planned(moving) => {
                self.queues.publishing = true;
                let order = PublishOrder::Move { moving: moving.clone(), recover: false };
                turn.actions.push(Action::Publish(order));
                let Moving { from, to, tip, checkout, lock } = moving;
                PublishEvent::Started { from, to, tip, checkout, lock }
            }
            PublishReport::Moved { tip } => PublishEvent::Voided { tip },
        };
        self.emit(Event::Publish(event), now, turn)
    }
}
