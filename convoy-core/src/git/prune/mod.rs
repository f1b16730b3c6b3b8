//! Refs that go, and what is reachable without them.

mod locks;
mod note;

use std::fs;
use std::io;
use std::path::Path;

use super::error::GitError;
use super::repository::Repository;
use crate::types::Oid;

impl Repository {
    /// Deletes refs, each if it is still at this object, all in one transaction: when one of them is not, none is deleted,
    /// and their names are given. A symbolic ref goes itself, never what it leads to. `of` says whose refs they are, for
    /// [`remove_deletion_locks`](Self::remove_deletion_locks) when this is cut off.
    ///
    /// # Errors
    /// [`GitError::Io`] where a link is in the place of a folder of theirs: what is behind it belongs to others.
    pub async fn delete_refs(&self, of: &str, refs: &[(String, Oid)]) -> Result<Vec<String>, GitError> {
        if refs.is_empty() {
            return Ok(Vec::new());
        }
        let mut input = Vec::new();
        for (name, value) in refs {
            self.has_no_links(name)?;
            input.extend_from_slice(format!("option no-deref\0delete {name}\0{value}\0").as_bytes());
        }
        let call = self.call("update-ref").durable().args(["-m", "prune", "-z", "--stdin"]);
        self.mark_deleting(of)?;
        let answer = self.run(call.stdin(input)).await;
        let unmarked = self.unmark_deleting(of, &answer);
        let answer = answer?;
        unmarked?;
        if answer.code == 0 {
            return Ok(Vec::new());
        }
        let mut moved = Vec::new();
        for (name, value) in refs {
            if self.ref_value(name).await?.as_ref() != Some(value) {
                moved.push(name.clone());
            }
        }
        if moved.is_empty() { Err(answer.failure()) } else { Ok(moved) }
    }

    /// Whether a branch, a tag or a branch of a remote has this commit.
    ///
    /// # Errors
    /// When there is no such commit.
    pub async fn is_on_a_branch(&self, commit: &Oid) -> Result<bool, GitError> {
        let call = self.call("for-each-ref").args(["--count=1", "--format=%(refname)", "--contains"]);
        let call = call.arg(commit.as_str()).args(["refs/heads", "refs/remotes", "refs/tags"]);
        Ok(!self.ok(call).await?.stdout.is_empty())
    }

    /// Whoever works here may have put a link to other refs, or to their logs, in the place of a folder.
    fn has_no_links(&self, name: &str) -> Result<(), GitError> {
        for root in [self.common_dir().to_owned(), self.common_dir().join("logs")] {
            let (own, mut path) = (root.join("refs"), root);
            for part in Path::new(name).components() {
                path.push(part);
                match fs::symlink_metadata(&path) {
                    // Where git's own folder of all refs is, is for its owner to say.
                    Ok(found) if found.is_symlink() && path != own => {
                        let why = "it is a link, and what is behind it belongs to others; remove it, then try again";
                        return Err(GitError::io("delete what is in", &path)(io::Error::other(why)));
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) => return Err(GitError::io("look at", &path)(error)),
                }
            }
        }
        Ok(())
    }
}

/// What stands for those whose refs they are in the name of a file.
fn file_name(of: &str) -> String {
    of.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
