//! What somebody reaches who works in a worktree: each line of the table in the module's page.

use super::{Ground, ground};
use crate::git::testing::{try_git, write};
use crate::types::Isolation;

/// What is done, by calls of git in the worktree, and whether it reached the repository.
type Line =
    (&'static str, &'static [&'static [&'static str]], fn(&Ground, &[String; 2], &[String; 2]) -> bool);

fn lines() -> Vec<Line> {
    let refs = |_: &Ground, before: &[String; 2], after: &[String; 2]| before[0] != after[0];
    let settings = |_: &Ground, before: &[String; 2], after: &[String; 2]| before[1] != after[1];
    vec![
        ("a branch is moved", &[&["update-ref", "refs/heads/users", "HEAD~0"]], refs),
        ("a branch is deleted", &[&["branch", "-D", "users"]], refs),
        ("a branch is made", &[&["switch", "-qc", "mine"]], refs),
        ("a tag is made", &[&["tag", "mine"]], refs),
        ("kept work is deleted", &[&["update-ref", "-d", "refs/convoy/c/0-a/attempt-1"]], refs),
        (
            "a replacement is made",
            &[&["update-ref", "refs/replace/1212121212121212121212121212121212121212", "HEAD"]],
            refs,
        ),
        ("a setting is changed", &[&["config", "core.pager", "evil"]], settings),
        ("a hooks folder is named", &[&["config", "core.hooksPath", "/evil"]], settings),
        ("a remote is added", &[&["remote", "add", "evil", "/evil"]], settings),
        ("something is stashed", &[&["stash", "-q"]], refs),
    ]
}

#[tokio::test]
async fn refs_and_settings_of_the_repository_are_reached_from_a_linked_worktree_only() {
    for (case, commands, reached) in lines() {
        for isolation in [Isolation::Linked, Isolation::Separate] {
            let g = ground(isolation).await;
            g.s.write("a", "2\n").commit("the user's").await;
            g.s.git(&["branch", "users"]).await;
            g.s.git(&["update-ref", "refs/convoy/c/0-a/attempt-1", "HEAD"]).await;
            write(&g.path, "a", "edited\n");
            let before = g.users().await;
            for command in commands {
                // Nothing of that name is there.
                try_git(&g.path, command).await;
            }
            let is_reached = reached(&g, &before, &g.users().await);
            assert_eq!(is_reached, isolation == Isolation::Linked, "{case}, {isolation:?}");
        }
    }
}

