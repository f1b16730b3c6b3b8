//! After a crash: telling the files that were already written from those a person changed.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::way::{Pair, parse_pairs};
use crate::git::call::{Call, Files};
use crate::git::error::GitError;
use crate::git::files::{IndexCopy, exists};
use crate::git::repository::Repository;
use crate::types::Oid;

impl Repository {
    /// Enters into a copy of the index those of the changing paths whose file is already as in `to`, so that
    /// they no longer count as local changes, and gives the tree that the change starts from then. A file that holds only the beginning of its new content was cut
    /// off while it was written: it is deleted, to be written again. Nothing that is not part of `to` is lost.
    pub(super) async fn adopt(
        &self,
        files: &Files,
        index: &Path,
        (from, to): (&Oid, &Oid),
        changing: &[Pair],
    ) -> Result<Oid, GitError> {
        let other = self.not_yet_new(files, changing).await?;
        let mut info = Vec::new();
        let mut entered = Vec::new();
        for pair in changing {
            match &pair.new {
                // Entries that go come first: a folder may take the place of a file.
                None if !exists(&files.root.join(&pair.path)) => {
                    let zero = self.inner.format.zero();
                    info.extend_from_slice(format!("0 {zero}\t").as_bytes());
                    info.extend_from_slice(pair.path.as_os_str().as_bytes());
                    info.push(0);
                }
                Some(new) if !other.contains(&pair.path) => {
                    entered.extend_from_slice(format!("{} {}\t", new.mode, new.id).as_bytes());
                    entered.extend_from_slice(pair.path.as_os_str().as_bytes());
                    entered.push(0);
                }
                Some(new) if new.mode.starts_with("100") => {
                    self.drop_if_cut_off(files, to, &pair.path).await?
                }
                _ => {}
            }
        }
        info.extend_from_slice(&entered);
        let scratch = IndexCopy::empty(&files.git_dir, "adopt");
        self.ok(files.call("read-tree").index(scratch.path()).arg(from.as_str())).await?;
        for index in [index, scratch.path()] {
            let call = files.call("update-index").index(index).args(["-z", "--index-info"]);
            self.ok(call.stdin(info.clone())).await?;
        }
        self.refresh(files, index).await?;
        self.ok(files.call("write-tree").index(scratch.path())).await?.oid()
    }

    /// The paths that are to be there and whose file is not as in `to`.
    async fn not_yet_new(&self, files: &Files, changing: &[Pair]) -> Result<HashSet<PathBuf>, GitError> {
        let scratch = IndexCopy::empty(&files.git_dir, "adopt");
        let call = |what| -> Call { files.call(what).index(scratch.path()) };
        let mut info = Vec::new();
        for pair in changing {
            if let Some(new) = &pair.new {
                info.extend_from_slice(format!("{} {}\t", new.mode, new.id).as_bytes());
                info.extend_from_slice(pair.path.as_os_str().as_bytes());
                info.push(0);
            }
        }
        self.ok(call("update-index").args(["-z", "--index-info"]).stdin(info)).await?;
        self.refresh(files, scratch.path()).await?;
        let differ = call("diff-files").args(["-z", "--raw", "--no-renames", "--ignore-submodules=all"]);
        Ok(parse_pairs(&self.ok(differ).await?)?.into_iter().map(|pair| pair.path).collect())
    }

    /// Brings the file times of an index up to date.
    pub(super) async fn refresh(&self, files: &Files, index: &Path) -> Result<(), GitError> {
        let call = files.call("update-index").index(index).args(["-q", "--really-refresh"]);
        // Exit code 1 says that some files differ.
        let answer = self.run(call).await?;
        if matches!(answer.code, 0 | 1) { Ok(()) } else { Err(answer.failure()) }
    }

    async fn drop_if_cut_off(&self, files: &Files, to: &Oid, path: &Path) -> Result<(), GitError> {
        let at = files.root.join(path);
        // Through a link it would be somebody else's file.
        let linked = path.ancestors().skip(1).any(|above| files.root.join(above).is_symlink());
        if linked || !fs::symlink_metadata(&at).is_ok_and(|found| found.is_file()) {
            return Ok(());
        }
        let mut object = std::ffi::OsString::from(format!("{to}:"));
        object.push(path);
        let whole = self.ok(files.call("cat-file").arg("--filters").arg(object)).await?.stdout;
        let part = fs::read(&at).map_err(GitError::io("read", &at))?;
        if part.len() < whole.len() && whole.starts_with(&part) {
            fs::remove_file(&at).map_err(GitError::io("delete", &at))?;
        }
        Ok(())
    }
}
