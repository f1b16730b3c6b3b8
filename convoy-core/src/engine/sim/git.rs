//! A repository without git: commits, the integration ref, the user's branch and its checkout.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::rng::Rng;
use crate::schedule::tests::build::oid;
use crate::types::{AttemptNo, Oid, TaskIx};

/// What a commit was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The repository before the convoy.
    Base,
    /// The work of an attempt.
    Work(TaskIx),
    /// Work that lands.
    Landing(TaskIx, AttemptNo),
    /// Somebody else's, on the integration ref.
    Foreign,
    /// The user's own.
    User,
    /// The user's branch takes the integration ref.
    Merge,
}

#[derive(Debug)]
struct Commit {
    parents: Vec<usize>,
    what: What,
    /// Which work is merged in it, as a number that does not depend on the order.
    merged: u64,
}

/// The repository. A commit is known by its number; its ancestors have lower ones.
#[derive(Debug)]
pub(super) struct SimGit {
    commits: Vec<Commit>,
    trees: u64,
    /// The integration ref.
    integration: Option<usize>,
    /// What the engine moved it to, in order, and where in it.
    history: Vec<usize>,
    position: HashMap<usize, usize>,
    /// Where in the history which work landed.
    landed: BTreeMap<(TaskIx, AttemptNo), usize>,
    last_landing: HashMap<TaskIx, usize>,
    /// The user's branch.
    pub(super) branch: usize,
    /// The commit that the files of its checkout are of.
    pub(super) files: usize,
    users: Vec<usize>,
}

/// The object id of a commit.
pub(super) fn name(commit: usize) -> Oid {
    oid(commit as u64 + 1)
}

impl SimGit {
    pub(super) fn new() -> Self {
        let base = Commit { parents: Vec::new(), what: What::Base, merged: 0 };
        Self {
            commits: vec![base],
            trees: 1 << 40,
            integration: Some(0),
            history: vec![0],
            position: HashMap::from([(0, 0)]),
            landed: BTreeMap::new(),
            last_landing: HashMap::new(),
            branch: 0,
            files: 0,
            users: Vec::new(),
        }
    }

    /// The commit of an object id.
    pub(super) fn find(&self, id: &Oid) -> Result<usize, String> {
        let number = usize::from_str_radix(id.as_str(), 16).ok().and_then(|n| n.checked_sub(1));
        number.filter(|n| *n < self.commits.len()).ok_or_else(|| format!("there is no commit {id}"))
    }

    pub(super) fn commit(&mut self, what: What, parents: &[usize]) -> usize {
        let merged = match what {
            What::Landing(task, attempt) => {
                let own = Rng::keyed(&[u64::from(task.0), u64::from(attempt.0)]).next() >> 8;
                self.commits[parents[0]].merged ^ own
            }
            _ => parents.first().map_or(0, |first| self.commits[*first].merged),
        };
        self.commits.push(Commit { parents: parents.to_vec(), what, merged });
        self.commits.len() - 1
    }

    /// The tree of a landing commit: changes here cannot touch each other.
    pub(super) fn tree_of(&self, commit: usize) -> Oid {
        oid(1 << 60 | self.commits[commit].merged)
    }

    /// The work that is merged between two commits of the integration ref, or of candidates on top of it.
    pub(super) fn merged_since(&self, from: usize, to: usize) -> Vec<(TaskIx, AttemptNo)> {
        let (mut at, mut merged) = (to, Vec::new());
        while at != from {
            let commit = &self.commits[at];
            if let What::Landing(task, attempt) = commit.what {
                merged.push((task, attempt));
            }
            let Some(first) = commit.parents.first() else { break };
            at = *first;
        }
        merged
    }

    pub(super) fn tree(&mut self) -> Oid {
        self.trees += 1;
        oid(self.trees)
    }

    /// Whether a commit is the other one or reaches it.
    pub(super) fn reaches(&self, from: usize, target: usize) -> bool {
        let (mut stack, mut seen) = (vec![from], HashSet::new());
        while let Some(at) = stack.pop() {
            if at == target {
                return true;
            }
            if at > target && seen.insert(at) {
                stack.extend(&self.commits[at].parents);
            }
        }
        false
    }

    /// Where the engine last moved the integration ref.
    pub(super) fn tip(&self) -> usize {
        self.history[self.history.len() - 1]
    }

    /// When a commit became the integration ref, counted in moves of the ref by the engine; `None` when it
    /// never was, or the ref was put back since.
    pub(super) fn position(&self, commit: usize) -> Option<usize> {
        self.position.get(&commit).copied()
    }

