//! Looking at what is stored.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::driver::store_error;
use super::host::Parts;
use super::show;
use super::stored::load_from;
use crate::attempt::Dirs;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventRecord, TaskEvent};
use crate::plan::Plan;
use crate::process;
use crate::state::{ConvoyView, view};
use crate::store::{ConvoySummary, Holder};
use crate::types::{AttemptNo, ConvoyId, TaskId};

/// A task that was given up, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterView {
    /// Its id.
    pub dlq_id: String,
    /// The task.
    pub task: TaskId,
    /// The role of the task.
    pub agent: String,
    /// What failed.
    pub failure_type: String,
    /// Attempts made.
    pub attempts: u32,
    /// What the person must know.
    pub error: String,
    /// Whether nobody has closed it yet.
    pub open: bool,
    /// How it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

pub(super) async fn list(parts: &Parts) -> Result<Vec<ConvoySummary>, Error> {
    parts.store.list().await.map_err(store_error)
}

pub(super) async fn status(parts: &Parts, convoy: &ConvoyId) -> Result<ConvoyView, Error> {
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    Ok(view(&loaded.state))
}

pub(super) async fn plan_of(parts: &Parts, convoy: &ConvoyId) -> Result<Arc<Plan>, Error> {
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    Ok(loaded.state.plan().clone())
}

pub(super) async fn events(
    parts: &Parts,
    convoy: &ConvoyId,
    after: u64,
    limit: usize,
) -> Result<Vec<EventRecord>, Error> {
    parts.store.read_from(Some(convoy), after, limit).await.map_err(store_error)
}

pub(super) async fn is_running(parts: &Parts, convoy: &ConvoyId) -> Result<bool, Error> {
    let holder = parts.store.holder(convoy).await.map_err(store_error)?;
    Ok(holder.is_some_and(|holder| is_alive(parts, &holder)))
}

/// Whether the process that holds a lease still lives (the same id, start and boot) and may decide by it.
pub(super) fn is_alive(parts: &Parts, holder: &Holder) -> bool {
    !parts.left.has(holder)
        && process::boot_id().unwrap_or_default() == holder.boot
        && process::is_running(holder.pid, holder.start_time)
}

pub(super) async fn dead_letters(parts: &Parts, convoy: &ConvoyId) -> Result<Vec<DeadLetterView>, Error> {
    let (_, stored) = load_from(&*parts.store, convoy).await?;
    let mut letters: Vec<DeadLetterView> = Vec::new();
    for record in stored.events {
        match record.event {
            Event::Task { id, event: TaskEvent::DeadLettered(letter), .. } => letters.push(DeadLetterView {
                dlq_id: letter.dlq_id,
                task: id,
                agent: letter.agent,
                failure_type: letter.failure_type,
                attempts: letter.attempts,
                error: letter.error,
                open: true,
                resolution: None,
            }),
            Event::Task { event: TaskEvent::DeadLetterResolved { dlq_id, resolution, .. }, .. } => {
                for letter in letters.iter_mut().filter(|letter| letter.dlq_id == dlq_id) {
                    letter.open = false;
                    letter.resolution = Some(resolution.clone());
                }
            }
            Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => {}
        }
    }
    Ok(letters)
}

pub(super) async fn log_path(
    parts: &Parts,
    convoy: &ConvoyId,
    task: &TaskId,
    attempt: Option<AttemptNo>,
) -> Result<PathBuf, Error> {
    let found = show::find(parts, convoy, task, attempt).await?;
    let dirs = Dirs::new(&parts.state_dir, convoy.clone());
    Ok(dirs.agent_log(found.loaded.state.plan(), found.task, found.attempt))
}

/// What an artifact of a done task holds.
pub(super) async fn artifact(
    parts: &Parts,
    convoy: &ConvoyId,
    task: &TaskId,
    name: &str,
) -> Result<Vec<u8>, Error> {
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    let state = loaded.state;
    let missing = |what: String| Error::new(ErrorKind::NotFound, what);
    let ix = state.plan().find(task);
    let ix = ix.ok_or_else(|| missing(format!("convoy {convoy} has no task {task}")))?;
    let found = state.task(ix).artifact(name).cloned();
    let found = found.ok_or_else(|| {
        let names: Vec<&str> = state.task(ix).artifacts.iter().map(|a| a.name.as_str()).collect();
        let has = match names.as_slice() {
            [] => "it has none that others can get".to_owned(),
            names => format!("it has {}", names.join(", ")),
        };
        missing(format!("task {task} has no artifact {name}; {has}"))
    })?;
    let most = usize::try_from(found.size).unwrap_or(usize::MAX);
    let gone = |error| {
        let text = format!("artifact {name} of task {task} cannot be read from the repository");
        Error::new(ErrorKind::Repository, text).because(error)
    };
    parts.repository.blob(&found.oid, most).await.map_err(gone)
}
