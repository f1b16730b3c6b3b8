//! Runs hooks: shell commands and agents, around a task or wherever there is a worktree.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::call::secret_in;
use super::context::Context;
use super::environment::{agent_env, gate_env};
use super::host::{self, HookCall};
use super::log::{Log, ToLog, last_bytes};
use super::review::{ReviewEnd, ReviewNote, ReviewOrder, Reviewed, one_fast_review};
use crate::agent::{AgentOutcome, AgentReport, AgentRequest};
use crate::clock::Stopwatch;
use crate::gate::{self, GateCommand, GateOutcome};
use crate::git::GitError;
use crate::secret::has_marker;
use crate::spec::{Hook, HookMoment, HookType};
use crate::types::{AttemptNo, Failure, TaskIx, Usage, WorkerId};

/// The longest that the agent of a hook may run.
const AGENT_LIMIT: Duration = Duration::from_secs(600);
/// What is kept of the answer of such an agent, in bytes.
const ANSWER: usize = 4096;
/// The longest line that says why a review did not pass, in bytes.
const LONGEST_LINE: usize = 400;

/// Where a hook runs, and with what.
#[derive(Debug, Clone)]
pub struct HookPlace<'a> {
    /// The task and the attempt; `None` at the end of the convoy.
    pub of: Option<(TaskIx, AttemptNo)>,
    /// What a review looks at; `None` where there is nothing.
    pub review: Option<ReviewOrder>,
    /// The worktree.
    pub worktree: &'a Path,
    /// The complete environment of shell commands.
    pub shell_env: &'a BTreeMap<String, String>,
    /// The complete environment of agents.
    pub agent_env: &'a BTreeMap<String, String>,
    /// The file that output goes to, redacted.
    pub log: &'a Path,
    /// The longest that a shell command, or code of the host, may run.
    pub timeout: Duration,
    /// Marks everything that is started.
    pub worker: WorkerId,
    /// The role of an agent whose hook names none.
    pub role: &'a str,
    /// The adapter of agents; `None`: the convoy's.
    pub adapter: Option<&'a str>,
    /// The model of agents, where one is set.
    pub model: Option<&'a str>,
}

/// What a hook said. Texts are redacted.
#[derive(Debug, Clone)]
pub struct HookReport {
    /// Its name, else its command, else its type.
    pub hook: String,
    /// What it is.
    pub kind: HookType,
    /// When it ran.
    pub on: HookMoment,
    /// Whether it passed.
    pub passed: bool,
    /// How it ended, in words.
    pub how: String,
    /// Its exit code, where there is one.
    pub exit_code: Option<i32>,
    /// How long it ran.
    pub elapsed: Duration,
    /// The ends of its output, or the end of what the agent said.
    pub output: String,
    /// What an agent consumed for it.
    pub usage: Usage,
}

impl HookReport {
    /// The failure that it is, unless it passed.
    pub fn failure(&self) -> Option<Failure> {
        (!self.passed).then(|| Failure::of_hook(&self.hook, &self.how, self.exit_code, &self.output))
    }
}

/// What became of a hook.
#[derive(Debug, Clone)]
pub enum HookEnd {
    /// It passed or failed. One that could not be run has failed.
    Ended(HookReport),
    /// It was stopped before it had an answer.
    Stopped,
}

/// Runs a hook to its end: a shell command, an agent, a review, code of the host; nothing of it is left then.
///
/// # Errors
/// [`GitError::DiskFull`] and the like when there is no room for what a reviewer looks at; it can be repeated.
pub async fn run_hook(
    context: &Context,
    hook: &Hook,
    place: &HookPlace<'_>,
    cancel: &CancellationToken,
) -> Result<HookEnd, GitError> {
    let watch = Stopwatch::start();
    let run = match hook.kind {
        HookType::Command | HookType::Validate | HookType::Guard => {
            run_shell(context, hook, place, cancel).await
        }
        HookType::Agent => ask_agent(context, hook, place, cancel).await,
        HookType::Review => ask_reviewer(context, place, cancel).await?,
        HookType::Host => ask_host(context, hook, place, cancel).await,
    };
    let Some(said) = run else { return Ok(HookEnd::Stopped) };
    Ok(HookEnd::Ended(told(context, hook, said, watch.elapsed())))
}

fn told(context: &Context, hook: &Hook, said: Said, elapsed: Duration) -> HookReport {
    let clean = |text: &str| context.redactor.clean(text);
    HookReport {
        hook: clean(hook.label()),
        kind: hook.kind,
        on: hook.on,
        passed: said.passed,
        how: clean(&said.how),
        exit_code: said.exit_code,
        elapsed,
        output: said.output,
        usage: said.usage,
    }
}

/// What a hook said, before it is told.
struct Said {
    passed: bool,
    how: String,
    exit_code: Option<i32>,
    output: String,
    usage: Usage,
}

impl Said {
    fn not_run(why: impl std::fmt::Display) -> Self {
        let (how, output) = (format!("it could not be run: {why}"), String::new());
        Self { passed: false, how, exit_code: None, output, usage: Usage::default() }
    }
}

