//! A worktree's state as a commit, whatever was or was not committed there.

use std::path::{Path, PathBuf};

use super::call::{Answer, Call, Files};
use super::error::GitError;
use super::files::{IndexCopy, exists};
use super::ignore::{IgnoreFile, IgnoreRules, is_within};
use super::merge::MergeResult;
use super::refs::{Expected, RefUpdate};
use super::repository::{Repository, path_of, show_path};
use super::separate::Names;
use super::submodule::gitlinks;
use crate::types::{Isolation, Oid};

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

impl SnapshotRequest {
    /// Makes a call of `rev-list` one that lists a commit since the base that changed an excluded path.
    pub(super) fn changes_excluded(&self, call: Call, commit: &Oid) -> Call {
        let call = call.args(["--max-count=1", "--full-history", commit.as_str()]);
        call.arg(format!("^{}", self.base)).arg("--").args(&self.exclude)
    }
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
    /// them or because they hold an excluded path: what they and the files changed was recorded as one commit on the base.
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

/// The id and the path of an entry of an index.
fn staged(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let tab = entry.iter().position(|byte| *byte == b'\t')?;
    Some((entry[..tab].split(|byte| *byte == b' ').nth(1)?, &entry[tab + 1..]))
}

fn is_large(files: &Files, path: &[u8]) -> bool {
    let found = std::fs::symlink_metadata(files.root.join(path_of(path)));
    found.is_ok_and(|found| found.is_file() && found.len() > LARGEST)
}

impl Repository {
    /// The operation that is under way in a worktree.
    pub(super) async fn unfinished(&self, files: &Files) -> Result<Option<&'static str>, GitError> {
        if files.isolation == Isolation::Separate {
            return Self::own_unfinished(files, UNFINISHED);
        }
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
    /// as they are. The commit, with all that it has beyond the base, and the ref are on the disk then.
    ///
    /// Where HEAD was moved to a history without the base, such as a branch of before, the files do not have what the base
    /// has beyond that history, and nobody took it away: what was changed since is merged into the base, and index and files
    /// are made those of the result. The files of a history without anything in common count as they are, if most of those
    /// of the base are among them.
    ///
    /// Whoever worked in the worktree must have ended: a lock that was left on its index or HEAD is removed.
    ///
    /// # Errors
    /// [`GitError::Unfinished`] in the middle of a merge, rebase or the like, or with unmerged paths;
    /// [`GitError::EmbeddedRepository`] when a repository lies in the tree that the base does not have as a
    /// submodule; [`GitError::BeganElsewhere`] when that merge has no clean result, or there is none;
    /// [`GitError::SubmoduleWork`]; [`GitError::Unreadable`]; [`GitError::TooLarge`];
    /// [`GitError::NotAWorktree`]. The files are untouched then, and no ref has moved.
    pub async fn snapshot(&self, worktree: &Path, request: &SnapshotRequest) -> Result<Snapshot, GitError> {
        let files = self.worktree(worktree).await?;
        for lock in ["index.lock", "HEAD.lock"] {
            // Not there is the rule; one that cannot be removed shows in the calls that need it.
            let _ = std::fs::remove_file(files.git_dir.join(lock));
        }
        let base_tree = self.tree_of(&request.base).await?;
        let (head, began) = match files.isolation {
            Isolation::Linked => {
                let head = self.worktree_head(&files).await?;
                let began = self.beginning(&request.base, head.as_ref()).await?;
                (head, began)
            }
            Isolation::Separate => {
                self.settle(&files, &request.base, Names::Stay).await?;
                self.read_own(&files, request).await?
            }
        };
        let found = self.record_tree(&files, request, head.as_ref()).await?;
        let is_onward = began.as_ref() == Some(&request.base);
        let tree = match began {
            Some(began) if !is_onward => self.move_onto(request, began, &found).await?,
            // A history that whoever worked there began anew, with the files that were there.
            None if !self.holds_most(&found, &base_tree).await? => {
                return Err(GitError::BeganElsewhere { base: request.base.clone(), paths: Vec::new() });
            }
            _ => found.clone(),
        };
        self.refuse_new_links(&base_tree, &tree).await?;
        let changed = tree != base_tree;
        let (commit, rebased) = self.commit_on(request, head.filter(|_| is_onward), &tree).await?;
        // The worktree may be the only other copy, and is deleted once the ref is there.
        self.sync_objects(&commit, &request.base).await?;
        if tree != found {
            self.reset_to_tree(worktree, &tree).await?;
        }
        match self.update_ref(&request.keep_ref, &commit, Expected::Any, "snapshot").await? {
            RefUpdate::Done => Ok(Snapshot { commit, tree, changed, rebased }),
            RefUpdate::Moved { .. } => Err(GitError::unexpected("update-ref", request.keep_ref.as_bytes())),
        }
    }

