//! A repository, its options, and what is known of it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::call::{Answer, Call, Place, Program};
use super::error::GitError;
use super::fast::Fast;
use super::open::Version;
use super::plain::{Model, Plain, Sheets};
use super::pool::Pool;
use super::separate::Copied;
use super::signing::Signing;
use super::sync::SyncedObjects;
use crate::types::{Isolation, Oid};

/// How to work with a repository.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GitOptions {
    /// The git program. `None`: `git`, from the `PATH` in [`env`](Self::env).
    pub program: Option<PathBuf>,
    /// The environment of git; nothing else is inherited. Variables that would redirect git (`GIT_DIR` and
    /// the like) are taken out.
    pub env: BTreeMap<String, String>,
    /// Marks every program that is started, so that one that survives a crash is found.
    pub cookie: Option<String>,
    /// Who made a commit when nobody is configured.
    pub fallback_identity: Identity,
    /// How long to wait for a lock that another program holds. Default: 5 s.
    pub lock_wait: Duration,
    /// How long one call may take. Default: 10 minutes.
    pub timeout: Duration,
    /// Who does git's work. Default: [`Backend::Auto`].
    pub backend: Backend,
}

/// Who does git's work. The result is the same, only the speed differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// This process does what it is certain to do as git would, for repositories of a kind that it knows; the git
    /// program does the rest.
    #[default]
    Auto,
    /// The git program does everything.
    Reference,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            program: None,
            env: BTreeMap::new(),
            cookie: None,
            fallback_identity: Identity::new("Convoy", "convoy@localhost"),
            lock_wait: Duration::from_secs(5),
            timeout: Duration::from_secs(600),
            backend: Backend::default(),
        }
    }
}

/// A name and an address, as they stand in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Identity {
    /// A name and an address.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Self {
        Self { name: name.into(), email: email.into() }
    }
}

/// How object ids are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFormat {
    /// 40 hexadecimal digits.
    Sha1,
    /// 64 hexadecimal digits.
    Sha256,
}

impl ObjectFormat {
    /// The id that stands for "no object".
    pub(super) fn zero(self) -> String {
        "0".repeat(match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
        })
    }
}

/// A git repository. Cheap to clone; all clones share one lock for the entries of worktrees.
///
/// Dropping the future of a call ends the program that it runs; what this process does itself ([`Backend::Auto`]) is
/// completed unseen.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(super) inner: Arc<Inner>,
    pub(super) cookie: Option<String>,
    /// What worktrees that are made share with the repository.
    pub(super) isolation: Isolation,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) program: Program,
    pub(super) version: Version,
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
    pub(super) main_worktree: Option<PathBuf>,
    pub(super) format: ObjectFormat,
    pub(super) author: Identity,
    pub(super) committer: Identity,
    /// How commits are signed that people read; `None` when that is not asked for.
    pub(super) signing: Option<Signing>,
    /// What this process does itself; `None` when the git program does everything.
    pub(super) fast: Option<Fast>,
    /// Whether files are the bytes that the repository holds, as far as nothing in its trees says otherwise.
    pub(super) plain: Plain,
    /// What git directories of worktrees' own are told of them.
    pub(super) copied: Copied,
    /// What is known of the files of worktrees.
    pub(super) sheets: Sheets,
    /// What the files of new worktrees may share blocks with.
    pub(super) model: Arc<Model>,
    /// Which objects are on the disk.
    pub(super) synced: Arc<SyncedObjects>,
    /// The worktrees that are used again, once that is asked for.
    pub(super) pool: OnceLock<Pool>,
    /// Stands for a disk of limited size.
    #[cfg(test)]
    pub(super) disk: super::testing::SmallDisk,
    /// Which files worktrees had when they were filled, by their git directories; all: empty.
    pub(super) noted: Mutex<HashMap<PathBuf, Vec<u8>>>,
    /// Held by whoever tries once more to make a worktree, after there was no room for it.
    pub(super) making_room: tokio::sync::Mutex<()>,
    /// Held while the entry of a worktree is made or removed, and while git reads all entries: it gives up over one
    /// that is half made or that vanishes.
    pub(super) registering: tokio::sync::Mutex<()>,
}

impl Repository {
    /// The git directory of the worktree that the repository was opened in.
    pub fn git_dir(&self) -> &Path {
        &self.inner.git_dir
    }

    /// The git directory that all worktrees share.
    pub fn common_dir(&self) -> &Path {
        &self.inner.common_dir
    }

    /// The folder of the main worktree; `None` for a bare repository.
    pub fn main_worktree(&self) -> Option<&Path> {
        self.inner.main_worktree.as_deref()
    }

    /// Whether it has no main worktree.
    pub fn is_bare(&self) -> bool {
        self.inner.main_worktree.is_none()
    }

    /// How object ids are computed.
    pub fn object_format(&self) -> ObjectFormat {
        self.inner.format
    }

    /// Who makes commits: what is configured, else the fallback. Read once, when the repository is opened.
    pub fn identity(&self) -> &Identity {
        &self.inner.committer
    }

    /// How many programs were started for this repository since it was opened, opening it included.
    pub fn programs_started(&self) -> u64 {
        self.inner.program.started.load(Ordering::Relaxed)
    }

    /// The same repository, opened once; what is started through this handle carries another mark.
    #[must_use]
    pub fn with_cookie(&self, cookie: impl Into<String>) -> Self {
        Self { cookie: Some(cookie.into()), ..self.clone() }
    }

    pub(super) fn place(&self) -> Place {
        Place::GitDir(self.inner.common_dir.clone())
    }

    pub(super) fn call(&self, what: &'static str) -> Call {
        Call::new(&self.place(), what)
    }

    pub(super) async fn run(&self, call: Call) -> Result<Answer, GitError> {
        self.inner.program.run(call.cookie(self.cookie.clone())).await
    }

    /// Runs a call that has to succeed and hands what it prints to `each` as it comes.
    pub(super) async fn stream(
        &self,
        call: Call,
        each: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<(), GitError> {
        self.inner.program.stream(call.cookie(self.cookie.clone()), each).await
    }

    pub(super) async fn ok(&self, call: Call) -> Result<Answer, GitError> {
        self.run(call).await?.success()
    }
}

impl Answer {
    /// The output as text without its last line end.
    pub(super) fn line(&self) -> Result<String, GitError> {
        let line = self.stdout.strip_suffix(b"\n").unwrap_or(&self.stdout);
        String::from_utf8(line.to_vec()).map_err(|_| GitError::unexpected(self.what, &self.stdout))
    }

    /// The NUL-terminated fields of the output.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let body = self.stdout.strip_suffix(b"\0").unwrap_or(&self.stdout);
        body.split(|&b| b == 0).skip(usize::from(self.stdout.is_empty()))
    }

    /// The output as a path without its last line end.
    pub(super) fn path(&self) -> Result<PathBuf, GitError> {
        Ok(path_of(self.stdout.strip_suffix(b"\n").unwrap_or(&self.stdout)))
    }

    /// The output as an object id.
    pub(super) fn oid(&self) -> Result<Oid, GitError> {
        Oid::new(self.line()?).map_err(|_| GitError::unexpected(self.what, &self.stdout))
    }
}

/// The path with these bytes.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// A path for people: as it is when it is UTF-8, else with the other bytes as `\xNN`.
pub(super) fn show_path(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        shown.push_str(chunk.valid());
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}
