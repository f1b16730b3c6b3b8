//! What is in the way of a change of files.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::glance::glance;
use crate::git::call::{Answer, Call, Files};
use crate::git::error::GitError;
use crate::git::fast::RawChange;
use crate::git::repository::{Repository, path_of, show_path};
use crate::types::Oid;

/// An entry of a tree or an index: the mode and the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: String,
    pub(super) id: String,
}

impl Entry {
    fn is_link(&self) -> bool {
        self.mode == "160000"
    }
}

/// A path and its entries on two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) path: PathBuf,
    pub(super) old: Option<Entry>,
    pub(super) new: Option<Entry>,
}

impl Pair {
    /// Whether neither side is files of this repository.
    fn only_links(&self) -> bool {
        [&self.old, &self.new].into_iter().flatten().all(Entry::is_link)
    }
}

/// Reads `--raw -z` output without renames.
pub(super) fn parse_pairs(answer: &Answer) -> Result<Vec<Pair>, GitError> {
    let unexpected = || GitError::unexpected(answer.what, &answer.stdout);
    let mut fields = answer.fields();
    let mut pairs = Vec::new();
    while let Some(head) = fields.next() {
        let path = path_of(fields.next().ok_or_else(unexpected)?);
        let head =
            std::str::from_utf8(head).ok().and_then(|head| head.strip_prefix(':')).ok_or_else(unexpected)?;
        let [old_mode, new_mode, old_id, new_id, _] =
            head.split(' ').collect::<Vec<_>>().try_into().map_err(|_| unexpected())?;
        let entry = |mode: &str, id: &str| {
            (mode != "000000").then(|| Entry { mode: mode.to_owned(), id: id.to_owned() })
        };
        pairs.push(Pair { path, old: entry(old_mode, old_id), new: entry(new_mode, new_id) });
    }
    Ok(pairs)
}

impl Repository {
    /// The paths that change from one commit to another.
    pub(super) async fn changing(&self, from: &Oid, to: &Oid) -> Result<Vec<Pair>, GitError> {
        let (one, other) = (from.clone(), to.clone());
        if let Some(pairs) = self.try_fast("diff-tree", move |at| at.raw_changes(&one, &other)).await? {
            let entry = |found: Option<(String, String)>| found.map(|(mode, id)| Entry { mode, id });
            let pair =
                |(path, old, new): RawChange| Pair { path: path_of(&path), old: entry(old), new: entry(new) };
            return Ok(pairs.into_iter().map(pair).collect());
        }
        let call = self.call("diff-tree").args(["-r", "-z", "--raw", "--no-renames", "--no-ext-diff"]);
        parse_pairs(&self.ok(call.args([from.as_str(), to.as_str()])).await?)
    }

    /// What the index has at the changing paths, and that no file differs from it there; `None` when only git can tell.
    pub(super) async fn glance(
        &self,
        files: &Files,
        index: &Path,
        changing: &[Pair],
    ) -> Result<Option<Differences>, GitError> {
        let (index, root, pairs) = (index.to_owned(), files.root.clone(), changing.to_vec());
        let indexed = self.try_fast("diff-files", move |_| glance(&index, &root, &pairs)).await?;
        Ok(indexed.map(|staged| Differences { staged, local: HashMap::new() }))
    }

    /// What differs from a commit. `index` is a refreshed copy of the worktree's.
    pub(super) async fn differences(
        &self,
        files: &Files,
        index: &Path,
        from: &Oid,
    ) -> Result<Differences, GitError> {
        let call = |what| -> Call { files.call(what).index(index) };
        let raw = ["-z", "--raw", "--no-renames", "--ignore-submodules=all"];
        let staged = self.ok(call("diff-index").arg("--cached").args(raw).arg(from.as_str())).await?;
        let staged: HashMap<_, _> = parse_pairs(&staged)?.into_iter().map(|p| (p.path, p.new)).collect();
        let local = self.ok(call("diff-files").args(raw)).await?;
        let local: HashMap<_, _> = parse_pairs(&local)?.into_iter().map(|p| (p.path, p.new)).collect();
        Ok(Differences { staged, local })
    }
}

