//! `show`: one attempt at a task, whole.

use convoy_core::types::{AttemptNo, TaskId};
use serde_json::json;

use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::render::attempt_lines;

/// Prints what is known of an attempt.
pub(super) async fn show(
    app: &mut App,
    task: &TaskId,
    wanted: Option<&str>,
    attempt: Option<u32>,
    json: bool,
) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let view = engine.attempt(&id, task, attempt.map(AttemptNo)).await?;
    if json {
        app.out.json(&json!(view));
    } else {
        app.out.lines(&attempt_lines(&view));
    }
    Ok(Exit::Success)
}
