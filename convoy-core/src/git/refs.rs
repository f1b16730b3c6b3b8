//! Refs: reading them, and moving them by compare-and-swap.

use super::call::{Backoff, Call, Place};
use super::error::GitError;
use super::fast::{Fast, Tried, is_shared_name};
use super::repository::Repository;
use crate::types::Oid;

/// What HEAD is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A branch, which has no commit yet when `tip` is absent.
    Branch {
        /// Its full name, such as `refs/heads/main`.
        name: String,
        /// Its newest commit.
        tip: Option<Oid>,
    },
    /// A commit, no branch.
    Detached(Oid),
}

/// What a ref must be for a change of it to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// It does not exist.
    Absent,
    /// It is at this object.
    At(Oid),
    /// Whatever it is.
    Any,
}

/// What became of a change of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a ref that moved meanwhile was not changed"]
pub enum RefUpdate {
    /// It happened.
    Done,
    /// It did not: the ref was not as expected.
    Moved {
        /// What it is now; `None` when it does not exist.
        now: Option<Oid>,
    },
}

/// One change of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefEdit {
    /// The full name.
    pub name: String,
    /// The new value; `None` deletes it.
    pub new: Option<Oid>,
    /// What it must be.
    pub expected: Expected,
}

impl Repository {
    /// What HEAD is on, in the worktree that the repository was opened in.
    pub async fn head(&self) -> Result<Head, GitError> {
        self.head_at(&Place::GitDir(self.inner.git_dir.clone())).await
    }

    /// As [`head_at`](Self::head_at), by the fast backend.
    async fn fast_head(&self, place: &Place) -> Result<Option<Head>, GitError> {
        let git_dir = match place {
            Place::Folder(_) => return Ok(None),
            Place::GitDir(dir) => dir.clone(),
            Place::Files(files) => files.git_dir.clone(),
        };
        let found = self.try_fast("symbolic-ref", move |at| at.head_on(&git_dir)).await?;
        Ok(found.and_then(|(name, tip)| match (name, tip) {
            (Some(name), tip) => Some(Head::Branch { name, tip }),
            (None, tip) => tip.map(Head::Detached),
        }))
    }

    pub(super) async fn head_at(&self, place: &Place) -> Result<Head, GitError> {
        if let Some(head) = self.fast_head(place).await? {
            return Ok(head);
        }
        let symbolic = self.run(Call::new(place, "symbolic-ref").args(["-q", "HEAD"])).await?;
        match symbolic.code {
            0 => {
                let name = symbolic.line()?;
                let tip = self.resolve(&name).await?;
                Ok(Head::Branch { name, tip })
            }
            1 => {
                let call = Call::new(place, "rev-parse").args(["-q", "--verify", "HEAD^{commit}"]);
                Ok(Head::Detached(self.ok(call).await?.oid()?))
            }
            _ => Err(symbolic.failure()),
        }
    }

    /// The commit that a name, ref or id stands for; `None` when there is none. `HEAD` is that of the worktree
    /// that the repository was opened in.
    pub async fn resolve(&self, rev: &str) -> Result<Option<Oid>, GitError> {
        let (git_dir, name) = (self.inner.git_dir.clone(), rev.to_owned());
        if let Some(found) = self.try_fast("rev-parse", move |at| at.resolve(&git_dir, &name)).await? {
            return Ok(found);
        }
        let commit = format!("{rev}^{{commit}}");
        let place = Place::GitDir(self.inner.git_dir.clone());
        let call = Call::new(&place, "rev-parse").args(["-q", "--verify", "--end-of-options"]).arg(commit);
        let answer = self.run(call).await?;
        match answer.code {
            0 => answer.oid().map(Some),
            1 => Ok(None),
            _ => Err(answer.failure()),
        }
    }

    /// What a ref points at, whatever its kind; `None` when it does not exist.
    pub async fn ref_value(&self, name: &str) -> Result<Option<Oid>, GitError> {
        let wanted = name.to_owned();
        if let Some(found) = self.try_fast("rev-parse", move |at| at.ref_value(&wanted)).await? {
            return Ok(found);
        }
        let call = self.call("rev-parse").args(["-q", "--verify", "--end-of-options"]).arg(name);
        let answer = self.run(call).await?;
        match answer.code {
            0 => answer.oid().map(Some),
            1 => Ok(None),
            _ => Err(answer.failure()),
        }
    }

    /// The ref that a symbolic ref leads to at last, which need not exist; `None` when it is not symbolic.
    pub async fn symbolic_target(&self, name: &str) -> Result<Option<String>, GitError> {
        let wanted = name.to_owned();
        if let Some(found) = self.try_fast("symbolic-ref", move |at| at.symbolic_target(&wanted)).await? {
            return Ok(found);
        }
        let answer = self.run(self.call("symbolic-ref").args(["-q", "--"]).arg(name)).await?;
        match answer.code {
            0 => answer.line().map(Some),
            1 => Ok(None),
            _ => Err(answer.failure()),
        }
    }

    /// The full ref of a branch, from its short or full name. It need not exist.
    ///
    /// # Errors
    /// [`GitError::InvalidBranch`].
    pub async fn check_branch_name(&self, name: &str) -> Result<String, GitError> {
        let invalid = || GitError::InvalidBranch { name: name.to_owned() };
        let short = name.strip_prefix("refs/heads/").unwrap_or(name);
        if short.starts_with('-') || short == "HEAD" || short.contains('\0') {
            return Err(invalid());
        }
        let full = format!("refs/heads/{short}");
        if self.fast().is_some() && is_shared_name(&full) {
            return Ok(full);
        }
        let answer = self.run(self.call("check-ref-format").arg(&full)).await?;
        if answer.code == 0 { Ok(full) } else { Err(invalid()) }
    }

