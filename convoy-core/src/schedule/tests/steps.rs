//! Answers given by hand: each step of a task by name.

use std::sync::Arc;

use super::build::{artifacts, oid};
use super::world::{Open, World, agent_end, hook, is_last_word, started, task_of};
use crate::event::{AgentOutcome, Event, VerifyOutcome, Work};
use crate::plan::Plan;
use crate::schedule::{Action, AdvanceReport, Input, PrepareReport, PublishOrder, PublishReport, Report};
use crate::schedule::{SnapshotReport, Turn, VerifyReport};
use crate::spec::HookMoment;
use crate::state::{Prepared, Stage, StageKind, TaskState};
use crate::types::{Artifact, AttemptNo, Failure, FailureKind, Oid, TaskId, TaskIx, TaskStatus};

/// The public names of the events of a turn.
pub(super) fn names(turn: &Turn) -> Vec<&'static str> {
    turn.events.iter().map(Event::type_name).collect()
}

/// The paths that every conflict here is about.
pub(super) const FILES: [&str; 2] = ["a.rs", "b.rs"];

impl World {
    pub(super) fn ix(&self, id: &str) -> TaskIx {
        self.state().plan().find(&TaskId::new(id).expect("valid")).expect("a task of this convoy")
    }

    pub(super) fn task(&self, id: &str) -> &TaskState {
        self.state().task(self.ix(id))
    }

    pub(super) fn stage(&self, id: &str) -> StageKind {
        self.task(id).stage.kind()
    }

    pub(super) fn status(&self, id: &str) -> TaskStatus {
        self.task(id).stage.status()
    }

    /// What is under way for a task.
    pub(super) fn asked(&self, id: &str) -> Option<&Action> {
        let ix = self.ix(id);
        self.open.iter().map(|open| &open.action).find(|action| task_of(action) == Some(ix))
    }

    /// A report of a task's newest attempt. What it answers is over with it, if it is a last word.
    pub(super) fn say(&mut self, id: &str, report: Report) -> Turn {
        let ix = self.ix(id);
        let over = is_last_word(&report) && !matches!(report, Report::Started(_) | Report::Spawned { .. });
        let at = self.open.iter().position(|open| task_of(&open.action) == Some(ix));
        if let (Some(at), true) = (at, over) {
            self.open.remove(at);
        }
        let attempt = AttemptNo(self.task(id).attempts);
        self.input(Input::worker(ix, attempt, report))
    }

    pub(super) fn starts(&mut self, id: &str) -> Turn {
        self.say(id, Report::Started(started()))
    }

    pub(super) fn agent_ends(&mut self, id: &str, outcome: AgentOutcome) -> Turn {
        self.say(id, Report::AgentEnded(agent_end(outcome)))
    }

    pub(super) fn agent_fails(&mut self, id: &str, kind: FailureKind) -> Turn {
        self.agent_ends(id, AgentOutcome::Failed { failure: Failure::new(kind, "it did not work") })
    }

    /// The tree of an attempt became a commit.
    pub(super) fn snapshot(&mut self, id: &str, changed: bool) -> Turn {
        let n = 100 + u64::from(self.ix(id).0) * 100 + u64::from(self.task(id).attempts);
        let work = Work { changed, ..self.work_of(id) };
        let succeeded =
            matches!(&self.task(id).stage, Stage::Snapshotting { outcome: AgentOutcome::Succeeded, .. });
        let left =
            if succeeded { artifacts(self.state().plan().spec_of(self.ix(id)), n) } else { Vec::new() };
        self.taken(id, work, left, None)
    }

    /// The work of a task's newest attempt.
    pub(super) fn work_of(&self, id: &str) -> Work {
        let n = 100 + u64::from(self.ix(id).0) * 100 + u64::from(self.task(id).attempts);
        let (commit, tree, base) = (oid(n), oid(n + 50), self.state().tip().clone());
        Work { commit, tree, base, changed: true, kept_ref: "refs/convoy/test/kept".into() }
    }

    /// The tree of an attempt became a commit, with these artifacts.
    pub(super) fn taken(
        &mut self,
        id: &str,
        work: Work,
        artifacts: Vec<Artifact>,
        unfit: Option<Failure>,
    ) -> Turn {
        let taken = SnapshotReport::Taken { work, rebased: false, files_changed: Some(1), artifacts, unfit };
        self.say(id, Report::Snapshot(taken))
    }

    /// The agent succeeds, and its work is a commit.
    pub(super) fn works(&mut self, id: &str) -> Turn {
        self.agent_ends(id, AgentOutcome::Succeeded);
        self.snapshot(id, true)
    }

    /// A hook ends.
    pub(super) fn hook(&mut self, id: &str, on: HookMoment, passed: bool) -> Turn {
        self.say(id, Report::Hook(hook(on, passed)))
    }

    pub(super) fn passes(&mut self, id: &str) -> Turn {
        self.say(id, Report::Checked(None))
    }

    pub(super) fn gate_fails(&mut self, id: &str) -> Turn {
        let failure = Failure::new(FailureKind::Gate("npm test".into()), "exit code 1");
        self.say(id, Report::Checked(Some(failure)))
    }

