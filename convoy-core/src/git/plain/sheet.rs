//! What is known of the files of a worktree, without looking.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::stat::{Stat, Time};
use super::tree::{Item, Path};

/// A file as it was written or read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) item: Item,
    pub(super) stat: Stat,
    /// Whether any later change shows in what the system tells of it.
    pub(super) is_sure: bool,
    /// Whether this process wrote it and nobody touched it since. Else it may have other names, permissions and attributes
    /// than a new file, which no tree tells of.
    pub(super) is_ours: bool,
}

/// What this process has written to a worktree, or read from it, last. It is kept in memory alone: the index of a
/// worktree is a file that whoever works there may write.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    /// The tree that the files were when this was noted.
    pub(super) tree: git2::Oid,
    /// The root, when it was new: folders that are made in it are as it is.
    pub(super) root: Stat,
    pub(super) files: BTreeMap<Path, Known>,
    /// What else is there.
    pub(super) others: Vec<Path>,
    /// Since when this tells of everything that is there; `None` after somebody may have begun to work there.
    pub(super) looked: Option<Instant>,
}

/// How long what a look found is believed of a worktree that rests. Programs that nobody knows of, because they left
/// their parents and their environment behind, may write there at any time.
const REST: Duration = Duration::from_secs(1);

impl Sheet {
    /// Whether a worktree that rests needs no look: a short time ago there was one, and nothing else is where its files are.
    pub(super) fn needs_no_look(&self) -> bool {
        let has_file =
            |other: &Path| self.files.contains_key(other) || self.has_below(&[&other[..], b"/"].concat());
        self.looked.is_some_and(|looked| looked.elapsed() < REST) && !self.others.iter().any(has_file)
    }

    /// Whether a known path lies in a folder, given with a slash at its end.
    pub(super) fn has_below(&self, folder: &[u8]) -> bool {
        has_below(&self.files, folder)
    }

    /// Notes from when on changes show. Files that were changed since then, or at that very moment, are compared by
    /// their content from now on.
    pub(super) fn seal(&mut self, at: Time) {
        for known in self.files.values_mut() {
            known.is_sure &= known.stat.is_before(at);
        }
    }
}

/// Whether a path of a map lies in a folder, given with a slash at its end.
pub(super) fn has_below<V>(files: &BTreeMap<Path, V>, folder: &[u8]) -> bool {
    files.range(folder.to_vec()..).next().is_some_and(|(path, _)| path.starts_with(folder))
}
