//! Moving a branch, and the files that go with it.

use std::path::Path;

use super::lock::IndexLock;
use super::note::{Note, remove_locks};
use super::way::{Differences, Pair};
use super::{BlockReason, Blocked, PublishMove, Published};
use crate::git::call::{Answer, Files, Place};
use crate::git::error::GitError;
use crate::git::files::{IndexCopy, exists};
use crate::git::refs::{Expected, Head, RefEdit, RefUpdate};
use crate::git::repository::{Repository, show_path};
use crate::types::Oid;

impl Repository {
    /// Does what was planned. Of the person's files only those that differ between the two commits are written,
    /// and none when a local change or an untracked file is in the way of any. No hook runs.
    ///
    /// `recover`: the same move may have been begun before, and not ended. What it left half done is completed,
    /// whether or not the branch had moved, and the locks that its git left are removed, where this repository has
    /// the cookie of that one. The lock of an index that it left is for the caller to remove first, by
    /// [`remove_stale_lock`](super::remove_stale_lock). The programs of that try must have ended. Repeating it is
    /// harmless.
    ///
    /// A call whose future is dropped leaves what a crash leaves, save the lock.
    ///
    /// # Errors
    /// A failure of git or of the disk, after which files may be half written: call again with `recover`.
    pub async fn apply_publish(&self, planned: &PublishMove, recover: bool) -> Result<Published, GitError> {
        let files = match self.only_checkout(&planned.branch).await? {
            Ok(files) => files,
            Err(blocked) => return Ok(Published::Blocked(blocked)),
        };
        if files.as_ref().map(|files| &files.root) != planned.checkout.as_ref() {
            return Ok(Published::Moved);
        }
        if let Some(files) = files {
            return self.publish_into(&files, planned, recover).await;
        }
        if recover {
            self.remove_locks(&self.inner.git_dir, planned)?;
        }
        match self.swap(&self.place(), planned).await? {
            Swap::Done => {}
            Swap::Moved { now } if recover && now.as_ref() == Some(&planned.to) => {}
            Swap::Moved { .. } => return Ok(Published::Moved),
            Swap::Locked(blocked) => return Ok(Published::Blocked(blocked)),
        }
        // Somebody may have checked it out between the look and the swap.
        match self.only_checkout(&planned.branch).await? {
            Ok(Some(files)) => self.publish_into(&files, planned, true).await,
            _ => Ok(Published::Done),
        }
    }

    async fn publish_into(
        &self,
        files: &Files,
        planned: &PublishMove,
        recover: bool,
    ) -> Result<Published, GitError> {
        let program = &self.inner.program;
        let lock = files.index_lock();
        let Some(_held) = IndexLock::take(lock.clone(), self.cookie.as_deref(), program.lock_wait).await?
        else {
            return Ok(Published::Blocked(Blocked::new(BlockReason::Locked { lock })));
        };
        if recover {
            self.remove_locks(&files.git_dir, planned)?;
        }
        // Only now does what is seen stay as it is, as far as git's own programs go.
        let tip = match self.head_at(&Place::Files(files.clone())).await? {
            Head::Branch { name, tip: Some(tip) } if name == planned.branch => tip,
            _ => return Ok(Published::Moved),
        };
        let swapped = recover && tip == planned.to;
        if tip != planned.from && !swapped {
            return Ok(Published::Moved);
        }
        let index = IndexCopy::of(&files.git_dir, "publish")?;
        let changing = self.changing(&planned.from, &planned.to).await?;
        // After a crash more has to be known.
        let seen = if recover { None } else { self.glance(files, index.path(), &changing).await? };
        if let Some(blocked) = self.unfinished_in(files, index.path(), seen.is_some()).await? {
            return Ok(Published::Blocked(blocked));
        }
        if let Some(blocked) = self.move_files(files, index.path(), planned, &changing, seen, recover).await?
        {
            return Ok(Published::Blocked(blocked));
        }
        if !swapped {
            let outcome = match self.swap(&Place::Files(files.clone()), planned).await {
                Ok(Swap::Done) => None,
                Ok(Swap::Moved { now }) if now.as_ref() == Some(&planned.to) => None,
                Ok(Swap::Moved { .. }) => Some(Ok(Published::Moved)),
                Ok(Swap::Locked(blocked)) => Some(Ok(Published::Blocked(blocked))),
                Err(error) => Some(Err(error)),
            };
            if let Some(outcome) = outcome {
                self.two_way(files, index.path(), &planned.to, &planned.from).await?.success()?;
                return outcome;
            }
        }
        index.install(&files.git_dir)?;
        Ok(Published::Done)
    }

