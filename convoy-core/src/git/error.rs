//! What can go wrong with a repository.

use std::path::PathBuf;
use std::time::Duration;

use super::room::is_full;
use crate::process::ProcessError;
use crate::types::Oid;

/// An error of [`Repository`](super::Repository). Each says what the person must do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The git program is not there.
    #[error(
        "git was not found as {program:?}: install git 2.38 or newer, put its folder on the PATH of the environment that the engine was given, or name its path in the options"
    )]
    Missing {
        /// What was looked for.
        program: PathBuf,
    },
    /// The git program is too old to merge in memory.
    #[error("git {found} is too old: install git 2.38 or newer")]
    TooOld {
        /// The version that it reports.
        found: String,
    },
    /// The folder is in no repository, or in one that git refuses to open.
    #[error("{path:?} is in no git repository: run `git init` there or name another folder ({detail})")]
    NoRepository {
        /// The folder.
        path: PathBuf,
        /// What git says.
        detail: String,
    },
    /// The folder belongs to a submodule.
    #[error("{path:?} is a submodule of {parent:?}: use the outer repository, or a clone of its own")]
    Submodule {
        /// The folder.
        path: PathBuf,
        /// The repository around it.
        parent: PathBuf,
    },
    /// It cannot be told from here where the files of the main worktree are.
    #[error(
        "{path:?} does not tell where the main worktree of the repository in {git_dir:?} is: open it from its main worktree, the \
         folder whose .git leads there or that its core.worktree names"
    )]
    NoMainWorktree {
        /// The folder that it was to be opened from.
        path: PathBuf,
        /// The git directory.
        git_dir: PathBuf,
    },
    /// The repository lies on a network file system.
    #[error(
        "{path:?} is on a network file system ({kind}), whose locks cannot be relied on: use a local disk"
    )]
    NetworkFileSystem {
        /// The git directory.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// The name is not one that a branch may have.
    #[error("{name:?} is no valid branch name: name an existing branch such as `main`")]
    InvalidBranch {
        /// The name.
        name: String,
    },
    /// Another program kept a lock for longer than the options allow to wait.
    #[error("{path:?} is held by another program: wait for it to end; if none runs, delete that file")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Something is at the place where a worktree is to be made.
    #[error("{path:?} exists already: move it aside or remove it first")]
    WorktreeInTheWay {
        /// The place.
        path: PathBuf,
    },
    /// A file system has no room, or as little as is kept free for everybody else.
    #[error("no room is left in {path:?}: free space on its file system ({detail})")]
    DiskFull {
        /// A folder on it.
        path: PathBuf,
        /// What was seen there, and what could not be done.
        detail: String,
    },
    /// Worktrees of this repository cannot have a git directory of their own.
    #[error("a worktree with a git directory of its own cannot be made: {why}: use linked ones")]
    CannotSeparate {
        /// Why.
        why: &'static str,
    },
    /// No worktree of this repository is at the path.
    #[error("{path:?} is no worktree of this repository: make it again")]
    NotAWorktree {
        /// The path.
        path: PathBuf,
    },
    /// The worktree is in the middle of an operation, so that its files are no finished state.
    #[error("an unfinished {operation} is in {path:?}: conclude or abort it; `git status` there says how")]
    Unfinished {
        /// The worktree.
        path: PathBuf,
        /// `merge`, `rebase`, `cherry-pick`, `revert`, `am` or `bisect`.
        operation: &'static str,
        /// The paths that are still unmerged.
        unmerged: Vec<String>,
    },
    /// The files of a worktree began with another commit than they were to, and what was changed since does not fit there.
    #[error(
        "HEAD was moved to a history that does not have the commit {base}, and {}: work on that commit, or merge it",
        unfit(paths)
    )]
    BeganElsewhere {
        /// The commit that the work was to begin with.
        base: Oid,
        /// The paths in conflict; none where the two have nothing in common.
        paths: Vec<String>,
    },
    /// Repositories lie inside the tree; git would keep a bare link instead of their files.
    #[error(
        "git repositories inside the tree would be kept as bare links, without their files: {}: delete \
             their .git folders or ignore them",
        some(paths)
    )]
    EmbeddedRepository {
        /// Where they are, relative to the root.
        paths: Vec<String>,
    },
    /// Work in submodules that nobody else has; the repository around them would keep no more than ids.
    #[error(
        "work in submodules would be lost: {}: commit it there and push it to the submodule's remote, or undo or ignore it",
        some(submodules)
    )]
    SubmoduleWork {
        /// Where they are, relative to the root, and what the matter is with each.
        submodules: Vec<String>,
    },
    /// Files of a worktree cannot be read, and git would go on without them.
    #[error(
        "files cannot be read, and would be lost: {}: make them readable (chmod), delete or ignore them",
        some(said)
    )]
    Unreadable {
        /// What git said of them, line by line.
        said: Vec<String>,
    },
    /// Files are larger than any host of repositories takes.
    #[error(
        "files of more than 2 GiB are not recorded: {}: delete or ignore them, or have a filter such as Git LFS \
             store them",
        some(paths)
    )]
    TooLarge {
        /// Where they are, relative to the root.
        paths: Vec<String>,
    },
    /// The program that signs commits failed.
    #[error(
        "a commit could not be signed, as commit.gpgSign asks: {detail}: see that the signing program works without \
         asking (unlock its key in an agent), or set commit.gpgSign to false in this repository"
    )]
    NotSigned {
        /// The end of what it said.
        detail: String,
    },
    /// Two commits have no common ancestor.
    #[error("{ours} and {theirs} have no common history: they cannot be merged")]
    UnrelatedHistories {
        /// One commit.
        ours: String,
        /// The other.
        theirs: String,
    },
    /// An object or ref that must be there is not.
    #[error("{what} is not in the repository")]
    NotFound {
        /// What was looked up.
        what: String,
    },
    /// git reported a failure.
    #[error("git could not {what} (exit code {code}): {stderr}")]
    Failed {
        /// The command, without its arguments.
        what: String,
        /// Its exit code; -1 when a signal ended it.
        code: i32,
        /// The end of what it said.
        stderr: String,
    },
    /// git answered something that this version cannot read.
    #[error(
        "git answered {what} in an unknown form, as no git 2.38 or newer does: {found:?}; look what program it is"
    )]
    Unexpected {
        /// The command, without its arguments.
        what: String,
        /// The answer, cut.
        found: String,
    },
    /// git answered more than is read.
    #[error("git answered more than {max} bytes to {what}")]
    TooMuch {
        /// The command, without its arguments.
        what: String,
        /// The bound.
        max: usize,
    },
    /// git ran into its time limit and was ended.
    #[error("git did not {what} within {} seconds and was ended: look at the filters and merge drivers that the \
             repository uses, or allow more time in the options", after.as_secs())]
    TimedOut {
        /// The command, without its arguments.
        what: String,
        /// The limit.
        after: Duration,
    },
    /// The work was given up in the middle, by a panic.
    #[error(
        "{what} went wrong inside of this program: choose the reference backend for git, and report this"
    )]
    Defect {
        /// The command of git that does the same.
        what: String,
    },
    /// git could not be run.
    #[error("git could not be run")]
    Process(#[from] ProcessError),
    /// A file could not be read or written.
    #[error("could not {action} {path:?}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Most paths that a message names.
const MOST_PATHS: usize = 20;

/// Why what was changed elsewhere does not fit.
fn unfit(paths: &[String]) -> String {
    match paths {
        [] => "has nothing in common with it".to_owned(),
        _ => format!("does not merge with it: {}", some(paths)),
    }
}

/// The first of these paths, and how many more there are: agents make them, in any number.
fn some(paths: &[String]) -> String {
    let list = paths[..paths.len().min(MOST_PATHS)].join(", ");
    match paths.len().saturating_sub(MOST_PATHS) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

impl GitError {
    /// For `map_err` on a file operation.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether it says that the disk, or a quota, is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            Self::Io { source, .. } => is_full(source),
            // What git says is not asked: it names files, which agents name. Its failures are `DiskFull` where a look showed it.
            _ => false,
        }
    }

    /// What the system, or git, said; for people.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Io { source, .. } => source.to_string(),
            Self::DiskFull { detail, .. } => detail.clone(),
            other => other.to_string(),
        }
    }

    /// An answer that does not parse.
    pub(super) fn unexpected(what: &str, found: &[u8]) -> Self {
        let cut = &found[..found.len().min(200)];
        Self::Unexpected { what: what.to_owned(), found: String::from_utf8_lossy(cut).into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let failed =
            |stderr: &str| GitError::Failed { what: "read-tree".into(), code: 128, stderr: stderr.into() };
        for full in [
            GitError::DiskFull { path: "/x".into(), detail: String::new() },
            GitError::io("write", "/x")(ErrorKind::StorageFull.into()),
            GitError::io("write", "/x")(ErrorKind::QuotaExceeded.into()),
        ] {
            assert!(full.is_disk_full(), "{full}");
        }
        for other in [
            failed("error: unable to create file d/f: Permission denied"),
            failed("error: unable to create file No space left on device: Permission denied"),
            failed("error: unable to write file 'd/f'"),
            GitError::io("write", "/x")(ErrorKind::PermissionDenied.into()),
            GitError::NotAWorktree { path: "/x".into() },
        ] {
            assert!(!other.is_disk_full(), "{other}");
        }
    }

    #[test]
    fn a_message_names_some_paths_and_counts_the_others() {
        let paths = |count: usize| (0..count).map(|n| format!("p{n}")).collect::<Vec<_>>();
        assert_eq!(some(&paths(2)), "p0, p1");
        assert!(some(&paths(20)).ends_with(", p19"));
        for error in [
            GitError::EmbeddedRepository { paths: paths(10_000) },
            GitError::TooLarge { paths: paths(10_000) },
        ] {
            let text = error.to_string();
            assert!(text.contains("p19 and 9980 more: ") && text.len() < 400, "{text}");
        }
    }
}
