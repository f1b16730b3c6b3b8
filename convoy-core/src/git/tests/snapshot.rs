use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

both_isolations! {
    nothing_done_is_the_base_itself,
    every_kind_of_uncommitted_change_is_recorded_and_the_worktree_stays_as_it_is,
    commits_of_the_worktree_are_the_snapshot_and_the_rest_comes_on_top,
    a_rewritten_history_becomes_one_commit_on_the_base,
    an_unfinished_operation_is_an_error_and_touches_nothing,
    repositories_in_the_tree_are_refused_but_not_ignored_ones_nor_submodules_of_the_base,
    nothing_is_run_that_a_repository_within_the_tree_says,
    a_file_that_no_host_would_take_is_refused_unless_it_is_stored_elsewhere_or_ignored,
    excluded_paths_enter_neither_the_tree_nor_the_history,
    extra_parents_are_reached_and_never_twice,
    a_stale_lock_marked_entries_and_a_lost_index_lose_nothing,
    work_is_recorded_from_a_worktree_whose_git_file_was_removed_or_replaced,
    an_edit_within_the_same_tick_of_the_clock_is_seen,
    files_that_git_was_told_to_skip_are_recorded_whether_changed_or_deleted,
    a_note_that_was_written_by_others_hides_no_file,
    what_is_ignored_is_what_the_request_and_the_tree_say_whatever_was_changed_since,
    a_name_that_git_takes_for_its_own_is_an_error_and_not_passed_over,
    with_a_sparse_checkout_only_files_that_were_never_there_are_passed_over,
    with_a_sparse_checkout_files_that_a_merge_brought_and_nobody_saw_stay,
}

use crate::git::testing::{Scratch, both_isolations, git_dir, remove_git, try_git, write};
use crate::git::{GitError, IgnoreRules, Keep, Snapshot, SnapshotRequest};
use crate::types::Oid;

pub(super) const KEEP: &str = "refs/keep/it";

pub(in crate::git) fn request(base: &Oid) -> SnapshotRequest {
    SnapshotRequest {
        base: base.clone(),
        message: "the work".into(),
        exclude: vec![],
        ignore: IgnoreRules::default(),
        extra_parents: vec![],
        keep_ref: KEEP.into(),
    }
}

/// A repository with a commit, and a worktree at it.
async fn start() -> (Scratch, Oid, PathBuf) {
    let s = Scratch::new().await;
    s.write("a ü/b c", "1\n")
        .write("gone", "x\n")
        .write("run", "x\n")
        .write("turns", "x\n")
        .write("dir/x", "x\n");
    let base = s.write(".gitignore", "*.tmp\n").commit("base").await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    (s, base, path)
}

async fn commit(folder: &Path, message: &str) -> Oid {
    let (ok, said) = try_git(folder, &["add", "-A"]).await;
    assert!(ok, "{said}");
    let (ok, said) = try_git(folder, &["commit", "-q", "--allow-empty", "-m", message]).await;
    assert!(ok, "{said}");
    Oid::new(try_git(folder, &["rev-parse", "HEAD"]).await.1).expect("an id")
}

async fn paths(s: &Scratch, base: &Oid, found: &Snapshot) -> Vec<String> {
    let mut paths: Vec<_> = s
        .repo
        .changed_between(base, &found.commit)
        .await
        .expect("changes")
        .into_iter()
        .map(|c| c.path)
        .collect();
    paths.sort();
    paths
}

async fn nothing_done_is_the_base_itself() {
    let (s, base, path) = start().await;
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    let tree = s.repo.tree_of(&base).await.expect("tree");
    assert_eq!(found, Snapshot { commit: base.clone(), tree, changed: false, rebased: false });
    assert_eq!(s.repo.resolve(KEEP).await.expect("resolves"), Some(base));
}

