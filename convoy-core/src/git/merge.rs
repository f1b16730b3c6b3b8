//! Merging in memory, without files.

use std::path::PathBuf;

use super::call::Answer;
use super::conflict;
use super::error::GitError;
use super::open::Version;
use super::repository::{Repository, path_of, show_path};
use crate::types::{Oid, PathConflict};

/// What a merge gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeResult {
    /// A tree.
    Clean {
        /// The merged tree.
        tree: Oid,
    },
    /// Parts that only somebody who understands them can merge.
    Conflicted {
        /// The tree with conflict markers in the files that can hold them.
        tree: Oid,
        /// Every path that is part of a conflict, also of one that leaves no markers (binary files, one side
        /// deleted, renamed twice, directories, submodules). Never empty, sorted.
        paths: Vec<String>,
        /// The same paths as the file system has them.
        os_paths: Vec<PathBuf>,
        /// What the matter is with each of `os_paths`, in the same order.
        conflicts: Vec<PathConflict>,
    },
}

/// The first version that reads attributes from a named commit.
pub(super) const ATTR_SOURCE: Version = Version(2, 41);

impl Repository {
    /// Merges `theirs` into `ours` as `git merge` would, but without touching a file. Where neither side can hold a
    /// rename and both changed other paths, the trees are put together here; everywhere else git merges. Renames are
    /// followed; the merge drivers that the user configured run. Attributes are those of `ours`; with a git older
    /// than 2.41 only the repository's own (`info/attributes`) and the user's count.
    ///
    /// # Errors
    /// [`GitError::UnrelatedHistories`]; any other failure of git. A failure is never a conflict, nor the other
    /// way round.
    pub async fn merge(&self, ours: &Oid, theirs: &Oid) -> Result<MergeResult, GitError> {
        let (one, other) = (ours.clone(), theirs.clone());
        if let Some(tree) = self.try_fast("merge-tree", move |at| at.splice(&one, &other)).await? {
            return Ok(MergeResult::Clean { tree });
        }
        self.merge_by_git(None, ours, theirs).await
    }

    /// The same by the git program, with a base if one is named (which needs git 2.40).
    pub(super) async fn merge_by_git(
        &self,
        base: Option<&Oid>,
        ours: &Oid,
        theirs: &Oid,
    ) -> Result<MergeResult, GitError> {
        let mut call = self.call("merge-tree");
        if self.inner.version >= ATTR_SOURCE {
            call = call.global(format!("--attr-source={ours}"));
        }
        let mut call = call.args(["--write-tree", "-z", "--messages"]);
        if let Some(base) = base {
            call = call.arg(format!("--merge-base={base}"));
        }
        let answer = self.run(call.args([ours.as_str(), theirs.as_str()])).await?;
        let unexpected = || GitError::unexpected("merge-tree", &answer.stdout);
        match answer.code {
            0 => Ok(MergeResult::Clean { tree: first_oid(&answer).ok_or_else(unexpected)? }),
            // It also ends with 1, without an answer, when an object is missing.
            1 if !answer.stdout.is_empty() => parse_conflict(&answer).ok_or_else(unexpected),
            _ if answer.stderr.contains("unrelated histories") => {
                Err(GitError::UnrelatedHistories { ours: ours.to_string(), theirs: theirs.to_string() })
            }
            _ => Err(answer.failure()),
        }
    }
}

fn first_oid(answer: &Answer) -> Option<Oid> {
    Oid::new(std::str::from_utf8(answer.fields().next()?).ok()?).ok()
}

