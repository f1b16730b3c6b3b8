//! The schema of events as others read them: which fields the data of each type has, and of what type they are.
//!
//! It stands beside the types that the engine writes from, so that neither changes without the other: what a program
//! reads today is there tomorrow.

mod meanings;
mod reference;
mod table;
#[cfg(test)]
mod tests;

pub use self::reference::reference_markdown;
use serde_json::{Map, Value};

use self::table::{EVENTS, RECORDS, WORDS};
use super::{ConvoyEvent, Event, PublishEvent, TaskEvent};
use crate::types::{ConvoyId, Oid, TaskId, Timestamp, WorkerId};

/// The fields around the data of an event.
const ENVELOPE: &str = "_event_id: count, timestamp: time, type: text, convoy_id: text";

/// One field as the table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    name: &'static str,
    kind: &'static str,
    optional: bool,
}

/// The fields of a line of a table.
fn fields(line: &'static str) -> impl Iterator<Item = Field> {
    line.split(", ").filter(|field| !field.is_empty()).filter_map(|field| {
        let (name, kind) = field.split_once(": ")?;
        let optional = name.ends_with('?');
        Some(Field { name: name.trim_end_matches('?'), kind, optional })
    })
}

fn find(table: &'static [(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, line)| *line)
}

/// What is wrong with an event, against the schema of its type; nothing when it is as it should be.
pub fn mistakes(event: &Event) -> Vec<String> {
    let data = event.data();
    let Value::Object(data) = &data else { return vec!["the data is no object".to_owned()] };
    of_data(event.type_name(), data)
}

/// What is wrong with one line of the NDJSON record: one flat object, the envelope beside the data.
pub fn mistakes_of_line(line: &Value) -> Vec<String> {
    let Value::Object(line) = line else { return vec!["it is no object".to_owned()] };
    let (mut data, mut envelope) = (line.clone(), Map::new());
    let names = fields(ENVELOPE).map(|field| field.name).chain(["task_id", "worker_id"]);
    envelope.extend(names.filter_map(|name| data.remove_entry(name)));
    let kind = envelope.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = |name: &str| envelope.remove(name).filter(|value| !value.is_null());
    let mut id = id;
    let ids = [("task_id", id("task_id")), ("worker_id", id("worker_id"))];
    let mut wrong = of_record("", ENVELOPE, &envelope);
    let is_id = |name: &str, text: &str| match name {
        "worker_id" => WorkerId::try_from(text.to_owned()).is_ok(),
        _ => TaskId::new(text).is_ok(),
    };
    for (name, value) in ids {
        let wanted = TaskEvent::TYPES.contains(&kind.as_str());
        match value {
            Some(value) if !value.as_str().is_some_and(|text| is_id(name, text)) => {
                wrong.push(format!("{name} is {value}"));
            }
            Some(_) if !wanted => wrong.push(format!("{name} stands at an event of no task")),
            None if wanted && name == "task_id" => wrong.push("it names no task".to_owned()),
            _ => {}
        }
    }
    let convoy = envelope.get("convoy_id").and_then(Value::as_str).unwrap_or_default();
    if ConvoyId::try_from(convoy.to_owned()).is_err() {
        wrong.push(format!("convoy_id is {convoy:?}"));
    }
    wrong.extend(of_data(&kind, &data));
    wrong
}

fn of_data(kind: &str, data: &Map<String, Value>) -> Vec<String> {
    let Some(line) = find(EVENTS, kind) else { return vec![format!("there is no schema for {kind:?}")] };
    let mut data = data.clone();
    let mut wrong = Vec::new();
    if TaskEvent::TYPES.contains(&kind) {
        let of_task: Map<String, Value> =
            ["task_index", "attempt_no"].iter().filter_map(|name| data.remove_entry(*name)).collect();
        wrong = of_record(kind, "task_index: count, attempt_no?: count", &of_task);
    } else if !ConvoyEvent::TYPES.contains(&kind) && !PublishEvent::TYPES.contains(&kind) {
        wrong.push(format!("there is no event {kind:?}"));
    }
    wrong.extend(of_record(kind, line, &data));
    wrong
}

/// What is wrong with an object of these fields.
fn of_record(path: &str, line: &'static str, object: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    for field in fields(line) {
        let path = format!("{path}.{}", field.name);
        match object.get(field.name) {
            Some(value) => wrong.extend(of_value(&path, field.kind, value)),
            None if !field.optional => wrong.push(format!("{path} is missing")),
            None => {}
        }
    }
    let unknown = object.keys().filter(|name| !fields(line).any(|field| field.name == name.as_str()));
    wrong.extend(unknown.map(|name| format!("{path}.{name} is in no schema")));
    wrong
}

fn of_value(path: &str, kind: &'static str, value: &Value) -> Vec<String> {
    if let Some(kind) = kind.strip_suffix("[]") {
        return match value {
            Value::Array(items) => items.iter().flat_map(|item| of_value(path, kind, item)).collect(),
            _ => vec![format!("{path} is no list: {value}")],
        };
    }
    if let Some(line) = find(RECORDS, kind) {
        return match value {
            Value::Object(object) => of_record(path, line, object),
            _ => vec![format!("{path} is no object: {value}")],
        };
    }
    let all = |holds: fn(&Value) -> bool| value.as_array().is_some_and(|items| items.iter().all(holds));
    let holds = match kind {
        "text" => value.is_string(),
        "bool" => value.is_boolean(),
        "count" => value.is_u64(),
        "int" => value.is_i64(),
        "number" => value.is_number(),
        "oid" => value.as_str().is_some_and(|text| Oid::new(text).is_ok()),
        "time" => value.as_str().is_some_and(|text| Timestamp::try_from(text.to_owned()).is_ok()),
        "texts" => all(Value::is_string),
        "counts" => all(Value::is_u64),
        "tasks" => all(|task| task.get("id").is_some_and(Value::is_string)),
        "providers" => value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
        "limits" => value
            .as_object()
            .is_some_and(|map| map.values().all(|limit| limit.get("stagger_ms").is_some_and(Value::is_u64))),
        "concurrency" => value == "auto" || value.get("fixed").is_some_and(Value::is_u64),
        words => {
            let words = find(WORDS, words).unwrap_or(words);
            value.as_str().is_some_and(|text| words.split('|').any(|word| word == text))
        }
    };
    if holds { Vec::new() } else { vec![format!("{path} is no {kind}: {value}")] }
}