async fn run_shell(
    context: &Context,
    hook: &Hook,
    place: &HookPlace<'_>,
    cancel: &CancellationToken,
) -> Option<Said> {
    let mut log = match Log::open(place.log, &context.redactor) {
        Ok(log) => log,
        Err(error) => return Some(Said::not_run(error)),
    };
    log.heading(&hook.text);
    let command = GateCommand {
        command: hook.text.clone(),
        cwd: place.worktree.to_owned(),
        env: place.shell_env.clone(),
        timeout: place.timeout,
        grace: context.grace,
        worker: place.worker.clone(),
    };
    let mut sink = ToLog(log);
    let end = match gate::run(&command, cancel, &mut sink).await {
        Ok(GateOutcome::Ended(end)) => end,
        Ok(GateOutcome::Cancelled) => return None,
        Err(error) => return Some(Said::not_run(error)),
    };
    let (output, lost) = sink.0.finish();
    Some(match lost {
        Some(error) => Said::not_run(format!("its log could not be written: {error}")),
        None => Said {
            passed: end.passed,
            how: end.how,
            exit_code: end.exit_code,
            output,
            usage: Usage::default(),
        },
    })
}

async fn ask_reviewer(
    context: &Context,
    place: &HookPlace<'_>,
    cancel: &CancellationToken,
) -> Result<Option<Said>, GitError> {
    let Some(order) = &place.review else {
        return Ok(Some(Said::not_run("there is no work to review here")));
    };
    let mut reviewed: Option<Reviewed> = None;
    let mut note = |note| {
        if let ReviewNote::Ended(end) = note {
            reviewed = Some(end);
        }
    };
    let end = match one_fast_review(context, order, cancel, &mut note).await {
        Ok(ReviewEnd::Stopped) => return Ok(None),
        Ok(ReviewEnd::Passed) => None,
        Ok(ReviewEnd::Blocked(failure)) => Some(failure.message),
        Err(error) if error.is_disk_full() => return Err(error),
        Err(error) => return Ok(Some(Said::not_run(error))),
    };
    let (was_made, output, usage) = match reviewed {
        Some(reviewed) => (true, reviewed.text, reviewed.usage),
        None => (false, String::new(), Usage::default()),
    };
    let how = match &end {
        // What comes after the first line stands in the output.
        Some(message) => first_line(message),
        None if was_made => "the review passed".to_owned(),
        None => "nothing has changed that could be reviewed".to_owned(),
    };
    Ok(Some(Said { passed: end.is_none(), how, exit_code: None, output, usage }))
}

/// The first line of a message, bounded.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match line.len() > LONGEST_LINE {
        true => format!("{}[…]", &line[..line.floor_char_boundary(LONGEST_LINE)]),
        false => line.to_owned(),
    }
}

async fn ask_host(
    context: &Context,
    hook: &Hook,
    place: &HookPlace<'_>,
    cancel: &CancellationToken,
) -> Option<Said> {
    let Some(code) = context.host.find_hook(hook.label()) else {
        let text = "the program that runs the convoy has registered no hook of this name";
        return Some(Said::not_run(text));
    };
    let call = |stop| HookCall {
        convoy: context.convoy.clone(),
        task: place.of.map(|(task, attempt)| (context.plan.spec_of(task).clone(), attempt)),
        on: hook.on,
        worktree: place.worktree.to_owned(),
        stop,
    };
    let ended = host::ask(code, call, place.timeout, context.grace, cancel).await;
    let told = host::told(ended, place.timeout)?;
    let mut log = match Log::open(place.log, &context.redactor) {
        Ok(log) => log,
        Err(error) => return Some(Said::not_run(error)),
    };
    log.title(&format!("hook `{}` of the host: {}", hook.label(), told.how));
    log.push(told.output.as_bytes());
    let (output, lost) = log.finish();
    Some(match lost {
        Some(error) => Said::not_run(format!("its log could not be written: {error}")),
        None => Said { passed: told.passed, how: told.how, exit_code: None, output, usage: Usage::default() },
    })
}

async fn ask_agent(
    context: &Context,
    hook: &Hook,
    place: &HookPlace<'_>,
    cancel: &CancellationToken,
) -> Option<Said> {
    let role = hook.name.as_deref().unwrap_or(place.role);
    let prompt = format!("You are a {role}. {}", hook.text);
    if secret_in(&context.redactor, &prompt).is_some() || has_marker(&prompt) {
        return Some(Said::not_run("its prompt holds a secret, so it was not sent"));
    }
    let Some(name) = place.adapter.or(context.adapter.as_deref()) else {
        return Some(Said::not_run("no agent adapter is set and none was found"));
    };
    let adapter = match context.registry.get(name) {
        Ok(adapter) => adapter,
        Err(error) => return Some(Said::not_run(error)),
    };
    let mut log = match Log::open(place.log, &context.redactor) {
        Ok(log) => log,
        Err(error) => return Some(Said::not_run(error)),
    };
    log.heading(&format!("agent {role}"));
    let request = AgentRequest {
        prompt,
        cwd: place.worktree.to_owned(),
        env: place.agent_env.clone(),
        model: place.model.filter(|_| adapter.capabilities().model).map(str::to_owned),
        session: None,
        read_only: false,
        timeout: AGENT_LIMIT,
        idle: None,
        grace: context.grace,
        task: place.of.map(|(task, _)| context.plan.id(task).clone()),
        attempt: place.of.map(|(_, attempt)| attempt),
        worker: place.worker.clone(),
        cancel: cancel.clone(),
    };
    let mut sink = ToLog(log);
    let report = adapter.execute(request, &mut sink).await;
    let report = report.redacted(&context.redactor).after(cancel.is_cancelled());
    let (_, lost) = sink.0.finish();
    let said = answer(report)?;
    match lost {
        Some(error) if said.passed => {
            let how = format!("its log could not be written: {error}");
            Some(Said { passed: false, how, ..said })
        }
        _ => Some(said),
    }
}

