//! The threads on which an engine's callbacks run and its events are fetched.
//!
//! They are apart from those of the engine itself: a callback that never returns keeps one thread of this pool, and
//! nothing else waits for it, until all of them are taken.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{AbortHandle, JoinHandle};

use crate::error::convoy_error;
use crate::status::convoy_status::CONVOY_INTERNAL;

/// Callbacks of one engine that may be under way at once; more wait until one returns. Hosts are told this number.
const MOST_CALLS: usize = 512;

/// That the system gives no more threads, for the host.
pub(crate) fn no_threads(error: &io::Error) -> convoy_error {
    let message = format!("the engine's threads cannot be started; check the system's limits: {error}");
    convoy_error::new(CONVOY_INTERNAL, message)
}

/// The threads. Whatever may still have something to deliver keeps them; the last one lets them go, without waiting.
#[derive(Debug)]
pub(crate) struct Courier {
    runtime: Option<Runtime>,
    most: usize,
    /// Callbacks that have not returned, or have not been made.
    calls: Arc<AtomicUsize>,
}

/// One of them.
struct Call(Arc<AtomicUsize>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Courier {
    /// Starts the threads.
    pub(crate) fn spawn() -> Result<Arc<Self>, convoy_error> {
        Self::with_calls(MOST_CALLS)
    }

    fn with_calls(most: usize) -> Result<Arc<Self>, convoy_error> {
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(1).max_blocking_threads(most).thread_name("convoy-courier").enable_time();
        let runtime = threads.build().map_err(|error| no_threads(&error))?;
        Ok(Arc::new(Self { runtime: Some(runtime), most, calls: Arc::default() }))
    }

    /// Calls back on a thread that may be blocked.
    pub(crate) fn deliver(&self, callback: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
        let runtime = self.runtime.as_ref()?;
        let call = Call(self.calls.clone());
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.most {
            let most = self.most;
            tracing::warn!(
                calls = most,
                "{most} functions of the program have not returned: no other is called until one of them does"
            );
        }
        Some(runtime.spawn_blocking(move || {
            callback();
            drop(call);
        }))
    }

    /// Runs a task until it ends or is aborted.
    pub(crate) fn run(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(task).abort_handle())
    }

    /// What a future comes to, or `None` when it takes longer than `limit`; without one it is waited for. The
    /// calling thread waits.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>, limit: Option<Duration>) -> Option<T> {
        let Some((limit, runtime)) = limit.zip(self.runtime.as_ref()) else {
            return Some(pollster::block_on(future));
        };
        let timer = runtime.spawn(async move { tokio::time::sleep(limit).await });
        pollster::block_on(async {
            let (future, mut timer) = (std::pin::pin!(future), timer);
            let came = tokio::select! {
                biased;
                came = future => Some(came),
                _ = &mut timer => None,
            };
            timer.abort();
            came
        })
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
    use tracing_subscriber::registry::Registry;

    use super::*;

    #[test]
    fn waiting_ends_with_the_answer_or_with_the_time() {
        let courier = Courier::spawn().expect("threads");
        assert_eq!(courier.wait(async { 7 }, None), Some(7));
        assert_eq!(courier.wait(async { 7 }, Some(Duration::ZERO)), Some(7));
        let never = std::future::pending::<()>();
        assert_eq!(courier.wait(never, Some(Duration::from_millis(1))), None);
    }

    #[test]
    fn a_callback_that_never_returns_holds_up_neither_the_others_nor_the_end() {
        let courier = Courier::spawn().expect("threads");
        let (let_go, held) = mpsc::channel::<()>();
        courier.deliver(move || assert!(held.recv().is_err(), "the test lets it go"));
        let (said, heard) = mpsc::channel();
        courier.deliver(move || said.send(7).expect("the test listens"));
        assert_eq!(heard.recv(), Ok(7));
        drop(courier);
        drop(let_go);
    }

    #[test]
    fn when_no_function_of_the_program_returns_the_log_says_so_and_what_waits_is_called_later() {
        let warned = Arc::new(AtomicUsize::new(0));
        let log = Registry::default().with(Warnings(warned.clone()));
        let courier = Courier::with_calls(2).expect("threads");
        let (said, heard) = mpsc::channel();
        tracing::subscriber::with_default(log, || {
            let mut held = Vec::new();
            for number in 0..4 {
                let ((let_go, wait), said) = (mpsc::channel::<()>(), said.clone());
                held.push(let_go);
                courier.deliver(move || {
                    assert!(wait.recv().is_err(), "the test lets it go");
                    said.send(number).expect("the test listens");
                });
            }
            assert_eq!(warned.load(Ordering::Relaxed), 1, "at the third, once");
        });
        let mut all: Vec<i32> = (0..4).map(|_| heard.recv().expect("each is called")).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    }

    /// Counts warnings.
    struct Warnings(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Warnings {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            assert_eq!(*event.metadata().level(), Level::WARN);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
