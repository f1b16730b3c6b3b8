//! The land segment: prepare, advance, publish. Each step can be repeated.

use super::context::Context;
use crate::git::{GitError, PublishMove, PublishPlan, PublishRequest, Published, remove_stale_lock};
use crate::merge::{Advance, MergeError, PrepareOutcome, PrepareRequest, Prepared, Settled};
use crate::types::{AttemptNo, Failure, FailureKind, Oid, TaskIx};

/// Work that is to land.
#[derive(Debug, Clone)]
pub struct LandRequest {
    /// The task.
    pub task: TaskIx,
    /// The attempt.
    pub attempt: AttemptNo,
    /// The commit of the work.
    pub work: Oid,
    /// The tip to land on.
    pub tip: Oid,
}

/// What became of preparing.
#[derive(Debug, Clone)]
pub enum Landing {
    /// The landing commit is written.
    Prepared {
        /// The landing commit.
        commit: Oid,
        /// The tip that it was made for.
        onto: Oid,
    },
    /// The tip already holds the work.
    Nothing,
    /// The work conflicts with the tip.
    Conflict {
        /// Paths in conflict.
        files: Vec<String>,
        /// The tip.
        onto: Oid,
        /// The merged tree with the markers.
        tree: Oid,
    },
    /// It failed for another reason.
    Failed(Failure),
}

/// Writes the landing commit. Nothing that anybody sees moves.
pub async fn prepare(context: &Context, request: LandRequest) -> Landing {
    let task = context.plan.spec_of(request.task);
    let trailers = [
        ("Convoy-Id", context.convoy.to_string()),
        ("Convoy-Task", one_line(task.id.as_str())),
        ("Convoy-Attempt", request.attempt.to_string()),
    ];
    let trailers: Vec<String> =
        trailers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let message = format!("{}\n\n{}\n", one_line(&task.description), trailers.join("\n"));
    let prepare = PrepareRequest {
        integration_ref: context.dirs.integration_ref(),
        tip: request.tip,
        work: request.work,
        message,
    };
    match context.queue.prepare(&prepare).await {
        Ok(PrepareOutcome::Prepared(prepared)) => {
            Landing::Prepared { commit: prepared.commit, onto: prepared.onto }
        }
        Ok(PrepareOutcome::NothingToLand) => Landing::Nothing,
        Ok(PrepareOutcome::Conflict { tree, paths, onto }) => Landing::Conflict { files: paths, onto, tree },
        Err(error) => {
            Landing::Failed(context.failure(FailureKind::MergeError, "the work could not land", &error))
        }
    }
}

/// The text in one line, for a commit's subject: git ends a subject at the first empty line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Moves the integration ref to a prepared commit, or finds that it holds it already. `None`: it landed;
/// `Some`: the ref is elsewhere, at that commit.
///
/// # Errors
/// When it is unknown whether it landed.
pub async fn advance(context: &Context, commit: &Oid, onto: &Oid) -> Result<Option<Oid>, MergeError> {
    let integration_ref = context.dirs.integration_ref();
    let prepared =
        Prepared { commit: commit.clone(), onto: onto.clone(), integration_ref: integration_ref.clone() };
    match context.queue.advance(&prepared, context.fence).await {
        Ok(Advance::Advanced) => return Ok(None),
        // An earlier try may have moved it before a crash or an error: git alone knows.
        Ok(Advance::Moved { .. }) | Err(_) => {}
    }
    match context.queue.settle(&prepared).await? {
        Settled::Landed => Ok(None),
        Settled::NotLanded => {
            let now = context.repository.ref_value(&integration_ref).await.map_err(|error| {
                MergeError::Failed { action: "read the integration ref", source: Box::new(error) }
            })?;
            Ok(Some(now.unwrap_or_else(|| onto.clone())))
        }
    }
}

/// Finds out how the user's branch can hold `tip`. `known` is its commit when it was last seen.
///
/// # Errors
/// When git itself fails.
pub async fn publish_plan(context: &Context, tip: &Oid, known: &Oid) -> Result<PublishPlan, GitError> {
    let name = one_line(&context.plan.spec().name);
    let short = context.branch.strip_prefix("refs/heads/").unwrap_or(&context.branch);
    let request = PublishRequest {
        branch: context.branch.clone(),
        target: tip.clone(),
        known: known.clone(),
        message: format!("Merge the work of convoy \"{name}\" into {short}\n"),
    };
    context.repository.plan_publish(&request).await
}

/// Moves the user's branch, and the files of the checkout that has it, as git's own checkout would. With
/// `recover` an earlier try may have been cut off in between; it is completed.
///
/// # Errors
/// When git itself fails; the step can be repeated.
pub async fn publish(context: &Context, step: &PublishMove, recover: bool) -> Result<Published, GitError> {
    if let (true, Some(lock)) = (recover, &step.lock) {
        // Only one that this engine's dead predecessor left; anybody else's stays and blocks.
        remove_stale_lock(lock)?;
    }
    context.repository.apply_publish(step, recover).await
}
