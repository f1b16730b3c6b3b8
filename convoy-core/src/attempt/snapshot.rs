//! Taking the tree of an attempt as a commit.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::artifacts::{Left, leave};
use super::context::Context;
use super::guard::{Guard, GuardReport};
use super::hooks::{Due, Halt, HookReport, has_hooks, task_hooks};
use crate::git::{GitError, MergeResult, SnapshotRequest};
use crate::types::{Artifact, AttemptNo, Failure, FailureKind, Oid, TaskIx};

/// A tree to be taken.
#[derive(Debug, Clone)]
pub struct TakeRequest {
    /// The task.
    pub task: TaskIx,
    /// The attempt.
    pub attempt: AttemptNo,
    /// Where its worktree started.
    pub base: Oid,
    /// Whether the work is going to be judged; else it is only kept, and the worktree removed.
    pub succeeded: bool,
    /// Whether the task's hooks are run before.
    pub hooks: bool,
    /// The work whose conflict was resolved, and the paths in conflict as far as they are recorded.
    pub conflict: Option<(Oid, Vec<String>)>,
}

/// What became of the tree.
#[derive(Debug, Clone)]
pub enum Taken {
    /// It is a commit.
    Commit {
        /// The commit.
        commit: Oid,
        /// Its tree.
        tree: Oid,
        /// Whether the tree differs from the base's.
        changed: bool,
        /// Whether HEAD had been moved away from the base.
        rebased: bool,
        /// How many files differ from the base's; `None`: git could not say.
        files_changed: Option<u64>,
        /// The ref that keeps it.
        kept_ref: String,
        /// The artifacts of it that are stored.
        artifacts: Vec<Artifact>,
        /// Why the work is not to be judged: an artifact is missing or invalid, or a hook changed the repository.
        unfit: Option<Failure>,
    },
    /// There is no worktree.
    NoWorktree,
    /// It could not be taken; the files are kept.
    Failed(Failure),
    /// The hooks were stopped before they had an answer; the tree is as they left it.
    Stopped,
}

/// What is told while a tree is taken.
#[derive(Debug, Clone)]
pub enum TakeReport {
    /// A hook after the agent ended.
    Hook(HookReport),
    /// Somebody changed the repository while the hooks ran.
    Guard(GuardReport),
}

/// Runs the hooks that follow a finished agent, then takes the tree of the attempt: what hooks edit is part of the
/// work. When one fails, which is told, the tree is only kept; likewise when
/// the repository was changed meanwhile, since hooks may run what the agent wrote. Stopping ends the hooks, nothing else.
///
/// # Errors
/// When git itself fails; the segment can be repeated, its hooks then run again.
pub async fn take(
    context: &Context,
    request: &TakeRequest,
    cancel: &CancellationToken,
    each: &mut (dyn FnMut(TakeReport) + Send),
) -> Result<Taken, GitError> {
    let path = context.dirs.worktree(&context.plan, request.task);
    let (mut succeeded, mut refused) = (request.succeeded, None);
    let hooks = request.hooks && has_hooks(context, request.task, Due::AfterAgent);
    if hooks && context.repository.worktree_state(&path).await?.exists {
        // The agent has ended: what git runs from now on is nothing that it chose.
        if let Err(error) = context.repository.settle_worktree(&path, &request.base).await {
            return keep_aside(context, path, error).await;
        }
        let of = (request.task, request.attempt);
        let guard = Guard::begin(context).await?;
        let mut hook = |report| each(TakeReport::Hook(report));
        let ran = task_hooks(context, of, Due::AfterAgent, cancel, &mut hook).await;
        let (found, failure) = guard.end(context).await;
        found.into_iter().for_each(|found| each(TakeReport::Guard(found)));
        match ran {
            Ok(()) => refused = failure,
            Err(Halt::Failed(_)) => succeeded = false,
            Err(Halt::Stopped) => return Ok(Taken::Stopped),
            Err(Halt::NoRoom(error)) => return Err(error),
        }
    }
    succeeded &= refused.is_none();
    let mut taken = take_tree(context, TakeRequest { succeeded, ..request.clone() }).await?;
    if let (Taken::Commit { unfit, .. }, Some(_)) = (&mut taken, &refused) {
        *unfit = refused;
    }
    Ok(taken)
}

