//! Starting, resuming and retrying: everything that happens before the loop of a run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::cleanup;
use super::driver::{Driver, store_error};
use super::git_open_error;
use super::handle::Inner;
use super::host::{LiveRun, Parts};
use super::perform::Message;
use super::query::is_alive;
use super::run::{Ended, Finish, Live, Outcome, Run, RunInner};
use super::segments::Segments;
use super::stored::{Loaded, digest, from_stored, load_from, to_stored};
use crate::agent::{ProbeContext, Registry, canonical_name};
use crate::attempt::{Context, Dirs, agent_env, secret_values};
use crate::error::{Error, ErrorKind};
use crate::event::{ConvoyEvent, EVENT_FORMAT, Event, Request, RequestKind, RunOptions, Started};
use crate::git::{Expected, GitOptions, Head, RefUpdate, Repository};
use crate::merge::GitMergeQueue;
use crate::plan::{Plan, check};
use crate::process;
use crate::schedule::{Input, Scheduler};
use crate::secret::Redactor;
use crate::spec::{Concurrency, Problem, inactive_defaults};
use crate::state::RunState;
use crate::store::{Holder, Lease, NewConvoy};
use crate::types::{ConvoyId, Oid, TaskId, TaskIx};

/// How often a run looks at its inbox.
const INBOX_EVERY: Duration = Duration::from_millis(250);

/// How long a probe of an agent program may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long git programs of a dead engine may take to end by themselves.
const GIT_REST: Duration = Duration::from_secs(30);

fn problem_json(problem: &Problem) -> serde_json::Value {
    serde_json::json!({
        "severity": if problem.is_error() { "error" } else { "warning" },
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    })
}

/// Decodes a spec and refuses what cannot be run.
pub(super) fn accept(spec_text: &str, options: &RunOptions) -> Result<Arc<Plan>, Error> {
    let checked = check(spec_text);
    let (Some(spec), Some(plan)) = (checked.spec, checked.plan) else {
        let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.is_error()).collect();
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        let text = format!("the convoy file has {} errors, the first: {first}", errors.len());
        let details = checked.problems.iter().map(problem_json).collect();
        return Err(Error::new(ErrorKind::InvalidSpec, text).with_details(details));
    };
    if !spec.unsupported.is_empty() {
        let fields: Vec<&str> = spec.unsupported.iter().map(|field| field.path.as_str()).collect();
        let text = format!("not supported yet: {}; remove it from the convoy file", fields.join(", "));
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    if let Some(Concurrency::Fixed(n)) = options.concurrency
        && !(1..=512).contains(&n)
    {
        let text = format!("concurrency {n} is not possible; use 1 to 512 or auto");
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok(Arc::new(plan))
}

pub(super) async fn start(inner: &Arc<Inner>, spec_text: &str, options: RunOptions) -> Result<Run, Error> {
    let parts = &inner.parts;
    let accepted = accept(spec_text, &options)?;
    let redactor = redactor_for(parts, &accepted);
    let stored = to_stored(accepted.spec(), &redactor)?;
    let plan = from_stored(&stored)?;
    let (branch, base) = choose_branch(parts, &plan, &options).await?;
    let registry = registry_for(parts, &plan)?;
    let adapter = choose_adapter(parts, &plan, &registry, &options).await?;
    let now = parts.clock.now();
    let id = ConvoyId::from_parts(u64::try_from(now.0).unwrap_or(0), ulid::Ulid::generate().random());
    let started = Started {
        name: plan.spec().name.clone(),
        spec_digest: digest(&stored),
        options,
        adapter,
        branch,
        base,
        integration_ref: Dirs::new(&parts.state_dir, id.clone()).integration_ref(),
        inactive: inactive_defaults().into_iter().map(str::to_owned).collect(),
        tasks: u32::try_from(plan.len()).unwrap_or(u32::MAX),
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        event_format: EVENT_FORMAT,
    };
    let new = NewConvoy {
        id: id.clone(),
        name: started.name.clone(),
        spec_text: stored,
        event_format: EVENT_FORMAT,
        created_at: now,
        holder: holder(),
        first: Event::Convoy(ConvoyEvent::Started(Box::new(started.clone()))),
    };
    let (lease, appended) = parts.store.create(new).await.map_err(store_error)?;
    let state = RunState::new(plan, id, now, started);
    let loaded = Loaded { state, last_seq: appended.last_seq };
    launch(inner, loaded, lease, registry, vec![Input::Begin { resumed: false }], appended.first_seq).await
}

pub(super) async fn resume(inner: &Arc<Inner>, convoy: Option<ConvoyId>) -> Result<Run, Error> {
    let parts = &inner.parts;
    let convoy = match convoy {
        Some(convoy) => convoy,
        None => {
            let list = parts.store.list().await.map_err(store_error)?;
            let newest = list.into_iter().find(|summary| summary.unfinished);
            newest.ok_or_else(|| Error::new(ErrorKind::NothingToResume, "nothing to resume"))?.id
        }
    };
    let (loaded, _) = load_from(&*parts.store, &convoy).await?;
    if !loaded.state.is_unfinished() {
        let text = format!("nothing to resume: convoy {convoy} is {}", loaded.state.status());
        return Err(Error::new(ErrorKind::NothingToResume, text));
    }
    take_up(inner, &convoy, |_| Ok(vec![Input::Begin { resumed: true }])).await
}

pub(super) async fn retry(inner: &Arc<Inner>, convoy: &ConvoyId, tasks: &[TaskId]) -> Result<Run, Error> {
    let actor = inner.parts.actor.clone();
    take_up(inner, convoy, |state| {
        must_have_ended(state, "retried")?;
        let find = |id: &TaskId| {
            let missing = || Error::new(ErrorKind::NotFound, format!("convoy {convoy} has no task {id}"));
            state.plan().find(id).ok_or_else(missing)
        };
        let tasks: Vec<TaskIx> = tasks.iter().map(find).collect::<Result<_, _>>()?;
        Ok(vec![Input::Retry { tasks, actor }])
    })
    .await
}

pub(super) async fn publish(inner: &Arc<Inner>, convoy: &ConvoyId) -> Result<Run, Error> {
    take_up(inner, convoy, |state| {
        must_have_ended(state, "published by hand")?;
        Ok(if state.is_published() { Vec::new() } else { vec![Input::Begin { resumed: true }] })
    })
    .await
}

pub(super) async fn resolve(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    dlq_id: &str,
    resolution: String,
) -> Result<(), Error> {
    let actor = inner.parts.actor.clone();
    let run = take_up(inner, convoy, |state| {
        must_have_ended(state, "changed")?;
        let mut tasks = state.plan().indices();
        let found = tasks
            .find_map(|ix| state.task(ix).dead_letter.as_ref().filter(|l| l.0 == dlq_id).map(|l| (ix, l.1)));
        match found {
            Some((task, true)) => Ok(vec![Input::ResolveDeadLetter { task, actor, resolution }]),
            Some((_, false)) => Err(Error::new(ErrorKind::State, format!("{dlq_id} is closed already"))),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("convoy {convoy} has no open dead letter {dlq_id}"),
            )),
        }
    })
    .await?;
    run.wait().await.map(drop)
}

