//! The engine as its host sees it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::builder::EngineBuilder;
use super::close::{Kept, close};
use super::disputes::DisputeView;
use super::host::{Host, Parts};
use super::prune::{PruneOptions, PruneReport};
use super::query::DeadLetterView;
use super::request::{Answer, Sent};
use super::run::Run;
use super::show::AttemptView;
use super::{accept, begin, disputes, export, inject, people, prune, query, request, show};
use crate::error::{Error, ErrorKind};
use crate::event::{EventRecord, RequestKind, RunOptions};
use crate::plan::Plan;
use crate::state::ConvoyView;
use crate::store::ConvoySummary;
use crate::types::{AttemptNo, ConvoyId, TaskId};

/// Runs convoys on one repository. Cheap to clone; all clones are one engine.
///
/// Its futures need no runtime of the host: they can be awaited on any executor. Dropping the last clone
/// interrupts its runs, as [`Engine::shutdown`] does, and does not wait for them; what was interrupted can be
/// resumed.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) host: Host,
    pub(crate) parts: Arc<Parts>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("state_dir", &self.inner.parts.state_dir).finish_non_exhaustive()
    }
}

impl Engine {
    /// Begins to build an engine for the repository that this path is in.
    pub fn builder(repository: impl Into<PathBuf>) -> EngineBuilder {
        EngineBuilder::new(repository.into())
    }

    pub(super) fn new(host: Host, parts: Arc<Parts>) -> Self {
        Self { inner: Arc::new(Inner { host, parts }) }
    }

    /// What all its convoys share.
    #[cfg(test)]
    pub(super) fn parts(&self) -> &Arc<Parts> {
        &self.inner.parts
    }

