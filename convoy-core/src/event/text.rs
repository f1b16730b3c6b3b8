//! Events as JSON text, without a tree of values in between: what a store and a reader of many events need.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};
use serde_json::de::StrRead;

use super::{ConvoyEvent, DecodeError, Event, EventRecord, PublishEvent, TaskEvent};
use crate::types::{AttemptNo, TaskId, TaskIx};

impl Event {
    /// The text of [`Event::data`].
    pub fn data_text(&self) -> String {
        format!("{{{}}}", self.fields())
    }

    /// The members of the data, without the braces around them.
    fn fields(&self) -> String {
        let encoded = match self {
            Self::Convoy(event) => serde_json::to_string(event),
            Self::Task { event, .. } => serde_json::to_string(event),
            Self::Publish(event) => serde_json::to_string(event),
        };
        // Events hold only texts, numbers, lists and maps with text keys; those always encode.
        let mut text = encoded.unwrap_or_default();
        // `{"type":"…","data":{…}}`, as the areas are declared: what stands between the inner braces.
        let begin = r#"{"type":"","data":{"#.len() + self.type_name().len();
        text.truncate(text.len().saturating_sub("}}".len()));
        text.drain(..begin.min(text.len()));
        if let Self::Task { task, attempt, .. } = self {
            let mut number = |name: &str, value: u32| {
                let comma = if text.is_empty() { "" } else { "," };
                text.push_str(&format!("{comma}\"{name}\":{value}"));
            };
            number("task_index", task.0);
            if let Some(attempt) = attempt {
                number("attempt_no", attempt.0);
            }
        }
        text
    }

    /// Reads what [`Event::type_name`] and [`Event::data_text`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] when the type is unknown or the data damaged.
    pub fn decode_text(kind: &str, task_id: Option<&str>, data: &str) -> Result<Self, DecodeError> {
        let damaged = |source| DecodeError::Data { kind: kind.to_owned(), source };
        let tagged = Tagged { kind, data };
        if ConvoyEvent::TYPES.contains(&kind) {
            return ConvoyEvent::deserialize(tagged).map(Self::Convoy).map_err(damaged);
        }
        if PublishEvent::TYPES.contains(&kind) {
            return PublishEvent::deserialize(tagged).map(Self::Publish).map_err(damaged);
        }
        if !TaskEvent::TYPES.contains(&kind) {
            return Err(DecodeError::UnknownType(kind.to_owned()));
        }
        let numbers: Numbers = serde_json::from_str(data).map_err(damaged)?;
        let (Some(task), Some(id)) = (numbers.task_index, task_id) else {
            return Err(DecodeError::NoTask(kind.to_owned()));
        };
        let id = TaskId::new(id).map_err(|wrong| damaged(serde_json::Error::custom(wrong)))?;
        let event = TaskEvent::deserialize(tagged).map_err(damaged)?;
        Ok(Self::Task { task: TaskIx(task), id, attempt: numbers.attempt_no.map(AttemptNo), event })
    }
}

/// What stands in the data of a task's event beside that of its type.
#[derive(Deserialize)]
struct Numbers {
    task_index: Option<u32>,
    attempt_no: Option<u32>,
}

impl EventRecord {
    /// The text of [`EventRecord::to_flat_json`], on one line.
    pub fn to_flat_text(&self) -> String {
        let envelope = Envelope {
            seq: self.seq,
            timestamp: self.time,
            kind: self.event.type_name(),
            convoy: self.convoy.as_str(),
            task: self.task_id().map(TaskId::as_str),
            worker: self.worker_id().map(String::from),
        };
        // Texts and numbers always encode.
        let mut text = serde_json::to_string(&envelope).unwrap_or_default();
        let fields = self.event.fields();
        if !fields.is_empty() {
            text.reserve_exact(fields.len() + 1);
            text.pop();
            text.push(',');
            text.push_str(&fields);
            text.push('}');
        }
        text
    }
}

/// What stands around the data. No type of event has a member of one of these names.
#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "_event_id")]
    seq: u64,
    timestamp: crate::types::Timestamp,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(rename = "convoy_id")]
    convoy: &'a str,
    #[serde(rename = "task_id")]
    task: Option<&'a str>,
    #[serde(rename = "worker_id")]
    worker: Option<String>,
}

