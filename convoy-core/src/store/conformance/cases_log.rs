//! Creating, appending, loading.

use super::{Place, block_on, samples};
use crate::event::{EVENT_FORMAT, Event, GateResult, Request, RequestKind, TaskEvent};
use crate::store::{Batch, StoreError};
use crate::types::{AttemptNo, TaskId, TaskIx, Timestamp};

pub(super) fn a_created_convoy_is_loaded_as_it_was_given(place: &dyn Place) {
    let store = place.open();
    let new = samples::new_convoy(1);
    let (_, at) = block_on(store.create(new.clone())).expect("created");
    assert_eq!(at.first_seq, at.last_seq);
    let loaded = block_on(store.load(&new.id)).expect("loads");
    assert_eq!((&loaded.id, &loaded.spec_text, loaded.created_at), (&new.id, &new.spec_text, new.created_at));
    let [first] = &loaded.events[..] else { panic!("one event, not {:?}", loaded.events) };
    assert_eq!((first.seq, first.time, &first.convoy), (at.last_seq, new.created_at, &new.id));
    assert_eq!(first.event, new.first);
}

pub(super) fn a_second_convoy_of_the_same_id_is_refused(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let mut again = samples::new_convoy(1);
    again.spec_text = "other".into();
    let refused = block_on(store.create(again)).map(|_| ());
    assert!(
        matches!(refused, Err(StoreError::Sequence { expected: 0, found, .. }) if found == at.last_seq),
        "{refused:?}"
    );
    let loaded = block_on(store.load(&lease.convoy)).expect("loads");
    assert_eq!((loaded.spec_text.as_str(), loaded.events.len()), ("name: convoy 1\n", 1));
}

pub(super) fn every_kind_of_event_comes_back_as_it_was(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let events = samples::every_kind();
    block_on(store.append(&lease, at.last_seq, samples::batch(9, events.clone()))).expect("appended");
    let loaded = block_on(store.load(&lease.convoy)).expect("loads").events;
    let back: Vec<Event> = loaded.into_iter().skip(1).map(|record| record.event).collect();
    assert_eq!(back, events);
}

pub(super) fn a_batch_is_numbered_without_a_gap(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let (other, other_at) = block_on(store.create(samples::new_convoy(2))).expect("created");
    let events = samples::attempt(0);
    let count = events.len() as u64;
    let one = block_on(store.append(&lease, at.last_seq, samples::batch(5, events))).expect("appended");
    assert!(one.first_seq > other_at.last_seq);
    assert_eq!(one.last_seq, one.first_seq + count - 1);
    let two = samples::batch(6, vec![samples::done(0, 'd')]);
    let two = block_on(store.append(&other, other_at.last_seq, two)).expect("appended");
    assert!(two.first_seq > one.last_seq);
    let seqs = |id| block_on(store.load(id)).expect("loads").events.iter().map(|e| e.seq).collect::<Vec<_>>();
    let expected: Vec<u64> = std::iter::once(at.last_seq).chain(one.first_seq..=one.last_seq).collect();
    assert_eq!(seqs(&lease.convoy), expected);
    assert_eq!(seqs(&other.convoy), [other_at.last_seq, two.last_seq]);
}

pub(super) fn a_refused_batch_leaves_nothing(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let request = Request::new("me", RequestKind::Pause);
    let asked = block_on(store.submit(&lease.convoy, request, Timestamp(1))).expect("submitted");
    let batch = || Batch { consumed: vec![asked], ..samples::batch(2, samples::every_kind()) };
    let refused = block_on(store.append(&lease, at.last_seq + 1, batch()));
    assert!(matches!(refused, Err(StoreError::Sequence { .. })), "{refused:?}");
    let stale = crate::store::Lease { fence: lease.fence + 1, ..lease.clone() };
    let refused = block_on(store.append(&stale, at.last_seq, batch()));
    assert!(matches!(refused, Err(StoreError::Fenced(_))), "{refused:?}");
    assert_eq!(block_on(store.load(&lease.convoy)).expect("loads").events.len(), 1);
    assert_eq!(block_on(store.inbox(&lease.convoy)).expect("read").len(), 1);
    let totals = block_on(store.list()).expect("listed")[0].totals;
    assert_eq!((totals.total, totals.open), (3, 3));
    block_on(store.append(&lease, at.last_seq, batch())).expect("the right one is taken");
}

pub(super) fn the_expected_end_must_be_the_end(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let batch = || samples::batch(2, vec![samples::landed(0, 'a')]);
    let next = block_on(store.append(&lease, at.last_seq, batch())).expect("appended");
    for expected in [0, at.last_seq, next.last_seq + 1] {
        let refused = block_on(store.append(&lease, expected, batch()));
        let Err(StoreError::Sequence { convoy, expected: e, found }) = refused else { panic!("{refused:?}") };
        assert_eq!((convoy, e, found), (lease.convoy.clone(), expected, next.last_seq));
    }
}

