//! The schema and the types that the engine writes from say the same.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::table::{EVENTS, RECORDS, WORDS};
use super::{Field, fields, find, mistakes, mistakes_of_line};
use crate::event::{ConvoyEvent, Event, EventRecord, PublishEvent, TaskEvent};
use crate::types::{ConvoyId, TaskId, Timestamp};

/// What the programs of opencastle 0.27 read: each type that it had, and of its data what has to be there, by name and
/// type. Its `?` is ours.
const ANCESTOR: &[(&str, &str)] = &[
    ("convoy_started", "name: text"),
    ("convoy_resumed", "original_created_at: time"),
    ("convoy_guard", "passed: bool, warnings: texts"),
    ("swarm_concurrency_update", "phase: count, pending_count: count, effective_concurrency: count"),
    ("task_done", "exit_code: int, retries: count"),
    ("task_failed", "reason: text, gate?: text, hook?: text, exit_code?: int"),
    ("task_skipped", "reason: text"),
    ("task_waiting_input", "missing_artifact: text, from_task: text"),
    ("task_retried", "previous_status: task_status"),
    ("built_in_gate_result", "gate: text, level?: warn|block, passed: bool, output: text"),
    // What was not rated has no rating.
    ("drift_check_result", "score?: number, threshold: number, explanation: text, drifted: bool"),
    // Where none is set there is none.
    ("review_started", "level: auto-pass|fast|panel, model?: text"),
    (
        "review_verdict",
        // A number that nobody reported is absent.
        "level: auto-pass|fast|panel, verdict: pass|block|skipped, tokens?: count, model?: text, feedback_length: count, \
         passes?: count, blocks?: count, budget_exceeded?: bool, budget_downgrade?: bool, budget_skip?: bool",
    ),
    ("dispute_opened", "dispute_id: text, agent: text, panel_attempts: count"),
    ("dlq_entry_created", "dlq_id: text, agent: text, failure_type: text"),
    ("circuit_breaker_tripped", "agent: text, state: open|half-open|closed"),
    ("circuit_breaker_half_open", "agent: text, state: open|half-open|closed"),
    ("circuit_breaker_closed", "agent: text, state: open|half-open|closed"),
    ("circuit_breaker_blocked", "agent: text, state: open|half-open|closed"),
    ("circuit_breaker_fallback", "original_agent: text, fallback_agent: text, state: open|half-open|closed"),
    ("weak_area_skipped", "agent: text, weak_areas: texts, task_files: texts"),
    ("merge_conflict_detected", "attempt: count, conflicting_files: texts"),
    ("merge_conflict_failed", "attempts: count, conflicting_files: texts"),
    ("file_partition_conflict", "conflicts: conflicts"),
    ("file_injection_received", "task_count: count, source: text"),
    ("artifact_limit_reached", "artifact_name: text"),
    ("agent_identity_captured", "agent: text, summary_length: count"),
    ("agent_identity_rejected", "agent: text, reason: text, findings_count: count"),
    ("discovered_issue", "title: text, file: text, description: text, severity: text"),
    ("secret_leak_prevented", "findings_count: count, patterns: texts, context?: text"),
    ("post_convoy_hook_failed", "hook: text, error: text"),
    ("worker_killed", "reason: text"),
    (
        "session",
        "agent: text, model: text, task: text, outcome: text, duration_min: number, files_changed: count, retries: count",
    ),
    (
        "delegation",
        "session_id: text, agent: text, model: text, tier: text, mechanism: text, outcome: text, retries: count, phase: count",
    ),
    ("watch_started", "trigger_type: text, pid: count"),
    ("watch_cycle_start", "cycle_number: count, triggered_by: text"),
    ("watch_cycle_end", "cycle_number: count, status: text"),
    ("watch_stopped", "reason: text"),
];

/// Those of them that there are not: what they tell is not built yet, or is said by others (see [`crate::event`]).
const NOT_BUILT: &[&str] = &[
    "weak_area_skipped",
    "file_partition_conflict",
    "agent_identity_captured",
    "agent_identity_rejected",
    "discovered_issue",
    "secret_leak_prevented",
    "session",
    "delegation",
    "watch_started",
    "watch_cycle_start",
    "watch_cycle_end",
    "watch_stopped",
];

fn types() -> Vec<&'static str> {
    [ConvoyEvent::TYPES, TaskEvent::TYPES, PublishEvent::TYPES].concat()
}

#[test]
fn every_type_has_one_schema_and_every_schema_a_type() {
    let named: Vec<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
    let unique: BTreeSet<&str> = named.iter().copied().collect();
    assert_eq!(unique.len(), named.len(), "one is there twice");
    assert_eq!(unique, types().into_iter().collect());
}

#[test]
fn no_field_is_called_like_one_of_the_envelope() {
    let envelope = ["_event_id", "timestamp", "type", "convoy_id", "task_id", "worker_id"];
    for (kind, line) in EVENTS {
        assert!(
            fields(line).all(|field| !envelope.contains(&field.name)),
            "{kind}: one of the two would be lost"
        );
    }
}

#[test]
fn an_artifact_that_an_earlier_version_stored_is_read() {
    let data = json!({"task_index": 0, "name": "plan", "type": "json", "size": 1, "oid": "a".repeat(40)});
    let (_, written) = again("artifact_stored", data.as_object().expect("an object"));
    assert_eq!(written["artifact_type"], "json");
}

