//! The handle of a run, and those who watch it.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::accept::must_know_code;
use super::asked;
use super::host::LiveRun;
use super::perform::Message;
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

/// Events that a watcher reads from the store at once.
const PAGE: usize = 256;

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
    /// So many pieces of live output were lost, because the watcher was slow.
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
    /// What went wrong beside the convoy: text files that could not be written, for example. The store
    /// has everything.
    pub warnings: Vec<String>,
}

/// Where a driver announces what watchers may see.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    reached: watch::Sender<u64>,
    ended: CancellationToken,
    output: broadcast::Sender<(TaskId, AttemptNo, String)>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            reached: watch::Sender::new(0),
            ended: CancellationToken::new(),
            output: broadcast::Sender::new(OUTPUT_BUFFER),
        }
    }

    /// Changes whenever something was recorded.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.reached.subscribe()
    }

    /// Completes when the loop has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Announces that the loop has ended.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    pub(crate) fn reached(&self, seq: u64) {
        self.reached.send_replace(seq);
    }

    pub(crate) fn output(&self, task: &TaskId, attempt: AttemptNo, clean: &[u8]) {
        if self.output.receiver_count() > 0 {
            let text = String::from_utf8_lossy(clean).into_owned();
            // The last listener may just have left: nothing is lost.
            drop(self.output.send((task.clone(), attempt, text)));
        }
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
    /// live ones. No stored event is ever missed, however slow the watcher is.
    pub fn subscribe(&self, after: u64) -> Subscription {
        Subscription {
            run: self.inner.clone(),
            after,
            page: Vec::new().into_iter(),
            reached: self.inner.live.reached.subscribe(),
            output: self.inner.live.output.subscribe(),
            finish: self.inner.run.finish.clone(),
        }
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

/// A watcher of a run. Keeps the run alive.
#[derive(Debug)]
pub struct Subscription {
    run: Arc<RunInner>,
    after: u64,
    page: std::vec::IntoIter<EventRecord>,
    reached: watch::Receiver<u64>,
    output: broadcast::Receiver<(TaskId, AttemptNo, String)>,
    finish: watch::Receiver<Option<Finish>>,
}

impl Subscription {
    /// The next thing to see, or `None` after the last event of the run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<RunEvent>, Error> {
        loop {
            if let Some(record) = self.page.next() {
                self.after = record.seq;
                return Ok(Some(RunEvent::Recorded(Arc::new(record))));
            }
            // Order matters: what was recorded before the end is read after the end was seen.
            let over = self.finish.borrow_and_update().is_some();
            self.reached.borrow_and_update();
            let (store, convoy) = (&self.run.store, &self.run.convoy);
            let page = store.read_from(Some(convoy), self.after, PAGE).await;
            self.page = page.map_err(super::driver::store_error)?.into_iter();
            if self.page.len() > 0 {
                continue;
            }
            if over {
                return Ok(None);
            }
            tokio::select! {
                biased;
                _ = self.reached.changed() => {}
                _ = self.finish.changed() => {}
                live = self.output.recv() => match live {
                    Ok((task, attempt, text)) => {
                        return Ok(Some(RunEvent::Output { task, attempt, text }));
                    }
                    Err(broadcast::error::RecvError::Lagged(lost)) => return Ok(Some(RunEvent::Lagged(lost))),
                    // The run holds a sender, so this is never closed while it can be watched.
                    Err(broadcast::error::RecvError::Closed) => {}
                },
            }
        }
    }
}
