//! After a run: worktrees that nobody needs, and the files that are derived from the store.

use super::git_open_error;
use super::host::Parts;
use crate::attempt::Context;
use crate::error::Error;
use crate::state::RunState;

/// Cleans up after a run. The worktrees of an ended convoy go (their work is kept by refs); those that were
/// put aside because git could not take them stay, and so does everything of an interrupted one.
pub(super) async fn after(_parts: &Parts, context: &Context, state: &RunState) -> Result<(), Error> {
    let folder = context.dirs.worktrees();
    if state.ended().is_some() && folder.exists() {
        for task in state.plan().indices() {
            let path = context.dirs.worktree(state.plan(), task);
            if path.exists() {
                context.repository.remove_worktree(&path).await.map_err(git_open_error)?;
            }
        }
        context.repository.empty_trash(&folder).await.map_err(git_open_error)?;
        // Stays when something was put aside in it.
        drop(std::fs::remove_dir(&folder));
    }
    Ok(())
}
