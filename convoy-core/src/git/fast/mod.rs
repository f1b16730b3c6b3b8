//! The fast backend: what of git's work this process does itself.
//!
//! A few threads hold the repository open and answer questions about objects and refs without starting a program.
//! Objects are read and written by libgit2. Refs are read and written here, since libgit2 decides by its own
//! configuration how it does that.
//!
//! # Never another result
//! The fast way answers only where it is certain to say what the git program would say. Everywhere else (a spelling
//! that it does not know, an object that it does not find, any error of libgit2) it says [`NotMine`], and the caller
//! asks the git program as if there were no other way. So an error has one source, and one text.
//!
//! # Configuration
//! libgit2 reads the configuration of the *process*, which may be another than the host passes to git. Its handles
//! therefore get an empty one as soon as they are open, and what matters is asked of the git program once
//! ([`probe`](self::probe)). Refs under `refs/replace` count for nothing in either way; where a file of grafts or
//! the marks of a shallow clone lie, questions about history go to the git program.
//!
//! # Hostile files
//! Others may write into the git directory at any moment. Content is compared with its id when it is read. Ref
//! files are opened so that neither a pipe nor a link in their place can hold or lead anybody. Should a call hang
//! all the same, its caller gives up after the time that a call of git has, and the fast way is not gone any more.

mod added;
mod changes;
mod content;
mod ident;
mod probe;
mod ref_write;
mod refs;
mod splice;
mod threads;
mod trees;
mod write;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;

pub(super) use self::added::{History, Piece};
pub(super) use self::changes::RawChange;
use self::ident::{signature, stamped};
pub(super) use self::probe::{Probed, Settings, probe};
pub(super) use self::ref_write::Tried;
pub(super) use self::refs::is_shared_name;
use self::threads::Threads;
pub(super) use self::threads::open_objects;
pub(super) use self::write::NewCommit;
use super::error::GitError;
use super::repository::{Identity, Repository};
use crate::clock::{Clock as _, SystemClock};
use crate::types::Oid;

/// The fast way has no certain answer: ask the git program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotMine;

impl From<git2::Error> for NotMine {
    fn from(_: git2::Error) -> Self {
        Self
    }
}

impl From<std::io::Error> for NotMine {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// The fast backend of one repository.
#[derive(Debug)]
pub(super) struct Fast {
    threads: Threads,
    /// How long one call may take.
    timeout: Duration,
    /// A call hung; its thread is lost.
    hung: AtomicBool,
    /// What git said is configured when the repository was opened.
    settings: Settings,
    /// The files that say which files are text, beside those of a tree; `None` when that is not known.
    pub(super) attributes: Option<Vec<PathBuf>>,
    /// The time zone of the environment that git gets; `None` when only git knows it.
    zone: Option<TimeZone>,
}

/// What a job on one of the threads works with.
pub(super) struct Handle<'a> {
    /// The objects.
    pub(super) repo: &'a git2::Repository,
    /// The git directory that all worktrees share.
    pub(super) common: &'a Path,
    /// Trees that have no links in them.
    linkless: &'a RefCell<HashSet<git2::Oid>>,
    /// Folders of refs that are on the disk themselves.
    kept: &'a RefCell<HashSet<PathBuf>>,
}

impl Fast {
    /// Starts the threads.
    pub(super) fn start(common: PathBuf, timeout: Duration, probed: Probed) -> std::io::Result<Self> {
        let Probed { settings, attributes, zone } = probed;
        let (threads, hung) = (Threads::start(common)?, AtomicBool::new(false));
        Ok(Self { threads, timeout, hung, settings, attributes, zone })
    }

    /// Whether refs outside of branches, remotes and notes get logs of their own accord.
    pub(super) fn logs_all_refs(&self) -> bool {
        self.settings.get("core.logallrefupdates").is_some_and(|value| value.eq_ignore_ascii_case("always"))
    }

    /// Who makes a commit, now or at a moment that is spelt as in a commit, as it stands in one.
    pub(super) fn signature(&self, who: &Identity, at: Option<&str>) -> Result<String, NotMine> {
        match at {
            Some(at) => stamped(who, at),
            None => signature(who, SystemClock.now(), self.zone.as_ref().ok_or(NotMine)?),
        }
    }

    /// Has a job done on one of the threads; `None` when it is not for the fast way. Dropping the future abandons the
    /// answer, not the job.
    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce(&Handle<'_>) -> Result<T, NotMine> + Send + 'static,
    ) -> Result<Option<T>, GitError> {
        match tokio::time::timeout(self.timeout, self.threads.run(job)).await {
            Ok(Some(answer)) => Ok(answer.ok()),
            Ok(None) => Err(GitError::Defect { what: what.to_owned() }),
            Err(_) => {
                self.hung.store(true, Ordering::Relaxed);
                Err(GitError::TimedOut { what: what.to_owned(), after: self.timeout })
            }
        }
    }
}

