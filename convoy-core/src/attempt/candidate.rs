//! Landing commits that wait for `merge.verify` are kept by refs: no other does, and an agent may have git collect what
//! nobody refers to. The refs stay as those of kept work do, until the convoy is pruned: deleting one while others land would
//! leave git's locks behind wherever a crash ends git, too.

use super::context::Context;
use crate::git::{Expected, GitError, RefUpdate};
use crate::types::{Oid, TaskIx};

/// Keeps the candidate of a task, instead of an earlier one.
///
/// # Errors
/// When git fails, or the commit is no longer there.
pub async fn keep_candidate(context: &Context, task: TaskIx, commit: &Oid) -> Result<(), GitError> {
    let name = context.dirs.candidate_ref(&context.plan, task);
    let kept = context.repository.update_ref(&name, commit, Expected::Any, "convoy: candidate").await?;
    match kept {
        // Whatever it was before is of no more use.
        RefUpdate::Done | RefUpdate::Moved { .. } => Ok(()),
    }
}
