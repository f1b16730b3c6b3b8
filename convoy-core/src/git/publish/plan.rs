//! What there is to publish, and whether it may be.

use std::path::PathBuf;

use super::{BlockReason, Blocked, PublishMove, PublishPlan, PublishRequest};
use crate::git::call::Files;
use crate::git::error::GitError;
use crate::git::files::exists;
use crate::git::merge::MergeResult;
use crate::git::repository::{Repository, show_path};
use crate::types::Oid;

impl Repository {
    /// Looks what has to happen so that a branch reaches a commit. Changes no ref and no file; where the branch
    /// went on meanwhile, a merge commit with the parents (branch, target) is written, which nothing points to.
    pub async fn plan_publish(&self, request: &PublishRequest) -> Result<PublishPlan, GitError> {
        let PublishRequest { branch, target, known, message } = request;
        let Some(tip) = self.resolve(branch).await? else {
            return Ok(PublishPlan::Blocked(Blocked::new(BlockReason::Deleted)));
        };
        if self.is_ancestor(target, &tip).await? {
            return Ok(PublishPlan::UpToDate { tip });
        }
        if !self.is_ancestor(known, &tip).await? {
            return Ok(PublishPlan::Blocked(Blocked::new(BlockReason::Rewritten)));
        }
        let to = if self.is_ancestor(&tip, target).await? {
            target.clone()
        } else {
            match self.merge(&tip, target).await? {
                MergeResult::Conflicted { paths, .. } => {
                    return Ok(PublishPlan::Blocked(Blocked::at(BlockReason::Conflict, paths)));
                }
                MergeResult::Clean { tree } => self.merge_commit(&tree, &tip, target, message).await?,
            }
        };
        let checkout = match self.only_checkout(branch).await? {
            Ok(checkout) => checkout,
            Err(blocked) => return Ok(PublishPlan::Blocked(blocked)),
        };
        let (branch, lock) = (branch.clone(), checkout.as_ref().map(Files::index_lock));
        let checkout = checkout.map(|files| files.root);
        Ok(PublishPlan::Move(PublishMove { branch, from: tip, to, checkout, lock }))
    }

    async fn merge_commit(
        &self,
        tree: &Oid,
        tip: &Oid,
        target: &Oid,
        message: &str,
    ) -> Result<Oid, GitError> {
        let commit = self.commit_landing(tree, &[tip.clone(), target.clone()], message).await?;
        self.sync_objects(&commit, target).await?;
        Ok(commit)
    }

    /// The worktree that has a branch checked out, if any, or why the branch must not move.
    pub(super) async fn only_checkout(
        &self,
        branch: &str,
    ) -> Result<Result<Option<Files>, Blocked>, GitError> {
        if let Some((operation, worktree)) = self.busy_with(branch)? {
            return Ok(Err(Blocked::new(BlockReason::Unfinished { operation, worktree })));
        }
        let name = branch.to_owned();
        if let Some(only_main) = self.try_fast("worktree", move |at| at.is_only_on_main(&name)).await? {
            let main = self.main_worktree().filter(|main| only_main && exists(main));
            return match main {
                Some(main) => Ok(Ok(Some(self.worktree(main).await?))),
                None => Ok(Ok(None)),
            };
        }
        let list = self.list_worktrees().await?;
        // A folder that is gone is no checkout: git forgets it as well.
        let mut found: Vec<PathBuf> = list
            .into_iter()
            .filter(|w| !w.bare && w.branch.as_deref() == Some(branch) && exists(&w.path))
            .map(|w| w.path)
            .collect();
        if found.len() > 1 {
            let paths = found.iter().map(|path| path.display().to_string()).collect();
            return Ok(Err(Blocked::at(BlockReason::SeveralCheckouts, paths)));
        }
        match found.pop() {
            Some(path) => Ok(Ok(Some(self.worktree(&path).await?))),
            None => Ok(Ok(None)),
        }
    }

    /// A rebase or bisection that will put the branch back where it found it; HEAD is detached meanwhile.
    fn busy_with(&self, branch: &str) -> Result<Option<(&'static str, PathBuf)>, GitError> {
        let common = &self.inner.common_dir;
        let mut git_dirs = vec![common.clone()];
        if let Ok(entries) = std::fs::read_dir(common.join("worktrees")) {
            for entry in entries {
                git_dirs.push(entry.map_err(GitError::io("list", common))?.path());
            }
        }
        let short = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        for git_dir in git_dirs {
            for (file, name, operation) in [
                ("rebase-merge/head-name", branch, "rebase"),
                ("rebase-apply/head-name", branch, "rebase"),
                ("BISECT_START", short, "bisect"),
            ] {
                let text = std::fs::read(git_dir.join(file)).unwrap_or_default();
                if show_path(text.trim_ascii()) == name {
                    return Ok(Some((operation, git_dir)));
                }
            }
        }
        Ok(None)
    }
}
