//! What survives the engine: the repository, the agents' processes, time, and what was seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::git::SimGit;
use super::places::Desks;
use super::record::{Record, Wrong, must};
use super::rng::Rng;
use crate::clock::Clock;
use crate::plan::Plan;
use crate::schedule::Action;
use crate::schedule::tests::build::START;
use crate::state::Stage;
use crate::types::{AttemptNo, BoxFuture, Failure, FailureKind, Oid, TaskIx, Timestamp};

/// Lines that a failure shows.
const SHOWN: usize = 60;

/// How a seed lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story {
    pub(super) seed: u64,
    /// Cancels, stops and retries by people happen, and luck follows the attempt. A story that is not wild
    /// comes to the same end whatever disturbs it.
    pub(super) wild: bool,
    /// Crashes, interrupts and the like happen.
    pub(super) disturbed: bool,
    /// Every rule is looked at after every step. Off only where a convoy is very large.
    pub(super) watched: bool,
    /// What happens is written down for a person to read.
    pub(super) traced: bool,
}

/// What kind of thing is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    Working(TaskIx),
    Checking(TaskIx),
    Landing,
    Verifying(u32),
    Publishing,
    Ending,
}

pub(super) struct Inner {
    pub(super) story: Story,
    pub(super) plan: Arc<Plan>,
    pub(super) rng: Rng,
    pub(super) git: SimGit,
    pub(super) record: Record,
    pub(super) desks: Desks,
    /// Agent processes.
    pub(super) agents: BTreeMap<TaskIx, AttemptNo>,
    /// Tasks whose slot, locks and files are in use.
    pub(super) occupied: BTreeSet<TaskIx>,
    /// Tasks with a worktree.
    pub(super) worktrees: BTreeSet<TaskIx>,
    /// Agents that ran to their end.
    pub(super) bought: BTreeMap<(TaskIx, AttemptNo), u32>,
    /// How often an agent of a task met a limit of its provider.
    limits: BTreeMap<TaskIx, u32>,
    /// Work with which `merge.verify` fails.
    pub(super) bad: BTreeSet<(TaskIx, AttemptNo)>,
    /// How often which tree was verified to the end.
    pub(super) verified: BTreeMap<Oid, u32>,
    /// What is being done in this life of the engine.
    pub(super) doing: BTreeMap<Doing, usize>,
    /// Nothing of the user's is in the way any more, nobody else moves anything.
    pub(super) calm: bool,
    /// Steps so far; the engine dies at one of them, git fails at another.
    pub(super) steps: u64,
    pub(super) dies_at: Option<u64>,
    pub(super) breaks_at: Option<u64>,
    /// When this life of the engine began: by the convoy's time, and by tokio's.
    pub(super) life_began: Timestamp,
    life_began_at: Option<Instant>,
    /// Whether the convoy had ended when this life began.
    pub(super) began_ended: bool,
    dead: bool,
    violation: Option<String>,
    trace: VecDeque<String>,
}

