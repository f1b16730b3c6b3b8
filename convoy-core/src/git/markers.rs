//! Conflict markers in the files of a worktree.
//!
//! A filter may store elsewhere what is in a file (Git LFS): its tree has a pointer then, in which no marker is.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::error::GitError;
use super::plain::Disk;
use super::repository::{Repository, show_path};

/// How much of a file is looked at at once, in bytes.
const CHUNK: u64 = 256 * 1024;

/// The line end before a marker, the marker, and what ends it.
static MARKER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)\n(?:<{7}|[|]{7}|>{7})[ \n]").expect("the pattern is constant and tested")
});

/// One byte less than a marker with the line end before it and what ends it.
const SHORT: usize = 8;

impl Repository {
    /// Those of `paths` whose file in a worktree has a line that starts a conflict marker, as
    /// [`conflict_markers`](Self::conflict_markers) looks for them in a tree. What is no file, or lies behind a link, is not
    /// looked at.
    pub async fn marked_files(&self, worktree: &Path, paths: &[PathBuf]) -> Result<Vec<String>, GitError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let (root, paths) = (self.worktree(worktree).await?.root, paths.to_vec());
        let look = move || -> io::Result<Vec<String>> {
            let mut disk = Disk::open(&root)?;
            let mut marked = Vec::new();
            for path in paths.iter().map(|path| path.as_os_str().as_bytes()) {
                if disk.is_file(path) && is_marked(disk.open_file(path)?)? {
                    marked.push(show_path(path));
                }
            }
            Ok(marked)
        };
        let looked = tokio::task::spawn_blocking(look).await;
        looked.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(GitError::io("read", worktree))
    }
}

/// Whether a file holds a marker. It may be larger than the memory.
fn is_marked(file: File) -> io::Result<bool> {
    // Between two line ends its first line is like any, and so is its last.
    let mut text = b"\n".chain(file).chain(&b"\n"[..]);
    let mut seen = Vec::new();
    loop {
        let known = seen.len();
        text.by_ref().take(CHUNK).read_to_end(&mut seen)?;
        if seen.len() == known {
            return Ok(false);
        }
        if MARKER.is_match(&seen) {
            return Ok(true);
        }
        // It may begin here and end in the next part.
        seen.drain(..seen.len().saturating_sub(SHORT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::{Scratch, write};

    #[tokio::test]
    async fn markers_are_found_wherever_they_lie_in_a_file() {
        let s = Scratch::new().await;
        let commit = s.write("a", "1\n").commit("base").await;
        let root = s.outside().join("wt");
        s.repo.add_worktree(&root, &commit).await.expect("makes");
        let chunk = usize::try_from(CHUNK).expect("fits");
        let mut marked = vec![("first", "<<<<<<< a\nb".to_owned()), ("last", "a\n>>>>>>>".to_owned())];
        let names: Vec<String> = (0..12).map(|n| format!("at{n:02}")).collect();
        marked.extend(
            names.iter().enumerate().map(|(n, name)| {
                (name.as_str(), format!("{}\n||||||| base\nb\n", "a".repeat(chunk - 12 + n)))
            }),
        );
        let others = ["", "<<<<<<", "a <<<<<<< b\n", "=======\n", "<<<<<<<<\n"];
        let mut paths = vec![PathBuf::from("absent"), "link".into(), "folder".into(), "linked/first".into()];
        for (name, text) in &marked {
            write(&root, name, text);
            paths.push(name.into());
        }
        for (n, text) in others.iter().enumerate() {
            write(&root, &format!("other{n}"), text);
            paths.push(format!("other{n}").into());
        }
        write(&root, "folder/file", "<<<<<<< a\n");
        std::os::unix::fs::symlink("first", root.join("link")).expect("links");
        std::os::unix::fs::symlink(".", root.join("linked")).expect("links");
        let found = s.repo.marked_files(&root, &paths).await.expect("looks");
        assert_eq!(found, marked.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert_eq!(s.repo.marked_files(&root, &[]).await.expect("looks"), [""; 0]);
    }
}
