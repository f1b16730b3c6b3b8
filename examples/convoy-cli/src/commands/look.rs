//! `status`, `list`, `events`: what is stored. They change nothing and create nothing.

use std::io::IsTerminal as _;
use std::time::Duration;

use convoy_core::clock::{Clock, SystemClock};
use convoy_core::engine::Engine;
use convoy_core::event::EventRecord;
use convoy_core::store::ConvoySummary;
use convoy_core::types::{ConvoyStatus, TaskId};
use serde_json::Value;

use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::render::{describe, safe, safe_line, status_lines, table};

/// How often a followed convoy is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Events read at once.
const BATCH: usize = 1_000;

/// A convoy and its tasks.
pub(super) async fn status(app: &mut App, wanted: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let mut view = engine.status(&id).await?;
    if json {
        app.out.json(&encoded(&view)?);
    } else {
        let now = SystemClock.now();
        for task in &mut view.tasks {
            if let (Some(what), Some(since)) = (&mut task.waiting_for, task.waiting_since) {
                what.push_str(&format!(", asked {} ago", ago(now.since(since))));
            }
        }
        let running = engine.is_running(&id).await?;
        let hints = app.hints();
        app.out.lines(&status_lines(&view, running, &hints));
    }
    Ok(Exit::Success)
}

/// About how long, for people.
fn ago(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=89 => format!("{seconds} s"),
        seconds @ 90..=5_399 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// All convoys.
pub(super) async fn list(app: &mut App, json: bool) -> Result<Exit, Failure> {
    let engine = app.stored().await?;
    let convoys = match &engine {
        Some(engine) => engine.list().await?,
        None => Vec::new(),
    };
    if json {
        app.out.json(&encoded(&convoys)?);
        return Ok(Exit::Success);
    }
    if convoys.is_empty() {
        app.out.note(app.nothing().message);
        return Ok(Exit::Success);
    }
    let header = ["CONVOY", "STATUS", "DONE", "BRANCH", "STARTED", "NAME"].map(str::to_owned).to_vec();
    let mut rows = vec![header];
    for convoy in &convoys {
        let running = convoy.status.is_final() || engine_runs(&engine, convoy).await?;
        rows.push(row(convoy, running));
    }
    app.out.lines(&table(&rows));
    Ok(Exit::Success)
}

/// An artifact: for a program as it is, on a terminal free of what could drive it.
pub(super) async fn artifact(
    app: &mut App,
    task: &TaskId,
    name: &str,
    wanted: Option<&str>,
) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let content = engine.artifact(&id, task, name).await?;
    if std::io::stdout().is_terminal() {
        app.out.line(safe(String::from_utf8_lossy(&content).trim_end_matches('\n')));
    } else {
        app.out.bytes(&content);
    }
    Ok(Exit::Success)
}

async fn engine_runs(engine: &Option<Engine>, convoy: &ConvoySummary) -> Result<bool, Failure> {
    match engine {
        Some(engine) => Ok(engine.is_running(&convoy.id).await?),
        None => Ok(false),
    }
}

/// `running`: an engine runs it, or it needs none.
fn row(convoy: &ConvoySummary, running: bool) -> Vec<String> {
    let branch = safe_line(&convoy.branch);
    let status = match convoy.status {
        ConvoyStatus::Done if !convoy.published => "done, not published".to_owned(),
        status if running => status.to_string(),
        status => format!("{status}, no engine"),
    };
    vec![
        convoy.id.to_string(),
        status,
        format!("{}/{}", convoy.totals.done, convoy.totals.total),
        if convoy.published { branch } else { format!("{branch} (not published)") },
        convoy.created_at.to_string(),
        safe_line(&convoy.name),
    ]
}

fn encoded(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::io("write JSON", error))
}

/// What happened. `follow`: waits for more as long as an engine runs the convoy.
pub(super) async fn events(
    app: &mut App,
    wanted: Option<&str>,
    follow: bool,
    json: bool,
) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let mut after = 0;
    loop {
        // Asked before reading, so that what was recorded meanwhile is still read.
        let running = follow && engine.is_running(&id).await?;
        loop {
            let batch = engine.events(&id, after, BATCH).await?;
            for record in &batch {
                show(app, record, json);
            }
            after = batch.last().map_or(after, |record| record.seq);
            if batch.len() < BATCH || app.out.is_closed() {
                break;
            }
        }
        if !running || app.out.is_closed() {
            return Ok(Exit::Success);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn show(app: &mut App, record: &EventRecord, json: bool) {
    if json {
        app.out.json_line(&record.to_flat_json());
    } else {
        app.out.line(event_line(record));
    }
}

fn event_line(record: &EventRecord) -> String {
    format!("{}  {:<24}  {}", record.time, record.event.type_name(), describe(record))
}

#[cfg(test)]
mod tests {
    use convoy_core::event::TaskEvent;
    use convoy_core::types::{ConvoyId, Timestamp, Totals};

    use super::*;
    use crate::testing::task_record;

    #[test]
    fn an_event_is_a_line_with_its_time_and_type() {
        let record = task_record(1, "a", Some(1), 1_500, TaskEvent::Killed { reason: "timeout".into() });
        let wanted = "1970-01-01T00:00:01.500Z  worker_killed             a: the agent was ended: timeout";
        assert_eq!(event_line(&record), wanted);
    }

    #[test]
    fn a_convoy_is_a_row_that_says_whether_it_is_published() {
        let convoy = ConvoySummary {
            id: ConvoyId::from_parts(1, 1),
            name: "x\u{7}".into(),
            status: ConvoyStatus::Done,
            branch: "main".into(),
            branch_ref: "refs/heads/main".into(),
            published: false,
            unfinished: true,
            created_at: Timestamp(0),
            finished_at: None,
            totals: Totals { total: 3, done: 2, ..Totals::default() },
        };
        let wanted =
            ["done, not published", "2/3", "main (not published)", "1970-01-01T00:00:00.000Z", "x\u{fffd}"];
        assert_eq!(row(&convoy, true)[1..], wanted);
        let published = ConvoySummary { published: true, ..convoy };
        assert_eq!((&*row(&published, true)[1], &*row(&published, true)[3]), ("done", "main"));
        let left = ConvoySummary { status: ConvoyStatus::Running, ..published };
        assert_eq!((&*row(&left, false)[1], &*row(&left, true)[1]), ("running, no engine", "running"));
    }
}
