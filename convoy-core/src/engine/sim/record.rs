//! What the stored log says, followed event by event, and what it allows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::git::SimGit;
use crate::event::{AgentOutcome, ConvoyEvent, Event, EventRecord, PublishEvent, TaskEvent, Work};
use crate::plan::Plan;
use crate::schedule::tests::invariants::Watch;
use crate::schedule::{Action, EndOrder, PublishOrder, SnapshotOrder, WorkOrder};
use crate::state::{Moving, Prepared, RunState};
use crate::types::{AttemptNo, Oid, TaskIx};

/// What the log says of one attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    base: Oid,
    /// How often the task had been taken up again by a person.
    life: u32,
    pub(super) ended: Option<AgentOutcome>,
    work: Option<Work>,
    queued: bool,
    prepared: Vec<Prepared>,
    pub(super) landed: Option<Oid>,
    done: bool,
}

/// The log as a state and as facts.
pub(super) struct Record {
    rules: Watch,
    pub(super) last_seq: u64,
    pub(super) attempts: HashMap<(TaskIx, AttemptNo), Attempt>,
    lives: Vec<u32>,
    /// Tasks whose newest work was bought and has no reason to be bought again.
    bought: HashSet<TaskIx>,
    moves: Vec<Moving>,
}

/// Why something may not be.
pub(super) type Wrong = Result<(), String>;

