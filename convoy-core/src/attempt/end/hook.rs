//! Hooks at the end of the convoy.

use tokio_util::sync::CancellationToken;

use super::room::Room;
use crate::attempt::context::Context;
use crate::attempt::environment::convoy_agent_env;
use crate::attempt::guard::Guard;
use crate::attempt::hooks::{HookEnd, HookPlace, HookReport, run_hook};
use crate::attempt::review::{ReviewOrder, Subject};
use crate::clock::Stopwatch;
use crate::git::GitError;
use crate::spec::Hook;
use crate::types::{Failure, FailureKind, Oid, Usage, WorkerId};

/// A hook is to run.
#[derive(Debug, Clone)]
pub struct ConvoyHook {
    /// Its position in the list.
    pub index: u32,
    /// The merged result.
    pub commit: Oid,
}

/// Runs a hook in a fresh worktree of the merged result, which is removed afterwards: what it changes there is
/// nobody's work. It has failed when the repository was changed meanwhile: it may run what agents wrote. One that was
/// cut off by a crash is run again.
///
/// # Errors
/// When git itself fails.
pub async fn convoy_hook(
    context: &Context,
    request: &ConvoyHook,
    cancel: &CancellationToken,
) -> Result<HookEnd, GitError> {
    let worker = WorkerId::of_hook(&context.convoy, request.index);
    let path = context.dirs.end_worktree();
    let stage = format!("hook-{}", request.index);
    let mut room = match Room::make(context, path, &request.commit, &stage, worker, cancel).await {
        Ok(room) => room,
        Err(none) => return none.or_stopped(HookEnd::Stopped),
    };
    let watch = Stopwatch::start();
    let end = match context.plan.spec().hooks.get(request.index as usize) {
        None => HookEnd::Stopped,
        Some(hook) => match prepared(context, &mut room, cancel).await {
            Ok(agent_env) => {
                let guard = Guard::begin(context).await?;
                let place = place(context, request, &room, &agent_env);
                let end = run_hook(context, hook, &place, cancel).await?;
                look_around(context, guard, end).await
            }
            Err(_) if cancel.is_cancelled() => HookEnd::Stopped,
            Err(failure) => HookEnd::Ended(HookReport { elapsed: watch.elapsed(), ..not_run(hook, failure) }),
        },
    };
    room.remove(context).await?;
    Ok(end)
}

/// Adds what was changed of the repository meanwhile to what a hook said; some of it does not pass.
async fn look_around(context: &Context, guard: Guard, end: HookEnd) -> HookEnd {
    let (found, failure) = guard.end(context).await;
    let HookEnd::Ended(mut report) = end else { return end };
    for found in found {
        report.output.push_str(&format!(
            "\n[somebody changed the repository meanwhile: {}]",
            found.changes.join(", ")
        ));
    }
    if let Some(failure) = failure {
        // Its own failure stands in front.
        let own = (!report.passed).then_some(report.how);
        report.how = own.into_iter().chain([failure.message]).collect::<Vec<_>>().join("; ");
        report.passed = false;
    }
    HookEnd::Ended(report)
}

type Env = std::collections::BTreeMap<String, String>;

async fn prepared(context: &Context, room: &mut Room, cancel: &CancellationToken) -> Result<Env, Failure> {
    room.furnish(context, cancel).await?;
    convoy_agent_env(&context.host_env, context.plan.spec())
        .map_err(|error| context.failure(FailureKind::Worktree, "cannot make the environment", &error))
}

fn place<'a>(
    context: &'a Context,
    request: &ConvoyHook,
    room: &'a Room,
    agent_env: &'a Env,
) -> HookPlace<'a> {
    let like = context.plan.spec().task_defaults.as_deref();
    HookPlace {
        of: None,
        review: Some(ReviewOrder {
            of: Subject::Convoy(request.index),
            base: context.base.clone(),
            commit: request.commit.clone(),
            inputs: Vec::new(),
            passed: None,
            spent: 0,
        }),
        worktree: &room.path,
        shell_env: &room.env,
        agent_env,
        log: &room.log,
        timeout: room.timeout,
        worker: room.worker.clone(),
        role: like.map_or("developer", |task| &task.agent),
        adapter: like.and_then(|task| task.adapter.as_deref()),
        model: like.and_then(|task| task.model.as_deref()),
    }
}

fn not_run(hook: &Hook, failure: Failure) -> HookReport {
    HookReport {
        hook: hook.label().to_owned(),
        kind: hook.kind,
        on: hook.on,
        passed: false,
        how: failure.message,
        exit_code: failure.exit_code,
        elapsed: std::time::Duration::ZERO,
        output: failure.output_tail,
        usage: Usage::default(),
    }
}
