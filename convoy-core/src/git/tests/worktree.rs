use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

both_isolations! {
    a_worktree_is_made_listed_and_removed_without_a_trace,
    many_are_made_and_removed_at_once,
    worktrees_are_listed_and_made_while_others_come_and_go,
    what_is_in_the_way_is_never_deleted_and_a_lost_folder_is_replaced,
    a_worktree_moved_aside_still_works_and_gives_its_place_free,
    a_commit_that_cannot_be_checked_out_leaves_nothing_behind,
    trash_that_a_crash_left_is_emptied,
    a_merged_tree_is_written_with_its_markers_while_head_stays,
    edits_to_tracked_files_are_undone_and_told_whatever_is_staged,
    a_worktree_without_its_git_file_is_never_taken_for_the_one_around_it,
    no_hook_filterless_config_or_alias_of_the_repository_runs,
}

use tokio_util::sync::CancellationToken;

use crate::git::testing::{Scratch, both_isolations, is_separate, options, remove_git, try_git, write};
use crate::git::{GitError, Repository, WorktreeState};

fn read(folder: &Path, path: &str) -> String {
    std::fs::read_to_string(folder.join(path)).expect("reads")
}

async fn a_worktree_is_made_listed_and_removed_without_a_trace() {
    let s = Scratch::new().await;
    let base =
        s.write("a ü/b c", "1\n").write("run", "x").executable("run").link("l", "run").commit("one").await;
    let path = s.outside().join("deep er/ü n\nl");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    assert_eq!(read(&path, "a ü/b c"), "1\n");
    assert_eq!(std::fs::read_link(path.join("l")).expect("a link"), Path::new("run"));
    assert_eq!(std::fs::metadata(path.join("run")).expect("there").permissions().mode() & 0o111, 0o111);
    assert_eq!(try_git(&path, &["status", "--porcelain", "-b"]).await.1, "## HEAD (no branch)");
    let list = s.repo.list_worktrees().await.expect("lists");
    assert_eq!((list.len(), &list[1].path, &list[1].head, &list[1].branch), (2, &path, &Some(base), &None));
    assert_eq!(list[0].branch.as_deref(), Some("refs/heads/main"));
    std::fs::set_permissions(path.join("a ü"), std::fs::Permissions::from_mode(0o500)).expect("chmod");
    s.repo.remove_worktree(&path).await.expect("removes");
    assert_eq!(std::fs::read_dir(path.parent().expect("has one")).expect("lists").count(), 0);
    assert_eq!(s.repo.list_worktrees().await.expect("lists").len(), 1);
    s.repo.remove_worktree(&path).await.expect("is done");
    assert_eq!(s.git(&["worktree", "prune", "-n", "-v"]).await, "");
}

async fn many_are_made_and_removed_at_once() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("one").await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (repo, path, base) = (s.repo.clone(), s.outside().join(format!("wt/{n}/x")), base.clone());
        tasks.spawn(async move {
            repo.add_worktree(&path, &base).await?;
            assert_eq!(read(&path, "a"), "1\n");
            repo.remove_worktree(&path).await
        });
    }
    for done in tasks.join_all().await {
        done.expect("made and removed");
    }
    assert_eq!(s.repo.list_worktrees().await.expect("lists").len(), 1);
}

/// What another program does with the entry of a worktree while git reads it.
type Meanwhile = fn(&Path);

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "no other way to make a pipe is on every platform")]
async fn a_worktree_that_another_program_is_making_or_removing_is_waited_for() {
    let makes: Meanwhile =
        |entry| std::fs::rename(entry.join("made"), entry.join("commondir")).expect("is made now");
    let removes: Meanwhile =
        |entry| std::fs::rename(entry, entry.with_file_name("../gone")).expect("is removed now");
    // What git sees of the file that it reads: nothing, as of one that is not written yet, or all.
    for (meanwhile, sees, listed) in [(makes, "", 2), (removes, "../..\n", 1)] {
        let s = Scratch::new().await;
        let base = s.write("a", "1\n").commit("one").await;
        s.repo.add_worktree(&s.outside().join("wt"), &base).await.expect("makes");
        // git writes this file of an entry last, and reads it first. With a pipe in its place, git is held until
        // somebody writes.
        let entry = s.root.join(".git/worktrees/wt");
        let file = entry.join("commondir");
        std::fs::rename(&file, entry.join("made")).expect("moves");
        let fifo = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(fifo.expect("mkfifo runs").success());
        let other = tokio::task::spawn_blocking(move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(&file).expect("git reads it");
            meanwhile(&entry);
            pipe.write_all(sees.as_bytes()).expect("git still reads");
        });
        let list = s.repo.list_worktrees().await.expect("lists");
        other.await.expect("finishes");
        assert_eq!(list.len(), listed);
    }
}

