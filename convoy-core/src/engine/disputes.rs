//! Disputes: tasks whose work three panels have blocked, kept for a person.

use std::sync::Arc;

use serde::Serialize;

use super::accept::redactor_for;
use super::driver::store_error;
use super::handle::Inner;
use super::host::Parts;
use super::launch::take_up;
use super::perform::Message;
use super::query;
use super::stored::load_from;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Request, RequestKind, TaskEvent};
use crate::schedule::Input;
use crate::secret::printable;
use crate::state::RunState;
use crate::types::{ConvoyId, TaskId, Timestamp};

/// Longest reason for closing a dispute, in bytes.
const MAX_RESOLUTION: usize = 4096;

/// A disputed task, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DisputeView {
    /// Its id.
    pub dispute_id: String,
    /// The task.
    pub task: TaskId,
    /// The role of the task.
    pub agent: String,
    /// Panels that blocked the work.
    pub panel_attempts: u32,
    /// Why the last of them did.
    pub reasons: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether nobody has closed it yet.
    pub open: bool,
    /// Who closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// How it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// The disputes of a convoy, in the order in which they were opened.
pub(super) async fn list(parts: &Parts, convoy: &ConvoyId) -> Result<Vec<DisputeView>, Error> {
    let (_, stored) = load_from(&*parts.store, convoy).await?;
    let mut disputes: Vec<DisputeView> = Vec::new();
    for record in stored.events {
        match record.event {
            Event::Task { id, event: TaskEvent::DisputeOpened(dispute), .. } => disputes.push(DisputeView {
                dispute_id: dispute.dispute_id,
                task: id,
                agent: dispute.agent,
                panel_attempts: dispute.panel_attempts,
                reasons: dispute.reasons,
                opened_at: record.time,
                open: true,
                resolved_by: None,
                resolution: None,
            }),
            Event::Task { event: TaskEvent::DisputeResolved { dispute_id, actor, resolution }, .. } => {
                for dispute in disputes.iter_mut().filter(|dispute| dispute.dispute_id == dispute_id) {
                    dispute.open = false;
                    (dispute.resolved_by, dispute.resolution) =
                        (Some(actor.clone()), Some(resolution.clone()));
                }
            }
            Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => {}
        }
    }
    Ok(disputes)
}

/// Closes a dispute: asks whoever runs the convoy, or does it here when the convoy has ended.
pub(super) async fn resolve(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    dispute_id: &str,
    resolution: &str,
) -> Result<(), Error> {
    let parts = &inner.parts;
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    must_be_open(&loaded.state, dispute_id)?;
    let redactor = redactor_for(parts, loaded.state.plan());
    let mut resolution = printable(&redactor.redact(resolution)).into_owned();
    let end = (0..=MAX_RESOLUTION.min(resolution.len())).rev().find(|at| resolution.is_char_boundary(*at));
    resolution.truncate(end.unwrap_or(0));
    let kind = RequestKind::ResolveDispute { dispute_id: dispute_id.to_owned(), resolution };
    let request = Request { actor: parts.actor.clone(), kind };
    if let Some(run) = inner.host.runs.get(convoy)
        && run.messages.send(Message::Input(Input::Request(request.clone()))).is_ok()
    {
        return Ok(());
    }
    if query::is_running(parts, convoy).await? {
        parts.store.submit(convoy, request, parts.clock.now()).await.map_err(store_error)?;
        return Ok(());
    }
    let run = take_up(inner, convoy, |state| {
        if state.ended().is_none() {
            let text = format!("no engine runs convoy {convoy}, and it has not ended; resume it first");
            return Err(Error::new(ErrorKind::State, text));
        }
        must_be_open(state, dispute_id)?;
        Ok(vec![Input::Request(request)])
    })
    .await?;
    run.wait().await.map(drop)
}

fn must_be_open(state: &RunState, dispute_id: &str) -> Result<(), Error> {
    let disputes = state.plan().indices().filter_map(|ix| state.task(ix).review.dispute.as_ref());
    match disputes.into_iter().find(|(id, _)| id == dispute_id) {
        Some((_, true)) => Ok(()),
        Some((_, false)) => Err(Error::new(ErrorKind::State, format!("{dispute_id} is closed already"))),
        None => {
            let text = format!("convoy {} has no open dispute {dispute_id}", state.convoy());
            Err(Error::new(ErrorKind::NotFound, text))
        }
    }
}
