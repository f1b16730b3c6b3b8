//! Preparing a worktree: files copied in, setup commands.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::shell::Shell;
use super::warm;
use crate::gate::GateOutcome;
use crate::types::{AttemptNo, Failure, FailureKind, Oid, TaskIx};

/// Copies the untracked files that the spec names from the user's checkout into a worktree. What the
/// worktree has already, because it is tracked, stays as it is.
pub(super) fn copy_in(context: &Context, worktree: &Path) -> io::Result<()> {
    let names = &context.plan.spec().worktree.copy;
    if names.is_empty() {
        return Ok(());
    }
    let Some(checkout) = context.repository.main_worktree() else {
        return Err(io::Error::other("a bare repository has no files to copy; remove `worktree.copy`"));
    };
    let root = worktree.canonicalize()?;
    for name in names {
        let relative = Path::new(name);
        if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(io::Error::other(format!("{name:?} must be a path inside the repository")));
        }
        let from = checkout.join(relative);
        if from.symlink_metadata().is_err() {
            return Err(io::Error::other(format!(
                "{name:?} is not in the checkout; create it or remove the entry"
            )));
        }
        copy_tree(&from, &root.join(relative), &root)?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path, root: &Path) -> io::Result<()> {
    let parent = to.parent().unwrap_or(root);
    std::fs::create_dir_all(parent)?;
    // The tree may hold a symlink on the way: never write outside.
    if !parent.canonicalize()?.starts_with(root) {
        return Err(io::Error::other(format!("{} leads out of the worktree", parent.display())));
    }
    let kind = from.symlink_metadata()?.file_type();
    if kind.is_dir() {
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()), root)?;
        }
        return Ok(());
    }
    if to.symlink_metadata().is_ok() {
        return Ok(());
    }
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(std::fs::read_link(from)?, to);
    }
    if !kind.is_file() {
        // A fifo would be waited for.
        return Err(io::Error::other(format!("{} is no file, folder or link", from.display())));
    }
    std::fs::copy(from, to).map(drop)
}

/// Copies in what the spec names, and runs its setup commands in the worktree of an attempt, each within the task's
/// `gate_timeout`; unless it is [set up already](warm). `commit`: what its files are; `None`: they are no commit's.
pub(super) async fn prepare_files(
    context: &Context,
    (task, attempt): (TaskIx, AttemptNo),
    worktree: &Path,
    commit: Option<&Oid>,
    env: &BTreeMap<String, String>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    copy_in(context, worktree)
        .map_err(|error| context.failure(FailureKind::Worktree, "worktree.copy", &error))?;
    let spec = &context.plan.spec().worktree;
    if spec.setup.is_empty() {
        return Ok(());
    }
    let failed = |error| context.failure(FailureKind::Worktree, "cannot look at the worktree", &error);
    let (repository, keep) = (&context.repository, warm::keep(context).zip(commit));
    let mut state = None;
    if let Some((_, commit)) = &keep {
        let now = warm::state(context, commit, env).await.map_err(failed)?;
        if repository.prepared(worktree).await.map_err(failed)?.as_ref() == Some(&now) {
            return Ok(());
        }
        state = Some(now);
    }
    Shell::of_attempt(context, task, attempt, worktree, env).setup(context, cancel).await?;
    if let (Some((keep, _)), Some(state)) = (keep, state) {
        let copied: Vec<PathBuf> = spec.copy.iter().map(PathBuf::from).collect();
        // What it made elsewhere is gone when the worktree is used again: then it has to run again, too.
        if repository.holds_only_kept(worktree, &keep, &copied).await.map_err(failed)? {
            repository.note_prepared(worktree, state).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// A shell command of an attempt, logged to its check log.
pub(super) struct ShellRun<'a> {
    pub(super) task: TaskIx,
    pub(super) attempt: AttemptNo,
    pub(super) worktree: &'a Path,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) command: &'a str,
}

impl ShellRun<'_> {
    /// Runs it within the task's `gate_timeout`. Returns how it ended and the ends of its output.
    pub(super) async fn run(
        &self,
        context: &Context,
        cancel: &CancellationToken,
    ) -> Result<(GateOutcome, String), Failure> {
        let timeout = context.plan.spec_of(self.task).gate_timeout;
        self.run_within(context, cancel, timeout).await
    }

    /// As [`run`](Self::run), with another limit.
    pub(super) async fn run_within(
        &self,
        context: &Context,
        cancel: &CancellationToken,
        timeout: Duration,
    ) -> Result<(GateOutcome, String), Failure> {
        let shell = Shell::of_attempt(context, self.task, self.attempt, self.worktree, self.env);
        Shell { timeout, ..shell }.run(context, self.command, cancel).await
    }
}