#[test]
fn what_the_ancestor_wrote_is_there_by_the_same_names_and_types() {
    let (mut wrong, mut built) = (Vec::new(), 0);
    for (kind, wanted) in ANCESTOR {
        if !types().contains(kind) {
            assert!(NOT_BUILT.contains(kind), "{kind} is gone");
            continue;
        }
        assert!(!NOT_BUILT.contains(kind), "{kind} is built now");
        built += 1;
        let has: Vec<Field> = find(EVENTS, kind).map(|line| fields(line).collect()).unwrap_or_default();
        let missing = fields(wanted).filter(|field| !has.contains(field));
        wrong.extend(missing.map(|field| format!("{kind}: {field:?}")));
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(built + NOT_BUILT.len(), ANCESTOR.len());
}

/// A value of a type. The full one has every field that there may be.
fn value(kind: &'static str, full: bool) -> Value {
    if let Some(line) = find(RECORDS, kind) {
        return Value::Object(object(line, full));
    }
    match kind {
        "text" => json!("a text"),
        "bool" => json!(true),
        "count" => json!(7),
        "int" => json!(-7),
        "number" => json!(0.5),
        "oid" => json!("a".repeat(40)),
        "time" => json!(Timestamp(1_234).to_string()),
        "texts" => json!(["one", "two"]),
        "counts" => json!([1, 2]),
        "providers" => json!({"claude": "claude/work"}),
        "limits" => json!({"claude": {"max_concurrent": 2, "stagger_ms": 500}}),
        "concurrency" => json!({"fixed": 4}),
        list if list.ends_with("[]") => json!([value(list.trim_end_matches("[]"), full)]),
        "tasks" => {
            let text = "name: n\nversion: 1\ntasks: [{id: a, prompt: p}]\n";
            let spec = crate::spec::decode(text).spec.expect("valid");
            serde_json::to_value(spec.tasks).expect("json")
        }
        words => {
            let mut words = find(WORDS, words).unwrap_or(words).split('|');
            json!(if full { words.next() } else { words.next_back() })
        }
    }
}

fn object(line: &'static str, full: bool) -> Map<String, Value> {
    let wanted = fields(line).filter(|field| full || !field.optional);
    let entry = |field: Field| {
        let text = match field.name {
            // A text of a closed list.
            "failure_type" => json!("timeout"),
            _ => value(field.kind, full),
        };
        (field.name.to_owned(), text)
    };
    wanted.map(entry).collect()
}

/// The data of an event after it was read and written again, which comes to the same as text.
fn again(kind: &str, data: &Map<String, Value>) -> (Event, Value) {
    let task = TaskEvent::TYPES.contains(&kind).then(|| TaskId::new("t").expect("valid"));
    let text = Value::Object(data.clone()).to_string();
    let from_text = Event::decode_text(kind, task.as_ref().map(TaskId::as_str), &text);
    let event = Event::decode(kind, task, Value::Object(data.clone()));
    let event = event.unwrap_or_else(|error| panic!("{kind}: {error:?}\n{data:#?}"));
    assert_eq!(from_text.unwrap_or_else(|error| panic!("{kind}: {error:?}\n{text}")), event);
    let data = event.data();
    assert_eq!(event.data_text(), data.to_string());
    let convoy = ConvoyId::from_parts(1, 1);
    let record = EventRecord { seq: 9, time: Timestamp(1), convoy, event };
    assert_eq!(record.to_flat_text(), record.to_flat_json().to_string());
    (record.event, data)
}

#[test]
fn data_of_exactly_the_fields_of_a_schema_is_read_and_written_as_it_was() {
    for (kind, line) in EVENTS {
        for full in [true, false] {
            let mut data = object(line, full);
            if TaskEvent::TYPES.contains(kind) {
                data.insert("task_index".to_owned(), json!(3));
                data.extend(full.then(|| ("attempt_no".to_owned(), json!(2))));
            }
            let (event, written) = again(kind, &data);
            assert_eq!(
                written,
                Value::Object(data.clone()),
                "{kind}, {}",
                if full { "full" } else { "least" }
            );
            assert_eq!(mistakes(&event), [""; 0], "{kind}");
            for field in
                fields(line).filter(|field| field.kind.contains('|') || find(WORDS, field.kind).is_some())
            {
                for word in find(WORDS, field.kind).unwrap_or(field.kind).split('|') {
                    data.insert(field.name.to_owned(), json!(word));
                    assert_eq!(again(kind, &data).1[field.name], word, "{kind}.{}", field.name);
                }
            }
        }
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_told() {
    let good = json!({
        "_event_id": 1, "timestamp": "2026-01-01T00:00:00.000Z", "type": "task_done", "convoy_id": ConvoyId::from_parts(1, 7),
        "task_id": "a", "worker_id": null, "task_index": 0, "no_changes": true, "exit_code": 0, "retries": 0,
    });
    assert_eq!(mistakes_of_line(&good), [""; 0]);
    let cases = [
        ("retries", json!(-1), "task_done.retries is no count: -1"),
        ("retries", json!("1"), "task_done.retries is no count: \"1\""),
        ("commit", json!("abc"), "task_done.commit is no oid: \"abc\""),
        ("extra", json!(1), "task_done.extra is in no schema"),
        ("task_id", Value::Null, "it names no task"),
        ("task_index", json!("0"), "task_done.task_index is no count: \"0\""),
        ("timestamp", json!("now"), ".timestamp is no time: \"now\""),
        ("type", json!("task_undone"), "there is no schema for \"task_undone\""),
        ("convoy_id", json!("x"), "convoy_id is \"x\""),
    ];
    for (name, value, wanted) in cases {
        let mut line = good.clone();
        line[name] = value;
        assert!(
            mistakes_of_line(&line).contains(&wanted.to_owned()),
            "{wanted}: {:?}",
            mistakes_of_line(&line)
        );
    }
    let mut line = good;
    line.as_object_mut().expect("an object").remove("exit_code");
    assert_eq!(mistakes_of_line(&line), ["task_done.exit_code is missing"]);
}
