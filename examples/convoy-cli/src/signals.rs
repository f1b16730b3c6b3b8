//! Ctrl-C and the request to end. Handlers are installed only while a convoy runs here; every other
//! command ends at once, as programs do.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// The signals that end a run: the first gracefully, the second at once.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    seen: Option<&'static str>,
}

impl Signals {
    /// Takes the signals over, for the rest of the process.
    pub(crate) fn install() -> Result<Self, Failure> {
        let take = |kind| signal(kind).map_err(|error| Failure::io("handle signals", error));
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            seen: None,
        })
    }

    /// The next signal and whether one came before it.
    pub(crate) async fn next(&mut self) -> (&'static str, bool) {
        let name = tokio::select! {
            Some(()) = self.interrupt.recv() => "Ctrl-C",
            Some(()) = self.terminate.recv() => "SIGTERM",
            else => std::future::pending().await,
        };
        (name, self.seen.replace(name).is_some())
    }

    /// The signal that came, if one did.
    pub(crate) fn seen(&self) -> Option<&'static str> {
        self.seen
    }

    /// Waits for the answer, through the first signal but not through the second.
    pub(crate) async fn through_first<T>(&mut self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => return Ok(answer),
                (_, again) = self.next() => if again { return Err(killed()) },
            }
        }
    }
}

/// What a second signal leads to.
pub(crate) fn killed() -> Failure {
    let message = "ended at once; `convoy resume` continues what can be continued".to_owned();
    Failure { exit: Exit::Interrupted, kind: "killed", message }
}
