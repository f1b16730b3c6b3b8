//! Repositories to measure on, and calls of git in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use convoy_core::git::{GitOptions, Repository};
use convoy_core::types::Oid;

use crate::Outcome;

pub(crate) struct Repo {
    pub(crate) root: PathBuf,
    pub(crate) env: BTreeMap<String, String>,
}

impl Repo {
    /// A repository with so many files of about 1 KiB, forty in a folder, and one commit.
    pub(crate) fn new(folder: &Path, files: usize) -> Outcome<Self> {
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
            repo.write(n, &format!("file {n}\n").repeat(100))?;
        }
        repo.git(&["add", "-A"])?;
        repo.git(&["commit", "-q", "-m", "Begin"])?;
        Ok(repo)
    }

    /// Writes the `n`th file.
    pub(crate) fn write(&self, n: usize, text: &str) -> Outcome<()> {
        let path = self.root.join(format!("d{}/f{n}.txt", n / 40));
        std::fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        Ok(std::fs::write(path, text)?)
    }

    /// Commits all tracked files; gives the commit.
    pub(crate) fn commit(&self, message: &str) -> Outcome<Oid> {
        self.git(&["commit", "-q", "-a", "-m", message])?;
        Ok(Oid::new(self.git(&["rev-parse", "HEAD"])?.trim())?)
    }

    /// Runs a program in a folder; gives what it printed.
    pub(crate) fn run(&self, program: &str, args: &[&str], cwd: &Path) -> Outcome<String> {
        let mut command = Command::new(program);
        command.args(args).current_dir(cwd).env_clear().envs(&self.env).stdin(Stdio::null());
        let output = command.output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    pub(crate) fn git(&self, args: &[&str]) -> Outcome<String> {
        self.run("git", args, &self.root)
    }

    /// The engine's way to it.
    pub(crate) async fn open(&self) -> Outcome<Repository> {
        let mut options = GitOptions::default();
        options.env = self.env.clone();
        Ok(Repository::open(&self.root, options).await?)
    }
}
