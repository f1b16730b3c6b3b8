//! Landing a commit that changes one file: in memory, synced to the disk, and by `git merge` in a checkout.

use convoy_core::merge::{Advance, GitMergeQueue, MergeQueue, PrepareOutcome, PrepareRequest};
use convoy_core::types::{MergeStrategy, Oid};

use crate::Outcome;
use crate::repo::Repo;
use crate::table::{Row, timed};

const INTEGRATION: &str = "refs/convoy/measured/integration";

pub(crate) async fn rows(sizes: &[usize], rounds: usize) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for files in sizes.iter().copied() {
        let folder = tempfile::tempdir()?;
        let repo = Repo::new(folder.path(), files)?;
        rows.push(one(&repo, files, rounds.min(files)).await?);
    }
    Ok(rows)
}

async fn one(repo: &Repo, files: usize, rounds: usize) -> Outcome<Row> {
    let base = Oid::new(repo.git(&["rev-parse", "HEAD"])?.trim())?;
    let mut works = Vec::new();
    for round in 0..rounds {
        repo.git(&["checkout", "-q", "--detach", base.as_str()])?;
        repo.write(round * files / rounds, "work\n")?;
        works.push(repo.commit("Work")?);
    }
    repo.git(&["checkout", "-q", "main"])?;
    repo.git(&["update-ref", INTEGRATION, base.as_str()])?;
    let queue = GitMergeQueue::new(repo.open().await?);
    let mut row = Row::new("land", files);
    let mut tip = base;
    for work in works {
        row.ours.push(timed(land(&queue, &mut tip, &work)).await?);
        let merge = ["merge", "-q", "--no-ff", "-m", "Land", work.as_str()];
        row.plain.push(timed(async { repo.git(&merge).map(drop) }).await?);
    }
    // Both ways lead to the same files.
    let trees = [INTEGRATION, "main"].map(|name| repo.git(&["rev-parse", &format!("{name}^{{tree}}")]));
    let [ours, plain] = trees;
    if ours? != plain? {
        return Err("the two ways landed different trees".into());
    }
    Ok(row)
}

async fn land(queue: &GitMergeQueue, tip: &mut Oid, work: &Oid) -> Outcome<()> {
    let request = PrepareRequest {
        integration_ref: INTEGRATION.to_owned(),
        tip: tip.clone(),
        work: work.clone(),
        message: "Land\n".to_owned(),
        strategy: MergeStrategy::Merge,
    };
    let PrepareOutcome::Prepared(prepared) = queue.prepare(&request).await? else {
        return Err("the work cannot be landed".into());
    };
    if queue.advance(&prepared, 1).await? != Advance::Advanced {
        return Err("the ref moved".into());
    }
    *tip = prepared.commit;
    Ok(())
}
