//! The land segment: prepare, advance, publish. Each step can be repeated.

use super::context::Context;
use super::{LISTED, proof};
use crate::git::{
    Expected, GitError, MergeResult, PublishMove, PublishPlan, PublishRequest, Published, RefUpdate,
    remove_stale_lock,
};
use crate::merge::{Advance, MergeError, PrepareOutcome, PrepareRequest, Prepared};
use crate::types::{AttemptNo, Failure, FailureKind, Oid, PathConflict, TaskIx};

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
        /// Paths in conflict, free of secrets and bounded.
        files: Vec<String>,
        /// The tip.
        onto: Oid,
        /// The merged tree with the markers.
        tree: Oid,
        /// What git says of them, free of secrets and bounded.
        conflicts: Vec<PathConflict>,
    },
    /// It failed for another reason.
    Failed(Failure),
    /// The engine ends before there is an answer: it is to be prepared again.
    Stopped,
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
        strategy: context.plan.spec().merge.strategy,
    };
    if !context.queue.lands_as(prepare.strategy) {
        let strategy = prepare.strategy.as_str();
        let text = format!(
            "the merge queue of this program does not land work by {strategy}; resume with one that does"
        );
        return Landing::Failed(Failure::new(FailureKind::MergeError, text));
    }
    let answered = match context.queue.prepare(&prepare).await {
        Ok(outcome) => proof::prepared(context, &prepare, outcome).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(PrepareOutcome::Prepared(prepared)) => {
            Landing::Prepared { commit: prepared.commit, onto: prepared.onto }
        }
        Ok(PrepareOutcome::NothingToLand) => Landing::Nothing,
        Ok(PrepareOutcome::Conflict { tree, paths, onto }) => {
            let conflicts = conflicts(context, &prepare).await;
            Landing::Conflict { files: context.redactor.clean_list(&paths, LISTED), onto, tree, conflicts }
        }
        Err(MergeError::Stopped) => Landing::Stopped,
        Err(error) => {
            Landing::Failed(context.failure(FailureKind::MergeError, "the work could not land", &error))
        }
    }
}

/// What git says of a conflict: a queue tells paths alone. Nothing, where git cannot merge these, or merges them.
async fn conflicts(context: &Context, request: &PrepareRequest) -> Vec<PathConflict> {
    match context.repository.merge(&request.tip, &request.work).await {
        Ok(MergeResult::Conflicted { mut conflicts, .. }) => {
            let mut left = LISTED;
            let fits = |conflict: &PathConflict| {
                // Three sides as JSON are about as long as this.
                let room = left.checked_sub(conflict.path.len() + 400);
                left = room.unwrap_or(0);
                room.is_some()
            };
            conflicts.iter_mut().for_each(|conflict| conflict.path = context.redactor.clean(&conflict.path));
            conflicts.into_iter().take_while(fits).collect()
        }
        // What people are told besides the paths is no reason to fail.
        Ok(MergeResult::Clean { .. }) | Err(_) => Vec::new(),
    }
}

/// The text in one line, for a commit's subject: git ends a subject at the first empty line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How often a queue is asked again that moved nothing, although nothing was in its way.
const ROUNDS: u32 = 3;

/// Moves the integration ref to a prepared commit, or finds that it holds it already. `None`: it landed, which was
/// looked up; `Some`: it did not, and is to be prepared again for that commit.
///
/// The ref is the engine's own. When somebody else moved or deleted it, an agent for example, it is put back
/// first: what landed stays landed, and nothing lands unchecked.
///
/// # Errors
/// When it is unknown whether it landed, when a newer engine has taken over, when the queue no longer answers, when the ref cannot be moved, or when the
/// queue does not move it.
pub async fn advance(context: &Context, commit: &Oid, onto: &Oid) -> Result<Option<Oid>, MergeError> {
    let integration_ref = context.dirs.integration_ref();
    let prepared =
        Prepared { commit: commit.clone(), onto: onto.clone(), integration_ref: integration_ref.clone() };
    for round in 1.. {
        // An error may be one of the moment: somebody else's git that cleans up, for example.
        let failed = match context.queue.advance(&prepared, context.fence).await {
            Ok(Advance::Advanced) if proof::holds(context, commit).await? => return Ok(None),
            Err(end @ (MergeError::Fenced { .. } | MergeError::Stopped)) => return Err(end),
            Ok(Advance::Advanced | Advance::Moved { .. }) => None,
            Err(error) => Some(error),
        };
        // An earlier try may have moved it before a crash or an error. The queue may know of one that it still
        // completes; what counts is what git says.
        context.queue.settle(&prepared).await?;
        if proof::holds(context, commit).await? {
            return Ok(None);
        }
        let lost = context.repository.resolve(commit.as_str()).await.map_err(unusable)?.is_none();
        match failed {
            Some(_) if round == 1 => continue,
            Some(error) if !lost => return Err(error),
            _ => {}
        }
        let put_back = put_back(context, &integration_ref, onto).await;
        let in_the_way = put_back.map_err(|error| MergeError::Failed {
            action: "put the integration ref back",
            source: Box::new(error),
        })?;
        if lost || in_the_way {
            break;
        }
        if round >= ROUNDS {
            return Err(not_moved(&integration_ref, commit, onto));
        }
    }
    Ok(Some(onto.clone()))
}

fn unusable(error: GitError) -> MergeError {
    MergeError::Failed { action: "look for the landing commit", source: Box::new(error) }
}

fn not_moved(integration_ref: &str, commit: &Oid, onto: &Oid) -> MergeError {
    let source = format!(
        "asked {ROUNDS} times to move {integration_ref} from {onto} to {commit}, it answered each time, \
         and the ref is where it was"
    );
    MergeError::Failed { action: "land in the merge queue", source: source.into() }
}

/// Makes the integration ref what the record says, unless it moves again at this very moment; then the next
/// try finds that. Says whether it was something else.
async fn put_back(context: &Context, integration_ref: &str, tip: &Oid) -> Result<bool, GitError> {
    let expected = match context.repository.ref_value(integration_ref).await? {
        Some(now) if now == *tip => return Ok(false),
        Some(now) => Expected::At(now),
        None => Expected::Absent,
    };
    match context.repository.update_ref(integration_ref, tip, expected, "convoy: put back").await? {
        RefUpdate::Done | RefUpdate::Moved { .. } => Ok(true),
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
