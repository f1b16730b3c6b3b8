//! Entries of an index that git is told not to look at.

use super::call::{Call, Files};
use super::error::GitError;
use super::files::exists;
use super::repository::{Repository, path_of};

impl Repository {
    /// Makes git look again at all files of an index whose entries are marked to be skipped (`skip-worktree`): whoever
    /// worked in the worktree may have marked any, and what became of their files would go unseen. Only those that
    /// are not there because the user has a sparse checkout stay as they are.
    pub(super) async fn unskip(
        &self,
        files: &Files,
        call: &impl Fn(&'static str) -> Call,
    ) -> Result<(), GitError> {
        let listed = self.ok(call("ls-files").args(["-t", "-z"])).await?;
        let skipped = listed.fields().filter_map(|entry| entry.strip_prefix(b"S "));
        let is_there = |path: &&[u8]| exists(&files.root.join(path_of(path)));
        let (mut unskip, away): (Vec<&[u8]>, Vec<&[u8]>) = skipped.partition(is_there);
        if !away.is_empty() && !self.is_sparse().await? {
            unskip.extend(away);
        }
        if unskip.is_empty() {
            return Ok(());
        }
        let paths = unskip.iter().flat_map(|path| [path, &b"\0"[..]].concat()).collect::<Vec<u8>>();
        let clear = call("update-index").args(["--no-skip-worktree", "-z", "--stdin"]);
        self.ok(clear.stdin(paths)).await.map(drop)
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
