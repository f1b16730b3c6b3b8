//! Who may write.

use super::{Place, block_on, samples};
use crate::store::{Lease, Store, StoreError};

fn writes(store: &dyn Store, lease: &Lease) -> Result<(), StoreError> {
    let end = block_on(store.load(&lease.convoy))?.events.last().map_or(0, |record| record.seq);
    block_on(store.append(lease, end, samples::batch(5, vec![samples::landed(0, 'a')]))).map(|_| ())
}

fn fenced(answer: &Result<(), StoreError>, lease: &Lease) -> bool {
    matches!(answer, Err(StoreError::Fenced(of)) if *of == lease.convoy)
}

pub(super) fn the_first_lease_has_fence_1_and_shows_its_holder(place: &dyn Place) {
    let store = place.open();
    let new = samples::new_convoy(1);
    let (lease, _) = block_on(store.create(new.clone())).expect("created");
    assert_eq!(lease, Lease { convoy: new.id.clone(), holder: new.holder.clone(), fence: 1 });
    assert_eq!(block_on(store.holder(&new.id)).expect("read"), Some(new.holder));
    writes(&*store, &lease).expect("the holder writes");
}

pub(super) fn a_dead_holder_is_replaced_at_once(place: &dyn Place) {
    let store = place.open();
    let (old, _) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let asked = std::sync::Mutex::new(Vec::new());
    let is_alive = |holder: &crate::store::Holder| {
        asked.lock().expect("not poisoned").push(holder.clone());
        false
    };
    let new = block_on(store.acquire(&old.convoy, samples::holder("b", 2), &is_alive)).expect("taken over");
    assert_eq!(*asked.lock().expect("not poisoned"), std::slice::from_ref(&old.holder));
    assert_eq!(new.holder, samples::holder("b", 2));
    assert!(new.fence > old.fence);
    assert_eq!(block_on(store.holder(&old.convoy)).expect("read"), Some(new.holder.clone()));
    writes(&*store, &new).expect("the holder writes");
}

pub(super) fn a_live_holder_is_not_replaced(place: &dyn Place) {
    let store = place.open();
    let (lease, _) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let refused = block_on(store.acquire(&lease.convoy, samples::holder("b", 2), &|_| true));
    let Err(StoreError::Held { convoy, holder }) = refused else { panic!("{refused:?}") };
    assert_eq!((convoy, holder), (lease.convoy.clone(), lease.holder.clone()));
    writes(&*store, &lease).expect("nothing has changed for the holder");
}

pub(super) fn the_same_engine_gets_its_lease_again(place: &dyn Place) {
    let store = place.open();
    let (old, _) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let new = block_on(store.acquire(&old.convoy, old.holder.clone(), &|_| true)).expect("its own");
    assert!(new.fence > old.fence);
    assert!(fenced(&writes(&*store, &old), &old));
    writes(&*store, &new).expect("the holder writes");
}

pub(super) fn a_replaced_holder_can_write_no_more(place: &dyn Place) {
    let store = place.open();
    let (old, _) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let new = block_on(store.acquire(&old.convoy, samples::holder("b", 2), &|_| false)).expect("taken over");
    let answer = writes(&*store, &old);
    assert!(fenced(&answer, &old), "{answer:?}");
    block_on(store.release(&old)).expect("ignored");
    assert_eq!(block_on(store.holder(&old.convoy)).expect("read"), Some(new.holder.clone()));
    writes(&*store, &new).expect("the holder writes");
}

pub(super) fn a_released_lease_is_free_and_worth_nothing(place: &dyn Place) {
    let store = place.open();
    let (old, _) = block_on(store.create(samples::new_convoy(1))).expect("created");
    block_on(store.release(&old)).expect("released");
    assert_eq!(block_on(store.holder(&old.convoy)).expect("read"), None);
    let answer = writes(&*store, &old);
    assert!(fenced(&answer, &old), "{answer:?}");
    let new = block_on(store.acquire(&old.convoy, samples::holder("b", 2), &|_| true)).expect("free");
    assert!(new.fence > old.fence);
    writes(&*store, &new).expect("the holder writes");
}

pub(super) fn leases_of_other_convoys_are_apart(place: &dyn Place) {
    let store = place.open();
    let (one, _) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let (two, _) = block_on(store.create(samples::new_convoy(2))).expect("created");
    block_on(store.acquire(&one.convoy, samples::holder("b", 2), &|_| false)).expect("taken over");
    assert!(fenced(&writes(&*store, &one), &one));
    writes(&*store, &two).expect("the other lease is still good");
    assert_eq!(block_on(store.holder(&two.convoy)).expect("read"), Some(two.holder));
}

pub(super) fn one_of_many_gets_the_lease_of_a_dead_holder(place: &dyn Place) {
    let store = place.open();
    let (dead, _) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let engines = ["b", "c", "d", "e", "f", "g"];
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads = engines.map(|engine| {
            let (place, dead) = (&place, &dead);
            scope.spawn(move || {
                let store = place.open();
                let is_alive = |holder: &crate::store::Holder| holder.engine != dead.holder.engine;
                block_on(store.acquire(&dead.convoy, samples::holder(engine, 2), &is_alive))
            })
        });
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let (winners, losers): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert!(losers.iter().all(|answer| matches!(answer, Err(StoreError::Held { .. }))), "{losers:?}");
    let winner = winners.into_iter().flatten().next().expect("one");
    assert_eq!(block_on(store.holder(&dead.convoy)).expect("read"), Some(winner.holder));
}
