//! A worktree's state as a commit, whatever was or was not committed there.

use std::path::{Path, PathBuf};

use super::call::{Call, Files};
use super::error::GitError;
use super::files::{IndexCopy, exists};
use super::ignore::{IgnoreFile, IgnoreRules, is_within};
use super::refs::{Expected, RefUpdate};
use super::repository::{Repository, path_of, show_path};
use crate::types::Oid;

/// What to record.
#[derive(Debug, Clone)]
pub struct SnapshotRequest {
    /// The commit that the work started from.
    pub base: Oid,
    /// The message of a commit, if one has to be made.
    pub message: String,
    /// Files and folders, from the root, that must never be recorded: not in the tree, nor in any commit that
    /// the snapshot reaches and the base does not. The base's own content of them stays.
    pub exclude: Vec<PathBuf>,
    /// Which untracked files are ignored, beside those that the tree's own `.gitignore` files name.
    pub ignore: IgnoreRules,
    /// Commits that the snapshot must reach too, such as the other side of a merge that was resolved.
    pub extra_parents: Vec<Oid>,
    /// The full name of the ref that keeps the snapshot. What it was before does not matter.
    pub keep_ref: String,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit. It has the base as an ancestor.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Whether the tree differs from the base's.
    pub changed: bool,
    /// Whether the commits that were made in the worktree could not be used, because the base is no ancestor of
    /// them or because they hold an excluded path: the tree was recorded as one commit on the base.
    pub rebased: bool,
}

/// A file of more bytes is not recorded, unless a filter stores it elsewhere. The largest push that GitHub takes.
const LARGEST: u64 = 2 * 1024 * 1024 * 1024;

