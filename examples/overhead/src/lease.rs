//! A worktree at a commit that differs by ten files from the one it was at: a slot that is used again, and one that git
//! makes anew.

use std::path::Path;

use convoy_core::types::{Isolation, Oid};

use crate::Outcome;
use crate::repo::Repo;
use crate::table::{Row, timed};

pub(crate) async fn rows(sizes: &[usize], rounds: usize, isolation: Isolation) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for files in sizes.iter().copied() {
        let folder = tempfile::tempdir()?;
        let repo = Repo::new(folder.path(), files)?;
        rows.push(one(&repo, folder.path(), files, (rounds, isolation)).await?);
    }
    Ok(rows)
}

async fn one(
    repo: &Repo,
    folder: &Path,
    files: usize,
    (rounds, isolation): (usize, Isolation),
) -> Outcome<Row> {
    for n in 0..10 {
        repo.write(n * files / 10, "another text\n")?;
    }
    let changed = repo.commit("Ten files")?;
    let base = changed_from(repo)?;
    let repository = repo.open().await?.with_isolation(isolation);
    let state = folder.join("state");
    std::fs::create_dir_all(&state)?;
    repository.use_worktrees_again(&state, "slots", "worktrees")?;
    let (leased, plain) = (state.join("worktrees/c/t"), folder.join("plain"));
    let name = plain.to_string_lossy().into_owned();
    let mut row = Row::new("lease", files);
    // The first one is written whole.
    repository.add_worktree(&leased, &base).await?;
    repository.remove_worktree(&leased).await?;
    for round in 0..rounds {
        let commit = if round % 2 == 0 { &changed } else { &base };
        row.ours.push(timed(async { Ok(repository.add_worktree(&leased, commit).await?) }).await?);
        // It is what was asked for.
        repo.run("git", &["diff", "--quiet", commit.as_str()], &leased)?;
        // The look that ends a task's work, and its gates.
        repository.restore_tracked(&leased, commit).await?;
        repository.remove_resting_worktree(&leased).await?;
        let add = ["worktree", "add", "-q", "--detach", &name, commit.as_str()];
        row.plain.push(timed(async { repo.git(&add).map(drop) }).await?);
        repo.git(&["worktree", "remove", "--force", &name])?;
    }
    Ok(row)
}

fn changed_from(repo: &Repo) -> Outcome<Oid> {
    Ok(Oid::new(repo.git(&["rev-parse", "HEAD~1"])?.trim())?)
}
