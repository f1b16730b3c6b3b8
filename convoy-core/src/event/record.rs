//! An event with its envelope, and its JSON.

use serde_json::{Map, Value, json};

use super::{ConvoyEvent, Event, PublishEvent, TaskEvent};
use crate::types::{AttemptNo, ConvoyId, TaskId, TaskIx, Timestamp, WorkerId};

/// An event as it is stored and published.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// Its number in the store (`_event_id`): unique, rising, not contiguous within one convoy.
    pub seq: u64,
    /// When it was recorded.
    pub time: Timestamp,
    /// The convoy.
    pub convoy: ConvoyId,
    /// What happened.
    pub event: Event,
}

/// Stored data that is no event of this version.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The type is unknown: a newer engine wrote it.
    #[error("event type {0:?} is unknown to this version; use the version that wrote it, or a newer one")]
    UnknownType(String),
    /// The data does not fit its type.
    #[error("the data of an event of type {kind:?} is damaged")]
    Data {
        /// The type.
        kind: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// A task event without its task.
    #[error("an event of type {0:?} names no task")]
    NoTask(String),
}

impl Event {
    /// The data of the event as a JSON object, without the envelope.
    pub fn data(&self) -> Value {
        let encoded = match self {
            Self::Convoy(event) => serde_json::to_value(event),
            Self::Task { event, .. } => serde_json::to_value(event),
            Self::Publish(event) => serde_json::to_value(event),
        };
        let mut data = match encoded {
            Ok(Value::Object(mut object)) => object.remove("data").unwrap_or_else(|| json!({})),
            // Events hold only texts, numbers, lists and maps with text keys; those always encode.
            Ok(_) | Err(_) => json!({}),
        };
        if let (Self::Task { task, attempt, .. }, Value::Object(fields)) = (self, &mut data) {
            fields.insert("task_index".to_owned(), json!(task.0));
            if let Some(attempt) = attempt {
                fields.insert("attempt_no".to_owned(), json!(attempt.0));
            }
        }
        data
    }

    /// Reads what [`Event::type_name`] and [`Event::data`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] when the type is unknown or the data damaged.
    pub fn decode(kind: &str, task_id: Option<TaskId>, mut data: Value) -> Result<Self, DecodeError> {
        let damaged = |source| DecodeError::Data { kind: kind.to_owned(), source };
        if ConvoyEvent::TYPES.contains(&kind) {
            return serde_json::from_value(tagged(kind, data)).map(Self::Convoy).map_err(damaged);
        }
        if PublishEvent::TYPES.contains(&kind) {
            return serde_json::from_value(tagged(kind, data)).map(Self::Publish).map_err(damaged);
        }
        if !TaskEvent::TYPES.contains(&kind) {
            return Err(DecodeError::UnknownType(kind.to_owned()));
        }
        let mut number = |name: &str| {
            let value = data.as_object_mut().and_then(|fields| fields.remove(name));
            value.and_then(|v| v.as_u64()).and_then(|n| u32::try_from(n).ok())
        };
        let (task, attempt) = (number("task_index").map(TaskIx), number("attempt_no").map(AttemptNo));
        let (Some(task), Some(id)) = (task, task_id) else {
            return Err(DecodeError::NoTask(kind.to_owned()));
        };
        let event = serde_json::from_value(tagged(kind, data)).map_err(damaged)?;
        Ok(Self::Task { task, id, attempt, event })
    }
}

fn tagged(kind: &str, data: Value) -> Value {
    json!({ "type": kind, "data": data })
}

impl EventRecord {
    /// The task that the event concerns.
    pub fn task_id(&self) -> Option<&TaskId> {
        match &self.event {
            Event::Task { id, .. } => Some(id),
            Event::Convoy(_) | Event::Publish(_) => None,
        }
    }

    /// The attempt that the event belongs to.
    pub fn worker_id(&self) -> Option<WorkerId> {
        match &self.event {
            Event::Task { task, attempt: Some(attempt), .. } => {
                Some(WorkerId::of(&self.convoy, *task, *attempt))
            }
            Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => None,
        }
    }