pub(super) async fn request(inner: &Arc<Inner>, convoy: &ConvoyId, kind: RequestKind) -> Result<(), Error> {
    let parts = &inner.parts;
    let request = Request { actor: parts.actor.clone(), kind };
    if let Some(run) = inner.host.runs.get(convoy) {
        // A run that ended in this very moment is over like one that ended before.
        drop(run.messages.send(Message::Input(Input::Request(request))));
        return Ok(());
    }
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    if loaded.state.ended().is_some() {
        let text = format!("convoy {convoy} is over: {}", loaded.state.status());
        return Err(Error::new(ErrorKind::State, text));
    }
    if super::query::is_running(parts, convoy).await? {
        parts.store.submit(convoy, request, parts.clock.now()).await.map_err(store_error)?;
        return Ok(());
    }
    if request.kind != RequestKind::Cancel {
        let text = format!("no engine runs convoy {convoy}; resume it, or cancel it");
        return Err(Error::new(ErrorKind::State, text));
    }
    let first = vec![Input::Begin { resumed: true }, Input::Request(request)];
    take_up(inner, convoy, |_| Ok(first)).await?.wait().await.map(drop)
}

fn must_have_ended(state: &RunState, what: &str) -> Result<(), Error> {
    match state.ended() {
        Some(_) => Ok(()),
        None => {
            let text =
                format!("convoy {} has not ended, so it cannot be {what}; resume it first", state.convoy());
            Err(Error::new(ErrorKind::State, text))
        }
    }
}

/// Takes the lease of a stored convoy, ends what a dead engine left running, and runs it.
async fn take_up(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    first: impl FnOnce(&RunState) -> Result<Vec<Input>, Error>,
) -> Result<Run, Error> {
    let parts = &inner.parts;
    let lease = parts.store.acquire(convoy, holder(), &is_alive).await.map_err(store_error)?;
    let prepared = async {
        end_survivors(convoy, parts.grace).await?;
        // Only now is the log final: its writer is gone.
        let (loaded, _) = load_from(&*parts.store, convoy).await?;
        let first = first(&loaded.state)?;
        let registry = registry_for(parts, loaded.state.plan())?;
        Ok((loaded, first, registry))
    };
    match prepared.await {
        Ok((loaded, first, registry)) => {
            let first_seq = loaded.last_seq + 1;
            launch(inner, loaded, lease, registry, first, first_seq).await
        }
        Err(error) => {
            parts.store.release(&lease).await.map_err(store_error)?;
            Err(error)
        }
    }
}

