//! One call of the host's code, from the request to the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::live::{self, Live, LiveReceiver};
use super::reply::{Expects, Reply};
use super::table::{self, Answer};
use crate::callback::{Begin, Code};
use crate::courier::Courier;

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
pub(crate) struct Ask {
    pub(crate) courier: Arc<Courier>,
    pub(crate) code: Arc<Code>,
    /// The function that is asked.
    pub(crate) step: Begin,
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
struct Ticket {
    id: u64,
    courier: Arc<Courier>,
    code: Arc<Code>,
    stage: Arc<Mutex<Stage>>,
}

impl Ask {
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
            // None of these comes first: a host that prints without end can be stopped, and its answer is taken.
            tokio::select! {
                Some(told) = live.next() => {
                    clock.heard();
                    hear(told);
                }
                answer = &mut answered => break answer.ok(),
                why = clock.strikes(&limits) => {
                    if stopped.is_some() {
                        tracing::warn!(completion = id, "code of the host did not answer after it was told to stop");
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
    fn begin(self, id: u64) -> Ticket {
        let stage = Arc::new(Mutex::new(Stage::Called));
        let ticket =
            Ticket { id, courier: self.courier.clone(), code: self.code.clone(), stage: stage.clone() };
        let (code, courier) = (self.code, self.courier);
        let kept = courier.clone();
        courier.deliver(move || {
            code.begin(self.step, &self.request, id);
            let given_up = {
                let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
                let given_up = *stage == Stage::CalledAndCancelled;
                *stage = if given_up { Stage::Told } else { Stage::Returned };
                given_up
            };
            if given_up {
                code.cancel(id);
            }
            drop((code, kept));
        });
        ticket
    }
}

impl Ticket {
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
        let (code, kept, id) = (self.code.clone(), self.courier.clone(), self.id);
        self.courier.deliver(move || {
            code.cancel(id);
            drop((code, kept));
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if table::close(self.id) {
            self.cancel();
        }
    }
}

/// What was told before the answer comes before it; what a host goes on to tell is not waited for.
fn drain(live: &mut LiveReceiver, hear: &mut impl FnMut(Live)) {
    live.close();
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

#[cfg(test)]
mod tests {
    use std::ffi::{c_char, c_void};
    use std::sync::mpsc;

    use convoy_core::process::Stream;

    use super::*;
    use crate::callback::UserData;

    /// Hands its number to the `Sender<u64>` that its data points to, and prints the first piece.
    unsafe extern "C" fn hand_over(asked: *mut c_void, _: *const c_char, _: usize, id: u64) {
        // SAFETY: the tests below hand over such a pointer, which lives as long as the call.
        unsafe { &*asked.cast::<mpsc::Sender<u64>>() }.send(id).expect("the test listens");
        assert!(table::find(id).expect("it is open").live.send(piece()));
    }

    fn ask(asked: &mpsc::Sender<u64>, limits: Limits) -> Ask {
        let data = UserData::new((&raw const *asked).cast_mut().cast(), None);
        Ask {
            courier: Courier::spawn().expect("threads"),
            code: Arc::new(Code::new(data, None)),
            step: hand_over,
            expects: Expects::Agent,
            request: "{}\0".to_owned(),
            limits,
        }
    }

    fn piece() -> Live {
        Live::Output(Stream::Stdout, b"x".to_vec())
    }

    /// Runs a call of code that prints another piece whenever one was read, so that there is always one: it ends all the
    /// same, after what `act` does at the third piece.
    fn flooded(limits: Limits, act: impl Fn(u64)) -> Ended {
        let (asked, begun) = mpsc::channel();
        let call = ask(&asked, limits);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (mut heard, mut id) = (0, None);
        runtime.block_on(call.run(|_| {
            let id = *id.get_or_insert_with(|| begun.recv().expect("it was asked"));
            heard += 1;
            assert!(heard < 100_000, "output is all that is looked at");
            if heard == 3 {
                act(id);
            }
            if let Ok(open) = table::find(id) {
                open.live.send(piece());
            }
        }))
    }

    #[test]
    fn code_that_prints_without_end_can_be_stopped() {
        let cancel = CancellationToken::new();
        let limits = Limits { cancel: cancel.clone(), ..Limits::default() };
        let ended = flooded(limits, |_| cancel.cancel());
        assert!(matches!(ended, Ended::Stopped(Why::Cancelled, None)), "{ended:?}");
    }

    #[test]
    fn the_answer_of_code_that_prints_without_end_is_taken() {
        let answer = |id| {
            let reply = Expects::Agent.read(r#"{"outcome":"succeeded"}"#).expect("an answer");
            let kept = table::find(id).expect("it is open");
            table::answer(id, Answer::Resolved(reply)).expect("nobody answered before");
            // As a thread would that prints on: what was read makes room for more.
            for _ in 0..1000 {
                kept.live.send(piece());
            }
        };
        let ended = flooded(Limits::default(), answer);
        assert!(matches!(ended, Ended::Resolved(Reply::Agent(_))), "{ended:?}");
    }
}
