//! The ways of a repository's methods over plain files. Each says `None`, or `false`, where the git program is to do it.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(test)]
use std::time::Duration;

use super::attributes::{is_plain, settings_are_plain};
use super::bring::{Making, Stays, bring, fill, put_back, renew};
use super::record::{look_at, record};
use super::sheet::Sheet;
use crate::git::call::Files;
use crate::git::error::GitError;
use crate::git::fast::{Handle, NotMine, Settings};
use crate::git::files::read_file;
use crate::git::ignore::IgnoreFile;
use crate::git::open::Version;
use crate::git::repository::{Repository, path_of, show_path};
use crate::git::room::Reserve;
use crate::git::snapshot::SnapshotRequest;
use crate::types::{Isolation, Oid};

/// Most paths that git is asked about by name; of more it is asked about everything.
const MOST_NAMED: usize = 200;

/// What is known of each worktree, by its folder, and whether nobody has done anything there since that was noted.
#[derive(Debug, Default)]
pub(in crate::git) struct Sheets(Mutex<HashMap<PathBuf, (Sheet, bool)>>);

impl Sheets {
    fn all(&self) -> MutexGuard<'_, HashMap<PathBuf, (Sheet, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sheet out. Whoever does something with the worktree puts one back that tells of it: if that fails,
    /// nobody knows how far it came.
    fn take(&self, root: &Path) -> Option<Sheet> {
        self.take_with_rest(root).map(|(sheet, _)| sheet)
    }

    /// As [`take`](Self::take), and whether the worktree is as the sheet says without a look.
    fn take_with_rest(&self, root: &Path) -> Option<(Sheet, bool)> {
        self.all().remove(root)
    }

    fn put(&self, root: &Path, sheet: Sheet) {
        self.all().insert(root.to_owned(), (sheet, false));
    }

    /// Notes that nobody has done anything in a worktree since its sheet was made, and that nobody does until it is
    /// taken out.
    pub(in crate::git) fn rests(&self, root: &Path) {
        if let Some((_, rests)) = self.all().get_mut(root) {
            *rests = true;
        }
    }

    /// Whether anything is known of a worktree.
    pub(in crate::git) fn has(&self, root: &Path) -> bool {
        self.all().contains_key(root)
    }

    /// Sets whether any change of a file since it was noted would show.
    #[cfg(test)]
    pub(in crate::git) fn trust(&self, root: &Path, path: &str, is_sure: bool) {
        let mut all = self.all();
        let known = all.get_mut(root).and_then(|(sheet, _)| sheet.files.get_mut(path.as_bytes()));
        known.expect("a file that is known").is_sure = is_sure;
    }

    /// Has the last look lie so far ahead, or behind.
    #[cfg(test)]
    pub(in crate::git) fn looked(&self, root: &Path, ahead: Duration, behind: Duration) {
        let mut all = self.all();
        let looked = all.get_mut(root).and_then(|(sheet, _)| sheet.looked.as_mut()).expect("a look");
        *looked = *looked + ahead - behind;
    }

    /// Forgets a worktree.
    pub(in crate::git) fn forget(&self, root: &Path) {
        drop(self.take(root));
    }
}

/// The first git that says where attributes of all repositories are read from.
const TELLS_ATTRIBUTES: Version = Version(2, 42);

/// Files of the git directory that say how files are written and read.
const RULES: [&str; 4] = ["config", "config.worktree", "info/attributes", "info/sparse-checkout"];

/// Whether files of this repository are the bytes that it holds, as far as nothing in its trees says otherwise. Asked
/// again whenever the rules were changed.
#[derive(Debug, Default)]
pub(in crate::git) struct Plain(tokio::sync::Mutex<Option<(Vec<Stamp>, bool)>>);

/// Longest file of attributes that is read, in bytes.
const LONGEST_RULES: u64 = 1024 * 1024;

/// What tells one content of a file from another, without reading it; `None`: it does not exist.
pub(in crate::git) type Stamp = Option<(u64, u64, i64, i64)>;

