//! A world without processes and git: it holds what the scheduler asked for, and answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::build::{START, artifacts, oid};
use super::choose::Choices;
use super::desks::Desks;
pub(super) use super::desks::{attempt_of, task_of};
use super::ending::end_report;
use super::invariants::Watch;
use super::known::knows_only_what_passed;
pub(crate) use super::reports::{
    agent_end, drift, hook, is_last_word, review_blocked, review_refused, review_verdict, started,
    step_finished, step_started,
};
use crate::event::{
    AgentOutcome, BuiltInGateResult, ConvoyEvent, Event, GateResult, RepositoryGuard, Request, RequestKind,
    ReviewStarted, Work,
};
use crate::plan::Plan;
use crate::schedule::{
    Action, AdvanceReport, EndReport, Input, PrepareReport, PublishOrder, PublishReport, Report, Scheduler,
    SnapshotOrder, SnapshotReport, Turn,
};
use crate::spec::HookMoment;
use crate::state::{Moving, Prepared, RunState, Stage};
use crate::types::{
    Artifact, Failure, FailureKind, GateLevel, Oid, ReviewLevel, ReviewVerdict, TaskId, TaskIx, Timestamp,
};

/// More turns than any run of the sizes used here takes.
const TURNS: usize = 20_000;

/// How far a check is whose review blocks: the end must say so.
const REVIEW_BLOCKS: u8 = 9;

/// Something that was asked for and is not answered yet.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) action: Action,
    /// Whether its end was asked for, and whether the convoy can be resumed then.
    stop: Option<bool>,
    /// How far an agent is: 0 not started, 1 about to be called, 2 a process.
    progress: u8,
    /// The turn that asked for it.
    turn: usize,
}

/// The scheduler with its log and its surroundings.
pub(super) struct World {
    pub(super) plan: Arc<Plan>,
    pub(super) scheduler: Scheduler,
    pub(super) now: Timestamp,
    pub(super) log: Vec<(Timestamp, Event)>,
    pub(super) open: Vec<Open>,
    pub(super) watch: Watch,
    pub(super) desks: Desks,
    turns: usize,
    /// Length of the log before the newest turn.
    turn_start: usize,
    /// What git holds: the integration ref.
    tip: Oid,
    /// Everything that ever was the integration ref.
    landed: HashSet<Oid>,
    oids: u64,
}

