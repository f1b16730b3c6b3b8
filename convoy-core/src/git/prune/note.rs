//! The note of the refs that are about to be deleted, for whoever goes on when that was cut off.
//!
//! It says which refs were looked at, and where they were: what is not so any more was changed by somebody.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::{file_name, remove};
use crate::git::error::GitError;
use crate::git::files::read_file;
use crate::git::repository::Repository;
use crate::git::sync::sync;
use crate::types::Oid;

/// How the file begins.
const MARK: &str = "convoy deletes refs 1\n";

/// How its name begins; that of those whose refs they are follows.
const NAME: &str = "convoy-prune.";

/// Its longest content, in bytes: more refs than anybody has.
const MOST: u64 = 1 << 30;

impl Repository {
    /// Writes down which refs are about to be deleted, and where they are, so that it survives a power cut. `of` says
    /// whose refs they are; what was written for the same before is replaced.
    ///
    /// # Errors
    /// [`GitError::Io`].
    pub fn note_deletion(&self, of: &str, refs: &[(String, Oid)]) -> Result<(), GitError> {
        let path = self.deletion_note(of);
        let mut text = MARK.to_owned();
        for (name, value) in refs {
            text.push_str(&format!("{value} {name}\n"));
        }
        // Made beside it and moved into its place: a torn one would tell of refs that nobody has looked at. Whatever is
        // there, a link of an agent's too, is replaced and not written to.
        let new = path.with_added_extension("new");
        let written = || {
            remove(&new)?;
            let mut file = fs::File::create_new(&new)?;
            file.write_all(text.as_bytes())?;
            sync(&file, &new)?;
            fs::rename(&new, &path)?;
            sync(&fs::File::open(self.common_dir())?, self.common_dir())
        };
        written().map_err(GitError::io("write", &path))
    }

    /// The refs that were written down by [`note_deletion`](Self::note_deletion); `None`: nothing was, or it is
    /// forgotten, or it cannot be read.
    pub fn noted_deletion(&self, of: &str) -> Option<Vec<(String, Oid)>> {
        let content = read_file(&self.deletion_note(of), MOST).ok()?;
        let text = String::from_utf8(content).ok()?;
        let line = |line: &str| {
            let (value, name) = line.split_once(' ')?;
            Some((name.to_owned(), Oid::new(value).ok()?))
        };
        text.strip_prefix(MARK)?.lines().map(line).collect()
    }

    /// Forgets what was written down by [`note_deletion`](Self::note_deletion).
    ///
    /// # Errors
    /// [`GitError::Io`].
    pub fn forget_deletion(&self, of: &str) -> Result<(), GitError> {
        let path = self.deletion_note(of);
        remove(&path).map_err(GitError::io("delete", &path))
    }

    fn deletion_note(&self, of: &str) -> PathBuf {
        self.common_dir().join(format!("{NAME}{}", file_name(of)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::Scratch;

    #[tokio::test]
    async fn a_note_says_what_was_looked_at_and_is_written_through_no_link() {
        let s = Scratch::new().await;
        let oid = s.commit("one").await;
        let outside = s.outside().join("theirs");
        fs::write(&outside, "mine\n").expect("written");
        for name in ["convoy-prune.a", "convoy-prune.a.new"] {
            std::os::unix::fs::symlink(&outside, s.repo.common_dir().join(name)).expect("linked");
        }
        assert_eq!(s.repo.noted_deletion("a"), None);
        let refs = vec![("refs/convoy/a/x".to_owned(), oid.clone()), ("refs/convoy/a/y z".to_owned(), oid)];
        s.repo.note_deletion("a", &refs).expect("noted");
        assert_eq!(s.repo.noted_deletion("a"), Some(refs));
        assert_eq!(s.repo.noted_deletion("b"), None);
        s.repo.forget_deletion("a").expect("forgotten");
        s.repo.forget_deletion("a").expect("again");
        assert_eq!(s.repo.noted_deletion("a"), None);
        assert_eq!(fs::read_to_string(&outside).expect("is there"), "mine\n");
    }
}
