//! The work segment: worktree, setup, prompt, agent.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::artifacts::keep_said;
use super::call::{Ask, Called, Desk, call, killed, secret_in};
use super::conflict::ConflictWork;
use super::context::Context;
use super::cut_off::{Before, CutOff, take_over};
use super::environment::{agent_env, gate_env};
use super::guard::{Guard, GuardReport};
use super::hooks::{Due, Halt, HookReport, task_hooks};
use super::host::prompt_parts;
use super::inputs::{self, PromptInput};
use super::links::{no_way_out, no_way_out_made};
use super::prompt::{Feedback, Prompt, render};
use super::review::{ReviewOrder, Subject};
use super::setup::prepare_files;
use super::space::{NoWorktree, Wanted};
use super::steps::{StepEnd, StepStart, Steps};
use super::warm;
use crate::agent::{AgentAdapter, AgentOutcome, AgentReport};
use crate::git::GitError;
use crate::secret::has_marker;
use crate::spec::Task;
use crate::types::{AttemptNo, Failure, FailureKind, Oid, SessionId, TaskIx};

/// One attempt to be worked on.
#[derive(Debug, Clone)]
pub struct WorkRequest {
    /// The task.
    pub task: TaskIx,
    /// The attempt.
    pub attempt: AttemptNo,
    /// The role that makes it.
    pub agent: String,
    /// Where its worktree starts.
    pub base: Oid,
    /// The session of the last attempt.
    pub session: Option<KeptSession>,
    /// What failed last.
    pub feedback: Option<Failure>,
    /// The attempt that failed so, where one did.
    pub failed_attempt: Option<AttemptNo>,
    /// The attempt whose agent was cut off, and that no agent went on with.
    pub cut_off: Option<CutOff>,
    /// The conflict that is to be resolved.
    pub conflict: Option<ConflictWork>,
    /// The artifacts that its prompt gets.
    pub inputs: Vec<PromptInput>,
}

/// A session that the last attempt left, and whose it is.
#[derive(Debug, Clone)]
pub struct KeptSession {
    /// The agent program's id of it.
    pub id: SessionId,
    /// The role.
    pub agent: String,
    /// The adapter.
    pub adapter: String,
    /// The account of the adapter, where it names one.
    pub account: Option<String>,
    /// The slot of worktrees that it was had in, where these are used again.
    pub slot: Option<u32>,
}

/// How an agent is called.
#[derive(Debug, Clone)]
pub struct Started {
    /// The adapter.
    pub adapter: String,
    /// The account that it runs under, where it names one.
    pub account: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The worktree.
    pub worktree: PathBuf,
    /// The slot that its files are in, where worktrees are used again.
    pub slot: Option<u32>,
    /// Length of the prompt in bytes.
    pub prompt_bytes: u64,
    /// `fresh`, `continued`, or `fresh: ` and why.
    pub session: String,
}

/// Hears of the work while it goes on. Must not block.
pub trait Observer: Send {
    /// A hook before the agent ended.
    fn hook(&mut self, report: HookReport);
    /// The agent is about to be called.
    fn started(&mut self, started: Started);
    /// The agent is about to be called for a step.
    fn step_started(&mut self, step: StepStart);
    /// A step is over, or was skipped.
    fn step_finished(&mut self, step: StepEnd);
    /// The agent program runs.
    fn spawned(&mut self, pid: u32, start_time: u64);
    /// It printed something; redacted, cut anywhere.
    fn output(&mut self, clean: &[u8]);
    /// Somebody changed the repository meanwhile.
    fn guarded(&mut self, found: GuardReport);
}

/// How the work ended.
#[derive(Debug, Clone)]
pub struct Worked {
    /// What the agent says of it; `Cancelled` when it was stopped.
    pub report: AgentReport,
    /// How long the agent ran, in milliseconds.
    pub duration_ms: u64,
    /// Why the agent's processes were ended, when they were.
    pub killed: Option<String>,
}

/// Why an agent is not called.
enum Unready {
    /// The attempt has failed.
    Failed(Failure),
    /// There is no room for a worktree, which is no fault of the task.
    NoRoom(GitError),
    /// It was stopped.
    Stopped,
}

