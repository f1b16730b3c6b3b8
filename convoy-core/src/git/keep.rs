//! What stays in a worktree that is used again: ignored files that the next task of the same convoy may find warm.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::call::Files;
use super::error::GitError;
use super::files::exists;
use super::ignore::{IgnoreFile, IgnoreRules, is_within};
use super::repository::{Repository, show_path};
use crate::types::{Isolation, Oid};

/// Which files stay in a worktree when it is used again.
#[derive(Clone)]
pub struct Keep {
    /// Only who has the same name finds them.
    pub owner: String,
    /// Whether a path, from the root, may stay; it does only if git ignores it.
    pub covers: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// What git ignores beside what the tree's own `.gitignore` files name.
    pub ignore: IgnoreRules,
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Repository {
    /// The files of a worktree that may stay.
    pub(super) async fn kept_files(&self, files: &Files, keep: &Keep) -> Result<BTreeSet<Vec<u8>>, GitError> {
        let ignore = IgnoreFile::write(files, &keep.ignore)?;
        let list = || files.call("ls-files").args(["-o", "-i", "-z"]);
        let found = files.found_index();
        let mut ignored = None;
        if exists(&found) {
            let answer = self.run(ignore.heeded_by(list().index(&found))).await?;
            // Whoever worked there may have left one that git cannot read: that is no trouble of the next one's.
            ignored = match files.isolation {
                Isolation::Separate => Some(answer).filter(|answer| answer.code == 0),
                Isolation::Linked => Some(answer.success()?),
            };
        }
        let ignored = match ignored {
            Some(ignored) => ignored,
            // Before anybody was there to leave one, ours is as good.
            None => self.ok(ignore.heeded_by(list())).await?,
        };
        // A folder that is a repository of its own is listed with a slash at its end: it is none of these.
        let stays = |path: &&[u8]| !path.ends_with(b"/") && (keep.covers)(&show_path(path));
        Ok(ignored.fields().filter(stays).map(<[u8]>::to_vec).collect())
    }

    /// Whether a worktree holds untracked files that are not ignored.
    pub(super) async fn has_others(&self, files: &Files, keep: Option<&Keep>) -> Result<bool, GitError> {
        let Some(keep) = keep else { return Ok(false) };
        let ignore = IgnoreFile::write(files, &keep.ignore)?;
        let list = files.call("ls-files").args(["-o", "-z"]);
        Ok(!self.ok(ignore.heeded_by(list)).await?.stdout.is_empty())
    }

    /// Whether a worktree holds nothing but the files of its commit, those that may stay, and `copied` files or
    /// folders, given from the root: what was made in it is all there when it is used again. Of a git directory of its
    /// own nothing stays: there must be nothing in it but what it began with.
    ///
    /// # Errors
    /// When it is no worktree, or git fails.
    pub async fn holds_only_kept(
        &self,
        worktree: &Path,
        keep: &Keep,
        copied: &[PathBuf],
    ) -> Result<bool, GitError> {
        let files = self.worktree(worktree).await?;
        if !self.is_as_made(&files).await? {
            return Ok(false);
        }
        let kept = self.kept_files(&files, keep).await?;
        let others = self.ok(files.call("ls-files").args(["-o", "-z"])).await?;
        if !others.fields().all(|path| kept.contains(path) || is_within(path, copied)) {
            return Ok(false);
        }
        // By no means into repositories within the tree, whose settings would say what git runs.
        let list = files.call("status").args(["--porcelain", "-z", "--untracked-files=no"]);
        let changed = self.ok(list.arg("--ignore-submodules=dirty")).await?;
        Ok(changed.stdout.is_empty())
    }

    /// Every file of a commit, with its mode and object as git writes them.
    pub async fn files_at(&self, commit: &Oid) -> Result<Vec<(String, String)>, GitError> {
        let answer = self.ok(self.call("ls-tree").args(["-r", "-z", "--full-tree", commit.as_str()])).await?;
        let file = |line: &[u8]| {
            let at = line.iter().position(|&byte| byte == b'\t')?;
            Some((show_path(&line[at + 1..]), String::from_utf8_lossy(&line[..at]).into_owned()))
        };
        Ok(answer.fields().filter_map(file).collect())
    }

    /// The state that the worktree at a path was prepared to, as it was [noted](Self::note_prepared), if it is used
    /// again with all that it kept.
    pub async fn prepared(&self, path: &Path) -> Result<Option<String>, GitError> {
        let folder = self.folder_of(path).await?;
        Ok(self.inner.pool.get().and_then(|pool| pool.prepared(&folder)))
    }

    /// Notes a state that the worktree at a path was prepared to. Without effect where worktrees are not used again.
    pub async fn note_prepared(&self, path: &Path, state: String) -> Result<(), GitError> {
        let folder = self.folder_of(path).await?;
        if let Some(pool) = self.inner.pool.get() {
            pool.note_prepared(&folder, Some(state));
        }
        Ok(())
    }
}