    /// The landing commit is written.
    pub(super) fn prepares(&mut self, id: &str) -> Turn {
        let n = (self.log.len() * 1_000 + self.trees.len()) as u64;
        let (commit, onto) = (oid(900_000_000 + n), self.onto(id));
        let prepared = Prepared { commit, onto };
        if self.state().verifies() {
            let tree = oid(990_000_000 + n);
            return self.merges(id, prepared, tree);
        }
        self.say(id, Report::Prepared(PrepareReport::Prepared(prepared)))
    }

    /// What the work of a task is being merged onto.
    fn onto(&self, id: &str) -> Oid {
        match self.asked(id) {
            Some(Action::Prepare { tip, .. }) => tip.clone(),
            other => panic!("{id} is not to be prepared: {other:?}"),
        }
    }

    /// The work of a task is merged to this tree, as a candidate.
    pub(super) fn merges(&mut self, id: &str, prepared: Prepared, tree: Oid) -> Turn {
        self.trees.insert(prepared.commit.clone(), tree.clone());
        let onto_tree = self.tree_of(&prepared.onto);
        self.say(id, Report::Prepared(PrepareReport::Candidate { prepared, tree, onto_tree }))
    }

    /// The oldest run of `merge.verify` ends.
    pub(super) fn verified(&mut self, passed: bool) -> Turn {
        let runs = self.open.iter().filter_map(|open| match &open.action {
            Action::Verify(order) => Some(order.run),
            _ => None,
        });
        let run = runs.min().expect("a run is under way");
        self.run_ends(run, if passed { VerifyOutcome::Passed } else { VerifyOutcome::Failed })
    }

    /// A run of `merge.verify` ends so.
    pub(super) fn run_ends(&mut self, run: u32, outcome: VerifyOutcome) -> Turn {
        let is = |open: &Open| matches!(&open.action, Action::Verify(order) if order.run == run);
        let at = self.open.iter().position(is).expect("the run is under way");
        self.open.remove(at);
        let red = || Failure::new(FailureKind::Verify("npm test".into()), "exit code 1");
        let failure = (outcome == VerifyOutcome::Failed).then(red);
        let report = VerifyReport { outcome, failure, duration_ms: 1, changed_files: Vec::new() };
        self.input(Input::Verify { run, report })
    }

    pub(super) fn conflicts(&mut self, id: &str) -> Turn {
        let files = FILES.map(str::to_owned).to_vec();
        let onto = self.state().tip().clone();
        let (tree, conflicts) = (oid(77), Vec::new());
        self.say(id, Report::Prepared(PrepareReport::Conflict { files, onto, tree, conflicts }))
    }

    pub(super) fn advances(&mut self, id: &str) -> Turn {
        let Some(Action::Advance { prepared, .. }) = self.asked(id).cloned() else {
            panic!("{id} is not to be advanced")
        };
        self.land(&prepared);
        self.say(id, Report::Advanced(AdvanceReport::Landed))
    }

    /// Everything from the agent's end to the landing.
    pub(super) fn lands(&mut self, id: &str) -> Turn {
        self.works(id);
        self.passes(id);
        self.prepares(id);
        if self.state().verifies() {
            self.verified(true);
        }
        self.advances(id)
    }

    /// Answers what is asked about the user's branch: it can be moved, and is.
    pub(super) fn publishes(&mut self) -> Turn {
        let mut last = Turn::default();
        while let Some(at) = self.open.iter().position(|open| matches!(open.action, Action::Publish(_))) {
            let Action::Publish(order) = self.open.remove(at).action else { panic!("found one") };
            last = self.input(Input::Publish(match order {
                PublishOrder::Plan { tip, .. } => PublishReport::UpToDate { commit: tip.clone(), tip },
                PublishOrder::Move { moving, .. } => PublishReport::Done(moving),
            }));
        }
        last
    }

    pub(super) fn retry(&mut self, ids: &[&str]) -> Turn {
        let tasks = ids.iter().map(|id| self.ix(id)).collect();
        self.input(Input::Retry { tasks, actor: "me".into() })
    }

    /// Time passes until the scheduler wants to be woken.
    pub(super) fn wakes(&mut self) -> Turn {
        self.now = self.scheduler.next_wake().expect("something waits for a time");
        self.input(Input::Tick)
    }
}

/// A way to bring task `a`, the first of its convoy, to a stage.
pub(super) type Bring = fn(&mut World);

/// Every place where a task can be when something happens to the convoy.
pub(super) const PLACES: [(&str, Bring); 8] = [
    ("working, not started", |_| {}),
    ("working", |w| drop(w.starts("a"))),
    ("snapshotting", |w| drop(w.agent_ends("a", AgentOutcome::Succeeded))),
    ("checking", |w| drop(w.works("a"))),
    ("landing, not prepared", |w| {
        w.works("a");
        w.passes("a");
    }),
    ("landing, prepared", |w| {
        w.works("a");
        w.passes("a");
        w.prepares("a");
    }),
    ("waiting to land", |w| {
        w.works("b");
        w.passes("b");
        w.works("a");
        w.passes("a");
    }),
    ("resolving a conflict", |w| {
        w.works("a");
        w.passes("a");
        w.conflicts("a");
    }),
];

/// A convoy whose task `a` is in this place.
pub(super) fn brought(plan: &Arc<Plan>, bring: Bring) -> World {
    let mut world = World::new(plan);
    bring(&mut world);
    world
}
