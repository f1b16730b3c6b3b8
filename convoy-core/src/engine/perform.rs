//! The border between deciding and doing: what performs an action, and how it answers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::agent::Place;
use crate::attempt::SpaceReport;
use crate::error::Error;
use crate::plan::Plan;
use crate::schedule::{Action, EndReport, Input, PublishReport, Report, VerifyReport};
use crate::types::{AttemptNo, BoxFuture, TaskId, TaskIx};

/// Performs actions. Every action is answered by exactly one closing report (see
/// [`Action`](crate::schedule::Action)), unless it ends with an error, which stops the engine: the convoy
/// is then resumed later.
pub(crate) trait Perform: Send + Sync + fmt::Debug + 'static {
    /// Performs one action and reports what became of it. `plan`: the convoy's as it was when this was decided;
    /// it grows when tasks are added.
    fn perform(
        &self,
        action: Action,
        plan: Arc<Plan>,
        stop: Stop,
        reporter: Reporter,
    ) -> BoxFuture<'static, Result<(), Error>>;

    /// Sees the state after each turn, once it is durable, before its actions are performed.
    #[cfg(test)]
    fn recorded(&self, _live: &crate::state::RunState) {}
}

/// Asks a segment to end early.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    token: CancellationToken,
    for_good: Arc<AtomicBool>,
}

impl Stop {
    /// Asks. `resumable`: the convoy can be resumed afterwards.
    pub(crate) fn ask(&self, resumable: bool) {
        if !resumable {
            self.for_good.store(true, Ordering::SeqCst);
        }
        self.token.cancel();
    }

    /// The token to wait on.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether the convoy was cancelled, rather than interrupted.
    pub(crate) fn is_for_good(&self) -> bool {
        self.for_good.load(Ordering::SeqCst)
    }
}

/// What a driver is sent.
#[derive(Debug)]
pub(crate) enum Message {
    /// Something happened.
    Input(Input),
    /// Somebody waits until everything that was sent before is decided and recorded.
    Asked(oneshot::Sender<()>),
    /// An action is over; its closing report came before.
    Finished(u64),
    /// A place that was asked for.
    Place { adapter: String, place: Place },
    /// An action waits for room on a full disk, or has tried again.
    Space(SpaceReport),
    /// An action ended without an answer: the engine must stop.
    Fatal(u64, Error),
}

/// Carries the answers of one action to the driver.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    messages: mpsc::UnboundedSender<Message>,
    live: super::run::Live,
}

impl Reporter {
    pub(super) fn new(messages: mpsc::UnboundedSender<Message>, live: super::run::Live) -> Self {
        Self { messages, live }
    }

    /// Reports on an attempt.
    pub(crate) fn report(&self, task: TaskIx, attempt: AttemptNo, report: Report) {
        self.send(Message::Input(Input::worker(task, attempt, report)));
    }

    /// Reports on the user's branch.
    pub(crate) fn publish(&self, report: PublishReport) {
        self.send(Message::Input(Input::Publish(report)));
    }

    /// Reports on a run of `merge.verify`.
    pub(crate) fn verified(&self, run: u32, report: VerifyReport) {
        self.send(Message::Input(Input::Verify { run, report }));
    }

    /// Reports on the end of the convoy.
    pub(crate) fn end(&self, report: EndReport) {
        self.send(Message::Input(Input::End(report)));
    }

    /// Shows live output of an agent to whoever watches.
    pub(crate) fn output(&self, task: &TaskId, attempt: AttemptNo, clean: &[u8]) {
        self.live.output(task, attempt, clean);
    }

    pub(super) fn send(&self, message: Message) {
        // The driver is gone only when the engine is ending; then nobody needs the answer.
        drop(self.messages.send(message));
    }
}
