//! Landing with `merge.verify`: what waits is merged onto the tip in memory, and the ref moves only to what passed.

mod arrive;
#[cfg(test)]
mod model;
mod policy;
mod runs;
mod verdict;

use std::collections::BTreeMap;

pub(super) use self::policy::{Place, Rank};
use self::policy::{Prefix, Rules, Seen, Step, fresh, suspects};
use super::handle::{Scheduler, Turn};
use super::input::Action;
use crate::event::VerifyOutcome;
use crate::state::{IllegalEvent, Prepared, Stage};
use crate::types::{AttemptNo, Failure, Oid, TaskIx, Timestamp};

/// A run of the commands of `merge.verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyOrder {
    /// Its number.
    pub run: u32,
    /// What is judged.
    pub commit: Oid,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// How it ended.
    pub outcome: VerifyOutcome,
    /// What failed, when it failed.
    pub failure: Option<Failure>,
    /// How long it took.
    pub duration_ms: u64,
    /// Files of the merged tree that the commands had changed.
    pub changed_files: Vec<String>,
}

/// Landing commits on top of each other, none of which has landed: made anew by every engine. What counts of them is
/// in the state: verdicts, by tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Train {
    /// What became of merging the work of an attempt onto a commit.
    made: BTreeMap<(Oid, TaskIx, AttemptNo), Made>,
    /// What the task that is being merged is merged onto.
    onto: Option<Oid>,
    /// The runs that are under way, and whether their end was asked for.
    runs: BTreeMap<u32, bool>,
}

#[derive(Debug, Clone)]
enum Made {
    Candidate {
        commit: Oid,
        tree: Oid,
        /// The tree of what it was made on.
        onto_tree: Oid,
    },
    /// It conflicts with work that has not landed, or is in it.
    Apart,
}

impl Train {
    /// Runs that are under way.
    pub(super) fn under_way(&self) -> usize {
        self.runs.len()
    }

    /// The runs that are under way and whose end was not asked for; it is now.
    pub(super) fn runs(&mut self) -> Vec<u32> {
        let goes_on = self.runs.iter_mut().filter(|(_, ends)| !**ends);
        goes_on.map(|(run, ends)| (*run, *ends = true).0).collect()
    }
}

/// A landing commit in memory.
#[derive(Debug, Clone)]
struct Car {
    task: TaskIx,
    commit: Oid,
    onto: Oid,
    tree: Oid,
    onto_tree: Oid,
}

/// Work in the order in which it is merged onto the tip.
#[derive(Debug, Clone)]
struct Lane {
    cars: Vec<Car>,
    /// What is to be merged next, and onto what.
    next: Option<(TaskIx, Oid)>,
    /// How many pieces there are, merged or not.
    length: usize,
}

impl Lane {
    /// The tree of a prefix, as far as it is merged; without any work that of the tip.
    fn tree(&self, prefix: Prefix) -> Option<&Oid> {
        match prefix.count.checked_sub(1) {
            Some(last) => self.cars.get(last).map(|car| &car.tree),
            None => self.cars.first().map(|car| &car.onto_tree),
        }
    }
}

impl Scheduler {
    /// Lands, verifies and merges what can be now.
    pub(super) fn train_next(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        while self.queues.landing.is_none() && !self.land_recorded(now, turn)? {
            let (alone, lanes) = self.lanes();
            self.stop_useless(&lanes, turn);
            if lanes.is_empty() {
                break;
            }
            let rules = self.rules();
            let step = match (alone, lanes.first()) {
                (false, Some(lane)) => fresh(&self.seen(lane), rules),
                _ => {
                    let each: Vec<Seen> = lanes.iter().flat_map(|lane| self.seen(lane)).collect();
                    let tip = lanes.first().and_then(|lane| lane.cars.first());
                    suspects(&each, tip.map_or(Seen::Nothing, |car| self.know(&car.onto_tree)), rules)
                }
            };
            match step {
                Step::Land(Prefix { lane, count }) => {
                    self.record_landing(&lanes[lane].cars[..count], now, turn)?
                }
                Step::SetAside => self.set_aside(&lanes[..1], now, turn)?,
                Step::Blame => self.blame(&lanes, now, turn)?,
                Step::RedTip if self.is_anything_fresh() => self.set_aside(&lanes, now, turn)?,
                Step::RedTip if self.is_help_on_its_way(now) => break,
                Step::RedTip => self.acquit(&lanes, now, turn)?,
                Step::Verify { begin, end } => {
                    for tree in
                        end.iter().filter_map(|prefix| Some(lanes[prefix.lane].tree(*prefix)?.clone()))
                    {
                        self.stop_run(&tree, turn);
                    }
                    return self.verify(&lanes, begin, now, turn);
                }
            }
        }
        Ok(())
    }

    fn rules(&self) -> Rules {
        let number = |n: u32| usize::try_from(n).unwrap_or(usize::MAX).max(1);
        let batch = number(self.state.plan().spec().merge.batch);
        Rules { batch, window: number(self.state.verify_window()) }
    }

