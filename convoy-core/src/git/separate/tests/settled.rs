//! What is put right in a git directory before anything of ours runs there.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::hostile::{at_work, pipe};

/// Everything in a folder that is neither a file nor a folder, at any depth.
fn odd(folder: &Path) -> Vec<PathBuf> {
    let mut odd = Vec::new();
    for entry in fs::read_dir(folder).expect("lists") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        match kind.is_dir() {
            true => odd.extend(self::odd(&entry.path())),
            false if kind.is_file() => {}
            false => odd.push(entry.path()),
        }
    }
    odd
}

#[tokio::test]
async fn what_holds_git_up_or_leads_elsewhere_goes_and_the_commits_stay() {
    let (g, mine) = at_work().await;
    let git = g.path.join(".git");
    let elsewhere = g.s.outside().join("elsewhere");
    fs::create_dir(&elsewhere).expect("makes");
    let chain = git.join("objects/pack/multi-pack-index.d");
    fs::create_dir_all(&chain).expect("makes");
    pipe(&chain.join("multi-pack-index-chain"));
    fs::remove_file(git.join("index")).expect("removes");
    for name in ["index", "ORIG_HEAD", "MERGE_RR", "refs/heads/held", "sharedindex.12"] {
        pipe(&git.join(name));
    }
    fs::create_dir_all(git.join("refs/heads/a/b")).expect("makes");
    pipe(&git.join("refs/heads/a/b/c"));
    fs::remove_dir_all(git.join("logs")).expect("removes");
    symlink(&elsewhere, git.join("logs")).expect("links");
    fs::remove_dir_all(git.join("refs/tags")).expect("removes");
    symlink(&elsewhere, git.join("refs/tags")).expect("links");
    fs::create_dir(git.join("rebase-merge.tmp")).expect("makes");
    g.repo.settle_worktree(&g.path, &g.base).await.expect("puts right");
    assert_eq!(odd(&git), Vec::<PathBuf>::new());
    assert!(!chain.exists());
    // As a gate would.
    g.git(&["log", "--oneline"]).await;
    g.git(&["for-each-ref"]).await;
    g.git(&["tag", "mine"]).await;
    assert_eq!(fs::read_dir(&elsewhere).expect("lists").count(), 0);
    let found = g.take().await;
    assert!(!found.rebased);
    assert_eq!(g.repo.commit_info(&found.commit).await.expect("reads").parents[0].as_str(), mine);
    assert_eq!(g.s.show(&found.commit, "a").await, "edited\n");
}

#[tokio::test]
async fn folders_that_may_not_be_read_or_written_are_put_right_too() {
    for (folder, mode) in [("", 0o500), ("refs", 0o000), ("objects/pack", 0o000), ("refs/heads", 0o500)] {
        let (g, _) = at_work().await;
        let folder = g.path.join(".git").join(folder);
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).expect("chmod");
        let found = g.take().await;
        assert_eq!(g.s.show(&found.commit, "committed").await, "work\n", "{}", folder.display());
        assert_eq!(g.s.show(&found.commit, "a").await, "edited\n", "{}", folder.display());
    }
}
