//! The check segment: the commit of an attempt's work is judged.

mod bench;
mod built_in;
mod commands;
mod drift;
mod host;
mod programs;

use tokio_util::sync::CancellationToken;

use self::bench::{Bench, End};
pub(super) use self::built_in::{escapes, escapes_made};
pub use self::drift::{DriftReport, Rating};
use super::context::Context;
use super::guard::{Guard, GuardReport};
use super::hooks::{Due, Halt, HookReport, task_hooks};
use super::inputs::PromptInput;
use super::review::{ReviewEnd, ReviewNote, ReviewOrder, Subject, review};
use super::work::KeptSession;
use crate::gate::{GateEnd, Verdict};
use crate::git::GitError;
use crate::types::{AttemptNo, Failure, Oid, ReviewLevel, TaskIx};

/// Work to be judged.
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// The task.
    pub task: TaskIx,
    /// The attempt.
    pub attempt: AttemptNo,
    /// Where the work began.
    pub base: Oid,
    /// The commit of the work.
    pub commit: Oid,
    /// The commands that passed its very tree before.
    pub passed_commands: Vec<String>,
    /// The gates of the engine that passed its very tree before, configured by the same commit.
    pub passed_built_in: Vec<String>,
    /// The host's gates that passed its very tree before.
    pub passed_host: Vec<String>,
    /// Its tree.
    pub tree: Oid,
    /// The most thorough review that this very work, the tree on its base, has passed.
    pub reviewed: Option<ReviewLevel>,
    /// Tokens that all reviews of the convoy have used so far.
    pub review_tokens: u64,
    /// The artifacts that the agent's prompt got.
    pub inputs: Vec<PromptInput>,
    /// The files that it was to leave as artifacts and did not.
    pub missing_files: Vec<String>,
    /// The session that the agent left.
    pub session: Option<KeptSession>,
    /// Whether the agent rated the work before, and what it said.
    pub rated: Option<Rating>,
}

/// What one gate said.
#[derive(Debug, Clone)]
pub enum CheckReport {
    /// A command.
    Gate(GateReport),
    /// A gate of the engine; its text redacted.
    BuiltIn(Verdict),
    /// A gate that passed this very tree before and was not run.
    Known {
        /// The command, or the name of the gate.
        gate: String,
        /// What it is.
        by: Judge,
    },
    /// Somebody changed the repository meanwhile.
    Guard(GuardReport),
    /// What the agent says of its own work.
    Drift(DriftReport),
    /// A review.
    Review(ReviewNote),
    /// A hook that reviews.
    Hook(HookReport),
}

/// What a gate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// A command.
    Command,
    /// One of the engine's.
    BuiltIn,
    /// Code of the host.
    Host,
}

/// What a command, or code of the host, said.
#[derive(Debug, Clone)]
pub struct GateReport {
    /// The command, or the name of the code.
    pub gate: String,
    /// Whether it is code of the host.
    pub host: bool,
    /// How it ended.
    pub end: GateEnd,
    /// The ends of its output, redacted.
    pub output: String,
    /// The files of the work that it had changed; redacted, bounded. They were put back.
    pub changed_files: Vec<String>,
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

/// Judges the work of an attempt, one gate after the other, until one does not pass, and removes the worktree.
/// Each gate sees the files of the commit: what the one before changed is put back.
///
/// # Errors
/// When git itself fails; the segment can be repeated.
pub async fn check(
    context: &Context,
    request: &CheckRequest,
    cancel: &CancellationToken,
    report: &mut (dyn FnMut(CheckReport) + Send),
) -> Result<Checked, GitError> {
    let mut bench = Bench::new(context, request, cancel, report);
    let checked = match judge(&mut bench).await {
        Ok(()) => Checked::Passed,
        Err(End::Failed(failure)) => Checked::Failed(failure),
        Err(End::Stopped) => return Ok(Checked::Stopped),
        Err(End::Trouble(error)) => return Err(error),
    };
    bench.leave_worktree().await?;
    Ok(checked)
}

/// What runs foreign programs: tests that the agent wrote among them.
async fn run_programs(bench: &mut Bench<'_>) -> Result<(), End> {
    commands::gates(bench).await?;
    host::gates(bench).await?;
    programs::program_gates(bench).await
}

/// The sequence: what only has to be read comes before what has to be run.
async fn judge(bench: &mut Bench<'_>) -> Result<(), End> {
    // A commit that cannot be read is its task's trouble, nobody else's.
    built_in::diff_gates(bench).await.map_err(|end| bench.unreadable(end))?;
    if bench.has_passed_all() {
        bench.report_known();
    } else if bench.runs_programs() {
        // Setup may configure the repository, by the user's own wish; what judges may not.
        let env = bench.env()?;
        bench.restore_worktree(&env).await?;
        let guard = Guard::begin(bench.context).await?;
        let ran = run_programs(bench).await;
        bench.look_around(guard, ran).await?;
    }
    drift::rate(bench).await?;
    review_stage(bench).await?;
    review_hooks(bench).await
}

/// The hooks that review the work: each has a reviewer of its own, whatever others said of it.
async fn review_hooks(bench: &mut Bench<'_>) -> Result<(), End> {
    let (context, request, cancel) = (bench.context, bench.request, bench.cancel);
    let order = ReviewOrder { passed: None, ..review_order(request) };
    let mut each = |hook| bench.report(CheckReport::Hook(hook));
    let of = (request.task, request.attempt);
    task_hooks(context, of, Due::AfterChecks(&order), cancel, &mut each).await.map_err(|halt| match halt {
        Halt::Failed(failure) => End::Failed(failure),
        Halt::Stopped => End::Stopped,
        Halt::NoRoom(error) => End::Trouble(error),
    })
}

fn review_order(request: &CheckRequest) -> ReviewOrder {
    ReviewOrder {
        of: Subject::Attempt(request.task, request.attempt),
        base: request.base.clone(),
        commit: request.commit.clone(),
        inputs: request.inputs.clone(),
        passed: request.reviewed,
        spent: request.review_tokens,
    }
}

/// Reviewers look last: they are the dearest judges, and rely on the others having passed the work.
async fn review_stage(bench: &mut Bench<'_>) -> Result<(), End> {
    let (context, request, cancel) = (bench.context, bench.request, bench.cancel);
    let (task, order) = (bench.task, review_order(request));
    let mut note = |note| bench.report(CheckReport::Review(note));
    let reviewed = review(context, task, &order, cancel, &mut note).await;
    match reviewed.map_err(|error| bench.unreadable(End::Trouble(error)))? {
        ReviewEnd::Passed => Ok(()),
        ReviewEnd::Blocked(failure) => Err(End::Failed(failure)),
        ReviewEnd::Stopped => Err(End::Stopped),
    }
}