    /// One flat JSON object: the envelope (`_event_id`, `timestamp`, `type`, `convoy_id`, `task_id`,
    /// `worker_id`) and beside it the data. The names of the envelope are reserved.
    pub fn to_flat_json(&self) -> Value {
        let mut flat = Map::new();
        flat.insert("_event_id".to_owned(), json!(self.seq));
        flat.insert("timestamp".to_owned(), json!(self.time.to_string()));
        flat.insert("type".to_owned(), json!(self.event.type_name()));
        flat.insert("convoy_id".to_owned(), json!(self.convoy.as_str()));
        flat.insert("task_id".to_owned(), json!(self.task_id().map(TaskId::as_str)));
        flat.insert("worker_id".to_owned(), json!(self.worker_id().map(String::from)));
        if let Value::Object(data) = self.event.data() {
            for (name, value) in data {
                flat.entry(name).or_insert(value);
            }
        }
        Value::Object(flat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AgentOutcome, DeadLetter, End, Started, Work};
    use crate::types::{ConvoyStatus, Failure, FailureKind, Oid, TaskStatus, Totals, Usage};

    fn oid(c: char) -> Oid {
        Oid::new(c.to_string().repeat(40)).expect("valid")
    }

    fn task(event: TaskEvent, attempt: Option<u32>) -> Event {
        let id = TaskId::new("a b").expect("valid");
        Event::Task { task: TaskIx(7), id, attempt: attempt.map(AttemptNo), event }
    }

    fn samples() -> Vec<Event> {
        [convoy_samples(), attempt_samples(), end_samples()].concat()
    }

    fn convoy_samples() -> Vec<Event> {
        let end = End { status: ConvoyStatus::Done, totals: Totals::default() };
        let started = Started {
            name: "n".into(),
            spec_digest: "d".into(),
            options: super::super::RunOptions::default(),
            adapter: None,
            providers: std::collections::BTreeMap::new(),
            adapter_limits: std::collections::BTreeMap::new(),
            branch: "refs/heads/main".into(),
            base: oid('a'),
            integration_ref: "refs/convoy/x/integration".into(),
            inactive: vec!["defaults.review".into()],
            tasks: 1,
            engine_version: "0".into(),
            event_format: 1,
        };
        vec![
            Event::Convoy(ConvoyEvent::Started(Box::new(started))),
            Event::Convoy(ConvoyEvent::Finished(end)),
            Event::Convoy(ConvoyEvent::Retried {
                tasks: vec![TaskIx(1)],
                actor: "me".into(),
                adapter_limits: std::collections::BTreeMap::new(),
            }),
            Event::Publish(PublishEvent::Blocked {
                branch: "b".into(),
                reason: "r".into(),
                paths: vec!["p".into()],
                tip: oid('d'),
            }),
        ]
    }

    fn attempt_samples() -> Vec<Event> {
        let failure = Failure::new(FailureKind::Timeout, "no");
        let ended = |outcome| TaskEvent::AgentEnded {
            outcome,
            exit_code: Some(1),
            session: None,
            usage: Usage { output: Some(3), ..Usage::default() },
            duration_ms: 4,
            summary: "s".into(),
        };
        let work =
            Work { commit: oid('b'), tree: oid('c'), base: oid('a'), changed: true, kept_ref: "r".into() };
        vec![
            task(ended(AgentOutcome::Failed { failure }), Some(2)),
            task(ended(AgentOutcome::Interrupted), Some(2)),
            task(
                TaskEvent::Snapshot {
                    work: Some(work),
                    rebased: false,
                    files_changed: Some(2),
                    failure: None,
                },
                Some(1),
            ),
            task(TaskEvent::Cancelled {}, None),
            task(
                TaskEvent::Conflict {
                    attempt: 1,
                    conflicting_files: vec![],
                    onto: oid('a'),
                    tree: oid('b'),
                    conflicts: vec![],
                },
                Some(3),
            ),
        ]
    }

    fn end_samples() -> Vec<Event> {
        let failure = Failure::new(FailureKind::Gate("t".into()), "no");
        vec![
            task(
                TaskEvent::Failed {
                    status: TaskStatus::GateFailed,
                    reason: "gate-failed".into(),
                    failure,
                    gate: Some("t".into()),
                    hook: None,
                    exit_code: None,
                    stops: true,
                },
                Some(1),
            ),
            task(
                TaskEvent::DeadLettered(DeadLetter {
                    dlq_id: "x".into(),
                    agent: "a".into(),
                    failure_type: "error".into(),
                    attempts: 2,
                    error: "e".into(),
                }),
                Some(1),
            ),
        ]
    }

    #[test]
    fn json_round_trips() {
        for event in samples() {
            let id = match &event {
                Event::Task { id, .. } => Some(id.clone()),
                Event::Convoy(_) | Event::Publish(_) => None,
            };
            let text = event.data().to_string();
            let data = serde_json::from_str(&text).expect("json");
            assert_eq!(Event::decode(event.type_name(), id, data).expect("decodes"), event, "{text}");
        }
    }

    #[test]
    fn a_snapshot_of_an_older_log_does_not_say_how_many_files_it_changed() {
        let id = TaskId::new("a b").ok();
        let data = json!({"task_index": 7, "attempt_no": 1, "rebased": true});
        let event = Event::decode("task_snapshot", id, data).expect("decodes");
        let snapshot = TaskEvent::Snapshot { work: None, rebased: true, files_changed: None, failure: None };
        assert_eq!(event, task(snapshot, Some(1)));
        assert!(event.data().get("files_changed").is_none(), "unknown is absent, not 0");
    }

    #[test]
    fn the_flat_form_keeps_the_envelope() {
        let event = task(TaskEvent::Killed { reason: "timeout".into() }, Some(2));
        let convoy = ConvoyId::from_parts(1, 1);
        let record = EventRecord { seq: 9, time: Timestamp(0), convoy: convoy.clone(), event };
        let flat = record.to_flat_json();
        assert_eq!(flat["_event_id"], 9);
        assert_eq!(flat["type"], "worker_killed");
        assert_eq!(flat["task_id"], "a b");
        assert_eq!(flat["worker_id"], format!("{convoy}.7.2"));
        assert_eq!(flat["reason"], "timeout");
    }

    #[test]
    fn an_unknown_or_damaged_event_is_an_error() {
        assert!(matches!(Event::decode("task_flown", None, json!({})), Err(DecodeError::UnknownType(_))));
        assert!(matches!(Event::decode("task_done", None, json!({})), Err(DecodeError::NoTask(_))));
        assert!(matches!(Event::decode("convoy_paused", None, json!({})), Err(DecodeError::Data { .. })));
    }
}
