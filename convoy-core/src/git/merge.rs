//! Merging in memory, without files.

use std::path::PathBuf;

use super::call::Answer;
use super::error::GitError;
use super::open::Version;
use super::repository::{Repository, path_of, show_path};
use crate::types::Oid;

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
    },
}

/// The first version that reads attributes from a named commit.
pub(super) const ATTR_SOURCE: Version = Version(2, 41);

impl Repository {
    /// Merges `theirs` into `ours` as `git merge` would, but without touching a file. Renames are followed; the
    /// merge drivers that the user configured run. Attributes are those of `ours`; with a git older than 2.41
    /// only the repository's own (`info/attributes`) and the user's count.
    ///
    /// # Errors
    /// [`GitError::UnrelatedHistories`]; any other failure of git. A failure is never a conflict, nor the other
    /// way round.
    pub async fn merge(&self, ours: &Oid, theirs: &Oid) -> Result<MergeResult, GitError> {
        let mut call = self.call("merge-tree");
        if self.inner.version >= ATTR_SOURCE {
            call = call.global(format!("--attr-source={ours}"));
        }
        let call = call.args(["--write-tree", "-z", "--name-only", "--messages"]);
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

/// The tree, the conflicted files, an empty field, then messages: a count, that many paths, a kind, a text.
/// Conflicts between directories name no file in the first list, so the messages count too.
fn parse_conflict(answer: &Answer) -> Option<MergeResult> {
    let tree = first_oid(answer)?;
    let mut fields = answer.fields().skip(1);
    let mut found: Vec<&[u8]> = fields.by_ref().take_while(|field| !field.is_empty()).collect();
    while let Some(count) = fields.next() {
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        let named: Vec<&[u8]> = fields.by_ref().take(count).collect();
        let kind = fields.next()?;
        fields.next()?;
        if kind.starts_with(b"CONFLICT") {
            found.extend(named);
        }
    }
    let mut paths: Vec<String> = found.iter().copied().map(show_path).collect();
    paths.sort();
    paths.dedup();
    found.sort_unstable();
    found.dedup();
    let os_paths = found.into_iter().map(path_of).collect();
    (!paths.is_empty()).then_some(MergeResult::Conflicted { tree, paths, os_paths })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::Scratch;

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

    #[tokio::test]
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

    #[tokio::test]
    async fn every_kind_of_conflict_names_its_paths() {
        let cases: [(&str, Side, Side, &[&str]); 7] = [
            ("content", |s| s.write("a ü", "o\n"), |s| s.write("a ü", "t\n"), &["a ü"]),
            ("deleted", |s| s.remove("b"), |s| s.write("b", "t\n"), &["b"]),
            ("binary", |s| s.write("bin", "o\0"), |s| s.write("bin", "t\0"), &["bin"]),
            ("both new", |s| s.write("n\nl", "o\n"), |s| s.write("n\nl", "t\n"), &["n\nl"]),
            ("renamed twice", |s| s.rename("b", "o"), |s| s.rename("b", "t"), &["b", "o", "t"]),
            ("file and folder", |s| s.write("n", "o\n"), |s| s.write("n/x", "t\n"), &["n"]),
            ("mode", |s| s.write("l", "1\n"), |s| s.link("l", "b"), &["l"]),
        ];
        for (name, ours, theirs, expected) in cases {
            let s = Scratch::new().await;
            let (_, result) = merged(&s, ours, theirs).await;
            let MergeResult::Conflicted { tree, paths, .. } = result else { panic!("{name}: {result:?}") };
            for path in expected {
                assert!(paths.iter().any(|p| p == path), "{name}: {path:?} not in {paths:?}");
            }
            if name == "content" {
                assert_eq!(s.repo.conflict_markers(&tree, &paths).await.expect("looks"), paths);
            }
        }
    }

    #[tokio::test]
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
        let MergeResult::Conflicted { tree, paths, os_paths } = result else { panic!("{result:?}") };
        assert_eq!((paths, &os_paths), (vec!["odd \\xff".to_owned()], &vec![PathBuf::from(name)]));
        assert_eq!(s.repo.conflict_markers(&tree, &os_paths).await.expect("looks"), ["odd \\xff"]);
    }

    #[tokio::test]
    async fn a_folder_split_by_a_rename_is_a_conflict_with_paths() {
        let s = Scratch::new().await;
        let split: Side = |s| s.rename("dir/x", "one/x").rename("dir/y", "two/y");
        let (_, result) = merged(&s, split, |s| s.write("dir/new", "n\n")).await;
        let MergeResult::Conflicted { paths, .. } = result else { panic!("{result:?}") };
        assert!(paths.iter().any(|p| p.starts_with("dir")), "{paths:?}");
    }

    #[tokio::test]
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
        let MergeResult::Conflicted { paths, .. } = result else { panic!("{result:?}") };
        assert_eq!(paths, ["sub"]);
        s.git(&["checkout", "-q", "--orphan", "new"]).await;
        let orphan = s.commit("orphan").await;
        let error = s.repo.merge(&base, &orphan).await.expect_err("unrelated");
        assert!(matches!(error, GitError::UnrelatedHistories { .. }), "{error}");
        let missing = Oid::new("1".repeat(40)).expect("valid");
        let error = s.repo.merge(&base, &missing).await.expect_err("missing");
        assert!(matches!(error, GitError::Failed { .. }), "a failure is no conflict: {error}");
    }

    #[tokio::test]
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
