//! The handle of a run, and those who watch it.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::accept::must_know_code;
use super::asked;
use super::host::LiveRun;
use super::perform::Message;
use super::subscription::Subscription;
use crate::attempt::HostCode;
use crate::error::{Error, ErrorKind};
use crate::event::{EventRecord, Request, RequestKind};
use crate::plan::Plan;
use crate::schedule::Input;
use crate::state::ConvoyView;
use crate::store::Store;
use crate::types::{AttemptNo, ConvoyId, TaskId};

/// Pieces of live output (64 KiB at most, each) that a slow watcher may fall behind before it loses the
/// oldest: bounds memory to 4 MiB a run.
const OUTPUT_BUFFER: usize = 64;

/// What watchers see.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunEvent {
    /// An event, after it became durable.
    Recorded(Arc<EventRecord>),
    /// Live output of an agent, redacted. Not stored as an event (the log file has it), and lost when the
    /// watcher is slow.
    Output {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: AttemptNo,
        /// A piece of the output.
        text: String,
    },
    /// So many pieces of live output of this run went by unseen: the watcher was slow, or came late.
    Lagged(u64),
}

/// Why a run returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The convoy has a final status.
    Finished,
    /// The engine was told to stop; the convoy can be resumed.
    Interrupted,
}

/// How a run ended.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Why it returned.
    pub ended: Ended,
    /// The convoy as it is now.
    pub view: ConvoyView,
    /// What went wrong beside the convoy: text files that could not be written, for example (the store has
    /// everything), or a branch that could not be moved to what landed.
    pub warnings: Vec<String>,
    /// What the person should know of the convoy file: keys that are ignored, for example. Of a run that was started
    /// from it.
    pub file_warnings: Vec<String>,
}

/// A piece of live output.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// How many came before it in this run.
    pub(super) number: u64,
    pub(super) task: TaskId,
    pub(super) attempt: AttemptNo,
    pub(super) text: String,
}

/// Where a driver announces what watchers may see.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    reached: watch::Sender<u64>,
    ended: CancellationToken,
    output: broadcast::Sender<Piece>,
    /// How many pieces of output there were, with those that nobody watched.
    pieces: Arc<Mutex<u64>>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            reached: watch::Sender::new(0),
            ended: CancellationToken::new(),
            output: broadcast::Sender::new(OUTPUT_BUFFER),
            pieces: Arc::default(),
        }
    }

    /// Changes whenever something was recorded.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.reached.subscribe()
    }

    /// What agents print from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Piece> {
        self.output.subscribe()
    }

    /// Completes when the loop has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Announces that the loop has ended.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Number of an event that is recorded, mostly of the last one; 0 before the first turn.
    pub(super) fn recorded(&self) -> u64 {
        *self.reached.borrow()
    }

    pub(crate) fn reached(&self, seq: u64) {
        self.reached.send_replace(seq);
    }

    pub(crate) fn output(&self, task: &TaskId, attempt: AttemptNo, clean: &[u8]) {
        // Held while it is sent: watchers get the pieces in the order of their numbers.
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *pieces;
        *pieces += 1;
        if self.output.receiver_count() > 0 {
            let text = String::from_utf8_lossy(clean).into_owned();
            // The last listener may just have left: nothing is lost.
            drop(self.output.send(Piece { number, task: task.clone(), attempt, text }));
        }
    }

    /// How many pieces of output there were.
    pub(super) fn pieces(&self) -> u64 {
        *self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run leaves: its outcome, or the error as kind and text (errors are not copied).
pub(crate) type Finish = Result<Outcome, (ErrorKind, String)>;

/// A run of a convoy in this process. Dropping the last handle asks the run to stop, as
/// [`RequestKind::Interrupt`] does, and does not wait for it.
#[derive(Debug, Clone)]
pub struct Run {
    inner: Arc<RunInner>,
}

#[derive(Debug)]
pub(crate) struct RunInner {
    pub(crate) convoy: ConvoyId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) actor: String,
    pub(crate) first_seq: u64,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) live: Live,
    pub(crate) run: LiveRun,
    /// The code that the host has registered.
    pub(crate) host: Arc<HostCode>,
}

impl Drop for RunInner {
    fn drop(&mut self) {
        let kind = RequestKind::Interrupt { reason: "its handle was dropped".to_owned() };
        let request = Request::new(&*self.actor, kind);
        drop(self.run.messages.send(Message::Input(Input::Request(request))));
    }
}

impl Run {
    pub(crate) fn new(inner: Arc<RunInner>) -> Self {
        Self { inner }
    }

    /// The id of the convoy.
    pub fn id(&self) -> &ConvoyId {
        &self.inner.convoy
    }

    /// Its plan as it was when this run began. Tasks that are added later show up as `tasks_added` events and
    /// in the outcome.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.inner.plan
    }

    /// Number of the event with which this run (start, resume, retry) began: a subscription after
    /// `first_seq() - 1` sees this run only.
    pub fn first_seq(&self) -> u64 {
        self.inner.first_seq
    }

    /// Watches the convoy: every stored event with a number above `after` (0: from its start), then the
    /// live ones. No stored event is ever missed, however slow the watcher is. Output of this run from before the
    /// watch began is lost, which [`RunEvent::Lagged`] tells.
    pub fn subscribe(&self, after: u64) -> Subscription {
        Subscription::new(self.inner.clone(), after)
    }

    /// Asks the run for something; it follows in a later turn. Texts are stored without the secrets in them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSpec`] when tasks to be added hold a secret anywhere but in a prompt;
    /// [`ErrorKind::Unsupported`] when they name code that the engine's builder has not registered.
    pub fn request(&self, kind: RequestKind) -> Result<(), Error> {
        must_know_code(&self.inner.host, &kind)?;
        let kind = asked::clean(kind, &self.inner.run.redactor)?;
        let request = Request::new(&*self.inner.actor, kind);
        // A run that is over has nobody to ask.
        drop(self.inner.run.messages.send(Message::Input(Input::Request(request))));
        Ok(())
    }

    /// Waits for the end of the run. May be called from any executor and more than once.
    ///
    /// # Errors
    /// When the engine had to stop without an end; the convoy can be resumed.
    pub async fn wait(&self) -> Result<Outcome, Error> {
        let mut finish = self.inner.run.finish.clone();
        let closed =
            || Error::new(ErrorKind::Closed, "the engine ended without recording the end of the run");
        let finish = finish.wait_for(Option::is_some).await.map_err(|_| closed())?.clone();
        match finish {
            Some(Ok(outcome)) => Ok(outcome),
            Some(Err((kind, message))) => Err(Error::new(kind, message)),
            None => Err(closed()),
        }
    }
}
