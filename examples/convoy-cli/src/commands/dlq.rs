//! `dlq`: tasks that were given up and wait for a person.

use convoy_core::engine::{DeadLetterView, Engine};
use convoy_core::types::{ConvoyId, TaskId};
use serde_json::json;

use super::run::with_env;
use crate::app::{App, choose};
use crate::args::{AgentArgs, DlqCommand};
use crate::drive::drive;
use crate::exit::{Exit, Failure};
use crate::render::{safe_line, table};

pub(super) async fn execute(app: &mut App, command: DlqCommand) -> Result<Exit, Failure> {
    match command {
        DlqCommand::List { convoy, json } => list(app, convoy.convoy.as_deref(), json).await,
        DlqCommand::Resolve { id, reason, convoy } => resolve(app, &id, &reason, convoy.as_deref()).await,
        DlqCommand::Retry { ids, convoy, json, agents } => {
            retry(app, &ids, convoy.as_deref(), &agents, json).await
        }
    }
}

async fn list(app: &mut App, wanted: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let letters = engine.dead_letters(&id).await?;
    if json {
        app.out.json(&json!(letters));
        return Ok(Exit::Success);
    }
    if letters.is_empty() {
        app.out.note(format!("{id} has no dead letters"));
        return Ok(Exit::Success);
    }
    app.out.lines(&rows(&letters));
    Ok(Exit::Success)
}

fn rows(letters: &[DeadLetterView]) -> Vec<String> {
    let header = ["ID", "TASK", "TYPE", "ATTEMPTS", "STATE", "ERROR"].map(str::to_owned).to_vec();
    let row = |letter: &DeadLetterView| {
        let state = match (&letter.resolution, letter.open) {
            (_, true) => "open".to_owned(),
            (Some(how), false) => format!("closed: {}", safe_line(how)),
            (None, false) => "closed".to_owned(),
        };
        vec![
            safe_line(&letter.dlq_id),
            safe_line(letter.task.as_str()),
            safe_line(&letter.failure_type),
            letter.attempts.to_string(),
            state,
            safe_line(&letter.error),
        ]
    };
    table(&std::iter::once(header).chain(letters.iter().map(row)).collect::<Vec<_>>())
}

async fn resolve(app: &mut App, id: &str, reason: &str, wanted: Option<&str>) -> Result<Exit, Failure> {
    let (engine, convoy, _) = holding(app, &[id.to_owned()], wanted).await?;
    engine.resolve_dead_letter(&convoy, id, reason).await?;
    let how = match engine.is_running(&convoy).await? {
        true => "will be closed by the engine that runs its convoy",
        false => "is closed",
    };
    app.out.line(format!("dead letter {} {how}", safe_line(id)));
    Ok(Exit::Success)
}

async fn retry(
    app: &mut App,
    ids: &[String],
    wanted: Option<&str>,
    agents: &AgentArgs,
    json: bool,
) -> Result<Exit, Failure> {
    let (engine, convoy, tasks) = holding(app, ids, wanted).await?;
    let engine = with_env(app, engine, &convoy, agents).await?;
    drive(app, &engine, engine.retry(&convoy, &tasks), json).await
}

/// The convoy that holds these dead letters, and their tasks. Without ids: all open ones of the newest.
async fn holding(
    app: &App,
    ids: &[String],
    wanted: Option<&str>,
) -> Result<(Engine, ConvoyId, Vec<TaskId>), Failure> {
    let Some(engine) = app.stored().await? else { return Err(app.nothing()) };
    let mut convoys: Vec<ConvoyId> = engine.list().await?.into_iter().map(|convoy| convoy.id).collect();
    if wanted.is_some() || ids.is_empty() {
        convoys = choose(&convoys, wanted)?.into_iter().collect();
    }
    for convoy in convoys {
        let letters = engine.dead_letters(&convoy).await?;
        if let Some(tasks) = tasks_of(&letters, ids)? {
            return Ok((engine, convoy, tasks));
        }
    }
    Err(match ids {
        [] => Failure { kind: "not_found", ..Failure::usage("there are no open dead letters") },
        ids => Failure {
            kind: "not_found",
            ..Failure::usage(format!(
                "there is no dead letter {}; `convoy dlq list` shows them",
                ids.join(", ")
            ))
        },
    })
}

/// The tasks of these letters, each once; all open ones without ids. `None` when this convoy has none of them.
fn tasks_of(letters: &[DeadLetterView], ids: &[String]) -> Result<Option<Vec<TaskId>>, Failure> {
    let named = |letter: &&DeadLetterView| match ids {
        [] => letter.open,
        ids => ids.contains(&letter.dlq_id),
    };
    let found: Vec<&DeadLetterView> = letters.iter().filter(named).collect();
    if found.is_empty() {
        return Ok(None);
    }
    if let Some(missing) = ids.iter().find(|id| found.iter().all(|letter| letter.dlq_id != **id)) {
        return Err(Failure::usage(format!(
            "dead letter {missing} is not of the same convoy; retry it by itself"
        )));
    }
    let mut tasks: Vec<TaskId> = Vec::new();
    for letter in found {
        if !tasks.contains(&letter.task) {
            tasks.push(letter.task.clone());
        }
    }
    Ok(Some(tasks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::id;

    fn letter(dlq_id: &str, task: &str, open: bool) -> DeadLetterView {
        DeadLetterView {
            dlq_id: dlq_id.into(),
            task: id(task),
            agent: "developer".into(),
            failure_type: "error".into(),
            attempts: 2,
            error: "exit code 1\nmore".into(),
            open,
            resolution: (!open).then(|| "by hand".into()),
        }
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn dead_letters_are_found_by_id_or_all_that_are_open() {
        let letters = [letter("1", "a", true), letter("2", "a", true), letter("3", "b", false)];
        let tasks = |ids: &[&str]| tasks_of(&letters, &strings(ids)).expect("of one convoy");
        assert_eq!(tasks(&[]), Some(vec![id("a")]));
        assert_eq!(tasks(&["3", "1"]), Some(vec![id("a"), id("b")]));
        assert_eq!(tasks(&["9"]), None);
        assert_eq!(tasks_of(&letters[2..], &[]).expect("none"), None);
        let failure = tasks_of(&letters, &strings(&["1", "9"])).expect_err("one is elsewhere");
        assert!(failure.message.contains("dead letter 9"), "{failure:?}");
    }

    #[test]
    fn dead_letters_are_a_table() {
        let wanted = [
            "ID  TASK  TYPE   ATTEMPTS  STATE            ERROR",
            "1   a     error  2         open             exit code 1 …",
            "3   b     error  2         closed: by hand  exit code 1 …",
        ];
        assert_eq!(rows(&[letter("1", "a", true), letter("3", "b", false)]), wanted);
    }
}