impl From<Failure> for Unready {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Makes the worktree, calls the agent, and waits for its end. Every failure of the attempt is a result. Never runs an
/// agent anywhere but in a worktree of the attempt's own.
///
/// # Errors
/// [`GitError::DiskFull`] and the like when there is no room for its worktree, or what a hook looks at: no agent was called, and the segment can be
/// repeated.
pub async fn work(
    context: &Context,
    request: WorkRequest,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Worked, GitError> {
    match prepare(context, &request, cancel, observer).await {
        Ok((desk, session, guard)) => {
            let worked = guarded_calls(context, &request, &desk, session, guard, cancel, observer).await;
            Ok(with_words_kept(context, &request, worked))
        }
        Err(Unready::Stopped) => Ok(ended(AgentReport::ended(AgentOutcome::Cancelled))),
        Err(_) if cancel.is_cancelled() => Ok(ended(AgentReport::ended(AgentOutcome::Cancelled))),
        Err(Unready::Failed(failure)) => Ok(ended(AgentReport::failed(failure))),
        Err(Unready::NoRoom(error)) => Err(error),
    }
}

/// Keeps what the agent said last, for the artifacts that are taken from it.
fn with_words_kept(context: &Context, request: &WorkRequest, mut worked: Worked) -> Worked {
    if let (AgentOutcome::Succeeded, Err(error)) = (
        &worked.report.outcome,
        keep_said(context, request.task, request.attempt, &worked.report.result_text),
    ) {
        let failure = context.failure(FailureKind::Error, "what the agent said could not be kept", &error);
        worked.report.outcome = AgentOutcome::Failed(failure);
    }
    worked
}

/// Calls the agent, and looks at what became of the repository meanwhile.
async fn guarded_calls(
    context: &Context,
    request: &WorkRequest,
    desk: &Desk,
    session: ChosenSession,
    guard: Guard,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Worked {
    let mut worked = call_agents(context, request, desk, session, cancel, observer).await;
    let (found, failure) = guard.end(context).await;
    found.into_iter().for_each(|found| observer.guarded(found));
    if let (Some(failure), AgentOutcome::Succeeded) = (failure, &worked.report.outcome) {
        worked.report.outcome = AgentOutcome::Failed(failure);
    }
    worked
}

/// Calls the agent once, or once for each step. A conflict comes after the steps, and is resolved by one call.
async fn call_agents(
    context: &Context,
    request: &WorkRequest,
    desk: &Desk,
    session: ChosenSession,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Worked {
    let task = context.plan.spec_of(request.task);
    if !task.steps.is_empty() && request.conflict.is_none() {
        return Steps::new(context, request, desk, session, cancel).run(observer).await;
    }
    let (session, note) = session;
    let prompt = attempt_prompt(context, request, desk, None, true);
    if let Err(failure) = send(context, request, &prompt, None) {
        return ended(AgentReport::failed(failure));
    }
    observer.started(desk.started(context, request, &prompt, &note));
    let ask = Ask { prompt, session, timeout: task.timeout, title: None };
    let Called { report, elapsed } = call(context, request, desk, ask, cancel, observer).await;
    Worked { killed: killed(&report.outcome), duration_ms: millis(elapsed), report }
}

fn ended(report: AgentReport) -> Worked {
    Worked { report, duration_ms: 0, killed: None }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The session to continue, and what is said of it.
pub(super) type ChosenSession = (Option<SessionId>, String);

async fn prepare(
    context: &Context,
    request: &WorkRequest,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<(Desk, ChosenSession, Guard), Unready> {
    let task = context.plan.spec_of(request.task);
    let adapter = adapter_of(context, task)?;
    let values = inputs::read(context, &request.inputs).await?;
    let filled = inputs::fill_all(task, &values)?;
    let session = choose_session(request, &*adapter);
    let Ground { place: worktree, slot, session, before } =
        make_worktree(context, request, session, cancel).await?;
    no_way_out(context, request).await?;
    let missing = |error| context.failure(FailureKind::Worktree, "cannot prepare the task", &error);
    let spec = context.plan.spec();
    let env = agent_env(&context.host_env, spec, task).map_err(missing)?;
    let quiet_env = gate_env(&context.host_env, spec, task).map_err(missing)?;
    // A conflict that is to be resolved is in the files already.
    let commit = request.conflict.is_none().then_some(&request.base);
    let of = (request.task, request.attempt);
    prepare_files(context, of, &worktree, commit, &quiet_env, cancel).await?;
    context.whole.insert(request.task, request.attempt);
    let guard = run_hooks_before(context, request, cancel, observer).await?;
    no_way_out_made(context, request, &worktree).await?;
    let host = prompt_parts(context, request, &worktree, cancel).await?;
    let desk = Desk { adapter, worktree, slot, env, gate_env: quiet_env, task: filled, before, host };
    Ok((desk, session, guard))
}

/// Runs the hooks before the agent, and begins to watch over the repository: hooks may run what other tasks wrote.
/// Setup, which came before, may configure the repository by the user's own wish.
async fn run_hooks_before(
    context: &Context,
    request: &WorkRequest,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Guard, Unready> {
    let looked = Guard::begin(context).await;
    let guard = looked
        .map_err(|error| context.failure(FailureKind::Worktree, "cannot look at the repository", &error))?;
    let upon = ReviewOrder {
        of: Subject::Before(request.task, request.attempt),
        base: context.base.clone(),
        commit: request.base.clone(),
        inputs: Vec::new(),
        passed: None,
        spent: 0,
    };
    let of = (request.task, request.attempt);
    let mut each = |report| observer.hook(report);
    let Err(halt) = task_hooks(context, of, Due::BeforeAgent(&upon), cancel, &mut each).await else {
        return Ok(guard);
    };
    guard.end(context).await.0.into_iter().for_each(|found| observer.guarded(found));
    Err(match halt {
        Halt::Failed(failure) => Unready::Failed(failure),
        Halt::Stopped => Unready::Stopped,
        Halt::NoRoom(error) => Unready::NoRoom(error),
    })
}

/// The prompt of an attempt, with the step that is asked first. Without its feedback where the agent knows it.
pub(super) fn attempt_prompt(
    context: &Context,
    request: &WorkRequest,
    desk: &Desk,
    step: Option<&str>,
    with_feedback: bool,
) -> String {
    let kept_ref = request.failed_attempt.map(|n| context.dirs.kept_ref(&context.plan, request.task, n));
    let feedback = request
        .feedback
        .as_ref()
        .filter(|_| with_feedback)
        .map(|failure| Feedback { failure, attempt: request.failed_attempt.zip(kept_ref.as_deref()) });
    let before = desk.before.as_ref().filter(|_| with_feedback);
    let conflict = request.conflict.as_ref();
    render(
        &desk.task,
        Prompt { feedback, before, agent: Some(&request.agent), conflict, step, host: &desk.host },
    )
}

/// The session to continue, and what is said of it. A session belongs to the role, the adapter and the account
/// that had it; and to the slot of its worktree, which is looked at when there is one.
fn choose_session(request: &WorkRequest, adapter: &dyn AgentAdapter) -> ChosenSession {
    let Some(kept) = &request.session else { return (None, "fresh".to_owned()) };
    let because = if kept.agent != request.agent {
        format!("the one before was {}'s", kept.agent)
    } else if kept.adapter != adapter.name() {
        format!("the one before was made with adapter {}", kept.adapter)
    } else if kept.account.as_deref() != adapter.account() {
        "the one before belongs to another account".to_owned()
    } else if !adapter.capabilities().resume {
        "the adapter cannot continue a session".to_owned()
    } else {
        return (Some(kept.id.clone()), "continued".to_owned());
    };
    (None, format!("fresh: {because}"))
}

pub(super) fn adapter_of(
    context: &Context,
    task: &Task,
) -> Result<std::sync::Arc<dyn AgentAdapter>, Failure> {
    let Some(name) = task.adapter.as_deref().or(context.adapter.as_deref()) else {
        let text = "no agent adapter is set and none was found; set `adapter:` in the convoy file";
        return Err(Failure::new(FailureKind::NotInstalled, text));
    };
    let unknown = |error| context.failure(FailureKind::NotInstalled, "cannot call the agent", &error);
    let adapter = context.registry.get(name).map_err(unknown)?;
    if task.model.is_some() && !adapter.capabilities().model {
        let text =
            format!("adapter {name} cannot be given a model; remove `model` or add `model` to its profile");
        return Err(Failure::new(FailureKind::Contract, text));
    }
    Ok(adapter)
}

/// Where an attempt works.
struct Ground {
    /// The folder of its worktree.
    place: PathBuf,
    slot: Option<u32>,
    session: ChosenSession,
    before: Option<Before>,
}

/// A worktree at the base; fresh, unless it takes over what an attempt that was cut off had made. One that an earlier attempt of the task left at this path has had its work
/// recorded, else this attempt would not have been made.
async fn make_worktree(
    context: &Context,
    request: &WorkRequest,
    session: ChosenSession,
    cancel: &CancellationToken,
) -> Result<Ground, Unready> {
    let path = context.dirs.worktree(&context.plan, request.task);
    let failed = |error: GitError| match error.is_disk_full() {
        true => Unready::NoRoom(error),
        false => context.failure(FailureKind::Worktree, "cannot make a worktree", &error).into(),
    };
    let repository = &context.repository;
    let state = repository.worktree_state(&path).await.map_err(failed)?;
    if state.exists || state.registered {
        repository.remove_worktree(&path).await.map_err(failed)?;
    }
    let wanted = request.session.as_ref().and_then(|kept| kept.slot);
    let keep = warm::keep(context);
    let log = context.dirs.agent_log(&context.plan, request.task, request.attempt);
    let wanted = Wanted { path: &path, commit: &request.base, slot: wanted, keep: keep.as_ref(), log };
    let slot = context.add_worktree(wanted, cancel).await.map_err(|none| match none {
        NoWorktree::Stopped => Unready::Stopped,
        NoWorktree::Failed(error) => failed(error),
    })?;
    if let Some(conflict) = &request.conflict {
        repository.reset_to_tree(&path, &conflict.tree).await.map_err(failed)?;
    }
    let place = repository.folder_of(&path).await.map_err(failed)?;
    let session = match (&request.session, session) {
        (Some(kept), (Some(_), _)) if kept.slot != slot => {
            (None, "fresh: the folder that the one before was had in is another task's now".to_owned())
        }
        (_, session) => session,
    };
    let (session, before) = take_over(context, request, session, &path).await.map_err(failed)?;
    Ok(Ground { place, slot, session, before })
}

/// Looks through a prompt that is about to be sent, and keeps it: under a title, beside those before it.
pub(super) fn send(
    context: &Context,
    request: &WorkRequest,
    prompt: &str,
    title: Option<&str>,
) -> Result<(), Failure> {
    scan(context, context.plan.spec_of(request.task), prompt)?;
    keep_prompt(context, request, prompt, title)
}

/// Looks for secrets in the text as it would be sent. The spec was redacted when it was stored, so a marker
/// in the task's own prompts stands for a secret that the user wrote there.
fn scan(context: &Context, task: &Task, prompt: &str) -> Result<(), Failure> {
    let marked = || has_marker(&task.prompt) || task.steps.iter().any(|step| has_marker(&step.prompt));
    let Some(kind) = secret_in(&context.redactor, prompt).or_else(|| marked().then(|| "secret".to_owned()))
    else {
        return Ok(());
    };
    let text = format!(
        "the prompt holds a {kind}, so it was not sent; take it out of the convoy file and pass it as \
         `env: {{NAME: {{from_env: NAME}}}}`"
    );
    Err(Failure::new(FailureKind::SecretInPrompt, text))
}

fn keep_prompt(
    context: &Context,
    request: &WorkRequest,
    prompt: &str,
    title: Option<&str>,
) -> Result<(), Failure> {
    let path = context.dirs.prompt(&context.plan, request.task, request.attempt);
    let write = |path: &Path| {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        let Some(title) = title else { return std::fs::write(path, prompt) };
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "==== {title}\n\n{prompt}\n")
    };
    write(&path).map_err(|error| context.failure(FailureKind::Worktree, "cannot keep the prompt", &error))
}