async fn worktrees_are_listed_and_made_while_others_come_and_go() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("one").await;
    let over = CancellationToken::new();
    let mut others = tokio::task::JoinSet::new();
    // Each opens the repository for itself, as another process does: no lock is shared.
    for n in 0..3 {
        let repo = Repository::open(&s.root, options()).await.expect("opens");
        let (path, base, over) = (s.outside().join(format!("wt/{n}")), base.clone(), over.clone());
        others.spawn(async move {
            while !over.is_cancelled() {
                repo.add_worktree(&path, &base).await.expect("makes");
                repo.remove_worktree(&path).await.expect("removes");
            }
        });
    }
    let mine = s.outside().join("mine");
    s.repo.add_worktree(&mine, &base).await.expect("makes");
    for _ in 0..60 {
        let list = s.repo.list_worktrees().await.expect("lists");
        assert!(list.iter().any(|worktree| worktree.path == mine), "{list:?}");
    }
    let again = Repository::open(&mine, options()).await.expect("opens");
    // One with a git directory of its own is its own.
    assert_eq!(again.main_worktree(), Some(if is_separate() { &*mine } else { &*s.root }));
    over.cancel();
    others.join_all().await;
    assert_eq!(s.repo.list_worktrees().await.expect("lists").len(), 2);
}

async fn what_is_in_the_way_is_never_deleted_and_a_lost_folder_is_replaced() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("one").await;
    let path = s.outside().join("wt");
    write(&path, "work", "precious");
    let error = s.repo.add_worktree(&path, &base).await.expect_err("in the way");
    assert!(matches!(error, GitError::WorktreeInTheWay { .. }), "{error}");
    assert_eq!(read(&path, "work"), "precious");
    let aside = s.repo.move_worktree_aside(&path).await.expect("moves");
    assert_eq!(read(&aside, "work"), "precious");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    std::fs::remove_dir_all(&path).expect("a crash");
    let lost = WorktreeState { exists: false, registered: true };
    assert_eq!(s.repo.worktree_state(&path).await.expect("tells"), lost);
    s.repo.add_worktree(&path, &base).await.expect("makes again");
    assert_eq!(read(&path, "a"), "1\n");
    let there = WorktreeState { exists: true, registered: true };
    assert_eq!(s.repo.worktree_state(&path).await.expect("tells"), there);
}

async fn a_worktree_moved_aside_still_works_and_gives_its_place_free() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("one").await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    write(&path, "new", "work");
    let aside = s.repo.move_worktree_aside(&path).await.expect("moves");
    assert_ne!(aside, path);
    assert_eq!(try_git(&aside, &["status", "--porcelain"]).await.1, "?? new");
    s.repo.add_worktree(&path, &base).await.expect("makes another");
    assert_eq!(s.repo.list_worktrees().await.expect("lists").len(), 3);
}

async fn a_commit_that_cannot_be_checked_out_leaves_nothing_behind() {
    let s = Scratch::new().await;
    let base = s.write(".gitattributes", "a filter=broken\n").write("a", "1\n").commit("one").await;
    s.git(&["config", "filter.broken.smudge", "exit 1"]).await;
    s.git(&["config", "filter.broken.required", "true"]).await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect_err("the filter fails");
    let nothing = WorktreeState { exists: false, registered: false };
    assert_eq!(s.repo.worktree_state(&path).await.expect("tells"), nothing);
}

async fn trash_that_a_crash_left_is_emptied() {
    let s = Scratch::new().await;
    write(&s.outside(), "wt/.trash-x-1/file", "x");
    write(&s.outside(), "wt/other/file", "x");
    s.repo.empty_trash(&s.outside().join("wt")).await.expect("empties");
    s.repo.empty_trash(&s.outside().join("absent")).await.expect("is done");
    assert_eq!(std::fs::read_dir(s.outside().join("wt")).expect("lists").count(), 1);
}

async fn a_merged_tree_is_written_with_its_markers_while_head_stays() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").write("gone", "x\n").commit("base").await;
    let ours = s.write("a", "o\n").remove("gone").commit("ours").await;
    s.git(&["checkout", "-q", base.as_str()]).await;
    let theirs = s.write("a", "t\n").write("new/x", "n\n").commit("theirs").await;
    let merged = s.repo.merge(&ours, &theirs).await.expect("merges");
    let crate::git::MergeResult::Conflicted { tree, .. } = merged else { panic!("{merged:?}") };
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &ours).await.expect("makes");
    s.repo.reset_to_tree(&path, &tree).await.expect("writes");
    assert!(read(&path, "a").contains("<<<<<<<") && read(&path, "new/x") == "n\n");
    assert_eq!(try_git(&path, &["rev-parse", "HEAD"]).await.1, ours.as_str());
    assert_eq!(try_git(&path, &["write-tree"]).await.1, tree.as_str());
}

