//! Which event changes which rows.

use super::change::{Change, Key, Table};
use super::task_rules;
use crate::event::{ConvoyEvent, Event, EventRecord, PublishEvent, Started};
use crate::types::{ConvoyId, ConvoyStatus, TaskStatus, Timestamp};

/// The row of a convoy that is being created; the changes of its first event follow.
pub(in crate::store) fn created(
    convoy: &ConvoyId,
    name: &str,
    created_at: Timestamp,
    first_event: u64,
) -> Change {
    row(convoy)
        .set("name", name)
        .set("status", ConvoyStatus::Pending.as_str())
        .set("created_at", created_at)
        .set("first_event", first_event)
}

/// The changes that an event makes.
pub(in crate::store) fn project(record: &EventRecord) -> Vec<Change> {
    match &record.event {
        Event::Convoy(event) => convoy(record, event),
        Event::Task { task, id, attempt, event } => {
            task_rules::Of { record, task: *task, id, attempt: *attempt }.project(event)
        }
        Event::Publish(event) => vec![publish(row(&record.convoy), event)],
    }
}

fn row(convoy: &ConvoyId) -> Change {
    Change::of(Table::Convoys, vec![Key::from(convoy.as_str())])
}

fn convoy(record: &EventRecord, event: &ConvoyEvent) -> Vec<Change> {
    let row = row(&record.convoy);
    let status = |row: Change, status: ConvoyStatus| row.set("status", status.as_str());
    match event {
        ConvoyEvent::TasksAdded { total, .. } => vec![row.set("tasks", *total)],
        ConvoyEvent::Started(facts) => vec![started(row, record.time, facts)],
        ConvoyEvent::Paused { .. } => vec![status(row, ConvoyStatus::Paused)],
        ConvoyEvent::Unpaused { .. } => vec![status(row, ConvoyStatus::Running)],
        ConvoyEvent::Resumed { .. } => {
            // An ended convoy may be taken up again too, to publish; it stays ended.
            let (paused, running) = (ConvoyStatus::Paused.as_str(), ConvoyStatus::Running.as_str());
            vec![row.replace("status", paused, running)]
        }
        ConvoyEvent::Retried { tasks, .. } => {
            let reopened = tasks.iter().map(|task| {
                let key = vec![Key::from(record.convoy.as_str()), Key::from(task.0)];
                Change::of(Table::Tasks, key)
                    .set("status", TaskStatus::Pending.as_str())
                    .set("retries", 0u32)
                    .clear(&["finished_at", "not_before", "commit_id", "no_changes"])
                    .clear(&["failure_type", "error", "exit_code", "reason", "unreviewed"])
            });
            let first = status(row, ConvoyStatus::Running).clear(&["finished_at"]);
            std::iter::once(first).chain(reopened).collect()
        }
        ConvoyEvent::Finished(end) | ConvoyEvent::Failed(end) | ConvoyEvent::Cancelled(end) => {
            vec![status(row, end.status).set("finished_at", record.time)]
        }
        ConvoyEvent::Gate { gate, passed, exit_code, duration_ms, .. } => {
            let result = Change::of(Table::GateResults, vec![Key::from(record.seq)])
                .set("convoy_id", record.convoy.as_str())
                .set("gate", gate)
                .set("passed", *passed)
                .set("exit_code", *exit_code)
                .set("duration_ms", *duration_ms)
                .set("time", record.time);
            vec![result]
        }
        ConvoyEvent::CancelRequested { .. }
        | ConvoyEvent::VerifyStarted(_)
        | ConvoyEvent::VerifyResult(_)
        | ConvoyEvent::GatesStarted { .. }
        | ConvoyEvent::GatesFinished { .. }
        | ConvoyEvent::Guard { .. }
        | ConvoyEvent::HookStarted { .. }
        | ConvoyEvent::HookPassed { .. }
        | ConvoyEvent::HookFailed { .. }
        | ConvoyEvent::InjectionReceived { .. }
        | ConvoyEvent::InjectionRefused { .. }
        | ConvoyEvent::RequestRefused { .. }
        | ConvoyEvent::Interrupted { .. }
        | ConvoyEvent::BudgetExceeded { .. }
        | ConvoyEvent::BreakerTripped { .. }
        | ConvoyEvent::BreakerHalfOpen { .. }
        | ConvoyEvent::BreakerClosed { .. }
        | ConvoyEvent::SwarmConcurrency { .. } => Vec::new(),
    }
}

fn started(row: Change, time: Timestamp, facts: &Started) -> Change {
    row.set("status", ConvoyStatus::Running.as_str())
        .set("branch", &facts.branch)
        .set("base", &facts.base)
        .set("tip", &facts.base)
        .set("published_tip", &facts.base)
        .set("integration_ref", &facts.integration_ref)
        .set("adapter", facts.adapter.as_ref())
        .set("tasks", facts.tasks)
        .set("engine_version", &facts.engine_version)
        .once("started_at", time)
}

