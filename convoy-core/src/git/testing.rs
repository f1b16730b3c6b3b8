//! Scratch repositories for tests. Hermetic: no configuration but their own is read.

pub(crate) mod power;

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Backend, GitOptions, Repository};
use crate::process::{Command, Limits, capture};
use crate::types::{Isolation, Oid};

/// A repository with files in a folder that goes with it. Its branch is `main`.
pub(crate) struct Scratch {
    dir: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) repo: Repository,
}

/// A file with which the file system below its folder counts as full.
pub(crate) const FULL: &str = "is-full-in-a-test";

/// Stands for a disk that has room for so many folders of worktrees beside each other, trash included.
#[derive(Debug, Default)]
pub(crate) struct SmallDisk(std::sync::atomic::AtomicUsize, std::sync::atomic::AtomicU64);

impl SmallDisk {
    /// From now on so many bytes more are left free.
    pub(crate) fn leaves(&self, more: u64) {
        self.1.store(more, std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn reserve(&self) -> super::room::Reserve {
        super::room::Reserve::more(self.1.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// From now on it has room for so many.
    pub(crate) fn holds(&self, most: usize) {
        self.0.store(most, std::sync::atomic::Ordering::Relaxed);
    }

    /// Fails as the system does where a worktree has no room.
    pub(super) fn fill(&self, root: &Path) -> Result<(), super::GitError> {
        let most = self.0.load(std::sync::atomic::Ordering::Relaxed);
        let beside = std::fs::read_dir(root.parent().expect("has one")).expect("lists");
        let folders = beside.filter(|entry| entry.as_ref().expect("reads").path().is_dir()).count();
        if most == 0 || folders <= most {
            return Ok(());
        }
        Err(super::GitError::io("write", root)(std::io::ErrorKind::StorageFull.into()))
    }
}

/// The disk of a repository.
pub(crate) fn small_disk(repository: &Repository) -> &SmallDisk {
    &repository.inner.disk
}

tokio::task_local! {
    /// Which backend the repositories of a test get.
    static BACKEND: Backend;
    /// What the worktrees of a test share with the repository.
    static ISOLATION: Isolation;
}

/// Runs a test with one backend.
pub(crate) async fn on(backend: Backend, test: impl Future<Output = ()>) {
    BACKEND.scope(backend, test).await;
}

/// Runs a test with worktrees that have a git directory of their own.
pub(crate) async fn separate(test: impl Future<Output = ()>) {
    ISOLATION.scope(Isolation::Separate, test).await;
}

fn isolation() -> Isolation {
    ISOLATION.try_with(|isolation| *isolation).unwrap_or_default()
}

/// Whether worktrees have a git directory of their own.
pub(crate) fn is_separate() -> bool {
    isolation() == Isolation::Separate
}

/// The git directory that somebody in a worktree works with.
pub(crate) async fn git_dir(worktree: &Path) -> PathBuf {
    let (ok, said) = try_git(worktree, &["rev-parse", "--absolute-git-dir"]).await;
    assert!(ok, "{said}");
    said.into()
}

/// Removes what makes a folder a worktree for whoever works there.
pub(crate) fn remove_git(worktree: &Path) {
    let git = worktree.join(".git");
    if git.is_dir() { std::fs::remove_dir_all(git) } else { std::fs::remove_file(git) }.expect("removes");
}

/// As [`both_backends`], and once more with worktrees that have a git directory of their own: as
/// `separate_reference::…` and `separate_fast::…`.
macro_rules! both_isolations {
    ($($test:ident),* $(,)?) => {
        $crate::git::testing::both_backends! { $($test),* }
        mod separate_reference {
            $(#[tokio::test]
            async fn $test() {
                let test = $crate::git::testing::separate(super::$test());
                $crate::git::testing::on($crate::git::Backend::Reference, test).await;
            })*
        }
        mod separate_fast {
            $(#[tokio::test]
            async fn $test() {
                let test = $crate::git::testing::separate(super::$test());
                $crate::git::testing::on($crate::git::Backend::Auto, test).await;
            })*
        }
    };
}
pub(crate) use both_isolations;

/// Has every test that is named run with linked worktrees, and with those that have a git directory of their own.
macro_rules! fast_isolations {
    ($($test:ident),* $(,)?) => {
        mod linked {
            $(#[tokio::test]
            async fn $test() {
                super::$test().await;
            })*
        }
        mod separate {
            $(#[tokio::test]
            async fn $test() {
                $crate::git::testing::separate(super::$test()).await;
            })*
        }
    };
}
pub(crate) use fast_isolations;

/// Has every test that is named run with each backend: once as `reference::…`, once as `fast::…`.
macro_rules! both_backends {
    ($($test:ident),* $(,)?) => {
        mod reference {
            $(#[tokio::test]
            async fn $test() {
                $crate::git::testing::on($crate::git::Backend::Reference, super::$test()).await;
            })*
        }
        mod fast {
            $(#[tokio::test]
            async fn $test() {
                $crate::git::testing::on($crate::git::Backend::Auto, super::$test()).await;
            })*
        }
    };
}
pub(crate) use both_backends;

/// Options that read no configuration of the machine and wait for no lock.
pub(crate) fn options() -> GitOptions {
    let env = env().into_iter().map(|(k, v)| (k.to_owned(), v));
    let backend = BACKEND.try_with(|backend| *backend).unwrap_or_default();
    GitOptions { env: env.collect(), lock_wait: Duration::ZERO, backend, ..GitOptions::default() }
}

pub(super) fn env() -> BTreeMap<&'static str, String> {
    // Where git was when the tests were built: nothing of the environment is read.
    let path = option_env!("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    [("PATH", path), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "/")]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

/// Runs git as a person would, in a folder. Gives the exit code, and both outputs.
pub(crate) async fn try_git(folder: &Path, args: &[&str]) -> (bool, String) {
    try_program("git", folder, args).await
}

/// Runs lines of a shell as a person would, in a folder; they must succeed.
pub(crate) async fn sh(folder: &Path, script: &str) -> String {
    let (ok, said) = try_program("sh", folder, &["-ec", script]).await;
    assert!(ok, "{script}: {said}");
    said
}

async fn try_program(program: &str, folder: &Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(program, folder).args(args.iter().copied());
    command.env.extend(env().into_iter().map(|(k, v)| (k.into(), v.into())));
    for (name, value) in [("AUTHOR", "A Person"), ("COMMITTER", "A Person")] {
        command =
            command.env(format!("GIT_{name}_NAME"), value).env(format!("GIT_{name}_EMAIL"), "p@example.org");
    }
    let limits = Limits::default();
    let done = capture(command, &limits, &CancellationToken::new(), 1 << 24).await.expect("it starts");
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
        let repo = repo.with_isolation(isolation());
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
