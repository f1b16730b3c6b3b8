//! One call of the host's code, from the request to the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::live::{self, Live, LiveReceiver};
use super::reply::{Expects, Reply};
use super::table::{self, Answer};
use crate::courier::Courier;

/// Code of the host that answers later.
pub(crate) trait Plug: Send + Sync + 'static {
    /// Hands the request over.
    fn begin(&self, expects: &Expects, request: &str, id: u64);

    /// Says that the answer is no longer needed.
    fn cancel(&self, id: u64);
}

/// How long the host may take.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) timeout: Option<Duration>,
    /// Without a word.
    pub(crate) idle: Option<Duration>,
    /// After it was told to stop.
    pub(crate) grace: Duration,
    /// Tells it to stop.
    pub(crate) cancel: CancellationToken,
}

/// Why the engine did not wait for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was cancelled.
    Cancelled,
    /// It took too long.
    Timeout,
    /// It was silent for too long.
    Idle,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With an answer.
    Resolved(Reply),
    /// The host says that it failed.
    Rejected(String),
    /// It was told to stop; what it answered to that, if anything.
    Stopped(Why, Option<Reply>),
    /// The host can no longer be called.
    Lost,
}

/// A call to be made.
pub(crate) struct Ask<P: Plug> {
    pub(crate) courier: Arc<Courier>,
    pub(crate) plug: Arc<P>,
    pub(crate) expects: Expects,
    pub(crate) request: String,
    pub(crate) limits: Limits,
}

/// How far the function of the host is, so that a cancellation never overtakes the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Called,
    CalledAndCancelled,
    Returned,
    Told,
}

/// A completion that is waited for. Dropping it gives it up.
struct Ticket<P: Plug> {
    id: u64,
    courier: Arc<Courier>,
    plug: Arc<P>,
    stage: Arc<Mutex<Stage>>,
}

impl<P: Plug> Ask<P> {
    /// Calls the host and waits for its answer; `hear` gets what it tells meanwhile.
    pub(crate) async fn run(self, mut hear: impl FnMut(Live)) -> Ended {
        if self.limits.cancel.is_cancelled() {
            return Ended::Stopped(Why::Cancelled, None);
        }
        let (sender, mut live) = live::channel();
        let (id, mut answered) = table::open(self.expects.clone(), sender);
        let limits = self.limits.clone();
        let ticket = self.begin(id);
        let mut clock = Clock::new(&limits);
        let mut stopped = None;
        let answer = loop {
            tokio::select! {
                biased;
                Some(told) = live.next() => {
                    clock.heard();
                    hear(told);
                }
                answer = &mut answered => break answer.ok(),
                why = clock.strikes(&limits) => {
                    if stopped.is_some() {
                        break None;
                    }
                    stopped = Some(why);
                    ticket.cancel();
                    clock.grace(&limits);
                }
            }
        };
        drain(&mut live, &mut hear);
        match (answer, stopped) {
            (Some(Answer::Resolved(reply)), None) => Ended::Resolved(reply),
            (Some(Answer::Rejected(message)), None) => Ended::Rejected(message),
            (Some(Answer::Resolved(reply)), Some(why)) => Ended::Stopped(why, Some(reply)),
            (Some(Answer::Rejected(_)) | None, Some(why)) => Ended::Stopped(why, None),
            (None, None) => Ended::Lost,
        }
    }

    /// Calls the host's function on a thread that it may block.
    fn begin(self, id: u64) -> Ticket<P> {
        let stage = Arc::new(Mutex::new(Stage::Called));
        let ticket =
            Ticket { id, courier: self.courier.clone(), plug: self.plug.clone(), stage: stage.clone() };
        let (plug, courier) = (self.plug, self.courier);
        let kept = courier.clone();
        courier.deliver(move || {
            plug.begin(&self.expects, &self.request, id);
            let given_up = {
                let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
                let given_up = *stage == Stage::CalledAndCancelled;
                *stage = if given_up { Stage::Told } else { Stage::Returned };
                given_up
            };
            if given_up {
                plug.cancel(id);
            }
            drop((plug, kept));
        });
        ticket
    }
}

impl<P: Plug> Ticket<P> {
    /// Tells the host, once, and never before its function has returned.
    fn cancel(&self) {
        {
            let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            match *stage {
                Stage::Called => *stage = Stage::CalledAndCancelled,
                Stage::Returned => *stage = Stage::Told,
                Stage::CalledAndCancelled | Stage::Told => return,
            }
            if *stage == Stage::CalledAndCancelled {
                return;
            }
        }
        let (plug, kept, id) = (self.plug.clone(), self.courier.clone(), self.id);
        self.courier.deliver(move || {
            plug.cancel(id);
            drop((plug, kept));
        });
    }
}

impl<P: Plug> Drop for Ticket<P> {
    fn drop(&mut self) {
        if table::close(self.id) {
            self.cancel();
        }
    }
}

/// What was told before the answer comes before it.
fn drain(live: &mut LiveReceiver, hear: &mut impl FnMut(Live)) {
    while let Some(told) = live.next_now() {
        hear(told);
    }
}

/// The times of one call.
struct Clock {
    all: Option<Pin<Box<Sleep>>>,
    silence: Option<(Duration, Pin<Box<Sleep>>)>,
    grace: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    fn new(limits: &Limits) -> Self {
        let timer = |duration| Box::pin(sleep(duration));
        Self {
            all: limits.timeout.map(timer),
            silence: limits.idle.map(|idle| (idle, timer(idle))),
            grace: None,
        }
    }

    fn heard(&mut self) {
        if let Some((idle, timer)) = &mut self.silence {
            timer.as_mut().reset(Instant::now() + *idle);
        }
    }

    /// Waits until the host is to stop, and after that until the time for it is over.
    async fn strikes(&mut self, limits: &Limits) -> Why {
        if let Some(grace) = &mut self.grace {
            grace.as_mut().await;
            return Why::Timeout;
        }
        tokio::select! {
            biased;
            () = limits.cancel.cancelled() => Why::Cancelled,
            () = over(self.all.as_mut()) => Why::Timeout,
            () = over(self.silence.as_mut().map(|(_, timer)| timer)) => Why::Idle,
        }
    }

    fn grace(&mut self, limits: &Limits) {
        self.grace = Some(Box::pin(sleep(limits.grace)));
    }
}

/// Waits for a timer; for ever without one.
async fn over(timer: Option<&mut Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.as_mut().await,
        None => std::future::pending().await,
    }
}
