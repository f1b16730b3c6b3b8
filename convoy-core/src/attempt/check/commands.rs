//! The task's own gates.

use super::bench::{Bench, End};
use super::{CheckReport, GateReport};
use crate::attempt::setup::ShellRun;
use crate::gate::{GateEnd, GateOutcome};
use crate::types::{Failure, FailureKind};

/// Runs the task's gates in its worktree, one after the other, until one fails.
pub(super) async fn gates(bench: &mut Bench<'_>) -> Result<(), End> {
    if bench.task.gates.is_empty() {
        return Ok(());
    }
    let env = bench.env()?;
    bench.restore_worktree(&env).await?;
    let mut restored = bench.restore_files().await;
    for gate in &bench.task.gates {
        restored.map_err(End::Failed)?;
        let (task, attempt, worktree) = (bench.request.task, bench.request.attempt, bench.worktree());
        let run = ShellRun { task, attempt, worktree: &worktree, env: &env, command: gate };
        let (end, output) = match run.run(bench.context, bench.cancel).await {
            Ok((GateOutcome::Ended(end), output)) => (end, output),
            Ok((GateOutcome::Cancelled, _)) => return Err(End::Stopped),
            Err(failure) => return Err(End::Failed(failure)),
        };
        restored = bench.restore_files().await;
        let changed_files = bench.clean_paths(restored.as_deref().unwrap_or_default());
        let gate = bench.clean(gate);
        let failure = (!end.passed).then(|| gate_failure(&gate, &end, &output));
        bench.report(CheckReport::Gate(GateReport { gate, host: false, end, output, changed_files }));
        if let Some(failure) = failure {
            return Err(End::Failed(failure));
        }
    }
    // What the last one left matters to nobody else.
    Ok(())
}

fn gate_failure(gate: &str, end: &GateEnd, output: &str) -> Failure {
    let message = format!("gate `{gate}` did not pass: {}", end.how);
    let mut failure = Failure::new(FailureKind::Gate(gate.to_owned()), message);
    failure.exit_code = end.exit_code;
    failure.output_tail = output.to_owned();
    failure
}
