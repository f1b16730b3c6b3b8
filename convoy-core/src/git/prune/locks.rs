//! The locks of a git that was killed while it deleted refs.
//!
//! git holds `packed-refs.lock` (with reftable `tables.list.lock`) while it deletes refs, and does not write into it whose
//! it is. A killed one leaves it, and then nobody in the repository can delete a ref. So there is a mark from just before
//! git is started until it has ended by itself: one that stays says that git, or whoever started it, died in between.
//! Whoever goes on, after the programs of the one before have ended, may remove such a lock when it was made after the
//! mark, within the time that a call of git is given, and holds nothing that git would not have written. It is left
//! alone for as long as any lock is waited for: a git of somebody else, which packs refs at that moment, is done by then.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{file_name, remove};
use crate::git::call::{Answer, Backoff};
use crate::git::error::GitError;
use crate::git::files::read_file;
use crate::git::repository::Repository;
use crate::git::sync::sync;

/// How the name of a mark begins; that of those whose refs they are follows.
const NAME: &str = "convoy-deleting.";

/// The longest content of a lock: the tables of a repository, each a line.
const MOST_OF_LOCK: u64 = 1 << 20;

/// What git holds, or has half written, while it deletes refs, below the common directory. The first is removed last.
const LOCKS: [&[&str]; 2] = [&["packed-refs.lock", "packed-refs.new"], &["reftable/tables.list.lock"]];

/// What a file is, so that another one of its name is told from it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    id: (u64, u64),
    made: SystemTime,
}

impl Seen {
    fn at(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let about = fs::symlink_metadata(path).ok()?;
        let made = about.modified().ok()?;
        about.is_file().then(|| Self { id: (about.dev(), about.ino()), made })
    }
}

impl Repository {
    /// Marks that git is about to delete refs of these, so that it survives a power cut.
    pub(crate) fn mark_deleting(&self, of: &str) -> Result<(), GitError> {
        let path = self.deleting_mark(of);
        // Whatever is there, a link of an agent's too, is replaced and not written to. One of an earlier git would make
        // locks of others look as if they came after it.
        let marked = || {
            remove(&path)?;
            sync(&fs::File::create_new(&path)?, &path)?;
            sync(&fs::File::open(self.common_dir())?, self.common_dir())
        };
        marked().map_err(GitError::io("write", &path))
    }

    /// Removes the mark when git has ended by itself, and so has left no lock.
    pub(super) fn unmark_deleting(&self, of: &str, ended: &Result<Answer, GitError>) -> Result<(), GitError> {
        match ended {
            Ok(answer) if answer.code < 0 => Ok(()),
            Ok(_) | Err(GitError::Locked { .. } | GitError::Missing { .. }) => self.forget_deleting(of),
            Err(_) => Ok(()),
        }
    }

    /// Removes the mark.
    pub(super) fn forget_deleting(&self, of: &str) -> Result<(), GitError> {
        let path = self.deleting_mark(of);
        remove(&path).map_err(GitError::io("delete", &path))
    }

    /// Whose refs git was deleting when that was cut off, or is right now.
    ///
    /// # Errors
    /// [`GitError::Io`].
    pub fn marked_deletions(&self) -> Result<Vec<String>, GitError> {
        let folder = self.common_dir();
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(GitError::io("list", folder))? {
            let name = entry.map_err(GitError::io("list", folder))?.file_name();
            names.extend(name.to_str().and_then(|name| name.strip_prefix(NAME)).map(str::to_owned));
        }
        Ok(names)
    }

    /// Removes the locks that the git of a deletion left that was cut off; `of` as in
    /// [`delete_refs`](Self::delete_refs). Its programs must have ended. Waits for as long as any lock is waited for.
    /// Gives the locks that are there and were left: they are another's, or the clock was set meanwhile, so that
    /// it cannot be told.
    ///
    /// # Errors
    /// [`GitError::Io`].
    pub async fn remove_deletion_locks(&self, of: &str) -> Result<Vec<PathBuf>, GitError> {
        let Some(marked) = Seen::at(&self.deleting_mark(of)) else { return Ok(Vec::new()) };
        let (most, patience) = (self.inner.program.timeout, self.inner.program.lock_wait);
        let mut left = Vec::new();
        for locks in LOCKS {
            let paths: Vec<PathBuf> = locks.iter().map(|lock| self.common_dir().join(lock)).collect();
            let Some(seen) = Seen::at(&paths[0]) else { continue };
            if !may_be_its(&paths[0], &seen, marked.made, most) {
                left.push(paths[0].clone());
                continue;
            }
            let mut backoff = Backoff::new(patience);
            while Seen::at(&paths[0]).as_ref() == Some(&seen) && backoff.wait().await {}
            for path in paths.iter().rev() {
                if Seen::at(&paths[0]).as_ref() != Some(&seen) {
                    break;
                }
                remove(path).map_err(GitError::io("delete", path))?;
            }
        }
        // As long as one is left that may be its, whoever comes next hears of it too.
        if left.is_empty() {
            self.forget_deleting(of)?;
        }
        Ok(left)
    }

    fn deleting_mark(&self, of: &str) -> PathBuf {
        self.common_dir().join(format!("{NAME}{}", file_name(of)))
    }
}

