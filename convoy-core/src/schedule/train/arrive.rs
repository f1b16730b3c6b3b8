//! The ref moves to what passed, for all that land together at once.

use super::Car;
use super::policy::Place;
use crate::event::TaskEvent;
use crate::schedule::handle::{Scheduler, Turn};
use crate::schedule::input::{Action, AdvanceReport};
use crate::state::{IllegalEvent, Prepared, Stage};
use crate::types::{AttemptNo, Oid, TaskIx, Timestamp};

impl Scheduler {
    /// Records that these land together: the ref moves to the last of them, whose tree passed.
    pub(super) fn record_landing(
        &mut self,
        cars: &[Car],
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let Some((last, _)) = cars.split_last() else { return Ok(()) };
        for car in cars {
            let lands_with = (car.commit != last.commit).then(|| last.commit.clone());
            let (commit, onto) = (car.commit.clone(), car.onto.clone());
            self.emit_task(car.task, TaskEvent::Prepared { commit, onto, lands_with }, now, turn)?;
        }
        Ok(())
    }

    /// Moves the ref to what is recorded as about to land. Says whether there was something.
    pub(super) fn land_recorded(&mut self, now: Timestamp, turn: &mut Turn) -> Result<bool, IllegalEvent> {
        let first = self.queues.line(&self.state).find_map(|(_, task)| self.state.task(task).stage.target());
        let Some(target) = first.cloned() else { return Ok(false) };
        let together = self.landing_together(&target);
        let last = together.iter().find(|(_, prepared)| prepared.commit == target);
        let Some((task, _)) = last.cloned() else {
            // The record was cut before it was whole: the ref was not moved.
            self.unprepare(&together, self.state.tip().clone(), now, turn)?;
            return Ok(false);
        };
        self.queues.landing = Some(task);
        let attempt = AttemptNo(self.state.task(task).attempts);
        let prepared = Prepared { commit: target, onto: self.state.tip().clone() };
        turn.actions.push(Action::Advance { task, attempt, prepared });
        Ok(true)
    }

    /// The tasks with which the ref moves to this commit, in the order of their landing commits.
    pub(super) fn landing_together(&mut self, target: &Oid) -> Vec<(TaskIx, Prepared)> {
        let of = |(_, task): (Place, TaskIx)| match &self.state.task(task).stage {
            stage @ Stage::Queued { prepared: Some(prepared), .. } if stage.target() == Some(target) => {
                Some((task, prepared.clone()))
            }
            _ => None,
        };
        self.queues.line(&self.state).filter_map(of).collect()
    }

    pub(super) fn unprepare(
        &mut self,
        together: &[(TaskIx, Prepared)],
        tip: Oid,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        for (task, prepared) in together {
            let event = TaskEvent::Unprepared { commit: prepared.commit.clone(), tip: tip.clone() };
            self.emit_task(*task, event, now, turn)?;
        }
        Ok(())
    }

    /// What became of moving the ref.
    pub(in crate::schedule) fn train_arrived(
        &mut self,
        target: &Oid,
        report: AdvanceReport,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        self.queues.landing = None;
        let together = self.landing_together(target);
        match report {
            AdvanceReport::Landed => {
                for (task, prepared) in together {
                    self.landed(task, prepared.commit, now, turn)?;
                }
                Ok(())
            }
            AdvanceReport::Moved { tip } => {
                // Somebody may have pruned what no ref reaches: all of it is made anew.
                self.queues.train.made.clear();
                self.unprepare(&together, tip, now, turn)
            }
        }
    }

    /// The ref holds the landing commit of this task.
    pub(in crate::schedule) fn landed(
        &mut self,
        task: TaskIx,
        commit: Oid,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        // The record may have been cut between the two.
        if self.state.task(task).commit.as_ref() != Some(&commit) {
            self.emit_task(task, TaskEvent::Landed { commit: commit.clone() }, now, turn)?;
        }
        self.done(task, Some(commit), now, turn)
    }
}
