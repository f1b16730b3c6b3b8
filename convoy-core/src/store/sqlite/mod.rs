//! The durable store: one SQLite file.

mod file;
mod late;
mod prune;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod threads;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use self::late::LateStore;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    Appended, Batch, ConvoySummary, Holder, InboxEntry, Lease, NewConvoy, Pruning, Store, StoreError,
    StoredConvoy,
};
use crate::event::{EventRecord, Request};
use crate::types::{BoxFuture, ConvoyId, Timestamp};

/// An error of the medium; see [`StoreError::Medium`].
fn medium<E>(doing: &'static str) -> impl FnOnce(E) -> StoreError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| StoreError::Medium { doing, source: Box::new(source) }
}

/// A store in one SQLite file, on a local disk.
///
/// Several handles, threads and processes may have the same file open. Every write is on the disk when
/// it is answered; writes that come at the same time share one transaction. Reads do not wait for
/// writes. The tables beside the log (`convoys`, `tasks`, `attempts`, `gate_results`, `dead_letters`) may
/// be read with any SQLite tool.
///
/// The futures need no runtime. A future that is dropped before it completes may or may not have
/// written; what it wrote, it wrote whole. A handle owns two threads; when the last clone is dropped they
/// finish what was asked of them and end, without anybody waiting for it. [`Store::shutdown`] waits; whoever
/// closes the file last leaves no journal beside it.
#[derive(Clone)]
pub struct SqliteStore {
    path: PathBuf,
    /// Shared by all clones; empty once it is shut down.
    threads: Arc<Mutex<Option<Threads>>>,
}

/// They end when these senders are gone.
struct Threads {
    writes: threads::Writes,
    reads: Sender<threads::Read>,
    writer: threads::Ended<u64>,
    reader: threads::Ended<()>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, and makes it (mode 0600) and the folders above it (mode 0700) where they are
    /// missing. An older file is brought to this version. Blocks for some milliseconds, longer while
    /// another process does the same.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when the file is not one of ours: it is not touched then.
    /// [`StoreError::Newer`] when a newer version wrote it. [`StoreError::Medium`] when it cannot be
    /// opened or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let connections = file::connect(path)?;
        let (writes, writer) = threads::start_writer(connections.writer)?;
        let (reads, reader) = threads::start_reader(connections.reader)?;
        let threads = Threads { writes, reads, writer, reader };
        Ok(Self { path: path.to_owned(), threads: Arc::new(Mutex::new(Some(threads))) })
    }

    fn threads(&self) -> MutexGuard<'_, Option<Threads>> {
        // Nothing is done under the lock that could be left half done.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the threads, after what was asked of them. The number of transactions that the writer made; `None`
    /// when that was done before.
    async fn close(&self) -> Option<u64> {
        let Threads { writes, reads, writer, reader } = self.threads().take()?;
        // One after the other: of two that close at once each may take the other for one that goes on, and the
        // journal would stay. An error says that the thread is gone, and its connection with it.
        drop(reads);
        drop(reader.await);
        drop(writes);
        writer.await.ok()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = threads::job(work);
        let sent = self.threads().as_ref().map(|threads| threads.writes.send(job));
        sent.ok_or(StoreError::Closed)?.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let ask = Box::new(move |db: &mut Connection| {
            // Who does not wait any more does not want to know.
            if !reply.is_closed() {
                let _: Result<(), Result<T, StoreError>> = reply.send(work(db));
            }
        });
        let sent = self.threads().as_ref().map(|threads| threads.reads.send(ask));
        sent.ok_or(StoreError::Closed)?.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Store for SqliteStore {
    fn create(&self, new: NewConvoy) -> BoxFuture<'_, Result<(Lease, Appended), StoreError>> {
        Box::pin(self.write(|db| write::create(db, new)))
    }

    fn acquire<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        holder: Holder,
        is_alive: &'a (dyn Fn(&Holder) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Lease, StoreError>> {
        Box::pin(async move {
            // Each round that fails was won by another engine.
            loop {
                let id = convoy.clone();
                let (fence, found) = self
                    .read(move |db| {
                        read::check_format(db, &id)?;
                        read::lease(db, &id)
                    })
                    .await?;
                if let Some(found) = found.filter(|f| f.engine != holder.engine && is_alive(f)) {
                    return Err(StoreError::Held { convoy: convoy.clone(), holder: found });
                }
                let (id, new) = (convoy.clone(), holder.clone());
                if self.write(move |db| write::take_lease(db, &id, fence, &new)).await? {
                    return Ok(Lease { convoy: convoy.clone(), holder, fence: fence + 1 });
                }
            }
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        let lease = lease.clone();
        Box::pin(self.write(move |db| write::release(db, &lease)))
    }

    fn holder<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Option<Holder>, StoreError>> {
        let convoy = convoy.clone();
        Box::pin(self.read(move |db| read::lease(db, &convoy).map(|(_, holder)| holder)))
    }

    fn append<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            let (lease, batch) = (lease.clone(), write::Encoded::from(batch));
            self.write(move |db| write::append(db, &lease, expected, batch)).await
        })
    }

    fn load<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<StoredConvoy, StoreError>> {
        let convoy = convoy.clone();
        Box::pin(self.read(move |db| read::load(db, &convoy)))
    }

    fn read_from<'a>(
        &'a self,
        convoy: Option<&'a ConvoyId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<EventRecord>, StoreError>> {
        let convoy = convoy.cloned();
        Box::pin(self.read(move |db| read::read_from(db, convoy.as_ref(), after, limit)))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ConvoySummary>, StoreError>> {
        Box::pin(self.read(read::list))
    }

    fn submit<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        request: Request,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let convoy = convoy.clone();
        Box::pin(self.write(move |db| write::submit(db, &convoy, &request, now)))
    }

    fn inbox<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Vec<InboxEntry>, StoreError>> {
        let convoy = convoy.clone();
        Box::pin(self.read(move |db| read::inbox(db, &convoy)))
    }

    fn begin_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let lease = lease.clone();
        Box::pin(self.write(move |db| prune::begin(db, &lease, now)))
    }

    fn finish_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let lease = lease.clone();
        Box::pin(self.write(move |db| prune::finish(db, &lease, now)))
    }

    fn prunings(&self) -> BoxFuture<'_, Result<Vec<Pruning>, StoreError>> {
        Box::pin(self.read(|db| prune::list(db)))
    }

    fn give_space_back(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        // In the turn of the reader, so that nobody of this handle reads old pages meanwhile.
        let path = self.path.clone();
        Box::pin(self.read(move |_| prune::give_space_back(&path)))
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.close().await;
        })
    }
}