    /// Whether the worktree is in the middle of something; `merged`: its index has no conflicts.
    async fn unfinished_in(
        &self,
        files: &Files,
        index: &Path,
        merged: bool,
    ) -> Result<Option<Blocked>, GitError> {
        let mut unmerged = Vec::new();
        if !merged && exists(index) {
            let list = self.ok(files.call("ls-files").index(index).args(["-u", "-z"])).await?;
            let path_in = |entry: &[u8]| entry.splitn(2, |&b| b == b'\t').last().map(show_path);
            unmerged = list.fields().filter_map(path_in).collect();
            unmerged.dedup();
        }
        let operation = match self.unfinished(files).await? {
            None if unmerged.is_empty() => return Ok(None),
            found => found.unwrap_or("merge"),
        };
        let reason = BlockReason::Unfinished { operation, worktree: files.root.clone() };
        Ok(Some(Blocked::at(reason, unmerged)))
    }

    /// Makes files and the copied index those of `to`, or says what is in the way. Where nothing was `seen` of them yet,
    /// with `recover` as in [`apply_publish`](Self::apply_publish).
    async fn move_files(
        &self,
        files: &Files,
        index: &Path,
        planned: &PublishMove,
        changing: &[Pair],
        seen: Option<Differences>,
        recover: bool,
    ) -> Result<Option<Blocked>, GitError> {
        let (from, to) = (&planned.from, &planned.to);
        let mut start = from.clone();
        let seen = match seen {
            Some(seen) => seen,
            None => {
                self.refresh(files, index).await?;
                if recover {
                    start = self.adopt(files, index, (from, to), changing).await?;
                }
                self.differences(files, index, from).await?
            }
        };
        let paths = seen.in_the_way(files, changing, recover)?;
        if !paths.is_empty() {
            return Ok(Some(Blocked::at(BlockReason::InTheWay, paths)));
        }
        let answer = self.two_way(files, index, &start, to).await?;
        if answer.code == 0 {
            return Ok(None);
        }
        // git looks as well, before it writes anything: somebody was quicker.
        let paths = refused_paths(&answer.stderr);
        if paths.is_empty() {
            Err(answer.failure())
        } else {
            Ok(Some(Blocked::at(BlockReason::InTheWay, paths)))
        }
    }

    /// Brings files and index from one commit to another, local changes elsewhere kept.
    async fn two_way(&self, files: &Files, index: &Path, from: &Oid, to: &Oid) -> Result<Answer, GitError> {
        let call = files.call("read-tree").index(index);
        self.run(call.args(["-m", "-u", from.as_str(), to.as_str()])).await
    }

    fn remove_locks(&self, git_dir: &Path, planned: &PublishMove) -> Result<(), GitError> {
        match &self.cookie {
            Some(cookie) => remove_locks(&self.inner.common_dir, git_dir, cookie, planned),
            None => Ok(()),
        }
    }

    async fn swap(&self, place: &Place, planned: &PublishMove) -> Result<Swap, GitError> {
        let (name, new) = (planned.branch.clone(), Some(planned.to.clone()));
        let edit = RefEdit { name, new, expected: Expected::At(planned.from.clone()) };
        let note = |cookie: &String| Note::write(&self.inner.common_dir, cookie, planned);
        let _note = self.cookie.as_ref().map(note).transpose()?;
        match self.update_refs_at(place, &[edit], "publish").await {
            Ok(RefUpdate::Done) => Ok(Swap::Done),
            Ok(RefUpdate::Moved { now }) => Ok(Swap::Moved { now }),
            Err(GitError::Locked { path }) => {
                Ok(Swap::Locked(Blocked::new(BlockReason::Locked { lock: path })))
            }
            Err(error) => Err(error),
        }
    }
}

/// What became of the branch.
enum Swap {
    Done,
    Moved { now: Option<Oid> },
    Locked(Blocked),
}

/// The paths that `read-tree` names when it refuses to lose something.
fn refused_paths(stderr: &str) -> Vec<String> {
    let told = stderr.lines().filter_map(|line| line.strip_prefix("error: "));
    let quoted = told.filter(|line| line.contains("Cannot merge") || line.contains("would "));
    quoted.filter_map(|line| line.split('\'').nth(1).map(str::to_owned)).collect()
}
