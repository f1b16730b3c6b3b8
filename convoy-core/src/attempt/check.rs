//! The check segment: the task's gates judge the commit of its work.

use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::environment::gate_env;
use super::setup::{ShellRun, copy_in, run_setup};
use crate::gate::{GateEnd, GateOutcome};
use crate::git::GitError;
use crate::types::{AttemptNo, Failure, FailureKind, Oid, TaskIx};

/// Work to be judged.
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// The task.
    pub task: TaskIx,
    /// The attempt.
    pub attempt: AttemptNo,
    /// The commit of the work.
    pub commit: Oid,
}

/// What one gate said.
#[derive(Debug, Clone)]
pub struct GateReport {
    /// The command.
    pub gate: String,
    /// How it ended.
    pub end: GateEnd,
    /// The ends of its output, redacted.
    pub output: String,
}

/// What the checks say.
#[derive(Debug, Clone)]
pub enum Checked {
    /// All passed.
    Passed,
    /// One failed; those after it were not run.
    Failed(Failure),
    /// They were stopped before they had an answer.
    Stopped,
}

/// Runs the task's gates in its worktree, one after the other, until one fails, and removes the worktree.
/// Each gate sees the files of the commit: what the one before changed is put back.
///
/// # Errors
/// When git itself fails; the segment can be repeated.
pub async fn check(
    context: &Context,
    request: &CheckRequest,
    cancel: &CancellationToken,
    report: &mut (dyn FnMut(GateReport) + Send),
) -> Result<Checked, GitError> {
    let checked = run_gates(context, request, cancel, report).await?;
    if !matches!(checked, Checked::Stopped) {
        let path = context.dirs.worktree(&context.plan, request.task);
        context.repository.remove_worktree(&path).await?;
    }
    Ok(checked)
}

async fn run_gates(
    context: &Context,
    request: &CheckRequest,
    cancel: &CancellationToken,
    report: &mut (dyn FnMut(GateReport) + Send),
) -> Result<Checked, GitError> {
    let task = context.plan.spec_of(request.task);
    if task.gates.is_empty() {
        return Ok(Checked::Passed);
    }
    let env = match gate_env(&context.host_env, context.plan.spec(), task) {
        Ok(env) => env,
        Err(error) => {
            return Ok(Checked::Failed(context.failure(
                FailureKind::Worktree,
                "cannot run the gates",
                &error,
            )));
        }
    };
    let worktree = context.dirs.worktree(&context.plan, request.task);
    if let Some(checked) = restore_worktree(context, request, &env, cancel).await? {
        return Ok(checked);
    }
    for gate in &task.gates {
        // The gate before may have destroyed the worktree: that is this task's trouble, nobody else's.
        if let Err(error) = context.repository.restore_tracked(&worktree, &request.commit).await {
            let failure =
                context.failure(FailureKind::Worktree, "cannot put back the files of the work", &error);
            return Ok(Checked::Failed(failure));
        }
        let run = ShellRun {
            task: request.task,
            attempt: request.attempt,
            worktree: &worktree,
            env: &env,
            command: gate,
        };
        let (end, output) = match run.run(context, cancel).await {
            Ok((GateOutcome::Ended(end), output)) => (end, output),
            Ok((GateOutcome::Cancelled, _)) => return Ok(Checked::Stopped),
            Err(failure) => return Ok(Checked::Failed(failure)),
        };
        let passed = end.passed;
        let failure = gate_failure(context, gate, &end, &output);
        report(GateReport { gate: context.redactor.redact(gate).into_owned(), end, output });
        if !passed {
            return Ok(Checked::Failed(failure));
        }
    }
    Ok(Checked::Passed)
}

/// Makes the worktree again, as the work segment would have left it, when this run of the engine has not
/// made it: what a crash or a stop left of it tells nothing about the work.
async fn restore_worktree(
    context: &Context,
    request: &CheckRequest,
    env: &std::collections::BTreeMap<String, String>,
    cancel: &CancellationToken,
) -> Result<Option<Checked>, GitError> {
    let path = context.dirs.worktree(&context.plan, request.task);
    let state = context.repository.worktree_state(&path).await?;
    if state.exists && context.whole.contains(request.task, request.attempt) {
        return Ok(None);
    }
    if state.exists || state.registered {
        // Its work is the commit that is being judged.
        context.repository.remove_worktree(&path).await?;
    }
    context.repository.add_worktree(&path, &request.commit).await?;
    if let Err(error) = copy_in(context, &path) {
        let failure = context.failure(FailureKind::Worktree, "worktree.copy", &error);
        return Ok(Some(Checked::Failed(failure)));
    }
    let setup = run_setup(context, request.task, request.attempt, &path, env.clone(), cancel).await;
    Ok(match setup {
        Ok(()) => {
            context.whole.insert(request.task, request.attempt);
            None
        }
        Err(_) if cancel.is_cancelled() => Some(Checked::Stopped),
        Err(failure) => Some(Checked::Failed(failure)),
    })
}

fn gate_failure(context: &Context, gate: &str, end: &GateEnd, output: &str) -> Failure {
    let name = context.redactor.redact(gate).into_owned();
    let mut failure =
        Failure::new(FailureKind::Gate(name.clone()), format!("gate `{name}` did not pass: {}", end.how));
    failure.exit_code = end.exit_code;
    failure.output_tail = output.to_owned();
    failure
}
