//! The threads on which an engine's callbacks run and its events are fetched.
//!
//! They are apart from those of the engine itself: a callback that never returns keeps one thread of this pool, and
//! nothing else waits for it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{AbortHandle, JoinHandle};

use crate::error::convoy_error;
use crate::status::convoy_status::CONVOY_INTERNAL;

/// The threads. Whatever may still have something to deliver keeps them; the last one lets them go, without waiting.
#[derive(Debug)]
pub(crate) struct Courier {
    runtime: Option<Runtime>,
}

impl Courier {
    /// Starts the threads.
    pub(crate) fn spawn() -> Result<Arc<Self>, convoy_error> {
        let built =
            Builder::new_multi_thread().worker_threads(1).thread_name("convoy-courier").enable_time().build();
        let runtime = built.map_err(|error| {
            let message =
                format!("the engine's threads cannot be started; check the system's limits: {error}");
            convoy_error::new(CONVOY_INTERNAL, message)
        })?;
        Ok(Arc::new(Self { runtime: Some(runtime) }))
    }

    /// Calls back on a thread that may be blocked.
    pub(crate) fn deliver(&self, callback: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn_blocking(callback))
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
}