/// `{"type": kind, "data": data}` for the enum of an area, in this order: so its variant is known before the data is
/// read, which is then read once.
#[derive(Clone, Copy)]
struct Tagged<'a> {
    kind: &'a str,
    data: &'a str,
}

impl<'de> Deserializer<'de> for Tagged<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let data = serde_json::Deserializer::from_str(self.data);
        visitor.visit_map(Members { kind: self.kind, data, given: 0 })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Members<'de> {
    kind: &'de str,
    data: serde_json::Deserializer<StrRead<'de>>,
    /// Members whose name was asked for.
    given: usize,
}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members")
            .field("kind", &self.kind)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let Some(name) = ["type", "data"].get(self.given) else { return Ok(None) };
        self.given += 1;
        let name: StrDeserializer<'_, Self::Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        if self.given == 1 {
            let kind: StrDeserializer<'_, Self::Error> = self.kind.into_deserializer();
            return seed.deserialize(kind);
        }
        let value = seed.deserialize(&mut self.data)?;
        self.data.end()?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::types::{ConvoyId, Timestamp};

    // That the texts of all types are those of their JSON, and that no name of the envelope is taken, is tested beside
    // their schema.

    fn killed(reason: &str, attempt: Option<AttemptNo>) -> Event {
        let (id, event) = (TaskId::new("t").expect("valid"), TaskEvent::Killed { reason: reason.to_owned() });
        Event::Task { task: TaskIx(3), id, attempt, event }
    }

    #[test]
    fn any_text_survives() {
        let any = "\"}, \\ \u{0} \n ü \u{1f69a} {\"type\":\"x\",\"data\":{}}";
        for attempt in [None, Some(AttemptNo(2))] {
            let event = killed(any, attempt);
            let text = event.data_text();
            assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")["reason"], any);
            assert_eq!(Event::decode_text("worker_killed", Some("t"), &text).expect("reads"), event);
        }
    }

    #[test]
    fn an_event_without_data_has_the_numbers_of_its_task_only() {
        let (id, event) = (TaskId::new("a \" b").expect("valid"), TaskEvent::Cancelled {});
        let event = Event::Task { task: TaskIx(3), id, attempt: None, event };
        assert_eq!(event.data_text(), r#"{"task_index":3}"#);
        let convoy = ConvoyId::from_parts(1, 1);
        let record = EventRecord { seq: 9, time: Timestamp(1), convoy, event };
        assert_eq!(record.to_flat_text(), record.to_flat_json().to_string());
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let damaged = ["", "{", "[]", "null", "{} {}", "{}x", r#"{"reason":1}"#, r#"{"task_index":-1}"#];
        for data in damaged {
            let refused = Event::decode_text("worker_killed", Some("t"), data);
            assert!(refused.is_err(), "{data}: {refused:?}");
            let refused = Event::decode_text("convoy_paused", None, data);
            assert!(matches!(refused, Err(DecodeError::Data { .. })), "{data}: {refused:?}");
        }
        let killed = json!({"reason": "r", "task_index": 1}).to_string();
        let refused = Event::decode_text("task_flown", Some("t"), &killed);
        assert!(matches!(refused, Err(DecodeError::UnknownType(_))), "{refused:?}");
        let refused = Event::decode_text("worker_killed", None, &killed);
        assert!(matches!(refused, Err(DecodeError::NoTask(_))), "{refused:?}");
        let refused = Event::decode_text("worker_killed", Some("t"), r#"{"reason":"r"}"#);
        assert!(matches!(refused, Err(DecodeError::NoTask(_))), "{refused:?}");
        let refused = Event::decode_text("worker_killed", Some(""), &killed);
        assert!(matches!(refused, Err(DecodeError::Data { .. })), "{refused:?}");
        let behind = format!("{killed}, \"x\": 1");
        let refused = Event::decode_text("worker_killed", Some("t"), &behind);
        assert!(matches!(refused, Err(DecodeError::Data { .. })), "{refused:?}");
    }
}
