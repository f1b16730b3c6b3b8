//! Performs actions by the segments of an attempt: the border between their types and the scheduler's.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Instrument as _, Span};

use super::landing::{advance, prepare, publish};
use super::perform::{Perform, Reporter, Stop};
use super::{ending, verify};
use crate::agent::AgentOutcome as Said;
use crate::attempt::{self, Context, Observer};
use crate::error::{Error, ErrorKind};
use crate::event::{
    AgentOutcome, BuiltInGateResult, DriftResult, GateResult, HookResult, RepositoryGuard, ReviewRecord,
    ReviewStarted, StepFinished, StepStarted, Work,
};
use crate::gate::Verdict;
use crate::plan::Plan;
use crate::review::Grant;
use crate::schedule::{
    Action, AgentEnd, CheckOrder, InputArtifact, Report, SnapshotOrder, SnapshotReport, StartedReport,
    WorkOrder,
};
use crate::state::{CutOff, Session};
use crate::types::{AttemptNo, BoxFuture, Oid, TaskId, TaskIx};

/// The real performer.
#[derive(Debug)]
pub(crate) struct Segments {
    context: Mutex<Arc<Context>>,
}

impl Perform for Segments {
    fn perform(
        &self,
        action: Action,
        plan: Arc<Plan>,
        stop: Stop,
        reporter: Reporter,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let context = self.with_plan(plan);
        let span = span_of(&context, &action);
        let performed = async move {
            match action {
                Action::Work(order) => work(&context, *order, &stop, &reporter).await?,
                Action::Snapshot(order) => snapshot(&context, *order, &stop, &reporter).await?,
                Action::Check(order) => check(&context, *order, &stop, &reporter).await?,
                Action::Prepare { task, attempt, work, tip } => {
                    prepare(&context, task, attempt, work, tip, &reporter).await?;
                }
                Action::Advance { task, attempt, prepared } => {
                    advance(&context, task, attempt, prepared, &reporter).await?;
                }
                Action::Publish(order) => publish(&context, order, &reporter).await?,
                Action::Verify(order) => verify::perform(&context, order, &stop, &reporter).await?,
                Action::End(order) => ending::perform(&context, order, &stop, &reporter).await?,
                // The driver answers these itself.
                Action::Stop { .. }
                | Action::StopEnd { .. }
                | Action::StopVerify { .. }
                | Action::AskPlace { .. }
                | Action::LeavePlace { .. } => {}
            }
            Ok(())
        };
        Box::pin(performed.instrument(span))
    }
}

/// The span of a segment: what is told in it names the convoy, the task and the attempt.
fn span_of(context: &Context, action: &Action) -> Span {
    macro_rules! of_task {
        ($name:literal, $task:expr, $attempt:expr) => {{
            let (convoy, task) = (&context.convoy, context.plan.id($task));
            tracing::info_span!($name, convoy = %convoy, task = %task, attempt = $attempt.0)
        }};
    }
    let convoy = &context.convoy;
    match action {
        Action::Work(order) => of_task!("work", order.task, order.attempt),
        Action::Snapshot(order) => of_task!("snapshot", order.task, order.attempt),
        Action::Check(order) => of_task!("check", order.task, order.attempt),
        Action::Prepare { task, attempt, .. } | Action::Advance { task, attempt, .. } => {
            of_task!("land", *task, attempt)
        }
        Action::Publish(_) => tracing::info_span!("publish", convoy = %convoy),
        Action::Verify(order) => tracing::info_span!("verify", convoy = %convoy, run = order.run),
        Action::End(_) => tracing::info_span!("end", convoy = %convoy),
        Action::Stop { .. }
        | Action::StopEnd { .. }
        | Action::StopVerify { .. }
        | Action::AskPlace { .. }
        | Action::LeavePlace { .. } => Span::none(),
    }
}

