//! The gates of the convoy.

use tokio_util::sync::CancellationToken;

use super::room::Room;
use crate::attempt::LISTED;
use crate::attempt::context::Context;
use crate::attempt::guard::{GATE, Guard};
use crate::gate::GateOutcome;
use crate::git::GitError;
use crate::types::{Failure, GateLevel, Oid, WorkerId};

/// The gates of the convoy are to judge a commit.
#[derive(Debug, Clone)]
pub struct ConvoyGates {
    /// Which time they run.
    pub round: u32,
    /// The merged result.
    pub commit: Oid,
}

/// What a gate of the convoy said. All texts are redacted.
#[derive(Debug, Clone)]
pub struct EndGate {
    /// The command.
    pub gate: String,
    /// Whether it exited with 0 in time.
    pub passed: bool,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// How long it ran.
    pub duration_ms: u64,
    /// The ends of its output.
    pub output: String,
    /// Files of the merged result that it had changed, bounded. They were put back.
    pub changed_files: Vec<String>,
}

impl EndGate {
    fn failed(context: &Context, gate: &str, failure: Failure) -> Self {
        let mut output = failure.message;
        if !failure.output_tail.is_empty() {
            output = format!("{output}\n\n{}", failure.output_tail);
        }
        let (gate, exit_code) = (context.redactor.clean(gate), failure.exit_code);
        Self { gate, passed: false, exit_code, duration_ms: 0, output, changed_files: Vec::new() }
    }
}

/// Runs every gate of the convoy in a fresh worktree of the commit, also after one that failed, so that whoever
/// mends them knows all. Each sees the files of the commit: what the one before changed is put back. A worktree
/// that cannot be set up is told as a gate that failed, and so is a repository that is not as it was, since gates run
/// what agents wrote. Returns whether all were run; they were not when this was
/// stopped.
///
/// # Errors
/// When git itself fails; all of it can be repeated.
pub async fn convoy_gates(
    context: &Context,
    request: &ConvoyGates,
    cancel: &CancellationToken,
    report: &mut (dyn FnMut(EndGate) + Send),
) -> Result<bool, GitError> {
    let worker = WorkerId::of_end(&context.convoy, request.round);
    let path = context.dirs.end_worktree();
    let stage = format!("gates-{}", request.round);
    let mut room = match Room::make(context, path, &request.commit, &stage, worker, cancel).await {
        Ok(room) => room,
        Err(none) => return none.or_stopped(false),
    };
    let over = match room.furnish(context, cancel).await {
        Ok(()) => {
            let guard = Guard::begin(context).await?;
            let over = run_gates(context, request, &room, cancel, report).await;
            look_around(context, guard, report).await;
            over
        }
        Err(_) if cancel.is_cancelled() => false,
        Err(failure) => {
            report(EndGate::failed(context, "prepare the merged result", failure));
            true
        }
    };
    room.remove(context).await?;
    Ok(over)
}

/// Tells what was changed of the repository meanwhile, as a gate of its own.
async fn look_around(context: &Context, guard: Guard, report: &mut (dyn FnMut(EndGate) + Send)) {
    let (found, failure) = guard.end(context).await;
    for found in found {
        let passed = found.level == GateLevel::Warn;
        let output = match &failure {
            Some(failure) if !passed => failure.message.clone(),
            _ => format!("somebody changed the repository meanwhile: {}", found.changes.join(", ")),
        };
        let (gate, changed_files) = (GATE.to_owned(), Vec::new());
        report(EndGate { gate, passed, exit_code: None, duration_ms: 0, output, changed_files });
    }
}

async fn run_gates(
    context: &Context,
    request: &ConvoyGates,
    room: &Room,
    cancel: &CancellationToken,
    report: &mut (dyn FnMut(EndGate) + Send),
) -> bool {
    let mut ready = room.restore(context, &request.commit).await;
    for gate in &context.plan.spec().gates {
        // The gate before may have destroyed the worktree.
        if let Err(failure) = ready {
            report(EndGate::failed(context, gate, failure));
            ready = room.restore(context, &request.commit).await;
            continue;
        }
        let ran = room.shell().run(context, gate, cancel).await;
        ready = room.restore(context, &request.commit).await;
        let changed_files = context.redactor.clean_list(ready.as_deref().unwrap_or_default(), LISTED);
        match ran {
            Ok((GateOutcome::Ended(end), output)) => report(EndGate {
                gate: context.redactor.clean(gate),
                passed: end.passed,
                exit_code: end.exit_code,
                duration_ms: u64::try_from(end.elapsed.as_millis()).unwrap_or(u64::MAX),
                output: if end.passed { output } else { format!("{output}\n({})", end.how) },
                changed_files,
            }),
            Ok((GateOutcome::Cancelled, _)) => return false,
            Err(_) if cancel.is_cancelled() => return false,
            Err(failure) => report(EndGate { changed_files, ..EndGate::failed(context, gate, failure) }),
        }
    }
    true
}
