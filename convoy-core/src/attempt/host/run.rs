//! Asking code of the host, whatever it does.

use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use super::calls::Answer;
use super::code::Code;

/// How code of the host ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::attempt) enum Ended<A> {
    /// With an answer.
    Answered(A),
    /// It panicked, with this text.
    Panicked(String),
    /// It was not done when its time was up.
    TimedOut,
    /// The run stops.
    Stopped,
}

/// Asks code of the host and waits for its answer, at most `limit`, and `grace` more for its end when it was asked to
/// stop. It runs on a thread of its own, so that code that blocks holds up nothing else; if it goes on all the same, it
/// is dropped at the next point where it waits. `call` is told the token that asks it to stop.
pub(in crate::attempt) async fn ask<C: Send + 'static, A: Send + 'static>(
    code: Code<C, A>,
    call: impl FnOnce(CancellationToken) -> C,
    limit: Duration,
    grace: Duration,
    cancel: &CancellationToken,
) -> Ended<A> {
    if cancel.is_cancelled() {
        return Ended::Stopped;
    }
    let (stop, given_up) = (cancel.child_token(), CancellationToken::new());
    let (call, lost) = (call(stop.clone()), given_up.clone());
    // Whoever stops waiting for the answer gives the code up.
    let _guard = given_up.drop_guard();
    let runtime = Handle::current();
    let mut thread = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                answer = async { code(call).await } => Some(answer),
                () = lost.cancelled() => None,
            }
        })
    });
    let late = tokio::select! {
        biased;
        // Whoever is asked to stop may fail on its way out.
        () = cancel.cancelled() => Ended::Stopped,
        joined = &mut thread => return ended(joined),
        () = tokio::time::sleep(limit) => Ended::TimedOut,
    };
    stop.cancel();
    // What it says now comes too late.
    if tokio::time::timeout(grace, thread).await.is_err() {
        tracing::warn!(
            "code of the host goes on although it was asked to stop: it is left behind, with its thread"
        );
    }
    late
}

