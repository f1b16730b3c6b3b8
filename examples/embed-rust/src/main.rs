//! Two tasks on a git repository, one after the other, done by an agent that is itself Rust code.
#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "a program prints and has a PATH")]

use std::sync::Arc;

use convoy_core::agent::*;
use convoy_core::engine::{Engine, RunEvent};
use convoy_core::event::RunOptions;
use convoy_core::types::{BoxFuture, Failure, FailureKind};

const CONVOY: &str = "{name: two files, version: 1, concurrency: 1, adapter: scribe, tasks: [
    {id: one, prompt: Write one.txt}, {id: two, depends_on: [one], prompt: Write two.txt}]}";

/// Writes the file that the last word of the prompt names.
struct Scribe;

impl AgentAdapter for Scribe {
    fn name(&self) -> &str {
        "scribe"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }
    fn probe<'a>(&'a self, _: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(async { Ok(Probe::available(None)) })
    }
    fn execute<'a>(&'a self, request: AgentRequest, _: &'a mut dyn AgentSink) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            let file = request.prompt.split_whitespace().last().unwrap_or("unnamed");
            match std::fs::write(request.cwd.join(file), &request.prompt) {
                Ok(()) => AgentReport::ended(AgentOutcome::Succeeded),
                Err(error) => AgentReport::failed(Failure::new(FailureKind::Error, error.to_string())),
            }
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repository = std::env::args_os().nth(1).ok_or("usage: convoy-embed-rust REPOSITORY")?;
    let env = std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME").collect();
    pollster::block_on(async {
        let engine = Engine::builder(repository).env(env).adapter(Arc::new(Scribe)).build().await?;
        let run = engine.start(CONVOY, RunOptions::default()).await?;
        let mut events = run.subscribe(0);
        while let Some(event) = events.next().await? {
            let RunEvent::Recorded(record) = event else { continue };
            let (kind, task) = (record.event.type_name(), record.task_id().map_or("", |task| task.as_str()));
            // The branch is moved while the tasks go on.
            if !kind.starts_with("branch_") {
                println!("{}", format!("{kind} {task}").trim_end());
            }
        }
        let view = run.wait().await?.view;
        println!("{}: {} of {} tasks on {}", view.status, view.totals.done, view.totals.total, view.branch);
        engine.shutdown().await;
        Ok(())
    })
}
