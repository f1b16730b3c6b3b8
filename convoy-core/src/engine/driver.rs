//! The loop of one convoy: drain inputs, decide, record in one transaction, publish, act.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::asked::clean_again;
use super::host::LeftLeases;
use super::journal;
use super::perform::{Message, Perform, Reporter, Stop};
use super::run::Live;
use super::seats::Seats;
use super::waiting::WaitingList;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::event::{Request, RequestKind};
use crate::plan::Plan;
use crate::schedule::{Action, Input, Scheduler, Turn};
use crate::secret::Redactor;
use crate::state::{IllegalEvent, RunState};
use crate::store::{Batch, InboxEntry, Lease, Store};
use crate::types::{TaskIx, Timestamp};

/// Most inputs of one turn: bounds the size of one transaction.
const MOST_INPUTS: usize = 256;

/// Everything that one run of a convoy needs.
pub(crate) struct Driver {
    pub(crate) scheduler: Scheduler,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) lease: Lease,
    /// Number of the convoy's last event.
    pub(crate) last_seq: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) performer: Arc<dyn Perform>,
    pub(crate) live: Live,
    pub(crate) messages: mpsc::UnboundedReceiver<Message>,
    pub(crate) sender: mpsc::UnboundedSender<Message>,
    /// How often the inbox is looked at.
    pub(crate) inbox_every: Duration,
    pub(crate) in_flight: BTreeMap<u64, InFlight>,
    pub(crate) next_action: u64,
    /// When the inbox is due, however much else happens.
    pub(crate) next_inbox: Timestamp,
    /// Interrupts that were meant for an earlier run: entries of the inbox that are older than the lease.
    pub(crate) stale: Vec<u64>,
    /// Where a lease is kept that cannot be given back.
    pub(crate) left: Arc<LeftLeases>,
    /// What knows the secrets of a plan.
    pub(crate) redactor_of: Box<dyn Fn(&Plan) -> Redactor + Send + Sync>,
    /// The places of this run at adapters with a limit.
    pub(crate) seats: Seats,
    /// Who waits until what was asked before is decided.
    pub(crate) asked: Vec<oneshot::Sender<()>>,
    /// The actions that wait for room on a full disk.
    pub(crate) waiting: WaitingList,
    /// Why this run must end: what an action without an answer said first.
    pub(crate) failed: Option<Error>,
}

/// An action that is being performed.
pub(crate) struct InFlight {
    stoppable: Option<Stoppable>,
    stop: Stop,
}

/// What can be asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stoppable {
    Task(TaskIx),
    Verify(u32),
    End,
}

/// Why a driver stopped waiting.
enum Woken {
    Message(Message),
    Time,
    Inbox,
}

