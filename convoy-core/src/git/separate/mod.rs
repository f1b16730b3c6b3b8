//! Worktrees with a git directory of their own ([`Isolation::Separate`]).
//!
//! In such a worktree `.git` is a repository: HEAD detached at the commit that it was made at, an index, settings that
//! we wrote, no branch, no remote, no hook. It reads the objects of the common repository (`objects/info/alternates`)
//! and writes its own beside them.
//!
//! The common repository has an entry of it as of a linked one (`worktrees/<name>`), and every call of ours is made on
//! that entry: HEAD and settings in it are ours, and what the entry's HEAD reaches is never collected as garbage.
//! The `.git` in the folder was written by whoever works there. It is read in one place (`read.rs`), file by file and
//! through no link: what HEAD names, the index (copied, since it may name objects that stay where they are), and
//! whether an operation is unfinished. Commits come over as a pack, whose objects get the ids of their content, and only
//! if all that they reach is there then: objects, nothing else. If they cannot, or HEAD names nothing, the files are
//! recorded all the same, as one commit on the base. Before it is read, and before anything of ours runs in the
//! worktree, settings, hooks and all that git could be redirected by are put back as we had made them, and what is neither
//! file nor folder goes from among the objects ([`settle`](Repository::settle_worktree)). Before anything judges the
//! work its branches and tags go too, so that none of them passes for one of the user's; HEAD stays at its commit.
//!
//! What somebody reaches who works in such a worktree stands at [`Isolation`]; each line of that table is held by a
//! test.
//! A program that looks for the repository's folder (it stands in `objects/info/alternates`) can write there: that is
//! seen ([`fingerprint`](Repository::fingerprint)), not prevented. What a submodule's own git directory
//! (`.git/modules`) holds is left as it is, since setup may have made it.

mod carry;
mod make;
mod read;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use super::call::Files;
use super::error::GitError;
use super::repository::Repository;
use crate::types::Isolation;

pub(super) use self::make::{Copied, Names, OwnGit, in_quotes};

/// The file, among those that git keeps of a worktree, that tells that it has a git directory of its own.
pub(super) const MARK: &str = "convoy-separate";

impl Files {
    /// The index that whoever works there left. Of a git directory of its own that is a copy, which no git but in our
    /// calls looks at: it may name objects that have not come over.
    pub(super) fn found_index(&self) -> PathBuf {
        self.git_dir.join(match self.isolation {
            Isolation::Linked => "index",
            Isolation::Separate => read::FOUND_INDEX,
        })
    }
}

impl Repository {
    /// The same repository; worktrees that are made through this handle share this with it. All others are used as
    /// they were made.
    #[must_use]
    pub fn with_isolation(&self, isolation: Isolation) -> Self {
        Self { isolation, ..self.clone() }
    }
}

fn cannot(why: &'static str) -> GitError {
    GitError::CannotSeparate { why }
}
