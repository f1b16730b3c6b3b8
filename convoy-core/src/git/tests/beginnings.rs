//! Work that did not begin with the commit that it was to begin with.

use std::path::{Path, PathBuf};

both_isolations! {
    what_the_base_has_beyond_an_older_commit_that_the_work_began_with_stays,
    what_does_not_fit_is_an_error_and_touches_nothing,
}

use super::pool::everything;
use super::snapshot::{KEEP, request};
use crate::git::testing::{Scratch, both_isolations, try_git, write};
use crate::git::{GitError, Snapshot};
use crate::types::Oid;

/// A repository with two commits, another without a parent, and a worktree at the second.
async fn start() -> (Scratch, [Oid; 3], PathBuf) {
    let s = Scratch::new().await;
    s.write("text", "1\n2\n3\n4\n5\n6\n7\n").write("other", "o\n");
    let older = s.commit("older").await;
    s.write("landed", "l\n").write("text", "one\n2\n3\n4\n5\n6\n7\n");
    let base = s.commit("base").await;
    s.git(&["checkout", "-q", "--orphan", "pages"]).await;
    s.git(&["rm", "-q", "-rf", "."]).await;
    let pages = s.write("page", "p\n").commit("pages").await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    (s, [older, base, pages], path)
}

async fn git(path: &Path, args: &[&str]) {
    let (ok, said) = try_git(path, args).await;
    assert!(ok, "{args:?}: {said}");
}

async fn what_the_base_has_beyond_an_older_commit_that_the_work_began_with_stays() {
    let on_older: &[&[&str]] = &[&["checkout", "-q", "OLDER"], &["switch", "-q", "-c", "mine"]];
    let reset: &[&[&str]] = &[&["reset", "-q", "--hard", "OLDER"]];
    let committed: &[&[&str]] = &[&["add", "-A"], &["commit", "-qm", "mine"]];
    let amended: &[&[&str]] = &[&["add", "-A"], &["commit", "-q", "--amend", "-m", "amended"]];
    for (case, before, after, edits) in [
        ("another branch, committed", on_older, committed, true),
        ("another branch, not committed", on_older, &[], true),
        ("another branch, nothing done", on_older, &[], false),
        ("reset, committed", reset, committed, true),
        ("reset, not committed", reset, &[], true),
        ("the base amended", &[], amended, true),
    ] {
        let (s, [older, base, _], path) = start().await;
        for args in before {
            let args: Vec<_> =
                args.iter().map(|arg| if *arg == "OLDER" { older.as_str() } else { arg }).collect();
            git(&path, &args).await;
        }
        if edits {
            write(&path, "mine", "m\n");
            let last = std::fs::read_to_string(path.join("text")).expect("reads").replace('7', "seven");
            write(&path, "text", &last);
            std::fs::remove_file(path.join("other")).expect("removes");
        }
        for args in after {
            git(&path, args).await;
        }
        let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
        let Snapshot { commit, tree, changed, rebased } = &found;
        assert_eq!((*changed, *rebased), (edits, true), "{case}");
        let parents = s.repo.commit_info(commit).await.expect("reads").parents;
        assert_eq!((parents == [base.clone()], *commit == base), (edits, !edits), "{case}");
        assert_eq!(s.show(tree, "landed").await, "l\n", "{case}");
        let files = s.git(&["ls-tree", "-r", "--name-only", tree.as_str()]).await;
        assert_eq!(files, if edits { "landed\nmine\ntext" } else { "landed\nother\ntext" }, "{case}");
        let last = if edits { "seven" } else { "7" };
        assert_eq!(s.show(tree, "text").await, format!("one\n2\n3\n4\n5\n6\n{last}\n"), "{case}");
        let fresh = s.outside().join("fresh");
        s.git(&["worktree", "add", "-q", "--detach", fresh.to_str().expect("UTF-8"), commit.as_str()]).await;
        assert_eq!(everything(&path), everything(&fresh), "{case}: the files are what is checked");
        // As after a crash that came before anybody heard of it.
        let again = s.repo.snapshot(&path, &request(&base)).await.expect("records");
        assert_eq!((&again.tree, again.rebased), (tree, true), "{case}");
    }
}

async fn what_does_not_fit_is_an_error_and_touches_nothing() {
    for (case, at, name, conflict) in [
        ("another edit of a line", 0, "text", &["text"][..]),
        ("a file that was made, too", 0, "landed", &["landed"]),
        ("a history of its own", 2, "mine", &[]),
    ] {
        let (s, commits, path) = start().await;
        git(&path, &["checkout", "-q", commits[at].as_str()]).await;
        write(&path, name, "mine\n");
        git(&path, &["add", "-A"]).await;
        git(&path, &["commit", "-qm", "mine"]).await;
        write(&path, "untracked", "mine, too\n");
        let before = everything(&path);
        let error = s.repo.snapshot(&path, &request(&commits[1])).await.expect_err("fails");
        let GitError::BeganElsewhere { base, paths } = &error else { panic!("{case}: {error:?}") };
        assert_eq!(
            (base, &paths[..]),
            (&commits[1], &conflict.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
            "{case}"
        );
        assert_eq!(everything(&path), before, "{case}");
        assert_eq!(s.repo.resolve(KEEP).await.expect("resolves"), None, "{case}");
    }
}
