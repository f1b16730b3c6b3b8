//! The gates of the host.

use super::bench::{Bench, End};
use super::{CheckReport, GateReport};
use crate::attempt::host::{Answer, Ended, GateCall, ask, told};
use crate::attempt::log::Log;
use crate::attempt::review::diff_text;
use crate::clock::Stopwatch;
use crate::gate::{Diff, GateEnd};
use crate::review::DiffText;
use crate::types::{Failure, FailureKind};

/// Most bytes of the patch that a gate is shown.
const MAX_DIFF: usize = 1024 * 1024;

/// Asks the host's gates, one after the other, until one fails.
pub(super) async fn gates(bench: &mut Bench<'_>) -> Result<(), End> {
    if bench.task.host_gates.is_empty() {
        return Ok(());
    }
    let env = bench.env()?;
    bench.restore_worktree(&env).await?;
    let mut restored = bench.restore_files().await;
    let (context, request) = (bench.context, bench.request);
    let diff = Diff::read(&context.repository, &request.base, &request.commit).await?;
    let text =
        diff_text(&context.repository, &context.redactor, (&diff.from, &request.commit), MAX_DIFF).await?;
    for name in &bench.task.host_gates {
        restored.map_err(End::Failed)?;
        let watch = Stopwatch::start();
        let asked = asked(bench, name, &diff, text.clone()).await;
        let told = told(asked, bench.task.gate_timeout).ok_or(End::Stopped)?;
        let elapsed = watch.elapsed();
        restored = bench.restore_files().await;
        let changed_files = bench.clean_paths(restored.as_deref().unwrap_or_default());
        let (gate, output) = (bench.clean(name), bench.clean(&told.output));
        let end = GateEnd { passed: told.passed, exit_code: None, elapsed, how: bench.clean(&told.how) };
        note(bench, &gate, &end, &output).map_err(End::Failed)?;
        let failure = (!end.passed).then(|| {
            let message = format!("gate `{gate}` did not pass: {}", end.how);
            Failure { output_tail: output.clone(), ..Failure::new(FailureKind::Gate(gate.clone()), message) }
        });
        bench.report(CheckReport::Gate(GateReport { gate, host: true, end, output, changed_files }));
        if let Some(failure) = failure {
            return Err(End::Failed(failure));
        }
    }
    // What the last one left matters to nobody else.
    Ok(())
}

/// What the code under a name says. None at all: whoever looks at a spec before it runs refuses it, but tasks may come
/// later, by way of the store.
async fn asked(bench: &mut Bench<'_>, name: &str, diff: &Diff, text: DiffText) -> Ended<Answer> {
    let (context, request) = (bench.context, bench.request);
    let Some(code) = context.host.find_gate(name) else {
        return Ended::Answered(Answer::fail(
            "the program that runs the convoy has registered no gate of this name",
        ));
    };
    let worktree = bench.worktree();
    let call = |stop| GateCall {
        convoy: context.convoy.clone(),
        task: bench.task.clone(),
        attempt: request.attempt,
        worktree,
        base: request.base.clone(),
        commit: request.commit.clone(),
        tree: request.tree.clone(),
        changed_files: diff.names().map(str::to_owned).collect(),
        diff: text,
        stop,
    };
    ask(code, call, bench.task.gate_timeout, context.grace, bench.cancel).await
}

/// Writes what a gate said into the log of the checks.
fn note(bench: &Bench<'_>, gate: &str, end: &GateEnd, output: &str) -> Result<(), Failure> {
    let (context, request) = (bench.context, bench.request);
    let path = context.dirs.check_log(&context.plan, request.task, request.attempt);
    let written = Log::open(&path, &context.redactor).and_then(|mut log| {
        log.title(&format!("gate `{gate}` of the host: {}", end.how));
        log.push(output.as_bytes());
        log.finish().1.map_or(Ok(()), Err)
    });
    written
        .map_err(|error| context.failure(FailureKind::Worktree, &format!("cannot log gate `{gate}`"), &error))
}
