//! The diff that gates judge.

use crate::git::{Change, ChangedPath, GitError, Repository};
use crate::types::Oid;

/// What a task's work changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// What the work is compared with: the newest commit that it has in common with where it began.
    pub from: Oid,
    /// The work.
    pub commit: Oid,
    /// Every path that differs.
    pub paths: Vec<ChangedPath>,
}

impl Diff {
    /// Reads what `commit` changed since it left the history of `base`.
    ///
    /// # Errors
    /// When git cannot tell.
    pub async fn read(repository: &Repository, base: &Oid, commit: &Oid) -> Result<Self, GitError> {
        let from = repository.diff_base(base, commit).await?;
        let paths = repository.changed_between(&from, commit).await?;
        Ok(Self { from, commit: commit.clone(), paths })
    }

    /// Lines added and deleted in all text files.
    pub fn lines(&self) -> u64 {
        self.paths.iter().filter_map(|path| path.lines).map(|(added, deleted)| added + deleted).sum()
    }

    /// Every path that is concerned, those that files were renamed from included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().flat_map(|path| {
            let from = match &path.change {
                Change::Renamed { from } => Some(from.as_str()),
                Change::Added | Change::Deleted | Change::Modified | Change::TypeChanged => None,
            };
            from.into_iter().chain([path.path.as_str()])
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A diff of these paths, each with one added line; `a > b` is a rename.
    pub(in crate::gate) fn diff(paths: &[&str]) -> Diff {
        let oid = Oid::new("a".repeat(40)).expect("valid");
        let change = |name: &&str| {
            let (from, path) = match name.split_once(" > ") {
                Some((from, to)) => (Some(from), to),
                None => (None, *name),
            };
            ChangedPath {
                path: path.to_owned(),
                os_path: path.into(),
                change: from.map_or(Change::Modified, |from| Change::Renamed { from: from.to_owned() }),
                old: None,
                new: None,
                blob: None,
                lines: Some((1, 0)),
            }
        };
        Diff { from: oid.clone(), commit: oid, paths: paths.iter().map(change).collect() }
    }

    #[test]
    fn both_names_of_a_rename_count() {
        let diff = diff(&["a", "b > c"]);
        assert_eq!(diff.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(diff.lines(), 2);
    }
}
