//! Shell commands in a worktree, whoever they belong to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::log::{Log, ToLog};
use crate::gate::{self, GateCommand, GateOutcome};
use crate::types::{AttemptNo, Failure, FailureKind, TaskIx, WorkerId};

/// Where and how shell commands run.
pub(super) struct Shell<'a> {
    /// What they print goes here.
    pub(super) log: PathBuf,
    /// Marks everything that they start.
    pub(super) worker: WorkerId,
    /// The longest that each may run.
    pub(super) timeout: Duration,
    /// Their working directory.
    pub(super) worktree: &'a Path,
    /// Their complete environment.
    pub(super) env: &'a BTreeMap<String, String>,
}

impl<'a> Shell<'a> {
    /// For an attempt: logged to its check log, each within the task's `gate_timeout`.
    pub(super) fn of_attempt(
        context: &Context,
        task: TaskIx,
        attempt: AttemptNo,
        worktree: &'a Path,
        env: &'a BTreeMap<String, String>,
    ) -> Self {
        Self {
            log: context.dirs.check_log(&context.plan, task, attempt),
            worker: context.worker(task, attempt),
            timeout: context.plan.spec_of(task).gate_timeout,
            worktree,
            env,
        }
    }

    /// Runs a command. Returns how it ended and the ends of its output, redacted and printable.
    pub(super) async fn run(
        &self,
        context: &Context,
        command: &str,
        cancel: &CancellationToken,
    ) -> Result<(GateOutcome, String), Failure> {
        let trouble = |error: &(dyn std::error::Error + 'static)| {
            context.failure(FailureKind::Worktree, &format!("cannot run `{command}`"), error)
        };
        let mut log = Log::open(&self.log, &context.redactor).map_err(|error| trouble(&error))?;
        log.heading(command);
        let gate = GateCommand {
            command: command.to_owned(),
            cwd: self.worktree.to_owned(),
            env: self.env.clone(),
            timeout: self.timeout,
            grace: context.grace,
            worker: self.worker.clone(),
        };
        let mut sink = ToLog(log);
        let outcome = gate::run(&gate, cancel, &mut sink).await.map_err(|error| trouble(&error))?;
        let (output, log_error) = sink.0.finish();
        match log_error {
            Some(error) => Err(trouble(&error)),
            None => Ok((outcome, output)),
        }
    }

    /// Runs the spec's setup commands.
    pub(super) async fn setup(&self, context: &Context, cancel: &CancellationToken) -> Result<(), Failure> {
        for command in &context.plan.spec().worktree.setup {
            let (outcome, output) = self.run(context, command, cancel).await?;
            match outcome {
                GateOutcome::Ended(end) if end.passed => {}
                GateOutcome::Ended(end) => {
                    let message = format!("setup `{command}` failed: {}", end.how);
                    let message = context.redactor.clean(&message);
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
}
