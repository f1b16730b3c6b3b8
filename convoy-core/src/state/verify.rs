//! What `merge.verify` has said so far.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::run::RunState;
use crate::event::{ConvoyEvent, VerifyOutcome, VerifyResult, VerifyStarted};
use crate::types::{Failure, Oid, TaskId, TaskIx, Timestamp};

/// Runs that may go at once before any has ended.
const FIRST_WINDOW: u32 = 2;

/// What `merge.verify` has said so far. Verdicts belong to trees: only what is recorded here counts, also after a
/// restart, which makes the candidates anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    runs: u32,
    window: u32,
    under_way: BTreeMap<u32, Verifying>,
    green: BTreeSet<Oid>,
    red: BTreeMap<Oid, Red>,
    /// The commit that was last judged without any work on top of it, with its tree.
    bare: Option<(Oid, Oid)>,
}

/// A run that began and of which the end is not recorded, as `status --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verifying {
    /// Its number.
    pub run: u32,
    /// The tasks whose work is merged onto the tip; none where the tip is judged by itself.
    pub tasks: Vec<TaskId>,
    /// The commit that is judged.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Since when.
    pub since: Timestamp,
}

/// A tree that failed. Forgotten when a person has tasks tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Red {
    /// How often.
    pub times: u32,
    /// How, the last time.
    pub failure: Failure,
}

impl Verification {
    pub(super) fn new() -> Self {
        let (under_way, green, red) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { runs: 0, window: FIRST_WINDOW, under_way, green, red, bare: None }
    }

    /// Runs that began.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// Those of which the end is not recorded, in order.
    pub fn under_way(&self) -> impl Iterator<Item = &Verifying> {
        self.under_way.values()
    }

    /// Whether this tree passed.
    pub fn is_green(&self, tree: &Oid) -> bool {
        self.green.contains(tree)
    }

    /// How this tree failed, where it did.
    pub fn red(&self, tree: &Oid) -> Option<&Red> {
        self.red.get(tree)
    }

    /// Follows an event, where it is about this and can happen. `most`: runs that may go at once at any time.
    pub(super) fn apply(&mut self, event: &ConvoyEvent, time: Timestamp, most: u32) -> bool {
        match event {
            ConvoyEvent::VerifyStarted(started) => self.begin(started, time),
            ConvoyEvent::VerifyResult(result) => self.end(result, most),
            _ => false,
        }
    }

    /// Follows the start of a run; says whether it can happen.
    fn begin(&mut self, started: &VerifyStarted, time: Timestamp) -> bool {
        let VerifyStarted { run, tasks, commit, tree, .. } = started;
        let twice = self.is_green(tree) || self.under_way.values().any(|other| other.tree == *tree);
        if *run != self.runs + 1 || twice {
            return false;
        }
        self.runs = *run;
        if tasks.is_empty() {
            self.bare = Some((commit.clone(), tree.clone()));
        }
        let (tasks, commit, tree) = (tasks.clone(), commit.clone(), tree.clone());
        self.under_way.insert(*run, Verifying { run: *run, tasks, commit, tree, since: time });
        true
    }

    /// Follows the end of a run; says whether it can happen.
    fn end(&mut self, result: &VerifyResult, most: u32) -> bool {
        let Some(run) = self.under_way.get(&result.run).filter(|run| run.tree == result.tree) else {
            return false;
        };
        match (result.outcome, &result.failure) {
            (VerifyOutcome::Passed, _) => {
                self.green.insert(run.tree.clone());
                self.red.remove(&run.tree);
                self.window = (self.window + 1).min(most.max(1));
            }
            (VerifyOutcome::Failed, Some(failure)) => {
                let times = self.red.get(&run.tree).map_or(0, |red| red.times) + 1;
                self.red.insert(run.tree.clone(), Red { times, failure: failure.clone() });
                self.window = (self.window / 2).max(1);
            }
            (VerifyOutcome::Stopped, _) => {}
            (VerifyOutcome::Failed, None) => return false,
        }
        self.under_way.remove(&result.run);
        true
    }

    /// An engine takes over: nothing is under way any more.
    pub(super) fn resumed(&mut self) {
        self.under_way.clear();
    }

    /// A person wants another answer: whatever failed is tried again.
    pub(super) fn forgive(&mut self) {
        self.red.clear();
    }
}

impl RunState {
    /// What `merge.verify` has said.
    pub fn verification(&self) -> &Verification {
        &self.verification
    }

