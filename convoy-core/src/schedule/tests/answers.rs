//! What the surroundings of the scheduler answer, by choice.

use super::build::{artifacts, oid};
use super::choose::Choices;
use super::reports::{
    agent_end, drift, hook, review_blocked, review_refused, review_verdict, started, step_finished,
    step_started,
};
use super::world::{Open, World};
use crate::event::{
    AgentOutcome, BuiltInGateResult, GateResult, RepositoryGuard, ReviewStarted, VerifyOutcome, Work,
};
use crate::schedule::{
    AdvanceReport, PrepareReport, PublishOrder, PublishReport, Report, SnapshotOrder, SnapshotReport,
    VerifyReport,
};
use crate::spec::HookMoment;
use crate::state::{Moving, Prepared};
use crate::types::{Artifact, Failure, FailureKind, GateLevel, Oid, ReviewLevel, ReviewVerdict};

/// How far a check is whose review blocks: the end must say so.
const REVIEW_BLOCKS: u8 = 9;

impl World {
    /// The next thing that a check says.
    pub(super) fn check_report(&mut self, open: &mut Open, tree: &Oid, choices: &mut Choices<'_>) -> Report {
        if open.stop.is_some() && !choices.one_in(4) {
            return Report::CheckStopped;
        }
        if open.progress == REVIEW_BLOCKS {
            return review_blocked();
        }
        if choices.one_in(12) {
            return Report::Drift(drift(choices.one_in(2)));
        }
        if choices.one_in(12) {
            return Report::Hook(hook(HookMoment::PostTask, choices.one_in(2)));
        }
        let level = if choices.one_in(3) { ReviewLevel::Fast } else { ReviewLevel::Panel };
        match choices.pick(11) {
            4 => Report::BuiltInGate(BuiltInGateResult {
                gate: "partition".into(),
                level: choices.one_in(2).then_some(GateLevel::Warn),
                passed: true,
                output: String::new(),
                tree: None,
                reused: false,
            }),
            5 => {
                let gate = ["one", "two", "three"][choices.pick(3)];
                let tree = (!choices.one_in(4)).then(|| tree.clone());
                Report::Gate(GateResult { tree, ..GateResult::new(gate, !choices.one_in(3), None, 1) })
            }
            6 if choices.one_in(3) => {
                Report::Checked(Some(Failure::new(FailureKind::Drift, "it rates its work low")))
            }
            6 => Report::Checked(Some(Failure::new(FailureKind::Gate("false".into()), "exit code 1"))),
            7 => Report::Checked(Some(Failure::new(FailureKind::Worktree, "the worktree is gone"))),
            8 => {
                let (reviewer, reason) = ("test".into(), String::new());
                Report::ReviewStarted(ReviewStarted { level, reviewer, model: None, reason })
            }
            9 => {
                let passes = choices.one_in(2);
                let verdict = if passes { ReviewVerdict::Pass } else { ReviewVerdict::Skipped };
                review_verdict(level, verdict, tree.clone())
            }
            10 => {
                open.progress = REVIEW_BLOCKS;
                match choices.one_in(3) {
                    true => review_refused(level),
                    false => review_verdict(level, ReviewVerdict::Block, self.new_oid()),
                }
            }
            _ => Report::Checked(None),
        }
    }

    pub(super) fn snapshot_report(
        &mut self,
        order: &SnapshotOrder,
        choices: &mut Choices<'_>,
    ) -> SnapshotReport {
        let (succeeded, base) = (order.succeeded, &order.base);
        match choices.pick(12) {
            10 => SnapshotReport::NoWorktree,
            11 => SnapshotReport::Failed(Failure::new(FailureKind::Snapshot, "an unfinished merge")),
            n => {
                let changed = succeeded && n < 8;
                // Now and then the same files come out again.
                let tree = if n < 5 { oid(42) } else { self.new_oid() };
                let commit = self.new_oid();
                let kept_ref = "refs/convoy/test/kept".to_owned();
                let work = Work { commit, tree, base: base.clone(), changed, kept_ref };
                let (artifacts, unfit) = self.left(order, choices);
                SnapshotReport::Taken { work, rebased: n == 1, files_changed: None, artifacts, unfit }
            }
        }
    }

    /// What a finished agent left. Now and then not all of it, or nothing, as work that a person made does.
    fn left(&mut self, order: &SnapshotOrder, choices: &mut Choices<'_>) -> (Vec<Artifact>, Option<Failure>) {
        let plan = self.state().plan().clone();
        let task = plan.spec_of(order.task);
        if task.outputs.is_empty() || !order.succeeded {
            return (Vec::new(), None);
        }
        self.oids += 1;
        match choices.pick(8) {
            6 => (Vec::new(), Some(Failure::new(FailureKind::Artifact, "one is missing"))),
            7 => (Vec::new(), None),
            _ => (artifacts(task, self.oids), None),
        }
    }