/// The stamps of the files that say how files are written and read.
pub(in crate::git) fn stamps(common: &Path) -> Vec<Stamp> {
    let stamp = |name: &&str| {
        let found = std::fs::symlink_metadata(common.join(name)).ok()?;
        Some((found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
    };
    RULES.iter().map(stamp).collect()
}

impl Repository {
    /// Whether files are the bytes that the repository holds, as far as nothing in its trees says otherwise.
    pub(in crate::git) async fn is_plain(&self) -> Result<bool, GitError> {
        if self.inner.version < TELLS_ATTRIBUTES || self.fast().is_none() {
            return Ok(false);
        }
        let mut known = self.inner.plain.0.lock().await;
        let now = stamps(self.common_dir());
        if let Some((then, is)) = &*known
            && *then == now
        {
            return Ok(*is);
        }
        let listed = self.ok(self.call("config").args(["--list", "-z"])).await?;
        let is = settings_are_plain(&Settings::read(&listed.stdout)) && self.no_rules_elsewhere().await?;
        *known = Some((now, is));
        Ok(is)
    }

    /// Whether the attributes of all repositories, and those of this one that are in no tree, convert nothing.
    async fn no_rules_elsewhere(&self) -> Result<bool, GitError> {
        let mut attributes = vec![self.common_dir().join("info/attributes")];
        for variable in ["GIT_ATTR_SYSTEM", "GIT_ATTR_GLOBAL"] {
            let answer = self.run(self.call("var").arg(variable)).await?;
            // Code 1: there is none.
            if answer.code == 0 {
                attributes.push(answer.path()?);
            }
        }
        Ok(attributes.iter().all(|path| match read_file(path, LONGEST_RULES) {
            Ok(text) => is_plain(&text),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }))
    }

    /// Writes the files of a commit to a new worktree.
    pub(in crate::git) async fn fill_plain(
        &self,
        files: &Files,
        commit: &Oid,
        reserve: &Arc<Reserve>,
    ) -> Result<bool, GitError> {
        let (ground, commit, model) = (files.clone(), commit.clone(), self.inner.model.clone());
        let kept = reserve.clone();
        let job = move |at: &Handle<'_>| {
            let how = Making { model: &model, reserve: &kept };
            Ok((fill(at, &ground, &at.tree(&commit)?, &how)?, ()))
        };
        self.noting("checkout", files, job).await.map(|done| done.is_some())
    }

    /// Makes a worktree as it would be if it had just been made at a commit; but these untracked files stay, where
    /// nothing of the commit has their place.
    pub(in crate::git) async fn renew_plain(
        &self,
        files: &Files,
        commit: &Oid,
        kept: BTreeSet<Vec<u8>>,
    ) -> Result<bool, GitError> {
        let Some(found) = self.inner.sheets.take_with_rest(&files.root) else { return Ok(false) };
        let own = match self.isolation {
            Isolation::Linked => None,
            Isolation::Separate => Some(self.own_git(files).await?),
        };
        let (ground, commit) = (files.clone(), commit.clone());
        let job = move |at: &Handle<'_>| {
            let sheet = bring(at, &ground, found, &at.tree(&commit)?, Stays::These(kept))?;
            renew(&ground, &commit, own.as_ref())?;
            Ok((sheet, ()))
        };
        self.noting("reset", files, job).await.map(|done| done.is_some())
    }

    /// Makes the files and the index of a worktree those of a tree, whatever was changed there.
    pub(in crate::git) async fn reset_plain(&self, files: &Files, tree: &Oid) -> Result<bool, GitError> {
        let Some(sheet) = self.inner.sheets.take(&files.root) else { return Ok(false) };
        let (ground, tree) = (files.clone(), tree.clone());
        let job = move |at: &Handle<'_>| {
            let tree = at.tree(&tree)?;
            Ok((bring(at, &ground, (sheet, false), &tree, Stays::All)?, ()))
        };
        self.noting("read-tree", files, job).await.map(|done| done.is_some())
    }

    /// Puts back the files of a commit that differ in a worktree, and gives their paths.
    pub(in crate::git) async fn put_back_plain(
        &self,
        files: &Files,
        commit: &Oid,
    ) -> Result<Option<Vec<String>>, GitError> {
        let Some(sheet) = self.inner.sheets.take(&files.root) else { return Ok(None) };
        let (ground, commit) = (files.clone(), commit.clone());
        let job = move |at: &Handle<'_>| match at.tree(&commit)? == sheet.tree {
            true => put_back(at, &ground, sheet),
            false => Err(NotMine),
        };
        let paths = self.noting("checkout-index", files, job).await?;
        Ok(paths.map(|paths| paths.iter().map(|path| show_path(path)).collect()))
    }

    /// Writes the tree of the files of a worktree.
    pub(in crate::git) async fn record_plain(
        &self,
        files: &Files,
        request: &SnapshotRequest,
    ) -> Result<Option<Oid>, GitError> {
        let Some(sheet) = self.inner.sheets.take(&files.root) else { return Ok(None) };
        let ground = files.clone();
        let Some(looked) = self.try_fast("status", move |_| look_at(&ground, sheet)).await? else {
            return Ok(None);
        };
        let untracked = self.not_ignored(files, request, &looked.untracked()).await?;
        let (ground, exclude) = (files.clone(), request.exclude.clone());
        let job = move |at: &Handle<'_>| {
            let (tree, sheet) = record(at, &ground, looked, &untracked, &exclude)?;
            Ok((sheet, tree))
        };
        let tree = self.noting("write-tree", files, job).await?;
        tree.map(|id| Oid::new(id.to_string()).map_err(|_| GitError::unexpected("write-tree", b"")))
            .transpose()
    }

    /// What git would record of untracked files and folders.
    async fn not_ignored(
        &self,
        files: &Files,
        request: &SnapshotRequest,
        found: &[&[u8]],
    ) -> Result<Vec<Vec<u8>>, GitError> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let ignore = IgnoreFile::write(files, &request.ignore)?;
        let list = files.call("ls-files").global("--literal-pathspecs").args(["-o", "-z"]);
        let mut list = ignore.heeded_by(list.index(&files.found_index()));
        if found.len() <= MOST_NAMED {
            list = list.arg("--").args(found.iter().map(|path| path_of(path)));
        }
        let answer = self.run(list).await?.whole()?;
        let listed = self.recordable(request, &answer)?;
        Ok(listed.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// Has a job done that ends with a sheet of the worktree, and keeps that.
    async fn noting<T: Send + 'static>(
        &self,
        what: &'static str,
        files: &Files,
        job: impl FnOnce(&Handle<'_>) -> Result<(Sheet, T), NotMine> + Send + 'static,
    ) -> Result<Option<T>, GitError> {
        if !self.is_plain().await? {
            return Ok(None);
        }
        let Some((sheet, done)) = self.try_fast(what, job).await? else { return Ok(None) };
        self.inner.sheets.put(&files.root, sheet);
        Ok(Some(done))
    }
}
