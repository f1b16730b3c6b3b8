//! Runs of `merge.verify`: their begin, their end, and what became of them.

use super::{Car, Lane, VerifyOrder, VerifyReport};
use crate::event::{ConvoyEvent, Event, VerifyResult, VerifyStarted};
use crate::schedule::handle::{Scheduler, Turn};
use crate::schedule::input::Action;
use crate::state::{IllegalEvent, Verifying};
use crate::types::{Oid, Timestamp};

impl Scheduler {
    /// Ends the runs of what can no longer land so.
    pub(super) fn stop_useless(&mut self, lanes: &[Lane], turn: &mut Turn) {
        let tip = self.state.tip();
        let wanted = |tree: &Oid| lanes.iter().flat_map(|lane| &lane.cars).any(|car| car.tree == *tree);
        let of_tip = |run: &Verifying| !lanes.is_empty() && run.commit == *tip;
        let under_way = self.state.verification().under_way();
        let useless = under_way.filter(|run| !wanted(&run.tree) && !of_tip(run)).map(|run| run.tree.clone());
        for tree in useless.collect::<Vec<_>>() {
            self.stop_run(&tree, turn);
        }
    }

    pub(super) fn stop_run(&mut self, tree: &Oid, turn: &mut Turn) {
        let run = self.state.verification().under_way().find(|run| run.tree == *tree).map(|run| run.run);
        let Some((run, ends)) = run.and_then(|run| Some((run, self.queues.train.runs.get_mut(&run)?))) else {
            return;
        };
        if !std::mem::replace(ends, true) {
            turn.actions.push(Action::StopVerify { run });
        }
    }

    /// Begins to judge the tip with these on top.
    pub(super) fn begin_run(
        &mut self,
        cars: &[Car],
        tree: Oid,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        if self.state.verification().under_way().any(|run| run.tree == tree) {
            // Of two candidates with one tree one is enough.
            return Ok(());
        }
        let run = self.state.verification().runs() + 1;
        let commit = cars.last().map_or(self.state.tip(), |car| &car.commit).clone();
        let started = VerifyStarted {
            run,
            tasks: cars.iter().map(|car| self.state.plan().id(car.task).clone()).collect(),
            commit: commit.clone(),
            tree,
            onto: self.state.tip().clone(),
        };
        self.emit(Event::Convoy(ConvoyEvent::VerifyStarted(started)), now, turn)?;
        self.queues.train.runs.insert(run, false);
        turn.actions.push(Action::Verify(VerifyOrder { run, commit }));
        Ok(())
    }

    /// Takes in what became of a run.
    pub(in crate::schedule) fn verify_report(
        &mut self,
        run: u32,
        report: VerifyReport,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let known = self.state.verification().under_way().find(|other| other.run == run);
        let Some(tree) = known.map(|run| run.tree.clone()) else { return Ok(()) };
        self.queues.train.runs.remove(&run);
        let VerifyReport { outcome, failure, duration_ms, changed_files } = report;
        let result = VerifyResult { run, tree, outcome, failure, duration_ms, changed_files };
        self.emit(Event::Convoy(ConvoyEvent::VerifyResult(Box::new(result))), now, turn)
    }
}
