//! A store in memory that misbehaves where a test wants it.

use std::fmt;

use convoy_core::event::{EventRecord, Request};
use convoy_core::store::{
    Appended, Batch, ConvoySummary, Holder, InboxEntry, Lease, MemoryStore, NewConvoy, Pruning, Store,
    StoreError, StoredConvoy,
};
use convoy_core::types::{BoxFuture, ConvoyId, Timestamp};

type BeforeAppend = dyn Fn(&MemoryStore, &Batch) + Send + Sync;
type BeforeRelease = dyn Fn() -> Result<(), StoreError> + Send + Sync;

/// What happens beside, or instead of, what a store in memory does.
pub struct OddStore {
    inner: MemoryStore,
    as_holder: fn(Holder) -> Holder,
    before_append: Box<BeforeAppend>,
    before_release: Box<BeforeRelease>,
}

impl fmt::Debug for OddStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OddStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl OddStore {
    /// The store as it is.
    pub fn new(inner: MemoryStore) -> Self {
        Self {
            inner,
            as_holder: |holder| holder,
            before_append: Box::new(|_, _| {}),
            before_release: Box::new(|| Ok(())),
        }
    }

    /// Who takes a lease is changed like this.
    #[must_use]
    pub fn as_holder(self, as_holder: fn(Holder) -> Holder) -> Self {
        Self { as_holder, ..self }
    }

    /// Called with what is to be recorded.
    #[must_use]
    pub fn before_append(self, call: impl Fn(&MemoryStore, &Batch) + Send + Sync + 'static) -> Self {
        Self { before_append: Box::new(call), ..self }
    }

    /// Called when a lease is to be given back; an error keeps it.
    #[must_use]
    pub fn before_release(self, call: impl Fn() -> Result<(), StoreError> + Send + Sync + 'static) -> Self {
        Self { before_release: Box::new(call), ..self }
    }
}

impl Store for OddStore {
    fn create(&self, new: NewConvoy) -> BoxFuture<'_, Result<(Lease, Appended), StoreError>> {
        let holder = (self.as_holder)(new.holder);
        self.inner.create(NewConvoy { holder, ..new })
    }

    fn acquire<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        holder: Holder,
        is_alive: &'a (dyn Fn(&Holder) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Lease, StoreError>> {
        self.inner.acquire(convoy, (self.as_holder)(holder), is_alive)
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        match (self.before_release)() {
            Ok(()) => self.inner.release(lease),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn holder<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Option<Holder>, StoreError>> {
        self.inner.holder(convoy)
    }

    fn append<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        (self.before_append)(&self.inner, &batch);
        self.inner.append(lease, expected, batch)
    }

    fn load<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<StoredConvoy, StoreError>> {
        self.inner.load(convoy)
    }

    fn read_from<'a>(
        &'a self,
        convoy: Option<&'a ConvoyId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<EventRecord>, StoreError>> {
        self.inner.read_from(convoy, after, limit)
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ConvoySummary>, StoreError>> {
        self.inner.list()
    }

    fn submit<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        request: Request,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.submit(convoy, request, now)
    }

    fn inbox<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Vec<InboxEntry>, StoreError>> {
        self.inner.inbox(convoy)
    }

    fn begin_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.begin_pruning(lease, now)
    }

    fn finish_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.finish_pruning(lease, now)
    }

    fn prunings(&self) -> BoxFuture<'_, Result<Vec<Pruning>, StoreError>> {
        self.inner.prunings()
    }

    fn give_space_back(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.inner.give_space_back()
    }
}