impl Repository {
    /// The fast backend; `None` when the git program is to be asked.
    pub(super) fn fast(&self) -> Option<&Fast> {
        self.inner.fast.as_ref().filter(|fast| !fast.hung.load(Ordering::Relaxed))
    }

    /// Has a job done by the fast backend; `None` when the git program is to be asked. `what` names it as the command
    /// of git that does the same.
    pub(super) async fn try_fast<T: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce(&Handle<'_>) -> Result<T, NotMine> + Send + 'static,
    ) -> Result<Option<T>, GitError> {
        match self.fast() {
            Some(fast) => fast.ask(what, job).await,
            None => Ok(None),
        }
    }
}

impl Repository {
    /// As [`try_fast`](Self::try_fast), for what depends on which files are text. Where a file may say so that is in no tree,
    /// the git program has to read it.
    pub(super) async fn try_fast_diff<T: Send + 'static>(
        &self,
        what: &'static str,
        job: impl FnOnce(&Handle<'_>) -> Result<T, NotMine> + Send + 'static,
    ) -> Result<Option<T>, GitError> {
        let Some(attributes) = self.fast().and_then(|fast| fast.attributes.clone()) else { return Ok(None) };
        let is_there = |path: &PathBuf| std::fs::symlink_metadata(path).is_ok();
        let job = move |at: &Handle<'_>| if attributes.iter().any(is_there) { Err(NotMine) } else { job(at) };
        self.try_fast(what, job).await
    }
}

/// An id as libgit2 has it.
pub(super) fn raw(id: &Oid) -> Result<git2::Oid, NotMine> {
    Ok(git2::Oid::from_str(id.as_str())?)
}

/// An id as everybody else has it.
pub(super) fn oid(id: git2::Oid) -> Result<Oid, NotMine> {
    Oid::new(id.to_string()).map_err(|_| NotMine)
}

impl Handle<'_> {
    /// The best common ancestor; `None` when there is none. Of several only git knows which it names.
    pub(super) fn merge_base(&self, a: &Oid, b: &Oid) -> Result<Option<Oid>, NotMine> {
        self.plain_history()?;
        let bases = match self.repo.merge_bases(raw(a)?, raw(b)?) {
            Ok(bases) => bases,
            Err(error)
                if error.code() == git2::ErrorCode::NotFound && error.class() == git2::ErrorClass::Merge =>
            {
                return Ok(None);
            }
            Err(_) => return Err(NotMine),
        };
        match bases[..] {
            [base] => oid(base).map(Some),
            _ => Err(NotMine),
        }
    }

    /// A commit as it is stored.
    pub(super) fn commit_text(&self, commit: &Oid) -> Result<Vec<u8>, NotMine> {
        let odb = self.repo.odb()?;
        let found = odb.read(raw(commit)?)?;
        if found.kind() == git2::ObjectType::Commit { Ok(found.data().to_vec()) } else { Err(NotMine) }
    }

    /// The commits that `tip` and not `known` reaches by first parents, and whose text has this line, newest first.
    pub(super) fn saying(&self, tip: &Oid, known: &Oid, line: &str) -> Result<Vec<Oid>, NotMine> {
        self.plain_history()?;
        let mut walk = self.repo.revwalk()?;
        walk.simplify_first_parent()?;
        walk.push(raw(tip)?)?;
        walk.hide(raw(known)?)?;
        let mut found = Vec::new();
        for id in walk {
            let commit = self.repo.find_commit(id?)?;
            if commit.message_raw_bytes().split(|byte| *byte == b'\n').any(|other| other == line.as_bytes()) {
                found.push(oid(commit.id())?);
            }
        }
        Ok(found)
    }

    /// What an object is of this kind, once tags are followed and, for a tree, a commit is opened.
    pub(super) fn peel(&self, id: &Oid, kind: git2::ObjectType) -> Result<Oid, NotMine> {
        oid(self.repo.find_object(raw(id)?, None)?.peel(kind)?.id())
    }

    /// Fails where parents may be others than commits say.
    pub(super) fn plain_history(&self) -> Result<(), NotMine> {
        let is_there = |name: &str| std::fs::symlink_metadata(self.common.join(name)).is_ok();
        if is_there("shallow") || is_there("info/grafts") { Err(NotMine) } else { Ok(()) }
    }

    /// Whether `ancestor` is `commit` or reachable from it.
    pub(super) fn is_ancestor(&self, ancestor: &Oid, commit: &Oid) -> Result<bool, NotMine> {
        self.plain_history()?;
        let (ancestor, commit) = (raw(ancestor)?, raw(commit)?);
        for id in [ancestor, commit] {
            // One that is missing is no answer, nor is another kind.
            self.repo.find_commit(id)?;
        }
        Ok(ancestor == commit || self.repo.graph_descendant_of(commit, ancestor)?)
    }
}
