//! The hooks of the main worktree that lie elsewhere than in the git directory.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::diff::FileKind;
use super::error::GitError;
use super::guard::content;
use super::repository::{Repository, path_of};
use crate::types::Oid;

/// Most files of a folder that are looked at.
const MOST: usize = 1000;

/// What is read of a file that landed, in bytes.
const LONGEST: usize = 2 * 1024 * 1024;

/// The hooks that git runs for whoever works in the main worktree, as far as they lie elsewhere than in the git
/// directory: the folder that `core.hooksPath` names, and what links lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HooksFolder {
    /// The folder, where one is configured.
    pub(super) folder: Option<PathBuf>,
    /// What is at each path.
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Repository {
    /// Looks at the hooks that lie elsewhere than in the git directory.
    pub(super) async fn hooks_folder(&self) -> Result<HooksFolder, GitError> {
        let call = self.call("config").args(["--null", "--type=path", "--get-all", "core.hooksPath"]);
        let answer = self.run(call).await?;
        // The last value is the one that calls of this engine get.
        let values: Vec<&[u8]> = answer.fields().collect();
        let named = values.len().checked_sub(2).map(|at| values[at]).filter(|value| !value.is_empty());
        let common = &self.inner.common_dir;
        let root = self.inner.main_worktree.as_deref().unwrap_or(common);
        let own = common.join("hooks");
        let mut hooks =
            HooksFolder { folder: named.map(|path| root.join(path_of(path))), ..HooksFolder::default() };
        let is_own =
            |folder: &PathBuf| *folder == own || folder.canonicalize().ok() == own.canonicalize().ok();
        hooks.files.extend(files_in(&own).into_iter().flat_map(|path| target(&path)));
        if let Some(folder) = hooks.folder.clone().filter(|folder| !is_own(folder)) {
            let mut paths = files_in(&folder);
            // Made by a program (husky): what runs are the files beside it.
            if let Some(parent) = folder.parent().filter(|_| folder.ends_with("_")) {
                paths.extend(files_in(parent));
            }
            for path in paths {
                hooks.files.extend(target(&path));
                let found = content(&path);
                hooks.files.insert(path, found);
            }
        }
        Ok(hooks)
    }

    /// Whether what was found at a path of the main worktree is what a commit has there, or its absence that of a file
    /// that `before` had.
    pub async fn is_as_in(
        &self,
        commit: &Oid,
        before: Option<&Oid>,
        path: &Path,
        found: &[u8],
    ) -> Result<bool, GitError> {
        let root = self.inner.main_worktree.as_deref();
        let inside = root.and_then(|root| path.strip_prefix(root).ok()).filter(|path| is_plain(path));
        let Some(path) = inside.and_then(Path::to_str) else { return Ok(false) };
        let Some((kind, blob)) = self.entries_at(commit, &[path]).await?.remove(path) else {
            let Some(before) = before.filter(|_| found.is_empty()) else { return Ok(false) };
            return Ok(self.entries_at(before, &[path]).await?.contains_key(path));
        };
        let start: &[u8] = match kind {
            FileKind::File => b"f0\n",
            FileKind::Executable => b"f1\n",
            FileKind::Symlink => b"l ",
            FileKind::Submodule => return Ok(false),
        };
        let Some(found) = found.strip_prefix(start) else { return Ok(false) };
        Ok(self.blob(&blob, LONGEST).await? == found)
    }
}

/// Whether a path goes nowhere but down.
fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// The files and links of a folder, in order.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_none_or(|end| end != "sample"));
    paths.sort_unstable();
    paths.truncate(MOST);
    paths
}

/// The file that a link leads to, and what is there.
fn target(path: &Path) -> Option<(PathBuf, Vec<u8>)> {
    path.is_symlink().then_some(())?;
    let target = path.canonicalize().ok().filter(|target| target.is_file())?;
    let found = content(&target);
    Some((target, found))
}