async fn every_kind_of_uncommitted_change_is_recorded_and_the_worktree_stays_as_it_is() {
    let (s, base, path) = start().await;
    for name in ["new\nline", "-dash", "日本 語", "dir/UP", ":(top)x", "a ü/*"] {
        write(&path, name, "new\n");
    }
    std::fs::remove_file(path.join("gone")).expect("removes");
    std::fs::set_permissions(path.join("run"), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    std::fs::remove_file(path.join("turns")).expect("removes");
    write(&path, "turns/into/folder", "1\n");
    std::fs::remove_dir_all(path.join("dir")).expect("removes");
    symlink("nowhere", path.join("dir")).expect("links");
    std::fs::write(path.join("big"), vec![7_u8; 20 << 20]).expect("writes");
    write(&path, "ignored.tmp", "no");
    let before = try_git(&path, &["status", "--porcelain", "-z"]).await;
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert!(found.changed && !found.rebased);
    let expected = [
        "-dash",
        ":(top)x",
        "a ü/*",
        "big",
        "dir",
        "dir/x",
        "gone",
        "new\nline",
        "run",
        "turns",
        "turns/into/folder",
        "日本 語",
    ];
    assert_eq!(paths(&s, &base, &found).await, expected);
    assert_eq!(try_git(&path, &["status", "--porcelain", "-z"]).await, before);
    assert_eq!(try_git(&path, &["rev-parse", "HEAD"]).await.1, base.as_str());
    let info = s.repo.commit_info(&found.commit).await.expect("reads");
    assert_eq!((info.parents, info.message.as_str()), (vec![base], "the work\n"));
}

async fn commits_of_the_worktree_are_the_snapshot_and_the_rest_comes_on_top() {
    let (s, base, path) = start().await;
    write(&path, "mine", "1\n");
    let (ok, _) = try_git(&path, &["switch", "-q", "-c", "a-branch-of-its-own"]).await;
    assert!(ok);
    let head = commit(&path, "own commit").await;
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!((&found.commit, found.changed), (&head, true));
    write(&path, "more", "1\n");
    assert!(try_git(&path, &["add", "-f", "more"]).await.0);
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(s.repo.commit_info(&found.commit).await.expect("reads").parents, [head]);
    assert_eq!(paths(&s, &base, &found).await, ["mine", "more"]);
    assert_eq!(s.repo.resolve(KEEP).await.expect("resolves"), Some(found.commit));
}

async fn a_rewritten_history_becomes_one_commit_on_the_base() {
    let (s, base, path) = start().await;
    for orphan in [false, true] {
        write(&path, "mine", if orphan { "2\n" } else { "1\n" });
        let args = ["checkout", "-q", "--orphan", if orphan { "o" } else { "n" }];
        assert!(try_git(&path, &args).await.0);
        if !orphan {
            commit(&path, "no parent").await;
        }
        let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
        assert!(found.rebased && found.changed, "{orphan}");
        assert_eq!(s.repo.commit_info(&found.commit).await.expect("reads").parents.first(), Some(&base));
    }
}

async fn an_unfinished_operation_is_an_error_and_touches_nothing() {
    for operation in ["merge", "rebase", "cherry-pick", "revert", "bisect", "stash"] {
        let (s, base, path) = start().await;
        write(&path, "run", "one\n");
        let one = commit(&path, "one").await;
        assert!(try_git(&path, &["checkout", "-q", base.as_str()]).await.0);
        write(&path, "run", "two\n");
        let two = commit(&path, "two").await;
        let args: &[&str] = match operation {
            "merge" => &["merge", one.as_str()],
            "rebase" => &["rebase", one.as_str()],
            "cherry-pick" => &["cherry-pick", one.as_str()],
            "revert" => &["revert", "--no-edit", one.as_str()],
            "bisect" => &["bisect", "start"],
            _ => {
                write(&path, "run", "three\n");
                assert!(try_git(&path, &["stash", "-q"]).await.0);
                assert!(try_git(&path, &["checkout", "-q", one.as_str()]).await.0);
                &["stash", "pop"]
            }
        };
        try_git(&path, args).await;
        let before =
            (std::fs::read(path.join("run")).expect("reads"), try_git(&path, &["status", "-z"]).await);
        let error = s.repo.snapshot(&path, &request(&base)).await.expect_err(operation);
        let GitError::Unfinished { operation: found, unmerged, .. } = &error else {
            panic!("{operation}: {error}")
        };
        assert_eq!(*found, if operation == "stash" { "merge" } else { operation });
        assert_eq!(unmerged.is_empty(), operation == "bisect", "{operation}");
        let after =
            (std::fs::read(path.join("run")).expect("reads"), try_git(&path, &["status", "-z"]).await);
        assert_eq!(before, after, "{operation}");
        assert_eq!(s.repo.resolve(KEEP).await.expect("resolves"), None);
        drop(two);
    }
}

async fn nothing_is_run_that_a_repository_within_the_tree_says() {
    for is_known in [false, true] {
        let s = Scratch::new().await;
        let mut base = s.write("a", "1\n").commit("base").await;
        if is_known {
            s.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{base},x")]).await;
            s.git(&["commit", "-q", "-m", "with a submodule"]).await;
            base = s.tip().await;
        }
        let path = s.outside().join("wt");
        s.repo.add_worktree(&path, &base).await.expect("makes");
        write(&path, "x/q", "1\n");
        let inner = path.join("x");
        assert!(try_git(&inner, &["init", "-q"]).await.0);
        let head = commit(&inner, "of its own").await;
        assert!(try_git(&path, &["add", "x"]).await.0);
        let mark = s.outside().join("ran");
        let clean = format!("touch '{}'; cat", mark.display());
        for key in ["filter.evil.clean", "core.fsmonitor"] {
            assert!(try_git(&inner, &["config", key, &clean]).await.0);
        }
        write(&inner, ".git/info/attributes", "* filter=evil\n");
        // As if it had been fetched.
        assert!(try_git(&inner, &["update-ref", "refs/remotes/o/m", head.as_str()]).await.0);
        write(&path, "x/q", "1\n");
        write(&path, "a", "2\n");
        let covers = std::sync::Arc::new(|_: &str| true);
        let keep = Keep { owner: "one".into(), covers, ignore: IgnoreRules::default() };
        assert!(!s.repo.holds_only_kept(&path, &keep, &[]).await.expect("looks"));
        match s.repo.snapshot(&path, &request(&base)).await {
            Ok(found) if is_known => {
                assert_eq!(paths(&s, &base, &found).await, ["a", "x"]);
                assert_eq!(s.git(&["rev-parse", &format!("{}:x", found.commit)]).await, head.as_str());
            }
            Err(GitError::EmbeddedRepository { paths }) if !is_known => assert_eq!(paths, ["x"]),
            other => panic!("{is_known}: {other:?}"),
        }
        assert!(!mark.exists(), "{is_known}: the filter of the repository within was run");
        write(&path, "x/q", "2\n");
        let error = s.repo.snapshot(&path, &request(&base)).await.expect_err("refused");
        assert!(is_known == matches!(error, GitError::SubmoduleWork { .. }), "{error}");
        assert!(!mark.exists(), "{is_known}: the filter of the repository within was run");
        // The same look by a person's git runs it.
        assert!(try_git(&path, &["status"]).await.0);
        assert!(mark.exists(), "{is_known}: else this test would find nothing");
    }
}

async fn repositories_in_the_tree_are_refused_but_not_ignored_ones_nor_submodules_of_the_base() {
    let s = Scratch::new().await;
    let linked = s.write(".gitignore", "vendor/\n").commit("x").await;
    s.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{linked},known sub")]).await;
    s.git(&["commit", "-q", "-m", "with a submodule"]).await;
    let base = s.tip().await;
    for (committed, empty) in [(false, false), (false, true), (true, false)] {
        let path = s.outside().join(format!("wt-{committed}-{empty}"));
        s.repo.add_worktree(&path, &base).await.expect("makes");
        for folder in ["in ner/ü", "vendor/lib"] {
            std::fs::create_dir_all(path.join(folder)).expect("creates");
            assert!(try_git(&path.join(folder), &["init", "-q"]).await.0);
            if !empty {
                commit(&path.join(folder), "x").await;
            }
        }
        if committed {
            commit(&path, "adds the link").await;
        }
        let error = s.repo.snapshot(&path, &request(&base)).await.expect_err("refused");
        let GitError::EmbeddedRepository { paths } = &error else { panic!("{error}") };
        assert_eq!(paths, &["in ner/ü"], "{committed} {empty}");
        assert!(path.join("in ner/ü/.git").exists());
    }
    let path = s.outside().join("fine");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    write(&path, "new", "1\n");
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["new"]);
}

