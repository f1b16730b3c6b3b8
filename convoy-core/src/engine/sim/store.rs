//! The memory store, with a moment before and after each write at which the engine may die, and with every
//! rule looked at after each write.

use std::sync::Arc;
use std::time::Duration;

use super::record::must;
use super::world::World;
use crate::event::Request;
use crate::store::{
    Appended, Batch, ConvoySummary, Holder, InboxEntry, Lease, MemoryStore, NewConvoy, Pruning, Store,
    StoreError, StoredConvoy,
};
use crate::types::{BoxFuture, ConvoyId, Timestamp};

/// How long a request may wait in the inbox of a convoy that an engine runs.
const PATIENCE: Duration = Duration::from_millis(600);

/// One engine's handle on the store.
#[derive(Debug)]
pub(super) struct SimStore {
    pub(super) world: Arc<World>,
    pub(super) handle: MemoryStore,
}

impl SimStore {
    /// Follows what became durable, whatever the writer was told.
    pub(super) async fn watch(&self, convoy: &ConvoyId) -> Result<(), StoreError> {
        let store = self.handle.reopen();
        let after = self.world.with(|w| w.record.last_seq);
        let new = store.read_from(Some(convoy), after, usize::MAX).await?;
        self.world.rule(self.world.with(|w| {
            new.iter().try_for_each(|record| {
                w.note(|| format!("durable: {:?}", record.event));
                w.record.follow(record, &w.git)
            })
        }));
        if !self.world.with(|w| w.story.watched) {
            return Ok(());
        }
        let list = store.list().await?;
        self.world.rule(self.world.with(|w| {
            let (state, line) = (w.record.state(), list.first());
            let stored = line.map(|l| (l.status, l.published, l.unfinished, l.totals, l.finished_at));
            let live = (state.status(), state.is_published(), state.is_unfinished());
            let live = (live.0, live.1, live.2, state.totals(), state.finished_at());
            must(stored == Some(live), || format!("the list says {stored:?}, the state {live:?}"))
        }));
        let inbox = store.inbox(convoy).await?;
        self.world.rule(self.world.with(|w| {
            let began = w.life_began;
            let waits = inbox.iter().map(|entry| w.now().since(entry.time.max(began))).max();
            must(waits.is_none_or(|long| long <= PATIENCE), || format!("a request waits for {waits:?}"))?;
            let late = inbox.iter().find(|entry| w.began_ended && entry.time < began);
            let begun = w.is_live() && !new.is_empty();
            must(!begun || late.is_none(), || format!("meant for an earlier run: {late:?}"))
        }));
        Ok(())
    }
}

impl Store for SimStore {
    fn create(&self, new: NewConvoy) -> BoxFuture<'_, Result<(Lease, Appended), StoreError>> {
        self.handle.create(new)
    }

    fn acquire<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        holder: Holder,
        is_alive: &'a (dyn Fn(&Holder) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Lease, StoreError>> {
        self.handle.acquire(convoy, holder, is_alive)
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        self.handle.release(lease)
    }

    fn holder<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Option<Holder>, StoreError>> {
        self.handle.holder(convoy)
    }

    fn append<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            self.world.step(|| format!("writes {} events", batch.events.len())).await;
            let appended = self.handle.append(lease, expected, batch).await;
            self.watch(&lease.convoy).await?;
            self.world.step(|| format!("wrote: {appended:?}")).await;
            appended
        })
    }

    fn load<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<StoredConvoy, StoreError>> {
        self.handle.load(convoy)
    }

    fn read_from<'a>(
        &'a self,
        convoy: Option<&'a ConvoyId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<crate::event::EventRecord>, StoreError>> {
        self.handle.read_from(convoy, after, limit)
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ConvoySummary>, StoreError>> {
        self.handle.list()
    }

    fn submit<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        request: Request,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.handle.submit(convoy, request, now)
    }

    fn inbox<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Vec<InboxEntry>, StoreError>> {
        self.handle.inbox(convoy)
    }

    fn begin_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.handle.begin_pruning(lease, now)
    }

    fn finish_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.handle.finish_pruning(lease, now)
    }

    fn prunings(&self) -> BoxFuture<'_, Result<Vec<Pruning>, StoreError>> {
        self.handle.prunings()
    }

    fn give_space_back(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.handle.give_space_back()
    }
}
