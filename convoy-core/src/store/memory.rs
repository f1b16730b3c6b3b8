//! A store in memory, for tests and simulation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::project::{Tables, created, project};
use super::{
    Appended, Batch, ConvoySummary, Holder, InboxEntry, Lease, NewConvoy, Pruning, Store, StoreError,
    StoredConvoy,
};
use crate::event::{EVENT_FORMAT, Event, EventRecord, Request};
use crate::types::{BoxFuture, ConvoyId, Timestamp};

/// When a simulated crash strikes a write; see [`MemoryStore::fail_append_after`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing of the write is kept.
    BeforeCommit,
    /// All of the write is kept, only the answer is lost.
    AfterCommit,
}

/// A store in memory. Everything is gone with the last handle.
///
/// The same calls in the same order give the same numbers and answers. A clone is the same handle;
/// [`MemoryStore::reopen`] gives another one on the same data, as another process would have it. A
/// handle can be made to fail like a process that crashes ([`MemoryStore::fail_append_after`],
/// [`MemoryStore::close`]); the data and the other handles live on.
///
/// Futures complete at once and need no runtime.
#[derive(Clone, Default)]
pub struct MemoryStore {
    data: Arc<Mutex<Data>>,
    handle: Arc<Mutex<Handle>>,
}

#[derive(Default)]
struct Handle {
    closed: bool,
    crash: Option<(u64, When)>,
}

#[derive(Default)]
struct Data {
    /// Number n is at n - 1; those of pruned convoys are gone.
    events: Vec<Option<EventRecord>>,
    convoys: BTreeMap<ConvoyId, Stored>,
    prunings: BTreeMap<ConvoyId, Pruning>,
    inbox_numbers: u64,
    /// Made from the events up to `projected`, when somebody asks.
    tables: Tables,
    projected: usize,
}

struct Stored {
    name: String,
    spec_text: String,
    event_format: u32,
    created_at: Timestamp,
    seqs: Vec<u64>,
    fence: u64,
    holder: Option<Holder>,
    inbox: Vec<InboxEntry>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = lock(&self.data);
        f.debug_struct("MemoryStore")
            .field("convoys", &data.convoys.len())
            .field("events", &data.events.len())
            .finish_non_exhaustive()
    }
}

/// A panic in a test that holds the lock leaves the data as it is: every change is made whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another handle on the same data, open and without a planned crash.
    pub fn reopen(&self) -> Self {
        Self { data: Arc::clone(&self.data), handle: Arc::default() }
    }

    /// Plans a crash: `writes` more calls of [`Store::create`], [`Store::append`] and those that prune on this handle do
    /// what they do, the next one crashes. It answers [`StoreError::Closed`], and so does every later
    /// call of any method on this handle and its clones. Replaces an earlier plan.
    pub fn fail_append_after(&self, writes: u64, when: When) {
        lock(&self.handle).crash = Some((writes, when));
    }

    /// Ends this handle and its clones: every later call answers [`StoreError::Closed`].
    pub fn close(&self) {
        lock(&self.handle).closed = true;
    }

    fn run<T>(&self, f: impl FnOnce(&mut Data) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if lock(&self.handle).closed {
            return Err(StoreError::Closed);
        }
        f(&mut lock(&self.data))
    }

    /// A write that a planned crash may strike.
    fn write<T>(&self, f: impl FnOnce(&mut Data) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut handle = lock(&self.handle);
        if handle.closed {
            return Err(StoreError::Closed);
        }
        match &mut handle.crash {
            Some((0, when)) => {
                if *when == When::AfterCommit {
                    // The process that dies never learns how the write went.
                    let _: Result<T, StoreError> = f(&mut lock(&self.data));
                }
                handle.closed = true;
                Err(StoreError::Closed)
            }
            Some((left, _)) => {
                *left -= 1;
                f(&mut lock(&self.data))
            }
            None => f(&mut lock(&self.data)),
        }
    }

    /// The fence of a lease that may be replaced.
    fn replaceable(
        &self,
        convoy: &ConvoyId,
        new: &Holder,
        is_alive: &(dyn Fn(&Holder) -> bool + Send + Sync),
    ) -> Result<u64, StoreError> {
        let (fence, holder) = self.run(|data| {
            let stored = data.readable(convoy)?;
            Ok((stored.fence, stored.holder.clone()))
        })?;
        match holder {
            Some(holder) if holder.engine != new.engine && is_alive(&holder) => {
                Err(StoreError::Held { convoy: convoy.clone(), holder })
            }
            Some(_) | None => Ok(fence),
        }
    }
}

impl Data {
    fn stored(&mut self, convoy: &ConvoyId) -> Result<&mut Stored, StoreError> {
        match self.convoys.get_mut(convoy) {
            Some(stored) => Ok(stored),
            None => Err(match self.prunings.get(convoy).and_then(|pruning| pruning.finished_at) {
                Some(at) => StoreError::Pruned { convoy: convoy.clone(), at },
                None => StoreError::NoConvoy(convoy.clone()),
            }),
        }
    }

