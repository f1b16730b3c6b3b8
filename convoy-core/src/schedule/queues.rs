//! The queues beside the state: derived from it, moved on with it, never stored.
//!
//! Entries may outlive their reason (a ready task is skipped, say): they are checked against the state
//! when they are taken out, which is cheaper than to search for them when the reason goes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::input::Action;
use super::places::Places;
use super::train::{Place, Rank, Train};
use crate::spec::Approve;
use crate::state::{Admission, RunState, Stage, StageKind};
use crate::types::{AdapterLimit, TaskIx, Timestamp};

/// Order of what is ready: conflicts first, then priority, longest remaining path, file order.
type ReadyKey = (bool, Reverse<i64>, Reverse<u32>, TaskIx);

/// What keeps a ready task from starting although a slot is free.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Blocker {
    /// A lock without a free permit, by its position among the spec's locks.
    Lock(usize),
    /// A task with an overlapping partition that works now.
    Task(TaskIx),
    /// A provider that is parked, by its position among the providers.
    Provider(usize),
    /// An adapter of which no place is there, by its position among those with a limit.
    Place(usize),
}

/// A role that tasks are for, and the role whose probe they wait for: the same, or the one that takes its tasks.
type Probed = (String, String);

/// Everything that answers "who is next" without looking at every task.
#[derive(Debug, Clone)]
pub(super) struct Queues {
    ready: BTreeSet<ReadyKey>,
    blocked: HashMap<Blocker, BTreeSet<ReadyKey>>,
    /// Who waits for the probe of a role. Kept apart, since they are looked at in every turn.
    probed: HashMap<Probed, BTreeSet<ReadyKey>>,
    timers: BTreeSet<(Timestamp, TaskIx)>,
    /// The provider of each task, as a position.
    provider_of: Vec<usize>,
    /// When providers can be asked again.
    unparks: BTreeSet<(Timestamp, usize)>,
    unmet: Vec<u32>,
    locks_of: Vec<Vec<usize>>,
    free_permits: Vec<u32>,
    holders: HashSet<TaskIx>,
    places: Places,
    open: u32,
    open_in_phase: Vec<u32>,
    lowest_phase: usize,
    /// When the running time of tasks is used up.
    budget_ends: BTreeSet<(Timestamp, TaskIx)>,
    /// Tasks with a budget of their own whose agents may have used something.
    spenders: BTreeSet<TaskIx>,
    checks: VecDeque<TaskIx>,
    landings: BTreeSet<(Rank, TaskIx)>,
    /// Tasks that could run if a person let them.
    to_ask: BTreeSet<TaskIx>,
    /// Tasks with a check under way.
    pub(super) checking: HashSet<TaskIx>,
    /// The task that lands now.
    pub(super) landing: Option<TaskIx>,
    /// What waits to land, merged onto the tip, and what is verified of it.
    pub(super) train: Train,
    /// Whether the user's branch is being looked at or moved.
    pub(super) publishing: bool,
    /// Whether a stage of the end is under way.
    pub(super) ending: bool,
    /// Whether a blocked publish is to be tried again although nothing new landed.
    pub(super) publish_again: bool,
}