fn ended<A>(joined: Result<Option<A>, JoinError>) -> Ended<A> {
    match joined.map_err(JoinError::try_into_panic) {
        Ok(Some(answer)) => Ended::Answered(answer),
        // The runtime ends.
        Ok(None) | Err(Err(_)) => Ended::Stopped,
        Err(Ok(panic)) => {
            tracing::warn!("code of the host panicked; the events say how");
            Ended::Panicked(panic_text(&*panic))
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it does not say why").to_owned()
}

/// What a gate or a hook of the host said, in words.
pub(in crate::attempt) struct Told {
    pub(in crate::attempt) passed: bool,
    /// One line.
    pub(in crate::attempt) how: String,
    /// All of the reason; empty where there is none.
    pub(in crate::attempt) output: String,
}

/// What the end of a gate or a hook says; `None` when it was stopped.
pub(in crate::attempt) fn told(ended: Ended<Answer>, limit: Duration) -> Option<Told> {
    let reason = match ended {
        Ended::Answered(Answer::Pass) => {
            return Some(Told { passed: true, how: "passed".to_owned(), output: String::new() });
        }
        Ended::Answered(Answer::Fail(reason)) => reason.trim().to_owned(),
        Ended::Panicked(text) => format!("its code panicked: {text}"),
        Ended::TimedOut => format!("ended by its limit of {} s", limit.as_secs()),
        Ended::Stopped => return None,
    };
    let line = reason.lines().next().unwrap_or("no reason was given").trim_end();
    Some(Told { passed: false, how: short(line).into_owned(), output: reason })
}

/// A line that people can read: at most 500 characters of it.
pub(super) fn short(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(500) {
        None => Cow::Borrowed(line),
        Some((end, _)) => Cow::Owned(format!("{}[…]", &line[..end])),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn code<F>(act: impl Fn(CancellationToken) -> F + Send + Sync + 'static) -> Code<CancellationToken, u8>
    where
        F: Future<Output = u8> + Send + 'static,
    {
        Arc::new(move |stop| Box::pin(act(stop)))
    }

    async fn asked(
        code: Code<CancellationToken, u8>,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Ended<u8> {
        ask(code, |stop| stop, limit, Duration::from_millis(20), cancel).await
    }

    #[tokio::test]
    async fn code_is_heard_and_its_panics_are_caught_wherever_they_happen() {
        let never = CancellationToken::new();
        assert_eq!(asked(code(|_| async { 7 }), LONG, &never).await, Ended::Answered(7));
        let text = |text: &str| Ended::Panicked(text.to_owned());
        let at_once = code(|_| -> std::future::Ready<u8> { panic!("at once") });
        assert_eq!(asked(at_once, LONG, &never).await, text("at once"));
        let later = code(|_| async {
            tokio::task::yield_now().await;
            panic!("{} later", 1)
        });
        assert_eq!(asked(later, LONG, &never).await, text("1 later"));
        let odd = code(|_| async { std::panic::panic_any(3) });
        assert_eq!(asked(odd, LONG, &never).await, text("it does not say why"));
    }

    #[tokio::test]
    async fn code_that_does_not_end_is_asked_to_and_then_dropped() {
        struct Tells(mpsc::Sender<&'static str>);
        impl Drop for Tells {
            fn drop(&mut self) {
                // Nobody may listen any more.
                let _ = self.0.send("dropped");
            }
        }
        let (send, heard) = mpsc::channel();
        let stubborn = code(move |stop| {
            let tells = Tells(send.clone());
            async move {
                stop.cancelled().await;
                let _ = tells.0.send("asked to stop");
                std::future::pending().await
            }
        });
        let never = CancellationToken::new();
        assert_eq!(asked(stubborn.clone(), Duration::from_millis(1), &never).await, Ended::TimedOut);
        let next = || heard.recv_timeout(LONG).expect("it says so");
        assert_eq!([next(), next()], ["asked to stop", "dropped"]);
        let stopped = CancellationToken::new();
        let (ended, ()) = tokio::join!(asked(stubborn, LONG, &stopped), async { stopped.cancel() });
        assert_eq!(ended, Ended::Stopped);
    }

    #[tokio::test]
    async fn what_code_says_when_it_was_asked_to_stop_does_not_count() {
        let stop = CancellationToken::new();
        let stops = stop.clone();
        let answers = code(move |_| {
            stops.cancel();
            std::future::ready(1)
        });
        assert_eq!(asked(answers, LONG, &stop).await, Ended::Stopped);
    }

    #[tokio::test]
    async fn code_that_blocks_its_thread_is_left_to_itself() {
        let (go_on, wait) = mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let blocks = code(move |_| {
            // Until the test ends.
            drop(wait.lock().map(|wait| wait.recv()));
            async { 1 }
        });
        let never = CancellationToken::new();
        assert_eq!(asked(blocks, Duration::from_millis(1), &never).await, Ended::TimedOut);
        drop(go_on);
    }

    #[tokio::test]
    async fn code_is_not_asked_when_everything_stops_already() {
        let stopped = CancellationToken::new();
        stopped.cancel();
        let never = code(|_| -> std::future::Ready<u8> { panic!("nobody asks") });
        assert_eq!(asked(never, LONG, &stopped).await, Ended::Stopped);
    }

    #[test]
    fn what_is_told_is_one_line_and_all_of_the_reason() {
        let cases = [
            (Ended::Answered(Answer::Pass), true, "passed", ""),
            (Ended::Answered(Answer::fail(" too big\n")), false, "too big", "too big"),
            (Ended::Answered(Answer::fail("")), false, "no reason was given", ""),
            (Ended::Answered(Answer::fail("two: \na\nb")), false, "two:", "two: \na\nb"),
            (Ended::Panicked("oh\nno".into()), false, "its code panicked: oh", "its code panicked: oh\nno"),
            (Ended::TimedOut, false, "ended by its limit of 9 s", "ended by its limit of 9 s"),
        ];
        for (ended, passed, how, output) in cases {
            let told = told(ended, Duration::from_secs(9)).expect("it was not stopped");
            assert_eq!((told.passed, &*told.how, &*told.output), (passed, how, output));
        }
        assert!(told(Ended::Stopped, Duration::ZERO).is_none());
        let long = told(Ended::Answered(Answer::fail("x".repeat(600))), Duration::ZERO).expect("told");
        assert_eq!((long.how.chars().count(), long.output.len()), (503, 600));
    }
}
