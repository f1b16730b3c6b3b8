//! Tests on real repositories.

mod history;
mod hostile;
mod index;
mod reach;
mod same;
mod settled;

use std::path::PathBuf;

use super::super::testing::Scratch;
use super::super::tests::request;
use super::super::{Repository, Snapshot, SnapshotRequest};
use crate::types::{Isolation, Oid};

/// A repository with a commit, and a worktree of it.
struct Ground {
    s: Scratch,
    repo: Repository,
    base: Oid,
    path: PathBuf,
}

async fn ground(isolation: Isolation) -> Ground {
    let s = Scratch::new().await;
    s.write("a", "1\n").write("dir/x", "x\n").write("run", "#!/bin/sh\n").executable("run");
    s.write(".gitignore", "*.tmp\n").link("link", "a");
    let base = s.commit("base").await;
    add(s, isolation, base).await
}

async fn add(s: Scratch, isolation: Isolation, base: Oid) -> Ground {
    let repo = s.repo.with_isolation(isolation);
    let path = s.outside().join(isolation.as_str());
    repo.add_worktree(&path, &base).await.expect("makes");
    Ground { s, repo, base, path }
}

impl Ground {
    async fn take(&self) -> Snapshot {
        self.try_take().await.expect("records")
    }

    async fn try_take(&self) -> Result<Snapshot, crate::git::GitError> {
        let name = self.path.file_name().expect("has one").to_string_lossy();
        let keep_ref = format!("refs/keep/{name}");
        self.repo.snapshot(&self.path, &SnapshotRequest { keep_ref, ..request(&self.base) }).await
    }

    /// Runs git as whoever works there would; it must succeed.
    async fn git(&self, args: &[&str]) -> String {
        let (ok, said) = super::super::testing::try_git(&self.path, args).await;
        assert!(ok, "git {args:?}: {said}");
        said
    }

    /// What the user's repository has: every ref, and every setting.
    async fn users(&self) -> [String; 2] {
        [self.s.git(&["for-each-ref"]).await, self.s.read(".git/config")]
    }

    /// Whether the user's repository has an object.
    async fn has(&self, id: &str) -> bool {
        super::super::testing::try_git(&self.s.root, &["cat-file", "-e", id]).await.0
    }
}