impl Segments {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context: Mutex::new(context) }
    }

    /// What the segments share, with the plan as it is now. Tasks that were added may have brought secrets.
    fn with_plan(&self, plan: Arc<Plan>) -> Arc<Context> {
        // Whole at every moment, also after a panic elsewhere.
        let mut shared = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&plan, &shared.plan) {
            let redactor = attempt::redactor(&shared.secrets, &shared.host_env, plan.spec());
            *shared = Arc::new(Context { plan, redactor, ..Context::clone(&shared) });
        }
        shared.clone()
    }
}

/// A failure of git where nobody may guess: the engine stops and the convoy is resumed later.
pub(super) fn git_error(doing: &str, error: crate::git::GitError) -> Error {
    let mend = if error.is_disk_full() { "free space on its disk" } else { "mend the repository" };
    Error::new(ErrorKind::Repository, format!("git could not {doing}; {mend}, then resume")).because(error)
}

/// Passes the agent's signs of life to the driver.
struct Forward<'a> {
    task: TaskIx,
    id: &'a TaskId,
    attempt: AttemptNo,
    reporter: &'a Reporter,
}

impl Observer for Forward<'_> {
    fn started(&mut self, started: attempt::Started) {
        let report = Report::Started(StartedReport {
            adapter: started.adapter,
            account: started.account,
            model: started.model,
            worktree: started.worktree.to_string_lossy().into_owned(),
            slot: started.slot,
            prompt_bytes: started.prompt_bytes,
            session: started.session,
        });
        self.reporter.report(self.task, self.attempt, report);
    }

    fn spawned(&mut self, pid: u32, start_time: u64) {
        self.reporter.report(self.task, self.attempt, Report::Spawned { pid, start_time });
    }

    fn step_started(&mut self, step: attempt::StepStart) {
        let attempt::StepStart { step, index, of, retry, session, failure } = step;
        let started = StepStarted { step, index, of, retry, session, failure };
        self.reporter.report(self.task, self.attempt, Report::StepStarted(started));
    }

    fn step_finished(&mut self, step: attempt::StepEnd) {
        let attempt::StepEnd { step, index, status, exit_code, retries, duration_ms, failure } = step;
        let finished = StepFinished { step, index, status, exit_code, retries, duration_ms, failure };
        self.reporter.report(self.task, self.attempt, Report::StepFinished(finished));
    }

    fn hook(&mut self, report: attempt::HookReport) {
        self.reporter.report(self.task, self.attempt, Report::Hook(hook_result(report)));
    }

    fn output(&mut self, clean: &[u8]) {
        self.reporter.output(self.id, self.attempt, clean);
    }

    fn guarded(&mut self, found: attempt::GuardReport) {
        self.reporter.report(self.task, self.attempt, guard_report(found));
    }
}

async fn work(context: &Context, order: WorkOrder, stop: &Stop, reporter: &Reporter) -> Result<(), Error> {
    let (task, attempt) = (order.task, order.attempt);
    let request = attempt::WorkRequest {
        task,
        attempt,
        base: order.base,
        agent: order.agent,
        session: order.session.map(kept),
        feedback: order.feedback,
        failed_attempt: order.failed_attempt,
        cut_off: order.cut_off.map(cut_off),
        conflict: order.conflict.map(|c| attempt::ConflictWork {
            tree: c.tree,
            files: c.files,
            paths: c.paths,
        }),
        inputs: order.inputs.into_iter().map(prompt_input).collect(),
    };
    let mut forward = Forward { task, id: context.plan.id(task), attempt, reporter };
    let worked = attempt::work(context, request, stop.token(), &mut forward).await;
    let worked = worked.map_err(|e| git_error("make a worktree", e))?;
    let outcome = match worked.report.outcome {
        Said::Succeeded => AgentOutcome::Succeeded,
        Said::Failed(failure) => AgentOutcome::Failed { failure },
        Said::Cancelled if stop.is_for_good() => AgentOutcome::Cancelled,
        Said::Cancelled => AgentOutcome::Interrupted,
    };
    let end = AgentEnd {
        outcome,
        exit_code: worked.report.exit_code,
        session: worked.report.session,
        usage: worked.report.usage,
        duration_ms: worked.duration_ms,
        summary: attempt::last_bytes(worked.report.result_text, 4096),
        killed: worked.killed,
    };
    reporter.report(task, attempt, Report::AgentEnded(end));
    Ok(())
}