async fn a_file_that_no_host_would_take_is_refused_unless_it_is_stored_elsewhere_or_ignored() {
    let (s, base, path) = start().await;
    for name in ["new ü", "turns"] {
        // Without blocks: it takes no space, and is only looked at.
        let file = std::fs::File::create(path.join(name)).expect("creates");
        file.set_len((2 << 30) + 1).expect("grows");
        let error = s.repo.snapshot(&path, &request(&base)).await.expect_err("refused");
        let GitError::TooLarge { paths } = &error else { panic!("{error}") };
        assert_eq!(paths, &[name]);
        std::fs::remove_file(path.join(name)).expect("removes");
    }
    s.git(&["config", "filter.elsewhere.clean", "echo pointer"]).await;
    for name in ["disk.tmp", "stored"] {
        let file = std::fs::File::create(path.join(name)).expect("creates");
        file.set_len((2 << 30) + 1).expect("grows");
    }
    write(&path, ".gitattributes", "stored filter=elsewhere\n");
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, [".gitattributes", "stored", "turns"]);
    let blob = s.git(&["show", &format!("{}:stored", found.commit)]).await;
    assert_eq!(blob, "pointer");
}

async fn excluded_paths_enter_neither_the_tree_nor_the_history() {
    let (s, base, path) = start().await;
    let mut request = request(&base);
    request.exclude = vec![".env".into(), "copied dir".into(), "run".into(), "*.x".into()];
    for name in [".env", "copied dir/deep/secret", "run", "mine", "a.x"] {
        write(&path, name, "SECRET\n");
    }
    let found = s.repo.snapshot(&path, &request).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["a.x", "mine"]);
    assert!(!found.rebased);
    commit(&path, "commits all of it").await;
    assert!(try_git(&path, &["rm", "-q", "--cached", ".env", "-r", "copied dir"]).await.0);
    let found = s.repo.snapshot(&path, &request).await.expect("records");
    assert!(found.rebased, "the commit that holds them is left out");
    assert_eq!(paths(&s, &base, &found).await, ["a.x", "mine"]);
    assert_eq!(s.repo.commit_info(&found.commit).await.expect("reads").parents, [base]);
}