/// The world of one convoy.
pub(super) struct World {
    inner: Mutex<Inner>,
    died: Notify,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    pub(super) fn new(story: Story, plan: &Arc<Plan>) -> Arc<Self> {
        let inner = Inner {
            story,
            plan: plan.clone(),
            rng: Rng::keyed(&[story.seed, 1]),
            git: SimGit::new(),
            record: Record::new(plan),
            desks: Desks::default(),
            agents: BTreeMap::new(),
            occupied: BTreeSet::new(),
            worktrees: BTreeSet::new(),
            bought: BTreeMap::new(),
            limits: BTreeMap::new(),
            bad: BTreeSet::new(),
            verified: BTreeMap::new(),
            doing: BTreeMap::new(),
            calm: !story.disturbed,
            steps: 0,
            dies_at: None,
            breaks_at: None,
            life_began: START,
            life_began_at: None,
            began_ended: false,
            dead: false,
            violation: None,
            trace: VecDeque::new(),
        };
        Arc::new(Self { inner: Mutex::new(inner), died: Notify::new() })
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        // A rule that panics leaves nothing that is looked at later but the trace.
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A moment at which the engine may die: then nothing follows any more.
    pub(super) fn step(&self, what: impl FnOnce() -> String) -> Moment {
        let dead = self.with(|w| {
            w.steps += 1;
            w.note(what);
            w.dead |= w.dies_at.is_some_and(|at| w.steps >= at);
            w.dead
        });
        if dead {
            self.with(|w| w.note(|| "the engine dies".into()));
            self.died.notify_one();
        }
        Moment { dead }
    }

    /// Completes when the engine dies.
    pub(super) async fn died(&self) {
        self.died.notified().await;
    }

    /// Looks at a rule. One that does not hold ends everything.
    pub(super) fn rule(&self, holds: Wrong) {
        if let Err(wrong) = holds {
            self.with(|w| {
                w.note(|| format!("WRONG: {wrong}"));
                w.violation.get_or_insert(wrong);
                w.dead = true;
            });
            self.died.notify_one();
        }
    }

    /// Waits up to so many milliseconds.
    pub(super) async fn nap(&self, most: u64) {
        let millis = self.with(|w| w.rng.below(most + 1));
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// A new engine takes over, some time later. What the dead one left running is ended first.
    pub(super) fn revive(&self) {
        self.with(|w| {
            let pause = Duration::from_millis(w.rng.below(3_000));
            // Now and then somebody sets the clock back.
            let back = if w.story.disturbed && w.rng.one_in(8) { 5_000 } else { 0 };
            w.life_began = Timestamp(w.now().plus(pause).0 - back);
            w.began_ended = w.record.state().ended().is_some();
            w.life_began_at = None;
            (w.dead, w.dies_at, w.breaks_at) = (false, None, None);
            w.doing.clear();
            w.occupied.clear();
            w.agents.clear();
            w.note(|| "---- an engine takes over".into());
        });
    }

    /// The time begins to pass in a life of the engine.
    pub(super) fn begin_life(&self) {
        self.with(|w| w.life_began_at = Some(Instant::now()));
    }

    /// The first rule that did not hold, and what happened before.
    pub(super) fn verdict(&self) -> Wrong {
        self.with(|w| match w.violation.take() {
            None => Ok(()),
            Some(wrong) => Err(format!("{wrong}\n{}", Vec::from(std::mem::take(&mut w.trace)).join("\n"))),
        })
    }

    /// What happened before, for a failure that is no rule.
    pub(super) fn trace(&self) -> String {
        self.with(|w| Vec::from(std::mem::take(&mut w.trace)).join("\n"))
    }
}

impl Inner {
    pub(super) fn now(&self) -> Timestamp {
        match self.life_began_at {
            Some(began) => self.life_began.plus(began.elapsed()),
            None => self.life_began,
        }
    }

    /// Whether an engine runs the convoy.
    pub(super) fn is_live(&self) -> bool {
        self.life_began_at.is_some()
    }

    /// The time no longer passes: the life is over.
    pub(super) fn end_life(&mut self) {
        self.life_began = self.now();
        self.life_began_at = None;
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.story.traced {
            let line = format!("{:>7} {}", self.now().0 - START.0, what());
            self.trace.push_back(line);
            if self.trace.len() > SHOWN {
                self.trace.pop_front();
            }
        }
    }

    /// What the seed has in store for the part `salt` of a task. In a story that is not wild it follows the
    /// retries only, so that no crash and no order of landing changes it.
    pub(super) fn luck(&self, task: TaskIx, salt: u64) -> Rng {
        let state = self.record.state().task(task);
        let tries = u64::from(state.retries) + u64::from(state.escalated);
        let turn = if self.story.wild { 1000 + u64::from(state.attempts) } else { tries };
        Rng::keyed(&[self.story.seed, 2, u64::from(task.0), salt, turn])
    }

    /// Whether the seed lets this part of a task fail.
    pub(super) fn fails(&self, task: TaskIx, salt: u64) -> bool {
        // Whether there is a conflict follows the order of landing.
        let spared = !self.story.wild && self.record.state().task(task).conflicts > 0;
        let badness = match &self.plan.spec().circuit_breaker {
            // Where one failure rests a role, it is to be seen what its rest does.
            Some(breaker) if breaker.threshold == 1 => 12,
            _ => Rng::keyed(&[self.story.seed, 3]).of(&[0, 5, 20]),
        };
        !spared && self.luck(task, salt).percent(badness)
    }

    /// The limit of a provider that an agent of this task meets. It meets few of them, whatever its attempts
    /// come to, since a limit is no reason to give a task up.
    pub(super) fn limited(&mut self, task: TaskIx) -> Option<Failure> {
        let met = self.limits.entry(task).or_default();
        let mut luck = Rng::keyed(&[self.story.seed, 10, u64::from(task.0), u64::from(*met)]);
        if !self.story.watched || *met >= 2 || !luck.percent(8) {
            return None;
        }
        *met += 1;
        let wait = luck.of(&[None, Some(1), Some(30), Some(600)]);
        let retry_at = wait.map(|seconds| self.now().plus(Duration::from_secs(seconds)));
        Some(Failure { retry_at, ..Failure::new(FailureKind::RateLimit, "the limit is reached") })
    }

    /// Whether reviewers never like what becomes of a task; it is tried often enough for a dispute.
    pub(super) fn is_stubborn(&self, task: TaskIx) -> bool {
        let luck = || Rng::keyed(&[self.story.seed, 7, u64::from(task.0)]).one_in(2);
        self.plan.spec_of(task).max_retries >= 2 && luck()
    }

    /// Whether the seed lets a gate of the convoy fail. In a story that is not wild it follows how often something
    /// was mended.
    pub(super) fn gate_of_convoy_fails(&self, gate: u64) -> bool {
        let ending = self.record.state().ending();
        let turn = u64::from(if self.story.wild { ending.rounds } else { ending.fixes });
        Rng::keyed(&[self.story.seed, 7, gate, turn]).percent(30)
    }

    /// Whether an agent does not get a conflict resolved.
    pub(super) fn gives_up(&self, task: TaskIx) -> bool {
        // By the task, so that one that gives up does so at every try: only then is the work given up as well.
        self.story.wild && Rng::keyed(&[self.story.seed, 9, u64::from(task.0)]).percent(95)
    }

    /// The tasks whose work conflicts with that of this one; at most two where the end must be sure, since
    /// an agent is asked to resolve twice.
    pub(super) fn rivals(&self, task: TaskIx) -> impl Iterator<Item = TaskIx> + use<> {
        let (seed, size) = (self.story.seed, u32::try_from(self.plan.len()).expect("small"));
        let odds = if self.story.wild { 95 } else { 70 };
        let conflicting = self.story.watched && Rng::keyed(&[seed, 4]).percent(odds);
        let near = [task.0.wrapping_sub(1), task.0 + 1].into_iter();
        let all = (0..if self.story.wild { size } else { 0 }).filter(move |other| {
            let pair = [task.0.min(*other), task.0.max(*other)].map(u64::from);
            Rng::keyed(&[seed, 5, pair[0], pair[1]]).one_in(2)
        });
        let rivals = near.filter(move |other| *other < size).chain(all);
        rivals.filter(move |other| conflicting && *other != task.0).map(TaskIx)
    }

    /// Something begins: looks whether the log, the slots, the locks and the files allow it.
    pub(super) fn begin(&mut self, action: &Action) -> Result<Doing, String> {
        let doing = match action {
            Action::Work(order) => Doing::Working(order.task),
            Action::Snapshot(order) => Doing::Working(order.task),
            Action::Check(order) => Doing::Checking(order.task),
            Action::Prepare { .. } | Action::Advance { .. } => Doing::Landing,
            Action::Verify(order) => Doing::Verifying(order.run),
            Action::Publish(_) => Doing::Publishing,
            Action::End(_) => Doing::Ending,
            Action::Stop { .. }
            | Action::StopEnd { .. }
            | Action::StopVerify { .. }
            | Action::AskPlace { .. }
            | Action::LeavePlace { .. } => return Err("that is for the driver to do".into()),
        };
        *self.doing.entry(doing).or_default() += 1;
        if self.story.watched {
            self.record.allows(action)?;
            must(self.doing[&doing] == 1, || format!("{doing:?} twice at once"))?;
            let checks = self.doing.keys();
            let checks =
                checks.filter(|doing| matches!(doing, Doing::Checking(_) | Doing::Verifying(_))).count();
            let slots = self.record.state().slot_limit() as usize;
            must(checks <= slots, || format!("{checks} checks at once with {slots} slots"))?;
        }
        if let Doing::Working(task) = doing {
            self.occupy(task, matches!(action, Action::Work(_)))?;
        }
        Ok(doing)
    }

    fn occupy(&mut self, task: TaskIx, starts: bool) -> Wrong {
        let new = self.occupied.insert(task);
        must(new || !starts, || format!("{task:?} starts while it is at work"))?;
        let slots = self.record.state().slot_limit() as usize;
        must(self.occupied.len() <= slots, || format!("{} at work with {slots} slots", self.occupied.len()))?;
        if !self.story.watched {
            return Ok(());
        }
        let spec = self.plan.spec_of(task);
        for (lock, permits) in self.plan.spec().locks.iter().filter(|(lock, _)| spec.locks.contains(lock)) {
            let users = self.occupied.iter().filter(|ix| self.plan.spec_of(**ix).locks.contains(lock));
            let users = users.count();
            must(users <= *permits as usize, || format!("{users} hold {lock} with {permits} permits"))?;
        }
        let both = self.plan.task(task).overlaps.iter().find(|other| self.occupied.contains(other));
        must(both.is_none(), || format!("{task:?} and {both:?} work on the same files"))
    }

    /// Now and then somebody else, an agent perhaps, moves or deletes the integration ref.
    pub(super) fn meddle(&mut self) {
        if !self.calm && self.rng.one_in(20) {
            self.git.meddle(&mut self.rng);
            self.note(|| "somebody else moves the integration ref".into());
        }
    }

    /// Whether git fails now; it does so once.
    pub(super) fn breaks(&mut self) -> bool {
        let now = self.breaks_at.is_some_and(|at| self.steps >= at);
        if now {
            self.breaks_at = None;
            self.note(|| "git fails".into());
        }
        now
    }

    /// What holds when an engine has ended in order. `recorded`: its store did not fail.
    pub(super) fn after_life(&self, recorded: bool) -> Wrong {
        let state = self.record.state();
        must(self.doing.is_empty(), || format!("left under way: {:?}", self.doing))?;
        must(self.agents.is_empty(), || format!("agents left running: {:?}", self.agents))?;
        for (key, times) in &self.bought {
            must(*times == 1, || format!("{key:?} was bought {times} times"))?;
            let known = self.record.attempts.get(key).is_some_and(|attempt| attempt.ended.is_some());
            must(known || !recorded, || format!("{key:?} came to its end, and the log does not say so"))?;
        }
        if state.ended().is_some() {
            must(self.occupied.is_empty(), || format!("ended, and still at work: {:?}", self.occupied))?;
            let last = |ix: &TaskIx| matches!(state.task(*ix).stage, Stage::Working { .. });
            must(!self.plan.indices().any(|ix| last(&ix)), || "ended with an agent at work".into())?;
        }
        Ok(())
    }
}

/// Completes at once, unless the engine is dead.
#[derive(Debug)]
pub(super) struct Moment {
    dead: bool,
}

impl Future for Moment {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.dead { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// Keeps an entry of [`Inner::doing`] while something is being done.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) world: Arc<World>,
    pub(super) doing: Doing,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.world.with(|w| {
            if let Some(count) = w.doing.get_mut(&self.doing) {
                *count -= 1;
                if *count == 0 {
                    w.doing.remove(&self.doing);
                }
            }
        });
    }
}

/// The time of a world; it passes as tokio's does, and goes on from life to life.
#[derive(Debug)]
pub(super) struct SimClock(pub(super) Arc<World>);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.0.with(|w| w.now())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