fn prompt_input(input: InputArtifact) -> attempt::PromptInput {
    let InputArtifact { as_, from, name, oid } = input;
    attempt::PromptInput { as_, from, name, oid }
}

async fn snapshot(
    context: &Context,
    order: SnapshotOrder,
    stop: &Stop,
    reporter: &Reporter,
) -> Result<(), Error> {
    let mut request = attempt::TakeRequest {
        task: order.task,
        attempt: order.attempt,
        base: order.base.clone(),
        succeeded: order.succeeded,
        hooks: order.hooks,
        conflict: order.conflict.map(|c| (c.work.commit, c.files)),
    };
    let mut each = |said| {
        let report = match said {
            attempt::TakeReport::Hook(hook) => Report::Hook(hook_result(hook)),
            attempt::TakeReport::Guard(found) => guard_report(found),
        };
        reporter.report(order.task, order.attempt, report);
    };
    let trouble = |e| git_error("keep the work of an agent", e);
    let mut taken = attempt::take(context, &request, stop.token(), &mut each).await.map_err(trouble)?;
    if let (attempt::Taken::Stopped, true) = (&taken, stop.is_for_good()) {
        request.hooks = false;
        taken = attempt::take(context, &request, stop.token(), &mut each).await.map_err(trouble)?;
    }
    let report = match taken {
        attempt::Taken::Commit {
            commit,
            tree,
            changed,
            rebased,
            files_changed,
            kept_ref,
            artifacts,
            unfit,
        } => {
            let work = Work { commit, tree, base: order.base, changed, kept_ref };
            SnapshotReport::Taken { work, rebased, files_changed, artifacts, unfit }
        }
        attempt::Taken::NoWorktree => SnapshotReport::NoWorktree,
        attempt::Taken::Failed(failure) => SnapshotReport::Failed(failure),
        attempt::Taken::Stopped => {
            reporter.report(order.task, order.attempt, Report::SnapshotStopped);
            return Ok(());
        }
    };
    reporter.report(order.task, order.attempt, Report::Snapshot(report));
    Ok(())
}

fn hook_result(hook: attempt::HookReport) -> HookResult {
    HookResult {
        hook: hook.hook,
        kind: hook.kind,
        on: hook.on,
        passed: hook.passed,
        how: hook.how,
        exit_code: hook.exit_code,
        duration_ms: u64::try_from(hook.elapsed.as_millis()).unwrap_or(u64::MAX),
        output: hook.output,
        usage: hook.usage,
    }
}

async fn check(context: &Context, order: CheckOrder, stop: &Stop, reporter: &Reporter) -> Result<(), Error> {
    let (task, attempt) = (order.task, order.attempt);
    let Work { base, commit, tree, .. } = order.work;
    let request = attempt::CheckRequest {
        task,
        attempt,
        base,
        commit,
        tree: tree.clone(),
        reviewed: order.reviewed,
        review_tokens: order.review_tokens,
        passed_commands: order.passed.commands,
        passed_built_in: order.passed.built_in,
        passed_host: order.passed.host,
        inputs: order.inputs.into_iter().map(prompt_input).collect(),
        missing_files: order.missing_files,
        session: order.session.map(kept),
        rated: order.rated.map(|(score, explanation)| attempt::Rating { score, explanation }),
    };
    let mut each = |said| reporter.report(task, attempt, check_report(said, &tree));
    let checked = attempt::check(context, &request, stop.token(), &mut each).await;
    let report = match checked.map_err(|e| git_error("prepare the checks", e))? {
        attempt::Checked::Passed => Report::Checked(None),
        attempt::Checked::Failed(failure) => Report::Checked(Some(failure)),
        attempt::Checked::Stopped => Report::CheckStopped,
    };
    reporter.report(task, attempt, report);
    Ok(())
}

fn kept(session: Session) -> attempt::KeptSession {
    let Session { id, agent, adapter, account, slot } = session;
    attempt::KeptSession { id, agent, adapter, account, slot }
}

