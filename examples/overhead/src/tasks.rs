//! Whole tasks: as a convoy, and with the git commands that a script would use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use convoy_core::engine::Engine;
use convoy_core::event::RunOptions;
use convoy_core::types::ConvoyStatus;

use crate::repo::Repo;
use crate::table::{Row, median, timed};
use crate::{Outcome, Way};

/// Rows of tasks at the least and the most of these numbers of files, and for each where a task's time goes.
pub(crate) async fn rows(
    sizes: &[usize],
    tasks: usize,
    rounds: usize,
    way: Way,
) -> Outcome<Vec<(Row, Times)>> {
    let mut rows = Vec::new();
    let ends = [sizes.iter().min(), sizes.iter().max()];
    let ends: BTreeSet<_> = ends.into_iter().flatten().copied().collect();
    for files in ends {
        let folder = tempfile::tempdir()?;
        let repo = Repo::new(folder.path(), files)?;
        let (mut row, mut times) = (Row::new("task", files), Times::default());
        #[expect(clippy::cast_precision_loss, reason = "a number of tasks is small")]
        let each = |all: f64| all / tasks as f64;
        for round in 0..rounds {
            row.ours.push(each(timed(convoy(&repo, (tasks, round), way, &mut times)).await?));
            row.plain.push(each(timed(async { plain_git(&repo, tasks, round) }).await?));
        }
        rows.push((row, times));
    }
    Ok(rows)
}

/// Milliseconds from one event of a task to the next, by the two.
#[derive(Default)]
pub(crate) struct Times(BTreeMap<(&'static str, &'static str), Vec<f64>>);

impl Times {
    /// Prints the medians, in the order in which a task comes by them.
    pub(crate) fn print(&self) {
        let mut before = BEGIN;
        while let Some(((from, to), times)) = self.0.iter().find(|((from, _), _)| *from == before) {
            println!("{:>24} to {:<24} {:>8.1}", from, to, median(times));
            before = to;
        }
    }
}

/// The first event of a task.
const BEGIN: &str = "task_assigned";

/// The script that stands for an agent, in both ways: it writes the file that its environment names.
const AGENT: &str = "echo work > $NAME";

/// The tasks as a convoy.
async fn convoy(repo: &Repo, (tasks, round): (usize, usize), way: Way, times: &mut Times) -> Outcome<()> {
    let commit = if way.commits { " && git add -A && git commit -qm work" } else { "" };
    let mut spec = format!(
        "name: overhead\nversion: 1\nadapter: shell\nadapters:\n  shell: {{command: [sh, -c, '{AGENT}{commit}']}}\ntasks:\n",
    );
    for n in 0..tasks {
        writeln!(spec, "  - {{id: t{n}, prompt: write, env: {{NAME: convoy-{round}-{n}}}}}")?;
    }
    writeln!(spec, "worktree: {{isolation: {}}}", way.isolation.as_str())?;
    let engine = Engine::builder(&repo.root).env(repo.env.clone()).build().await?;
    let outcome = engine.start(&spec, RunOptions::default()).await?.wait().await?;
    let mut last: BTreeMap<_, (&'static str, i64)> = BTreeMap::new();
    for record in engine.events(&outcome.view.convoy_id, 0, usize::MAX).await? {
        let Some(task) = record.task_id().cloned() else { continue };
        let (kind, now) = (record.event.type_name(), record.time.0);
        if let Some((before, then)) = last.insert(task, (kind, now)) {
            #[expect(clippy::cast_precision_loss, reason = "a task takes no centuries")]
            times.0.entry((before, kind)).or_default().push((now - then) as f64);
        }
    }
    engine.shutdown().await;
    match outcome.view.status {
        ConvoyStatus::Done if outcome.view.published => Ok(()),
        status => Err(format!("the convoy ended {status}").into()),
    }
}

/// The same tasks as a script would do them.
fn plain_git(repo: &Repo, tasks: usize, round: usize) -> Outcome<()> {
    for n in 0..tasks {
        let name = format!("plain-{round}-{n}");
        let worktree = repo.root.with_file_name(&name);
        let path = worktree.to_string_lossy().into_owned();
        repo.git(&["worktree", "add", "-q", "-b", &name, &path])?;
        repo.run("sh", &["-c", &format!("NAME={name}; {AGENT}")], &worktree)?;
        repo.run("git", &["status", "--porcelain"], &worktree)?;
        repo.run("git", &["add", "-A"], &worktree)?;
        repo.run("git", &["commit", "-q", "-m", &name], &worktree)?;
        repo.git(&["merge", "-q", "--no-ff", "-m", "merge", &name])?;
        repo.git(&["worktree", "remove", "--force", &path])?;
        repo.git(&["branch", "-q", "-D", &name])?;
    }
    Ok(())
}
