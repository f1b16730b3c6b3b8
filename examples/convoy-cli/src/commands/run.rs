//! `run`, `resume`, `retry`, `publish`: what starts an engine's work here.

use convoy_core::engine::Engine;
use convoy_core::error::{Error, ErrorKind};
use convoy_core::event::RunOptions;
use convoy_core::types::{ConvoyId, TaskId};

use super::{plan, spec};
use crate::app::{App, choose};
use crate::args::RunArgs;
use crate::drive::drive;
use crate::exit::{Exit, Failure};

/// Runs a convoy file.
pub(super) async fn run(app: &mut App, args: RunArgs) -> Result<Exit, Failure> {
    let usable = spec::usable(app, &args.file)?;
    spec::adapters_exist(usable.plan.spec(), args.adapter.as_deref())?;
    let options = RunOptions {
        concurrency: args.concurrency,
        adapter: args.adapter,
        branch: args.branch,
        ..RunOptions::default()
    };
    if args.dry_run {
        if args.json {
            app.out.json_line(&plan::object(&usable.plan, &options));
        } else {
            app.out.lines(&plan::lines(&usable.plan, &options));
        }
        return Ok(Exit::Success);
    }
    let env = match args.clean_env {
        true => app.host.clean_env(&spec::named_variables(usable.plan.spec())),
        false => app.host.whole_env(),
    };
    let engine = app.builder(env)?.build().await?;
    drive(app, &engine, engine.start(&usable.text, options), args.json).await
}

/// Continues a convoy.
pub(super) async fn resume(app: &mut App, wanted: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let Some(engine) = app.stored().await? else { return Err(nothing_to_resume()) };
    let id = match wanted {
        Some(_) => named(&engine, wanted).await?,
        None => None,
    };
    let begun = async {
        engine.resume(id.as_ref()).await.map_err(|error| match error.kind() {
            ErrorKind::NothingToResume if id.is_none() => Error::new(ErrorKind::NothingToResume, NOTHING),
            _ => error,
        })
    };
    drive(app, &engine, begun, json).await
}

const NOTHING: &str = "nothing to resume";

fn nothing_to_resume() -> Failure {
    Failure::from(Error::new(ErrorKind::NothingToResume, NOTHING))
}

async fn named(engine: &Engine, wanted: Option<&str>) -> Result<Option<ConvoyId>, Failure> {
    let ids: Vec<ConvoyId> = engine.list().await?.into_iter().map(|convoy| convoy.id).collect();
    choose(&ids, wanted)
}

/// Takes up what is not done.
pub(super) async fn retry(
    app: &mut App,
    wanted: Option<&str>,
    tasks: &[TaskId],
    json: bool,
) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    drive(app, &engine, engine.retry(&id, tasks), json).await
}

/// Brings what landed onto the branch.
pub(super) async fn publish(app: &mut App, wanted: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    drive(app, &engine, engine.publish(&id), json).await
}
