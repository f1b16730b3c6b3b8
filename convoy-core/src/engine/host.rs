//! The engine's own threads, and what all its convoys share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Dispatch;

use super::perform::Message;
use super::prune::Retained;
use super::run::{Finish, Live};
use crate::agent::{Places, Registry};
use crate::attempt::{HostCode, Publications};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::event::{Request, RequestKind};
use crate::git::Repository;
use crate::merge::MergeQueue;
use crate::review::ReviewRunner;
use crate::schedule::Input;
use crate::secret::Redactor;
use crate::store::{Holder, Lease, Store, StoreError};
use crate::types::ConvoyId;

/// Threads that poll futures. Git and agents are processes of their own, so few are needed.
const WORKER_THREADS: usize = 2;

/// What all convoys of an engine share.
pub(crate) struct Parts {
    pub(crate) repository: Repository,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Registry,
    /// Where attempts of adapters with a limit get their places.
    pub(crate) places: Arc<Places>,
    /// Adapters with a limit that convoy files are to define.
    pub(crate) limited_profiles: BTreeSet<String>,
    pub(crate) queue: Option<Arc<dyn MergeQueue>>,
    pub(crate) reviewer: Option<Arc<dyn ReviewRunner>>,
    pub(crate) host: Arc<HostCode>,
    pub(crate) secrets: Arc<[String]>,
    pub(crate) env: Arc<BTreeMap<String, String>>,
    pub(crate) state_dir: PathBuf,
    pub(crate) actor: String,
    pub(crate) grace: Duration,
    pub(crate) left: Arc<LeftLeases>,
    /// What all convoys of this engine published.
    pub(crate) publications: Publications,
    /// What is kept of ended convoys, and what was done to keep to that.
    pub(crate) retained: Retained,
    /// Whether the engine opened the store itself, and so closes it.
    pub(crate) owns_store: bool,
}

/// Leases that runs of this engine could not give back. The store still names them, but nobody decides by them
/// any more: whoever asks here may take the convoy over.
#[derive(Debug, Default)]
pub(crate) struct LeftLeases(Mutex<Vec<Lease>>);

impl LeftLeases {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Lease>> {
        // The list is whole at every moment, also after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a lease back, or remembers it.
    ///
    /// # Errors
    /// As [`Store::release`].
    pub(crate) async fn release(&self, store: &dyn Store, lease: &Lease) -> Result<(), StoreError> {
        let released = store.release(lease).await;
        if released.is_err() {
            tracing::warn!("a lease could not be given back; it is free when this process ends");
            self.lock().push(lease.clone());
        }
        released
    }

    /// Whether this holder is a run that is over.
    pub(crate) fn has(&self, holder: &Holder) -> bool {
        self.lock().iter().any(|lease| lease.holder.engine == holder.engine)
    }

    /// Tries again to give them back, for the sake of other processes.
    async fn release_again(&self, store: &dyn Store) {
        let leases = std::mem::take(&mut *self.lock());
        for lease in leases {
            // What fails again is free when this process is gone.
            drop(self.release(store, &lease).await);
        }
    }
}

/// The engine's runtime, on a thread of its own: it lives until every run has ended, also when the engine
/// was dropped, and is dropped where blocking is allowed.
#[derive(Debug)]
pub(crate) struct Host {
    runtime: Handle,
    stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) runs: Arc<Runs>,
}

/// A live run of this engine.
#[derive(Debug, Clone)]
pub(crate) struct LiveRun {
    pub(crate) messages: mpsc::UnboundedSender<Message>,
    pub(crate) live: Live,
    pub(crate) redactor: Redactor,
    pub(crate) finish: watch::Receiver<Option<Finish>>,
}

/// The live runs of this engine.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<HashMap<ConvoyId, LiveRun>>);

impl Runs {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConvoyId, LiveRun>> {
        // The map is whole at every moment, also after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, convoy: ConvoyId, run: LiveRun) {
        self.lock().insert(convoy, run);
    }

    pub(crate) fn remove(&self, convoy: &ConvoyId) {
        self.lock().remove(convoy);
    }

    pub(crate) fn get(&self, convoy: &ConvoyId) -> Option<LiveRun> {
        self.lock().get(convoy).cloned()
    }

    fn interrupt_all(&self, actor: &str, reason: &str) -> Vec<LiveRun> {
        let runs: Vec<LiveRun> = self.lock().values().cloned().collect();
        for run in &runs {
            let kind = RequestKind::Interrupt { reason: reason.to_owned() };
            let request = Request::new(actor, kind);
            // A run that is over needs no interrupt.
            drop(run.messages.send(Message::Input(Input::Request(request))));
        }
        runs
    }
}

impl Host {
    /// Starts the threads. What happens on them is told to `log`, else as on any other thread of the process.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the system gives no more threads.
    pub(crate) fn spawn(log: Option<Dispatch>) -> Result<Self, Error> {
        let failed = |error| {
            Error::new(
                ErrorKind::Internal,
                "the engine's threads cannot be started; check the system's limits",
            )
            .because(error)
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("convoy-worker")
            .enable_all()
            .on_thread_start(move || {
                if let Some(log) = &log {
                    // For as long as the thread lives, which drops it.
                    std::mem::forget(tracing::dispatcher::set_default(log));
                }
            })
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (stopped, waiting) = (stop.clone(), tasks.clone());
        let thread = std::thread::Builder::new().name("convoy-engine".to_owned()).spawn(move || {
            runtime.block_on(async {
                stopped.cancelled().await;
                waiting.close();
                waiting.wait().await;
            });
        });
        thread.map_err(failed)?;
        Ok(Self { runtime: handle, stop, tasks, runs: Arc::new(Runs::default()) })
    }

    /// Whether it was shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Interrupts every run, waits for their ends, and closes what the engine opened.
    pub(crate) async fn shutdown(&self, parts: &Parts) {
        for mut run in self.runs.interrupt_all(&parts.actor, "the engine was shut down") {
            // An error says that the run's task is gone: it is over, too.
            drop(run.finish.wait_for(Option::is_some).await);
        }
        parts.left.release_again(&*parts.store).await;
        // What cannot be deleted is in nobody's way, and the next convoy of any engine deletes it. On the engine's own
        // runtime: who shuts down need have none.
        let repository = parts.repository.clone();
        drop(self.runtime.spawn(async move { repository.leave_worktrees().await }).await);
        if parts.owns_store {
            parts.store.shutdown().await;
        }
        self.stop.cancel();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.runs.interrupt_all("host", "the engine was dropped");
        self.stop.cancel();
    }
}
