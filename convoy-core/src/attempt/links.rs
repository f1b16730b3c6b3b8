//! No agent is called where symbolic links lead out of its tree: one that follows them edits files that are not its own.
//!
//! Two looks: at the tree before anything runs in it, and, once setup and hooks have run, at the links that they have
//! made where those would be part of the work. Links in what git ignores, and in what `worktree.copy` names, are not
//! looked at: environments and caches of packages lead out by design, and it is the user who asks for them in the convoy
//! file; nothing of the repository alone brings them about, and none of them can land.

use std::path::{Path, PathBuf};

use super::check::{escapes, escapes_made};
use super::context::Context;
use super::work::WorkRequest;
use crate::gate::Escape;
use crate::git::GitError;
use crate::spec::HookMoment;
use crate::types::{Failure, FailureKind, Oid};

/// Fails when the tree that an attempt begins with has links that lead out of it.
pub(super) async fn no_way_out(context: &Context, request: &WorkRequest) -> Result<(), Failure> {
    let found = escapes(context, begun_with(request)).await.map_err(|error| unknown(context, &error))?;
    let what = "lead out of the repository, and an agent that follows one works outside of its worktree; remove them \
                or let them lead within it, then commit that";
    refused(context, &found, what)
}

/// Fails when setup or hooks have made such links, unless git ignores them. Costs a look at every file of the worktree,
/// so it is left out where nothing ran.
pub(super) async fn no_way_out_made(
    context: &Context,
    request: &WorkRequest,
    worktree: &Path,
) -> Result<(), Failure> {
    let settings = &context.plan.spec().worktree;
    let hooks = &context.plan.spec_of(request.task).hooks;
    if settings.setup.is_empty() && hooks.iter().all(|hook| hook.on != HookMoment::PreTask) {
        return Ok(());
    }
    let copied: Vec<PathBuf> = settings.copy.iter().map(PathBuf::from).collect();
    let found = escapes_made(context, begun_with(request), worktree, &copied).await;
    let what = "that `worktree.setup` or a `pre_task` hook has made lead out of the repository, and an agent that follows \
                one works outside of its worktree; let them lead within it, or let git ignore them if they are meant";
    refused(context, &found.map_err(|error| unknown(context, &error))?, what)
}

fn begun_with(request: &WorkRequest) -> &Oid {
    request.conflict.as_ref().map_or(&request.base, |conflict| &conflict.tree)
}

fn unknown(context: &Context, error: &GitError) -> Failure {
    context.failure(FailureKind::Worktree, "cannot look at the links of the tree", error)
}

fn refused(context: &Context, found: &[Escape], what: &str) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = found.iter().take(20).map(ToString::to_string).collect();
    let text = format!("{} symbolic links {what}: {}", found.len(), list.join(", "));
    Err(Failure::new(FailureKind::SymlinkEscape, context.redactor.clean(&text)))
}