    /// The refs at or under a prefix (`refs/a` or `refs/a/`, whole components), in the order of their names.
    pub async fn list_refs(&self, prefix: &str) -> Result<Vec<(String, Oid)>, GitError> {
        let wanted = prefix.to_owned();
        if let Some(refs) = self.try_fast("for-each-ref", move |at| at.list_refs(&wanted)).await? {
            return Ok(refs);
        }
        let call = self.call("for-each-ref").args(["--format=%(objectname) %(refname)", prefix]);
        let answer = self.ok(call).await?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let parse = |line: &str| {
            let (oid, name) = line.split_once(' ')?;
            Some((name.to_owned(), Oid::new(oid).ok()?))
        };
        let unexpected = || GitError::unexpected("for-each-ref", &answer.stdout);
        text.lines().map(|line| parse(line).ok_or_else(unexpected)).collect()
    }

    /// Sets one ref if it is as expected, and syncs it to the disk. `reason` goes into its log.
    pub async fn update_ref(
        &self,
        name: &str,
        new: &Oid,
        expected: Expected,
        reason: &str,
    ) -> Result<RefUpdate, GitError> {
        let edit = RefEdit { name: name.to_owned(), new: Some(new.clone()), expected };
        self.update_refs(&[edit], reason).await
    }

    /// Deletes one ref if it is as expected. One that does not exist is not as [`Expected::At`] expects, and is
    /// done otherwise.
    pub async fn delete_ref(&self, name: &str, expected: Expected) -> Result<RefUpdate, GitError> {
        let edit = RefEdit { name: name.to_owned(), new: None, expected };
        self.update_refs(&[edit], "delete").await
    }

    /// Changes several refs if all are as expected; else none of them. `Moved` tells of the first that is not.
    pub async fn update_refs(&self, edits: &[RefEdit], reason: &str) -> Result<RefUpdate, GitError> {
        self.update_refs_at(&self.place(), edits, reason).await
    }

    /// As [`update_refs`](Self::update_refs); the log of the HEAD of `place` is written too when it is on one
    /// of the branches.
    pub(super) async fn update_refs_at(
        &self,
        place: &Place,
        edits: &[RefEdit],
        reason: &str,
    ) -> Result<RefUpdate, GitError> {
        if let Some(update) = self.fast_update(edits).await? {
            return Ok(update);
        }
        let mut input = Vec::new();
        for edit in edits {
            let new = edit.new.as_ref().map_or_else(|| self.inner.format.zero(), ToString::to_string);
            input.extend_from_slice(format!("update {}\0{new}\0", edit.name).as_bytes());
            match &edit.expected {
                Expected::Absent => input.extend_from_slice(self.inner.format.zero().as_bytes()),
                Expected::At(oid) => input.extend_from_slice(oid.as_str().as_bytes()),
                Expected::Any => {}
            }
            input.push(0);
        }
        // A log entry is one line.
        let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let call = Call::new(place, "update-ref").durable().args(["-m", &reason, "-z", "--stdin"]);
        let answer = self.run(call.stdin(input)).await?;
        if answer.code == 0 {
            return Ok(RefUpdate::Done);
        }
        for edit in edits {
            let now = self.ref_value(&edit.name).await?;
            let as_expected = match &edit.expected {
                Expected::Absent => now.is_none(),
                Expected::At(oid) => now.as_ref() == Some(oid),
                Expected::Any => true,
            };
            if !as_expected {
                return Ok(RefUpdate::Moved { now });
            }
        }
        Err(answer.failure())
    }

    /// As [`update_refs`](Self::update_refs), by the fast backend: refs that have no log.
    async fn fast_update(&self, edits: &[RefEdit]) -> Result<Option<RefUpdate>, GitError> {
        if self.fast().is_none_or(Fast::logs_all_refs) {
            return Ok(None);
        }
        let mut backoff = Backoff::new(self.inner.program.lock_wait);
        loop {
            let edits = edits.to_vec();
            match self.try_fast("update-ref", move |at| at.update_refs(&edits)).await? {
                None => return Ok(None),
                Some(Tried::Decided(update)) => return Ok(Some(update)),
                Some(Tried::Held(_)) if backoff.wait().await => {}
                Some(Tried::Held(path)) => return Err(GitError::Locked { path }),
            }
        }
    }

    /// Removes the locks that git programs which were killed, or a power cut, left on refs under a prefix (whole
    /// components, such as `refs/a`). Whoever writes these refs must have ended.
    ///
    /// # Errors
    /// [`GitError::Io`].
    pub fn remove_ref_locks(&self, prefix: &str) -> Result<(), GitError> {
        let mut folders = vec![self.inner.common_dir.join(prefix)];
        // What is behind a link belongs to others.
        folders.retain(|folder| !folder.is_symlink());
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(GitError::io("list", &folder)(error)),
            };
            for entry in entries {
                let entry = entry.map_err(GitError::io("list", &folder))?;
                let path = entry.path();
                if entry.file_type().map_err(GitError::io("look at", &path))?.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "lock") {
                    // No ref may have such a name.
                    std::fs::remove_file(&path).map_err(GitError::io("delete", &path))?;
                }
            }
        }
        Ok(())
    }
}
