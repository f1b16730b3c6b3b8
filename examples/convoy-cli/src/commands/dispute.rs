//! `dispute`: tasks whose work three review panels have blocked, and which wait for a person.

use convoy_core::engine::{DisputeView, Engine};
use convoy_core::types::ConvoyId;
use serde_json::json;

use crate::app::{App, choose};
use crate::args::DisputeCommand;
use crate::exit::{Exit, Failure};
use crate::render::{safe_line, table};

pub(super) async fn execute(app: &mut App, command: DisputeCommand) -> Result<Exit, Failure> {
    match command {
        DisputeCommand::List { convoy, json } => list(app, convoy.convoy.as_deref(), json).await,
        DisputeCommand::Resolve { id, reason, convoy } => resolve(app, &id, &reason, convoy.as_deref()).await,
    }
}

async fn list(app: &mut App, wanted: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let disputes = engine.disputes(&id).await?;
    if json {
        app.out.json(&json!(disputes));
        return Ok(Exit::Success);
    }
    if disputes.is_empty() {
        app.out.note(format!("{id} has no disputes"));
        return Ok(Exit::Success);
    }
    app.out.lines(&rows(&disputes));
    Ok(Exit::Success)
}

fn rows(disputes: &[DisputeView]) -> Vec<String> {
    let header = ["ID", "TASK", "PANELS", "STATE", "REASONS"].map(str::to_owned).to_vec();
    let row = |dispute: &DisputeView| {
        let state = match (&dispute.resolution, dispute.open) {
            (_, true) => "open".to_owned(),
            (Some(how), false) => format!("closed: {}", safe_line(how)),
            (None, false) => "closed".to_owned(),
        };
        vec![
            safe_line(&dispute.dispute_id),
            safe_line(dispute.task.as_str()),
            dispute.panel_attempts.to_string(),
            state,
            safe_line(&dispute.reasons),
        ]
    };
    table(&std::iter::once(header).chain(disputes.iter().map(row)).collect::<Vec<_>>())
}

async fn resolve(app: &mut App, id: &str, reason: &str, wanted: Option<&str>) -> Result<Exit, Failure> {
    let (engine, convoy) = holding(app, id, wanted).await?;
    engine.resolve_dispute(&convoy, id, reason).await?;
    let how = match engine.is_running(&convoy).await? {
        true => "will be closed by the engine that runs its convoy",
        false => "is closed",
    };
    app.out.line(format!("dispute {} {how}", safe_line(id)));
    Ok(Exit::Success)
}

/// The convoy that holds this dispute.
async fn holding(app: &App, id: &str, wanted: Option<&str>) -> Result<(Engine, ConvoyId), Failure> {
    let Some(engine) = app.stored().await? else { return Err(app.nothing()) };
    let mut convoys: Vec<ConvoyId> = engine.list().await?.into_iter().map(|convoy| convoy.id).collect();
    if wanted.is_some() {
        convoys = choose(&convoys, wanted)?.into_iter().collect();
    }
    for convoy in convoys {
        if engine.disputes(&convoy).await?.iter().any(|dispute| dispute.dispute_id == id) {
            return Ok((engine, convoy));
        }
    }
    let text = format!("there is no dispute {}; `convoy dispute list` shows them", safe_line(id));
    Err(Failure { kind: "not_found", ..Failure::usage(text) })
}

#[cfg(test)]
mod tests {
    use convoy_core::types::Timestamp;

    use super::*;
    use crate::testing::id;

    fn dispute(dispute_id: &str, open: bool) -> DisputeView {
        DisputeView {
            dispute_id: dispute_id.into(),
            task: id("a"),
            agent: "developer".into(),
            panel_attempts: 3,
            reasons: "no index\nmore".into(),
            opened_at: Timestamp(0),
            open,
            resolved_by: None,
            resolution: (!open).then(|| "by hand".into()),
        }
    }

    #[test]
    fn disputes_are_a_table() {
        let wanted = [
            "ID  TASK  PANELS  STATE            REASONS",
            "d1  a     3       open             no index …",
            "d2  a     3       closed: by hand  no index …",
        ];
        assert_eq!(rows(&[dispute("d1", true), dispute("d2", false)]), wanted);
    }
}
