//! What happens, told to the host's log through `tracing`: the events that matter to a person who embeds the engine.
//!
//! Texts come from events, where secrets are redacted before they are stored. Everything else here is the engine's own.

use tracing::Level;

use crate::event::{ConvoyEvent, Event, TaskEvent};
use crate::types::{AttemptNo, ConvoyId, TaskId};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    level: Level,
    /// The type of the event.
    kind: &'static str,
    task: Option<(TaskId, Option<AttemptNo>)>,
    message: String,
}

/// Whether anybody hears what is told.
fn is_heard() -> bool {
    tracing::enabled!(Level::WARN) || tracing::enabled!(Level::INFO) || tracing::enabled!(Level::DEBUG)
}

/// What is to be told of these events, once they are recorded.
pub(super) fn notes(events: &[Event]) -> Vec<Note> {
    if is_heard() { events.iter().map(note).collect() } else { Vec::new() }
}

/// Tells it.
pub(super) fn tell(convoy: &ConvoyId, notes: Vec<Note>) {
    for Note { level, kind, task, message } in notes {
        let (task, attempt) = task.unzip();
        let (task, attempt) = (task.as_ref().map(TaskId::as_str), attempt.flatten().map(|attempt| attempt.0));
        macro_rules! told {
            ($level:expr) => {
                tracing::event!($level, convoy = %convoy, task, attempt, event = kind, "{message}")
            };
        }
        match level {
            Level::ERROR => told!(Level::ERROR),
            Level::WARN => told!(Level::WARN),
            Level::INFO => told!(Level::INFO),
            Level::DEBUG => told!(Level::DEBUG),
            Level::TRACE => told!(Level::TRACE),
        }
    }
}

fn note(event: &Event) -> Note {
    let (task, told) = match event {
        Event::Convoy(event) => (None, of_convoy(event)),
        Event::Task { id, attempt, event, .. } => (Some((id.clone(), *attempt)), of_task(event)),
        Event::Publish(_) => (None, None),
    };
    let kind = event.type_name();
    let (level, message) = told.unwrap_or_else(|| (Level::DEBUG, format!("recorded {kind}")));
    Note { level, kind, task, message }
}

fn of_convoy(event: &ConvoyEvent) -> Option<(Level, String)> {
    Some(match event {
        ConvoyEvent::Started(_) => (Level::INFO, "the convoy began".to_owned()),
        ConvoyEvent::Resumed { .. } => (Level::INFO, "the convoy goes on".to_owned()),
        ConvoyEvent::Interrupted { reason, .. } => {
            (Level::INFO, format!("the run was interrupted: {reason}"))
        }
        ConvoyEvent::RequestRefused { request, reason, actor, .. } => {
            (Level::WARN, format!("{request} of {actor} was refused: {reason}"))
        }
        ConvoyEvent::InjectionRefused { reason, .. } => {
            (Level::WARN, format!("tasks were not added: {reason}"))
        }
        ConvoyEvent::BudgetExceeded { scope, limit, used, .. } => {
            (Level::WARN, format!("the budget of {scope} is used up: {used} of {limit}"))
        }
        ConvoyEvent::BreakerTripped { agent, .. } => {
            (Level::WARN, format!("the role {agent} fails again and again, and rests"))
        }
        ConvoyEvent::Gate { gate, passed: false, .. } => {
            (Level::WARN, format!("the convoy's gate {gate} failed"))
        }
        ConvoyEvent::HookFailed { hook, error, .. } => {
            (Level::WARN, format!("the hook {hook} failed: {error}"))
        }
        ConvoyEvent::Guard { warnings, .. } if !warnings.is_empty() => {
            (Level::WARN, format!("the repository was changed in another way: {}", warnings.join("; ")))
        }
        ConvoyEvent::Finished(_) => (Level::INFO, "the convoy is done".to_owned()),
        ConvoyEvent::Failed(_) => (Level::WARN, "the convoy has failed".to_owned()),
        ConvoyEvent::Cancelled(_) => (Level::INFO, "the convoy was cancelled".to_owned()),
        _ => return None,
    })
}

fn of_task(event: &TaskEvent) -> Option<(Level, String)> {
    Some(match event {
        TaskEvent::Parked { provider, failure, .. } => {
            (Level::WARN, format!("the adapter {provider} rests: {}", failure.message))
        }
        TaskEvent::Retried { failure: Some(failure), .. } => {
            (Level::INFO, format!("the attempt failed and is repeated: {}", failure.message))
        }
        TaskEvent::Failed { failure, .. } => {
            (Level::WARN, format!("the task has failed: {}", failure.message))
        }
        TaskEvent::ConflictFailed { .. } => (Level::WARN, "its conflict could not be resolved".to_owned()),
        TaskEvent::DisputeOpened(_) => {
            (Level::WARN, "reviewers dispute its work: a person is needed".to_owned())
        }
        TaskEvent::AwaitingApproval { .. } => (Level::INFO, "it waits for an approval".to_owned()),
        TaskEvent::Done { .. } => (Level::INFO, "the task is done".to_owned()),
        TaskEvent::Killed { reason } => (Level::INFO, format!("its agent was ended: {reason}")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TaskIx;

    fn of(event: TaskEvent) -> Event {
        let id = TaskId::new("a").expect("valid");
        Event::Task { task: TaskIx(0), id, attempt: Some(AttemptNo(2)), event }
    }

    #[test]
    fn what_a_person_should_know_is_told_louder_than_the_rest() {
        let refused = ConvoyEvent::RequestRefused {
            request: "approve".into(),
            task: None,
            reason: "it is done".into(),
            actor: "ann".into(),
            request_id: None,
        };
        let cases = [
            (Event::Convoy(refused), Level::WARN, "approve of ann was refused: it is done"),
            (of(TaskEvent::Killed { reason: "late".into() }), Level::INFO, "its agent was ended: late"),
            (of(TaskEvent::Cancelled {}), Level::DEBUG, "recorded task_cancelled"),
        ];
        for (event, level, message) in cases {
            let note = note(&event);
            assert_eq!((note.level, note.message.as_str()), (level, message));
            assert_eq!(note.task.is_some(), matches!(event, Event::Task { .. }));
        }
        assert_eq!(notes(&[of(TaskEvent::Cancelled {})]), [], "nobody hears it");
    }
}