    /// Runs a future on the engine's own threads.
    fn on_runtime<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let join = (!self.inner.host.is_shut_down()).then(|| self.inner.host.runtime().spawn(future));
        async move {
            match join {
                Some(join) => join.await.unwrap_or_else(|_| Err(shut_down())),
                None => Err(shut_down()),
            }
        }
    }

    /// What [`start`](Self::start) would run, without starting or storing anything.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSpec`] with the problems as details; [`ErrorKind::Unsupported`] when the spec asks
    /// for what this version does not have. What is only to be known of the file is told by [`check`](crate::plan::check).
    pub async fn plan(&self, spec_text: &str, options: &RunOptions) -> Result<Arc<Plan>, Error> {
        Ok(accept::accept(spec_text, options)?.0)
    }

    /// Records a convoy and starts it.
    ///
    /// # Errors
    /// As [`plan`](Self::plan); [`ErrorKind::Repository`] when the repository has no commit or no branch to
    /// land on; [`ErrorKind::Agent`] when an agent program that the spec names is not there, or nobody can make a
    /// review that it asks for. Nothing is started then.
    pub async fn start(&self, spec_text: &str, options: RunOptions) -> Result<Run, Error> {
        let (inner, text) = (self.inner.clone(), spec_text.to_owned());
        self.on_runtime(async move { begin::start(&inner, &text, options).await }).await
    }

    /// Takes up a convoy that was interrupted, crashed, or still owes a publish: the given one, or the newest that nobody
    /// runs.
    ///
    /// # Errors
    /// [`ErrorKind::NothingToResume`]; [`ErrorKind::Busy`] when a live engine runs it; [`ErrorKind::Agent`] when an
    /// adapter that an open task needs is not there: nothing is changed then.
    pub async fn resume(&self, convoy: Option<&ConvoyId>) -> Result<Run, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.cloned());
        self.on_runtime(async move { begin::resume(&inner, convoy).await }).await
    }

    /// Takes up tasks of an ended convoy again: the named ones (also done ones, on top), or all that are not
    /// done; and with them the tasks that were skipped because of them.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when the convoy has not ended, [`ErrorKind::NotFound`], [`ErrorKind::Busy`], and
    /// [`ErrorKind::Agent`] as [`resume`](Self::resume).
    pub async fn retry(&self, convoy: &ConvoyId, tasks: &[TaskId]) -> Result<Run, Error> {
        let (inner, convoy, tasks) = (self.inner.clone(), convoy.clone(), tasks.to_vec());
        self.on_runtime(async move { begin::retry(&inner, &convoy, &tasks).await }).await
    }

    /// Tries again to publish what an ended convoy landed. The run ends when the branch has moved, or is
    /// blocked as before.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when the convoy has not ended, [`ErrorKind::NotFound`], [`ErrorKind::Busy`].
    pub async fn publish(&self, convoy: &ConvoyId) -> Result<Run, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        self.on_runtime(async move { begin::publish(&inner, &convoy).await }).await
    }

    /// All convoys of the store, the newest first.
    ///
    /// # Errors
    /// [`ErrorKind::Store`].
    pub async fn list(&self) -> Result<Vec<ConvoySummary>, Error> {
        let inner = self.inner.clone();
        self.on_runtime(async move { query::list(&inner.parts).await }).await
    }

    /// A convoy as it is now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Store`].
    pub async fn status(&self, convoy: &ConvoyId) -> Result<ConvoyView, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        self.on_runtime(async move { query::status(&inner.parts, &convoy).await }).await
    }

    /// The plan of a stored convoy, with its spec as it is run.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Store`].
    pub async fn plan_of(&self, convoy: &ConvoyId) -> Result<Arc<Plan>, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        self.on_runtime(async move { query::plan_of(&inner.parts, &convoy).await }).await
    }

    /// Up to `limit` events of a convoy with a number above `after`.
    ///
    /// # Errors
    /// [`ErrorKind::Store`].
    pub async fn events(
        &self,
        convoy: &ConvoyId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EventRecord>, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        self.on_runtime(async move { query::events(&inner.parts, &convoy, after, limit).await }).await
    }

    /// Writes every event of a convoy that is recorded now to a new file (mode 0600): one JSON object a line, in order, as
    /// [`EventRecord::to_flat_text`] gives it. Returns their number. This is how to get at the record: the database belongs
    /// to the engines. A file that could not be written whole is removed.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::InvalidArgument`] when the file is there already or cannot be made;
    /// [`ErrorKind::Store`] when events cannot be read, or the file cannot be written.
    pub async fn export(&self, convoy: &ConvoyId, path: &Path) -> Result<u64, Error> {
        let (inner, convoy, path) = (self.inner.clone(), convoy.clone(), path.to_owned());
        self.on_runtime(async move { export::export(&inner.parts, &convoy, &path).await }).await
    }

    /// Whether a live engine, of this or another process, runs the convoy.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Store`].
    pub async fn is_running(&self, convoy: &ConvoyId) -> Result<bool, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        self.on_runtime(async move { query::is_running(&inner.parts, &convoy).await }).await
    }

    /// Asks whoever runs the convoy for something, in this process or another. When this returns it
    /// is sent; [`Asked::answer`] waits for what becomes of it. A refusal is an event, too (`request_refused`,
    /// `injection_refused`).
    ///
    /// A convoy that nobody runs can be cancelled: that is done here, and has happened when this returns. What
    /// people decide about its tasks (approve, reject, skip, accept, inject) is stored, and done by the next
    /// engine that takes it up; what that engine would refuse is an error at once.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when the convoy is over, nobody runs it, or the wish is not possible,
    /// [`ErrorKind::NotFound`].
    pub async fn request(&self, convoy: &ConvoyId, kind: RequestKind) -> Result<Asked, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        let sent = self.on_runtime(async move { request::request(&inner, &convoy, kind).await }).await?;
        Ok(Asked { engine: self.clone(), sent })
    }

    /// Asks whoever runs the convoy to add tasks, given as the bytes of an `inject.yml`
    /// ([`injected_tasks`](crate::spec::injected_tasks)); whether that is done is an event (`tasks_added`,
    /// `injection_refused`) with the key that is returned. `source`: where they come from, for the record.
    /// `idempotency_key`: what is asked for twice under one key is added once; without one it gets a new one. As
    /// [`request`](Self::request) otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSpec`] with the problems as details, [`ErrorKind::InvalidArgument`] for a key that is empty
    /// or has more than 200 bytes, [`ErrorKind::State`] when the convoy is over, [`ErrorKind::NotFound`].
    pub async fn inject(
        &self,
        convoy: &ConvoyId,
        bytes: &[u8],
        source: &str,
        idempotency_key: Option<&str>,
    ) -> Result<String, Error> {
        let (inner, convoy, bytes) = (self.inner.clone(), convoy.clone(), bytes.to_owned());
        let (source, key) = (source.to_owned(), idempotency_key.map(str::to_owned));
        self.on_runtime(async move { inject::inject(&inner, &convoy, &bytes, source, key).await }).await
    }

    /// Takes a person's commit as the work of a task: it is checked and landed like an agent's, and kept by a ref of the
    /// task. `revision`: whatever git takes for a commit. As [`request`](Self::request) otherwise.
    ///
    /// Possible while the task waits and what it depends on is done: for its turn or a retry, for an approval, or for
    /// the resolution of its conflict. Refused while it is worked on, checked or landed, and once it has ended, a failed
    /// one, too: when the convoy is over, [`retry`](Self::retry) takes such a task up again.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such task or commit, [`ErrorKind::Repository`] when the commit has
    /// no history in common with the convoy's work, [`ErrorKind::State`] when the convoy is over.
    pub async fn accept(
        &self,
        convoy: &ConvoyId,
        task: &TaskId,
        revision: &str,
        reason: &str,
    ) -> Result<Asked, Error> {
        let (inner, convoy, task) = (self.inner.clone(), convoy.clone(), task.clone());
        let (revision, reason) = (revision.to_owned(), reason.to_owned());
        let sent = async move { people::accept(&inner, &convoy, &task, &revision, reason).await };
        Ok(Asked { engine: self.clone(), sent: self.on_runtime(sent).await? })
    }

    /// The dead letters of a convoy, in the order in which they were written.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Store`].
    pub async fn dead_letters(&self, convoy: &ConvoyId) -> Result<Vec<DeadLetterView>, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        self.on_runtime(async move { query::dead_letters(&inner.parts, &convoy).await }).await
    }

    /// Closes a dead letter without a retry. Where an engine runs the convoy it is asked to, and has not done it
    /// yet when this returns; where the convoy has ended it is done here.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::State`] when it is closed already, or when the convoy has neither
    /// ended nor an engine.
    pub async fn resolve_dead_letter(
        &self,
        convoy: &ConvoyId,
        dlq_id: &str,
        resolution: &str,
    ) -> Result<(), Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        let (letter, resolution) = (Kept::Letter(dlq_id.to_owned()), resolution.to_owned());
        self.on_runtime(async move { close(&inner, &convoy, letter, &resolution).await }).await
    }

    /// The disputes of a convoy, in the order in which they were opened.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Store`].
    pub async fn disputes(&self, convoy: &ConvoyId) -> Result<Vec<DisputeView>, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        self.on_runtime(async move { disputes::list(&inner.parts, &convoy).await }).await
    }

    /// Closes a dispute. Where an engine runs the convoy it is asked to, and has not done it yet when this
    /// returns; where the convoy has ended it is done here. The task stays disputed until it is retried.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::State`] when it is closed already, or when the convoy has neither
    /// ended nor an engine.
    pub async fn resolve_dispute(
        &self,
        convoy: &ConvoyId,
        dispute_id: &str,
        resolution: &str,
    ) -> Result<(), Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        let (dispute, resolution) = (Kept::Dispute(dispute_id.to_owned()), resolution.to_owned());
        self.on_runtime(async move { close(&inner, &convoy, dispute, &resolution).await }).await
    }

    /// The log file of an attempt (`None`: the newest). What setup and gates printed stands beside it, in
    /// `….check.log`, what its reviewers printed in `….review-1.log` and so on, and the prompt in `….prompt.md`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such task or attempt.
    pub async fn log_path(
        &self,
        convoy: &ConvoyId,
        task: &TaskId,
        attempt: Option<AttemptNo>,
    ) -> Result<PathBuf, Error> {
        let (inner, convoy, task) = (self.inner.clone(), convoy.clone(), task.clone());
        self.on_runtime(async move { query::log_path(&inner.parts, &convoy, &task, attempt).await }).await
    }

    /// One attempt at a task (`None`: the newest) with everything that is known of it: its prompt as it was sent,
    /// the end of its log, what its work changed and how that was judged, what became of it, and how to check the
    /// work out.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such task or attempt, [`ErrorKind::Store`] when a file of it cannot
    /// be read.
    pub async fn attempt(
        &self,
        convoy: &ConvoyId,
        task: &TaskId,
        attempt: Option<AttemptNo>,
    ) -> Result<AttemptView, Error> {
        let (inner, convoy, task) = (self.inner.clone(), convoy.clone(), task.clone());
        self.on_runtime(async move { show::show(&inner.parts, &convoy, &task, attempt).await }).await
    }

    /// What an artifact of a task holds: the one that other tasks get, free of secrets.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such task, or it left no such artifact and is done;
    /// [`ErrorKind::Repository`] when the repository no longer has it.
    pub async fn artifact(&self, convoy: &ConvoyId, task: &TaskId, name: &str) -> Result<Vec<u8>, Error> {
        let (inner, convoy) = (self.inner.clone(), convoy.clone());
        let (task, name) = (task.clone(), name.to_owned());
        self.on_runtime(async move { query::artifact(&inner.parts, &convoy, &task, &name).await }).await
    }

    /// Deletes convoys that have ended: their refs under `refs/convoy/`, with them the work of attempts that landed nowhere,
    /// their logs and other files, their lines in the NDJSON files, their events and everything else that the store has of them.
    /// What landed on a branch is not touched. Kept, and told of in the report, are convoys that are run by anybody or can
    /// be resumed, those whose landed work is on no branch ([`unpublished`](PruneOptions::unpublished)), and those with open
    /// dead letters or disputes unless they are named or [`all`](PruneOptions::all) are meant.
    ///
    /// What was cut off by a crash, or failed in part, is finished by the next call, whatever that is asked for; until
    /// then such a convoy cannot be used. What fails for one convoy does not keep the others.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when nothing says which convoys; [`ErrorKind::NotFound`] when a named one is not there:
    /// nothing is pruned then. [`ErrorKind::Store`].
    pub async fn prune(&self, options: PruneOptions) -> Result<PruneReport, Error> {
        let inner = self.inner.clone();
        self.on_runtime(async move { prune::prune(&inner, options).await }).await
    }

    /// What this engine did last to keep to [its retention](EngineBuilder::retention); `None` when it has none, when nothing
    /// was done yet, and when it could not be done the last time, which the log says.
    pub fn last_retention(&self) -> Option<PruneReport> {
        self.inner.parts.retained.get()
    }

    /// The state directory.
    pub fn state_dir(&self) -> &Path {
        &self.inner.parts.state_dir
    }

    /// Interrupts every run of this engine and waits until they have ended; they can be resumed. Then closes
    /// the store, unless the host brought it along: nothing but [`plan`](Self::plan) can be asked of this engine any more. Whoever watches a run of it
    /// is still told everything that the run recorded.
    pub async fn shutdown(&self) {
        self.inner.host.shutdown(&self.inner.parts).await;
    }
}

fn shut_down() -> Error {
    Error::new(ErrorKind::Closed, "the engine is shut down")
}

/// A request that was sent. What became of it can be asked, and need not.
pub struct Asked {
    engine: Engine,
    sent: Sent,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

impl Asked {
    /// Waits until whoever runs the convoy has decided, or nobody runs it. How long that takes is up to that engine:
    /// usually less than a second. Whoever drops the future waits no longer; the request stays sent.
    ///
    /// # Errors
    /// [`ErrorKind::Store`].
    pub async fn answer(self) -> Result<Answer, Error> {
        let Self { engine, sent } = self;
        // Given up with the future: it would keep the engine for as long as another one takes.
        let join = AbortOnDropHandle::new(engine.inner.host.runtime().spawn(sent.answer()));
        join.await.unwrap_or_else(|_| Err(shut_down()))
    }
}
