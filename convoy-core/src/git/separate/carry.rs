//! Bringing objects over from a worktree's own store.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::super::call::{Answer, Call, Files};
use super::super::error::GitError;
use super::super::repository::Repository;
use super::super::snapshot::SnapshotRequest;
use super::make::in_quotes;
use crate::types::{Isolation, Oid};

/// From how many objects on a pack stays one; below, each becomes a file of its own, as git does with what it fetches.
const MANY: u32 = 100;

/// Where a pack tells how many objects it has, and how it begins.
const COUNT: std::ops::Range<usize> = 8..12;

impl Repository {
    /// Brings over a commit and everything that it reaches and the repository's own refs do not. `false`, with nothing
    /// but whole objects brought over, if any of that is missing or is not what its id says, if git's own check refuses
    /// it, or if it is more than fits into a pack in memory. `false`, with nothing brought over, if the base is no
    /// ancestor of it or an excluded path was changed: it would not be used.
    pub(super) async fn bring_commits(
        &self,
        files: &Files,
        head: &Oid,
        request: &SnapshotRequest,
    ) -> Result<bool, GitError> {
        if !self.may_be_used(files, head, request).await? {
            return Ok(false);
        }
        let not = format!("^{}", request.base);
        let wanted = format!("{head}\n{not}\n{}", self.known_tips().await?);
        if !self.bring(files, &["--revs"], wanted).await? {
            return Ok(false);
        }
        // What it reaches may have been there before, without what that in turn reaches.
        let check = self.call("rev-list").args(["--objects", "--quiet", head.as_str(), &not]);
        if self.unless_too_much(check).await?.is_none() {
            return Ok(false);
        }
        let is_commit = self.unless_too_much(self.call("cat-file").args(["-t", head.as_str()])).await?;
        Ok(is_commit.is_some_and(|answer| answer.stdout == b"commit\n"))
    }

    /// Whether a commit that may lie in the worktree's own store is one that a snapshot uses.
    async fn may_be_used(
        &self,
        files: &Files,
        head: &Oid,
        request: &SnapshotRequest,
    ) -> Result<bool, GitError> {
        let ancestor = self.with_own(files, "merge-base").arg("--is-ancestor");
        let ancestor = ancestor.args([request.base.as_str(), head.as_str()]);
        if self.unless_too_much(ancestor).await?.is_none() {
            return Ok(false);
        }
        if request.exclude.is_empty() {
            return Ok(true);
        }
        let changes = request.changes_excluded(self.with_own(files, "rev-list"), head);
        Ok(self.unless_too_much(changes).await?.is_some_and(|answer| answer.stdout.is_empty()))
    }

