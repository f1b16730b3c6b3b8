//! `run`, `resume`, `retry`, `publish`: what starts an engine's work here.

use convoy_core::engine::{Engine, Retention};
use convoy_core::error::{Error, ErrorKind};
use convoy_core::event::RunOptions;
use convoy_core::types::{ConvoyId, TaskId};

use super::{plan, spec};
use crate::app::{App, choose};
use crate::args::{AgentArgs, RunArgs};
use crate::drive::drive;
use crate::exit::{Exit, Failure};

/// Runs a convoy file or a formula.
pub(super) async fn run(app: &mut App, args: RunArgs) -> Result<Exit, Failure> {
    let usable = spec::usable(app, &args.source, args.adapter.as_deref())?;
    let options = RunOptions {
        concurrency: args.concurrency,
        adapter: args.adapter,
        branch: args.branch,
        max_injected: args.max_injected,
        inject_file: args.inject_file,
    };
    if args.dry_run {
        if args.json {
            app.out.json_line(&plan::object(&usable.plan, &options));
        } else {
            app.out.lines(&plan::lines(&usable.plan, &options));
        }
        return Ok(Exit::Success);
    }
    let env = match args.agents.clean_env {
        true => app.host.clean_env(&spec::named_variables(usable.plan.spec())),
        false => app.host.whole_env(),
    };
    let engine = app.limited(env, &args.agents)?.build().await.map_err(Failure::before)?;
    drive(app, &engine, engine.start(&usable.text, options), args.json).await
}

/// Continues a convoy: the named one, or the newest that is unfinished.
pub(super) async fn resume(
    app: &mut App,
    wanted: Option<&str>,
    agents: &AgentArgs,
    json: bool,
) -> Result<Exit, Failure> {
    let Some(engine) = app.stored().await? else { return Err(nothing_to_resume()) };
    let mut convoys = engine.list().await?;
    convoys.retain(|convoy| wanted.is_some() || convoy.unfinished);
    let ids: Vec<ConvoyId> = convoys.into_iter().map(|convoy| convoy.id).collect();
    let Some(id) = choose(&ids, wanted)? else { return Err(nothing_to_resume()) };
    let engine = with_env(app, engine, &id, agents).await?;
    drive(app, &engine, engine.resume(Some(&id)), json).await
}

fn nothing_to_resume() -> Failure {
    Failure::from(Error::new(ErrorKind::NothingToResume, "nothing to resume"))
}

/// The engine, or one in its place that gives agents less, or has fewer of them: what they may have stands in the
/// stored convoy.
pub(super) async fn with_env(
    app: &App,
    engine: Engine,
    convoy: &ConvoyId,
    agents: &AgentArgs,
) -> Result<Engine, Failure> {
    let keeps_all = agents.keep.retention() == Retention::default();
    if !agents.clean_env && agents.adapter_limits().is_empty() && keeps_all {
        return Ok(engine);
    }
    let env = match agents.clean_env {
        true => app.host.clean_env(&spec::named_variables(engine.plan_of(convoy).await?.spec())),
        false => app.host.whole_env(),
    };
    engine.shutdown().await;
    app.open(env, agents).await?.ok_or_else(|| app.nothing())
}

/// Takes up what is not done.
pub(super) async fn retry(
    app: &mut App,
    wanted: Option<&str>,
    tasks: &[TaskId],
    agents: &AgentArgs,
    json: bool,
) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let engine = with_env(app, engine, &id, agents).await?;
    drive(app, &engine, engine.retry(&id, tasks), json).await
}

/// Brings what landed onto the branch.
pub(super) async fn publish(app: &mut App, wanted: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    drive(app, &engine, engine.publish(&id), json).await
}
