//! Where things stand in the state directory.

use std::path::{Path, PathBuf};

use crate::plan::Plan;
use crate::types::{AttemptNo, ConvoyId, Oid, TaskIx};

/// How the names of worktrees of `merge.verify` begin.
const VERIFY: &str = "verify-";

/// The places of one convoy in the state directory.
#[derive(Debug, Clone)]
pub struct Dirs {
    state: PathBuf,
    convoy: ConvoyId,
}

impl Dirs {
    /// The places of a convoy.
    pub fn new(state: impl Into<PathBuf>, convoy: ConvoyId) -> Self {
        Self { state: state.into(), convoy }
    }

    /// The folder of all worktrees of the convoy.
    pub fn worktrees(&self) -> PathBuf {
        self.state.join("worktrees").join(self.convoy.as_str())
    }

    /// The worktree of a task. The same path for every attempt, because an agent's session can be
    /// continued only where it was begun.
    pub fn worktree(&self, plan: &Plan, task: TaskIx) -> PathBuf {
        self.worktrees().join(plan.dir_name(task))
    }

    /// The folder of a task's logs.
    pub fn logs(&self, plan: &Plan, task: TaskIx) -> PathBuf {
        self.state.join("logs").join(self.convoy.as_str()).join(plan.dir_name(task))
    }

    /// What the agent of an attempt printed.
    pub fn agent_log(&self, plan: &Plan, task: TaskIx, attempt: AttemptNo) -> PathBuf {
        self.logs(plan, task).join(format!("attempt-{attempt}.log"))
    }

    /// What setup and gates of an attempt printed.
    pub fn check_log(&self, plan: &Plan, task: TaskIx, attempt: AttemptNo) -> PathBuf {
        self.logs(plan, task).join(format!("attempt-{attempt}.check.log"))
    }

    /// What a reviewer of an attempt printed; those of a panel are numbered from 1.
    pub fn review_log(&self, plan: &Plan, task: TaskIx, attempt: AttemptNo, reviewer: usize) -> PathBuf {
        self.logs(plan, task).join(format!("attempt-{attempt}.review-{reviewer}.log"))
    }

    /// The checkout of the base in which the work of a task is reviewed. Not one of a task, whose names begin
    /// with a number.
    pub fn review_checkout(&self, plan: &Plan, task: TaskIx) -> PathBuf {
        self.worktrees().join(format!("review-{}", plan.dir_name(task)))
    }

    /// The prompt of an attempt, as it was sent.
    pub fn prompt(&self, plan: &Plan, task: TaskIx, attempt: AttemptNo) -> PathBuf {
        self.logs(plan, task).join(format!("attempt-{attempt}.prompt.md"))
    }

    /// What the agent of an attempt said, kept until its artifacts are taken.
    pub fn said(&self, plan: &Plan, task: TaskIx, attempt: AttemptNo) -> PathBuf {
        self.logs(plan, task).join(format!("attempt-{attempt}.said.txt"))
    }

    /// The worktree of the merged result, for what runs at the end of the convoy. No task has a folder of this
    /// name.
    pub fn end_worktree(&self) -> PathBuf {
        self.worktrees().join("end")
    }

    /// The worktree of a run of `merge.verify`. No task has a folder of this name.
    pub fn verify_worktree(&self, run: u32) -> PathBuf {
        self.worktrees().join(format!("{VERIFY}{run}"))
    }

    /// The worktrees of such runs that are there.
    pub fn verify_worktrees(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.worktrees()).into_iter().flatten().flatten();
        let of_run = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(VERIFY));
        let found = entries.filter(|entry| of_run(&entry.file_name()));
        found.map(|entry| entry.path()).collect()
    }

    /// The checkout in which the merged result is reviewed.
    pub fn end_review_checkout(&self) -> PathBuf {
        self.worktrees().join("end-review")
    }

    /// What git ignored when the convoy began. No task has a folder of this name.
    pub fn ignored(&self) -> PathBuf {
        self.state.join("logs").join(self.convoy.as_str()).join("ignored.txt")
    }

    /// Says that older logs of the convoy were removed, and when. No task has a folder of this name.
    pub fn logs_removed(&self) -> PathBuf {
        self.state.join("logs").join(self.convoy.as_str()).join("removed.txt")
    }

    /// What a stage of the end printed.
    pub fn end_log(&self, stage: &str) -> PathBuf {
        self.state.join("logs").join(self.convoy.as_str()).join("end").join(format!("{stage}.log"))
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The full name of the ref that keeps the work of an attempt.
    pub fn kept_ref(&self, plan: &Plan, task: TaskIx, attempt: AttemptNo) -> String {
        format!("refs/convoy/{}/{}/attempt-{attempt}", self.convoy, plan.dir_name(task))
    }

    /// The full name of the ref that keeps an artifact of an attempt; `output` is its position among the outputs of
    /// the task.
    pub fn artifact_ref(&self, plan: &Plan, task: TaskIx, attempt: AttemptNo, output: usize) -> String {
        format!("refs/convoy/{}/{}/artifact/{attempt}-{output}", self.convoy, plan.dir_name(task))
    }

    /// The full name of the ref that keeps a person's commit for a task.
    pub fn accepted_ref(&self, plan: &Plan, task: TaskIx, commit: &Oid) -> String {
        format!("refs/convoy/{}/{}/accepted-{commit}", self.convoy, plan.dir_name(task))
    }

    /// What the names of the refs begin with that keep landing commits while `merge.verify` judges them.
    pub fn candidate_refs(&self) -> String {
        format!("refs/convoy/{}/candidates/", self.convoy)
    }

    /// The full name of the ref that keeps that of a task.
    pub fn candidate_ref(&self, plan: &Plan, task: TaskIx) -> String {
        format!("{}{}", self.candidate_refs(), plan.dir_name(task))
    }

    /// What all refs of the convoy begin with.
    pub fn refs(&self) -> String {
        format!("refs/convoy/{}", self.convoy)
    }

    /// The full name of the convoy's integration ref.
    pub fn integration_ref(&self) -> String {
        format!("refs/convoy/{}/integration", self.convoy)
    }
}
