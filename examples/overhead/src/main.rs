//! What the engine costs per task, beside the git commands that a script would use. See README.md.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that measures and prints"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use convoy_core::engine::Engine;
use convoy_core::event::RunOptions;
use convoy_core::types::ConvoyStatus;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let tasks = numbers.next().unwrap_or(Ok(20))?;
    let rounds = numbers.next().unwrap_or(Ok(3))?;
    println!("{tasks} tasks a round, {rounds} rounds, concurrency 1; median milliseconds per task");
    println!("{:>8} {:>10} {:>10} {:>8}", "files", "convoy", "plain git", "ratio");
    for files in [10, 20_000] {
        let folder = tempfile::tempdir()?;
        let repo = Repo::new(folder.path(), files)?;
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            ours.push(per_task(tasks, || convoy(&repo, tasks, round))?);
            plain.push(per_task(tasks, || plain_git(&repo, tasks, round))?);
        }
        let (ours, plain) = (median(ours), median(plain));
        println!("{files:>8} {ours:>10.1} {plain:>10.1} {:>8.2}", ours / plain);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a number of tasks is small")]
fn per_task(tasks: usize, work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64() * 1000.0 / tasks as f64)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The command that stands for an agent: it writes one file.
fn agent(name: &str) -> String {
    format!("echo work > {name}")
}

struct Repo {
    root: PathBuf,
    env: BTreeMap<String, String>,
}

impl Repo {
    /// A repository with so many files of about 1 KiB, forty in a folder.
    fn new(folder: &Path, files: usize) -> Outcome<Self> {
        let root = folder.join("repo");
        std::fs::create_dir_all(&root)?;
        let path = std::env::var("PATH").unwrap_or_default();
        let fixed = [
            ("PATH", path.as_str()),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.invalid"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.invalid"),
        ];
        let env = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let repo = Self { root, env };
        repo.git(&["init", "-q", "-b", "main"])?;
        for n in 0..files {
            let path = repo.root.join(format!("d{}/f{n}.txt", n / 40));
            std::fs::create_dir_all(path.parent().unwrap_or(&repo.root))?;
            std::fs::write(path, format!("file {n}\n").repeat(100))?;
        }
        repo.git(&["add", "-A"])?;
        repo.git(&["commit", "-q", "-m", "Begin"])?;
        Ok(repo)
    }

    fn run(&self, program: &str, args: &[&str], cwd: &Path) -> Outcome<()> {
        let mut command = Command::new(program);
        command.args(args).current_dir(cwd).env_clear().envs(&self.env).stdin(Stdio::null());
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    fn git(&self, args: &[&str]) -> Outcome<()> {
        self.run("git", args, &self.root)
    }
}

/// The tasks as a convoy.
fn convoy(repo: &Repo, tasks: usize, round: usize) -> Outcome<()> {
    let mut spec = String::from(
        "name: overhead\nversion: 1\nadapter: shell\nadapters:\n  shell: {command: [sh, -c, \"sed -n 's/.*run: //p' | sh\"]}\ntasks:\n",
    );
    for n in 0..tasks {
        writeln!(spec, "  - {{id: t{n}, prompt: \"run: {}\"}}", agent(&format!("convoy-{round}-{n}")))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let engine = Engine::builder(&repo.root).env(repo.env.clone()).build().await?;
        let outcome = engine.start(&spec, RunOptions::default()).await?.wait().await?;
        engine.shutdown().await;
        match outcome.view.status {
            ConvoyStatus::Done if outcome.view.published => Ok(()),
            status => Err(format!("the convoy ended {status}").into()),
        }
    })
}

/// The same tasks as a script would do them.
fn plain_git(repo: &Repo, tasks: usize, round: usize) -> Outcome<()> {
    for n in 0..tasks {
        let name = format!("plain-{round}-{n}");
        let worktree = repo.root.with_file_name(&name);
        let path = worktree.to_string_lossy().into_owned();
        repo.git(&["worktree", "add", "-q", "-b", &name, &path])?;
        repo.run("sh", &["-c", &agent(&name)], &worktree)?;
        repo.run("git", &["status", "--porcelain"], &worktree)?;
        repo.run("git", &["add", "-A"], &worktree)?;
        repo.run("git", &["commit", "-q", "-m", &name], &worktree)?;
        repo.git(&["merge", "-q", "--no-ff", "-m", "merge", &name])?;
        repo.git(&["worktree", "remove", "--force", &path])?;
        repo.git(&["branch", "-q", "-D", &name])?;
    }
    Ok(())
}