/// Who this engine is, so that others can tell whether it lives. Each run is a holder of its own: a lease
/// that a run of this very process left behind is seen as held until the process ends.
fn holder() -> Holder {
    let pid = std::process::id();
    Holder {
        engine: ulid::Ulid::generate().to_string(),
        pid,
        start_time: process::start_time(pid).unwrap_or(0),
        boot: process::boot_id().unwrap_or_default(),
    }
}

/// Ends what a dead engine left running: agents and gates at once; its git programs may finish, since what
/// they write is what recovery looks at.
async fn end_survivors(convoy: &ConvoyId, grace: Duration) -> Result<(), Error> {
    let (git, agents): (Vec<_>, Vec<_>) =
        process::survivors(convoy.as_str()).into_iter().partition(|s| s.cookie == convoy.as_str());
    process::wait_gone(&git, GIT_REST).await;
    let left = process::end(agents.into_iter().chain(git).collect(), grace).await;
    match left.first() {
        None => Ok(()),
        Some(stubborn) => {
            let text = format!(
                "process {} of the interrupted convoy cannot be ended; end it, then resume",
                stubborn.pid
            );
            Err(Error::new(ErrorKind::State, text))
        }
    }
}

/// The branch that the work is published to, and its commit.
async fn choose_branch(parts: &Parts, plan: &Plan, options: &RunOptions) -> Result<(String, Oid), Error> {
    let repository = &parts.repository;
    let refuse = |text: &str| Error::new(ErrorKind::Repository, text);
    let head = repository.head().await.map_err(git_open_error)?;
    let named = options.branch.as_deref().or(plan.spec().branch.as_deref());
    let unborn = "the repository has no commit yet; make a first commit, then run again";
    let Some(name) = named else {
        return match head {
            _ if repository.is_bare() => {
                Err(refuse("a bare repository has no branch checked out; set `branch:`"))
            }
            Head::Branch { name, tip: Some(tip) } => Ok((name, tip)),
            Head::Branch { tip: None, .. } => Err(refuse(unborn)),
            Head::Detached(_) => Err(refuse("HEAD is on no branch; check one out, or set `branch:`")),
        };
    };
    let full = repository.check_branch_name(name).await.map_err(git_open_error)?;
    if let Some(tip) = repository.ref_value(&full).await.map_err(git_open_error)? {
        return Ok((full, tip));
    }
    let tip = match head {
        Head::Branch { tip: Some(tip), .. } | Head::Detached(tip) => tip,
        Head::Branch { tip: None, .. } => return Err(refuse(unborn)),
    };
    let made = repository.update_ref(&full, &tip, Expected::Absent, "convoy: made from HEAD").await;
    match made.map_err(git_open_error)? {
        // Somebody made it in the same moment.
        RefUpdate::Moved { now: Some(theirs) } => Ok((full, theirs)),
        RefUpdate::Done | RefUpdate::Moved { now: None } => Ok((full, tip)),
    }
}

fn registry_for(parts: &Parts, plan: &Plan) -> Result<Registry, Error> {
    let profiles = parts.registry.with_profiles(&plan.spec().adapters);
    profiles.map_err(|error| Error::new(ErrorKind::InvalidSpec, error.to_string()))
}

/// The adapter of tasks that name none, after looking whether every adapter that is needed is there.
async fn choose_adapter(
    parts: &Parts,
    plan: &Plan,
    registry: &Registry,
    options: &RunOptions,
) -> Result<Option<String>, Error> {
    let spec = plan.spec();
    let unavailable = |error: String| Error::new(ErrorKind::Agent, error);
    let wanted = options.adapter.as_deref().or(spec.adapter.as_deref());
    let wanted = wanted.filter(|name| !name.is_empty() && *name != "auto").map(canonical_name);
    let mut named: Vec<&str> = spec.tasks.iter().filter_map(|task| task.adapter.as_deref()).collect();
    let needed = spec.tasks.iter().any(|task| task.adapter.is_none());
    named.extend(wanted.filter(|_| needed));
    named.sort_unstable();
    named.dedup();
    let env = match spec.tasks.first() {
        Some(task) => agent_env(&parts.env, spec, task).map_err(|error| unavailable(error.to_string()))?,
        None => (*parts.env).clone(),
    };
    let context = ProbeContext {
        env,
        cwd: parts.state_dir.clone(),
        timeout: PROBE_TIMEOUT,
        cancel: CancellationToken::new(),
    };
    for name in named {
        let adapter = registry.get(name).map_err(|error| unavailable(error.to_string()))?;
        adapter.probe(&context).await.map_err(|error| unavailable(error.to_string()))?;
    }
    match wanted {
        Some(name) => Ok(Some(name.to_owned())),
        None if !needed => Ok(None),
        None => {
            let found = registry.detect(&context).await.map_err(|error| unavailable(error.to_string()))?;
            Ok(Some(found.name().to_owned()))
        }
    }
}