pub(super) fn a_batch_without_events_only_consumes(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let request = Request::new("me", RequestKind::Publish);
    let asked = block_on(store.submit(&lease.convoy, request, Timestamp(1))).expect("submitted");
    let batch = Batch { consumed: vec![asked, asked + 100], ..Batch::default() };
    let appended = block_on(store.append(&lease, at.last_seq, batch)).expect("appended");
    assert_eq!((appended.first_seq, appended.last_seq), (at.last_seq, at.last_seq));
    assert!(block_on(store.inbox(&lease.convoy)).expect("read").is_empty());
    assert_eq!(block_on(store.load(&lease.convoy)).expect("loads").events.len(), 1);
}

pub(super) fn a_batch_without_a_time_takes_the_last_one(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let dated = samples::batch(77_000, vec![samples::landed(0, 'a')]);
    let at = block_on(store.append(&lease, at.last_seq, dated)).expect("appended");
    let undated = Batch { events: vec![samples::done(0, 'a')], ..Batch::default() };
    block_on(store.append(&lease, at.last_seq, undated)).expect("appended");
    let events = block_on(store.load(&lease.convoy)).expect("loads").events;
    assert_eq!(events.last().map(|record| record.time), Some(Timestamp(77_000)));
}

pub(super) fn any_text_and_64_kib_of_data_survive(place: &dyn Place) {
    let store = place.open();
    let mut new = samples::new_convoy(1);
    new.name = "日本 \u{1F69A} \"'; DROP TABLE events; --".into();
    new.spec_text = "name: \u{0}\u{7f}\r\n\u{2028}".into();
    let name = new.name.clone();
    let spec = new.spec_text.clone();
    let (lease, at) = block_on(store.create(new)).expect("created");
    let output = "a\u{0}\n\u{1b}[31mß".repeat(64 * 1024 / 9);
    let event = Event::Task {
        task: TaskIx(u32::MAX),
        id: TaskId::new("../日本 'x' \"y\"").expect("a valid id"),
        attempt: Some(AttemptNo(u32::MAX)),
        event: TaskEvent::Gate(GateResult {
            output,
            ..GateResult::new("echo '%' && \u{1F69A}", false, Some(i32::MIN), u64::from(u32::MAX) * 1000)
        }),
    };
    block_on(store.append(&lease, at.last_seq, samples::batch(-1, vec![event.clone()]))).expect("appended");
    let loaded = block_on(store.load(&lease.convoy)).expect("loads");
    assert_eq!(loaded.spec_text, spec);
    assert_eq!(loaded.events.last().map(|r| (r.time, &r.event)), Some((Timestamp(-1), &event)));
    assert_eq!(block_on(store.list()).expect("listed")[0].name, name);
}

pub(super) fn an_unknown_convoy_is_an_error(place: &dyn Place) {
    let store = place.open();
    let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
    let id = samples::convoy_id(2);
    let request = Request::new("me", RequestKind::Pause);
    let lease = crate::store::Lease { convoy: id.clone(), ..lease };
    let batch = samples::batch(1, vec![samples::done(0, 'a')]);
    let answers = [
        block_on(store.load(&id)).map(|_| ()),
        block_on(store.holder(&id)).map(|_| ()),
        block_on(store.acquire(&id, samples::holder("b", 2), &|_| false)).map(|_| ()),
        block_on(store.append(&lease, at.last_seq, batch)).map(|_| ()),
        block_on(store.submit(&id, request, Timestamp(1))).map(|_| ()),
        block_on(store.inbox(&id)).map(|_| ()),
    ];
    for (n, answer) in answers.into_iter().enumerate() {
        assert!(matches!(&answer, Err(StoreError::NoConvoy(of)) if *of == id), "{n}: {answer:?}");
    }
    block_on(store.release(&lease)).expect("nothing to give back");
    assert!(block_on(store.read_from(Some(&id), 0, 9)).expect("read").is_empty());
}

pub(super) fn a_convoy_of_a_newer_format_is_refused(place: &dyn Place) {
    let store = place.open();
    let mut new = samples::new_convoy(1);
    new.event_format = EVENT_FORMAT + 1;
    let id = new.id.clone();
    block_on(store.create(new)).expect("created");
    let refused = [
        block_on(store.load(&id)).map(|_| ()),
        block_on(store.acquire(&id, samples::holder("a", 1), &|_| false)).map(|_| ()),
    ];
    for answer in refused {
        assert!(
            matches!(answer, Err(StoreError::Newer { found, known }) if found == EVENT_FORMAT + 1 && known == EVENT_FORMAT),
            "{answer:?}"
        );
    }
}