/// Files in a worktree's git directory that tell of an operation that is not finished.
const UNFINISHED: &[(&str, &str)] = &[
    ("rebase-merge", "rebase"),
    ("rebase-apply/applying", "am"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("MERGE_HEAD", "merge"),
    ("sequencer", "cherry-pick"),
    ("BISECT_START", "bisect"),
];

impl Repository {
    /// The operation that is under way in a worktree.
    pub(super) async fn unfinished(&self, files: &Files) -> Result<Option<&'static str>, GitError> {
        for (file, operation) in UNFINISHED {
            if exists(&files.git_dir.join(file)) {
                return Ok(Some(operation));
            }
        }
        // Two of the files are refs in a repository that keeps those in tables.
        if exists(&files.git_dir.join("reftable")) {
            for (name, operation) in [("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert")] {
                if self.run(files.call("rev-parse").args(["-q", "--verify", name])).await?.code == 0 {
                    return Ok(Some(operation));
                }
            }
        }
        Ok(None)
    }

    /// Records what the HEAD of a worktree resolves to, plus everything that is uncommitted and not ignored, as
    /// a commit: HEAD itself when that says it all. No hook runs, nothing is signed. HEAD, index and files stay
    /// as they are.
    ///
    /// Whoever worked in the worktree must have ended: a lock that was left on its index or HEAD is removed.
    ///
    /// # Errors
    /// [`GitError::Unfinished`] in the middle of a merge, rebase or the like, or with unmerged paths;
    /// [`GitError::EmbeddedRepository`] when a repository lies in the tree that the base does not have as a
    /// submodule; [`GitError::TooLarge`]; [`GitError::NotAWorktree`]. The files are untouched then, and no ref has moved.
    pub async fn snapshot(&self, worktree: &Path, request: &SnapshotRequest) -> Result<Snapshot, GitError> {
        let files = self.worktree(worktree).await?;
        for lock in ["index.lock", "HEAD.lock"] {
            // Not there is the rule; one that cannot be removed shows in the calls that need it.
            let _ = std::fs::remove_file(files.git_dir.join(lock));
        }
        let base_tree = self.tree_of(&request.base).await?;
        let head = self.worktree_head(&files).await?;
        let tree = self.record_tree(&files, request, head.as_ref()).await?;
        self.refuse_new_links(&base_tree, &tree).await?;
        let changed = tree != base_tree;
        let (commit, rebased) = self.commit_on(request, head, &tree).await?;
        match self.update_ref(&request.keep_ref, &commit, Expected::Any, "snapshot").await? {
            RefUpdate::Done => Ok(Snapshot { commit, tree, changed, rebased }),
            RefUpdate::Moved { .. } => Err(GitError::unexpected("update-ref", request.keep_ref.as_bytes())),
        }
    }

    /// The commit and the tree of a worktree's HEAD; `None` for a branch without a commit.
    async fn worktree_head(&self, files: &Files) -> Result<Option<(Oid, Oid)>, GitError> {
        let mut ids = Vec::new();
        for kind in ["commit", "tree"] {
            let call = files.call("rev-parse").args(["-q", "--verify"]).arg(format!("HEAD^{{{kind}}}"));
            let answer = self.run(call).await?;
            match answer.code {
                0 => ids.push(answer.oid()?),
                1 => return Ok(None),
                _ => return Err(answer.failure()),
            }
        }
        Ok(ids.pop().and_then(|tree| Some((ids.pop()?, tree))))
    }

    /// Writes the tree of the files, by way of a copy of the index.
    async fn record_tree(
        &self,
        files: &Files,
        request: &SnapshotRequest,
        head: Option<&(Oid, Oid)>,
    ) -> Result<Oid, GitError> {
        let index = IndexCopy::of(&files.git_dir, "snapshot")?;
        let call = |what| files.call(what).index(index.path());
        if !exists(index.path()) {
            let start = head.map_or(&request.base, |(commit, _)| commit);
            self.ok(call("read-tree").arg(start.as_str())).await?;
        }
        self.unskip(files, &call).await?;
        let unmerged = self.ok(call("ls-files").args(["-u", "-z"])).await?;
        let operation = self.unfinished(files).await?;
        if operation.is_some() || !unmerged.stdout.is_empty() {
            let path_in = |entry: &[u8]| entry.splitn(2, |&b| b == b'\t').last().map(show_path);
            let mut unmerged: Vec<String> = unmerged.fields().filter_map(path_in).collect();
            unmerged.dedup();
            let operation = operation.unwrap_or("merge");
            return Err(GitError::Unfinished { path: files.root.clone(), operation, unmerged });
        }
        let untracked = self.untracked(files, &call, request).await?;
        // Entries may be marked as never changing; they are looked at all the same. Code 1: some changed.
        self.run(call("update-index").args(["-q", "--really-refresh"])).await?;
        self.ok(call("add").args(["-u", "--sparse"])).await?;
        self.add_untracked(&call, untracked).await?;
        self.leave_out(&call, &request.exclude, &request.base).await?;
        self.ok(call("write-tree")).await?.oid()
    }

    /// The untracked files that are to be recorded, each with a NUL after it. Repositories among them, which git lists
    /// as a folder, with a slash, where it would go into any other, are refused, as are untracked or changed files
    /// that are too large.
    async fn untracked(
        &self,
        files: &Files,
        call: &impl Fn(&'static str) -> Call,
        request: &SnapshotRequest,
    ) -> Result<Vec<u8>, GitError> {
        let ignore = IgnoreFile::write(files, &request.ignore)?;
        let untracked = self.ok(ignore.heeded_by(call("ls-files").args(["-o", "-z"]))).await?;
        drop(ignore);
        let kept_out = |path: &[u8]| is_within(path, &request.exclude);
        let fields = untracked.fields().filter(|path| !kept_out(path));
        let (folders, untracked): (Vec<_>, Vec<_>) = fields.partition(|path| path.ends_with(b"/"));
        if !folders.is_empty() {
            let paths = folders.iter().map(|path| show_path(&path[..path.len() - 1])).collect();
            return Err(GitError::EmbeddedRepository { paths });
        }
        let changed = self.ok(call("ls-files").args(["-m", "-z"])).await?;
        let changed = changed.fields().filter(|path| !kept_out(path));
        self.refuse_large(files, call, untracked.iter().copied().chain(changed)).await?;
        Ok(untracked.into_iter().flat_map(|path| [path, &b"\0"[..]].concat()).collect())
    }

    /// Files that are too large, unless a filter stores them elsewhere.
    async fn refuse_large(
        &self,
        files: &Files,
        call: &impl Fn(&'static str) -> Call,
        listed: impl Iterator<Item = &[u8]>,
    ) -> Result<(), GitError> {
        let is_large = |path: &&[u8]| {
            let found = std::fs::symlink_metadata(files.root.join(path_of(path)));
            found.is_ok_and(|found| found.is_file() && found.len() > LARGEST)
        };
        let mut paths = Vec::new();
        for path in listed.filter(is_large) {
            let attribute =
                self.ok(call("check-attr").args(["-z", "filter", "--"]).arg(path_of(path))).await?;
            if attribute.fields().nth(2).is_none_or(|value| [&b"unspecified"[..], b"unset"].contains(&value))
            {
                paths.push(show_path(path));
            }
        }
        paths.dedup();
        if paths.is_empty() { Ok(()) } else { Err(GitError::TooLarge { paths }) }
    }

    /// Adds files to an index that it does not have. git's own `add` would ask what is ignored now.
    async fn add_untracked(
        &self,
        call: &impl Fn(&'static str) -> Call,
        paths: Vec<u8>,
    ) -> Result<(), GitError> {
        if paths.is_empty() {
            return Ok(());
        }
        let add = call("update-index").args(["--add", "--replace", "-z", "--stdin"]);
        let answer = self.ok(add.stdin(paths)).await?;
        // A name that could be taken for git's own somewhere, such as `git~1`, is passed over without an error.
        match answer.stderr.lines().any(|line| line.starts_with("Ignoring path ")) {
            true => Err(answer.failure()),
            false => Ok(()),
        }
    }

    /// Makes the entries of the excluded paths in an index those of the base.
    async fn leave_out(
        &self,
        call: &impl Fn(&'static str) -> Call,
        exclude: &[PathBuf],
        base: &Oid,
    ) -> Result<(), GitError> {
        if exclude.is_empty() {
            return Ok(());
        }
        let remove = call("rm").args(["--cached", "-r", "-f", "-q", "--sparse", "--ignore-unmatch", "--"]);
        self.ok(remove.args(exclude)).await?;
        let restore = self.call("ls-tree").args(["-r", "-z", "--full-tree", base.as_str(), "--"]);
        let entries = self.ok(restore.args(exclude)).await?;
        if !entries.stdout.is_empty() {
            self.ok(call("update-index").args(["-z", "--index-info"]).stdin(entries.stdout)).await?;
        }
        Ok(())
    }

    /// Links to commits of other repositories that the base does not have at the same path.
    async fn refuse_new_links(&self, base_tree: &Oid, tree: &Oid) -> Result<(), GitError> {
        let call = self.call("diff-tree").args(["-r", "-z", "--raw", "--no-renames"]);
        let answer = self.ok(call.args([base_tree.as_str(), tree.as_str()])).await?;
        let mut fields = answer.fields();
        let mut paths = Vec::new();
        while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
            if head.get(8..14) == Some(b"160000") && head.get(1..7) != Some(b"160000") {
                paths.push(show_path(path));
            }
        }
        if paths.is_empty() { Ok(()) } else { Err(GitError::EmbeddedRepository { paths }) }
    }

    /// The commit that holds `tree` and has the base as an ancestor, and whether the worktree's own commits had
    /// to be left out of it.
    async fn commit_on(
        &self,
        request: &SnapshotRequest,
        head: Option<(Oid, Oid)>,
        tree: &Oid,
    ) -> Result<(Oid, bool), GitError> {
        let usable = match &head {
            Some((commit, _)) => {
                self.is_ancestor(&request.base, commit).await?
                    && !self.holds_excluded(request, commit).await?
            }
            None => false,
        };
        let on = match &head {
            Some((commit, _)) if usable => commit,
            _ => &request.base,
        };
        let mut parents = vec![on.clone()];
        for extra in &request.extra_parents {
            if !self.is_ancestor(extra, on).await? {
                parents.push(extra.clone());
            }
        }
        let on_tree = match &head {
            Some((_, tree)) if usable => tree.clone(),
            _ => self.tree_of(&request.base).await?,
        };
        if parents.len() == 1 && on_tree == *tree {
            return Ok((on.clone(), !usable));
        }
        Ok((self.commit_tree(tree, &parents, &request.message, None).await?, !usable))
    }

    /// Whether a commit since the base changed an excluded path.
    async fn holds_excluded(&self, request: &SnapshotRequest, commit: &Oid) -> Result<bool, GitError> {
        if request.exclude.is_empty() || *commit == request.base {
            return Ok(false);
        }
        let call = self.call("rev-list").args(["--max-count=1", "--full-history", commit.as_str()]);
        let call = call.arg(format!("^{}", request.base)).arg("--").args(&request.exclude);
        Ok(!self.ok(call).await?.stdout.is_empty())
    }
}
