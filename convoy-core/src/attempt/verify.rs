//! `merge.verify`: shell commands that must pass on a merged tree before the integration ref moves to it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::LISTED;
use super::context::Context;
use super::end::Room;
use super::guard::Guard;
use crate::clock::Stopwatch;
use crate::gate::{GateEnd, GateOutcome};
use crate::git::GitError;
use crate::types::{Failure, FailureKind, Oid, WorkerId};

/// A merged tree is to be judged.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    /// The number of the run.
    pub run: u32,
    /// The commit with the tree.
    pub commit: Oid,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum VerifyEnd {
    /// Every command passed.
    Passed,
    /// One did not, the tree could not be set up, or the repository was changed meanwhile.
    Failed(Failure),
    /// It was stopped before it had an answer.
    Stopped,
}

/// What became of a run. All texts are redacted.
#[derive(Debug, Clone)]
pub struct Verified {
    /// How it ended.
    pub outcome: VerifyEnd,
    /// How long it took.
    pub elapsed: Duration,
    /// Files of the tree that the commands had changed, bounded. They were put back.
    pub changed_files: Vec<String>,
}

/// Runs the commands of `merge.verify`, one after the other until one fails, in a worktree of its own: a fresh checkout
/// of the commit, set up like every worktree of the convoy, with nothing of what others left. Each command sees the
/// files of the commit: what the one before changed is put back. They run what agents wrote, so a repository that is
/// not as it was fails the run.
///
/// # Errors
/// When git itself fails; all of it can be repeated.
pub async fn verify(
    context: &Context,
    request: &VerifyRequest,
    cancel: &CancellationToken,
) -> Result<Verified, GitError> {
    let watch = Stopwatch::start();
    let VerifyRequest { run, commit } = request;
    let (path, worker) = (context.dirs.verify_worktree(*run), WorkerId::of_verify(&context.convoy, *run));
    let mut changed_files = Vec::new();
    let made = Room::make(context, path, commit, &format!("verify-{run}"), worker, cancel).await;
    let mut room = match made {
        Ok(room) => room,
        Err(none) => {
            let elapsed = watch.elapsed();
            return none.or_stopped(Verified { outcome: VerifyEnd::Stopped, elapsed, changed_files });
        }
    };
    let outcome = match room.furnish(context, cancel).await {
        Ok(()) => {
            let guard = Guard::begin(context).await?;
            let ran = run_all(context, commit, &room, cancel, &mut changed_files).await;
            let (_, found) = guard.end(context).await;
            match (ran, found) {
                (VerifyEnd::Passed, Some(failure)) => VerifyEnd::Failed(failure),
                (ran, _) => ran,
            }
        }
        Err(_) if cancel.is_cancelled() => VerifyEnd::Stopped,
        Err(failure) => VerifyEnd::Failed(failure),
    };
    room.remove(context).await?;
    changed_files.sort_unstable();
    changed_files.dedup();
    let changed_files = context.redactor.clean_list(&changed_files, LISTED);
    Ok(Verified { outcome, elapsed: watch.elapsed(), changed_files })
}

/// Removes the worktrees that an engine that is gone left of its runs. Nobody goes on in them: what was not verified to
/// the end is verified anew.
///
/// # Errors
/// When one of them cannot be removed; the others are.
pub async fn remove_left(context: &Context) -> Result<(), GitError> {
    let mut result = Ok(());
    for path in context.dirs.verify_worktrees() {
        result = result.and(context.repository.remove_worktree(&path).await);
    }
    result
}

async fn run_all(
    context: &Context,
    commit: &Oid,
    room: &Room,
    cancel: &CancellationToken,
    changed: &mut Vec<String>,
) -> VerifyEnd {
    // What setup changed of the files is put back, too.
    let mut ready = room.restore(context, commit).await;
    for command in &context.plan.spec().merge.verify {
        if let Err(failure) = ready {
            return VerifyEnd::Failed(failure);
        }
        let ran = room.shell().run(context, command, cancel).await;
        ready = room.restore(context, commit).await;
        changed.extend(ready.iter().flatten().cloned());
        match ran {
            Ok((GateOutcome::Ended(end), _)) if end.passed => {}
            Ok((GateOutcome::Ended(end), output)) => {
                return VerifyEnd::Failed(failed(&context.redactor.clean(command), &end, output));
            }
            Ok((GateOutcome::Cancelled, _)) => return VerifyEnd::Stopped,
            Err(_) if cancel.is_cancelled() => return VerifyEnd::Stopped,
            Err(failure) => return VerifyEnd::Failed(failure),
        }
    }
    VerifyEnd::Passed
}

fn failed(command: &str, end: &GateEnd, output: String) -> Failure {
    let message = format!("`{command}` of merge.verify did not pass on the merged tree: {}", end.how);
    let failure = Failure::new(FailureKind::Verify(command.to_owned()), message);
    Failure { exit_code: end.exit_code, output_tail: output, ..failure }
}
