//! Keeping a folder out of everybody's `git status`.

use std::io;

use super::error::GitError;
use super::files::replace_file;
use super::repository::Repository;

impl Repository {
    /// Makes git ignore a folder in the root of every worktree, by the repository's own exclude file, never by
    /// one that is committed. Everything else in that file stays; once is enough.
    pub fn exclude_from_status(&self, folder: &str) -> Result<(), GitError> {
        let info = self.common_dir().join("info");
        let path = info.join("exclude");
        let mut content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(GitError::io("read", &path)(error)),
        };
        let line = format!("/{folder}/");
        if content.split(|&b| b == b'\n').any(|found| found == line.as_bytes()) {
            return Ok(());
        }
        if content.last().is_some_and(|&b| b != b'\n') {
            content.push(b'\n');
        }
        content.extend_from_slice(line.as_bytes());
        content.push(b'\n');
        std::fs::create_dir_all(&info).map_err(GitError::io("create", &info))?;
        replace_file(&path, &content)
    }
}

#[cfg(test)]
mod tests {
    use crate::git::testing::{Scratch, both_backends};

    both_backends! {
        the_folder_is_ignored_once_and_the_rest_of_the_file_stays,
    }

    async fn the_folder_is_ignored_once_and_the_rest_of_the_file_stays() {
        let s = Scratch::new().await;
        s.write(".git/info/exclude", "# mine\n*.o").write(".state/x", "1").write("sub/.state/x", "1");
        for _ in 0..2 {
            s.repo.exclude_from_status(".state").expect("writes");
        }
        assert_eq!(s.read(".git/info/exclude"), "# mine\n*.o\n/.state/\n");
        assert_eq!(s.git(&["status", "--porcelain"]).await, "?? sub/");
        std::fs::remove_dir_all(s.root.join(".git/info")).expect("removes");
        s.repo.exclude_from_status(".state").expect("writes");
        assert_eq!(s.read(".git/info/exclude"), "/.state/\n");
    }
}