/// What somebody has in a worktree that a commit has not.
#[derive(Debug)]
pub(super) struct Differences {
    /// What the index has, at least where that differs from the commit.
    staged: HashMap<PathBuf, Option<Entry>>,
    /// What is on the disk where that differs from the index.
    local: HashMap<PathBuf, Option<Entry>>,
}

impl Differences {
    /// The paths where a person's changes or files would be lost if `changing` happened: local and staged
    /// changes, files and folders that git does not track, ignored or not. With `missing_is_fine`, a file that is not
    /// there is no local change.
    pub(super) fn in_the_way(
        &self,
        files: &Files,
        changing: &[Pair],
        missing_is_fine: bool,
    ) -> Result<Vec<String>, GitError> {
        let mut way = Way::new(&files.root, changing);
        for pair in changing {
            let indexed = self.staged.get(&pair.path).unwrap_or(&pair.old);
            let staged_elsewhere = *indexed != pair.old && *indexed != pair.new;
            let (changed, missing) = match self.local.get(&pair.path) {
                None => (false, false),
                Some(None) => (!missing_is_fine, true),
                Some(Some(_)) => (true, false),
            };
            if (staged_elsewhere || changed) && !pair.only_links() {
                way.found.insert(pair.path.clone());
            } else if pair.new.is_some() && (indexed.is_none() || missing) {
                way.look(&pair.path)?;
            }
        }
        Ok(way.found.into_iter().map(|path| show_path(path.as_os_str().as_bytes())).collect())
    }
}

/// Looks for untracked things where new files are to be.
struct Way<'a> {
    root: &'a Path,
    /// The files that the change deletes.
    leaving: HashSet<&'a Path>,
    /// Folders that are known to be real ones.
    folders: HashSet<PathBuf>,
    found: BTreeSet<PathBuf>,
}

impl<'a> Way<'a> {
    fn new(root: &'a Path, changing: &'a [Pair]) -> Self {
        let leaving = changing.iter().filter(|p| p.new.is_none()).map(|p| p.path.as_path()).collect();
        Self { root, leaving, folders: HashSet::new(), found: BTreeSet::new() }
    }

    /// Looks at every folder above a path, then at the path.
    fn look(&mut self, path: &Path) -> Result<(), GitError> {
        let mut above: Vec<&Path> = path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
        above.reverse();
        for folder in above {
            if self.folders.contains(folder) {
                continue;
            }
            match self.kind(folder)? {
                Some(kind) if kind.is_dir() => drop(self.folders.insert(folder.to_owned())),
                Some(_) => {
                    self.unless_leaving(folder);
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
        match self.kind(path)? {
            None => Ok(()),
            Some(kind) if kind.is_dir() => self.look_into(path),
            Some(_) => {
                self.unless_leaving(path);
                Ok(())
            }
        }
    }

    /// A folder where a file is to be: everything in it must be leaving.
    fn look_into(&mut self, folder: &Path) -> Result<(), GitError> {
        let at = self.root.join(folder);
        for entry in fs::read_dir(&at).map_err(GitError::io("list", &at))? {
            let entry = entry.map_err(GitError::io("list", &at))?;
            let path = folder.join(entry.file_name());
            if entry.file_type().map_err(GitError::io("look at", &at))?.is_dir() {
                self.look_into(&path)?;
            } else {
                self.unless_leaving(&path);
            }
        }
        Ok(())
    }

    fn unless_leaving(&mut self, path: &Path) {
        if !self.leaving.contains(path) {
            self.found.insert(path.to_owned());
        }
    }

    fn kind(&self, path: &Path) -> Result<Option<fs::FileType>, GitError> {
        let at = self.root.join(path);
        match fs::symlink_metadata(&at) {
            Ok(found) => Ok(Some(found.file_type())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(GitError::io("look at", &at)(error)),
        }
    }
}