async fn edits_to_tracked_files_are_undone_and_told_whatever_is_staged() {
    let s = Scratch::new().await;
    let base =
        s.write("a\nb", "1\n").write("c", "1\n").write("d", "1\n").write("same", "1\n").commit("one").await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    assert_eq!(s.repo.restore_tracked(&path, &base).await.expect("looks"), [""; 0]);
    write(&path, "a\nb", "2\n");
    std::fs::remove_file(path.join("c")).expect("removes");
    std::fs::set_permissions(path.join("d"), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    write(&path, "new", "kept");
    assert!(try_git(&path, &["add", "a\nb"]).await.0);
    assert_eq!(s.repo.restore_tracked(&path, &base).await.expect("restores"), ["a\nb", "c", "d"]);
    assert_eq!(
        (read(&path, "a\nb"), read(&path, "c"), read(&path, "new")),
        ("1\n".into(), "1\n".into(), "kept".into())
    );
    assert_eq!(s.repo.restore_tracked(&path, &base).await.expect("looks"), [""; 0]);
    assert!(try_git(&path, &["update-index", "--skip-worktree", "c", "d"]).await.0);
    write(&path, "c", "exit 0\n");
    std::fs::remove_file(path.join("d")).expect("removes");
    assert_eq!(s.repo.restore_tracked(&path, &base).await.expect("restores"), ["c", "d"]);
    assert_eq!((read(&path, "c"), read(&path, "d")), ("1\n".into(), "1\n".into()));
}

async fn a_worktree_without_its_git_file_is_never_taken_for_the_one_around_it() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("one").await;
    let path = s.root.join("inside/wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    remove_git(&path);
    s.write("a", "the user's");
    s.repo.reset_to_tree(&path, &s.repo.tree_of(&base).await.expect("tree")).await.expect("resets");
    assert_eq!(s.read("a"), "the user's");
    std::fs::remove_dir_all(&path).expect("removes");
    symlink(&s.root, &path).expect("links");
    let tree = s.repo.tree_of(&base).await.expect("tree");
    let error = s.repo.reset_to_tree(&path, &tree).await.expect_err("a link");
    assert!(matches!(error, GitError::NotAWorktree { .. }), "{error}");
    assert_eq!(s.read("a"), "the user's");
}

async fn no_hook_filterless_config_or_alias_of_the_repository_runs() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("one").await;
    let mark = s.outside().join("ran");
    let script = format!("#!/bin/sh\ntouch '{}'\nexit 1\n", mark.display());
    s.write("hooks/tool", &script).executable("hooks/tool");
    for hook in ["pre-commit", "post-checkout", "reference-transaction", "post-index-change", "commit-msg"] {
        s.write(&format!("hooks/{hook}"), &script).executable(&format!("hooks/{hook}"));
        s.write(&format!(".git/hooks/{hook}"), &script).executable(&format!(".git/hooks/{hook}"));
    }
    let tool = s.root.join("hooks/tool").display().to_string();
    let hooks = s.root.join("hooks").display().to_string();
    for (key, value) in [
        ("core.fsmonitor", tool.as_str()),
        ("diff.external", &tool),
        ("core.hooksPath", &hooks),
        ("core.pager", &tool),
        ("core.editor", &tool),
        ("commit.gpgSign", "true"),
        ("gpg.program", &tool),
        ("alias.read-tree", "!exit 1"),
        ("alias.status", "!exit 1"),
        ("core.askPass", &tool),
    ] {
        s.git(&["config", key, value]).await;
    }
    let repo = Repository::open(&s.root, options()).await.expect("opens");
    let path = s.outside().join("wt");
    repo.add_worktree(&path, &base).await.expect("makes");
    write(&path, "b", "2\n");
    let request = super::snapshot::request(&base);
    let snapshot = repo.snapshot(&path, &request).await.expect("records");
    assert_eq!(repo.changed_paths(&base, &snapshot.commit).await.expect("changes").len(), 1);
    repo.merge(&base, &snapshot.commit).await.expect("merges");
    repo.remove_worktree(&path).await.expect("removes");
    assert!(!mark.exists(), "something of the repository's choice ran");
}
