//! `approve`, `reject`, `skip`, `accept`: what a person decides about a task.

use convoy_core::engine::{Asked, Engine};
use convoy_core::event::RequestKind;
use convoy_core::types::{ConvoyId, Oid};

use super::control::tell;
use crate::app::App;
use crate::args::WishArgs;
use crate::exit::{Exit, Failure};
use crate::render::safe_line;

pub(super) async fn approve(app: &mut App, wish: WishArgs, tree: Option<&str>) -> Result<Exit, Failure> {
    let wrong = |_| Failure::usage("--tree takes the whole id of a tree, as `convoy status --json` shows it");
    let tree = tree.map(Oid::new).transpose().map_err(wrong)?;
    let (engine, id) = convoy_of(app, &wish).await?;
    // What waits now is approved, and nothing that takes its place before the request arrives.
    let view = engine.status(&id).await?;
    let waits = view.tasks.into_iter().find(|task| task.id == wish.task).and_then(|task| task.tree);
    let tree = tree.or(waits);
    let kind = RequestKind::Approve { task: wish.task.clone(), tree, reason: wish.reason.clone() };
    let asked = engine.request(&id, kind).await?;
    said(app, asked, &id, &wish, "is approved").await
}

pub(super) async fn reject(app: &mut App, wish: WishArgs) -> Result<Exit, Failure> {
    let (engine, id) = convoy_of(app, &wish).await?;
    let kind = RequestKind::Reject { task: wish.task.clone(), reason: wish.reason.clone() };
    let asked = engine.request(&id, kind).await?;
    said(app, asked, &id, &wish, "is refused").await
}

pub(super) async fn skip(app: &mut App, wish: WishArgs) -> Result<Exit, Failure> {
    let (engine, id) = convoy_of(app, &wish).await?;
    let kind = RequestKind::Skip { task: wish.task.clone(), reason: wish.reason.clone() };
    let asked = engine.request(&id, kind).await?;
    said(app, asked, &id, &wish, "will be skipped; its work is kept").await
}

pub(super) async fn accept(app: &mut App, wish: WishArgs, commit: &str) -> Result<Exit, Failure> {
    let (engine, id) = convoy_of(app, &wish).await?;
    let asked = engine.accept(&id, &wish.task, commit, &wish.reason).await.map_err(Failure::before)?;
    said(app, asked, &id, &wish, "has your commit as its work, which is checked and landed").await
}

/// The convoy, which must have the task: the engine that runs it could say so only as an event.
async fn convoy_of(app: &App, wish: &WishArgs) -> Result<(Engine, ConvoyId), Failure> {
    let (engine, id) = app.convoy(wish.convoy.as_deref()).await?;
    let view = engine.status(&id).await?;
    if view.tasks.iter().any(|task| task.id == wish.task) {
        return Ok((engine, id));
    }
    let text = format!("{id} has no task {}; `convoy status` lists them", safe_line(wish.task.as_str()));
    Err(Failure { kind: "not_found", ..Failure::usage(text) })
}

async fn said(
    app: &mut App,
    asked: Asked,
    id: &ConvoyId,
    wish: &WishArgs,
    what: &str,
) -> Result<Exit, Failure> {
    tell(app, asked, &format!("task {} of {id}", safe_line(wish.task.as_str())), what).await
}
