//! A world without processes and git: it holds what the scheduler asked for, and answers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::answers::{verify_report, work_report};
use super::build::{START, oid};
use super::choose::Choices;
use super::desks::Desks;
pub(super) use super::desks::{attempt_of, task_of};
use super::ending::end_report;
use super::invariants::Watch;
use super::known::knows_only_what_passed;
pub(crate) use super::reports::{
    agent_end, drift, hook, is_last_word, review_blocked, review_verdict, started, step_finished,
    step_started,
};
use crate::event::{ConvoyEvent, Event, Request, RequestKind, Work};
use crate::plan::Plan;
use crate::schedule::{Action, EndReport, Input, Report, Scheduler, SnapshotOrder, Turn};
use crate::spec::HookMoment;
use crate::state::{Prepared, RunState, Stage};
use crate::types::{Oid, TaskId, TaskIx, Timestamp};

/// More turns than any run of the sizes used here takes.
const TURNS: usize = 20_000;

/// Something that was asked for and is not answered yet.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) action: Action,
    /// Whether its end was asked for, and whether the convoy can be resumed then.
    pub(super) stop: Option<bool>,
    /// How far an agent is: 0 not started, 1 about to be called, 2 a process.
    pub(super) progress: u8,
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
    pub(super) tip: Oid,
    /// Everything that ever was the integration ref.
    pub(super) landed: HashSet<Oid>,
    /// The trees of landing commits that wait for `merge.verify`.
    pub(super) trees: HashMap<Oid, Oid>,
    pub(super) oids: u64,
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
            trees: HashMap::new(),
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
        let state = self.state();
        let stages = || state.plan().indices().map(|ix| &state.task(ix).stage);
        // That the ref is there may be recorded for some of them.
        let commit = stages().find_map(Stage::target).filter(|commit| *commit != state.tip())?.clone();
        // The record of those that land together may have been cut; then the ref did not move.
        let last = |stage: &Stage| matches!(stage, Stage::Queued { prepared: Some(prepared), .. } if prepared.commit == commit);
        let onto = state.tip().clone();
        stages().any(last).then_some(Prepared { commit, onto })
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
            Action::StopVerify { run } => {
                let is = |open: &&mut Open| matches!(&open.action, Action::Verify(order) if order.run == run);
                let open = self.open.iter_mut().find(is).expect("a run that is under way");
                assert_eq!(open.stop.replace(true), None, "asked once");
            }
            Action::AskPlace { adapter } => self.desks.ask(adapter),
            Action::LeavePlace { adapter } => self.desks.leave(&adapter),
            Action::Prepare { ref tip, .. } => {
                let is_candidate = self.state().verifies() && self.trees.contains_key(tip);
                assert!(is_candidate || *tip == self.tip, "work lands on the newest tip");
                self.open.push(Open { action, stop: None, progress: 0, turn: self.turns });
            }
            action => {
                if let Action::Check(order) = &action {
                    knows_only_what_passed(&self.log, order);
                }
                if let (Action::Advance { prepared, .. }, true) = (&action, self.state().verifies()) {
                    self.is_verified(prepared);
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
        let trees = std::mem::take(&mut self.trees);
        *self = Self { tip, landed, trees, oids, ..Self::at(&self.plan.clone(), self.log.clone(), self.now) };
        self.input(Input::Begin { resumed: true });
    }

    /// Moves the integration ref, if it is where the landing commit was made for.
    pub(super) fn land(&mut self, prepared: &Prepared) {
        if self.tip == prepared.onto {
            self.tip = prepared.commit.clone();
            assert!(self.landed.insert(self.tip.clone()), "a commit lands once");
        }
    }

    /// The integration ref moves only to what is recorded as verified.
    fn is_verified(&self, prepared: &Prepared) {
        // What an earlier engine prepared and recorded as landed is not known here.
        if let Some(tree) = self.trees.get(&prepared.commit) {
            assert!(self.state().verification().is_green(tree), "{prepared:?} is not verified");
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

    /// The tree of a commit that may be the integration ref.
    pub(super) fn tree_of(&mut self, commit: &Oid) -> Oid {
        let known = self.trees.len() as u64;
        self.trees.entry(commit.clone()).or_insert_with(|| oid(980_000_000 + known)).clone()
    }

    pub(super) fn new_oid(&mut self) -> Oid {
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
            Action::Snapshot(order) => self.answer_snapshot(at, open, order, choices),
            Action::Check(order) => {
                let report = self.check_report(&mut open, &order.work.tree, choices);
                if !is_last_word(&report) {
                    self.open.insert(at, open);
                }
                self.input(Input::worker(order.task, order.attempt, report));
            }
            Action::Prepare { task, attempt, tip, .. } => {
                let report = self.prepare_report(tip, choices);
                self.input(Input::worker(task, attempt, Report::Prepared(report)));
            }
            Action::Advance { task, attempt, prepared } => {
                let report = self.advance_report(prepared, choices);
                self.input(Input::worker(task, attempt, Report::Advanced(report)));
            }
            Action::Verify(order) => {
                let report = verify_report(open.stop.is_some(), choices);
                self.input(Input::Verify { run: order.run, report });
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
            | Action::StopVerify { .. }
            | Action::AskPlace { .. }
            | Action::LeavePlace { .. } => panic!("what is never open"),
        }
    }

    fn answer_snapshot(
        &mut self,
        at: usize,
        mut open: Open,
        mut order: Box<SnapshotOrder>,
        choices: &mut Choices<'_>,
    ) {
        let (task, attempt) = (order.task, order.attempt);
        let passed = order.hooks && choices.one_in(8);
        if passed || order.hooks && choices.one_in(8) {
            order.hooks = passed;
            open.action = Action::Snapshot(order);
            self.open.insert(at, open);
            let hook = hook(HookMoment::PostTask, passed);
            self.input(Input::worker(task, attempt, Report::Hook(hook)));
            return;
        }
        let stopped = order.hooks && open.stop == Some(true) && choices.one_in(2);
        let report = match stopped {
            true => Report::SnapshotStopped,
            false => Report::Snapshot(self.snapshot_report(&order, choices)),
        };
        self.input(Input::worker(task, attempt, report));
    }
}