    /// Whether the integration ref moves only to what `merge.verify` passed.
    pub fn verifies(&self) -> bool {
        !self.plan.spec().merge.verify.is_empty()
    }

    /// How many runs of `merge.verify` may go at once: one more after each that passed, half as many after each that
    /// did not, and never more than the slots.
    pub fn verify_window(&self) -> u32 {
        self.verification.window.min(self.slot_limit()).max(1)
    }

    /// How the tip fails by itself, where it was seen to do so twice.
    pub fn red_tip(&self) -> Option<&Red> {
        let (commit, tree) = self.verification.bare.as_ref()?;
        self.verification.red(tree).filter(|red| *commit == self.tip && red.times > 1)
    }

    /// What a task waits for whose work is to land once `merge.verify` has passed it.
    pub(super) fn waits_for_verify(&self, task: TaskIx, aside: bool) -> String {
        let id = self.plan.id(task);
        let again = if aside { ", since it failed with this work alone" } else { "" };
        match self.verification.under_way.values().find(|run| run.tasks.contains(id)) {
            Some(run) => {
                let others = run.tasks.iter().filter(|other| *other != id).map(TaskId::as_str);
                let others: Vec<&str> = others.collect();
                let with =
                    if others.is_empty() { String::new() } else { format!(" with {}", others.join(", ")) };
                format!("run {} of merge.verify{with}{again}", run.run)
            }
            None if aside && self.red_tip().is_some() => {
                "other work that may mend the branch, which fails merge.verify by itself".to_owned()
            }
            None => format!("its turn in merge.verify{again}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::FailureKind;

    fn oid(c: char) -> Oid {
        Oid::new(c.to_string().repeat(40)).expect("valid")
    }

    fn begun(verification: &mut Verification, run: u32, tree: char) -> bool {
        let tasks = vec![TaskId::new(format!("t{tree}")).expect("valid")];
        let started = VerifyStarted { run, tasks, commit: oid('c'), tree: oid(tree), onto: oid('0') };
        verification.begin(&started, Timestamp(1))
    }

    fn ended(verification: &mut Verification, run: u32, tree: char, outcome: VerifyOutcome) -> bool {
        let failure = Failure::new(FailureKind::Verify("x".into()), "red");
        let failure = (outcome == VerifyOutcome::Failed).then_some(failure);
        let tree = oid(tree);
        verification
            .end(&VerifyResult { run, tree, outcome, failure, duration_ms: 1, changed_files: vec![] }, 4)
    }

    #[test]
    fn a_tree_that_passed_is_never_judged_again_and_one_that_failed_may_be() {
        let mut v = Verification::new();
        assert!(begun(&mut v, 1, 'a') && !begun(&mut v, 2, 'a') && !begun(&mut v, 3, 'b'));
        assert!(begun(&mut v, 2, 'b') && ended(&mut v, 2, 'b', VerifyOutcome::Failed));
        assert!(!ended(&mut v, 1, 'b', VerifyOutcome::Passed), "another tree");
        assert!(
            ended(&mut v, 1, 'a', VerifyOutcome::Passed) && !ended(&mut v, 1, 'a', VerifyOutcome::Passed)
        );
        assert!(v.is_green(&oid('a')) && !begun(&mut v, 3, 'a'));
        assert!(begun(&mut v, 3, 'b') && ended(&mut v, 3, 'b', VerifyOutcome::Failed));
        assert_eq!(v.red(&oid('b')).map(|red| red.times), Some(2));
        v.forgive();
        assert!(v.red(&oid('b')).is_none(), "a person asks for another answer");
    }

    #[test]
    fn the_window_grows_by_one_and_is_halved_and_a_stopped_run_says_nothing() {
        let mut v = Verification::new();
        let mut windows = Vec::new();
        use VerifyOutcome::{Failed, Passed, Stopped};
        for (run, tree, outcome) in [
            (1, 'a', Passed),
            (2, 'b', Passed),
            (3, 'c', Passed),
            (4, 'd', Stopped),
            (5, 'd', Failed),
            (6, 'e', Failed),
            (7, 'f', Failed),
        ] {
            assert!(begun(&mut v, run, tree) && ended(&mut v, run, tree, outcome));
            windows.push(v.window);
        }
        assert_eq!(windows, [3, 4, 4, 4, 2, 1, 1]);
        assert!(begun(&mut v, 8, '0'));
        v.resumed();
        assert!(v.under_way().next().is_none() && !ended(&mut v, 8, '0', Passed), "nobody saw it end");
    }
}