impl Queues {
    /// Derives the queues from a state.
    pub(super) fn new(state: &RunState, limits: &BTreeMap<String, AdapterLimit>) -> Self {
        let plan = state.plan();
        let count = |ix| u32::try_from(state.unmet(ix).count()).unwrap_or(u32::MAX);
        let mut queues = Self {
            ready: BTreeSet::new(),
            blocked: HashMap::new(),
            probed: HashMap::new(),
            timers: BTreeSet::new(),
            provider_of: Vec::new(),
            unparks: BTreeSet::new(),
            unmet: plan.indices().map(count).collect(),
            locks_of: locks_of(state),
            free_permits: plan.spec().locks.values().copied().collect(),
            holders: HashSet::new(),
            places: Places::new(limits),
            open: 0,
            open_in_phase: vec![0; plan.phases() as usize + 1],
            lowest_phase: 0,
            budget_ends: BTreeSet::new(),
            spenders: BTreeSet::new(),
            checks: VecDeque::new(),
            landings: BTreeSet::new(),
            to_ask: BTreeSet::new(),
            checking: HashSet::new(),
            landing: None,
            train: Train::default(),
            publishing: false,
            ending: false,
            // Of one that has ended only when that is asked for: other things are asked of it, too.
            publish_again: state.ended().is_none(),
        };
        queues.know_providers(state);
        for ix in plan.indices() {
            if !state.task(ix).stage.kind().is_final() {
                queues.open += 1;
                queues.open_in_phase[plan.task(ix).phase as usize] += 1;
            }
            queues.enter(state, ix);
            queues.spends(state, ix);
        }
        queues
    }

    /// The queues of a state that changed as a whole. What is under way stays so: the user's branch may be on
    /// the move although the convoy had ended.
    pub(super) fn rebuilt(&self, state: &RunState) -> Self {
        Self {
            checking: self.checking.clone(),
            landing: self.landing,
            train: self.train.clone(),
            publishing: self.publishing,
            ending: self.ending,
            publish_again: self.publish_again,
            places: self.places.clone(),
            ..Self::new(state, &BTreeMap::new())
        }
    }

    fn know_providers(&mut self, state: &RunState) {
        let mut known: HashMap<&str, usize> = HashMap::new();
        for ix in state.plan().indices() {
            let next = known.len();
            self.provider_of.push(*known.entry(state.provider(ix)).or_insert(next));
        }
        let times = state.parked().filter_map(|(provider, until)| Some((until, *known.get(provider)?)));
        self.unparks.extend(times);
    }

    /// The probe of a role is no longer on its way.
    pub(super) fn probe_over(&mut self, role: &str) {
        self.wake(|(_, awaited)| awaited == role);
    }

    /// Nothing of this task's provider starts before a time.
    pub(super) fn park(&mut self, ix: TaskIx, until: Timestamp) {
        self.unparks.insert((until, self.provider_of[ix.index()]));
    }

    /// Follows one task from the stage `from` to the one it is in now.
    pub(super) fn moved(&mut self, state: &RunState, ix: TaskIx, from: StageKind) {
        let to = state.task(ix).stage.kind();
        if from == to {
            return;
        }
        if from.holds_slot() && !to.holds_slot() {
            self.release(ix);
        }
        if from == StageKind::Working {
            self.places.leave(ix);
        }
        if from == StageKind::Queued && self.landing == Some(ix) {
            self.landing = None;
        }
        if to.is_final() {
            self.open -= 1;
            self.open_in_phase[state.plan().task(ix).phase as usize] -= 1;
        }
        self.enter(state, ix);
        self.budget_ends.extend(state.task_budget_ends(ix).map(|ends| (ends, ix)));
        if to == StageKind::Done {
            for dependant in &state.plan().task(ix).dependants {
                self.unmet[dependant.index()] = self.unmet[dependant.index()].saturating_sub(1);
                self.queue_pending(state, *dependant);
            }
        }
    }

    fn enter(&mut self, state: &RunState, ix: TaskIx) {
        match &state.task(ix).stage {
            Stage::Pending { .. } => self.queue_pending(state, ix),
            Stage::Conflicted => {
                self.ready.insert(key(state, ix));
            }
            Stage::Working { .. } | Stage::Snapshotting { .. } => self.hold(ix),
            Stage::Checking { .. } => self.checks.push_back(ix),
            Stage::Queued { order, aside, .. } => {
                self.landings.insert((Place { order: *order, aside: *aside }.rank(), ix));
            }
            Stage::Settling { .. }
            | Stage::AwaitingApproval { .. }
            | Stage::Done
            | Stage::Failed { .. }
            | Stage::Skipped { .. }
            | Stage::Cancelled => {}
        }
    }