    /// The commit and the tree of a worktree's HEAD; `None` for a branch without a commit.
    async fn worktree_head(&self, files: &Files) -> Result<Option<(Oid, Oid)>, GitError> {
        let git_dir = files.git_dir.clone();
        if let Some(head) = self.try_fast("rev-parse", move |at| at.head_and_tree(&git_dir)).await? {
            return Ok(head);
        }
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

    /// The newest commit that the base and the HEAD of a worktree come from: what the work began with. `None`: they have
    /// nothing in common.
    async fn beginning(&self, base: &Oid, head: Option<&(Oid, Oid)>) -> Result<Option<Oid>, GitError> {
        match head {
            Some((commit, _)) if !self.is_ancestor(base, commit).await? => {
                self.merge_base(base, commit).await
            }
            _ => Ok(Some(base.clone())),
        }
    }

    /// The tree of the base with what was changed between a commit that it comes from and a tree.
    async fn move_onto(&self, request: &SnapshotRequest, began: Oid, tree: &Oid) -> Result<Oid, GitError> {
        let work = self.commit_tree(tree, &[began], &request.message, None).await?;
        match self.merge(&request.base, &work).await? {
            MergeResult::Clean { tree } => Ok(tree),
            MergeResult::Conflicted { paths, .. } => {
                Err(GitError::BeganElsewhere { base: request.base.clone(), paths })
            }
        }
    }

    /// Whether a tree has half of the paths of another, or more.
    async fn holds_most(&self, tree: &Oid, of: &Oid) -> Result<bool, GitError> {
        let all = self.ok(self.call("ls-tree").args(["-r", "-z", "--name-only", of.as_str()])).await?;
        let gone = ["-r", "-z", "--name-only", "--no-renames", "--diff-filter=D"];
        let gone = self.call("diff-tree").args(gone).args([of.as_str(), tree.as_str()]);
        Ok(self.ok(gone).await?.fields().count() * 2 <= all.fields().count())
    }

    /// Writes the tree of the files, by way of a copy of the index.
    async fn record_tree(
        &self,
        files: &Files,
        request: &SnapshotRequest,
        head: Option<&(Oid, Oid)>,
    ) -> Result<Oid, GitError> {
        if self.unfinished(files).await?.is_none()
            && let Some(tree) = self.record_plain(files, request).await?
        {
            return Ok(tree);
        }
        let start = head.map_or(&request.base, |(commit, _)| commit);
        let index = IndexCopy::copy(&files.found_index(), &files.git_dir, "snapshot")?;
        match self.record_by_index(files, request, start, &index).await {
            // That index was written by whoever worked there, and git may be unable to read it. The files count.
            Err(GitError::Failed { .. }) if files.isolation == Isolation::Separate => {
                drop(index);
                let index = IndexCopy::empty(&files.git_dir, "snapshot");
                self.record_by_index(files, request, start, &index).await
            }
            recorded => recorded,
        }
    }

    async fn record_by_index(
        &self,
        files: &Files,
        request: &SnapshotRequest,
        start: &Oid,
        index: &IndexCopy,
    ) -> Result<Oid, GitError> {
        let call = |what| files.call(what).index(index.path());
        if !exists(index.path()) {
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
        if !self.bring_staged(files, &call).await? {
            // It names what is nowhere: every file is read instead.
            self.ok(call("read-tree").arg(start.as_str())).await?;
        }
        let (untracked, has_submodules) = self.untracked(files, &call, request).await?;
        // Entries may be marked as never changing; they are looked at all the same. Code 1: some changed.
        self.run(call("update-index").args(["-q", "--really-refresh"])).await?;
        self.add_changed(&call).await?;
        self.add_untracked(&call, untracked).await?;
        self.leave_out(&call, &request.exclude, &request.base).await?;
        if has_submodules {
            self.refuse_lost_submodules(files, &call, request).await?;
        }
        self.ok(call("write-tree")).await?.oid()
    }

    /// The untracked files that are to be recorded, each with a NUL after it. Repositories among them, which git lists
    /// as a folder, with a slash, where it would go into any other, are refused, as are untracked or changed files
    /// that are too large. And whether the index has submodules.
    async fn untracked(
        &self,
        files: &Files,
        call: &impl Fn(&'static str) -> Call,
        request: &SnapshotRequest,
    ) -> Result<(Vec<u8>, bool), GitError> {
        let ignore = IgnoreFile::write(files, &request.ignore)?;
        let untracked = ignore.heeded_by(call("ls-files").args(["-o", "-z"]));
        let untracked = self.run(untracked).await?.whole()?;
        drop(ignore);
        let untracked = self.recordable(request, &untracked)?;
        let mut large: Vec<&[u8]> = untracked.iter().copied().filter(|path| is_large(files, path)).collect();
        let tracked = self.ok(call("ls-files").args(["-s", "-z"])).await?;
        for entry in tracked.fields() {
            let Some((entry, path)) = staged(entry) else { continue };
            if !is_within(path, &request.exclude)
                && is_large(files, path)
                && self.is_changed(files, call, entry, path).await?
            {
                large.push(path);
            }
        }
        self.refuse_large(call, &large).await?;
        let paths = untracked.into_iter().flat_map(|path| [path, &b"\0"[..]].concat()).collect();
        Ok((paths, gitlinks(tracked.fields(), 1).next().is_some()))
    }

    /// The listed untracked files without those that must not be recorded.
    pub(super) fn recordable<'a>(
        &self,
        request: &SnapshotRequest,
        listed: &'a Answer,
    ) -> Result<Vec<&'a [u8]>, GitError> {
        let fields = listed.fields().filter(|path| !is_within(path, &request.exclude));
        let (folders, untracked): (Vec<_>, Vec<_>) = fields.partition(|path| path.ends_with(b"/"));
        if folders.is_empty() {
            return Ok(untracked);
        }
        let paths = folders.iter().map(|path| show_path(&path[..path.len() - 1])).collect();
        Err(GitError::EmbeddedRepository { paths })
    }

    /// Whether a large file is not as the index has it. git compares contents where it knows no times, and that of a large
    /// file takes long: it is asked only where its way of writing files, of which the widest takes four bytes for one, may
    /// have made this file of what the index has.
    async fn is_changed(
        &self,
        files: &Files,
        call: &impl Fn(&'static str) -> Call,
        id: &[u8],
        path: &[u8],
    ) -> Result<bool, GitError> {
        let size = self.ok(self.call("cat-file").arg("-s").arg(path_of(id))).await?.stdout;
        let length = std::fs::symlink_metadata(files.root.join(path_of(path))).map_or(0, |found| found.len());
        let size: Option<u64> =
            std::str::from_utf8(size.trim_ascii()).ok().and_then(|size| size.parse().ok());
        if size.is_some_and(|size| size.saturating_mul(4) < length) {
            return Ok(true);
        }
        let list = call("ls-files").global("--literal-pathspecs").args(["-m", "-z", "--"]);
        Ok(!self.ok(list.arg(path_of(path))).await?.stdout.is_empty())
    }

    /// Refuses files that are too large, unless a filter stores them elsewhere.
    async fn refuse_large(
        &self,
        call: &impl Fn(&'static str) -> Call,
        large: &[&[u8]],
    ) -> Result<(), GitError> {
        let mut paths = Vec::new();
        for path in large {
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

    /// Enters what became of the files that an index has. `git add -u` would look into every repository within the tree
    /// by a git that heeds its settings, and those are of whoever worked there. Such a repository counts as the commit
    /// that its HEAD is at.
    async fn add_changed(&self, call: &impl Fn(&'static str) -> Call) -> Result<(), GitError> {
        let list = call("diff-files").args(["-z", "--raw", "--no-renames", "--ignore-submodules=dirty"]);
        let answer = self.run(list).await?.whole()?;
        let mut fields = answer.fields();
        let (mut gone, mut changed, mut repositories) = (Vec::new(), Vec::new(), Vec::new());
        while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
            match (head.get(1..7), head.get(8..14), head.last()) {
                (_, _, Some(b'D')) => gone.extend([path, b"\0"].concat()),
                (Some(old), Some(b"160000"), _) if old != b"160000" => repositories.push(show_path(path)),
                _ => changed.extend([path, b"\0"].concat()),
            }
        }
        if !repositories.is_empty() {
            return Err(GitError::EmbeddedRepository { paths: repositories });
        }
        for (how, paths) in [("--force-remove", gone), ("--remove", changed)] {
            if !paths.is_empty() {
                self.ok(call("update-index").args([how, "-z", "--stdin"]).stdin(paths)).await?;
            }
        }
        Ok(())
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
        let paths = self.new_links(base_tree, tree).await?;
        if paths.is_empty() { Ok(()) } else { Err(GitError::EmbeddedRepository { paths }) }
    }

    async fn new_links(&self, base_tree: &Oid, tree: &Oid) -> Result<Vec<String>, GitError> {
        let (from, to) = (base_tree.clone(), tree.clone());
        if let Some(paths) = self.try_fast("diff-tree", move |at| at.new_submodules(&from, &to)).await? {
            return Ok(paths);
        }
        let call = self.call("diff-tree").args(["-r", "-z", "--raw", "--no-renames"]);
        let answer = self.ok(call.args([base_tree.as_str(), tree.as_str()])).await?;
        let mut fields = answer.fields();
        let mut paths = Vec::new();
        while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
            if head.get(8..14) == Some(b"160000") && head.get(1..7) != Some(b"160000") {
                paths.push(show_path(path));
            }
        }
        Ok(paths)
    }

    /// The commit that holds `tree` and has the base as an ancestor, and whether the worktree's own commits had
    /// to be left out of it. `head`: the last of these, if the base is an ancestor of it.
    async fn commit_on(
        &self,
        request: &SnapshotRequest,
        head: Option<(Oid, Oid)>,
        tree: &Oid,
    ) -> Result<(Oid, bool), GitError> {
        let usable = match &head {
            Some((commit, _)) => !self.holds_excluded(request, commit).await?,
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
        Ok(!self.ok(request.changes_excluded(self.call("rev-list"), commit)).await?.stdout.is_empty())
    }
}
