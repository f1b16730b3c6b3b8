//! Reading across convoys: events, the list, the inbox.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Place, block_on, samples};
use crate::event::{EventRecord, Request, RequestKind};
use crate::store::{Batch, InboxEntry, Store};
use crate::types::{ConvoyId, ConvoyStatus, Timestamp, Totals};

fn all(store: &dyn Store, convoy: Option<&ConvoyId>, page: usize) -> Vec<EventRecord> {
    let mut events: Vec<EventRecord> = Vec::new();
    loop {
        let after = events.last().map_or(0, |record| record.seq);
        let more = block_on(store.read_from(convoy, after, page)).expect("read");
        assert!(more.len() <= page);
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}

pub(super) fn events_of_all_convoys_are_read_in_order_and_pages(place: &dyn Place) {
    let store = place.open();
    let (one, mut at_one) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let (two, mut at_two) = block_on(store.create(samples::new_convoy(2))).expect("created");
    for n in 0..5 {
        let batch = || samples::batch(n, samples::attempt(0));
        at_one = block_on(store.append(&one, at_one.last_seq, batch())).expect("appended");
        at_two = block_on(store.append(&two, at_two.last_seq, batch())).expect("appended");
    }
    let everything = all(&*store, None, 1000);
    assert_eq!(everything.len(), 2 + 10 * samples::attempt(0).len());
    assert!(everything.is_sorted_by(|a, b| a.seq < b.seq));
    assert_eq!(all(&*store, None, 7), everything);
    for lease in [&one, &two] {
        let own: Vec<_> = everything.iter().filter(|r| r.convoy == lease.convoy).cloned().collect();
        assert_eq!(all(&*store, Some(&lease.convoy), 3), own);
        assert_eq!(block_on(store.load(&lease.convoy)).expect("loads").events, own);
    }
    assert!(block_on(store.read_from(None, at_two.last_seq, 9)).expect("read").is_empty());
    assert!(block_on(store.read_from(None, u64::MAX, 9)).expect("read").is_empty());
    assert!(block_on(store.read_from(None, 0, 0)).expect("read").is_empty());
}

const WRITERS: u64 = 4;
const TURNS: u64 = 25;

fn write_turns(store: &dyn Store, n: u64) {
    let (lease, mut at) = block_on(store.create(samples::new_convoy(n))).expect("created");
    for _ in 0..TURNS {
        let batch = samples::batch(1, vec![samples::landed(0, 'a'), samples::done(0, 'a')]);
        at = block_on(store.append(&lease, at.last_seq, batch)).expect("appended");
    }
}

pub(super) fn a_reader_misses_nothing_while_others_write(place: &dyn Place) {
    let store = place.open();
    let running = AtomicUsize::new(WRITERS as usize);
    let seen = std::thread::scope(|scope| {
        for n in 0..WRITERS {
            let (place, store, running) = (&place, &store, &running);
            scope.spawn(move || {
                // Half of them write through a handle of their own.
                let own = if n % 2 == 0 { place.open() } else { std::sync::Arc::clone(store) };
                write_turns(&*own, n);
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        let mut seen: Vec<EventRecord> = Vec::new();
        loop {
            let last_look = running.load(Ordering::SeqCst) == 0;
            let after = seen.last().map_or(0, |record| record.seq);
            seen.extend(block_on(store.read_from(None, after, 16)).expect("read"));
            if last_look && seen.last().map_or(0, |record| record.seq) == after {
                return seen;
            }
        }
    });
    assert_eq!(seen.len() as u64, WRITERS * (1 + 2 * TURNS));
    assert_eq!(seen, all(&*store, None, 1000));
}

pub(super) fn the_newest_convoy_is_listed_first(place: &dyn Place) {
    let store = place.open();
    assert!(block_on(store.list()).expect("listed").is_empty());
    // 4 and 5 are made in the same millisecond: the later one is the newer one, whatever its id.
    for (n, created) in [(2, 2_000), (3, 3_000), (1, 1_000), (5, 4_000), (4, 4_000)] {
        let new = crate::store::NewConvoy { created_at: Timestamp(created), ..samples::new_convoy(n) };
        block_on(store.create(new)).expect("created");
    }
    let list = block_on(store.list()).expect("listed");
    let order: Vec<ConvoyId> = list.into_iter().map(|line| line.id).collect();
    assert_eq!(order, [4, 5, 3, 2, 1].map(samples::convoy_id));
}

pub(super) fn the_list_shows_what_became_of_the_tasks(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let line = || block_on(store.list()).expect("listed").remove(0);
    let fresh = line();
    assert_eq!((fresh.status, fresh.published, fresh.unfinished), (ConvoyStatus::Running, true, true));
    assert_eq!((fresh.name.as_str(), fresh.branch.as_str()), ("convoy 1", "main"));
    assert_eq!((fresh.created_at, fresh.finished_at), (Timestamp(1_001), None));
    let events = vec![samples::landed(0, 'a'), samples::done(0, 'a'), samples::failed(1)];
    let at = block_on(store.append(&lease, at.last_seq, samples::batch(5, events))).expect("appended");
    let later = line();
    let expected = Totals { total: 3, done: 1, failed: 1, open: 1, ..Totals::default() };
    assert_eq!((later.totals, later.published, later.unfinished), (expected, false, true));
    let events = vec![samples::published('a'), samples::end(ConvoyStatus::Failed)];
    block_on(store.append(&lease, at.last_seq, samples::batch(6_000, events))).expect("appended");
    let ended = line();
    assert_eq!((ended.status, ended.published, ended.unfinished), (ConvoyStatus::Failed, true, false));
    assert_eq!(ended.finished_at, Some(Timestamp(6_000)));
}

pub(super) fn the_inbox_keeps_the_order_and_empties_with_the_batch(place: &dyn Place) {
    let store = place.open();
    let (one, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let (two, at_two) = block_on(store.create(samples::new_convoy(2))).expect("created");
    let kinds = [RequestKind::Pause, RequestKind::Unpause, RequestKind::Interrupt { reason: "ß".into() }];
    let mut entries = Vec::new();
    for (time, kind) in (1..).map(Timestamp).zip(kinds) {
        let request = Request::new("me", kind);
        let id = block_on(store.submit(&one.convoy, request.clone(), time)).expect("submitted");
        entries.push(InboxEntry { id, time, request });
    }
    assert!(entries.is_sorted_by(|a, b| a.id < b.id));
    let inbox = |id| block_on(store.inbox(id)).expect("read");
    assert_eq!(inbox(&one.convoy), entries);
    assert!(inbox(&two.convoy).is_empty());

    // A turn of another convoy cannot consume them.
    let foreign = Batch { consumed: entries.iter().map(|e| e.id).collect(), ..Batch::default() };
    block_on(store.append(&two, at_two.last_seq, foreign)).expect("appended");
    assert_eq!(inbox(&one.convoy), entries);

    let consumed = vec![entries[0].id, entries[2].id];
    let turn = Batch { consumed, ..samples::batch(9, vec![samples::landed(0, 'a')]) };
    block_on(store.append(&one, at.last_seq, turn)).expect("appended");
    assert_eq!(inbox(&one.convoy), [entries.swap_remove(1)]);
    let request = Request::new("me", RequestKind::Cancel);
    let id = block_on(store.submit(&one.convoy, request, Timestamp(9))).expect("submitted");
    assert!(entries.iter().all(|entry| entry.id < id));
}
