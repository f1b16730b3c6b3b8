//! From a stored convoy to its running loop, and what follows the loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;

use super::accept::{has_adapters, redactor_for, registry_for};
use super::builder::prepare_state_dir;
use super::conclude::{conclude, keep_text_files, people_files};
use super::driver::{Driver, store_error};
use super::git_open_error;
use super::handle::Inner;
use super::host::{LiveRun, Parts};
use super::inject_file::take_files;
use super::perform::Message;
use super::prune::{retain, unlock};
use super::query::is_alive;
use super::run::{Ended, Finish, Live, Outcome, Run, RunInner};
use super::seats::Seats;
use super::segments::Segments;
use super::stored::{Loaded, load_from};
use super::waiting::WaitingList;
use crate::agent::Registry;
use crate::attempt::{self, CleanTrees, Context, Dirs, KeptRefs, Reviews, Space, WholeTrees};
use crate::error::{Error, ErrorKind};
use crate::event::RequestKind;
use crate::git::{Expected, RefUpdate};
use crate::merge::GitMergeQueue;
use crate::plan::Plan;
use crate::process::{self, Survivor};
use crate::schedule::{Input, Scheduler};
use crate::secret::Redactor;
use crate::state::RunState;
use crate::store::{Holder, InboxEntry, Lease, StoreError};
use crate::types::{ConvoyId, TaskIx, Timestamp};

/// How often a run looks at its inbox.
const INBOX_EVERY: Duration = Duration::from_millis(250);

/// How long a killed engine may take to be gone.
const DYING: Duration = Duration::from_millis(300);

/// How long git programs of a dead engine may take to end by themselves.
const GIT_REST: Duration = Duration::from_secs(30);

/// What is to be done with a convoy that is taken up.
pub(super) struct First {
    /// The first inputs.
    pub(super) inputs: Vec<Input>,
    /// The tasks that are to be worked on.
    pub(super) tasks: Vec<TaskIx>,
}

impl First {
    /// Nothing for an agent.
    pub(super) fn only(inputs: Vec<Input>) -> Self {
        Self { inputs, tasks: Vec::new() }
    }
}

/// Takes the lease of a stored convoy, ends what a dead engine left running, and runs it.
pub(super) async fn take_up(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    first: impl FnOnce(&RunState) -> Result<First, Error>,
) -> Result<Run, Error> {
    let parts = &inner.parts;
    prepare_state_dir(parts)?;
    let lease = acquire(parts, convoy).await?;
    let prepared = async {
        // At once: what is asked from now on is asked of this run.
        let stale = interrupts(parts, convoy).await?;
        end_survivors(convoy, parts.grace).await?;
        // Nobody writes them any more: a lock there would keep every landing from happening, for ever.
        parts.repository.remove_ref_locks(&format!("refs/convoy/{convoy}")).map_err(git_open_error)?;
        // Only now is the log final: its writer is gone.
        let (loaded, _) = load_from(&*parts.store, convoy).await?;
        let First { inputs, tasks } = first(&loaded.state)?;
        let registry = registry_for(parts, loaded.state.plan())?;
        if !tasks.is_empty() {
            has_adapters(parts, &loaded.state, &registry, &tasks).await?;
        }
        Ok((loaded, stale, inputs, registry))
    };
    let prepared = prepared.instrument(tracing::info_span!("recovery", convoy = %convoy));
    match prepared.await {
        Ok((loaded, stale, first, registry)) => {
            let begin = Begin { first_seq: loaded.last_seq + 1, first, stale, file_warnings: Vec::new() };
            launch(inner, loaded, lease, registry, begin).await
        }
        Err(error) => {
            // Why it could not be taken up matters more than that the lease stays.
            drop(parts.left.release(&*parts.store, &lease).await);
            Err(error)
        }
    }
}

/// The interrupts that wait in the inbox of a convoy.
async fn interrupts(parts: &Parts, convoy: &ConvoyId) -> Result<Vec<u64>, Error> {
    let waiting = parts.store.inbox(convoy).await.map_err(store_error)?;
    let of = |entry: &InboxEntry| matches!(entry.request.kind, RequestKind::Interrupt { .. });
    Ok(waiting.into_iter().filter(of).map(|entry| entry.id).collect())
}

