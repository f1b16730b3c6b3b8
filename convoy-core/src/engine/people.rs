//! A person's commit as the work of a task.

use std::sync::Arc;

use super::git_open_error;
use super::handle::Inner;
use super::request::{self, Sent};
use super::stored::load_from;
use crate::attempt::Dirs;
use crate::error::{Error, ErrorKind};
use crate::event::{RequestKind, Work};
use crate::git::{Expected, GitError, RefUpdate, Repository};
use crate::types::{ConvoyId, Oid, TaskId};

/// Keeps the commit by a ref of the task, and asks whoever runs the convoy to take it.
pub(super) async fn accept(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    id: &TaskId,
    revision: &str,
    reason: String,
) -> Result<Sent, Error> {
    let parts = &inner.parts;
    let git = &parts.repository;
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    let missing = |text: String| Error::new(ErrorKind::NotFound, text);
    let plan = loaded.state.plan();
    let task = plan.find(id).ok_or_else(|| missing(format!("convoy {convoy} has no task {id}")))?;
    let commit = git.resolve(revision).await.map_err(git_open_error)?;
    let commit = commit.ok_or_else(|| missing(format!("{revision:?} is no commit of this repository")))?;
    let base = git.merge_base(loaded.state.tip(), &commit).await.map_err(git_open_error)?;
    let base = base.ok_or_else(|| {
        let text = format!("{revision} has no history in common with the convoy's work; rebase it first");
        Error::new(ErrorKind::Repository, text)
    })?;
    let tree = git.tree_of(&commit).await.map_err(git_open_error)?;
    let changed = tree != git.tree_of(&base).await.map_err(git_open_error)?;
    let kept_ref = Dirs::new(&parts.state_dir, convoy.clone()).accepted_ref(plan, task, &commit);
    keep(git, &kept_ref, &commit, &base).await.map_err(git_open_error)?;
    let work = Work { commit, tree, base, changed, kept_ref };
    request::request(inner, convoy, RequestKind::Accept { task: id.clone(), work, reason }).await
}

/// Keeps a commit by a ref, on the disk with all that it has beyond the base.
async fn keep(git: &Repository, kept_ref: &str, commit: &Oid, base: &Oid) -> Result<(), GitError> {
    git.sync_objects(commit, base).await?;
    match git.update_ref(kept_ref, commit, Expected::Absent, "convoy: accepted").await? {
        // The same commit was given before.
        RefUpdate::Done | RefUpdate::Moved { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::keep;
    use crate::git::testing::Scratch;
    use crate::git::testing::power::{cut, files};

    #[tokio::test]
    async fn a_commit_that_was_accepted_is_whole_after_a_power_cut() {
        let s = Scratch::new().await;
        let base = s.write("a", "1\n").commit("base").await;
        let before = files(&s.root.join(".git"));
        let commit = s.write("dir/b", "1\n").commit("by hand").await;
        keep(&s.repo, "refs/x/accepted", &commit, &base).await.expect("keeps");
        assert!(cut(&s.root.join(".git"), &before) > 0, "nothing was lost: the test cuts nothing");
        assert_eq!(s.git(&["rev-parse", "refs/x/accepted"]).await, commit.as_str());
        s.git(&["rev-list", "--objects", "refs/x/accepted"]).await;
        s.git(&["fsck", "--full"]).await;
    }
}