    /// A convoy that is neither being pruned nor was.
    fn kept(&mut self, convoy: &ConvoyId) -> Result<&mut Stored, StoreError> {
        if self.prunings.get(convoy).is_some_and(|pruning| pruning.finished_at.is_none()) {
            return Err(StoreError::Pruning(convoy.clone()));
        }
        self.stored(convoy)
    }

    /// What the lease is of, which must be valid.
    fn held(&mut self, lease: &Lease) -> Result<&mut Stored, StoreError> {
        let stored = self.stored(&lease.convoy)?;
        if stored.fence != lease.fence || stored.holder.is_none() {
            return Err(StoreError::Fenced(lease.convoy.clone()));
        }
        Ok(stored)
    }

    fn begin_pruning(&mut self, lease: &Lease, begun_at: Timestamp) -> Result<(), StoreError> {
        self.held(lease)?;
        let convoy = lease.convoy.clone();
        let pruning = Pruning { convoy: convoy.clone(), begun_at, finished_at: None };
        self.prunings.entry(convoy).or_insert(pruning);
        Ok(())
    }

    fn finish_pruning(&mut self, lease: &Lease, now: Timestamp) -> Result<u64, StoreError> {
        self.held(lease)?;
        let pruning = self.prunings.get_mut(&lease.convoy);
        pruning.ok_or_else(|| StoreError::Fenced(lease.convoy.clone()))?.finished_at = Some(now);
        self.convoys.remove(&lease.convoy);
        let mut gone = 0;
        for event in &mut self.events {
            gone += u64::from(event.take_if(|event| event.convoy == lease.convoy).is_some());
        }
        // Made anew from what is left.
        (self.tables, self.projected) = (Tables::default(), 0);
        Ok(gone)
    }

    fn readable(&mut self, convoy: &ConvoyId) -> Result<&mut Stored, StoreError> {
        let stored = self.stored(convoy)?;
        if stored.event_format > EVENT_FORMAT {
            return Err(StoreError::Newer { found: stored.event_format, known: EVENT_FORMAT });
        }
        Ok(stored)
    }

    fn create(&mut self, new: NewConvoy) -> Result<(Lease, Appended), StoreError> {
        if self.prunings.contains_key(&new.id) {
            self.kept(&new.id)?;
        }
        if let Some(found) = self.convoys.get(&new.id).and_then(|c| c.seqs.last().copied()) {
            return Err(StoreError::Sequence { convoy: new.id, expected: 0, found });
        }
        let stored = Stored {
            name: new.name,
            spec_text: new.spec_text,
            event_format: new.event_format,
            created_at: new.created_at,
            seqs: Vec::new(),
            fence: 1,
            holder: Some(new.holder.clone()),
            inbox: Vec::new(),
        };
        self.convoys.insert(new.id.clone(), stored);
        let lease = Lease { convoy: new.id, holder: new.holder, fence: 1 };
        let batch = Batch { time: Some(new.created_at), events: vec![new.first], consumed: Vec::new() };
        let appended = self.append(&lease, 0, batch)?;
        Ok((lease, appended))
    }

    fn append(&mut self, lease: &Lease, expected: u64, batch: Batch) -> Result<Appended, StoreError> {
        let before = self.events.len() as u64;
        let last = self.stored(&lease.convoy)?.seqs.last().copied();
        let last_time = last.and_then(|seq| self.at(seq)).map(|record| record.time);
        self.held(lease)?;
        let stored = self.kept(&lease.convoy)?;
        let found = last.unwrap_or(0);
        if found != expected {
            return Err(StoreError::Sequence { convoy: lease.convoy.clone(), expected, found });
        }
        let time = batch.time.or(last_time).unwrap_or(stored.created_at);
        stored.inbox.retain(|entry| !batch.consumed.contains(&entry.id));
        let count = batch.events.len() as u64;
        stored.seqs.extend(before + 1..=before + count);
        self.events.extend(
            (before + 1..).zip(batch.events).map(|(seq, event)| Some(record(lease, seq, time, event))),
        );
        let appended = Appended { first_seq: before + 1, last_seq: before + count };
        Ok(if count == 0 { Appended { first_seq: found, last_seq: found } } else { appended })
    }

    fn at(&self, seq: u64) -> Option<&EventRecord> {
        self.events.get(usize::try_from(seq.checked_sub(1)?).ok()?)?.as_ref()
    }

    fn read_from(&self, convoy: Option<&ConvoyId>, after: u64, limit: usize) -> Vec<EventRecord> {
        let Some(convoy) = convoy else {
            let skip = usize::try_from(after).unwrap_or(usize::MAX);
            let kept = |event: &&EventRecord| !self.prunings.contains_key(&event.convoy);
            return self.events.iter().skip(skip).flatten().filter(kept).take(limit).cloned().collect();
        };
        let stored = self.convoys.get(convoy).filter(|_| !self.prunings.contains_key(convoy));
        let seqs = stored.map_or(&[][..], |stored| &stored.seqs);
        let start = seqs.partition_point(|seq| *seq <= after);
        seqs[start..].iter().take(limit).filter_map(|seq| self.at(*seq)).cloned().collect()
    }