/// What a run begins with.
pub(super) struct Begin {
    /// Number of its first event.
    pub(super) first_seq: u64,
    /// Its first inputs.
    pub(super) first: Vec<Input>,
    /// Entries of the inbox that were meant for an earlier run.
    pub(super) stale: Vec<u64>,
    /// What its outcome says of the convoy file.
    pub(super) file_warnings: Vec<String>,
}

/// Takes the lease. A holder that was killed a moment ago may need another moment to be gone.
async fn acquire(parts: &Parts, convoy: &ConvoyId) -> Result<Lease, Error> {
    let is_alive = |holder: &Holder| is_alive(parts, holder);
    match parts.store.acquire(convoy, holder(), &is_alive).await {
        Err(StoreError::Held { holder: theirs, .. }) if theirs.pid != std::process::id() => {
            let dying =
                Survivor { pid: theirs.pid, start_time: theirs.start_time, cookie: convoy.to_string() };
            process::wait_gone(&[dying], DYING).await;
            parts.store.acquire(convoy, holder(), &is_alive).await.map_err(store_error)
        }
        other => other.map_err(store_error),
    }
}

/// Who this engine is, so that others can tell whether it lives. Each run is a holder of its own.
pub(super) fn holder() -> Holder {
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
pub(super) async fn end_survivors(convoy: &ConvoyId, grace: Duration) -> Result<(), Error> {
    let (git, agents): (Vec<_>, Vec<_>) =
        process::survivors(convoy.as_str()).into_iter().partition(|s| s.cookie == convoy.as_str());
    if !agents.is_empty() {
        tracing::warn!(programs = agents.len(), "an engine that is gone left agents running: they are ended");
    }
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

/// What knows the secrets of a plan, which may grow.
fn redactor_of(parts: &Arc<Parts>) -> Box<dyn Fn(&Plan) -> Redactor + Send + Sync> {
    let parts = parts.clone();
    Box::new(move |plan| redactor_for(&parts, plan))
}

/// Opens what the segments need, and runs the loop on the engine's threads.
pub(super) async fn launch(
    inner: &Arc<Inner>,
    loaded: Loaded,
    lease: Lease,
    registry: Registry,
    begin: Begin,
) -> Result<Run, Error> {
    let parts = inner.parts.clone();
    let Begin { first_seq, first, stale, file_warnings } = begin;
    let Loaded { state, last_seq } = loaded;
    let (sender, messages) = mpsc::unbounded_channel();
    let context = match make_context(&parts, &state, &lease, registry, sender.clone()).await {
        Ok(context) => Arc::new(context),
        Err(error) => {
            drop(parts.left.release(&*parts.store, &lease).await);
            return Err(error);
        }
    };
    let (live, (finished, finish)) = (Live::new(), watch::channel(None));
    let (convoy, plan) = (state.convoy().clone(), state.plan().clone());
    let driver = Driver {
        scheduler: Scheduler::within(state, parts.places.limits()),
        store: parts.store.clone(),
        lease,
        last_seq,
        clock: parts.clock.clone(),
        performer: Arc::new(Segments::new(context.clone())),
        live: live.clone(),
        messages,
        sender: sender.clone(),
        inbox_every: INBOX_EVERY,
        in_flight: std::collections::BTreeMap::new(),
        next_action: 0,
        next_inbox: Timestamp(0),
        stale,
        left: parts.left.clone(),
        redactor_of: redactor_of(&parts),
        seats: Seats::new(parts.places.clone()),
        asked: Vec::new(),
        waiting: WaitingList::default(),
        failed: None,
    };
    let run = LiveRun { messages: sender, live: live.clone(), redactor: context.redactor.clone(), finish };
    inner.host.runs.insert(convoy.clone(), run.clone());
    let runs = inner.host.runs.clone();
    let task = {
        let (parts, convoy, live) = (parts.clone(), convoy.clone(), live.clone());
        async move {
            let lived = lived(&parts, &context, driver, first, &live).await;
            runs.remove(&convoy);
            finished.send_replace(Some(lived.map(|outcome| Outcome { file_warnings, ..outcome })));
        }
    };
    inner.host.tasks.spawn_on(task, inner.host.runtime());
    let inner = RunInner {
        convoy,
        plan,
        actor: parts.actor.clone(),
        first_seq,
        store: parts.store.clone(),
        live,
        run,
        host: parts.host.clone(),
    };
    Ok(Run::new(Arc::new(inner)))
}

/// Removes what an engine that is gone left of its runs of `merge.verify`.
async fn remove_left(context: &Context) {
    if let Err(error) = attempt::remove_left(context).await {
        // The end of the convoy tries again, and tells.
        let text = context.redactor.clean(&error.to_string());
        tracing::warn!(convoy = %context.convoy, "a worktree of merge.verify is left: {text}");
    }
}

/// The whole life of a run: its loop, what goes on beside it, and what follows it.
async fn lived(
    parts: &Arc<Parts>,
    context: &Context,
    driver: Driver,
    first: Vec<Input>,
    live: &Live,
) -> Finish {
    let inject_file = driver.scheduler.state().started().options.inject_file;
    let people = people_files(parts, &context.convoy);
    remove_left(context).await;
    let (ended, (), trouble) = tokio::join!(
        driver.run(first),
        keep_text_files(parts, live, &people),
        take_files(parts, context, inject_file, live)
    );
    let finish = conclude(parts, context, ended, trouble, &people).await;
    tell_of_end(context, &finish);
    if finish.as_ref().is_ok_and(|outcome| outcome.ended == Ended::Finished) {
        retain(parts).await;
    }
    finish
}

/// What went wrong in a run, or beside it.
fn tell_of_end(context: &Context, finish: &Finish) {
    let convoy = &context.convoy;
    match finish {
        Ok(outcome) => {
            for warning in &outcome.warnings {
                tracing::warn!(convoy = %convoy, "beside the convoy: {}", context.redactor.clean(warning));
            }
        }
        Err((_, message)) => {
            tracing::error!(convoy = %convoy, "the run stopped: {}", context.redactor.clean(message));
        }
    }
}

async fn make_context(
    parts: &Parts,
    state: &RunState,
    lease: &Lease,
    registry: Registry,
    sender: mpsc::UnboundedSender<Message>,
) -> Result<Context, Error> {
    // Whoever moves or deletes refs needs them.
    unlock(parts).await;
    let convoy = state.convoy().clone();
    let started = state.started();
    // Programs of this run carry its cookie, so that a later engine finds those that outlive a crash.
    let isolation = state.plan().spec().worktree.isolation;
    let repository = parts.repository.with_cookie(convoy.as_str()).with_isolation(isolation);
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
    let dirs = Dirs::new(&parts.state_dir, convoy.clone());
    // A convoy that has ended is taken up for a retry, which pays for its reviews anew, or not to review at all.
    let spent = if state.ended().is_some() { 0 } else { state.review_tokens() };
    Ok(Context {
        ignore: repository.first_ignore_rules(&dirs.ignored()).await.map_err(git_open_error)?,
        repository,
        queue,
        registry: Arc::new(registry.paced(&parts.places)),
        redactor: redactor_for(parts, state.plan()),
        secrets: parts.secrets.clone(),
        host_env: parts.env.clone(),
        plan: state.plan().clone(),
        dirs,
        convoy,
        adapter: started.adapter.clone(),
        base: started.base.clone(),
        branch: started.branch.clone(),
        grace: parts.grace,
        fence: lease.fence,
        whole: WholeTrees::default(),
        clean: CleanTrees::default(),
        kept: KeptRefs::with(parts.publications.clone()),
        reviewer: parts.reviewer.clone(),
        host: parts.host.clone(),
        reviews: Reviews::new(state.plan().spec().reviews.max_concurrent, spent),
        space: Arc::new(Space::new(move |report| drop(sender.send(Message::Space(report))))),
    })
}
