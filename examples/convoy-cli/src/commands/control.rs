//! `cancel`, `pause`, `unpause`: asked of whichever engine runs the convoy.

use convoy_core::event::RequestKind;

use crate::app::App;
use crate::exit::{Exit, Failure};

pub(super) async fn cancel(app: &mut App, wanted: Option<&str>) -> Result<Exit, Failure> {
    ask(app, wanted, RequestKind::Cancel, "will be cancelled; its work is kept").await
}

pub(super) async fn pause(app: &mut App, wanted: Option<&str>) -> Result<Exit, Failure> {
    ask(app, wanted, RequestKind::Pause, "will pause; running agents finish").await
}

pub(super) async fn unpause(app: &mut App, wanted: Option<&str>) -> Result<Exit, Failure> {
    ask(app, wanted, RequestKind::Unpause, "will go on").await
}

async fn ask(app: &mut App, wanted: Option<&str>, kind: RequestKind, what: &str) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    engine.request(&id, kind).await?;
    app.out.line(format!("{id} {what}"));
    Ok(Exit::Success)
}
