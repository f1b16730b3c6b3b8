//! The store of a place where nothing is stored yet.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::SqliteStore;
use crate::event::{EventRecord, Request};
use crate::store::{
    Appended, Batch, ConvoySummary, Holder, InboxEntry, Lease, NewConvoy, Pruning, Store, StoreError,
    StoredConvoy,
};
use crate::types::{BoxFuture, ConvoyId, Timestamp};

/// A [`SqliteStore`] whose file is made with the first convoy, or by somebody else: until then nothing is stored,
/// and asking makes nothing. Events can be read after it was shut down, too: whoever watches a run is then told what that
/// run recorded last. The file is open only while they are read.
#[derive(Debug)]
pub(crate) struct LateStore {
    path: PathBuf,
    place: Mutex<Place>,
}

#[derive(Debug)]
enum Place {
    /// There is nothing yet.
    Empty,
    /// There is.
    Open(SqliteStore),
    /// Nothing is opened any more.
    Closed,
}

impl LateStore {
    /// The store in this file. One that is there already is opened.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let store = Self { path: path.as_ref().to_owned(), place: Mutex::new(Place::Empty) };
        store.found()?;
        Ok(store)
    }

    /// The store, when there is one by now.
    fn found(&self) -> Result<Option<SqliteStore>, StoreError> {
        self.get(false)
    }

    fn get(&self, make: bool) -> Result<Option<SqliteStore>, StoreError> {
        let mut place = self.place();
        match &*place {
            Place::Open(store) => Ok(Some(store.clone())),
            Place::Closed => Err(StoreError::Closed),
            // Something of which nothing can be told is for the store to complain of.
            Place::Empty if make || self.path.try_exists().unwrap_or(true) => {
                let store = SqliteStore::open(&self.path)?;
                *place = Place::Open(store.clone());
                Ok(Some(store))
            }
            Place::Empty => Ok(None),
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store of a convoy that was begun.
    fn of(&self, convoy: &ConvoyId) -> Result<SqliteStore, StoreError> {
        self.found()?.ok_or_else(|| StoreError::NoConvoy(convoy.clone()))
    }
}

impl Store for LateStore {
    fn create(&self, new: NewConvoy) -> BoxFuture<'_, Result<(Lease, Appended), StoreError>> {
        Box::pin(async move {
            match self.get(true)? {
                Some(store) => store.create(new).await,
                None => Err(StoreError::Closed),
            }
        })
    }

    fn acquire<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        holder: Holder,
        is_alive: &'a (dyn Fn(&Holder) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Lease, StoreError>> {
        Box::pin(async move { self.of(convoy)?.acquire(convoy, holder, is_alive).await })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match self.found()? {
                Some(store) => store.release(lease).await,
                None => Ok(()),
            }
        })
    }

    fn holder<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Option<Holder>, StoreError>> {
        Box::pin(async move { self.of(convoy)?.holder(convoy).await })
    }

    fn append<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move { self.of(&lease.convoy)?.append(lease, expected, batch).await })
    }

    fn load<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<StoredConvoy, StoreError>> {
        Box::pin(async move { self.of(convoy)?.load(convoy).await })
    }

    fn read_from<'a>(
        &'a self,
        convoy: Option<&'a ConvoyId>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<EventRecord>, StoreError>> {
        Box::pin(async move {
            match self.found() {
                Ok(Some(store)) => store.read_from(convoy, after, limit).await,
                Ok(None) => Ok(Vec::new()),
                Err(StoreError::Closed) if self.path.exists() => {
                    let store = SqliteStore::open(&self.path)?;
                    let page = store.read_from(convoy, after, limit).await;
                    store.shutdown().await;
                    page
                }
                Err(error) => Err(error),
            }
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ConvoySummary>, StoreError>> {
        Box::pin(async move {
            match self.found()? {
                Some(store) => store.list().await,
                None => Ok(Vec::new()),
            }
        })
    }

    fn submit<'a>(
        &'a self,
        convoy: &'a ConvoyId,
        request: Request,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move { self.of(convoy)?.submit(convoy, request, now).await })
    }

    fn inbox<'a>(&'a self, convoy: &'a ConvoyId) -> BoxFuture<'a, Result<Vec<InboxEntry>, StoreError>> {
        Box::pin(async move { self.of(convoy)?.inbox(convoy).await })
    }

    fn begin_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.of(&lease.convoy)?.begin_pruning(lease, now).await })
    }

    fn finish_pruning<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move { self.of(&lease.convoy)?.finish_pruning(lease, now).await })
    }

    fn prunings(&self) -> BoxFuture<'_, Result<Vec<Pruning>, StoreError>> {
        Box::pin(async move {
            match self.found()? {
                Some(store) => store.prunings().await,
                None => Ok(Vec::new()),
            }
        })
    }

    fn give_space_back(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            match self.found()? {
                Some(store) => store.give_space_back().await,
                None => Ok(0),
            }
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let open = match std::mem::replace(&mut *self.place(), Place::Closed) {
                Place::Open(store) => Some(store),
                Place::Empty | Place::Closed => None,
            };
            if let Some(store) = open {
                store.shutdown().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance::{self, block_on, samples};

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn store(&self) -> LateStore {
            LateStore::open(self.0.path().join("state/convoy.db")).expect("opens")
        }
    }

    impl conformance::Place for Folder {
        fn open(&self) -> Arc<dyn Store> {
            Arc::new(self.store())
        }
    }

    crate::store::conformance::store_conformance!(Folder::new());

    #[test]
    fn nothing_is_made_before_the_first_convoy_and_that_of_another_is_found() {
        let folder = Folder::new();
        let (one, other) = (folder.store(), folder.store());
        assert!(block_on(one.list()).expect("lists").is_empty());
        assert!(block_on(one.read_from(None, 0, 10)).expect("reads").is_empty());
        let new = samples::new_convoy(1);
        let unknown = block_on(one.load(&new.id)).map(|_| ());
        assert!(matches!(&unknown, Err(StoreError::NoConvoy(id)) if *id == new.id), "{unknown:?}");
        assert!(!folder.0.path().join("state").exists());
        block_on(other.create(new.clone())).expect("created");
        assert_eq!(block_on(one.load(&new.id)).expect("loads").id, new.id);
    }

    #[test]
    fn one_that_is_shut_down_opens_nothing_any_more() {
        let folder = Folder::new();
        let (unused, used) = (folder.store(), folder.store());
        block_on(unused.shutdown());
        let refused = block_on(unused.create(samples::new_convoy(1))).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
        assert!(!folder.0.path().join("state").exists());
        block_on(used.create(samples::new_convoy(1))).expect("created");
        block_on(used.shutdown());
        let late = used;
        for store in [&unused, &late] {
            let refused = block_on(store.list());
            assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
        }
        let events = block_on(late.read_from(None, 0, 10)).expect("reads what is stored");
        assert_eq!(events.len(), 1);
        let files = std::fs::read_dir(folder.0.path().join("state")).expect("reads");
        assert_eq!(files.count(), 1, "the database, and no journal");
    }

    #[test]
    fn a_file_of_another_program_is_refused_at_once() {
        let folder = Folder::new();
        let path = folder.0.path().join("convoy.db");
        std::fs::write(&path, "x").expect("writes");
        let refused = LateStore::open(&path).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Foreign(_))), "{refused:?}");
    }
}