impl Driver {
    /// Runs the convoy until it has ended or is interrupted, beginning with these inputs. Nothing that it
    /// started is left when this returns.
    ///
    /// # Errors
    /// When the store fails, another engine takes over, or a segment has no answer. The convoy can be
    /// resumed then.
    pub(crate) async fn run(mut self, first: Vec<Input>) -> Result<RunState, Error> {
        let result = self.drive(first).await;
        for action in self.in_flight.values() {
            action.stop.ask(true);
        }
        let mut unheard = Vec::new();
        while !self.in_flight.is_empty() {
            match self.messages.recv().await {
                Some(Message::Finished(id) | Message::Fatal(id, _)) => drop(self.in_flight.remove(&id)),
                Some(Message::Input(input)) => unheard.push(input),
                // Nobody works with it any more.
                Some(Message::Place { .. }) => {}
                // Who waits for an answer hears that there is none.
                Some(Message::Asked(_) | Message::Space(_)) => {}
                None => break,
            }
        }
        // From here on who asks is told that nobody listens.
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            if let Message::Input(input) = message {
                unheard.push(input);
            }
        }
        let kept = self.keep(unheard).await;
        self.live.end();
        let released = self.left.release(&*self.store, &self.lease).await;
        result?;
        kept?;
        if let Some(error) = self.failed {
            return Err(error);
        }
        released.map_err(store_error)?;
        Ok(self.scheduler.state().clone())
    }

    /// Leaves what was asked in the moment of the end to the next run. An interrupt has got what it wants, and
    /// of a convoy that has ended there is nothing to ask.
    async fn keep(&self, unheard: Vec<Input>) -> Result<(), Error> {
        let state = self.scheduler.state();
        for input in unheard {
            let Input::Request(request) = input else { continue };
            if state.ended().is_none() && !matches!(request.kind, RequestKind::Interrupt { .. }) {
                let kept = self.store.submit(state.convoy(), request, self.clock.now()).await;
                kept.map_err(store_error)?;
            }
        }
        Ok(())
    }

    async fn drive(&mut self, first: Vec<Input>) -> Result<(), Error> {
        // What was asked of an earlier run, too late for it, is not meant for this one.
        let late = match self.scheduler.state().ended() {
            Some(_) => self.inbox().await?.iter().map(|entry| entry.id).collect(),
            None => std::mem::take(&mut self.stale),
        };
        let (first, late) = self.with_wishes(first, late).await?;
        self.turn(first, late).await?;
        while !self.is_over() {
            match self.wait().await {
                Woken::Message(message) => {
                    let inputs = self.drain(message);
                    if !inputs.is_empty() {
                        self.turn(inputs, Vec::new()).await?;
                    }
                    for asked in self.asked.drain(..) {
                        // Who asked need not wait for the answer.
                        let _: Result<(), ()> = asked.send(());
                    }
                }
                Woken::Time => self.turn(vec![Input::Tick], Vec::new()).await?,
                Woken::Inbox => self.read_inbox().await?,
            }
            // What has ended may have led to more that is under way now.
            self.waiting.settle(self.in_flight.len(), self.clock.now());
        }
        Ok(())
    }

    /// What people asked for while nobody ran the convoy is decided before anything starts.
    async fn with_wishes(
        &self,
        mut first: Vec<Input>,
        mut consumed: Vec<u64>,
    ) -> Result<(Vec<Input>, Vec<u64>), Error> {
        // What arrives while a convoy is started finds it under way: it may wait for an approval by then.
        let resumes = matches!(first.last(), Some(Input::Begin { resumed: true }));
        if !resumes || self.scheduler.state().ended().is_some() {
            return Ok((first, consumed));
        }
        let mut entries = self.inbox().await?;
        entries.retain(|entry| !consumed.contains(&entry.id));
        consumed.extend(entries.iter().map(|entry| entry.id));
        first.extend(self.cleaned(entries));
        Ok((first, consumed))
    }

    fn is_over(&self) -> bool {
        let state = self.scheduler.state();
        self.in_flight.is_empty() && (state.ended().is_some() || state.is_interrupting())
    }

    async fn wait(&mut self) -> Woken {
        let now = self.clock.now();
        // A clock that is set back keeps the inbox shut for no longer than usual.
        let inbox = self.next_inbox.since(now).min(self.inbox_every);
        if inbox.is_zero() {
            return Woken::Inbox;
        }
        let wake = self.scheduler.next_wake().map(|time| time.since(now));
        let pause = wake.map_or(inbox, |wake| wake.min(inbox));
        let timer = self.clock.sleep(pause);
        // In this order, so that the same messages at the same times always give the same turns.
        tokio::select! {
            biased;
            message = self.messages.recv() => match message {
                Some(message) => Woken::Message(message),
                // The driver holds a sender itself, so the channel never closes.
                None => Woken::Inbox,
            },
            () = timer => if wake.is_some_and(|wake| wake <= pause) { Woken::Time } else { Woken::Inbox },
        }
    }

    /// Takes everything that waits, so that one transaction records it all.
    fn drain(&mut self, first: Message) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Input(input) => inputs.push(input),
                Message::Place { adapter, place } => {
                    self.seats.sit(&adapter, place);
                    inputs.push(Input::Place { adapter });
                }
                Message::Asked(asked) => self.asked.push(asked),
                Message::Space(report) => self.waiting.hear(report),
                Message::Finished(id) => {
                    self.in_flight.remove(&id);
                    self.waiting.ended();
                }
                Message::Fatal(id, error) => {
                    self.in_flight.remove(&id);
                    inputs.extend(self.fail(error));
                }
            }
            next = if inputs.len() < MOST_INPUTS { self.messages.try_recv().ok() } else { None };
        }
        inputs
    }

    /// An action has no answer, so this run ends as by an interrupt: in order, since what other agents have
    /// finished meanwhile is to be recorded and not bought again.
    fn fail(&mut self, error: Error) -> Option<Input> {
        if error.kind() == ErrorKind::Closed && self.scheduler.state().is_interrupting() {
            // It was not answered because of the interrupt: what is to be resumed has not failed.
            return None;
        }
        let reason = error.to_string();
        self.failed.get_or_insert(error);
        if self.scheduler.state().ended().is_some() {
            return None;
        }
        let kind = RequestKind::Interrupt { reason };
        Some(Input::Request(Request::new("engine", kind)))
    }

    async fn inbox(&self) -> Result<Vec<InboxEntry>, Error> {
        self.store.inbox(self.scheduler.state().convoy()).await.map_err(store_error)
    }

    async fn read_inbox(&mut self) -> Result<(), Error> {
        self.next_inbox = self.clock.now().plus(self.inbox_every);
        let entries = self.inbox().await?;
        if entries.is_empty() {
            return Ok(());
        }
        let consumed = entries.iter().map(|entry| entry.id).collect();
        let inputs = self.cleaned(entries);
        self.turn(inputs, consumed).await
    }

    fn cleaned(&self, entries: Vec<InboxEntry>) -> Vec<Input> {
        if entries.is_empty() {
            return Vec::new();
        }
        let redactor = (self.redactor_of)(self.scheduler.state().plan());
        let clean = |entry: InboxEntry| Input::Request(clean_again(entry.request, &redactor));
        entries.into_iter().map(clean).collect()
    }

    /// One turn: decide, record, publish, act.
    async fn turn(&mut self, inputs: Vec<Input>, consumed: Vec<u64>) -> Result<(), Error> {
        let now = self.clock.now();
        let Turn { events, actions } = self.scheduler.handle_all(inputs, now).map_err(illegal)?;
        if !events.is_empty() || !consumed.is_empty() {
            let notes = journal::notes(&events);
            let batch = Batch { time: Some(now), events, consumed };
            let appended = self.store.append(&self.lease, self.last_seq, batch).await.map_err(store_error)?;
            self.last_seq = appended.last_seq;
            journal::tell(self.scheduler.state().convoy(), notes);
        }
        #[cfg(test)]
        self.performer.recorded(self.scheduler.state());
        for action in actions {
            self.act(action);
        }
        // Last: who sees an interrupt recorded may rely on the agents having been asked to stop.
        self.live.reached(self.last_seq);
        Ok(())
    }

    fn stop(&self, what: Stoppable, resumable: bool) {
        for action in self.in_flight.values().filter(|action| action.stoppable == Some(what)) {
            action.stop.ask(resumable);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the engine is the one that spawns tasks")]
    fn act(&mut self, action: Action) {
        let stoppable = match &action {
            Action::Stop { task, resumable } => return self.stop(Stoppable::Task(*task), *resumable),
            Action::StopEnd { resumable } => return self.stop(Stoppable::End, *resumable),
            Action::StopVerify { run } => return self.stop(Stoppable::Verify(*run), true),
            Action::AskPlace { adapter } => return self.seats.ask(adapter.clone(), self.sender.clone()),
            Action::LeavePlace { adapter } => return self.seats.leave(adapter),
            Action::Work(order) => Some(Stoppable::Task(order.task)),
            Action::Snapshot(order) => Some(Stoppable::Task(order.task)),
            Action::Check(order) => Some(Stoppable::Task(order.task)),
            Action::Verify(order) => Some(Stoppable::Verify(order.run)),
            Action::End(_) => Some(Stoppable::End),
            // Short, and cut off in between they would only have to be repeated.
            Action::Prepare { .. } | Action::Advance { .. } | Action::Publish(_) => None,
        };
        self.next_action += 1;
        let id = self.next_action;
        let stop = Stop::default();
        self.in_flight.insert(id, InFlight { stoppable, stop: stop.clone() });
        let reporter = Reporter::new(self.sender.clone(), self.live.clone());
        let closing = Closing { id, reporter: reporter.clone(), result: None };
        let future = self.performer.perform(action, self.scheduler.state().plan().clone(), stop, reporter);
        tokio::spawn(async move { closing.close(future.await) });
    }
}

/// Tells the driver that an action is over, also when it panicked.
struct Closing {
    id: u64,
    reporter: Reporter,
    result: Option<Result<(), Error>>,
}

impl Closing {
    fn close(mut self, result: Result<(), Error>) {
        self.result = Some(result);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.reporter.send(match self.result.take() {
            Some(Ok(())) => Message::Finished(self.id),
            Some(Err(error)) => Message::Fatal(self.id, error),
            None => {
                let text = "a segment of an attempt ended without an answer; please report it";
                Message::Fatal(self.id, Error::new(ErrorKind::Internal, text))
            }
        });
    }
}

/// The public form of an event that the state does not allow.
pub(super) fn illegal(illegal: IllegalEvent) -> Error {
    Error::new(ErrorKind::Internal, "the scheduler met an event that cannot happen; please report it")
        .because(illegal)
}

/// The public form of a store's error.
pub(crate) fn store_error(error: crate::store::StoreError) -> Error {
    use crate::store::StoreError;
    let kind = match &error {
        StoreError::NoConvoy(_) | StoreError::Pruned { .. } => ErrorKind::NotFound,
        StoreError::Pruning(_) => ErrorKind::State,
        StoreError::Held { .. } | StoreError::Fenced(_) => ErrorKind::Busy,
        StoreError::Closed => ErrorKind::Closed,
        _ => ErrorKind::Store,
    };
    let message = error.to_string();
    match error {
        StoreError::Medium { source, .. } => Error::new(kind, message).because(source),
        StoreError::Damaged { source, .. } => Error::new(kind, message).because(source),
        _ => Error::new(kind, message),
    }
}