async fn extra_parents_are_reached_and_never_twice() {
    let (s, base, path) = start().await;
    let other = s.write("other", "1\n").commit("other").await;
    let mut request = request(&base);
    request.extra_parents = vec![other.clone(), base.clone()];
    let found = s.repo.snapshot(&path, &request).await.expect("records");
    assert_eq!(
        s.repo.commit_info(&found.commit).await.expect("reads").parents,
        [base.clone(), other.clone()]
    );
    assert!(!found.changed);
    assert!(try_git(&path, &["merge", "-q", "--no-edit", other.as_str()]).await.0);
    let found = s.repo.snapshot(&path, &request).await.expect("records");
    assert_eq!(found.commit, other, "a fast-forward reaches it already");
}

async fn a_stale_lock_marked_entries_and_a_lost_index_lose_nothing() {
    let (s, base, path) = start().await;
    assert!(try_git(&path, &["update-index", "--assume-unchanged", "run"]).await.0);
    write(&path, "run", "changed\n");
    write(&path, "forced.tmp", "1\n");
    assert!(try_git(&path, &["add", "-f", "forced.tmp"]).await.0);
    // What git has of it for whoever works there.
    let entry = git_dir(&path).await;
    write(&entry, "index.lock", "");
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["forced.tmp", "run"]);
    assert!(!entry.join("index.lock").exists());
    std::fs::remove_file(entry.join("index")).expect("removes");
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["run"]);
    assert!(!entry.join("index").exists() && !entry.join("index.snapshot").exists());
}

async fn work_is_recorded_from_a_worktree_whose_git_file_was_removed_or_replaced() {
    let (s, base, path) = start().await;
    write(&path, "mine", "1\n");
    remove_git(&path);
    assert!(try_git(&path, &["init", "-q"]).await.0);
    commit(&path, "into a repository of its own").await;
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["mine"]);
}

async fn an_edit_within_the_same_tick_of_the_clock_is_seen() {
    let (s, base, path) = start().await;
    for n in 0..10 {
        // The same size, and as close to the writing of the index as can be.
        write(&path, "run", &format!("{n}\n"));
        assert!(try_git(&path, &["add", "run"]).await.0);
        write(&path, "run", &format!("{}\n", (n + 1) % 10));
        let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
        assert_eq!(s.show(&found.commit, "run").await, format!("{}\n", (n + 1) % 10));
    }
}

async fn files_that_git_was_told_to_skip_are_recorded_whether_changed_or_deleted() {
    let (s, base, path) = start().await;
    assert!(try_git(&path, &["update-index", "--skip-worktree", "run", "a ü/b c", "dir/x", "turns"]).await.0);
    assert!(try_git(&path, &["update-index", "--assume-unchanged", "turns"]).await.0);
    write(&path, "run", "changed\n");
    write(&path, "turns", "changed\n");
    std::fs::remove_file(path.join("a ü/b c")).expect("removes");
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["a ü/b c", "run", "turns"]);
    // The user's own sparse checkout, which a worktree takes over.
    s.git(&["sparse-checkout", "set", "--no-cone", "/run"]).await;
    let path = s.outside().join("sparse");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    assert!(!path.join("gone").exists());
    write(&path, "run", "changed\n");
    write(&path, "turns", "changed\n");
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["run", "turns"]);
    assert_eq!(s.repo.restore_tracked(&path, &base).await.expect("restores"), ["run", "turns"]);
    assert!(!path.join("gone").exists());
}

