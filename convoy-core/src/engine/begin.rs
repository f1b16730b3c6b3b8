//! Starting, resuming and retrying: everything that happens before the loop of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::accept::{
    accept, choose_adapter, choose_branch, has_host_code, has_reviewers, has_variables, lands_as_asked,
    may_separate, redactor_for, registry_for,
};
use super::builder::prepare_state_dir;
use super::driver::store_error;
use super::handle::Inner;
use super::host::Parts;
use super::journal;
use super::launch::{Begin, First, holder, launch, take_up};
use super::query::is_running;
use super::run::Run;
use super::stored::{Loaded, digest, from_stored, load_from, to_stored};
use crate::agent::Registry;
use crate::attempt::Dirs;
use crate::error::{Error, ErrorKind};
use crate::event::{ConvoyEvent, EVENT_FORMAT, Event, RunOptions, Started};
use crate::schedule::Input;
use crate::spec::{Spec, inactive_defaults};
use crate::state::RunState;
use crate::store::NewConvoy;
use crate::types::{ConvoyId, ConvoyStatus, TaskId, TaskIx, TaskStatus};

pub(super) async fn start(inner: &Arc<Inner>, spec_text: &str, options: RunOptions) -> Result<Run, Error> {
    let parts = &inner.parts;
    let (accepted, problems) = accept(spec_text, &options)?;
    has_variables(parts, &accepted)?;
    has_host_code(parts, &accepted)?;
    let redactor = redactor_for(parts, &accepted);
    let stored = to_stored(accepted.spec(), &redactor)?;
    let plan = from_stored(&stored)?;
    let registry = registry_for(parts, &plan)?;
    let adapter = choose_adapter(parts, &plan, &registry, &options).await?;
    has_reviewers(parts, &plan, &registry, adapter.as_deref())?;
    lands_as_asked(parts, &plan)?;
    may_separate(parts, &plan).await?;
    // Last, because it may make the branch.
    let (branch, base) = choose_branch(parts, &plan, &options).await?;
    let now = parts.clock.now();
    let id = ConvoyId::from_parts(u64::try_from(now.0).unwrap_or(0), ulid::Ulid::generate().random());
    let started = Started {
        name: plan.spec().name.clone(),
        spec_digest: digest(&stored),
        options,
        providers: providers(plan.spec(), adapter.as_deref(), &registry),
        adapter_limits: parts.places.limits(),
        adapter,
        branch,
        base,
        integration_ref: Dirs::new(&parts.state_dir, id.clone()).integration_ref(),
        inactive: inactive_defaults().into_iter().map(str::to_owned).collect(),
        tasks: u32::try_from(plan.len()).unwrap_or(u32::MAX),
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        event_format: EVENT_FORMAT,
    };
    let first = Event::Convoy(ConvoyEvent::Started(Box::new(started.clone())));
    let notes = journal::notes(std::slice::from_ref(&first));
    let new = NewConvoy {
        id: id.clone(),
        name: started.name.clone(),
        spec_text: stored,
        event_format: EVENT_FORMAT,
        created_at: now,
        holder: holder(),
        first,
    };
    // Nothing is left where a convoy is refused.
    prepare_state_dir(parts)?;
    let (lease, appended) = parts.store.create(new).await.map_err(store_error)?;
    journal::tell(&id, notes);
    let state = RunState::new(plan, id, now, started);
    let loaded = Loaded { state, last_seq: appended.last_seq };
    let first = vec![Input::Begin { resumed: false }];
    let file_warnings =
        problems.iter().map(|problem| redactor.clean(&format!("the convoy file: {problem}"))).collect();
    let begin = Begin { first_seq: appended.first_seq, first, stale: Vec::new(), file_warnings };
    launch(inner, loaded, lease, registry, begin).await
}

/// The label of each adapter's provider. Adapters that nobody knows have none; their tasks fail by themselves.
fn providers(spec: &Spec, adapter: Option<&str>, registry: &Registry) -> BTreeMap<String, String> {
    let named = spec.tasks.iter().filter_map(|task| task.adapter.as_deref()).chain(adapter);
    let label = |name: &str| {
        let adapter = registry.get(name).ok()?;
        let account = adapter.account().map(|account| format!("/{account}"));
        Some((name.to_owned(), format!("{}{}", adapter.name(), account.unwrap_or_default())))
    };
    named.filter_map(label).collect()
}

pub(super) async fn resume(inner: &Arc<Inner>, convoy: Option<ConvoyId>) -> Result<Run, Error> {
    let parts = &inner.parts;
    let convoy = match convoy {
        Some(convoy) => convoy,
        None => newest_unfinished(parts).await?,
    };
    let (loaded, _) = load_from(&*parts.store, &convoy).await?;
    if !loaded.state.is_unfinished() {
        let status = loaded.state.status();
        let advice =
            if status == ConvoyStatus::Done { "" } else { "; retry takes up again what is not done" };
        let text = format!("nothing to resume: convoy {convoy} is {status}{advice}");
        return Err(Error::new(ErrorKind::NothingToResume, text));
    }
    take_up(inner, &convoy, |state| {
        let inputs = vec![Input::Begin { resumed: true }];
        if state.ended().is_some() {
            return Ok(First::only(inputs));
        }
        has_variables(parts, state.plan())?;
        has_host_code(parts, state.plan())?;
        let open = |ix: &TaskIx| !state.task(*ix).stage.status().is_final();
        Ok(First { inputs, tasks: state.plan().indices().filter(open).collect() })
    })
    .await
}

/// The newest convoy that is to be resumed, of those that nobody runs if there is one.
async fn newest_unfinished(parts: &Parts) -> Result<ConvoyId, Error> {
    let list = parts.store.list().await.map_err(store_error)?;
    let unfinished: Vec<ConvoyId> = list.into_iter().filter(|of| of.unfinished).map(|of| of.id).collect();
    for convoy in &unfinished {
        if !is_running(parts, convoy).await? {
            return Ok(convoy.clone());
        }
    }
    let nothing = || Error::new(ErrorKind::NothingToResume, "nothing to resume");
    unfinished.into_iter().next().ok_or_else(nothing)
}

pub(super) async fn retry(inner: &Arc<Inner>, convoy: &ConvoyId, tasks: &[TaskId]) -> Result<Run, Error> {
    let actor = inner.parts.actor.clone();
    take_up(inner, convoy, |state| {
        must_have_ended(state, "retried")?;
        has_variables(&inner.parts, state.plan())?;
        has_host_code(&inner.parts, state.plan())?;
        let find = |id: &TaskId| {
            let missing = || Error::new(ErrorKind::NotFound, format!("convoy {convoy} has no task {id}"));
            state.plan().find(id).ok_or_else(missing)
        };
        let tasks: Vec<TaskIx> = tasks.iter().map(find).collect::<Result<_, _>>()?;
        let not_done = |ix: &TaskIx| state.task(*ix).stage.status() != TaskStatus::Done;
        let worked_on =
            if tasks.is_empty() { state.plan().indices().filter(not_done).collect() } else { tasks.clone() };
        Ok(First { inputs: vec![Input::Retry { tasks, actor }], tasks: worked_on })
    })
    .await
}

pub(super) async fn publish(inner: &Arc<Inner>, convoy: &ConvoyId) -> Result<Run, Error> {
    take_up(inner, convoy, |state| {
        must_have_ended(state, "published by hand")?;
        let inputs = if state.is_published() { Vec::new() } else { vec![Input::Begin { resumed: true }] };
        Ok(First::only(inputs))
    })
    .await
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