fn parse_conflict(answer: &Answer) -> Option<MergeResult> {
    let tree = first_oid(answer)?;
    let found = conflict::parse(answer.fields().skip(1))?;
    let mut paths: Vec<String> = found.keys().map(|path| show_path(path)).collect();
    paths.sort();
    paths.dedup();
    let os_paths = found.keys().map(|path| path_of(path)).collect();
    let conflicts = found.into_values().collect();
    (!paths.is_empty()).then_some(MergeResult::Conflicted { tree, paths, os_paths, conflicts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::{Scratch, both_backends};
    use crate::types::ConflictKind;

    both_backends! {
        independent_changes_merge_cleanly_and_touch_no_file,
        every_kind_of_conflict_names_its_paths,
        markers_are_found_in_a_file_whose_name_is_no_text,
        a_folder_split_by_a_rename_is_a_conflict_with_paths,
        submodules_conflict_by_path_and_histories_must_be_related,
        attributes_are_those_of_our_side,
    }

    type Side = fn(&Scratch) -> &Scratch;

    /// Commits `ours` and `theirs` on one base and merges them.
    async fn merged(s: &Scratch, ours: Side, theirs: Side) -> (Oid, MergeResult) {
        s.write("a ü", "1\n2\n3\n4\n5\n").write("b", "b\n").write("dir/x", "x\n").write("dir/y", "y\n");
        s.write("bin", "a\0b");
        let base = s.commit("base").await;
        ours(s);
        let left = s.commit("ours").await;
        s.git(&["checkout", "-q", base.as_str()]).await;
        theirs(s);
        let right = s.commit("theirs").await;
        (left.clone(), s.repo.merge(&left, &right).await.expect("merges"))
    }

    async fn independent_changes_merge_cleanly_and_touch_no_file() {
        let s = Scratch::new().await;
        let (_, result) = merged(
            &s,
            |s| s.write("a ü", "one\n2\n3\n4\n5\n").rename("b", "c"),
            |s| s.write("a ü", "1\n2\n3\n4\nfive\n").write("b", "b\nb2\n"),
        )
        .await;
        let MergeResult::Clean { tree } = result else { panic!("{result:?}") };
        assert_eq!(s.show(&tree, "a ü").await, "one\n2\n3\n4\nfive\n");
        assert_eq!(s.show(&tree, "c").await, "b\nb2\n", "the rename is followed");
        assert_eq!(s.git(&["status", "--porcelain"]).await, "");
    }

    async fn every_kind_of_conflict_names_its_paths() {
        use ConflictKind as K;
        type Expected = &'static [(&'static str, ConflictKind)];
        let cases: [(Side, Side, Expected); 12] = [
            (|s| s.write("a ü", "o\n"), |s| s.write("a ü", "t\n"), &[("a ü", K::Content)]),
            (|s| s.remove("b"), |s| s.write("b", "t\n"), &[("b", K::ModifyDelete)]),
            (|s| s.write("b", "o\n"), |s| s.remove("b"), &[("b", K::ModifyDelete)]),
            (|s| s.write("bin", "o\0"), |s| s.write("bin", "t\0"), &[("bin", K::Binary)]),
            (|s| s.write("n\nl", "o\n"), |s| s.write("n\nl", "t\n"), &[("n\nl", K::AddAdd)]),
            (
                |s| s.rename("b", "o"),
                |s| s.rename("b", "t"),
                &[("b", K::RenameRename), ("o", K::RenameRename), ("t", K::RenameRename)],
            ),
            (|s| s.rename("b", "o"), |s| s.remove("b"), &[("o", K::RenameDelete)]),
            (|s| s.write("n", "o\n"), |s| s.write("n/x", "t\n"), &[("n", K::FileDirectory)]),
            (|s| s.write("l", "1\n"), |s| s.link("l", "b"), &[("l", K::Mode)]),
            (|s| s.link("l", "x"), |s| s.link("l", "b"), &[("l", K::AddAdd)]),
            (|s| s.rename("a ü", "n"), |s| s.rename("dir/x", "n"), &[("n", K::AddAdd)]),
            (
                |s| s.write("a ü", "one\n2\n3\n4\n5\n").rename("a ü", "n"),
                |s| s.write("a ü", "uno\n2\n3\n4\n5\n").write("n", "t\n"),
                &[("n", K::RenameCollision)],
            ),
        ];
        for (number, (ours, theirs, expected)) in cases.into_iter().enumerate() {
            let s = Scratch::new().await;
            let (left, result) = merged(&s, ours, theirs).await;
            let MergeResult::Conflicted { tree, paths, os_paths, conflicts } = result else {
                panic!("{number}: {result:?}")
            };
            for (path, kind) in expected {
                assert!(paths.iter().any(|p| p == path), "{number}: {path:?} not in {paths:?}");
                let found = conflicts.iter().find(|conflict| conflict.path == *path).expect("it is told");
                assert_eq!(found.kind, *kind, "{number}: {conflicts:?}");
            }
            assert_eq!(os_paths.len(), conflicts.len());
            sides_are_those_of_the_commits(&s, &left, &conflicts).await;
            if number == 0 {
                assert_eq!(s.repo.conflict_markers(&tree, &paths).await.expect("looks"), paths);
            }
        }
    }

    /// Where a side has something at a path in conflict, and nothing was renamed, the commit of that side has it there.
    async fn sides_are_those_of_the_commits(s: &Scratch, ours: &Oid, conflicts: &[PathConflict]) {
        use ConflictKind as K;
        let renamed = [K::RenameRename, K::RenameDelete, K::RenameCollision];
        for conflict in conflicts.iter().filter(|conflict| !renamed.contains(&conflict.kind)) {
            let [base, theirs] = ["HEAD~1", "HEAD"].map(ToOwned::to_owned);
            let sides =
                [(base, &conflict.base), (ours.to_string(), &conflict.ours), (theirs, &conflict.theirs)];
            for (commit, side) in sides {
                let Some(side) = side else { continue };
                let listed = s.git(&["ls-tree", "-z", &commit, "--", &conflict.path]).await;
                let wanted = format!("{} blob {}\t{}\0", side.mode, side.oid, conflict.path);
                // A path of a file that a folder pushed aside is in no commit.
                assert!(
                    listed == wanted || conflict.path.contains('~'),
                    "{commit}: {listed:?} is not {wanted:?}"
                );
            }
        }
    }

    async fn markers_are_found_in_a_file_whose_name_is_no_text() {
        use std::os::unix::ffi::OsStrExt as _;
        let s = Scratch::new().await;
        let name = std::ffi::OsStr::from_bytes(b"odd \xff");
        let side = async |text: &str| {
            // Some file systems take no such name, but git does.
            let blob = s.repo.write_blob(text.as_bytes()).await.expect("writes");
            let entry = [format!("100644 blob {blob}\t").as_bytes(), name.as_bytes(), b"\0"].concat();
            let tree = s.repo.ok(s.repo.call("mktree").arg("-z").stdin(entry)).await.expect("makes");
            tree.oid().expect("an id")
        };
        let base = s.repo.commit_tree(&side("1\n").await, &[], "base", None).await.expect("commits");
        let mut tips = Vec::new();
        for text in ["2\n", "3\n"] {
            let tree = side(text).await;
            let base = std::slice::from_ref(&base);
            tips.push(s.repo.commit_tree(&tree, base, "side", None).await.expect("commits"));
        }
        let result = s.repo.merge(&tips[0], &tips[1]).await.expect("merges");
        let MergeResult::Conflicted { tree, paths, os_paths, .. } = result else { panic!("{result:?}") };
        assert_eq!((paths, &os_paths), (vec!["odd \\xff".to_owned()], &vec![PathBuf::from(name)]));
        assert_eq!(s.repo.conflict_markers(&tree, &os_paths).await.expect("looks"), ["odd \\xff"]);
    }

    async fn a_folder_split_by_a_rename_is_a_conflict_with_paths() {
        let s = Scratch::new().await;
        let split: Side = |s| s.rename("dir/x", "one/x").rename("dir/y", "two/y");
        let (_, result) = merged(&s, split, |s| s.write("dir/new", "n\n")).await;
        let MergeResult::Conflicted { paths, conflicts, .. } = result else { panic!("{result:?}") };
        assert!(paths.iter().any(|p| p.starts_with("dir")), "{paths:?}");
        assert!(conflicts.iter().any(|c| c.kind == ConflictKind::DirectoryRename), "{conflicts:?}");
    }

    async fn submodules_conflict_by_path_and_histories_must_be_related() {
        let s = Scratch::new().await;
        let base = s.write("a", "1\n").commit("base").await;
        let link = |oid: &Oid| format!("160000,{oid},sub");
        let mut sides = Vec::new();
        for text in ["o\n", "t\n"] {
            s.git(&["checkout", "-q", base.as_str()]).await;
            let other = s.write("other", text).commit("any").await;
            s.git(&["reset", "-q", "--hard", base.as_str()]).await;
            s.git(&["update-index", "--add", "--cacheinfo", &link(&other)]).await;
            s.git(&["commit", "-q", "-m", "link"]).await;
            sides.push(s.repo.resolve("HEAD").await.expect("resolves").expect("there"));
        }
        let result = s.repo.merge(&sides[0], &sides[1]).await.expect("merges");
        let MergeResult::Conflicted { paths, conflicts, .. } = result else { panic!("{result:?}") };
        assert_eq!((paths, conflicts[0].kind), (vec!["sub".to_owned()], ConflictKind::Submodule));
        assert_eq!(conflicts[0].ours.as_ref().map(|side| side.mode.as_str()), Some("160000"));
        s.git(&["checkout", "-q", "--orphan", "new"]).await;
        let orphan = s.commit("orphan").await;
        let error = s.repo.merge(&base, &orphan).await.expect_err("unrelated");
        assert!(matches!(error, GitError::UnrelatedHistories { .. }), "{error}");
        let missing = Oid::new("1".repeat(40)).expect("valid");
        let error = s.repo.merge(&base, &missing).await.expect_err("missing");
        assert!(matches!(error, GitError::Failed { .. }), "a failure is no conflict: {error}");
    }

    async fn attributes_are_those_of_our_side() {
        let s = Scratch::new().await;
        s.write(".gitattributes", "log merge=union\n").write("log", "0\n");
        let (_, result) = merged(&s, |s| s.write("log", "0\no\n"), |s| s.write("log", "0\nt\n")).await;
        if s.repo.inner.version >= ATTR_SOURCE {
            let MergeResult::Clean { tree } = result else { panic!("{result:?}") };
            assert_eq!(s.show(&tree, "log").await, "0\no\nt\n");
        }
    }
}