    fn queue_pending(&mut self, state: &RunState, ix: TaskIx) {
        if let (Stage::Pending { not_before, .. }, 0) = (&state.task(ix).stage, self.unmet[ix.index()]) {
            if asks_first(state, ix) {
                self.to_ask.insert(ix);
                return;
            }
            match not_before {
                Some(time) => {
                    self.timers.insert((*time, ix));
                }
                None => {
                    self.ready.insert(key(state, ix));
                }
            }
        }
    }

    fn hold(&mut self, ix: TaskIx) {
        if self.holders.insert(ix) {
            for lock in &self.locks_of[ix.index()] {
                // Locks are never over-committed live; after a restart with fewer permits they may be.
                self.free_permits[*lock] = self.free_permits[*lock].saturating_sub(1);
            }
        }
    }

    fn release(&mut self, ix: TaskIx) {
        if self.holders.remove(&ix) {
            for lock in self.locks_of[ix.index()].clone() {
                self.free_permits[lock] += 1;
                self.wake_one(lock);
            }
            self.ready.extend(self.blocked.remove(&Blocker::Task(ix)).unwrap_or_default());
        }
    }

    fn wake_one(&mut self, lock: usize) {
        if let Some(waiting) = self.blocked.get_mut(&Blocker::Lock(lock)) {
            self.ready.extend(waiting.pop_first());
        }
    }

    /// The next task to start, taken out of the queue; `None` when nothing that is ready may start.
    /// Does not look at the number of slots.
    pub(super) fn take_start(&mut self, state: &RunState, now: Timestamp) -> Option<TaskIx> {
        while let Some(entry) = self.ready.pop_first() {
            let ix = entry.3;
            let waits = matches!(state.task(ix).stage, Stage::Pending { .. } | Stage::Conflicted);
            if waits && entry == key(state, ix) {
                let queue = match (self.blocker(state, ix, now), state.admission(ix, now)) {
                    (Some(blocker), _) => self.blocked.entry(blocker).or_default(),
                    (None, Admission::Wait(awaited)) => {
                        self.probed.entry((state.role(ix).to_owned(), awaited)).or_default()
                    }
                    (None, _) => match self.places.missing(state.adapter(ix)) {
                        Some(adapter) => self.blocked.entry(Blocker::Place(adapter)).or_default(),
                        None => return Some(ix),
                    },
                };
                queue.insert(entry);
            }
            self.passed_over(ix);
        }
        None
    }

    /// A task begins to work, at a place where its adapter has a limit.
    pub(super) fn hold_place(&mut self, state: &RunState, ix: TaskIx) {
        self.places.hold(state.adapter(ix), ix);
    }

    /// A place has come: who waits for it is ready.
    pub(super) fn place_came(&mut self, adapter: &str) {
        let waiting = self.places.came(adapter).and_then(|at| self.blocked.remove(&Blocker::Place(at)));
        self.ready.extend(waiting.unwrap_or_default());
    }

    /// Gives places back, and asks for those with which somebody would start.
    pub(super) fn settle_places(&mut self, may_start: bool, actions: &mut Vec<Action>) {
        let waits = |at| may_start && self.blocked.contains_key(&Blocker::Place(at));
        self.places.settle(waits, actions);
    }

    /// A task was woken for a permit that it does not take: the next in line may have it.
    pub(super) fn passed_over(&mut self, ix: TaskIx) {
        for lock in self.locks_of[ix.index()].clone() {
            if self.free_permits[lock] > 0 {
                self.wake_one(lock);
            }
        }
    }

