//! What all segments of one convoy share.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::dirs::Dirs;
use super::host::HostCode;
use super::review::Reviews;
use super::space::Space;
use crate::agent::Registry;
use crate::git::{IgnoreRules, Repository};
use crate::merge::MergeQueue;
use crate::plan::Plan;
use crate::review::ReviewRunner;
use crate::secret::Redactor;
use crate::types::{AttemptNo, ConvoyId, Failure, FailureKind, Oid, TaskIx, WorkerId};

/// Longest text of a failure, in bytes; the rest is cut off.
const LONGEST_FAILURE: usize = 8 * 1024;

/// What all segments of one convoy share. Changes only between runs.
#[derive(Clone)]
pub struct Context {
    /// The repository; every program that it starts carries the convoy's cookie.
    pub repository: Repository,
    /// Where work lands.
    pub queue: Arc<dyn MergeQueue>,
    /// The adapters, those of the spec included.
    pub registry: Arc<Registry>,
    /// Knows every secret value of this convoy.
    pub redactor: Redactor,
    /// The values that the host calls secret.
    pub secrets: Arc<[String]>,
    /// The environment that the host passes.
    pub host_env: Arc<BTreeMap<String, String>>,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The convoy.
    pub convoy: ConvoyId,
    /// Its places.
    pub dirs: Dirs,
    /// The adapter of tasks that name none.
    pub adapter: Option<String>,
    /// Where the convoy began.
    pub base: Oid,
    /// Full name of the user's branch.
    pub branch: String,
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// The fencing number of the engine's lease.
    pub fence: u64,
    /// The worktrees that this run of the engine has made whole.
    pub whole: WholeTrees,
    /// The commits whose links are known to stay within their tree.
    pub clean: CleanTrees,
    /// The refs that this run of the engine keeps work under.
    pub kept: KeptRefs,
    /// The host's own reviewer, where it has one.
    pub reviewer: Option<Arc<dyn ReviewRunner>>,
    /// The code that the host has registered.
    pub host: Arc<HostCode>,
    /// What git ignored when the convoy began.
    pub ignore: IgnoreRules,
    /// What all reviews share.
    pub reviews: Reviews,
    /// Who is told when the disk has no room for a worktree.
    pub space: Arc<Space>,
}

/// The worktrees that were made and set up to the end since the engine took the convoy up. One that an
/// earlier run left may have been cut off in its setup, or be what a gate that was stopped made of it.
#[derive(Debug, Clone, Default)]
pub struct WholeTrees(Arc<Mutex<HashSet<(TaskIx, AttemptNo)>>>);

impl WholeTrees {
    /// Notes the worktree of an attempt.
    pub(super) fn insert(&self, task: TaskIx, attempt: AttemptNo) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((task, attempt));
    }

    /// Whether it was noted.
    pub(super) fn contains(&self, task: TaskIx, attempt: AttemptNo) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(task, attempt))
    }
}

/// The commits that were looked at, since the engine took the convoy up, and hold no link that leads out of their
/// tree. Many tasks begin at one commit, and looking costs time with every file of the repository.
#[derive(Debug, Clone, Default)]
pub struct CleanTrees(Arc<Mutex<HashSet<Oid>>>);

impl CleanTrees {
    /// Notes a commit.
    pub(super) fn insert(&self, commit: &Oid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(commit.clone());
    }

    /// Whether it was noted.
    pub(super) fn contains(&self, commit: &Oid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(commit)
    }
}

/// The branches that the convoys of an engine publish to, and each commit that one of them was to be moved to. Several
/// convoys may publish to one branch.
#[derive(Debug, Clone, Default)]
pub struct Publications(Arc<Mutex<Published>>);

#[derive(Debug, Default)]
struct Published {
    all: HashSet<(String, String)>,
    /// The newest commits of them, the newest last.
    newest: VecDeque<Oid>,
}

/// Publications that are tried to explain what came into the checkout: all that may happen while an attempt is looked
/// after, and few enough to be compared.
const NEWEST: usize = 16;

impl Publications {
    fn lock(&self) -> MutexGuard<'_, Published> {
        // Whole at every moment, also after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, branch: &str, commit: &Oid) {
        let mut published = self.lock();
        published.all.insert((branch.to_owned(), commit.to_string()));
        published.newest.retain(|known| known != commit);
        published.newest.push_back(commit.clone());
        if published.newest.len() > NEWEST {
            published.newest.pop_front();
        }
    }
}

/// The refs that the engine writes to keep work and to publish it, since it took the convoy up, and what it wrote.
#[derive(Debug, Clone, Default)]
pub struct KeptRefs {
    /// Whoever else writes to these is no engine: one alone runs a convoy.
    kept: Arc<Mutex<HashMap<String, Option<Oid>>>>,
    published: Publications,
}

impl KeptRefs {
    /// Of a convoy of the engine that publishes these.
    pub fn with(published: Publications) -> Self {
        Self { kept: Arc::default(), published }
    }

    /// A ref is about to be written.
    pub(super) fn begin(&self, name: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), None);
    }

    /// It was written.
    pub(super) fn wrote(&self, name: &str, commit: &Oid) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), Some(commit.clone()));
    }

    /// A branch is about to be moved to a commit.
    pub(super) fn publishes(&self, branch: &str, commit: &Oid) {
        self.published.add(branch, commit);
    }

    /// The commits that convoys of the engine moved the user's branches to last, or are moving them to; the newest first.
    pub(super) fn newest_publications(&self) -> Vec<Oid> {
        self.published.lock().newest.iter().rev().cloned().collect()
    }

    fn has_published(&self, branch: &str, now: Option<&str>) -> bool {
        let Some(now) = now else { return false };
        let of = (branch.to_owned(), now.to_owned());
        self.published.lock().all.contains(&of)
    }

    /// Whether the engine may have set a ref to this.
    pub(super) fn explains(&self, name: &str, now: Option<&str>) -> bool {
        match self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            None => self.has_published(name, now),
            Some(None) => true,
            Some(Some(commit)) => now == Some(commit.as_str()),
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("convoy", &self.convoy)
            .field("branch", &self.branch)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The id of an attempt, and the cookie of everything it starts.
    pub fn worker(&self, task: TaskIx, attempt: AttemptNo) -> WorkerId {
        WorkerId::of(&self.convoy, task, attempt)
    }

    /// A failure whose text is the error with its causes, clean and bounded.
    pub(super) fn failure(
        &self,
        kind: FailureKind,
        doing: &str,
        error: &(dyn std::error::Error + 'static),
    ) -> Failure {
        let mut text = format!("{doing}: {error}");
        let mut next = error.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        Failure::new(kind, self.redactor.clean_bounded(&text, LONGEST_FAILURE))
    }
}
