//! Entries of an index that git is told not to look at.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::PoisonError;

use super::call::{Call, Files};
use super::error::GitError;
use super::files::{exists, replace_file};
use super::repository::{Repository, path_of};

/// Which files a worktree had when it was filled.
enum Filled {
    /// All of its commit.
    All,
    /// These: the user has a sparse checkout, which it took over.
    Some(HashSet<Vec<u8>>),
    /// Nobody noted it.
    Unknown,
}

impl Repository {
    /// Makes git look again at all files of an index whose entries are marked to be skipped (`skip-worktree`): whoever
    /// worked in the worktree may have marked any, and what became of their files would go unseen. Only those stay as
    /// they are that the worktree never had, because the user had a sparse checkout when it was filled: whatever was
    /// configured since, by the user or by anybody else, says nothing about them.
    pub(super) async fn unskip(
        &self,
        files: &Files,
        call: &impl Fn(&'static str) -> Call,
    ) -> Result<(), GitError> {
        let listed = self.ok(call("ls-files").args(["-t", "-z"])).await?;
        let skipped = listed.fields().filter_map(|entry| entry.strip_prefix(b"S "));
        let is_there = |path: &&[u8]| exists(&files.root.join(path_of(path)));
        let (mut unskip, mut away): (Vec<&[u8]>, Vec<&[u8]>) = skipped.partition(is_there);
        if !away.is_empty() {
            match self.filled(files)? {
                Filled::All => {}
                Filled::Some(had) => away.retain(|path| had.contains(*path)),
                Filled::Unknown if self.is_sparse().await? => away.clear(),
                Filled::Unknown => {}
            }
            unskip.extend(away);
        }
        if unskip.is_empty() {
            return Ok(());
        }
        let paths = unskip.iter().flat_map(|path| [path, &b"\0"[..]].concat()).collect::<Vec<u8>>();
        let clear = call("update-index").args(["--no-skip-worktree", "-z", "--stdin"]);
        self.ok(clear.stdin(paths)).await.map(drop)
    }

    /// Notes which files a worktree has, now that it was filled.
    pub(super) async fn note_filled(&self, files: &Files) -> Result<(), GitError> {
        let mut had = Vec::new();
        if self.is_sparse().await? {
            let listed = self.ok(files.call("ls-files").args(["-t", "-z"])).await?;
            // An empty path in front tells a list from none.
            had.push(0);
            for path in listed.fields().filter_map(|entry| entry.strip_prefix(b"H ")) {
                had.extend_from_slice(path);
                had.push(0);
            }
        }
        replace_file(&note(files), &had)?;
        self.inner.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(files.git_dir.clone(), had);
        Ok(())
    }

    /// Which files a worktree had. What this process noted counts before the file: whoever works in the worktree may
    /// write that.
    fn filled(&self, files: &Files) -> Result<Filled, GitError> {
        let noted =
            self.inner.noted.lock().unwrap_or_else(PoisonError::into_inner).get(&files.git_dir).cloned();
        let had = match noted {
            Some(had) => had,
            None => match fs::read(note(files)) {
                Ok(had) => had,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Filled::Unknown),
                Err(error) => return Err(GitError::io("read", &note(files))(error)),
            },
        };
        if had.is_empty() {
            return Ok(Filled::All);
        }
        Ok(Filled::Some(had.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()))
    }

    /// Whether worktrees are made with a part of the files only, as the repository itself is configured: what a
    /// worktree says of itself is not asked.
    async fn is_sparse(&self) -> Result<bool, GitError> {
        let call = self.call("config").args(["--type=bool", "--get", "core.sparseCheckout"]);
        let answer = self.run(call).await?;
        // Code 1: it is not set.
        Ok(answer.code == 0 && answer.line()? == "true")
    }
}

/// The file with the note, among those that git keeps of the worktree.
fn note(files: &Files) -> PathBuf {
    files.git_dir.join("convoy-filled")
}
