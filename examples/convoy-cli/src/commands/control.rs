//! `cancel`, `pause`, `unpause`: asked of whichever engine runs the convoy. And how its answer is waited for.

use std::time::Duration;

use convoy_core::engine::{Answer, Asked};
use convoy_core::event::RequestKind;

use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::render::safe_line;

/// How long an answer is waited for: an engine that is busy looks at its inbox later.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn cancel(app: &mut App, wanted: Option<&str>) -> Result<Exit, Failure> {
    ask(app, wanted, RequestKind::Cancel, "is cancelled; its work is kept").await
}

pub(super) async fn pause(app: &mut App, wanted: Option<&str>) -> Result<Exit, Failure> {
    ask(app, wanted, RequestKind::Pause, "is paused; running agents finish").await
}

pub(super) async fn unpause(app: &mut App, wanted: Option<&str>) -> Result<Exit, Failure> {
    ask(app, wanted, RequestKind::Unpause, "goes on").await
}

async fn ask(app: &mut App, wanted: Option<&str>, kind: RequestKind, what: &str) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let asked = engine.request(&id, kind).await?;
    tell(app, asked, id.as_str(), what).await
}

/// Waits for the answer and says it. `what` became of `whom`, if it is granted.
pub(super) async fn tell(app: &mut App, asked: Asked, whom: &str, what: &str) -> Result<Exit, Failure> {
    let line = match tokio::time::timeout(PATIENCE, asked.answer()).await {
        Ok(answer) => match answer? {
            Answer::Refused { reason } => {
                let text = format!("{whom}: {}", safe_line(&reason));
                return Err(Failure { kind: "state", ..Failure::usage(text) });
            }
            Answer::Waits => format!("{whom} {what}, once the convoy is resumed"),
            _ => format!("{whom} {what}"),
        },
        Err(_) => {
            let status = app.hints().line("status");
            format!("{whom}: asked; the engine that runs it has not decided yet, see `{status}`")
        }
    };
    app.out.line(line);
    Ok(Exit::Success)
}
