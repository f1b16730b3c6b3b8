//! The land segment: prepare, advance, publish. Each step can be repeated.

use super::context::Context;
use crate::git::{
    Expected, GitError, PublishMove, PublishPlan, PublishRequest, Published, RefUpdate, remove_stale_lock,
};
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
/// `Some`: it did not, and is to be prepared again for that commit.
///
/// The ref is the engine's own. When somebody else moved or deleted it, an agent for example, it is put back
/// first: what landed stays landed, and nothing lands unchecked.
///
/// # Errors
/// When it is unknown whether it landed, when a newer engine has taken over, or when the ref cannot be moved.
pub async fn advance(context: &Context, commit: &Oid, onto: &Oid) -> Result<Option<Oid>, MergeError> {
    let integration_ref = context.dirs.integration_ref();
    let prepared =
        Prepared { commit: commit.clone(), onto: onto.clone(), integration_ref: integration_ref.clone() };
    let mut failed = None;
    // An error may be one of the moment: somebody else's git that cleans up, for example.
    for _ in 0..2 {
        failed = match context.queue.advance(&prepared, context.fence).await {
            Ok(Advance::Advanced) => return Ok(None),
            Err(fenced @ MergeError::Fenced { .. }) => return Err(fenced),
            Ok(Advance::Moved { .. }) => None,
            Err(error) => Some(error),
        };
        // An earlier try may have moved it before a crash or an error: git alone knows.
        if context.queue.settle(&prepared).await? == Settled::Landed {
            return Ok(None);
        }
        if failed.is_none() {
            break;
        }
    }
    let unusable =
        |error| MergeError::Failed { action: "look for the landing commit", source: Box::new(error) };
    if let Some(error) = failed
        && context.repository.resolve(commit.as_str()).await.map_err(unusable)?.is_some()
    {
        return Err(error);
    }
    put_back(context, &integration_ref, onto).await.map_err(|error| MergeError::Failed {
        action: "put the integration ref back",
        source: Box::new(error),
    })?;
    Ok(Some(onto.clone()))
}

/// Makes the integration ref what the record says, unless it moves again at this very moment; then the next
/// try finds that.
async fn put_back(context: &Context, integration_ref: &str, tip: &Oid) -> Result<(), GitError> {
    let expected = match context.repository.ref_value(integration_ref).await? {
        Some(now) if now == *tip => return Ok(()),
        Some(now) => Expected::At(now),
        None => Expected::Absent,
    };
    match context.repository.update_ref(integration_ref, tip, expected, "convoy: put back").await? {
        RefUpdate::Done | RefUpdate::Moved { .. } => Ok(()),
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
    context.kept.publishes(&step.branch, &step.to);
    context.repository.apply_publish(step, recover).await
}
