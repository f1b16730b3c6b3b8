//! Convoys that go.

use super::{Place, block_on, samples};
use crate::event::{Request, RequestKind};
use crate::store::{Appended, Lease, Pruning, Store, StoreError};
use crate::types::{ConvoyId, Timestamp};

fn filled(store: &dyn Store, n: u64) -> (Lease, Appended) {
    let (lease, at) = block_on(store.create(samples::new_convoy(n))).expect("created");
    let at = block_on(store.append(&lease, at.last_seq, samples::batch(5, samples::every_kind())));
    (lease, at.expect("appended"))
}

/// What every method that is asked about a convoy answers, but those of its lease.
fn answers(store: &dyn Store, lease: &Lease) -> Vec<StoreError> {
    let request = Request::new("me", RequestKind::Cancel);
    let wanted = "it cannot be used any more";
    vec![
        block_on(store.load(&lease.convoy)).expect_err(wanted),
        block_on(store.submit(&lease.convoy, request, Timestamp(9))).expect_err(wanted),
        block_on(store.inbox(&lease.convoy)).expect_err(wanted),
        block_on(store.append(lease, 1, samples::batch(9, Vec::new()))).expect_err(wanted),
        block_on(store.create(samples::new_convoy(1))).expect_err(wanted),
    ]
}

fn listed(store: &dyn Store) -> Vec<ConvoyId> {
    block_on(store.list()).expect("listed").into_iter().map(|line| line.id).collect()
}

fn count(store: &dyn Store, convoy: Option<&ConvoyId>) -> usize {
    block_on(store.read_from(convoy, 0, usize::MAX)).expect("read").len()
}

pub(super) fn a_convoy_that_is_being_pruned_is_as_good_as_gone(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let ((gone, _), (stays, _)) = (filled(&*store, 1), filled(&*store, 2));
    let all = count(&*store, None);
    block_on(store.begin_pruning(&gone, Timestamp(7))).expect("begun");
    block_on(store.begin_pruning(&gone, Timestamp(8))).expect("changes nothing");
    let under_way = Pruning { convoy: gone.convoy.clone(), begun_at: Timestamp(7), finished_at: None };
    for store in [&store, &other] {
        for error in answers(&**store, &gone) {
            assert!(matches!(&error, StoreError::Pruning(id) if *id == gone.convoy), "{error:?}");
        }
        assert_eq!(listed(&**store), std::slice::from_ref(&stays.convoy));
        let kept = count(&**store, Some(&stays.convoy));
        assert_eq!((count(&**store, Some(&gone.convoy)), count(&**store, None)), (0, kept));
        assert!(kept < all);
        assert_eq!(block_on(store.prunings()).expect("listed"), std::slice::from_ref(&under_way));
    }
    // Whoever finishes it after a crash takes its lease.
    let lease = block_on(other.acquire(&gone.convoy, samples::holder("b", 2), &|_| false)).expect("taken");
    let late = block_on(store.finish_pruning(&gone, Timestamp(9)));
    assert!(matches!(&late, Err(StoreError::Fenced(id)) if *id == gone.convoy), "{late:?}");
    block_on(other.finish_pruning(&lease, Timestamp(9))).expect("finished");
}

pub(super) fn of_a_pruned_convoy_only_that_it_was_is_known(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let ((gone, at), (stays, before)) = (filled(&*store, 1), filled(&*store, 2));
    let kept = count(&*store, Some(&stays.convoy));
    block_on(store.begin_pruning(&gone, Timestamp(7))).expect("begun");
    let events = block_on(store.finish_pruning(&gone, Timestamp(8))).expect("finished");
    assert_eq!(events, at.last_seq);
    block_on(store.give_space_back()).expect("given back");
    let pruned = |error: &StoreError| matches!(error, StoreError::Pruned { convoy, at: Timestamp(8) } if *convoy == gone.convoy);
    for store in [&store, &other] {
        let mut errors = answers(&**store, &gone);
        errors.push(block_on(store.holder(&gone.convoy)).expect_err("no lease"));
        errors.push(
            block_on(store.acquire(&gone.convoy, samples::holder("b", 2), &|_| false)).expect_err("none"),
        );
        errors.push(block_on(store.begin_pruning(&gone, Timestamp(9))).expect_err("it was"));
        errors.push(block_on(store.finish_pruning(&gone, Timestamp(9))).expect_err("it was"));
        assert!(errors.iter().all(pruned), "{errors:?}");
        assert_eq!(listed(&**store), std::slice::from_ref(&stays.convoy));
        assert_eq!((count(&**store, Some(&gone.convoy)), count(&**store, None)), (0, kept));
        let known =
            Pruning { convoy: gone.convoy.clone(), begun_at: Timestamp(7), finished_at: Some(Timestamp(8)) };
        assert_eq!(block_on(store.prunings()).expect("listed"), [known]);
        block_on(store.release(&gone)).expect("a lease that is worth nothing");
    }
    let more = samples::batch(9, vec![samples::landed(0, 'a')]);
    let after = block_on(other.append(&stays, before.last_seq, more)).expect("others go on");
    assert_eq!(after.first_seq, before.last_seq + 1, "numbers are not used again");
}

pub(super) fn numbers_of_the_newest_events_are_not_used_again(place: &dyn Place) {
    let store = place.open();
    let ((stays, first), (gone, last)) = (filled(&*store, 1), filled(&*store, 2));
    block_on(store.begin_pruning(&gone, Timestamp(7))).expect("begun");
    block_on(store.finish_pruning(&gone, Timestamp(8))).expect("finished");
    let more = samples::batch(9, vec![samples::landed(0, 'a')]);
    let after = block_on(place.open().append(&stays, first.last_seq, more)).expect("appended");
    assert_eq!(after.first_seq, last.last_seq + 1);
}

pub(super) fn only_the_holder_prunes_and_begins_first(place: &dyn Place) {
    let store = place.open();
    let (old, _) = filled(&*store, 1);
    let early = block_on(store.finish_pruning(&old, Timestamp(7)));
    assert!(matches!(&early, Err(StoreError::Fenced(id)) if *id == old.convoy), "{early:?}");
    let new = block_on(store.acquire(&old.convoy, samples::holder("b", 2), &|_| false)).expect("taken");
    let refused = block_on(store.begin_pruning(&old, Timestamp(7)));
    assert!(matches!(&refused, Err(StoreError::Fenced(id)) if *id == old.convoy), "{refused:?}");
    assert!(block_on(store.prunings()).expect("listed").is_empty());
    block_on(store.load(&old.convoy)).expect("is whole");
    block_on(store.release(&new)).expect("released");
    let refused = block_on(store.begin_pruning(&new, Timestamp(7)));
    assert!(matches!(&refused, Err(StoreError::Fenced(_))), "{refused:?}");
    let nobody = Lease { convoy: samples::convoy_id(9), ..new };
    let refused = block_on(store.begin_pruning(&nobody, Timestamp(7)));
    assert!(matches!(&refused, Err(StoreError::NoConvoy(_))), "{refused:?}");
}
