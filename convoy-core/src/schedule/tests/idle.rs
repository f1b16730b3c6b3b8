//! What holds of all that is under way after a turn: never too much of it, and nothing that could be done is left.

use std::collections::HashSet;

use super::invariants::Watch;
use super::world::{Open, attempt_of, task_of};
use crate::schedule::Action;
use crate::spec::Approve;
use crate::state::{Admission, EndStage, Stage, StageKind};
use crate::types::{Oid, TaskIx, Timestamp};

impl Watch {
    fn holders(&self) -> Vec<TaskIx> {
        let holds = |ix: &TaskIx| self.state.task(*ix).stage.kind().holds_slot();
        self.state.plan().indices().filter(holds).collect()
    }

    fn lock_users(&self, holders: &[TaskIx], lock: &String) -> usize {
        holders.iter().filter(|ix| self.state.plan().spec_of(**ix).locks.contains(lock)).count()
    }

    pub(super) fn working(&self, open: &[Open]) {
        let holders = self.holders();
        assert!(holders.len() <= self.state.slot_limit() as usize, "never more than the slots");
        for (lock, permits) in &self.state.plan().spec().locks {
            let used = self.lock_users(&holders, lock);
            assert!(used <= *permits as usize, "{lock} has {permits} permits, {used} hold it");
        }
        for ix in &holders {
            let together = self.state.plan().task(*ix).overlaps.iter().find(|other| holders.contains(other));
            assert!(together.is_none(), "{ix:?} and {together:?} work on the same files");
        }
        if !self.state.is_interrupting() {
            let works = |open: &&Open| matches!(open.action, Action::Work(_) | Action::Snapshot(_));
            let mut working: Vec<TaskIx> =
                open.iter().filter(works).filter_map(|open| task_of(&open.action)).collect();
            working.sort_unstable();
            assert_eq!(working, holders, "who holds a slot works");
        }
    }

    /// How much of each kind is under way.
    pub(super) fn under_way(&self, open: &[Open]) {
        let count = |is: fn(&Action) -> bool| open.iter().filter(|open| is(&open.action)).count();
        assert!(count(|a| matches!(a, Action::Prepare { .. } | Action::Advance { .. })) <= 1, "one landing");
        assert!(count(|a| matches!(a, Action::Publish(_))) <= 1, "one publish at a time");
        assert!(count(|a| matches!(a, Action::End(_))) <= 1, "one stage of the end at a time");
        let checks = count(|a| matches!(a, Action::Check(_) | Action::Verify(_)));
        assert!(checks <= self.state.slot_limit() as usize, "as many checks as slots");
        let mut seen = HashSet::new();
        let twice = open.iter().filter_map(|open| attempt_of(&open.action)).find(|key| !seen.insert(*key));
        assert!(twice.is_none(), "two things at once are under way for {twice:?}");
        let landing = self.state.plan().indices().filter_map(|ix| self.state.task(ix).stage.target());
        let targets: HashSet<&Oid> = landing.collect();
        assert!(targets.len() <= 1, "the ref is about to move to one commit at a time: {targets:?}");
        let runs = open.iter().filter_map(|open| match &open.action {
            Action::Verify(order) => Some(order.run),
            _ => None,
        });
        let recorded = self.state.verification().under_way().map(|run| run.run);
        let (mut runs, recorded): (Vec<u32>, Vec<u32>) = (runs.collect(), recorded.collect());
        runs.sort_unstable();
        assert_eq!(runs, recorded, "what is verified is recorded");
        if self.state.ended().is_some() {
            assert!(open.iter().all(|open| matches!(open.action, Action::Publish(_))), "the end is the end");
        }
    }

    /// Whatever can be done is being done.
    pub(super) fn nothing_idles(&self, open: &[Open], now: Timestamp) {
        let state = &self.state;
        let holders = self.holders();
        let free = holders.len() < state.slot_limit() as usize;
        let held = state.is_paused() || state.is_cancelling() || state.ended().is_some();
        let under = |ix: TaskIx| open.iter().any(|open| task_of(&open.action) == Some(ix));
        let judged = |open: &&Open| matches!(open.action, Action::Check(_) | Action::Verify(_));
        let checks = open.iter().filter(judged).count();
        let lands = |open: &Open| matches!(open.action, Action::Prepare { .. } | Action::Advance { .. });
        let verified = |open: &Open| matches!(open.action, Action::Verify(_));
        let full = state.verifies() && checks >= state.slot_limit() as usize;
        let landing = full || open.iter().any(|open| lands(open) || verified(open));
        for ix in self.state.plan().indices() {
            match state.task(ix).stage.kind() {
                StageKind::Pending | StageKind::Conflicted if free && !held => {
                    let asked = self.asked.contains(state.adapter(ix));
                    assert!(asked || !self.could_start(ix, &holders, now), "{ix:?} could work and does not");
                }
                StageKind::Checking if checks < state.slot_limit() as usize => {
                    assert!(under(ix), "{ix:?} could be checked and is not");
                }
                StageKind::Queued => {
                    let held = state.red_tip().is_some() && self.is_help_on_its_way(now);
                    assert!(landing || held, "{ix:?} could land and does not");
                }
                StageKind::Settling => panic!("{ix:?} was left undecided"),
                _ => {}
            }
        }
        let publishing = open.iter().any(|open| matches!(open.action, Action::Publish(_)));
        let blocked = state.publish().blocked.as_ref().is_some_and(|b| b.tip == *state.tip());
        assert!(state.is_published() || publishing || blocked, "what landed could be published and is not");
        let open_tasks = state.totals().open;
        let ending = open.iter().any(|open| matches!(open.action, Action::End(_)));
        let waits = state.is_paused() && matches!(state.end_stage(), EndStage::Gates | EndStage::Hook(_));
        let ended = open_tasks > 0 || publishing || checks > 0 || state.ended().is_some();
        assert!(ended || ending || waits, "nothing is left to do, and the convoy has not ended");
    }

    /// Whether other work may come that mends the integration ref.
    fn is_help_on_its_way(&self, now: Timestamp) -> bool {
        let state = &self.state;
        state.plan().indices().any(|ix| match state.task(ix).stage.kind() {
            StageKind::Pending | StageKind::Conflicted => {
                let waits = matches!(state.admission(ix, now), Admission::Wait(_));
                state.unmet(ix).count() == 0 && !waits
            }
            StageKind::Queued => false,
            kind => !kind.is_final(),
        })
    }

    fn could_start(&self, ix: TaskIx, holders: &[TaskIx], now: Timestamp) -> bool {
        let time = match &self.state.task(ix).stage {
            Stage::Pending { not_before, .. } => not_before.is_none_or(|time| time <= now),
            _ => true,
        };
        let locks = &self.state.plan().spec().locks;
        let spec = self.state.plan().spec_of(ix);
        let locks_free = spec.locks.iter().all(|lock| self.lock_users(holders, lock) < locks[lock] as usize);
        let alone = self.state.plan().task(ix).overlaps.iter().all(|other| !holders.contains(other));
        let parked = self.state.parked_until(self.state.provider(ix)).is_some_and(|until| until > now);
        let asks = spec.approve == Some(Approve::BeforeRun) && !self.state.task(ix).run_approved;
        assert!(!asks || self.state.unmet(ix).count() > 0, "a person is asked at once");
        let waits = matches!(self.state.admission(ix, now), Admission::Wait(_));
        time && !parked && !waits && locks_free && alone && self.state.unmet(ix).count() == 0
    }
}