    pub(super) fn prepare_report(&mut self, onto: Oid, choices: &mut Choices<'_>) -> PrepareReport {
        match choices.pick(8) {
            5 => PrepareReport::Nothing,
            6 => {
                let (files, tree) = (vec!["a".into()], self.new_oid());
                PrepareReport::Conflict { files, onto, tree, conflicts: Vec::new() }
            }
            7 => PrepareReport::Failed(Failure::new(FailureKind::MergeError, "no space left")),
            _ if self.state().verifies() => {
                let commit = self.new_oid();
                // Now and then the same tree comes out again.
                let tree = if choices.one_in(6) { oid(43) } else { self.new_oid() };
                self.trees.insert(commit.clone(), tree.clone());
                let onto_tree = self.tree_of(&onto);
                PrepareReport::Candidate { prepared: Prepared { commit, onto }, tree, onto_tree }
            }
            _ => PrepareReport::Prepared(Prepared { commit: self.new_oid(), onto }),
        }
    }

    pub(super) fn advance_report(&mut self, prepared: Prepared, choices: &mut Choices<'_>) -> AdvanceReport {
        if choices.one_in(8) && !self.landed.contains(&prepared.commit) {
            self.somebody_moves_the_ref();
        }
        self.land(&prepared);
        match self.landed.contains(&prepared.commit) {
            true => AdvanceReport::Landed,
            false => AdvanceReport::Moved { tip: self.tip.clone() },
        }
    }

    pub(super) fn publish_report(&mut self, order: PublishOrder, choices: &mut Choices<'_>) -> PublishReport {
        let blocked =
            |tip| PublishReport::Blocked { tip, reason: "in the way".into(), paths: vec!["a".into()] };
        match (order, choices.pick(6)) {
            (PublishOrder::Plan { tip, .. }, 5) => blocked(tip),
            (PublishOrder::Plan { tip, .. }, 4) => PublishReport::UpToDate { commit: self.new_oid(), tip },
            (PublishOrder::Plan { tip, known }, n) => {
                let to = if n == 3 { self.new_oid() } else { tip.clone() };
                PublishReport::Planned(Moving { from: known, to, tip, checkout: None, lock: None })
            }
            (PublishOrder::Move { moving, .. }, 5) => blocked(moving.tip),
            (PublishOrder::Move { moving, .. }, 4) => PublishReport::Moved { tip: moving.tip },
            (PublishOrder::Move { moving, .. }, _) => PublishReport::Done(moving),
        }
    }
}

/// What comes of a run of `merge.verify`.
pub(super) fn verify_report(stop: bool, choices: &mut Choices<'_>) -> VerifyReport {
    let outcome = match (stop && choices.one_in(2), choices.one_in(3)) {
        (true, _) => VerifyOutcome::Stopped,
        (false, true) => VerifyOutcome::Failed,
        (false, false) => VerifyOutcome::Passed,
    };
    let red = || Failure::new(FailureKind::Verify("test".into()), "exit code 1");
    let failure = (outcome == VerifyOutcome::Failed).then(red);
    VerifyReport { outcome, failure, duration_ms: 1, changed_files: Vec::new() }
}

/// The next thing that an agent at work says.
pub(super) fn work_report(open: &mut Open, choices: &mut Choices<'_>) -> Report {
    if let (Some(resumable), false) = (open.stop, choices.one_in(4)) {
        let outcome = if resumable { AgentOutcome::Interrupted } else { AgentOutcome::Cancelled };
        return Report::AgentEnded(agent_end(outcome));
    }
    if choices.one_in(12) {
        return Report::Hook(hook(HookMoment::PreTask, open.progress == 0 && choices.one_in(2)));
    }
    if choices.one_in(5) {
        return Report::AgentEnded(agent_end(AgentOutcome::Failed { failure: choices.agent_failure() }));
    }
    open.progress += 1;
    match open.progress {
        1 => Report::Started(started()),
        2 => Report::Spawned { pid: 7, start_time: 8 },
        3 if choices.one_in(4) => Report::StepStarted(step_started()),
        4 => Report::StepFinished(step_finished()),
        5 if choices.one_in(4) => Report::Guard(RepositoryGuard {
            level: GateLevel::Warn,
            changes: vec!["refs/tags/v1 (moved)".into()],
        }),
        _ => Report::AgentEnded(agent_end(AgentOutcome::Succeeded)),
    }
}