    /// The newest commit that the base and one that may lie in the worktree's own store come from; `None`: they have nothing
    /// in common. Where those commits cannot be read nobody knows: then the files count as they are.
    pub(super) async fn own_beginning(
        &self,
        files: &Files,
        head: &Oid,
        request: &SnapshotRequest,
    ) -> Result<Option<Oid>, GitError> {
        let call = self.with_own(files, "merge-base").args([request.base.as_str(), head.as_str()]);
        match self.run(call).await {
            Ok(answer) if answer.code == 0 => answer.oid().map(Some),
            Ok(answer) if answer.code == 1 => Ok(None),
            Ok(_) | Err(GitError::TooMuch { .. } | GitError::TimedOut { .. }) => {
                Ok(Some(request.base.clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// What the refs of the repository lead to, each as a line that leaves out what it reaches: that was there before,
    /// whatever git would say of it now.
    async fn known_tips(&self) -> Result<String, GitError> {
        let refs = self.list_refs("refs/").await?;
        let ids: BTreeSet<String> = refs.into_iter().map(|(_, id)| format!("{id}\n")).collect();
        if ids.is_empty() {
            return Ok(String::new());
        }
        // One that leads to nothing would end the call that gets it.
        let list: String = ids.into_iter().collect();
        let known = self.ok(self.call("cat-file").arg("--batch-check=%(objectname)").stdin(list)).await?;
        let known = String::from_utf8_lossy(&known.stdout).into_owned();
        Ok(known.lines().filter(|line| !line.contains(' ')).map(|id| format!("^{id}\n")).collect())
    }

    /// A call that reads the worktree's own objects beside those of the repository. What lies beside those and tells of
    /// them is not believed.
    fn with_own(&self, files: &Files, what: &'static str) -> Call {
        let store = in_quotes(files.root.join(".git/objects").as_os_str().as_bytes());
        let call = self.call(what).global("-c").global("core.commitGraph=false");
        let call = call.global("-c").global("core.multiPackIndex=false");
        call.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", OsStr::from_bytes(&store))
    }

    /// The answer of a call; `None` where it fails, takes too long or says too much.
    async fn unless_too_much(&self, call: Call) -> Result<Option<Answer>, GitError> {
        match self.run(call).await {
            Ok(answer) if answer.code == 0 => Ok(Some(answer)),
            Ok(_) | Err(GitError::TooMuch { .. } | GitError::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings over what the index names and the repository does not have. `false`: not all of it is to be had.
    pub(in crate::git) async fn bring_staged(
        &self,
        files: &Files,
        call: &impl Fn(&'static str) -> Call,
    ) -> Result<bool, GitError> {
        if files.isolation == Isolation::Linked {
            return Ok(true);
        }
        let listed = self.ok(call("ls-files").args(["-s", "-z"])).await?;
        let id = |entry: &[u8]| {
            let head = entry.split(|&byte| byte == b'\t').next()?;
            let mut parts = head.split(|&byte| byte == b' ');
            // Links to commits of other repositories name nothing of this one.
            let mode = parts.next()?;
            let id = parts.next()?;
            (mode != b"160000").then(|| String::from_utf8_lossy(id).into_owned())
        };
        let ids: BTreeSet<String> = listed.fields().filter_map(id).collect();
        let list: String = ids.iter().map(|id| format!("{id}\n")).collect();
        if list.is_empty() {
            return Ok(true);
        }
        let missing = self.missing(list.clone()).await?;
        // What lay under these ids need not have been what they say.
        Ok(missing.is_empty()
            || self.bring(files, &[], missing).await? && self.missing(list).await?.is_empty())
    }

    /// Those of these ids, one a line, that the repository does not have.
    async fn missing(&self, ids: String) -> Result<String, GitError> {
        let known = self.ok(self.call("cat-file").arg("--batch-check=%(objectname)").stdin(ids)).await?;
        let known = String::from_utf8_lossy(&known.stdout).into_owned();
        let missing = known.lines().filter_map(|line| line.strip_suffix(" missing"));
        Ok(missing.map(|id| format!("{id}\n")).collect())
    }

    /// Brings over what these lines ask `pack-objects` for. `false`: not all of it was to be had.
    async fn bring(&self, files: &Files, args: &[&str], wanted: String) -> Result<bool, GitError> {
        let pack = self.with_own(files, "pack-objects").args(["--stdout", "-q", "--no-use-bitmap-index"]);
        let Some(pack) = self.unless_too_much(pack.args(args).stdin(wanted)).await? else {
            return Ok(false);
        };
        let pack = pack.stdout;
        let count = pack.get(COUNT).and_then(|count| count.try_into().ok()).map(u32::from_be_bytes);
        let unpack = match count {
            None => return Ok(false),
            Some(0) => return Ok(true),
            Some(count) if count < MANY => self.call("unpack-objects").args(["-q", "--strict"]),
            Some(_) => self.call("index-pack").durable().args(["--stdin", "--strict"]),
        };
        // The ids are those of the content, links to what is not there are refused, and what is there is not replaced.
        Ok(self.unless_too_much(unpack.stdin(pack)).await?.is_some())
    }
}
