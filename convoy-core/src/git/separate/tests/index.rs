//! Indexes that git cannot read, or that lie in parts.

use std::fs;
use std::path::Path;
use std::sync::Arc;

both_backends! {
    files_are_recorded_whatever_the_index_is,
    an_index_that_git_would_split_is_whole_in_a_worktree_of_its_own,
    what_setup_writes_into_the_git_directory_is_no_reason_to_leave_it_out,
}

use super::{Ground, add, ground};
use crate::git::testing::{Scratch, both_backends, write};
use crate::git::{IgnoreRules, Keep};
use crate::types::Isolation;

fn keep() -> Keep {
    let covers = |path: &str| path == "warm.tmp";
    Keep { owner: "one".to_owned(), covers: Arc::new(covers), ignore: IgnoreRules::default() }
}

/// What is done to the index.
type Damage = fn(&Path);

async fn files_are_recorded_whatever_the_index_is() {
    let damages: [(&str, Damage); 3] = [
        ("garbage", |git| write(git, "index", "garbage\n")),
        ("cut off", |git| {
            let index = fs::read(git.join("index")).expect("reads");
            fs::write(git.join("index"), &index[..index.len() / 2]).expect("writes");
        }),
        ("a part of it is gone", |git| {
            let is_part = |path: &Path| path.display().to_string().contains("sharedindex.");
            let mut parts = 0;
            for entry in fs::read_dir(git).expect("lists") {
                let path = entry.expect("an entry").path();
                if is_part(&path) {
                    fs::remove_file(path).expect("removes");
                    parts += 1;
                }
            }
            assert_eq!(parts, 1);
        }),
    ];
    for (case, damage) in damages {
        for unfilled in [false, true] {
            let g = ground(Isolation::Separate).await;
            write(&g.path, "committed", "work\n");
            g.git(&["add", "-A"]).await;
            g.git(&["commit", "-qm", "mine"]).await;
            g.git(&["update-index", "--split-index"]).await;
            write(&g.path, "new", "new\n");
            write(&g.path, "a", "edited\n");
            write(&g.path, "warm.tmp", "stays\n");
            fs::remove_file(g.path.join("dir/x")).expect("removes");
            damage(&g.path.join(".git"));
            if unfilled {
                // Of files that nobody knows git tells what they are.
                g.repo.inner.sheets.forget(&g.path);
            }
            let found = g.take().await;
            assert!(!found.rebased, "{case}");
            let paths = g.repo.changed_paths(&g.base, &found.commit).await.expect("changes").len();
            assert_eq!(paths, 4, "{case}: what is ignored is no work");
            assert_eq!(g.s.show(&found.commit, "new").await, "new\n", "{case}");
            assert_eq!(g.s.show(&found.commit, "a").await, "edited\n", "{case}");
            // Whoever gets the worktree next has no trouble of it.
            let files = g.repo.worktree(&g.path).await.expect("is one");
            let kept = g.repo.kept_files(&files, &keep()).await.expect("lists");
            assert_eq!(kept.into_iter().collect::<Vec<_>>(), [b"warm.tmp"], "{case}");
        }
    }
}

async fn an_index_that_git_would_split_is_whole_in_a_worktree_of_its_own() {
    let s = Scratch::new().await;
    s.git(&["config", "core.splitIndex", "true"]).await;
    let base = s.write("a", "1\n").write("b", "1\n").commit("base").await;
    let g = add(s, Isolation::Separate, base).await;
    assert_eq!(g.git(&["status", "--porcelain"]).await, "");
    write(&g.path, "a", "2\n");
    g.git(&["commit", "-qam", "mine"]).await;
    let mine = g.git(&["rev-parse", "HEAD"]).await;
    assert_eq!(g.take().await.commit.as_str(), mine);
}

async fn is_all_kept(g: &Ground) -> bool {
    g.repo.holds_only_kept(&g.path, &keep(), &[]).await.expect("looks")
}

async fn what_setup_writes_into_the_git_directory_is_no_reason_to_leave_it_out() {
    let calls: [&[&str]; 5] = [
        &["config", "core.hooksPath", ".hooks"],
        &["tag", "mine"],
        &["switch", "-qc", "mine"],
        &["update-ref", "refs/notes/mine", "HEAD"],
        &["hash-object", "-w", "warm.tmp"],
    ];
    for call in calls {
        let g = ground(Isolation::Separate).await;
        write(&g.path, "warm.tmp", "stays\n");
        assert!(is_all_kept(&g).await, "{call:?}");
        g.git(call).await;
        assert_eq!(is_all_kept(&g).await, call[0] == "hash-object", "{call:?}");
    }
    for file in ["hooks/pre-commit", "info/sparse-checkout", "modules/x/HEAD", "refs/other"] {
        let g = ground(Isolation::Separate).await;
        write(&g.path.join(".git"), file, "x\n");
        assert!(!is_all_kept(&g).await, "{file}");
    }
    let g = ground(Isolation::Linked).await;
    g.git(&["tag", "mine"]).await;
    assert!(is_all_kept(&g).await, "what is shared stays where it is");
}
