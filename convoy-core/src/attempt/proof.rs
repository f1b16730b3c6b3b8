//! What a merge queue answers is looked up before it is recorded: `done` is what git says, not what a plug-in says.

use super::context::Context;
use crate::git::{CommitInfo, GitError, MergeResult};
use crate::merge::{MergeError, PrepareOutcome, PrepareRequest, Prepared, WORK_TRAILER};
use crate::types::Oid;

/// Looks up what came of preparing.
///
/// # Errors
/// [`MergeError`] that says what the queue did wrong, or that it could not be looked up.
pub(super) async fn prepared(
    context: &Context,
    request: &PrepareRequest,
    outcome: PrepareOutcome,
) -> Result<PrepareOutcome, MergeError> {
    let wrong = match &outcome {
        PrepareOutcome::Prepared(prepared) => of_commit(context, request, prepared).await,
        PrepareOutcome::NothingToLand => of_nothing(context, request).await,
        PrepareOutcome::Conflict { tree, paths, onto } => {
            of_conflict(context, request, tree, paths, onto).await
        }
    };
    let action = "use what the merge queue prepared";
    match wrong {
        Ok(None) => Ok(outcome),
        Ok(Some(wrong)) => Err(MergeError::Failed { action, source: wrong.into() }),
        Err(error) => Err(MergeError::Failed { action, source: Box::new(error) }),
    }
}

async fn of_commit(
    context: &Context,
    request: &PrepareRequest,
    prepared: &Prepared,
) -> Result<Option<String>, GitError> {
    let (git, commit, tip) = (&context.repository, &prepared.commit, &request.tip);
    let info = match git.commit_info(commit).await {
        Ok(info) => info,
        Err(_) if git.resolve(commit.as_str()).await?.as_ref() != Some(commit) => {
            let there = "write it, durably, before it is answered";
            return Ok(Some(format!("there is no commit {commit} in the repository: {there}")));
        }
        Err(error) => return Err(error),
    };
    if commit == tip || prepared.onto != *tip {
        return Ok(Some(format!(
            "{commit} is no landing on {tip}: make a new commit on it, or answer that there is nothing to land"
        )));
    }
    if !info.parents.contains(tip) && !git.is_ancestor(tip, commit).await? {
        return Ok(Some(format!("{commit} does not have the tip {tip} among its ancestors: merge onto it")));
    }
    if let Some(missing) = missing_trailer(&request.message, &info) {
        return Ok(Some(format!(
            "{commit} lacks the trailer \"{missing}\": give it the whole message that was asked for"
        )));
    }
    if info.parents.contains(&request.work) || git.tree_of(tip).await? != info.tree {
        return Ok(None);
    }
    Ok((!git.is_ancestor(&request.work, commit).await?).then(|| {
        format!("{commit} has the files of the tip, and the work {} is not among its ancestors", request.work)
    }))
}

/// A trailer that the message asks for and the commit does not have.
fn missing_trailer(message: &str, made: &CommitInfo) -> Option<String> {
    let asked = CommitInfo { message: message.to_owned(), ..made.clone() };
    let there = made.trailers();
    let missing = asked.trailers().into_iter().find(|trailer| !there.contains(trailer))?;
    Some(format!("{}: {}", missing.0, missing.1))
}

/// An agent is to resolve the conflict in these files, in a worktree that is brought to this tree.
async fn of_conflict(
    context: &Context,
    request: &PrepareRequest,
    tree: &Oid,
    paths: &[String],
    onto: &Oid,
) -> Result<Option<String>, GitError> {
    if paths.is_empty() {
        return Ok(Some("it answered a conflict without paths: name the files in conflict".to_owned()));
    }
    if let Some(odd) = paths.iter().find(|path| !is_path_of_tree(path)) {
        let wanted = "name files as git does, from the root of the tree";
        return Ok(Some(format!("it answered a conflict in {odd:?}, which no file can be called: {wanted}")));
    }
    if *onto != request.tip {
        return Ok(Some(format!(
            "it answered a conflict with {onto}: the tip to land on is {}",
            request.tip
        )));
    }
    match context.repository.tree_of(tree).await {
        Ok(found) if found == *tree => Ok(None),
        Ok(_) | Err(GitError::NotFound { .. }) => Ok(Some(format!(
            "it answered a conflict whose tree {tree} is no tree of the repository: write the merged one, with markers"
        ))),
        Err(error) => Err(error),
    }
}

/// Whether git could have a file of this name.
fn is_path_of_tree(path: &str) -> bool {
    let allowed = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    !path.contains('\0') && path.split('/').all(allowed)
}

async fn of_nothing(context: &Context, request: &PrepareRequest) -> Result<Option<String>, GitError> {
    let (git, PrepareRequest { tip, work, .. }) = (&context.repository, request);
    if git.is_ancestor(work, tip).await? {
        return Ok(None);
    }
    if let Some(base) = git.merge_base(tip, work).await?
        && git.commit_with_trailer(tip, &base, WORK_TRAILER, work.as_str()).await?.is_some()
    {
        return Ok(None);
    }
    let merged = git.merge(tip, work).await?;
    let same = matches!(&merged, MergeResult::Clean { tree } if *tree == git.tree_of(tip).await?);
    Ok((!same).then(|| {
        format!("it answered that there is nothing to land, but the work {work} changes the tip {tip}")
    }))
}

/// Whether the integration ref reaches a commit, whatever the queue says.
pub(super) async fn holds(context: &Context, commit: &Oid) -> Result<bool, MergeError> {
    let look = async {
        let git = &context.repository;
        match git.ref_value(&context.dirs.integration_ref()).await? {
            Some(now) if now == *commit => Ok(true),
            // A commit that does not exist is reached by nothing.
            Some(now) => {
                Ok(git.resolve(commit.as_str()).await?.is_some() && git.is_ancestor(commit, &now).await?)
            }
            None => Ok(false),
        }
    };
    look.await.map_err(|error: GitError| MergeError::Failed {
        action: "look whether the integration ref reaches the landing commit",
        source: Box::new(error),
    })
}
