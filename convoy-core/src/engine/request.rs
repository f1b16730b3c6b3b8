//! What people ask of a convoy, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::accept::{must_know_code, redactor_for};
use super::asked;
use super::driver::{illegal, store_error};
use super::handle::Inner;
use super::launch::{First, take_up};
use super::perform::Message;
use super::query;
use super::stored::{Loaded, load_from};
use crate::error::{Error, ErrorKind};
use crate::event::{ConvoyEvent, Event, Request, RequestKind};
use crate::schedule::{Input, Scheduler};
use crate::types::ConvoyId;

/// How often an engine of another process is looked at for its answer.
const LOOK: Duration = Duration::from_millis(100);
/// Events read at once.
const PAGE: usize = 256;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is granted, or was so already.
    Granted,
    /// Nothing follows from it.
    Refused {
        /// Why not, and what the person can do.
        reason: String,
    },
    /// Nobody runs the convoy: the next engine decides. By what is stored now it will be granted.
    Waits,
}

/// Somebody's wish on its way to whoever runs the convoy.
pub(super) struct Sent {
    inner: Arc<Inner>,
    convoy: ConvoyId,
    /// What a refusal of it carries.
    id: String,
    /// Number of the last event before it.
    after: u64,
    way: Way,
}

/// How the decision is heard of.
enum Way {
    /// It was made before the request returned.
    Done,
    /// The run is of this engine, and tells.
    Live(oneshot::Receiver<()>),
    /// The entry of the inbox is gone when the run has decided.
    Inbox(u64),
}

pub(super) async fn request(inner: &Arc<Inner>, convoy: &ConvoyId, kind: RequestKind) -> Result<Sent, Error> {
    let parts = &inner.parts;
    let id = ulid::Ulid::generate().to_string();
    let from = |kind| Request { id: Some(id.clone()), ..Request::new(&*parts.actor, kind) };
    let sent = |after, way| Sent { inner: inner.clone(), convoy: convoy.clone(), id: id.clone(), after, way };
    if let Some(mut run) = inner.host.runs.get(convoy) {
        // A run knows what it has recorded: a long log is not read for that.
        let after = run.live.recorded();
        must_know_code(&parts.host, &kind)?;
        let request = from(asked::clean(kind.clone(), &run.redactor)?);
        let (tell, told) = oneshot::channel();
        if run.messages.send(Message::Input(Input::Request(request))).is_ok() {
            // Where it ends in this very moment nobody tells, and that is seen, too.
            drop(run.messages.send(Message::Asked(tell)));
            return Ok(sent(after, Way::Live(told)));
        }
        // It ends in this very moment, and is then like one that ended before. An error says that it has.
        drop(run.finish.wait_for(Option::is_some).await);
    }
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    let after = loaded.last_seq;
    must_not_be_over(&loaded, &kind)?;
    let request = from(asked::clean(kind, &redactor_for(parts, loaded.state.plan()))?);
    let running = query::is_running(parts, convoy).await?;
    if running || is_kept(&request.kind) {
        if !running {
            must_be_possible(inner, loaded, request.clone()).await?;
        }
        let entry = parts.store.submit(convoy, request, parts.clock.now()).await.map_err(store_error)?;
        return Ok(sent(after, Way::Inbox(entry)));
    }
    if request.kind != RequestKind::Cancel {
        let text = format!("no engine runs convoy {convoy}; resume it, or cancel it");
        return Err(Error::new(ErrorKind::State, text));
    }
    let first = vec![Input::BeginToCancel { actor: request.actor }];
    take_up(inner, convoy, |_| Ok(First::only(first))).await?.wait().await?;
    Ok(sent(after, Way::Done))
}

/// Of a convoy that has ended there is nothing to ask.
fn must_not_be_over(loaded: &Loaded, kind: &RequestKind) -> Result<(), Error> {
    let state = &loaded.state;
    if state.ended().is_none() {
        return Ok(());
    }
    let todo = match kind {
        RequestKind::Accept { .. } => {
            "merge the commit yourself; or let a retry take the task up again, and give the commit while the \
             task waits (for its turn, an approval or a dependency)"
        }
        RequestKind::Inject { .. } => "start another convoy with these tasks",
        RequestKind::Cancel => "there is nothing to cancel",
        _ => "this works while the convoy is not over; a retry takes up what is not done",
    };
    let text = format!("convoy {} is over ({}): {todo}", state.convoy(), state.status());
    Err(Error::new(ErrorKind::State, text))
}

/// A wish that the next engine would refuse is refused now, by the same rules.
async fn must_be_possible(inner: &Arc<Inner>, loaded: Loaded, request: Request) -> Result<(), Error> {
    let parts = &inner.parts;
    let convoy = loaded.state.convoy().clone();
    let waiting = parts.store.inbox(&convoy).await.map_err(store_error)?;
    // An interrupt was meant for the run before.
    let stays = |request: &Request| !matches!(request.kind, RequestKind::Interrupt { .. });
    let waiting = waiting.into_iter().map(|entry| entry.request).filter(stays).collect();
    let refused = Scheduler::new(loaded.state).refusal_of(waiting, request, parts.clock.now());
    match refused.map_err(illegal)? {
        None => Ok(()),
        Some(reason) => Err(Error::new(ErrorKind::State, reason)),
    }
}

/// Whether a wish is kept for the next engine when none runs the convoy.
fn is_kept(kind: &RequestKind) -> bool {
    matches!(
        kind,
        RequestKind::Approve { .. }
            | RequestKind::Reject { .. }
            | RequestKind::Skip { .. }
            | RequestKind::Accept { .. }
            | RequestKind::Inject { .. }
            | RequestKind::RefuseInjection { .. }
    )
}

impl Sent {
    /// Waits until whoever runs the convoy has decided, or nobody runs it.
    pub(super) async fn answer(self) -> Result<Answer, Error> {
        let parts = &self.inner.parts;
        let heard = match self.way {
            Way::Done => true,
            Way::Live(told) => told.await.is_ok(),
            Way::Inbox(entry) => loop {
                // Asked before looking, so that what was decided meanwhile is seen.
                let running = query::is_running(parts, &self.convoy).await?;
                let waiting = parts.store.inbox(&self.convoy).await.map_err(store_error)?;
                if waiting.iter().all(|waiting| waiting.id != entry) {
                    break true;
                }
                if !running {
                    break false;
                }
                parts.clock.sleep(LOOK).await;
            },
        };
        if let Some(reason) = refusal(&self.inner, &self.convoy, self.after, &self.id).await? {
            return Ok(Answer::Refused { reason });
        }
        if heard {
            return Ok(Answer::Granted);
        }
        let (loaded, _) = load_from(&*parts.store, &self.convoy).await?;
        Ok(match loaded.state.ended() {
            Some(_) => Answer::Refused { reason: "the convoy ended before anybody looked at it".to_owned() },
            None => Answer::Waits,
        })
    }
}

/// Why the request was refused, if it was.
async fn refusal(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    mut after: u64,
    wanted: &str,
) -> Result<Option<String>, Error> {
    loop {
        let page = query::events(&inner.parts, convoy, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = last.seq;
        let of = |event| match event {
            Event::Convoy(
                ConvoyEvent::RequestRefused { reason, request_id: Some(id), .. }
                | ConvoyEvent::InjectionRefused { reason, request_id: Some(id), .. },
            ) if id == wanted => Some(reason),
            _ => None,
        };
        if let Some(reason) = page.into_iter().find_map(|record| of(record.event)) {
            return Ok(Some(reason));
        }
    }
}