    fn blocker(&self, state: &RunState, ix: TaskIx, now: Timestamp) -> Option<Blocker> {
        // Looked at first: whoever waits for a provider is not to be woken for a permit.
        if state.parked_until(state.provider(ix)).is_some_and(|until| until > now) {
            return Some(Blocker::Provider(self.provider_of[ix.index()]));
        }
        let lock = self.locks_of[ix.index()].iter().copied().find(|lock| self.free_permits[*lock] == 0);
        let overlaps = &state.plan().task(ix).overlaps;
        let task = || overlaps.iter().copied().find(|other| self.holders.contains(other)).map(Blocker::Task);
        lock.map(Blocker::Lock).or_else(task)
    }

    /// The next task about which a person is to be asked, taken out of the queue.
    pub(super) fn take_ask(&mut self, state: &RunState) -> Option<TaskIx> {
        while let Some(ix) = self.to_ask.pop_first() {
            if matches!(state.task(ix).stage, Stage::Pending { .. }) && asks_first(state, ix) {
                return Some(ix);
            }
        }
        None
    }

    /// Makes those ready whose time has come.
    pub(super) fn expire(&mut self, state: &RunState, now: Timestamp) {
        while let Some((time, ix)) = self.timers.first().copied().filter(|(time, _)| *time <= now) {
            self.timers.pop_first();
            let waits =
                matches!(&state.task(ix).stage, Stage::Pending { not_before: Some(t), .. } if *t == time);
            if waits && self.unmet[ix.index()] == 0 {
                self.ready.insert(key(state, ix));
            }
        }
        while let Some((_, provider)) = self.unparks.first().copied().filter(|(time, _)| *time <= now) {
            self.unparks.pop_first();
            self.ready.extend(self.blocked.remove(&Blocker::Provider(provider)).unwrap_or_default());
        }
        // Who waits for the probe of the role that takes its tasks may have its own back before that.
        let waits = |(_, awaited): &Probed, entry: &ReadyKey| matches!(state.admission(entry.3, now), Admission::Wait(role) if role == *awaited);
        let over = self.probed.iter().filter(|(of, entries)| !entries.first().is_some_and(|e| waits(of, e)));
        let over: HashSet<Probed> = over.map(|(of, _)| of.clone()).collect();
        if !over.is_empty() {
            self.wake(|of| over.contains(of));
        }
    }

    /// Those who wait for one of these probes are ready.
    fn wake(&mut self, over: impl Fn(&Probed) -> bool) {
        let ready = &mut self.ready;
        self.probed.retain(|of, entries| {
            let over = over(of);
            if over {
                ready.append(entries);
            }
            !over
        });
    }

    /// An agent of this task may have used something of the task's budget.
    pub(super) fn spends(&mut self, state: &RunState, ix: TaskIx) {
        if state.plan().spec_of(ix).budget.is_some() {
            self.spenders.insert(ix);
        }
    }

    /// The next open task whose budget is to be looked at, taken out of the queue.
    pub(super) fn take_spender(&mut self, state: &RunState, now: Timestamp) -> Option<TaskIx> {
        while let Some((_, ix)) = self.budget_ends.first().copied().filter(|(time, _)| *time <= now) {
            self.budget_ends.pop_first();
            self.spenders.insert(ix);
        }
        while let Some(ix) = self.spenders.pop_first() {
            if !state.task(ix).stage.kind().is_final() {
                // A restart has moved it.
                let ends = state.task_budget_ends(ix).filter(|ends| *ends > now);
                self.budget_ends.extend(ends.map(|ends| (ends, ix)));
                return Some(ix);
            }
        }
        None
    }

    /// When the running time of the next task is used up.
    pub(super) fn next_budget_end(&self) -> Option<Timestamp> {
        self.budget_ends.first().map(|(time, _)| *time)
    }

    /// When the next task becomes ready by time alone.
    pub(super) fn next_time(&self, state: &RunState) -> Option<Timestamp> {
        let waited_for =
            |(_, provider): &&(Timestamp, usize)| self.blocked.contains_key(&Blocker::Provider(*provider));
        let unpark = self.unparks.iter().find(waited_for).map(|(time, _)| *time);
        let rested = self.probed.keys().filter_map(|(own, _)| state.rested_until(own));
        self.timers.first().map(|(time, _)| *time).into_iter().chain(unpark).chain(rested).min()
    }

