//! What is left of a convoy.

use std::path::PathBuf;

use crate::attempt::context::Context;
use crate::git::GitError;
use crate::process;

/// Removes the worktrees of a convoy whose tasks are final: their work is kept by refs. Those that were put aside,
/// because git could not take them, stay.
///
/// # Errors
/// When a worktree or its folder cannot be removed; the others are.
pub async fn clean_up(context: &Context) -> Result<(), GitError> {
    let folder = context.dirs.worktrees();
    if !folder.exists() {
        return context.repository.drop_idle_worktrees().await;
    }
    let mut result = Ok(());
    let (plan, dirs) = (&context.plan, &context.dirs);
    let tasks = plan.indices().flat_map(|task| [dirs.worktree(plan, task), dirs.review_checkout(plan, task)]);
    let own = [dirs.end_worktree(), dirs.end_review_checkout()].into_iter().chain(dirs.verify_worktrees());
    for path in tasks.chain(own) {
        if path.symlink_metadata().is_ok() {
            result = result.and(context.repository.remove_worktree(&path).await);
        }
    }
    result = result.and(context.repository.empty_trash(&folder).await);
    result = result.and(context.repository.drop_idle_worktrees().await);
    // Stays when something was put aside in it.
    drop(std::fs::remove_dir(&folder));
    result
}

/// Removes the worktrees that nobody needs any more and says what is left all the same: worktrees, refs of unknown
/// purpose, processes. What cannot be looked at is such a finding, too.
pub async fn guard(context: &Context) -> Vec<String> {
    let mut found = Vec::new();
    let mut failed = |doing: &str, error: &GitError| found.push(format!("cannot {doing}: {error}"));
    if let Err(error) = clean_up(context).await {
        failed("remove the worktrees", &error);
    }
    let worktrees = context.repository.list_worktrees().await;
    let refs = context.repository.list_refs(&format!("refs/convoy/{}/", context.convoy)).await;
    match &worktrees {
        Err(error) => failed("list the worktrees", error),
        Ok(list) => {
            let folder = context.dirs.worktrees();
            let folder = folder.canonicalize().unwrap_or(folder);
            let left: Vec<&PathBuf> =
                list.iter().map(|one| &one.path).filter(|path| path.starts_with(&folder)).collect();
            found.extend(left.into_iter().map(|path| {
                let path = path.display();
                format!("a worktree is left: {path}; look at it, then delete its folder and run `git worktree prune`")
            }));
        }
    }
    match refs {
        Err(error) => found.push(format!("cannot list the refs of the convoy: {error}")),
        Ok(refs) => {
            let names = refs.into_iter().map(|(name, _)| name).filter(|name| !is_known(context, name));
            found.extend(names.map(|name| format!("a ref is left that nobody needs: {name}")));
        }
    }
    // The programs of git that run for the convoy just now carry its own name.
    let processes = process::survivors(context.convoy.as_str());
    let left = processes.into_iter().filter(|process| process.cookie != context.convoy.as_str());
    found.extend(left.map(|process| {
        format!("process {} of {} still runs; end it with `kill {0}`", process.pid, process.cookie)
    }));
    found.iter().map(|text| context.redactor.clean(text)).collect()
}

/// Whether a ref belongs to what is kept of a convoy.
fn is_known(context: &Context, name: &str) -> bool {
    let own = format!("refs/convoy/{}/", context.convoy);
    let task = name.strip_prefix(&own).and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder);
    let candidate = name.strip_prefix(&context.dirs.candidate_refs());
    // Landing keeps refs of its own beside the integration ref.
    name.starts_with(&context.dirs.integration_ref())
        || candidate
            .is_some_and(|folder| context.plan.indices().any(|ix| context.plan.dir_name(ix) == folder))
        || task.is_some_and(|folder| context.plan.indices().any(|ix| context.plan.dir_name(ix) == folder))
}
