//! Scratch repositories for tests. Hermetic: no configuration but their own is read.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{GitOptions, Repository};
use crate::process::{Command, Limits, capture};
use crate::types::Oid;

/// A repository with files in a folder that goes with it. Its branch is `main`.
pub(crate) struct Scratch {
    dir: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) repo: Repository,
}

/// Options that read no configuration of the machine and wait for no lock.
pub(crate) fn options() -> GitOptions {
    let env = env().into_iter().map(|(k, v)| (k.to_owned(), v));
    GitOptions { env: env.collect(), lock_wait: Duration::ZERO, ..GitOptions::default() }
}

fn env() -> BTreeMap<&'static str, String> {
    // Where git was when the tests were built: nothing of the environment is read.
    let path = option_env!("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    [("PATH", path), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "/")]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

/// Runs git as a person would, in a folder. Gives the exit code, and both outputs.
pub(crate) async fn try_git(folder: &Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new("git", folder).args(args.iter().copied());
    command.env.extend(env().into_iter().map(|(k, v)| (k.into(), v.into())));
    for (name, value) in [("AUTHOR", "A Person"), ("COMMITTER", "A Person")] {
        command =
            command.env(format!("GIT_{name}_NAME"), value).env(format!("GIT_{name}_EMAIL"), "p@example.org");
    }
    let limits = Limits::default();
    let done = capture(command, &limits, &CancellationToken::new(), 1 << 24).await.expect("git starts");
    let text = [done.stdout, done.stderr].concat();
    (done.exit.success(), String::from_utf8_lossy(&text).trim_end().to_owned())
}

impl Scratch {
    /// An empty repository, without a commit.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// As [`new`](Self::new), with arguments for `git init`.
    pub(crate) async fn with(init: &[&str]) -> Self {
        Self::try_with(init).await.expect("git can make such a repository")
    }

    /// As [`with`](Self::with); `None` when this git cannot make such a repository.
    pub(crate) async fn try_with(init: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().canonicalize().expect("exists").join("the repo");
        std::fs::create_dir(&root).expect("creates");
        let (ok, _) = try_git(&root, &[&["init", "-q", "-b", "main"], init].concat()).await;
        if !ok {
            return None;
        }
        let repo = Repository::open(&root, options()).await.expect("opens");
        Some(Self { dir, root, repo })
    }

    /// The folder around the repository.
    pub(crate) fn outside(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("exists")
    }

    /// Runs git as a person would; it must succeed.
    pub(crate) async fn git(&self, args: &[&str]) -> String {
        let (ok, said) = try_git(&self.root, args).await;
        assert!(ok, "git {args:?}: {said}");
        said
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        write(&self.root, path, text);
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).expect("reads")
    }

    pub(crate) fn remove(&self, path: &str) -> &Self {
        std::fs::remove_file(self.root.join(path)).expect("removes");
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        symlink(target, self.root.join(path)).expect("links");
        self
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> &Self {
        let to = self.root.join(to);
        std::fs::create_dir_all(to.parent().expect("has one")).expect("creates");
        std::fs::rename(self.root.join(from), to).expect("renames");
        self
    }

    pub(crate) fn executable(&self, path: &str) -> &Self {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.root.join(path), mode).expect("chmod");
        self
    }

    /// Commits everything that is there, as a person would, and gives the id.
    pub(crate) async fn commit(&self, message: &str) -> Oid {
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "--allow-empty", "-m", message]).await;
        self.tip().await
    }

    /// The commit of HEAD.
    pub(crate) async fn tip(&self) -> Oid {
        Oid::new(self.git(&["rev-parse", "HEAD"]).await).expect("an id")
    }

    /// The content of a path of a tree or commit.
    pub(crate) async fn show(&self, tree: &Oid, path: &str) -> String {
        let text = self.git(&["show", &format!("{tree}:{path}")]).await;
        format!("{text}\n")
    }
}

/// Writes a file and the folders it needs.
pub(crate) fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("has one")).expect("creates");
    std::fs::write(path, text).expect("writes");
}