    /// The next task to judge, taken out of the queue.
    pub(super) fn take_check(&mut self, state: &RunState) -> Option<TaskIx> {
        while let Some(ix) = self.checks.pop_front() {
            if matches!(state.task(ix).stage, Stage::Checking { .. }) && !self.checking.contains(&ix) {
                return Some(ix);
            }
        }
        None
    }

    /// Queues a task again whose checks were stopped without an answer.
    pub(super) fn check_again(&mut self, ix: TaskIx) {
        self.checks.push_back(ix);
    }

    /// The next task to land, taken out of the queue.
    pub(super) fn take_landing(&mut self, state: &RunState) -> Option<TaskIx> {
        while let Some((rank, ix)) = self.landings.pop_first() {
            if place(state, ix).is_some_and(|place| place.rank() == rank) {
                return Some(ix);
            }
        }
        None
    }

    /// Work that was set aside has another place among what waits to land.
    pub(super) fn set_aside(&mut self, state: &RunState, ix: TaskIx) {
        self.enter(state, ix);
    }

    /// What waits to land, or is landing, in its order.
    pub(super) fn line(&mut self, state: &RunState) -> impl Iterator<Item = (Place, TaskIx)> {
        let is_there = |(rank, ix): &(Rank, TaskIx)| place(state, *ix).filter(|place| place.rank() == *rank);
        while self.landings.first().is_some_and(|entry| is_there(entry).is_none()) {
            self.landings.pop_first();
        }
        self.landings.iter().filter_map(move |entry| Some((is_there(entry)?, entry.1)))
    }

    /// Checks and runs of `merge.verify` that are under way.
    pub(super) fn judged(&self) -> usize {
        self.checking.len() + self.train.under_way()
    }

    /// Agents that run now.
    pub(super) fn slots_used(&self) -> u32 {
        u32::try_from(self.holders.len()).unwrap_or(u32::MAX)
    }

    /// Tasks that are not final.
    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// The lowest phase with an open task. Tasks only ever leave a phase, so the search goes on where the
    /// last one ended.
    pub(super) fn open_phase(&mut self) -> u32 {
        let rest = self.open_in_phase.get(self.lowest_phase..).unwrap_or_default();
        self.lowest_phase += rest.iter().position(|n| *n > 0).unwrap_or(0);
        u32::try_from(self.lowest_phase).unwrap_or(u32::MAX)
    }

    /// Tasks that work now.
    pub(super) fn holders(&self) -> impl Iterator<Item = TaskIx> + '_ {
        self.holders.iter().copied()
    }
}

/// Whether a person must let a task run, and has not.
fn asks_first(state: &RunState, ix: TaskIx) -> bool {
    state.plan().spec_of(ix).approve == Some(Approve::BeforeRun) && !state.task(ix).run_approved
}

/// Where in the line work is that waits to land.
fn place(state: &RunState, ix: TaskIx) -> Option<Place> {
    match &state.task(ix).stage {
        Stage::Queued { order, aside, .. } => Some(Place { order: *order, aside: *aside }),
        _ => None,
    }
}

fn locks_of(state: &RunState) -> Vec<Vec<usize>> {
    let plan = state.plan();
    let names: HashMap<&str, usize> =
        plan.spec().locks.keys().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let of = |ix| {
        let names = plan.spec_of(ix).locks.iter().filter_map(|name| names.get(name.as_str()).copied());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    };
    plan.indices().map(of).collect()
}

fn key(state: &RunState, ix: TaskIx) -> ReadyKey {
    let plan = state.plan();
    let resolving = matches!(state.task(ix).stage, Stage::Conflicted);
    (!resolving, Reverse(plan.spec_of(ix).priority), Reverse(plan.task(ix).remaining), ix)
}