fn answer(report: AgentReport) -> Option<Said> {
    let (exit_code, usage) = (report.exit_code, report.usage);
    let said = last_bytes(report.result_text, ANSWER);
    Some(match report.outcome {
        AgentOutcome::Succeeded => {
            Said { passed: true, how: "finished".to_owned(), exit_code, output: said, usage }
        }
        AgentOutcome::Failed(failure) => {
            let output = if failure.output_tail.is_empty() { said } else { failure.output_tail };
            Said { passed: false, how: failure.message, exit_code: failure.exit_code, output, usage }
        }
        AgentOutcome::Cancelled => return None,
    })
}

/// Why the hooks of a task did not all pass.
pub(super) enum Halt {
    /// One failed; those after it were not run.
    Failed(Failure),
    /// They were stopped.
    Stopped,
    /// The disk has no room for what a reviewer looks at.
    NoRoom(GitError),
}

/// Which hooks of a task are due.
#[derive(Debug, Clone, Copy)]
pub(super) enum Due<'a> {
    /// Those before the agent. A review looks at what it will build upon.
    BeforeAgent(&'a ReviewOrder),
    /// Those after it that are no reviews.
    AfterAgent,
    /// The reviews after it: once its work has passed the other checks.
    AfterChecks(&'a ReviewOrder),
}

impl<'a> Due<'a> {
    fn holds(self, hook: &Hook) -> bool {
        let review = hook.kind == HookType::Review;
        match self {
            Self::BeforeAgent(_) => hook.on == HookMoment::PreTask,
            Self::AfterAgent => hook.on == HookMoment::PostTask && !review,
            Self::AfterChecks(_) => hook.on == HookMoment::PostTask && review,
        }
    }

    fn order(self) -> Option<&'a ReviewOrder> {
        match self {
            Self::BeforeAgent(order) | Self::AfterChecks(order) => Some(order),
            Self::AfterAgent => None,
        }
    }
}

/// Whether a task has hooks that are due.
pub(super) fn has_hooks(context: &Context, task: TaskIx, due: Due<'_>) -> bool {
    context.plan.spec_of(task).hooks.iter().any(|hook| due.holds(hook))
}

/// Runs the hooks of a task that are due in its worktree, one after the other, until one fails.
pub(super) async fn task_hooks(
    context: &Context,
    (task, attempt): (TaskIx, AttemptNo),
    due: Due<'_>,
    cancel: &CancellationToken,
    each: &mut (dyn FnMut(HookReport) + Send),
) -> Result<(), Halt> {
    let of = context.plan.spec_of(task);
    let hooks = of.hooks.iter().filter(|hook| due.holds(hook));
    let (worktree, log) =
        (context.dirs.worktree(&context.plan, task), context.dirs.check_log(&context.plan, task, attempt));
    for hook in hooks {
        let spec = context.plan.spec();
        let envs = gate_env(&context.host_env, spec, of)
            .and_then(|shell| Ok((shell, agent_env(&context.host_env, spec, of)?)));
        let (shell_env, agent_env) = match envs {
            Ok(envs) => envs,
            Err(error) => {
                let report = told(context, hook, Said::not_run(error), Duration::ZERO);
                let failure = report.failure();
                each(report);
                return failure.map_or(Ok(()), |failure| Err(Halt::Failed(failure)));
            }
        };
        let place = HookPlace {
            of: Some((task, attempt)),
            review: due.order().cloned(),
            worktree: &worktree,
            shell_env: &shell_env,
            agent_env: &agent_env,
            log: &log,
            timeout: of.gate_timeout,
            worker: context.worker(task, attempt),
            role: &of.agent,
            adapter: of.adapter.as_deref(),
            model: of.model.as_deref(),
        };
        let report = match run_hook(context, hook, &place, cancel).await {
            Ok(HookEnd::Ended(report)) => report,
            Ok(HookEnd::Stopped) => return Err(Halt::Stopped),
            Err(error) => return Err(Halt::NoRoom(error)),
        };
        let failure = report.failure();
        each(report);
        if let Some(failure) = failure {
            return Err(Halt::Failed(failure));
        }
    }
    Ok(())
}
