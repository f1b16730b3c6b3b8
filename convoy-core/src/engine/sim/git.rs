//! A repository without git: commits, the integration ref, the user's branch and its checkout.

use std::collections::{BTreeMap, HashMap, HashSet};

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
}

/// The repository. A commit is known by its number; its ancestors have lower ones.
#[derive(Debug)]
pub(super) struct SimGit {
    commits: Vec<Commit>,
    trees: u64,
    /// Everything that ever was the integration ref, in order, and where in it.
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
        let base = Commit { parents: Vec::new(), what: What::Base };
        Self {
            commits: vec![base],
            trees: 1 << 40,
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
        self.commits.push(Commit { parents: parents.to_vec(), what });
        self.commits.len() - 1
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

    /// The integration ref.
    pub(super) fn tip(&self) -> usize {
        self.history[self.history.len() - 1]
    }

    /// When a commit became the integration ref, counted in moves of the ref; `None` when it never was.
    pub(super) fn position(&self, commit: usize) -> Option<usize> {
        self.position.get(&commit).copied()
    }

    /// Moves the integration ref onto one of its descendants.
    fn follow(&mut self, commit: usize) {
        self.position.insert(commit, self.history.len());
        self.history.push(commit);
    }

    /// Somebody else moves the integration ref.
    pub(super) fn foreign(&mut self) {
        let commit = self.commit(What::Foreign, &[self.tip()]);
        self.follow(commit);
    }

    /// Moves the integration ref from `onto` to a landing commit, if it is there.
    ///
    /// # Errors
    /// When that lands work a second time.
    pub(super) fn advance(&mut self, commit: usize, onto: usize) -> Result<bool, String> {
        if self.tip() != onto {
            return Ok(self.position(commit).is_some());
        }
        let (What::Landing(task, attempt), [first, _]) =
            (self.commits[commit].what, &*self.commits[commit].parents)
        else {
            return Err(format!("{commit} is no landing commit"));
        };
        if *first != onto {
            return Err(format!("landing commit {commit} is not on top of {onto}"));
        }
        let at = self.history.len();
        if self.landed.insert((task, attempt), at).is_some() {
            return Err(format!("the work of {task:?} {attempt:?} lands twice"));
        }
        self.last_landing.insert(task, at);
        self.follow(commit);
        Ok(true)
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