async fn a_note_that_was_written_by_others_hides_no_file() {
    let (s, base, path) = start().await;
    let folder = try_git(&path, &["rev-parse", "--absolute-git-dir"]).await.1;
    std::fs::write(Path::new(&folder).join("convoy-filled"), b"\0").expect("writes");
    assert!(try_git(&path, &["update-index", "--skip-worktree", "run"]).await.0);
    std::fs::remove_file(path.join("run")).expect("removes");
    assert_eq!(s.repo.restore_tracked(&path, &base).await.expect("restores"), ["run"]);
    assert!(path.join("run").exists());
}

async fn what_is_ignored_is_what_the_request_and_the_tree_say_whatever_was_changed_since() {
    let (s, base, path) = start().await;
    s.write(".git/info/exclude", "*.o\n");
    let ignore = s.repo.ignore_rules().await.expect("reads");
    s.write(".git/info/exclude", "*\n").write("also", "kept*\n");
    s.git(&["config", "core.excludesFile", &s.root.join("also").display().to_string()]).await;
    for name in ["kept", "deep/er/kept", "a.o", "b.tmp", "made/b.tmp"] {
        write(&path, name, "1\n");
    }
    write(&path, "made/.gitignore", "!b.tmp\n");
    let found = s.repo.snapshot(&path, &SnapshotRequest { ignore, ..request(&base) }).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["deep/er/kept", "kept", "made/.gitignore", "made/b.tmp"]);
    assert!(!s.root.join(".git/worktrees/wt/ignore.snapshot").exists());
}

async fn a_name_that_git_takes_for_its_own_is_an_error_and_not_passed_over() {
    let (s, base, path) = start().await;
    for name in ["deep/git~1", "No space left on device/git~1"] {
        write(&path, name, "1\n");
        let error = s.repo.snapshot(&path, &request(&base)).await.expect_err("refused");
        assert!(error.to_string().contains(name) && !error.is_disk_full(), "{error}");
        assert!(path.join(name).exists());
        std::fs::remove_file(path.join(name)).expect("removes");
    }
}

async fn with_a_sparse_checkout_only_files_that_were_never_there_are_passed_over() {
    let (s, base, _) = start().await;
    let sparse: &[&str] = &["sparse-checkout", "set", "--no-cone", "/run", "/turns", "/dir"];
    for changes in [None, Some(&["sparse-checkout", "disable"][..])] {
        s.git(sparse).await;
        let path = s.outside().join(format!("sparse-{}", changes.is_some()));
        s.repo.add_worktree(&path, &base).await.expect("makes");
        assert!(!path.join("gone").exists());
        assert!(try_git(&path, &["update-index", "--skip-worktree", "run", "dir/x"]).await.0);
        std::fs::remove_file(path.join("run")).expect("removes");
        std::fs::remove_dir_all(path.join("dir")).expect("removes");
        write(&path, "turns", "changed\n");
        if let Some(args) = changes {
            s.git(args).await;
        }
        let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
        assert_eq!(paths(&s, &base, &found).await, ["dir/x", "run", "turns"], "{changes:?}");
        let back = s.repo.restore_tracked(&path, &base).await.expect("restores");
        assert_eq!(back, ["dir/x", "run", "turns"], "{changes:?}");
        assert!(!path.join("gone").exists());
    }
    // What was whole stays whole, whatever is configured later.
    let path = s.outside().join("whole");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    s.git(sparse).await;
    assert!(try_git(&path, &["update-index", "--skip-worktree", "gone"]).await.0);
    std::fs::remove_file(path.join("gone")).expect("removes");
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(paths(&s, &base, &found).await, ["gone"]);
}

async fn with_a_sparse_checkout_files_that_a_merge_brought_and_nobody_saw_stay() {
    let (s, base, _) = start().await;
    let other = s.write("elsewhere", "1\n").write("run", "other\n").commit("other").await;
    s.git(&["sparse-checkout", "set", "--no-cone", "/run"]).await;
    let path = s.outside().join("sparse");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    assert!(try_git(&path, &["merge", "-q", other.as_str()]).await.0);
    assert!(!path.join("elsewhere").exists());
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!((&found.commit, found.changed), (&other, true));
    let tree = s.repo.tree_of(&other).await.expect("a tree");
    s.repo.reset_to_tree(&path, &tree).await.expect("resets");
    let found = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    assert_eq!(found.commit, other);
}
