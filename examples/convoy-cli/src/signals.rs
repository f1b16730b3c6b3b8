//! Ctrl-C, the request to end, the terminal that is closed. Handlers are installed only while a convoy
//! runs here; every other command ends at once, as programs do.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure, KILLED};
use crate::host::hangup_is_ignored;

/// The signals that end a run: the first gracefully, the second at once.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` where the caller (`nohup`) wants it ignored.
    hangup: Option<Signal>,
    seen: Option<&'static str>,
}

impl Signals {
    /// Takes the signals over, for the rest of the process.
    pub(crate) fn install() -> Result<Self, Failure> {
        let take = |kind| signal(kind).map_err(|error| Failure::io("handle signals", error));
        let hangup = if hangup_is_ignored() { None } else { Some(take(SignalKind::hangup())?) };
        let (interrupt, terminate) = (take(SignalKind::interrupt())?, take(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup, seen: None })
    }

    /// The next signal and whether one came before it.
    pub(crate) async fn next(&mut self) -> (&'static str, bool) {
        let name = tokio::select! {
            Some(()) = self.interrupt.recv() => "Ctrl-C",
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = received(&mut self.hangup) => "SIGHUP",
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

async fn received(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => None,
    }
}

/// What a second signal leads to.
pub(crate) fn killed() -> Failure {
    let message = "ended at once; `convoy resume` continues what can be continued".to_owned();
    Failure { exit: Exit::Interrupted, kind: KILLED, message }
}
