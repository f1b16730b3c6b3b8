//! What becomes of work that fails on the merged tree.

use super::Car;
use super::Lane;
use crate::event::TaskEvent;
use crate::schedule::handle::{Scheduler, Turn};
use crate::state::{Admission, IllegalEvent, Stage};
use crate::types::{Failure, FailureKind, TaskIx, Timestamp};

impl Scheduler {
    /// These go behind all that waits now.
    pub(super) fn set_aside(
        &mut self,
        lanes: &[Lane],
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        for car in lanes.iter().filter_map(|lane| lane.cars.first()) {
            self.emit_task(car.task, TaskEvent::SetAside { tree: car.tree.clone() }, now, turn)?;
            self.queues.set_aside(&self.state, car.task);
        }
        Ok(())
    }

    pub(super) fn is_anything_fresh(&mut self) -> bool {
        self.queues.line(&self.state).any(|(place, _)| !place.is_suspect())
    }

    /// Whether work comes, without any of what waits to land, that may be what mends the tip.
    pub(super) fn is_help_on_its_way(&self, now: Timestamp) -> bool {
        let state = &self.state;
        let comes = |ix: TaskIx| match &state.task(ix).stage {
            // The probe of its role may be what waits to land.
            Stage::Pending { .. } | Stage::Conflicted => {
                state.unmet(ix).next().is_none() && !matches!(state.admission(ix, now), Admission::Wait(_))
            }
            Stage::Queued { .. } => false,
            stage => !stage.kind().is_final(),
        };
        self.queues.slots_used() > 0 || state.plan().indices().any(comes)
    }

    /// All of these fail on the tip, and so does the tip alone: they fail without another try.
    pub(super) fn acquit(
        &mut self,
        lanes: &[Lane],
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let Some(red) = lanes.iter().flat_map(|lane| &lane.cars).next() else { return Ok(()) };
        let Some(red) = self.state.verification().red(&red.onto_tree) else { return Ok(()) };
        let command = match &red.failure.kind {
            FailureKind::Verify(command) => command.clone(),
            other => other.to_string(),
        };
        let message = format!(
            "the branch that this was to land on is red by itself, so this work is not judged and not tried again: \
             mend the branch, or add a task that does, and retry. {}",
            red.failure.message
        );
        let failure = Failure { kind: FailureKind::RedTip(command), message, ..red.failure.clone() };
        for task in lanes.iter().flat_map(|lane| &lane.cars).map(|car| car.task) {
            self.failed(task, failure.clone(), now, turn)?;
        }
        Ok(())
    }

    /// All of these fail on the tip, whatever is tried.
    pub(super) fn blame(
        &mut self,
        lanes: &[Lane],
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let known = self.state.verification();
        let failure = |car: &Car| Some((car.task, known.red(&car.tree)?.failure.clone()));
        let blamed: Vec<(TaskIx, Failure)> =
            lanes.iter().flat_map(|lane| &lane.cars).filter_map(failure).collect();
        for (task, failure) in blamed {
            self.failed(task, failure, now, turn)?;
        }
        Ok(())
    }
}