async fn take_tree(context: &Context, request: TakeRequest) -> Result<Taken, GitError> {
    let path = context.dirs.worktree(&context.plan, request.task);
    let repository = &context.repository;
    let state = repository.worktree_state(&path).await?;
    if !state.exists {
        repository.remove_worktree(&path).await?;
        return Ok(Taken::NoWorktree);
    }
    let kept_ref = context.dirs.kept_ref(&context.plan, request.task, request.attempt);
    let extra_parents = match &request.conflict {
        Some((work, _)) if request.succeeded => vec![work.clone()],
        _ => Vec::new(),
    };
    let id = context.plan.id(request.task);
    let snapshot = SnapshotRequest {
        base: request.base.clone(),
        message: format!("{id}: work of attempt {}", request.attempt),
        exclude: context.plan.spec().worktree.copy.iter().map(PathBuf::from).collect(),
        ignore: context.ignore.clone(),
        extra_parents,
        keep_ref: kept_ref.clone(),
    };
    context.kept.begin(&kept_ref);
    let taken = match repository.snapshot(&path, &snapshot).await {
        Ok(taken) => taken,
        Err(error) => return keep_aside(context, path, error).await,
    };
    context.kept.wrote(&kept_ref, &taken.commit);
    let markers = match &request.conflict {
        Some((work, known)) if request.succeeded => {
            left_markers(context, &request.base, work, known, (&path, &taken.tree)).await?
        }
        _ => Vec::new(),
    };
    let left = match request.succeeded && markers.is_empty() {
        true => leave(context, &request, &path).await?,
        false => Left::default(),
    };
    if !request.succeeded || !markers.is_empty() || left.unfit.is_some() {
        repository.remove_worktree(&path).await?;
    }
    if !markers.is_empty() {
        return Ok(Taken::Failed(unresolved(context, &markers)));
    }
    let files_changed = match taken.changed {
        // A number for people is no reason to fail work that is safe in a commit.
        true => repository.changed_paths(&request.base, &taken.commit).await.ok().map(|p| p.len() as u64),
        false => Some(0),
    };
    Ok(Taken::Commit {
        commit: taken.commit,
        tree: taken.tree,
        changed: taken.changed,
        rebased: taken.rebased,
        files_changed,
        kept_ref,
        artifacts: left.artifacts,
        unfit: left.unfit,
    })
}

/// The failure of a resolution that left markers in these files.
fn unresolved(context: &Context, markers: &[String]) -> Failure {
    let some = markers.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
    let more = markers.len().saturating_sub(20);
    let more = if more > 0 { format!(" and {more} more files") } else { String::new() };
    let some = context.redactor.clean(&some);
    Failure::new(
        FailureKind::MergeConflict,
        format!("conflict markers are left in {some}{more}; resolve them all"),
    )
}

/// The files of a resolved conflict that still hold markers. What is recorded of the conflict is redacted and
/// bounded, so git is asked again which files it was. Files count beside the tree recorded of them, in which a filter may
/// have put pointers.
async fn left_markers(
    context: &Context,
    onto: &Oid,
    work: &Oid,
    known: &[String],
    (worktree, resolved): (&Path, &Oid),
) -> Result<Vec<String>, GitError> {
    let mut paths: Vec<PathBuf> = known.iter().map(PathBuf::from).collect();
    if let MergeResult::Conflicted { os_paths: all, .. } = context.repository.merge(onto, work).await? {
        paths.extend(all);
    }
    paths.sort_unstable();
    paths.dedup();
    let mut marked = context.repository.conflict_markers(resolved, &paths).await?;
    marked.extend(context.repository.marked_files(worktree, &paths).await?);
    marked.sort_unstable();
    marked.dedup();
    Ok(marked)
}

/// A tree that git cannot take as it is: its files stay, out of the way of the next attempt. With room on the disk it
/// can be taken later.
async fn keep_aside(context: &Context, path: PathBuf, error: GitError) -> Result<Taken, GitError> {
    if error.is_disk_full() {
        return Err(error);
    }
    let aside = context.repository.move_worktree_aside(&path).await?;
    let doing = format!("the work could not be taken as a commit; its files are kept in {}", aside.display());
    Ok(Taken::Failed(context.failure(FailureKind::Snapshot, &doing, &error)))
}
