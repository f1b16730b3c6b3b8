//! A spec as it is stored, and a convoy as it is loaded.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::driver::store_error;
use crate::error::{Error, ErrorKind};
use crate::event::{ConvoyEvent, Event};
use crate::plan::{Plan, plan};
use crate::secret::{Redactor, printable};
use crate::spec::{Spec, Task};
use crate::state::RunState;
use crate::store::StoredConvoy;

/// The stored form of a spec: its typed fields as JSON, defaults applied, redacted. A later version, whose
/// defaults may differ, reads the same spec from it.
///
/// # Errors
/// [`ErrorKind::InvalidSpec`] when a secret stands anywhere but in a task's prompt. (A task whose prompt
/// holds one fails when its prompt is scanned; the rest of the convoy runs.)
pub(crate) fn to_stored(spec: &Spec, redactor: &Redactor) -> Result<String, Error> {
    let internal =
        |error| Error::new(ErrorKind::Internal, "the spec cannot be written as JSON").because(error);
    let mut value = serde_json::to_value(spec).map_err(internal)?;
    let mut found = Vec::new();
    redact(&mut value, &mut String::new(), redactor, &mut found);
    only_in_prompts("the convoy file holds", found)?;
    Ok(value.to_string())
}

/// Tasks to be added as they are stored, as the tasks of a spec.
///
/// # Errors
/// As those of [`to_stored`].
pub(super) fn to_stored_tasks(tasks: Vec<Task>, redactor: &Redactor) -> Result<Vec<Task>, Error> {
    let internal =
        |error| Error::new(ErrorKind::Internal, "the tasks cannot be written as JSON").because(error);
    let mut value = serde_json::to_value(tasks).map_err(internal)?;
    let (mut path, mut found) = ("tasks".to_owned(), Vec::new());
    redact(&mut value, &mut path, redactor, &mut found);
    only_in_prompts("a task to be added holds", found)?;
    serde_json::from_value(value).map_err(internal)
}

fn only_in_prompts(who: &str, mut found: Vec<String>) -> Result<(), Error> {
    found.retain(|path| !(path.starts_with("tasks[") && path.ends_with("].prompt")));
    if found.is_empty() {
        return Ok(());
    }
    let places = found.join(", ");
    let text = format!("{who} a secret in {places}; write it as {{from_env: NAME}} under `env` instead");
    Err(Error::new(ErrorKind::InvalidSpec, text))
}

fn redact(value: &mut Value, path: &mut String, redactor: &Redactor, found: &mut Vec<String>) {
    let before = path.len();
    match value {
        Value::String(text) => {
            // What no secret stands in stays as it was written, escape sequences and all.
            if has_secret(text, redactor) {
                found.push(path.clone());
                *text = redactor.clean(text);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                path.push_str(&format!("[{n}]"));
                redact(item, path, redactor, found);
                path.truncate(before);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                redact(field, path, redactor, found);
                path.truncate(before);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn has_secret(text: &str, redactor: &Redactor) -> bool {
    !redactor.scan(&printable(text)).is_empty()
}

/// Reads [`to_stored`]'s text.
pub(crate) fn from_stored(text: &str) -> Result<Arc<Plan>, Error> {
    let damaged = "the stored spec cannot be read by this version; use the one that wrote it, or a newer one";
    let spec: Spec =
        serde_json::from_str(text).map_err(|error| Error::new(ErrorKind::Store, damaged).because(error))?;
    let planned = plan(Arc::new(spec)).map_err(|problems| {
        let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Error::new(ErrorKind::Store, format!("{damaged} ({})", list.join("; ")))
    })?;
    Ok(Arc::new(planned))
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A convoy as its log says.
pub(crate) struct Loaded {
    pub(crate) state: RunState,
    pub(crate) last_seq: u64,
}

/// Rebuilds a convoy from its record.
///
/// # Errors
/// [`ErrorKind::Store`] when the record is damaged or of a newer version.
pub(crate) fn load(stored: &StoredConvoy) -> Result<Loaded, Error> {
    let plan = from_stored(&stored.spec_text)?;
    let damaged = || Error::new(ErrorKind::Store, format!("the log of convoy {} is damaged", stored.id));
    let mut events = stored.events.iter();
    let first = events.next().ok_or_else(damaged)?;
    let Event::Convoy(ConvoyEvent::Started(started)) = &first.event else {
        return Err(damaged());
    };
    let mut state = RunState::new(plan, stored.id.clone(), first.time, (**started).clone());
    let mut last_seq = first.seq;
    for record in events {
        state.apply(&record.event, record.time).map_err(|illegal| damaged().because(illegal))?;
        last_seq = record.seq;
    }
    Ok(Loaded { state, last_seq })
}

/// Loads and rebuilds a convoy.
pub(crate) async fn load_from(
    store: &dyn crate::store::Store,
    convoy: &crate::types::ConvoyId,
) -> Result<(Loaded, StoredConvoy), Error> {
    let stored = store.load(convoy).await.map_err(store_error)?;
    let loaded = load(&stored)?;
    Ok((loaded, stored))
}