pub(super) fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Wrong {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Record {
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        Self {
            rules: Watch::replayed(plan, &[]),
            last_seq: 0,
            attempts: HashMap::new(),
            lives: vec![0; plan.len()],
            bought: HashSet::new(),
            moves: Vec::new(),
        }
    }

    pub(super) fn state(&self) -> &RunState {
        self.rules.state()
    }

    /// The first dispute that nobody has closed.
    /// A dead letter that nobody has closed.
    pub(super) fn open_letter(&self) -> Option<String> {
        let mut tasks = self.state().plan().indices().map(|ix| self.state().task(ix));
        let open = |letter: &(String, bool)| letter.1.then(|| letter.0.clone());
        tasks.find_map(|task| task.dead_letter.as_ref().and_then(open))
    }

    pub(super) fn open_dispute(&self) -> Option<String> {
        let mut tasks = self.state().plan().indices().map(|ix| self.state().task(ix));
        let open = |dispute: &(String, bool)| dispute.1.then(|| dispute.0.clone());
        tasks.find_map(|task| task.review.dispute.as_ref().and_then(open))
    }

    /// Follows an event that became durable. Panics when the rules of the decisions do not allow it.
    pub(super) fn follow(&mut self, record: &EventRecord, git: &SimGit) -> Wrong {
        self.last_seq = record.seq;
        let wrong = crate::event::schema::mistakes(&record.event);
        must(wrong.is_empty(), || format!("not as its schema says: {wrong:?}"))?;
        match &record.event {
            // The first event made the state.
            Event::Convoy(ConvoyEvent::Started(_)) => return Ok(()),
            Event::Convoy(ConvoyEvent::TasksAdded { total, .. }) => {
                self.lives.resize(*total as usize, 0);
            }
            Event::Convoy(ConvoyEvent::Retried { tasks, .. }) => {
                for task in tasks {
                    self.lives[task.index()] += 1;
                    self.bought.remove(task);
                }
            }
            Event::Convoy(_) => {}
            Event::Publish(event) => self.publish(event, git)?,
            Event::Task { task, attempt, event, .. } => {
                if let Some(attempt) = attempt {
                    self.task(*task, *attempt, event, git)?;
                }
            }
        }
        self.rules.event(&record.event, record.time);
        Ok(())
    }

    fn publish(&mut self, event: &PublishEvent, git: &SimGit) -> Wrong {
        match event {
            PublishEvent::Started { from, to, tip, checkout, lock } => {
                let (from, to, tip) = (from.clone(), to.clone(), tip.clone());
                self.moves.push(Moving { from, to, tip, checkout: checkout.clone(), lock: lock.clone() });
            }
            PublishEvent::Published { commit, tip, .. } => {
                let holds =
                    git.reaches(git.branch, git.find(tip)?) && git.reaches(git.branch, git.find(commit)?);
                must(holds, || format!("published, but the branch does not hold {tip}"))?;
                must(git.files == git.branch, || "published, but the files did not follow".into())?;
            }
            PublishEvent::Voided { .. } | PublishEvent::Blocked { .. } => {}
        }
        Ok(())
    }

    fn task(&mut self, task: TaskIx, number: AttemptNo, event: &TaskEvent, git: &SimGit) -> Wrong {
        let key = (task, number);
        if let TaskEvent::Assigned { base, .. } = event {
            must(!self.bought.contains(&task), || format!("{key:?} buys finished work again"))?;
            must(git.position(git.find(base)?).is_some(), || format!("{key:?} begins beside the ref"))?;
            self.dependencies_are_in(task, base, git)?;
            let (base, life) = (base.clone(), self.lives[task.index()]);
            let (prepared, landed) = (Vec::new(), None);
            let new =
                Attempt { base, life, ended: None, work: None, queued: false, prepared, landed, done: false };
            must(self.attempts.insert(key, new).is_none(), || format!("{key:?} is assigned twice"))?;
            return Ok(());
        }
        if let TaskEvent::Accepted { work, .. } = event {
            let (base, life) = (work.base.clone(), self.lives[task.index()]);
            let (ended, work) = (Some(AgentOutcome::Succeeded), Some(work.clone()));
            let (prepared, landed) = (Vec::new(), None);
            let new = Attempt { base, life, ended, work, queued: false, prepared, landed, done: false };
            must(self.attempts.insert(key, new).is_none(), || format!("{key:?} is accepted twice"))?;
            return Ok(());
        }
        match event {
            TaskEvent::AgentEnded { outcome: AgentOutcome::Succeeded, .. } => drop(self.bought.insert(task)),
            TaskEvent::Retried { failure: Some(_), .. } | TaskEvent::Conflict { .. } => {
                self.bought.remove(&task);
            }
            _ => {}
        }
        let Some(attempt) = self.attempts.get_mut(&key) else { return Ok(()) };
        match event {
            TaskEvent::AgentEnded { outcome, .. } => attempt.ended = Some(outcome.clone()),
            TaskEvent::Hook(hook) => {
                if let (Some(ended), Some(failure)) = (&mut attempt.ended, hook.failure()) {
                    must(*ended == AgentOutcome::Succeeded, || format!("{key:?} runs hooks for nothing"))?;
                    *ended = AgentOutcome::Failed { failure };
                }
            }
            TaskEvent::Snapshot { work, .. } => attempt.work.clone_from(work),
            TaskEvent::Queued { .. } => attempt.queued = true,
            TaskEvent::Prepared { commit, onto, .. } => {
                attempt.prepared.push(Prepared { commit: commit.clone(), onto: onto.clone() });
            }
            TaskEvent::Unprepared { commit, .. } => {
                let lost = git.position(git.find(commit)?).is_none();
                must(lost, || format!("{key:?} lands {commit} and prepares it again"))?;
            }
            TaskEvent::Landed { commit } => {
                attempt.landed = Some(commit.clone());
                let there = git.position(git.find(commit)?).is_some();
                must(there, || format!("{key:?} is said to have landed, and has not"))?;
            }
            TaskEvent::Done { commit, .. } => {
                attempt.done = true;
                let there = commit.as_ref().map(|c| git.find(c)).transpose()?.map(|c| git.position(c));
                must(there != Some(None), || format!("{key:?} is done, and its commit has not landed"))?;
                let life = attempt.life;
                must(life == self.lives[task.index()], || format!("{key:?} ends an earlier life"))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn dependencies_are_in(&self, task: TaskIx, base: &Oid, git: &SimGit) -> Wrong {
        let base = git.position(git.find(base)?);
        for dep in &self.state().plan().task(task).depends_on {
            if let Some(commit) = &self.state().task(*dep).commit {
                let landed = git.position(git.find(commit)?);
                must(landed.is_some() && landed <= base, || {
                    format!("{task:?} starts without the work of {dep:?}")
                })?;
            }
        }
        Ok(())
    }

    /// Whether what is durable allows this action.
    pub(super) fn allows(&self, action: &Action) -> Wrong {
        let not = |why: &str| Err(format!("{why}: {action:?}"));
        match action {
            Action::Work(order) => self.allows_work(order),
            Action::Snapshot(order) => self.allows_snapshot(order),
            Action::Check(order) => match self.attempts.get(&(order.task, order.attempt)) {
                Some(attempt) if attempt.work.as_ref() == Some(&order.work) && !attempt.done => Ok(()),
                _ => not("a check of work that is not recorded"),
            },
            Action::Prepare { task, attempt, work, .. } => match self.attempts.get(&(*task, *attempt)) {
                Some(a) if a.queued && a.work.as_ref() == Some(work) && a.landed.is_none() => Ok(()),
                _ => not("a landing of work that is not recorded as checked"),
            },
            Action::Advance { task, attempt, prepared } => match self.attempts.get(&(*task, *attempt)) {
                Some(a) if a.landed.is_none() && self.is_recorded(a.prepared.last(), prepared) => Ok(()),
                _ => not("the ref is to move to a commit that is not recorded"),
            },
            Action::Publish(PublishOrder::Move { moving, .. }) if !self.moves.contains(moving) => {
                not("the branch is to move, and that is not recorded")
            }
            Action::Verify(order) => {
                let mut under_way = self.state().verification().under_way();
                let recorded = under_way.any(|run| run.run == order.run && run.commit == order.commit);
                must(recorded, || format!("a run that is not recorded: {order:?}"))
            }
            Action::End(EndOrder::Gates { round, commit }) => match &self.state().ending().round {
                Some(recorded) if recorded.number == *round && recorded.commit == *commit => Ok(()),
                _ => not("gates of the convoy that are not recorded"),
            },
            Action::End(EndOrder::Hook { index, .. }) if self.state().ending().hook != Some(*index) => {
                not("a hook that is not recorded")
            }
            Action::End(EndOrder::Guard) if self.state().totals().open > 0 => {
                not("the guard looks too early")
            }
            Action::End(EndOrder::Guard | EndOrder::Hook { .. })
            | Action::Publish(_)
            | Action::Stop { .. }
            | Action::StopEnd { .. }
            | Action::StopVerify { .. }
            | Action::AskPlace { .. }
            | Action::LeavePlace { .. } => Ok(()),
        }
    }

    /// Whether the ref may move so. With `merge.verify` several may land at once: the last of them says where.
    fn is_recorded(&self, last: Option<&Prepared>, moves: &Prepared) -> bool {
        last.is_some_and(|last| match self.state().verifies() {
            true => last.commit == moves.commit && *self.state().tip() == moves.onto,
            false => last == moves,
        })
    }

    fn allows_work(&self, order: &WorkOrder) -> Wrong {
        let Some(attempt) = self.attempts.get(&(order.task, order.attempt)) else {
            return Err(format!("an agent is to start that is not recorded: {order:?}"));
        };
        must(attempt.base == order.base, || format!("another base than recorded: {order:?}"))?;
        must(attempt.ended.is_none(), || format!("an agent that had ended is to start again: {order:?}"))
    }

    fn allows_snapshot(&self, order: &SnapshotOrder) -> Wrong {
        let attempt = self.attempts.get(&(order.task, order.attempt));
        let Some(AgentOutcome::Succeeded) = attempt.and_then(|attempt| attempt.ended.as_ref()) else {
            let ended = attempt.is_some_and(|attempt| attempt.ended.is_some());
            return must(ended && !order.succeeded, || format!("the agent's end is not recorded: {order:?}"));
        };
        must(order.succeeded, || format!("the agent succeeded: {order:?}"))
    }

    /// What holds between log and repository once the convoy has ended and is published.
    pub(super) fn at_the_end(&self, git: &SimGit) -> Wrong {
        let state = self.state();
        must(state.ended().is_some() && state.is_published(), || "the convoy has not ended".into())?;
        must(git.is_whole(), || "the integration ref went back".into())?;
        must(git.reaches(git.branch, git.tip()), || "not everything is on the branch".into())?;
        must(git.find(state.tip())? == git.tip(), || "the log does not know the tip".into())?;
        must(git.keeps_the_users(), || "a commit of the user's is lost".into())?;
        self.state().plan().indices().try_for_each(|task| self.landings_of(task, git))
    }

    fn landings_of(&self, task: TaskIx, git: &SimGit) -> Wrong {
        let state = self.state().task(task);
        let mut lives = HashSet::new();
        for (number, commit) in git.landings(task) {
            let attempt = self.attempts.get(&(task, number));
            let Some(attempt) = attempt.filter(|a| a.done && a.landed == Some(super::git::name(commit)))
            else {
                return Err(format!("{task:?} {number:?} landed, and the log does not say so"));
            };
            must(lives.insert(attempt.life), || format!("{task:?} landed twice in one life"))?;
        }
        let now = lives.contains(&self.lives[task.index()]);
        let done = state.stage.status() == crate::types::TaskStatus::Done;
        must(now == (done && !state.no_changes), || {
            format!("{task:?} is {:?}, landed: {now}", state.stage.kind())
        })?;
        must(lives.is_empty() == state.commit.is_none(), || {
            format!("{task:?} shows a commit that it has not")
        })
    }
}