    /// Somebody else moves or deletes the integration ref.
    pub(super) fn meddle(&mut self, rng: &mut Rng) {
        self.integration = match rng.below(4) {
            0 => None,
            1 => Some(rng.of(&self.history)),
            _ => Some(self.commit(What::Foreign, &[self.integration.unwrap_or(self.tip())])),
        };
    }

    /// Moves the integration ref from `onto` to a landing commit, if it is there, or finds that it reaches
    /// that commit already. If neither, puts it back to `onto`, and answers that nothing landed.
    ///
    /// # Errors
    /// When that lands work a second time.
    pub(super) fn advance(&mut self, commit: usize, onto: usize) -> Result<bool, String> {
        if self.integration != Some(onto) {
            if self.integration.is_some_and(|now| self.reaches(now, commit)) {
                return Ok(true);
            }
            self.put_back(onto)?;
            return Ok(false);
        }
        self.put_back(onto)?;
        let mut chain = Vec::new();
        let mut next = commit;
        while next != onto {
            let (What::Landing(task, attempt), [first, _]) =
                (self.commits[next].what, &*self.commits[next].parents)
            else {
                return Err(format!("{commit} is no landing commit on top of {onto}"));
            };
            chain.push((next, task, attempt));
            next = *first;
        }
        for (commit, task, attempt) in chain.into_iter().rev() {
            let at = self.history.len();
            if self.landed.insert((task, attempt), at).is_some() {
                return Err(format!("the work of {task:?} {attempt:?} lands twice"));
            }
            self.last_landing.insert(task, at);
            self.position.insert(commit, at);
            self.history.push(commit);
        }
        self.integration = Some(commit);
        Ok(true)
    }

    /// Undoes what others did to the ref, and moves of the engine that nobody recorded.
    fn put_back(&mut self, onto: usize) -> Result<(), String> {
        let at = self.position(onto).ok_or_else(|| format!("{onto} was never the integration ref"))?;
        self.integration = Some(onto);
        if at + 1 < self.history.len() {
            for lost in self.history.drain(at + 1..) {
                self.position.remove(&lost);
            }
            self.landed.retain(|_, position| *position <= at);
            self.last_landing = self.landed.iter().map(|((task, _), position)| (*task, *position)).collect();
        }
        Ok(())
    }

    /// Whether work of this task that began at `base` conflicts with work of the other on the tip.
    pub(super) fn landed_after(&self, other: TaskIx, base: usize, tip: usize) -> bool {
        let (from, to) = (self.position(base).unwrap_or(0), self.position(tip).unwrap_or(0));
        self.last_landing.get(&other).is_some_and(|at| *at > from && *at <= to)
    }

    /// Whether the work of an attempt has landed.
    pub(super) fn has_landed(&self, task: TaskIx, attempt: AttemptNo) -> bool {
        self.landed.contains_key(&(task, attempt))
    }

    /// The landing commits of a task that the integration ref reaches, with their attempts.
    pub(super) fn landings(&self, task: TaskIx) -> impl Iterator<Item = (AttemptNo, usize)> + '_ {
        let of = (task, AttemptNo(0))..=(task, AttemptNo(u32::MAX));
        self.landed.range(of).map(|((_, attempt), at)| (*attempt, self.history[*at]))
    }

    /// Whether the history of the integration ref is one of descendants only.
    pub(super) fn is_whole(&self) -> bool {
        self.history.windows(2).all(|two| self.commits[two[1]].parents.contains(&two[0]))
    }

    /// The user commits on the branch, unless a move of it is half done.
    pub(super) fn user_commits(&mut self) {
        if self.files == self.branch {
            let commit = self.commit(What::User, &[self.branch]);
            self.users.push(commit);
            (self.branch, self.files) = (commit, commit);
        }
    }

    /// Moves the user's branch.
    ///
    /// # Errors
    /// When that takes commits away.
    pub(super) fn move_branch(&mut self, to: usize) -> Result<(), String> {
        let from = std::mem::replace(&mut self.branch, to);
        match self.reaches(to, from) {
            true => Ok(()),
            false => Err(format!("the branch moves from {from} to {to} and loses commits")),
        }
    }

    /// Whether the branch holds all that the user committed.
    pub(super) fn keeps_the_users(&self) -> bool {
        self.users.iter().all(|commit| self.reaches(self.branch, *commit))
    }
}