#[tokio::test]
async fn hooks_are_installed_for_the_user_from_a_linked_worktree_only() {
    for isolation in [Isolation::Linked, Isolation::Separate] {
        let g = ground(isolation).await;
        let hook = g.git(&["rev-parse", "--path-format=absolute", "--git-path", "hooks/pre-commit"]).await;
        let mark = g.s.outside().join("ran");
        write(std::path::Path::new("/"), &hook[1..], &format!("#!/bin/sh\ntouch '{}'\n", mark.display()));
        crate::git::testing::write(&g.s.root, "new", "1\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&hook, mode).expect("chmod");
        g.s.commit("the user's own").await;
        assert_eq!(mark.exists(), isolation == Isolation::Linked, "{isolation:?}");
    }
}

#[tokio::test]
async fn only_what_the_work_reaches_comes_into_the_repository() {
    for isolation in [Isolation::Linked, Isolation::Separate] {
        let g = ground(isolation).await;
        write(&g.path, "junk.tmp", "nobody asked for it\n");
        let junk = g.git(&["hash-object", "-w", "junk.tmp"]).await;
        write(&g.path, "a", "on a branch\n");
        g.git(&["switch", "-qc", "other"]).await;
        g.git(&["commit", "-qam", "left behind"]).await;
        let left = g.git(&["rev-parse", "HEAD"]).await;
        g.git(&["checkout", "-q", "--detach", g.base.as_str()]).await;
        write(&g.path, "a", "stashed\n");
        g.git(&["stash", "-q"]).await;
        let stashed = g.git(&["rev-parse", "stash"]).await;
        write(&g.path, "a", "mine\n");
        g.git(&["commit", "-qam", "mine"]).await;
        let mine = g.git(&["rev-parse", "HEAD"]).await;
        assert_eq!(g.take().await.commit.as_str(), mine);
        assert!(g.has(&mine).await);
        for other in [junk, left, stashed] {
            assert_eq!(g.has(&other).await, isolation == Isolation::Linked, "{isolation:?}");
        }
    }
}

#[tokio::test]
async fn names_of_the_user_are_known_in_a_linked_worktree_only_and_objects_in_both() {
    for isolation in [Isolation::Linked, Isolation::Separate] {
        let g = ground(isolation).await;
        g.s.git(&["remote", "add", "origin", "/nowhere"]).await;
        let users = g.s.write("later", "1\n").commit("later").await;
        g.s.git(&["tag", "v1"]).await;
        let is_known = isolation == Isolation::Linked;
        for name in ["main", "v1"] {
            assert_eq!(try_git(&g.path, &["rev-parse", "-q", "--verify", name]).await.0, is_known, "{name}");
        }
        assert_eq!(g.git(&["remote"]).await, if is_known { "origin" } else { "" });
        let told = g.git(&["rev-list", "--alternate-refs", "--max-count=1", g.base.as_str()]).await;
        assert_eq!(told, g.base.as_str(), "nobody is told of refs of others");
        assert_eq!(g.git(&["show", &format!("{users}:later")]).await, "1", "by its id");
        assert_eq!(g.git(&["status", "--porcelain", "-b"]).await, "## HEAD (no branch)");
    }
}

#[tokio::test]
async fn nothing_that_its_settings_say_runs_in_calls_of_ours_or_after_them() {
    let g = ground(Isolation::Separate).await;
    let mark = g.s.outside().join("ran");
    let tool = g.s.outside().join("tool");
    let script = format!("#!/bin/sh\ntouch '{}'\ncat\n", mark.display());
    write(&g.s.outside(), "tool", &script);
    let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&tool, mode.clone()).expect("chmod");
    let tool = tool.display().to_string();
    write(&g.s.outside(), "more", &format!("[core]\n\tfsmonitor = {tool}\n[diff]\n\texternal = {tool}\n"));
    let more = g.s.outside().join("more").display().to_string();
    write(&g.path, "a", "2\n");
    for (key, value) in [
        ("core.fsmonitor", tool.as_str()),
        ("core.hooksPath", "hooks"),
        ("core.pager", &tool),
        ("core.sshCommand", &tool),
        ("core.worktree", "/tmp"),
        ("diff.external", &tool),
        ("filter.evil.clean", &tool),
        ("filter.evil.smudge", &tool),
        ("filter.evil.process", &tool),
        ("extensions.worktreeConfig", "true"),
        ("include.path", &more),
    ] {
        write_setting(&g, key, value).await;
    }
    write(&g.path, ".git/info/attributes", "* filter=evil diff=evil\n");
    write(&g.path, ".git/config.worktree", &format!("[core]\n\tfsmonitor = {tool}\n"));
    write(&g.path, ".git/commondir", &format!("{}\n", g.s.root.join(".git").display()));
    for hook in ["post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman"] {
        write(&g.path, &format!(".git/hooks/{hook}"), &script);
        std::fs::set_permissions(g.path.join(".git/hooks").join(hook), mode.clone()).expect("chmod");
    }
    let found = g.take().await;
    assert_eq!(g.s.show(&found.commit, "a").await, "2\n");
    g.repo.restore_tracked(&g.path, &found.commit).await.expect("restores");
    // As a gate would.
    for call in [&["status", "--porcelain"][..], &["diff", "HEAD"], &["add", "-A"], &["rev-parse", "HEAD"]] {
        g.git(call).await;
    }
    assert!(!mark.exists(), "something of the worktree's choice ran");
    assert_eq!(g.git(&["rev-parse", "--git-common-dir"]).await, ".git");
}

#[tokio::test]
async fn what_judges_the_work_finds_no_name_that_the_work_made_and_no_object_replaced() {
    for pack in [false, true] {
        let g = ground(Isolation::Separate).await;
        write(&g.path, "a", "2\n");
        g.git(&["switch", "-qc", "main"]).await;
        g.git(&["commit", "-qam", "mine"]).await;
        g.git(&["tag", "-a", "-m", "x", "v1"]).await;
        g.git(&["replace", g.base.as_str(), "HEAD"]).await;
        let mine = g.git(&["rev-parse", "HEAD"]).await;
        if pack {
            g.git(&["pack-refs", "--all"]).await;
        }
        // Hooks and whoever goes on with the work have its names.
        g.repo.settle_worktree(&g.path, &g.base).await.expect("puts right");
        assert_eq!(g.git(&["show", &format!("{}:a", g.base)]).await, "1", "replaced");
        assert_eq!(g.git(&["for-each-ref", "--format=%(refname)"]).await, "refs/heads/main\nrefs/tags/v1");
        assert_eq!(g.git(&["rev-parse", "v1^{commit}"]).await, mine);
        let found = g.take().await;
        g.repo.restore_tracked(&g.path, &found.commit).await.expect("restores");
        assert_eq!(g.git(&["for-each-ref"]).await, "");
        assert_eq!(g.git(&["status", "--porcelain", "-b"]).await, "## HEAD (no branch)");
        assert_eq!(g.git(&["rev-parse", "HEAD"]).await, mine);
    }
}

async fn write_setting(g: &Ground, key: &str, value: &str) {
    let file = g.path.join(".git/config").display().to_string();
    g.s.git(&["config", "--file", &file, key, value]).await;
}