impl World {
    /// A convoy that has just begun.
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        let mut world = Self::at(plan, Vec::new(), START);
        world.input(Input::Begin { resumed: false });
        world
    }

    /// A convoy with this log, before anybody takes it up.
    fn at(plan: &Arc<Plan>, log: Vec<(Timestamp, Event)>, now: Timestamp) -> Self {
        let watch = Watch::replayed(plan, &log);
        let state = watch.state().clone();
        let tip = state.tip().clone();
        // Ids of the log are not given out again.
        let oids = 1_000_000 * (1 + u64::try_from(log.len()).expect("a short log"));
        Self {
            plan: plan.clone(),
            turns: 0,
            turn_start: log.len(),
            scheduler: Scheduler::new(state),
            now,
            log,
            open: Vec::new(),
            desks: Desks::new(watch.state().adapter_limits()),
            watch,
            landed: HashSet::from([tip.clone()]),
            tip,
            oids,
        }
    }

    /// A convoy with this log that nobody runs.
    pub(super) fn abandoned(plan: &Arc<Plan>, log: &[(Timestamp, Event)]) -> Self {
        let now = log.last().map_or(START, |(time, _)| *time).plus(Duration::from_secs(1));
        Self::at(plan, log.to_vec(), now)
    }

    /// A convoy whose engine died after the first events of a log, and another one takes it up.
    pub(super) fn resumed(plan: &Arc<Plan>, log: &[(Timestamp, Event)], moved: bool) -> Self {
        let mut world = Self::abandoned(plan, log);
        if let (true, Some(prepared)) = (moved, world.prepared()) {
            world.land(&prepared);
        }
        world.input(Input::Begin { resumed: true });
        world
    }

    pub(super) fn state(&self) -> &RunState {
        self.scheduler.state()
    }

    /// The landing commit that is written, and of which nobody knows whether it landed.
    fn prepared(&self) -> Option<Prepared> {
        self.state().plan().indices().find_map(|ix| match &self.state().task(ix).stage {
            Stage::Queued { prepared, .. } => prepared.clone(),
            _ => None,
        })
    }

    /// One turn, with everything that must hold after it.
    pub(super) fn input(&mut self, input: Input) -> Turn {
        let mut twin = self.scheduler.clone();
        let turn = self.scheduler.handle(input.clone(), self.now).expect("a legal turn");
        let again = twin.handle(input, self.now).expect("a legal turn");
        assert_eq!(turn, again, "deciding twice gives the same");
        assert_eq!(twin.state(), self.scheduler.state(), "and leads to the same");
        (self.turns, self.turn_start) = (self.turns + 1, self.log.len());
        for event in &turn.events {
            self.log.push((self.now, event.clone()));
            self.watch.event(event, self.now);
        }
        for action in &turn.actions {
            self.ask(action.clone());
        }
        self.watch.asked = self.desks.asked();
        self.watch.turn(self.scheduler.state(), &self.open, self.now);
        self.desks.look(self.scheduler.state(), &self.open);
        turn
    }

    fn ask(&mut self, action: Action) {
        match action {
            Action::Stop { task, resumable } => {
                let about = self.open.iter_mut().filter(|open| task_of(&open.action) == Some(task));
                let asked: usize = about.map(|open| open.stop = Some(resumable)).map(|()| 1).sum();
                assert!(asked > 0, "nothing of task {task:?} is under way that could be stopped");
            }
            Action::StopEnd { resumable } => {
                let about = self.open.iter_mut().filter(|open| matches!(open.action, Action::End(_)));
                let asked: usize = about.map(|open| open.stop = Some(resumable)).map(|()| 1).sum();
                assert_eq!(asked, 1, "nothing of the end is under way that could be stopped");
            }
            Action::AskPlace { adapter } => self.desks.ask(adapter),
            Action::LeavePlace { adapter } => self.desks.leave(&adapter),
            Action::Prepare { ref tip, .. } => {
                assert_eq!(tip, &self.tip, "work lands on the newest tip");
                self.open.push(Open { action, stop: None, progress: 0, turn: self.turns });
            }
            action => {
                if let Action::Check(order) = &action {
                    knows_only_what_passed(&self.log, order);
                }
                self.open.push(Open { action, stop: None, progress: 0, turn: self.turns });
            }
        }
    }

    pub(super) fn request(&mut self, kind: RequestKind) -> Turn {
        self.input(Input::Request(Request::new("me", kind)))
    }

    /// Goes on until the convoy has ended and nothing is under way.
    pub(super) fn run(&mut self, choices: &mut Choices<'_>) {
        for _ in 0..TURNS {
            if self.state().ended().is_some() && self.open.is_empty() {
                return;
            }
            self.step(choices);
        }
        panic!("the run does not end: {:?}", self.open);
    }

    /// Answers something that is open, or lets time pass when nothing is.
    pub(super) fn step(&mut self, choices: &mut Choices<'_>) {
        let waiting = self.desks.served();
        let next = choices.pick((self.open.len() + waiting.len()).max(1));
        if next < self.open.len() {
            self.answer(next, choices);
        } else if let Some(adapter) = waiting.get(next - self.open.len()) {
            self.give_place(adapter, choices);
        } else if self.state().is_interrupting() {
            self.resume(0, choices);
        } else if let Some(time) = self.scheduler.next_wake().filter(|_| !self.has_a_person()) {
            self.now = self.now.max(time);
            self.input(Input::Tick);
        } else if self.state().is_paused() {
            self.request(RequestKind::Unpause);
        } else if let Some(task) = self.asked_about() {
            self.request(match choices.pick(4) {
                3 => RequestKind::Reject { task, reason: "no".into() },
                _ => RequestKind::Approve { task, tree: None, reason: String::new() },
            });
        } else {
            panic!("nothing is under way, and the convoy has not ended");
        }
    }

    /// The engine dies; of the newest turn the last events were not recorded. Another one takes it up.
    pub(super) fn resume(&mut self, lost: usize, choices: &mut Choices<'_>) {
        let kept = self.log.len().saturating_sub(lost).max(self.turn_start);
        let recorded = kept == self.log.len();
        self.log.truncate(kept);
        // Nothing is done before its turn is recorded.
        let mut asked = self.open.iter().filter(|open| recorded || open.turn < self.turns);
        // A landing commit may have reached the ref or not.
        let advance = asked.find_map(|open| match &open.action {
            Action::Advance { prepared, .. } => Some(prepared.clone()),
            _ => None,
        });
        if let (Some(prepared), true) = (advance, choices.one_in(2)) {
            self.land(&prepared);
        }
        let (tip, landed, oids) = (self.tip.clone(), std::mem::take(&mut self.landed), self.oids);
        *self = Self { tip, landed, oids, ..Self::at(&self.plan.clone(), self.log.clone(), self.now) };
        self.input(Input::Begin { resumed: true });
    }

    /// Moves the integration ref, if it is where the landing commit was made for.
    pub(super) fn land(&mut self, prepared: &Prepared) {
        if self.tip == prepared.onto {
            self.tip = prepared.commit.clone();
            assert!(self.landed.insert(self.tip.clone()), "a commit lands once");
        }
    }

    /// The integration ref is moved by somebody who is not the engine.
    pub(super) fn somebody_moves_the_ref(&mut self) -> Oid {
        self.tip = self.new_oid();
        self.landed.insert(self.tip.clone());
        self.tip.clone()
    }

    /// Whether a person who has just let the convoy go on is asked about a task. (A budget of running time that
    /// pauses would otherwise be granted for ever, and nobody answer.)
    fn has_a_person(&self) -> bool {
        let goes_on =
            |(_, event): &(Timestamp, Event)| matches!(event, Event::Convoy(ConvoyEvent::Unpaused { .. }));
        self.log.last().is_some_and(goes_on) && !self.state().is_paused() && self.asked_about().is_some()
    }

    /// A task that waits for approval.
    pub(super) fn asked_about(&self) -> Option<TaskId> {
        let plan = self.state().plan();
        let asked = |ix: &TaskIx| matches!(self.state().task(*ix).stage, Stage::AwaitingApproval { .. });
        plan.indices().find(asked).map(|ix| plan.id(ix).clone())
    }

    /// A person's commit as the work of a task.
    pub(super) fn by_hand(&mut self, changed: bool) -> Work {
        let (commit, tree, base) = (self.new_oid(), self.new_oid(), self.state().tip().clone());
        Work { commit, tree, base, changed, kept_ref: "refs/convoy/test/accepted".into() }
    }

    fn new_oid(&mut self) -> Oid {
        self.oids += 1;
        oid(self.oids)
    }

    /// Answers the open action at this position.
    pub(super) fn answer(&mut self, at: usize, choices: &mut Choices<'_>) {
        let mut open = self.open.remove(at);
        match open.action.clone() {
            Action::Work(order) => {
                let report = work_report(&mut open, choices);
                let over = matches!(report, Report::AgentEnded(_));
                if !over {
                    self.open.insert(at, open);
                }
                self.input(Input::worker(order.task, order.attempt, report));
            }
            Action::Snapshot(mut order) => {
                let passed = order.hooks && choices.one_in(8);
                if passed || order.hooks && choices.one_in(8) {
                    order.hooks = passed;
                    open.action = Action::Snapshot(order.clone());
                    self.open.insert(at, open);
                    let hook = hook(HookMoment::PostTask, passed);
                    self.input(Input::worker(order.task, order.attempt, Report::Hook(hook)));
                    return;
                }
                let stopped = order.hooks && open.stop == Some(true) && choices.one_in(2);
                let report = match stopped {
                    true => Report::SnapshotStopped,
                    false => Report::Snapshot(self.snapshot_report(&order, choices)),
                };
                self.input(Input::worker(order.task, order.attempt, report));
            }
            Action::Check(order) => {
                let report = self.check_report(&mut open, &order.work.tree, choices);
                if !is_last_word(&report) {
                    self.open.insert(at, open);
                }
                self.input(Input::worker(order.task, order.attempt, report));
            }
            Action::Prepare { task, attempt, .. } => {
                let report = self.prepare_report(choices);
                self.input(Input::worker(task, attempt, Report::Prepared(report)));
            }
            Action::Advance { task, attempt, prepared } => {
                let report = self.advance_report(prepared, choices);
                self.input(Input::worker(task, attempt, Report::Advanced(report)));
            }
            Action::Publish(order) => {
                let report = self.publish_report(order, choices);
                self.input(Input::Publish(report));
            }
            Action::End(order) => {
                let report = end_report(open.stop.is_some(), &order, choices);
                if matches!(report, EndReport::Gate { .. }) {
                    self.open.insert(at, open);
                }
                self.input(Input::End(report));
            }
            Action::Stop { .. }
            | Action::StopEnd { .. }
            | Action::AskPlace { .. }
            | Action::LeavePlace { .. } => panic!("what is never open"),
        }
    }

    /// The next thing that a check says.
    fn check_report(&mut self, open: &mut Open, tree: &Oid, choices: &mut Choices<'_>) -> Report {
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

    fn snapshot_report(&mut self, order: &SnapshotOrder, choices: &mut Choices<'_>) -> SnapshotReport {
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

    fn prepare_report(&mut self, choices: &mut Choices<'_>) -> PrepareReport {
        let onto = self.tip.clone();
        match choices.pick(8) {
            5 => PrepareReport::Nothing,
            6 => PrepareReport::Conflict { files: vec!["a".into()], onto, tree: self.new_oid() },
            7 => PrepareReport::Failed(Failure::new(FailureKind::MergeError, "no space left")),
            _ => PrepareReport::Prepared(Prepared { commit: self.new_oid(), onto }),
        }
    }

    fn advance_report(&mut self, prepared: Prepared, choices: &mut Choices<'_>) -> AdvanceReport {
        if choices.one_in(8) && !self.landed.contains(&prepared.commit) {
            self.somebody_moves_the_ref();
        }
        self.land(&prepared);
        match self.landed.contains(&prepared.commit) {
            true => AdvanceReport::Landed,
            false => AdvanceReport::Moved { tip: self.tip.clone() },
        }
    }

    fn publish_report(&mut self, order: PublishOrder, choices: &mut Choices<'_>) -> PublishReport {
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

/// The next thing that an agent at work says.
fn work_report(open: &mut Open, choices: &mut Choices<'_>) -> Report {
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
