//! `inject`: tasks for a convoy that runs, in this process or another.

use std::path::Path;
use std::time::Duration;

use convoy_core::engine::Engine;
use convoy_core::event::{ConvoyEvent, Event, EventRecord};
use convoy_core::spec::injected_tasks;
use convoy_core::types::{ConvoyId, TaskId};

use super::spec::{problem_line, read};
use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::render::{count, safe_line};

/// How often an answer is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// Events read at once.
const BATCH: usize = 1_000;

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Added(Vec<TaskId>),
    Refused(String),
}

/// Gives the tasks to whoever runs the convoy, and waits for the answer while somebody does.
pub(super) async fn inject(
    app: &mut App,
    file: &Path,
    wanted: Option<&str>,
    key: Option<&str>,
) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let bytes = read(app, file)?;
    if let Some(like) = &engine.plan_of(&id).await?.spec().task_defaults {
        let problems = injected_tasks(&bytes, like).problems;
        problems.iter().for_each(|problem| app.out.note(problem_line(file, problem)));
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        if errors > 0 {
            let number = u64::try_from(errors).unwrap_or(u64::MAX);
            let text = format!("{} is refused: {}", file.display(), count(number, "error"));
            return Err(Failure::spec(text));
        }
    }
    let (mut after, earlier) = answer(&engine, &id, 0, key).await?;
    if let Some(Answer::Added(tasks)) = earlier {
        app.out.line(format!("nothing to do: {} were added under this key before", names(&tasks)));
        return Ok(Exit::Success);
    }
    let name = file.file_name().map_or_else(|| file.to_string_lossy(), |name| name.to_string_lossy());
    let key = engine.inject(&id, &bytes, &name, key).await?;
    loop {
        // Asked before reading, so that what was recorded meanwhile is still read.
        let running = engine.is_running(&id).await?;
        let (seen, said) = answer(&engine, &id, after, Some(&key)).await?;
        after = seen;
        match said {
            Some(Answer::Added(tasks)) => {
                app.out.line(format!("added to {id}: {}", names(&tasks)));
                return Ok(Exit::Success);
            }
            Some(Answer::Refused(reason)) => {
                let text = format!("nothing of {} is added: {}", file.display(), safe_line(&reason));
                return Err(Failure { kind: "state", ..Failure::usage(text) });
            }
            None if !running => {
                app.out.line(format!("the tasks are looked at once {id} is resumed"));
                return Ok(Exit::Success);
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

fn names(tasks: &[TaskId]) -> String {
    tasks.iter().map(|task| safe_line(task.as_str())).collect::<Vec<_>>().join(", ")
}

/// The newest answer to the request of this key after an event, and the number of the last event.
async fn answer(
    engine: &Engine,
    id: &ConvoyId,
    mut after: u64,
    key: Option<&str>,
) -> Result<(u64, Option<Answer>), Failure> {
    let mut found = None;
    loop {
        let batch = engine.events(id, after, BATCH).await?;
        after = batch.last().map_or(after, |record| record.seq);
        let full = batch.len() == BATCH;
        found = batch.into_iter().filter_map(|record| answers(record, key)).last().or(found);
        if !full {
            return Ok((after, found));
        }
    }
}

fn answers(record: EventRecord, wanted: Option<&str>) -> Option<Answer> {
    let (key, answer) = match record.event {
        Event::Convoy(ConvoyEvent::TasksAdded { tasks, idempotency_key, .. }) => {
            (idempotency_key, Answer::Added(tasks.into_iter().map(|task| task.id).collect()))
        }
        Event::Convoy(ConvoyEvent::InjectionRefused { reason, idempotency_key, .. }) => {
            (idempotency_key, Answer::Refused(reason))
        }
        _ => return None,
    };
    (wanted.is_some() && key.as_deref() == wanted).then_some(answer)
}
