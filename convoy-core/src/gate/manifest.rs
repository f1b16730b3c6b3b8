//! The files of a repository that say how it is tested and audited.

use std::collections::BTreeMap;

use crate::git::{GitError, Repository};
use crate::types::Oid;

/// The most that is read of one of them, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// Files that are looked at, from the root of the repository.
const NAMES: &[&str] = &[
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    ".npmrc",
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
    ".cargo/config",
    ".cargo/audit.toml",
    "rust-toolchain.toml",
    "rust-toolchain",
    "go.mod",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
    "requirements.txt",
    "GNUmakefile",
    "makefile",
    "Makefile",
];

/// Those of them that a commit has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifests(BTreeMap<&'static str, Vec<u8>>);

/// A file that is to be as it was before the work while something judges; `None`: it is not to be there.
pub type AsBefore = (&'static str, Option<Vec<u8>>);

impl Manifests {
    /// Reads those of a commit.
    ///
    /// # Errors
    /// When git cannot tell.
    pub async fn read(repository: &Repository, commit: &Oid) -> Result<Self, GitError> {
        let there = repository.entries_at(commit, NAMES).await?;
        let mut found = BTreeMap::new();
        for name in NAMES {
            if there.contains_key(*name)
                && let Some(content) = repository.file_at(commit, name, LONGEST).await?
            {
                found.insert(*name, content);
            }
        }
        Ok(Self(found))
    }

    /// Whether the commit has this one.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    pub(super) fn text(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.bytes(name).map(String::from_utf8_lossy)
    }

    /// Those of the files that the work changed, as `self` has them.
    pub(super) fn as_before(&self, work: &Self, names: &[&'static str]) -> Vec<AsBefore> {
        let changed = names.iter().filter(|name| self.bytes(name) != work.bytes(name));
        changed.map(|name| (*name, self.bytes(name).map(<[u8]>::to_vec))).collect()
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&'static str, &str)]) -> Self {
        Self(files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect())
    }
}
