//! Preparing a worktree: files copied in, setup commands.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::log::Log;
use crate::gate::{self, GateCommand, GateOutcome};
use crate::process::{Next, Sink, Stream};
use crate::types::{AttemptNo, Failure, FailureKind, TaskIx};

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
    std::fs::copy(from, to).map(drop)
}

/// Runs the spec's setup commands in a worktree, each within the task's `gate_timeout`.
pub(super) async fn run_setup(
    context: &Context,
    task: TaskIx,
    attempt: AttemptNo,
    worktree: &Path,
    env: BTreeMap<String, String>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    for command in &context.plan.spec().worktree.setup {
        let run = ShellRun { task, attempt, worktree, env: &env, command };
        let (outcome, output) = run.run(context, cancel).await?;
        match outcome {
            GateOutcome::Ended(end) if end.passed => {}
            GateOutcome::Ended(end) => {
                let message =
                    context.redactor.redact(&format!("setup `{command}` failed: {}", end.how)).into_owned();
                let mut failure = Failure::new(FailureKind::Worktree, message);
                failure.exit_code = end.exit_code;
                failure.output_tail = output;
                return Err(failure);
            }
            GateOutcome::Cancelled => {
                return Err(Failure::new(FailureKind::Worktree, "stopped during setup"));
            }
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
        self.run_within(context, cancel, context.plan.spec_of(self.task).gate_timeout).await
    }

    /// As [`run`](Self::run), with another limit.
    pub(super) async fn run_within(
        &self,
        context: &Context,
        cancel: &CancellationToken,
        timeout: Duration,
    ) -> Result<(GateOutcome, String), Failure> {
        let path = context.dirs.check_log(&context.plan, self.task, self.attempt);
        let trouble = |error: &(dyn std::error::Error + 'static)| {
            context.failure(FailureKind::Worktree, &format!("cannot run `{}`", self.command), error)
        };
        let mut log = Log::open(&path, &context.redactor).map_err(|error| trouble(&error))?;
        log.heading(&context.redactor, self.command);
        let gate = GateCommand {
            command: self.command.to_owned(),
            cwd: self.worktree.to_owned(),
            env: self.env.clone(),
            timeout,
            grace: context.grace,
            worker: context.worker(self.task, self.attempt),
        };
        let mut sink = ToLog(log);
        let outcome = gate::run(&gate, cancel, &mut sink).await.map_err(|error| trouble(&error))?;
        let (output, log_error) = sink.0.finish();
        match log_error {
            Some(error) => Err(trouble(&error)),
            None => Ok((outcome, output)),
        }
    }
}

struct ToLog(Log);

impl Sink for ToLog {
    fn output(&mut self, _stream: Stream, chunk: &[u8]) -> Next {
        self.0.push(chunk);
        Next::Continue
    }
}
