//! Several handles and several writers.

use super::{Place, block_on, samples};
use crate::event::{Request, RequestKind};
use crate::store::{Lease, StoreError};
use crate::types::Timestamp;

pub(super) fn two_handles_see_the_same(place: &dyn Place) {
    let (mine, theirs) = (place.open(), place.open());
    let (lease, at) = block_on(mine.create(samples::new_convoy(1))).expect("created");
    let batch = || samples::batch(2, samples::attempt(0));
    let at = block_on(mine.append(&lease, at.last_seq, batch())).expect("appended");
    let request = Request::new("them", RequestKind::Pause);
    block_on(theirs.submit(&lease.convoy, request, Timestamp(3))).expect("submitted");
    assert_eq!(block_on(mine.inbox(&lease.convoy)).expect("read").len(), 1);
    let read = |store: &dyn crate::store::Store| block_on(store.load(&lease.convoy)).expect("loads").events;
    assert_eq!(read(&*mine), read(&*theirs));
    assert_eq!(block_on(mine.list()).expect("listed"), block_on(theirs.list()).expect("listed"));

    let new = block_on(theirs.acquire(&lease.convoy, samples::holder("b", 2), &|_| false)).expect("taken");
    let answer = block_on(mine.append(&lease, at.last_seq, batch()));
    assert!(matches!(answer, Err(StoreError::Fenced(_))), "{answer:?}");
    block_on(theirs.append(&new, at.last_seq, batch())).expect("appended");
    drop(mine);
    drop(theirs);
    assert_eq!(read(&*place.open()).len(), 1 + 2 * samples::attempt(0).len());
}

pub(super) fn a_refused_write_does_not_harm_the_others(place: &dyn Place) {
    let store = place.open();
    let leases: Vec<_> =
        (0..8).map(|n| block_on(store.create(samples::new_convoy(n))).expect("created")).collect();
    let answers: Vec<(bool, Result<(), StoreError>)> = std::thread::scope(|scope| {
        let threads = leases.iter().enumerate().map(|(n, (lease, at))| {
            let store = &store;
            scope.spawn(move || {
                let good = n % 2 == 0;
                let lease = Lease { fence: if good { lease.fence } else { 99 }, ..lease.clone() };
                let batch = samples::batch(2, samples::attempt(0));
                (good, block_on(store.append(&lease, at.last_seq, batch)).map(|_| ()))
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for (good, answer) in answers {
        assert_eq!(good, answer.is_ok(), "{answer:?}");
        assert!(good || matches!(answer, Err(StoreError::Fenced(_))), "{answer:?}");
    }
    for (n, (lease, _)) in leases.iter().enumerate() {
        let count = block_on(store.load(&lease.convoy)).expect("loads").events.len();
        assert_eq!(count, if n % 2 == 0 { 1 + samples::attempt(0).len() } else { 1 });
    }
}

pub(super) fn of_two_writers_at_the_same_end_one_wins(place: &dyn Place) {
    let (mine, theirs) = (place.open(), place.open());
    let (lease, at) = block_on(mine.create(samples::new_convoy(1))).expect("created");
    let append = |store: &dyn crate::store::Store| {
        let batch = samples::batch(2, vec![samples::landed(0, 'a')]);
        block_on(store.append(&lease, at.last_seq, batch)).map(|_| ())
    };
    let answers = std::thread::scope(|scope| {
        let other = scope.spawn(|| append(&*theirs));
        [append(&*mine), other.join().expect("no panic")]
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    let lost = answers.into_iter().find_map(Result::err);
    assert!(matches!(lost, Some(StoreError::Sequence { .. })), "{lost:?}");
    assert_eq!(block_on(mine.load(&lease.convoy)).expect("loads").events.len(), 2);
}
