//! What an attempt takes over from one whose agent was cut off.
//!
//! A session remembers files. It is continued only where it finds them: what the attempt that was cut off had made is
//! put back, also where the branch has moved meanwhile. Where that cannot be, and where there is no session to
//! continue, the agent begins anew and is told where the work is.

use std::path::Path;

use super::check::escapes;
use super::context::Context;
use super::work::{ChosenSession, WorkRequest};
use crate::git::{GitError, MergeResult};
use crate::types::{AttemptNo, Oid};

/// An attempt whose agent was cut off.
#[derive(Debug, Clone)]
pub struct CutOff {
    /// The attempt.
    pub attempt: AttemptNo,
    /// What it had made.
    pub kept: Kept,
}

/// What became of the work of an attempt that was cut off.
#[derive(Debug, Clone)]
pub enum Kept {
    /// It had changed nothing.
    Nothing,
    /// It is a commit.
    Work {
        /// Where the work began.
        base: Oid,
        /// The commit.
        commit: Oid,
        /// Its tree.
        tree: Oid,
        /// The ref that keeps it.
        kept_ref: String,
    },
    /// It could not be taken as a commit, and why; redacted.
    Lost(String),
}

/// What an agent is told of the attempt that was cut off.
#[derive(Debug, Clone)]
pub enum Before {
    /// Its session goes on, and finds its files.
    PutBack {
        /// The attempt.
        attempt: AttemptNo,
        /// Whether they stand on another commit than before.
        moved: bool,
    },
    /// The agent begins anew.
    Kept {
        /// The attempt.
        attempt: AttemptNo,
        /// The ref that keeps the work.
        kept_ref: String,
    },
    /// The agent begins anew, and there is no commit of the work.
    Lost {
        /// The attempt.
        attempt: AttemptNo,
        /// Why, and where its files are.
        why: String,
    },
}

/// Puts the work of an attempt that was cut off into the new worktree of the next one, where its session goes on; or
/// gives the session up. Says what the agent is to be told.
///
/// # Errors
/// When git fails otherwise than by not being able to merge the work.
pub(super) async fn take_over(
    context: &Context,
    request: &WorkRequest,
    session: ChosenSession,
    worktree: &Path,
) -> Result<(ChosenSession, Option<Before>), GitError> {
    let Some(CutOff { attempt, kept }) = &request.cut_off else { return Ok((session, None)) };
    let (attempt, goes_on) = (*attempt, session.0.is_some());
    match kept {
        Kept::Nothing if goes_on => Ok((session, Some(Before::PutBack { attempt, moved: false }))),
        Kept::Nothing => Ok((session, None)),
        Kept::Lost(why) => {
            let fresh = format!("fresh: the work of attempt {attempt} could not be kept as a commit");
            let session = if goes_on { (None, fresh) } else { session };
            Ok((session, Some(Before::Lost { attempt, why: why.clone() })))
        }
        Kept::Work { base, commit, tree, kept_ref } => {
            let begins_anew = Some(Before::Kept { attempt, kept_ref: kept_ref.clone() });
            if !goes_on {
                return Ok((session, begins_anew));
            }
            match fitted(context, &request.base, base, commit, tree).await? {
                Ok(tree) => {
                    context.repository.reset_to_tree(worktree, &tree).await?;
                    Ok((session, Some(Before::PutBack { attempt, moved: *base != request.base })))
                }
                Err(why) => {
                    let note =
                        format!("fresh: the work of attempt {attempt} {why}; it is kept as {kept_ref}");
                    Ok(((None, note), begins_anew))
                }
            }
        }
    }
}

/// The tree of the work as it is on another base, or why it cannot be put there.
async fn fitted(
    context: &Context,
    onto: &Oid,
    base: &Oid,
    commit: &Oid,
    tree: &Oid,
) -> Result<Result<Oid, &'static str>, GitError> {
    let repository = &context.repository;
    if repository.resolve(commit.as_str()).await?.is_none() {
        return Ok(Err("is not there any more"));
    }
    let tree = match base == onto {
        true => tree.clone(),
        false => match repository.merge(onto, commit).await? {
            MergeResult::Clean { tree } => tree,
            MergeResult::Conflicted { .. } => return Ok(Err("conflicts with what has landed since")),
        },
    };
    let led_out = !escapes(context, &tree).await?.is_empty();
    Ok(if led_out { Err("holds symbolic links that lead out of the repository") } else { Ok(tree) })
}
