//! Tasks that are added while a convoy runs.

use std::sync::Arc;

use super::accept::{problem_json, redactor_for};
use super::handle::Inner;
use super::request;
use super::stored::load_from;
use crate::error::{Error, ErrorKind};
use crate::event::RequestKind;
use crate::plan::Plan;
use crate::secret::Redactor;
use crate::spec::{Injected, Task, injected_tasks};
use crate::types::ConvoyId;

/// Longest name that an asker may give to a request, in bytes.
const MOST_KEY: usize = 200;

/// Reads the tasks and asks whoever runs the convoy to add them. Returns the name of the request.
pub(super) async fn inject(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    bytes: &[u8],
    source: String,
    idempotency_key: Option<String>,
) -> Result<String, Error> {
    let parts = &inner.parts;
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    let key = idempotency_key.unwrap_or_else(|| ulid::Ulid::generate().to_string());
    if key.is_empty() || key.len() > MOST_KEY {
        let text = format!("an idempotency key has 1 to {MOST_KEY} bytes, not {}", key.len());
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    let plan = loaded.state.plan();
    let redactor = redactor_for(parts, plan);
    let tasks = read(bytes, plan, &redactor).map_err(|unfit| unfit.error())?;
    let kind = RequestKind::Inject { tasks, source, idempotency_key: Some(key.clone()) };
    request::request(inner, convoy, kind).await?;
    Ok(key)
}

/// Why tasks cannot be taken from a text.
pub(super) struct Unfit {
    /// For people, free of secrets.
    pub(super) reason: String,
    details: Vec<serde_json::Value>,
}

impl Unfit {
    fn error(self) -> Error {
        Error::new(ErrorKind::InvalidSpec, self.reason).with_details(self.details.into())
    }
}

/// The tasks of a text, with the defaults of the convoy. They are as written: secrets are still in them.
pub(super) fn read(bytes: &[u8], plan: &Plan, redactor: &Redactor) -> Result<Vec<Task>, Unfit> {
    let Some(like) = plan.spec().task_defaults.as_deref() else {
        let text = "the convoy was started by an earlier version, which did not keep its defaults; start another one";
        return Err(Unfit { reason: text.to_owned(), details: Vec::new() });
    };
    let Injected { tasks, problems } = injected_tasks(bytes, like);
    if let Some(tasks) = tasks {
        return Ok(tasks);
    }
    let errors: Vec<_> = problems.iter().filter(|problem| problem.is_error()).collect();
    let shown: Vec<String> = errors.iter().take(5).map(ToString::to_string).collect();
    let more = errors.len() - shown.len();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    // What is wrong may be quoted.
    let reason = redactor.clean(&(shown.join("; ") + &more));
    Err(Unfit { reason, details: problems.iter().map(problem_json).collect() })
}