fn publish(row: Change, event: &PublishEvent) -> Change {
    match event {
        PublishEvent::Started { .. } => row.set("publish_state", "started"),
        PublishEvent::Voided { .. } => row.set("publish_state", "voided"),
        PublishEvent::Published { tip, .. } => row
            .set("publish_state", "published")
            .set("published_tip", tip)
            .clear(&["publish_reason", "publish_paths"]),
        PublishEvent::Blocked { reason, paths, .. } => row
            .set("publish_state", "blocked")
            .set("publish_reason", reason)
            .set("publish_paths", serde_json::Value::from(paths.clone()).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::samples;

    /// What a convoy's row says after these events.
    fn after(events: Vec<Event>) -> crate::store::ConvoySummary {
        let id = samples::convoy_id(1);
        let mut tables = super::super::Tables::default();
        tables.apply(created(&id, "n", Timestamp(0), 1));
        for (seq, event) in (1..).zip(events) {
            let record = EventRecord { seq, time: Timestamp(0), convoy: id.clone(), event };
            project(&record).into_iter().for_each(|change| tables.apply(change));
        }
        tables.summaries().expect("readable").remove(0)
    }

    #[test]
    fn a_convoy_is_unfinished_until_it_is_final_and_published() {
        use samples::{
            landed, publish_blocked, publish_started, publish_voided, published, started, unprepared,
        };
        let end = || samples::end(ConvoyStatus::Done);
        let cases: Vec<(Vec<Event>, bool, bool)> = vec![
            (vec![], true, true),
            (vec![started()], true, true),
            (vec![started(), end()], true, false),
            (vec![started(), landed(0, 'a')], false, true),
            (vec![started(), landed(0, 'a'), published('a')], true, true),
            (vec![started(), landed(0, 'a'), published('a'), end()], true, false),
            (vec![started(), landed(0, 'a'), published('a'), landed(1, 'b'), end()], false, true),
            (vec![started(), landed(0, 'a'), publish_blocked('a'), end()], false, true),
            (vec![started(), landed(0, 'a'), publish_blocked('a'), end(), published('a')], true, false),
            (vec![started(), landed(0, 'a'), published('a'), publish_started('b'), end()], false, true),
            (
                vec![
                    started(),
                    landed(0, 'a'),
                    published('a'),
                    publish_started('b'),
                    publish_voided('b'),
                    end(),
                ],
                true,
                false,
            ),
            (vec![started(), unprepared(0, 'b'), end()], false, true),
        ];
        for (events, published, unfinished) in cases {
            let text = format!("{events:?}");
            let summary = after(events);
            assert_eq!((summary.published, summary.unfinished), (published, unfinished), "{text}");
        }
    }

    #[test]
    fn a_resume_ends_a_pause_and_reopens_nothing() {
        let actor = || "me".to_owned();
        let paused = || Event::Convoy(ConvoyEvent::Paused { actor: actor() });
        let resumed = || {
            Event::Convoy(ConvoyEvent::Resumed {
                original_created_at: Timestamp(0),
                adapter_limits: std::collections::BTreeMap::new(),
            })
        };
        let unpaused = || Event::Convoy(ConvoyEvent::Unpaused { actor: actor() });
        let end = || samples::end(ConvoyStatus::Done);
        let cases = [
            (vec![paused()], ConvoyStatus::Paused),
            (vec![paused(), unpaused()], ConvoyStatus::Running),
            (vec![paused(), resumed()], ConvoyStatus::Running),
            (vec![paused(), end(), resumed()], ConvoyStatus::Done),
        ];
        for (events, status) in cases {
            let text = format!("{events:?}");
            assert_eq!(after([vec![samples::started()], events].concat()).status, status, "{text}");
        }
    }

    #[test]
    fn a_retry_reopens_the_convoy_and_its_tasks() {
        let failed = samples::failed(0);
        let retried = Event::Convoy(ConvoyEvent::Retried {
            tasks: vec![crate::types::TaskIx(0)],
            actor: "me".into(),
            adapter_limits: std::collections::BTreeMap::new(),
        });
        let ended = vec![samples::started(), failed, samples::end(ConvoyStatus::Failed)];
        let summary = after(ended.clone());
        assert_eq!((summary.status, summary.totals.failed), (ConvoyStatus::Failed, 1));
        assert!(summary.finished_at.is_some());
        let summary = after([ended, vec![retried]].concat());
        assert_eq!((summary.status, summary.totals.failed), (ConvoyStatus::Running, 0));
        assert_eq!((summary.finished_at, summary.totals.open), (None, summary.totals.total));
    }
}