    /// What stands in front: either work that was not seen to fail, in one lane, or suspects, each in its own. What
    /// is remembered of others is forgotten.
    fn lanes(&mut self) -> (bool, Vec<Lane>) {
        let reach = self.rules().reach();
        let tip = self.state.tip().clone();
        let line: Vec<(Place, TaskIx)> = {
            let mut line = self.queues.line(&self.state).peekable();
            let alone = line.peek().is_some_and(|(place, _)| place.is_suspect());
            line.take_while(|(place, _)| place.is_suspect() == alone).collect()
        };
        let alone = line.first().is_some_and(|(place, _)| place.is_suspect());
        let before = std::mem::take(&mut self.queues.train.made);
        let mut lanes: Vec<Lane> = Vec::new();
        for (_, task) in line {
            if alone || lanes.is_empty() {
                lanes.push(Lane { cars: Vec::new(), next: None, length: 0 });
            }
            let Some(lane) = lanes.last_mut().filter(|lane| lane.length < reach) else { break };
            let onto = lane.cars.last().map_or(&tip, |car| &car.commit).clone();
            let key = (onto, task, AttemptNo(self.state.task(task).attempts));
            match before.get(&key).filter(|_| lane.next.is_none()) {
                Some(Made::Apart) if key.0 != tip => {
                    self.queues.train.made.insert(key, Made::Apart);
                    continue;
                }
                Some(made @ Made::Candidate { commit, tree, onto_tree }) => {
                    let (commit, onto, tree, onto_tree) =
                        (commit.clone(), key.0.clone(), tree.clone(), onto_tree.clone());
                    lane.cars.push(Car { task, commit, onto, tree, onto_tree });
                    self.queues.train.made.insert(key, made.clone());
                }
                Some(Made::Apart) | None => lane.next = lane.next.take().or(Some((task, key.0))),
            }
            lane.length += 1;
        }
        (alone, lanes)
    }

    /// What is known of a tree.
    fn know(&self, tree: &Oid) -> Seen {
        let known = self.state.verification();
        match known.red(tree) {
            _ if known.under_way().any(|run| run.tree == *tree) => Seen::Running,
            _ if known.is_green(tree) => Seen::Green,
            Some(red) => Seen::Red(red.times),
            None => Seen::Nothing,
        }
    }

    /// What is known of the prefixes of a lane.
    fn seen(&self, lane: &Lane) -> Vec<Seen> {
        let mut seen: Vec<Seen> = lane.cars.iter().map(|car| self.know(&car.tree)).collect();
        seen.resize(lane.length, Seen::Nothing);
        seen
    }

    /// Begins runs, as far as slots are free, and has merged what is missing for them.
    fn verify(
        &mut self,
        lanes: &[Lane],
        begin: Vec<Prefix>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        for prefix in begin {
            let lane = &lanes[prefix.lane];
            match (&lane.next, lane.tree(prefix)) {
                (_, Some(tree)) if self.queues.judged() < self.state.slot_limit() as usize => {
                    self.begin_run(&lane.cars[..prefix.count], tree.clone(), now, turn)?;
                }
                (Some((task, onto)), None) if self.queues.landing.is_none() => {
                    self.couple(*task, onto.clone(), turn);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Has work merged onto a commit.
    fn couple(&mut self, task: TaskIx, onto: Oid, turn: &mut Turn) {
        let state = self.state.task(task);
        if let Stage::Queued { work, .. } = &state.stage {
            let (attempt, work, tip) = (AttemptNo(state.attempts), work.clone(), onto.clone());
            turn.actions.push(Action::Prepare { task, attempt, work, tip });
            self.queues.landing = Some(task);
            self.queues.train.onto = Some(onto);
        }
    }

    /// Whether the work that was to be merged was merged onto work that has not landed.
    pub(super) fn is_coupled_onto_others(&self) -> bool {
        self.queues.train.onto.as_ref().is_some_and(|onto| onto != self.state.tip())
    }

    pub(super) fn candidate(
        &mut self,
        task: TaskIx,
        prepared: Prepared,
        (tree, onto_tree): (Oid, Oid),
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let Prepared { commit, onto } = prepared;
        self.coupled(task, onto, Made::Candidate { commit, tree, onto_tree }, now, turn)
    }

    pub(super) fn stays_apart(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let onto = self.queues.train.onto.clone().unwrap_or_else(|| self.state.tip().clone());
        self.coupled(task, onto, Made::Apart, now, turn)
    }

    fn coupled(
        &mut self,
        task: TaskIx,
        onto: Oid,
        made: Made,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        (self.queues.landing, self.queues.train.onto) = (None, None);
        if !self.end_early(task, now, turn)? {
            let attempt = AttemptNo(self.state.task(task).attempts);
            self.queues.train.made.insert((onto, task, attempt), made);
        }
        Ok(())
    }
}
