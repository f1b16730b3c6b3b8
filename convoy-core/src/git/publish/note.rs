//! The note that git is about to move a branch, for whoever finds the locks of a git that was killed.
//!
//! git holds `<branch>.lock` and, where HEAD is on the branch, `HEAD.lock` for as long as it moves a branch, and does
//! not write into them whose they are. A killed one leaves them, and nobody can move the branch any more. So the note
//! is written before git is called. Whoever completes that move, after the programs of the one before have ended, may
//! remove locks that were made within [`MOVE`] after the note and hold nothing, as `HEAD.lock` does, or the commit of
//! the note. All others are taken for somebody else's and stay. A git that another person runs could only be taken for
//! the dead one if it held an empty lock of this very branch at that moment: beside the lock of the index, where the
//! branch is checked out, so that git's `commit`, `merge` and `checkout` are none of them.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::PublishMove;
use crate::git::error::GitError;
use crate::git::files::read_file;

/// How the file begins.
const MARK: &str = "convoy moves a branch 1\n";

/// Its longest content, in bytes, and that of a lock: names are as long as paths may be.
const MOST: u64 = 8192;

/// How long git may take from the note to its last lock.
const MOVE: Duration = Duration::from_secs(60);

/// A note, there until it is dropped.
#[derive(Debug)]
pub(super) struct Note(PathBuf);

impl Note {
    /// Writes the note of a move. `cookie`: of the convoy, which makes one move at a time.
    pub(super) fn write(common_dir: &Path, cookie: &str, planned: &PublishMove) -> Result<Self, GitError> {
        let path = path(common_dir, cookie);
        // Whatever is there, a link of an agent's too, is replaced and not written to. A torn note says nothing, and
        // there are no locks yet.
        let _ = fs::remove_file(&path);
        let made = fs::File::create_new(&path).and_then(|mut file| file.write_all(text(planned).as_bytes()));
        made.map_err(GitError::io("write", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // One that stays says nothing of locks that are made later than a move takes.
        let _ = fs::remove_file(&self.0);
    }
}

fn path(common_dir: &Path, cookie: &str) -> PathBuf {
    let name: String = cookie.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    common_dir.join(format!("convoy-publish.{name}"))
}

fn text(planned: &PublishMove) -> String {
    format!("{MARK}{}\n{}\n", planned.to, planned.branch)
}

/// Removes the locks that the git of an earlier try at this move left. `git_dir`: the one whose HEAD may be on the
/// branch. The programs of that try must have ended.
///
/// # Errors
/// [`GitError::Io`].
pub(super) fn remove_locks(
    common_dir: &Path,
    git_dir: &Path,
    cookie: &str,
    planned: &PublishMove,
) -> Result<(), GitError> {
    let note = Note(path(common_dir, cookie));
    let written = match fs::symlink_metadata(&note.0).and_then(|about| about.modified()) {
        Ok(time) => time,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(GitError::io("look at", &note.0)(error)),
    };
    if read_file(&note.0, MOST).is_ok_and(|found| found == text(planned).into_bytes()) {
        for lock in [common_dir.join(format!("{}.lock", planned.branch)), git_dir.join("HEAD.lock")] {
            if is_left(&lock, written, planned.to.as_str()) {
                fs::remove_file(&lock).map_err(GitError::io("delete", &lock))?;
            }
        }
    }
    Ok(())
}

/// Whether a lock is one of the move whose note was written then.
fn is_left(lock: &Path, written: SystemTime, to: &str) -> bool {
    let made = fs::symlink_metadata(lock).ok().and_then(|about| about.modified().ok());
    let Some(Ok(after)) = made.map(|made| made.duration_since(written)) else { return false };
    after <= MOVE
        && read_file(lock, MOST).is_ok_and(|held| held.is_empty() || held.trim_ascii_end() == to.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Oid;

    const TO: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn planned(to: &str) -> PublishMove {
        let oid = |text: &str| Oid::new(text).expect("an id");
        let (branch, from) = ("refs/heads/main".to_owned(), oid(&"b".repeat(40)));
        PublishMove { branch, from, to: oid(to), checkout: None, lock: None }
    }

    /// A git directory in which a move was cut off, with these locks, made so many seconds after the note.
    fn cut_off(branch: Option<&str>, head: Option<&str>, after: i64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        std::mem::forget(Note::write(dir.path(), "convoy-1", &planned(TO)).expect("written"));
        let written = fs::metadata(path(dir.path(), "convoy-1")).and_then(|about| about.modified());
        let second = Duration::from_secs(after.unsigned_abs());
        let written = written.expect("a time");
        let made = if after < 0 { written - second } else { written + second };
        fs::create_dir_all(dir.path().join("refs/heads")).expect("a folder");
        for (name, content) in [("refs/heads/main.lock", branch), ("HEAD.lock", head)] {
            let Some(content) = content else { continue };
            fs::write(dir.path().join(name), content).expect("written");
            let file = fs::File::options().write(true).open(dir.path().join(name)).expect("it is there");
            file.set_modified(made).expect("set");
        }
        dir
    }

    fn left(dir: &Path) -> Vec<&'static str> {
        ["refs/heads/main.lock", "HEAD.lock"].into_iter().filter(|name| dir.join(name).exists()).collect()
    }

    #[test]
    fn locks_of_a_move_that_was_cut_off_are_removed_and_no_others() {
        let (both, none) = (vec!["refs/heads/main.lock", "HEAD.lock"], Vec::new());
        let line = format!("{TO}\n");
        let other = format!("{}\n", "c".repeat(40));
        let cases = [
            (Some(""), None, 0, none.clone()),
            (Some(TO), None, 0, none.clone()),
            (Some(line.as_str()), Some(""), 3, none.clone()),
            (None, Some(""), 0, none),
            (Some(other.as_str()), Some("ref: refs/heads/x\n"), 3, both.clone()),
            (Some(&TO[..20]), None, 0, vec!["refs/heads/main.lock"]),
            (Some(line.as_str()), Some(""), -1, both.clone()),
            (Some(line.as_str()), Some(""), 61, both),
        ];
        for (branch, head, after, expected) in cases {
            let dir = cut_off(branch, head, after);
            remove_locks(dir.path(), dir.path(), "convoy-1", &planned(TO)).expect("looks");
            assert_eq!(left(dir.path()), expected, "{branch:?} {head:?} {after}");
            assert!(!path(dir.path(), "convoy-1").exists(), "the note stays");
        }
    }

    #[test]
    fn without_a_note_of_this_move_nothing_is_removed() {
        for (cookie, to) in [("convoy-2", TO), ("convoy-1", &"d".repeat(40))] {
            let dir = cut_off(Some(""), Some(""), 0);
            remove_locks(dir.path(), dir.path(), cookie, &planned(to)).expect("looks");
            assert_eq!(left(dir.path()).len(), 2, "{cookie} {to}");
        }
    }

    #[test]
    fn a_move_that_ended_leaves_no_note_and_writes_through_no_link() {
        let dir = tempfile::tempdir().expect("a folder");
        let other = tempfile::NamedTempFile::new().expect("a file");
        std::os::unix::fs::symlink(other.path(), path(dir.path(), "convoy-1")).expect("linked");
        drop(Note::write(dir.path(), "convoy-1", &planned(TO)).expect("written"));
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
        assert_eq!(fs::read(other.path()).expect("read"), b"");
    }
}
