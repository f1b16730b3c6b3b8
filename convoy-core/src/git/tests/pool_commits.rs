//! Worktrees that are used again, at commits that git has rules of its own for: of attributes that have files converted,
//! and of links to other repositories.

use std::path::{Path, PathBuf};

fast_isolations! {
    attributes_that_convert_come_and_go,
    links_to_other_repositories_come_move_and_go,
}

use super::pool::{everything, named};
use super::snapshot::request;
use crate::git::testing::{Scratch, fast_isolations, try_git, write};
use crate::types::Oid;

/// How a worktree comes to a commit.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Given back, and taken again.
    Leased,
    /// The same, and nobody did anything since the snapshot.
    Rested,
    Reset,
}

/// A repository whose worktrees are used again, and its first commit.
async fn start() -> (Scratch, Oid) {
    let s = Scratch::new().await;
    s.write("a.txt", "one\ntwo\n").write("dir/b.txt", "three\nfour\n").write("dir/deep/c.txt", "five\n");
    let base = s.commit("base").await;
    s.repo.use_worktrees_again(&s.outside(), "slots", "worktrees").expect("finds");
    (s, base)
}

/// A commit on another one, by git commands that change the index. What is in the main worktree has no part in it.
async fn commit_on(s: &Scratch, base: &Oid, commands: &[Vec<String>]) -> Oid {
    s.git(&["read-tree", base.as_str()]).await;
    for command in commands {
        s.git(&command.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let tree = s.git(&["write-tree"]).await;
    Oid::new(s.git(&["commit-tree", "-m", "x", "-p", base.as_str(), &tree]).await).expect("an id")
}

/// The command that puts an entry into the index.
fn entry(mode: &str, id: &str, path: &str) -> Vec<String> {
    ["update-index", "--add", "--cacheinfo", &format!("{mode},{id},{path}")].map(str::to_owned).into()
}

async fn blob(s: &Scratch, text: &str) -> String {
    write(&s.outside(), "blob", text);
    s.git(&["hash-object", "-w", "--no-filters", "../blob"]).await
}

/// A new worktree that git makes.
async fn fresh(s: &Scratch, name: &str, commit: &Oid) -> PathBuf {
    let path = s.outside().join(name);
    s.git(&["worktree", "add", "-q", "--detach", path.to_str().expect("UTF-8"), commit.as_str()]).await;
    path
}

async fn assert_as_fresh(path: &Path, fresh: &Path, case: &str) {
    assert_eq!(everything(path), everything(fresh), "{case}");
    let status = try_git(path, &["status", "--porcelain", "--ignored"]).await;
    assert_eq!(status, (true, String::new()), "{case}");
    // By the content, whatever the index says of times.
    try_git(path, &["update-index", "-q", "--really-refresh"]).await;
    assert_eq!(try_git(path, &["diff-index", "HEAD"]).await, (true, String::new()), "{case}");
}

/// Brings one worktree to these commits, one after the other; each time it is as a new one.
async fn goes_through(s: &Scratch, commits: &[&Oid], case: &str) {
    let mut all = Vec::new();
    for (number, commit) in commits.iter().enumerate() {
        all.push((*commit, fresh(s, &format!("fresh-{number}"), commit).await));
    }
    for way in [Way::Leased, Way::Rested, Way::Reset] {
        let path = named(s, "0-t");
        s.repo.add_worktree(&path, commits[0]).await.expect("makes");
        let folder = s.repo.folder_of(&path).await.expect("finds");
        for (number, (commit, fresh)) in all.iter().enumerate() {
            let case = format!("{case}, {way:?}, {number}");
            match way {
                Way::Leased => s.repo.remove_worktree(&path).await.expect("gives back"),
                Way::Rested => {
                    let before = commits[number.saturating_sub(1)];
                    s.repo.snapshot(&path, &request(before)).await.expect("looks");
                    s.repo.remove_resting_worktree(&path).await.expect("gives back");
                }
                Way::Reset => {
                    s.repo.reset_to_tree(&path, commit).await.expect("resets");
                    let head = ["update-ref", "--no-deref", "HEAD", commit.as_str()];
                    assert!(try_git(&folder, &head).await.0);
                }
            }
            if !matches!(way, Way::Reset) {
                s.repo.add_worktree(&path, commit).await.expect("brings");
            }
            assert_as_fresh(&folder, fresh, &case).await;
        }
        s.repo.remove_worktree(&path).await.expect("gives back");
    }
    for (_, fresh) in all {
        std::fs::remove_dir_all(fresh).expect("removes");
    }
    s.git(&["worktree", "prune"]).await;
    s.repo.drop_idle_worktrees().await.expect("deletes");
    assert_eq!(s.repo.list_worktrees().await.expect("lists").len(), 1, "{case}: the main one");
    assert!(!s.outside().join("slots").exists(), "{case}");
    let left = std::fs::read_dir(s.root.join(".git/worktrees")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{case}");
}

async fn attributes_that_convert_come_and_go() {
    let (s, base) = start().await;
    s.git(&["config", "filter.loud.smudge", "tr a-z A-Z"]).await;
    s.git(&["config", "filter.loud.clean", "tr A-Z a-z"]).await;
    let mut before = everything(&s.root);
    before.retain(|path, _| !path.starts_with(".git"));
    for text in ["* text eol=crlf\n", "*.txt filter=loud\n", "*.txt working-tree-encoding=UTF-16LE\n"] {
        for name in [".gitattributes", "dir/.gitattributes"] {
            let id = blob(&s, text).await;
            let other = commit_on(&s, &base, &[entry("100644", &id, name)]).await;
            let made = fresh(&s, "made", &other).await;
            let mut after = everything(&made);
            assert!(after.remove(Path::new(name)).is_some());
            assert_ne!(after, before, "{text}: it converts");
            std::fs::remove_dir_all(made).expect("removes");
            goes_through(&s, &[&base, &other, &base], &format!("{name}: {text}")).await;
        }
    }
}

async fn links_to_other_repositories_come_move_and_go() {
    let (s, base) = start().await;
    let text = blob(&s, "text\n").await;
    let [one, two] = ["1", "2"].map(|digit| digit.repeat(40));
    for name in ["sub", "dir/sub"] {
        let first = commit_on(&s, &base, &[entry("160000", &one, name)]).await;
        let moved = commit_on(&s, &base, &[entry("160000", &two, name)]).await;
        let file = commit_on(&s, &base, &[entry("100644", &text, name)]).await;
        let folder = commit_on(&s, &base, &[entry("100644", &text, &format!("{name}/x"))]).await;
        let commits = [&base, &first, &moved, &base, &moved, &file, &first, &folder, &moved, &first];
        goes_through(&s, &commits, name).await;
    }
}