fn cut_off(cut: CutOff) -> attempt::CutOff {
    let kept = match (cut.work, cut.lost) {
        (Some(Work { changed: false, .. }), _) => attempt::Kept::Nothing,
        (Some(Work { base, commit, tree, kept_ref, .. }), _) => {
            attempt::Kept::Work { base, commit, tree, kept_ref }
        }
        (None, Some(why)) => attempt::Kept::Lost(why),
        (None, None) => attempt::Kept::Lost("its worktree was gone".to_owned()),
    };
    attempt::CutOff { attempt: cut.attempt, kept }
}

fn guard_report(found: attempt::GuardReport) -> Report {
    let attempt::GuardReport { level, changes } = found;
    Report::Guard(RepositoryGuard { level, changes })
}

fn check_report(said: attempt::CheckReport, tree: &Oid) -> Report {
    let tree = Some(tree.clone());
    match said {
        attempt::CheckReport::Gate(attempt::GateReport { gate, host, end, output, changed_files }) => {
            let duration_ms = u64::try_from(end.elapsed.as_millis()).unwrap_or(u64::MAX);
            let result = GateResult::new(gate, end.passed, end.exit_code, duration_ms);
            Report::Gate(GateResult { output, tree, changed_files, host, ..result })
        }
        attempt::CheckReport::Guard(found) => guard_report(found),
        attempt::CheckReport::Known { gate, by: by @ (attempt::Judge::Command | attempt::Judge::Host) } => {
            let host = by == attempt::Judge::Host;
            Report::Gate(GateResult { tree, reused: true, host, ..GateResult::new(gate, true, None, 0) })
        }
        attempt::CheckReport::Known { gate, by: attempt::Judge::BuiltIn } => {
            let output = String::new();
            Report::BuiltInGate(BuiltInGateResult {
                gate,
                level: None,
                passed: true,
                output,
                tree,
                reused: true,
            })
        }
        attempt::CheckReport::BuiltIn(Verdict { gate, level, passed, output }) => {
            let gate = gate.to_owned();
            Report::BuiltInGate(BuiltInGateResult { gate, level, passed, output, tree, reused: false })
        }
        attempt::CheckReport::Drift(drift) => drift_report(drift),
        attempt::CheckReport::Review(note) => review_report(note, tree),
        attempt::CheckReport::Hook(hook) => Report::Hook(hook_result(hook)),
    }
}

fn drift_report(drift: attempt::DriftReport) -> Report {
    Report::Drift(DriftResult {
        checked: drift.score.is_some(),
        asked: drift.asked,
        score: drift.score,
        threshold: drift.threshold,
        explanation: drift.explanation,
        drifted: drift.drifted,
        reason: drift.reason,
        duration_ms: u64::try_from(drift.elapsed.as_millis()).unwrap_or(u64::MAX),
        usage: drift.usage,
    })
}

fn review_report(note: attempt::ReviewNote, tree: Option<Oid>) -> Report {
    match note {
        attempt::ReviewNote::Started { level, reviewer, model, reason } => {
            Report::ReviewStarted(ReviewStarted { level, reviewer, model, reason })
        }
        attempt::ReviewNote::Ended(reviewed) => Report::ReviewVerdict(Box::new(ReviewRecord {
            level: reviewed.level,
            verdict: reviewed.verdict,
            tokens: reviewed.usage.total_tokens(),
            usage: reviewed.usage,
            model: reviewed.model,
            could_not: reviewed.could_not,
            feedback_length: reviewed.text.len() as u64,
            passes: reviewed.panel.map(|(passes, _)| passes),
            blocks: reviewed.panel.map(|(_, blocks)| blocks),
            budget_exceeded: reviewed.budget.is_some(),
            budget_downgrade: reviewed.budget == Some(Grant::Downgraded),
            budget_skip: reviewed.budget == Some(Grant::Skipped),
            tree,
            reused: reviewed.reused,
            reason: reviewed.text,
        })),
    }
}
