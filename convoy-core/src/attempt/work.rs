//! The work segment: worktree, setup, prompt, agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::check::escapes;
use super::context::Context;
use super::environment::{agent_env, gate_env};
use super::hooks::{Halt, HookReport, task_hooks};
use super::log::Log;
use super::prompt::{Feedback, Prompt, render};
use super::setup::{copy_in, run_setup};
use crate::agent::{AgentAdapter, AgentOutcome, AgentReport, AgentRequest, AgentSink};
use crate::clock::Stopwatch;
use crate::process::Stream;
use crate::secret::{has_marker, printable};
use crate::spec::{HookMoment, Task};
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
    /// What failed in the last attempt.
    pub feedback: Option<Failure>,
    /// The conflict that is to be resolved.
    pub conflict: Option<ConflictWork>,
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
}

/// A conflict that is to be resolved.
#[derive(Debug, Clone)]
pub struct ConflictWork {
    /// The merged tree with the markers.
    pub tree: Oid,
    /// Paths in conflict.
    pub files: Vec<String>,
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
    /// The agent program runs.
    fn spawned(&mut self, pid: u32, start_time: u64);
    /// It printed something; redacted, cut anywhere.
    fn output(&mut self, clean: &[u8]);
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

/// Makes the worktree, calls the agent, and waits for its end. Every failure is a result. Never runs an agent
/// anywhere but in a worktree of the attempt's own.
pub async fn work(
    context: &Context,
    request: WorkRequest,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Worked {
    match prepare(context, &request, cancel, observer).await {
        Ok(call) => call_agent(context, &request, call, cancel, observer).await,
        Err(_) if cancel.is_cancelled() => ended(AgentReport::ended(AgentOutcome::Cancelled)),
        Err(failure) => ended(AgentReport::failed(failure)),
    }
}

fn ended(report: AgentReport) -> Worked {
    Worked { report, duration_ms: 0, killed: None }
}

/// Everything that the call of an agent needs.
struct Call {
    adapter: std::sync::Arc<dyn AgentAdapter>,
    worktree: PathBuf,
    env: BTreeMap<String, String>,
    prompt: String,
    session: Option<SessionId>,
    session_note: String,
}

async fn prepare(
    context: &Context,
    request: &WorkRequest,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Call, Failure> {
    let task = context.plan.spec_of(request.task);
    let adapter = adapter_of(context, task)?;
    let worktree = make_worktree(context, request).await?;
    no_way_out(context, request).await?;
    let missing = |error| context.failure(FailureKind::Worktree, "cannot prepare the task", &error);
    let spec = context.plan.spec();
    let env = agent_env(&context.host_env, spec, task).map_err(missing)?;
    copy_in(context, &worktree)
        .map_err(|error| context.failure(FailureKind::Worktree, "worktree.copy", &error))?;
    let quiet_env = gate_env(&context.host_env, spec, task).map_err(missing)?;
    run_setup(context, request.task, request.attempt, &worktree, quiet_env, cancel).await?;
    context.whole.insert(request.task, request.attempt);
    let of = (request.task, request.attempt);
    let mut each = |report| observer.hook(report);
    task_hooks(context, of, HookMoment::PreTask, cancel, &mut each).await.map_err(|halt| match halt {
        Halt::Failed(failure) => failure,
        Halt::Stopped => Failure::new(FailureKind::Worktree, "stopped during a hook"),
    })?;
    let kept_ref = request
        .attempt
        .0
        .checked_sub(1)
        .map(|n| context.dirs.kept_ref(&context.plan, request.task, AttemptNo(n)));
    let feedback = request.feedback.as_ref().map(|failure| Feedback {
        failure,
        attempt: request.attempt.0.checked_sub(1).map(AttemptNo),
        kept_ref: kept_ref.as_deref().unwrap_or_default(),
    });
    let conflict = request.conflict.as_ref().map(|conflict| conflict.files.as_slice());
    let prompt = render(task, Prompt { feedback, agent: Some(&request.agent), conflict });
    scan(context, task, &prompt)?;
    keep_prompt(context, request, &prompt)?;
    let (session, session_note) = choose_session(request, &*adapter);
    Ok(Call { adapter, worktree, env, prompt, session, session_note })
}

/// The session to continue, and what is said of it. A session belongs to the role, the adapter and the account
/// that had it, and to the path of its worktree, which is the same for all attempts of a task.
fn choose_session(request: &WorkRequest, adapter: &dyn AgentAdapter) -> (Option<SessionId>, String) {
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

fn adapter_of(context: &Context, task: &Task) -> Result<std::sync::Arc<dyn AgentAdapter>, Failure> {
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

/// A fresh worktree at the base. One that an earlier attempt of the task left at this path has had its work
/// recorded, else this attempt would not have been made.
async fn make_worktree(context: &Context, request: &WorkRequest) -> Result<PathBuf, Failure> {
    let path = context.dirs.worktree(&context.plan, request.task);
    let failed = |error| context.failure(FailureKind::Worktree, "cannot make a worktree", &error);
    let repository = &context.repository;
    let state = repository.worktree_state(&path).await.map_err(failed)?;
    if state.exists || state.registered {
        repository.remove_worktree(&path).await.map_err(failed)?;
    }
    repository.add_worktree(&path, &request.base).await.map_err(failed)?;
    if let Some(conflict) = &request.conflict {
        repository.reset_to_tree(&path, &conflict.tree).await.map_err(failed)?;
    }
    Ok(path)
}

/// An agent that follows a link out of its tree would edit files that are not its own.
async fn no_way_out(context: &Context, request: &WorkRequest) -> Result<(), Failure> {
    let tree = request.conflict.as_ref().map_or(&request.base, |conflict| &conflict.tree);
    let failed =
        |error| context.failure(FailureKind::Worktree, "cannot look at the links of the tree", &error);
    let escapes = escapes(context, tree).await.map_err(failed)?;
    if escapes.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = escapes.iter().take(20).map(ToString::to_string).collect();
    let text = format!(
        "{} symbolic links lead out of the repository, and an agent that follows one works outside of its \
         worktree; remove them or let them lead within it, then commit that: {}",
        escapes.len(),
        list.join(", ")
    );
    let text = printable(&context.redactor.redact(&text)).into_owned();
    Err(Failure::new(FailureKind::SymlinkEscape, text))
}

/// Looks for secrets in the text as it would be sent. The spec was redacted when it was stored, so a marker
/// in the task's own prompt stands for a secret that the user wrote there.
fn scan(context: &Context, task: &Task, prompt: &str) -> Result<(), Failure> {
    let findings = context.redactor.scan(prompt);
    let kind = match findings.first() {
        Some(finding) => &*finding.kind,
        None if has_marker(&task.prompt) => "secret",
        None => return Ok(()),
    };
    let text = format!(
        "the prompt holds a {kind}, so it was not sent; take it out of the convoy file and pass it as \
         `env: {{NAME: {{from_env: NAME}}}}`"
    );
    Err(Failure::new(FailureKind::SecretInPrompt, text))
}

fn keep_prompt(context: &Context, request: &WorkRequest, prompt: &str) -> Result<(), Failure> {
    let path = context.dirs.prompt(&context.plan, request.task, request.attempt);
    let write = |path: &Path| {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::write(path, prompt)
    };
    write(&path).map_err(|error| context.failure(FailureKind::Worktree, "cannot keep the prompt", &error))
}

async fn call_agent(
    context: &Context,
    request: &WorkRequest,
    call: Call,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Worked {
    let task = context.plan.spec_of(request.task);
    let log = context.dirs.agent_log(&context.plan, request.task, request.attempt);
    let log = match Log::open(&log, &context.redactor) {
        Ok(log) => log,
        Err(error) => {
            let failure = context.failure(FailureKind::Worktree, "cannot open the log file", &error);
            return ended(AgentReport::failed(failure));
        }
    };
    observer.started(Started {
        adapter: call.adapter.name().to_owned(),
        account: call.adapter.account().map(str::to_owned),
        model: task.model.clone(),
        worktree: call.worktree.clone(),
        prompt_bytes: call.prompt.len() as u64,
        session: call.session_note,
    });
    let mut sink = Recorder { log, observer };
    let watch = Stopwatch::start();
    let agent_request = AgentRequest {
        prompt: call.prompt,
        cwd: call.worktree,
        env: call.env,
        model: task.model.clone(),
        session: call.session,
        read_only: false,
        timeout: task.timeout,
        idle: None,
        grace: context.grace,
        worker: context.worker(request.task, request.attempt),
        cancel: cancel.clone(),
    };
    let report = call.adapter.execute(agent_request, &mut sink).await;
    let duration_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (_, log_error) = sink.log.finish();
    let mut report = report.redacted(&context.redactor);
    if let (Some(error), AgentOutcome::Succeeded) = (log_error, &report.outcome) {
        let failure =
            context.failure(FailureKind::Error, "a part of the agent's log could not be written", &error);
        report.outcome = AgentOutcome::Failed(failure);
    }
    // Whoever is asked to stop may be killed by somebody else meanwhile, or fail on its way out: what it
    // failed at is not the task.
    if let (true, AgentOutcome::Failed(_)) = (cancel.is_cancelled(), &report.outcome) {
        report.outcome = AgentOutcome::Cancelled;
    }
    let killed = killed(&report.outcome);
    Worked { report, duration_ms, killed }
}

fn killed(outcome: &AgentOutcome) -> Option<String> {
    let text = match outcome {
        AgentOutcome::Cancelled => "stopped",
        AgentOutcome::Failed(failure) if failure.kind == FailureKind::Timeout => "timeout",
        AgentOutcome::Failed(failure) if failure.kind == FailureKind::Idle => "idle",
        AgentOutcome::Failed(_) | AgentOutcome::Succeeded => return None,
    };
    Some(text.to_owned())
}

/// Passes on what an agent prints.
struct Recorder<'a> {
    log: Log,
    observer: &'a mut dyn Observer,
}

impl AgentSink for Recorder<'_> {
    fn started(&mut self, pid: u32, start_time: Option<u64>) {
        self.observer.spawned(pid, start_time.unwrap_or(0));
    }

    fn output(&mut self, _stream: Stream, chunk: &[u8]) {
        let clean = self.log.push(chunk);
        if !clean.is_empty() {
            self.observer.output(clean);
        }
    }

    fn session(&mut self, _id: &SessionId) {}
}
