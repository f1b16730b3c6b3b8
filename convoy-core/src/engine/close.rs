//! Closing what is kept for a person: dead letters and disputes.

use std::sync::Arc;

use super::accept::redactor_for;
use super::asked;
use super::driver::store_error;
use super::handle::Inner;
use super::launch::{First, take_up};
use super::perform::Message;
use super::query;
use super::stored::load_from;
use crate::error::{Error, ErrorKind};
use crate::event::{Request, RequestKind};
use crate::schedule::Input;
use crate::state::RunState;
use crate::types::ConvoyId;

/// What is closed.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    /// The dead letter of this id.
    Letter(String),
    /// The dispute of this id.
    Dispute(String),
}

/// Closes it: asks whoever runs the convoy, or does it here when the convoy has ended.
pub(super) async fn close(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    kept: Kept,
    resolution: &str,
) -> Result<(), Error> {
    let parts = &inner.parts;
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    must_be_open(&loaded.state, &kept)?;
    let redactor = redactor_for(parts, loaded.state.plan());
    let resolution = asked::clean_text(resolution, &redactor);
    let kind = match kept.clone() {
        Kept::Letter(dlq_id) => RequestKind::ResolveDeadLetter { dlq_id, resolution },
        Kept::Dispute(dispute_id) => RequestKind::ResolveDispute { dispute_id, resolution },
    };
    let request = Request::new(&*parts.actor, kind);
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
        must_be_open(state, &kept)?;
        Ok(First::only(vec![Input::Request(request)]))
    })
    .await?;
    run.wait().await.map(drop)
}

fn must_be_open(state: &RunState, kept: &Kept) -> Result<(), Error> {
    let mut tasks = state.plan().indices().map(|ix| state.task(ix));
    let (found, id, what) = match kept {
        Kept::Letter(id) => {
            let of = |(known, open): &(String, bool)| (known == id).then_some(*open);
            (tasks.find_map(|task| task.dead_letter.as_ref().and_then(of)), id, "dead letter")
        }
        Kept::Dispute(id) => {
            let of = |(known, open): &(String, bool)| (known == id).then_some(*open);
            (tasks.find_map(|task| task.review.dispute.as_ref().and_then(of)), id, "dispute")
        }
    };
    match found {
        Some(true) => Ok(()),
        Some(false) => Err(Error::new(ErrorKind::State, format!("{id} is closed already"))),
        None => {
            let text = format!("convoy {} has no open {what} {id}", state.convoy());
            Err(Error::new(ErrorKind::NotFound, text))
        }
    }
}