/// Whether a lock may be that of a deletion which was marked then.
fn may_be_its(lock: &Path, seen: &Seen, marked: SystemTime, most: Duration) -> bool {
    // That of packed refs is always empty, that of tables holds their names as soon as they are known.
    let is_gits =
        |held: Vec<u8>| held.is_empty() || lock.file_name().is_some_and(|name| name == "tables.list.lock");
    seen.made.duration_since(marked).is_ok_and(|after| after <= most)
        && read_file(lock, MOST_OF_LOCK).is_ok_and(is_gits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Repository;
    use crate::git::testing::{Scratch, options};
    use crate::types::Oid;

    const PACKED: &str = "packed-refs.lock";
    const TABLES: &str = "reftable/tables.list.lock";
    const MARK: &str = "convoy-deleting.a";

    /// A repository in which a deletion was cut off, with this lock, made so many seconds after the mark.
    async fn cut_off(lock: &str, content: &str, after: i64) -> Scratch {
        let s = Scratch::new().await;
        s.repo.mark_deleting("a").expect("marked");
        let marked = Seen::at(&s.repo.deleting_mark("a")).expect("is there").made;
        let second = Duration::from_secs(after.unsigned_abs());
        let path = s.repo.common_dir().join(lock);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, content).expect("written");
        let file = fs::File::options().write(true).open(&path).expect("it is there");
        file.set_modified(if after < 0 { marked - second } else { marked + second }).expect("set");
        s
    }

    #[tokio::test]
    async fn locks_of_a_git_that_was_cut_off_are_removed_and_others_are_named() {
        let cases = [
            (PACKED, "", 0, false),
            (PACKED, "", 60, false),
            // The clock was set back, or forth.
            (PACKED, "", -1, true),
            (PACKED, "", 3600, true),
            (PACKED, "mine\n", 0, true),
            (TABLES, "", 0, false),
            (TABLES, "0x1-0x2-ab.ref\n", 0, false),
            (TABLES, "", -1, true),
        ];
        for (lock, content, after, stays) in cases {
            let s = cut_off(lock, content, after).await;
            let path = s.repo.common_dir().join(lock);
            assert_eq!(s.repo.marked_deletions().expect("lists"), ["a"]);
            assert!(s.repo.remove_deletion_locks("b").await.expect("looks").is_empty() && path.exists());
            let left = s.repo.remove_deletion_locks("a").await.expect("looks");
            assert_eq!(left, if stays { vec![path.clone()] } else { vec![] }, "{lock} {content} {after}");
            assert_eq!(path.exists(), stays, "{lock} {content} {after}");
            assert_eq!(s.repo.marked_deletions().expect("lists").is_empty(), !stays, "told again, or done");
        }
    }

    #[tokio::test]
    async fn a_mark_without_a_lock_goes_and_is_made_through_no_link() {
        let s = Scratch::new().await;
        let outside = s.outside().join("theirs");
        fs::write(&outside, "mine\n").expect("written");
        std::os::unix::fs::symlink(&outside, s.repo.common_dir().join(MARK)).expect("linked");
        s.repo.mark_deleting("a").expect("marked");
        assert!(Seen::at(&s.repo.common_dir().join(MARK)).is_some(), "a file of its own");
        assert_eq!(fs::read_to_string(&outside).expect("is there"), "mine\n");
        assert!(s.repo.remove_deletion_locks("a").await.expect("looks").is_empty());
        assert_eq!(s.repo.marked_deletions().expect("lists"), [""; 0]);
    }

    /// The same repository with a git that does this before it deletes refs.
    async fn with_git(s: &Scratch, before: &str) -> Repository {
        let program = s.outside().join("git");
        let script =
            format!("#!/bin/sh\ncase \" $* \" in *' update-ref '*) {before};; esac\nexec git \"$@\"\n");
        crate::git::testing::write(&s.outside(), "git", &script);
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
        let mut options = options();
        options.program = Some(program);
        Repository::open(&s.root, options).await.expect("opens")
    }

    #[tokio::test]
    async fn it_is_marked_only_while_git_deletes_refs_or_when_it_was_killed() {
        let moved = Oid::new("1".repeat(40)).expect("an id");
        // What git does, where the ref was, and whether the mark stays.
        for (before, is_moved, stays) in
            [(":", false, false), (":", true, false), ("exit 3", false, false), ("kill -9 $$", false, true)]
        {
            let s = Scratch::new().await;
            let one = s.commit("one").await;
            s.git(&["update-ref", "refs/convoy/a/x", one.as_str()]).await;
            let seen = s.outside().join("seen");
            let before = format!("ls '{}' > '{}'; {before}", s.repo.common_dir().display(), seen.display());
            let repo = with_git(&s, &before).await;
            let refs = [("refs/convoy/a/x".to_owned(), if is_moved { moved.clone() } else { one })];
            repo.note_deletion("a", &refs).expect("noted");
            assert_eq!(repo.marked_deletions().expect("lists"), [""; 0], "what was looked at says nothing");
            let done = repo.delete_refs("a", &refs).await;
            match before.ends_with(':') {
                true => assert_eq!(done.expect("runs").len(), usize::from(is_moved)),
                false => drop(done.expect_err("it failed")),
            }
            assert!(fs::read_to_string(&seen).expect("git ran").lines().any(|name| name == MARK));
            assert_eq!(repo.marked_deletions().expect("lists").is_empty(), !stays, "{before}");
        }
    }

    #[tokio::test]
    async fn a_lock_of_somebody_who_lives_is_waited_for_and_stays() {
        let s = Scratch::new().await;
        let one = s.commit("one").await;
        s.git(&["update-ref", "refs/convoy/a/x", one.as_str()]).await;
        s.git(&["config", "core.packedRefsTimeout", "0"]).await;
        let refs = [("refs/convoy/a/x".to_owned(), one)];
        let lock = s.repo.common_dir().join(PACKED);
        fs::write(&lock, "").expect("written");
        let refused = s.repo.delete_refs("a", &refs).await.expect_err("it is held");
        assert!(matches!(&refused, GitError::Locked { path } if *path == lock), "{refused}");
        assert!(s.repo.remove_deletion_locks("a").await.expect("looks").is_empty());
        assert!(lock.exists(), "nobody of ours died");
    }
}