fn redactor_for(parts: &Parts, plan: &Plan) -> Redactor {
    let values = parts.secrets.iter().cloned().chain(secret_values(&parts.env, plan.spec()));
    Redactor::with_values(values)
}

/// Opens what the segments need, and runs the loop on the engine's threads.
async fn launch(
    inner: &Arc<Inner>,
    loaded: Loaded,
    lease: Lease,
    registry: Registry,
    first: Vec<Input>,
    first_seq: u64,
) -> Result<Run, Error> {
    let parts = inner.parts.clone();
    let Loaded { state, last_seq } = loaded;
    let context = match make_context(&parts, &state, &lease, registry).await {
        Ok(context) => Arc::new(context),
        Err(error) => {
            parts.store.release(&lease).await.map_err(store_error)?;
            return Err(error);
        }
    };
    let (sender, messages) = mpsc::unbounded_channel();
    let (finished, finish) = watch::channel(None);
    let live = Live::new();
    let convoy = state.convoy().clone();
    let plan = state.plan().clone();
    let driver = Driver {
        scheduler: Scheduler::new(state),
        store: parts.store.clone(),
        lease,
        last_seq,
        clock: parts.clock.clone(),
        performer: Arc::new(Segments { context: context.clone() }),
        live: live.clone(),
        messages,
        sender: sender.clone(),
        inbox_every: INBOX_EVERY,
        in_flight: std::collections::HashMap::new(),
        next_action: 0,
    };
    let run = LiveRun { messages: sender.clone(), finish: finish.clone() };
    inner.host.runs.insert(convoy.clone(), run);
    let runs = inner.host.runs.clone();
    let task = {
        let (parts, convoy) = (parts.clone(), convoy.clone());
        async move {
            let ended = driver.run(first).await;
            let finish = conclude(&parts, &context, ended).await;
            runs.remove(&convoy);
            finished.send_replace(Some(finish));
        }
    };
    inner.host.tasks.spawn_on(task, inner.host.runtime());
    let run = RunInner {
        convoy,
        plan,
        actor: parts.actor.clone(),
        first_seq,
        store: parts.store.clone(),
        messages: sender,
        live,
        finish,
    };
    Ok(Run::new(Arc::new(run)))
}

/// What is left to do once the loop has ended: the derived files, and what is no longer needed.
async fn conclude(parts: &Parts, context: &Context, ended: Result<RunState, Error>) -> Finish {
    let told = |error: &Error| (error.kind(), error.chain());
    let state = ended.as_ref().map_err(told)?;
    cleanup::after(parts, context, state).await.map_err(|error| told(&error))?;
    let view = crate::state::view(state);
    let over = state.ended().is_some();
    Ok(Outcome { ended: if over { Ended::Finished } else { Ended::Interrupted }, view })
}

async fn make_context(
    parts: &Parts,
    state: &RunState,
    lease: &Lease,
    registry: Registry,
) -> Result<Context, Error> {
    let convoy = state.convoy().clone();
    let started = state.started();
    // Programs of this run carry its cookie, so that a later engine finds those that outlive a crash.
    let options = GitOptions { cookie: Some(convoy.to_string()), ..parts.git.clone() };
    let path = parts.repository.main_worktree().unwrap_or_else(|| parts.repository.common_dir());
    let repository = Repository::open(path, options).await.map_err(git_open_error)?;
    let queue = match &parts.queue {
        Some(queue) => queue.clone(),
        None => Arc::new(GitMergeQueue::new(repository.clone())),
    };
    let made = repository
        .update_ref(&started.integration_ref, state.tip(), Expected::Absent, "convoy: began")
        .await
        .map_err(git_open_error)?;
    match made {
        // It is there when the convoy was begun before; whether it moved since, landing finds out.
        RefUpdate::Done | RefUpdate::Moved { .. } => {}
    }
    Ok(Context {
        repository,
        queue,
        registry: Arc::new(registry),
        redactor: redactor_for(parts, state.plan()),
        host_env: parts.env.clone(),
        plan: state.plan().clone(),
        dirs: Dirs::new(&parts.state_dir, convoy.clone()),
        convoy,
        adapter: started.adapter.clone(),
        branch: started.branch.clone(),
        grace: parts.grace,
        fence: lease.fence,
    })
}