    fn list(&mut self) -> Result<Vec<ConvoySummary>, StoreError> {
        let Self { events, convoys, tables, projected, prunings, .. } = self;
        for record in events[*projected..].iter().flatten() {
            let first = convoys.get(&record.convoy).filter(|c| c.seqs.first() == Some(&record.seq));
            if let Some(stored) = first {
                tables.apply(created(&record.convoy, &stored.name, stored.created_at, record.seq));
            }
            project(record).into_iter().for_each(|change| tables.apply(change));
        }
        *projected = events.len();
        let mut lines = tables
            .summaries()
            .map_err(|bad| StoreError::Medium { doing: "list the convoys", source: Box::new(bad) })?;
        lines.retain(|line| !prunings.contains_key(&line.id));
        Ok(lines)
    }
}

fn record(lease: &Lease, seq: u64, time: Timestamp, event: Event) -> EventRecord {
    EventRecord { seq, time, convoy: lease.convoy.clone(), event }
}

impl Store for MemoryStore {
    fn create(&self, new: NewConvoy) -> BoxFuture<'_, Result<(Lease, Appended), StoreError>> {
        Box::pin(async move { self.write(|data| data.create(new)) })
    }

    fn acquire<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        holder: Holder,
        is_alive: &'a (dyn Fn(&Holder) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Lease, StoreError>> {
        Box::pin(async move {
            loop {
                let fence = self.replaceable(convoy, &holder, is_alive)?;
                let taken = self.run(|data| {
                    let stored = data.stored(convoy)?;
                    let free = stored.fence == fence;
                    if free {
                        stored.fence += 1;
                        stored.holder = Some(holder.clone());
                    }
                    Ok(free)
                })?;
                if taken {
                    return Ok(Lease { convoy: convoy.clone(), holder, fence: fence + 1 });
                }
            }
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.run(|data| {
                if let Some(stored) = data.convoys.get_mut(&lease.convoy).filter(|c| c.fence == lease.fence) {
                    stored.holder = None;
                }
                Ok(())
            })
        })
    }

    fn holder<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Option<Holder>, StoreError>> {
        Box::pin(async move { self.run(|data| Ok(data.stored(convoy)?.holder.clone())) })
    }

    fn append<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move { self.write(|data| data.append(lease, expected, batch)) })
    }

    fn load<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<StoredConvoy, StoreError>> {
        Box::pin(async move {
            self.run(|data| {
                let events = data.read_from(Some(convoy), 0, usize::MAX);
                data.kept(convoy)?;
                let stored = data.readable(convoy)?;
                let (spec_text, created_at) = (stored.spec_text.clone(), stored.created_at);
                Ok(StoredConvoy { id: convoy.clone(), spec_text, created_at, events })
            })
        })
    }

    fn read_from<'a>(
        &'a self,
        convoy: Option<&'a ConvoyId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<EventRecord>, StoreError>> {
        Box::pin(async move { self.run(|data| Ok(data.read_from(convoy, after, limit))) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ConvoySummary>, StoreError>> {
        Box::pin(async move { self.run(Data::list) })
    }

    fn submit<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        request: Request,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            self.run(|data| {
                data.kept(convoy)?;
                data.inbox_numbers += 1;
                let id = data.inbox_numbers;
                data.stored(convoy)?.inbox.push(InboxEntry { id, time: now, request });
                Ok(id)
            })
        })
    }

    fn inbox<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Vec<InboxEntry>, StoreError>> {
        Box::pin(async move { self.run(|data| Ok(data.kept(convoy)?.inbox.clone())) })
    }

    fn begin_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.write(|data| data.begin_pruning(lease, now)) })
    }

    fn finish_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move { self.write(|data| data.finish_pruning(lease, now)) })
    }

    fn prunings(&self) -> BoxFuture<'_, Result<Vec<Pruning>, StoreError>> {
        Box::pin(async move { self.run(|data| Ok(data.prunings.values().cloned().collect())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{self, block_on, samples};

    impl conformance::Place for MemoryStore {
        fn open(&self) -> Arc<dyn Store> {
            Arc::new(self.reopen())
        }
    }

    crate::store::conformance::store_conformance!(MemoryStore::new());

    #[test]
    fn a_crash_keeps_all_of_the_write_or_nothing_and_ends_only_this_handle() {
        for (when, kept) in [(When::BeforeCommit, 2), (When::AfterCommit, 3)] {
            let store = MemoryStore::new();
            let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
            store.fail_append_after(1, when);
            let batch = || Batch {
                time: Some(Timestamp(1)),
                events: vec![samples::landed(0, 'a')],
                ..Batch::default()
            };
            let at = block_on(store.append(&lease, at.last_seq, batch())).expect("not yet");
            let crash = block_on(store.append(&lease, at.last_seq, batch()));
            assert!(matches!(crash, Err(StoreError::Closed)), "{crash:?}");
            assert!(matches!(block_on(store.clone().load(&lease.convoy)), Err(StoreError::Closed)));
            let other = store.reopen();
            assert_eq!(block_on(other.load(&lease.convoy)).expect("loads").events.len(), kept);
        }
    }
}
