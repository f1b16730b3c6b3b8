//! The projection says the same as the state.

use std::sync::Arc;

use super::{Key, Table, Tables, created, project, status_of};
use crate::event::{ConvoyEvent, End, Event, EventRecord, PublishEvent, TaskEvent};
use crate::state::RunState;
use crate::store::conformance::samples;
use crate::types::{ConvoyStatus, Failure, FailureKind, TaskIx, TaskStatus, Timestamp};

const SPEC: &str = "name: n\ntasks:\n  - {id: t0, prompt: p}\n  - {id: t1, prompt: p}\n  - {id: t2, prompt: p, depends_on: [t1]}\n";

/// A run with everything that moves a status: a landing that had to be prepared twice, a retry, a failure
/// with a dependant, a pause, two publishes, an end, a retry of the convoy and a cancel.
fn run(started: &Event, mut end: impl FnMut(ConvoyStatus) -> Event) -> Vec<Event> {
    let actor = || "me".to_owned();
    let convoy = Event::Convoy;
    let failure = Failure::new(FailureKind::Error, "no");
    let retried = TaskEvent::Retried {
        previous_status: TaskStatus::Failed,
        failure: Some(failure.clone()),
        not_before: Timestamp(0),
        retries: 1,
        escalated_to: None,
    };
    let skipped = TaskEvent::Skipped { reason: "t1 failed".into(), because: Some(TaskIx(1)) };
    let prepared =
        TaskEvent::Prepared { commit: samples::oid('d'), onto: samples::oid('e'), lands_with: None };
    let mut events = vec![started.clone()];
    events.extend(samples::attempt(0));
    events.extend([samples::unprepared(0, 'e'), samples::task(0, prepared), samples::landed(0, 'd')]);
    events.extend([samples::done(0, 'd'), samples::publish_started('d'), samples::publish_voided('d')]);
    events.extend([samples::publish_started('d'), samples::published('d')]);
    events.push(convoy(ConvoyEvent::Paused { actor: actor() }));
    events.push(convoy(ConvoyEvent::Interrupted { reason: "r".into() }));
    events.push(convoy(ConvoyEvent::Resumed {
        original_created_at: Timestamp(0),
        adapter_limits: std::collections::BTreeMap::new(),
    }));
    events.extend(samples::attempt(1).into_iter().take(6));
    events.push(samples::task(1, retried));
    events.extend(samples::attempt(1).into_iter().take(6));
    events.extend([samples::failed(1), samples::task(2, skipped), end(ConvoyStatus::Failed)]);
    events.push(convoy(ConvoyEvent::Retried {
        tasks: vec![TaskIx(1), TaskIx(2)],
        actor: actor(),
        adapter_limits: std::collections::BTreeMap::new(),
    }));
    events.extend(samples::attempt(1));
    events.extend([samples::landed(1, 'd'), samples::done(1, 'd'), samples::publish_blocked('d')]);
    events.push(convoy(ConvoyEvent::CancelRequested { actor: actor() }));
    events.extend([samples::task(2, TaskEvent::Cancelled {}), end(ConvoyStatus::Cancelled)]);
    events
}

#[test]
fn the_list_says_after_every_event_what_the_state_says() {
    let decoded = crate::spec::decode(SPEC);
    let spec = decoded.spec.unwrap_or_else(|| panic!("{:?}", decoded.problems));
    let plan = Arc::new(crate::plan::plan(Arc::new(spec)).expect("a plan"));
    let (id, first) = (samples::convoy_id(1), samples::started());
    let Event::Convoy(ConvoyEvent::Started(facts)) = &first else { panic!("{first:?}") };
    let mut state = RunState::new(plan, id.clone(), Timestamp(5), (**facts).clone());
    let mut tables = Tables::default();
    tables.apply(created(&id, "n", Timestamp(5), 1));
    let mut published = Vec::new();
    let events = run(&first, |status| {
        let totals = crate::types::Totals::default();
        let end = End { status, totals };
        Event::Convoy(match status {
            ConvoyStatus::Cancelled => ConvoyEvent::Cancelled(end),
            _ => ConvoyEvent::Failed(end),
        })
    });
    for (seq, event) in (1..).zip(events) {
        let time = Timestamp(i64::try_from(seq).expect("small") * 1000);
        if seq > 1 {
            state.apply(&event, time).unwrap_or_else(|error| panic!("{seq}: {error}"));
        }
        let record = EventRecord { seq, time, convoy: id.clone(), event };
        project(&record).into_iter().for_each(|change| tables.apply(change));
        let line = tables.summaries().expect("readable").remove(0);
        let event = &record.event;
        assert_eq!(line.status, state.status(), "{event:?}");
        assert_eq!(line.totals, state.totals(), "{event:?}");
        assert_eq!(line.published, state.is_published(), "{event:?}");
        assert_eq!(line.unfinished, state.is_unfinished(), "{event:?}");
        assert_eq!(line.finished_at, state.finished_at(), "{event:?}");
        for ix in state.plan().indices() {
            let key = vec![Key::from(id.as_str()), Key::from(ix.0)];
            let row = tables.rows(Table::Tasks, key).next();
            let status = row.and_then(|(_, row)| status_of(row.text("status")?));
            assert_eq!(status.unwrap_or(TaskStatus::Pending), state.task(ix).stage.status(), "{event:?}");
        }
        if matches!(event, Event::Publish(PublishEvent::Published { .. })) {
            published.push(line.published);
        }
    }
    assert_eq!(published, [true], "the run reaches what it is about");
}
