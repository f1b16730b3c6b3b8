//! The symbolic links of a tree.

use std::path::{Path, PathBuf};

use super::error::GitError;
use super::repository::{Repository, path_of};
use crate::types::Oid;

/// The longest path that a system takes; the target of a link is one.
pub(super) const LONGEST_TARGET: usize = 4096;

/// A symbolic link of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeLink {
    /// Its path from the root.
    pub path: Vec<u8>,
    /// Where it leads, as it is written; `None` when that is longer than any path may be.
    pub target: Option<Vec<u8>>,
}

impl Repository {
    /// Every symbolic link of a commit or tree.
    pub async fn tree_links(&self, tree: &Oid) -> Result<Vec<TreeLink>, GitError> {
        let wanted = tree.clone();
        if let Some(links) = self.try_fast("ls-tree", move |at| at.tree_links(&wanted)).await? {
            return Ok(links);
        }
        let answer = self.ok(self.call("ls-tree").args(["-r", "-z", "--full-tree", tree.as_str()])).await?;
        let links = answer.fields().filter_map(|field| {
            let at = field.iter().position(|byte| *byte == b'\t')?;
            let id = field[..at].strip_prefix(b"120000 blob ")?;
            Some((field[at + 1..].to_vec(), String::from_utf8_lossy(id).into_owned()))
        });
        let (paths, ids): (Vec<_>, Vec<_>) = links.unzip();
        let targets = self.small_blobs(&ids, LONGEST_TARGET).await?;
        Ok(paths.into_iter().zip(targets).map(|(path, target)| TreeLink { path, target }).collect())
    }

    /// The symbolic links of a worktree that are new or that took the place of what the index has. What git ignores is
    /// not looked at, nor what lies at `left_out` paths.
    pub async fn changed_links(
        &self,
        worktree: &Path,
        left_out: &[PathBuf],
    ) -> Result<Vec<TreeLink>, GitError> {
        let files = self.worktree(worktree).await?;
        let call = files.call("ls-files").args(["-o", "-m", "-z", "--exclude-standard"]);
        let listed = self.ok(call).await?;
        let mut links = Vec::new();
        for path in listed.fields().filter(|path| !left_out.iter().any(|out| path_of(path).starts_with(out)))
        {
            // Anything but a link cannot be read as one.
            let Ok(target) = std::fs::read_link(files.root.join(path_of(path))) else { continue };
            let target = Some(target.into_os_string().into_encoded_bytes());
            links.push(TreeLink { path: path.to_vec(), target });
        }
        links.dedup_by(|one, other| one.path == other.path);
        Ok(links)
    }

    /// The content of each of these blobs; `None` for one that is larger than `most` bytes.
    async fn small_blobs(&self, ids: &[String], most: usize) -> Result<Vec<Option<Vec<u8>>>, GitError> {
        let sizes = self.blob_sizes(ids).await?;
        let small = |size: &u64| usize::try_from(*size).is_ok_and(|size| size < most);
        let wanted = ids.iter().zip(&sizes).filter(|(_, size)| small(size));
        let list: String = wanted.map(|(id, _)| format!("{id}\n")).collect();
        if list.is_empty() {
            return Ok(vec![None; ids.len()]);
        }
        let answer = self.ok(self.call("cat-file").arg("--batch=%(objectsize)").stdin(list)).await?;
        let unexpected = || GitError::unexpected("cat-file", &answer.stdout);
        let mut rest = answer.stdout.as_slice();
        let mut contents = Vec::with_capacity(ids.len());
        for size in &sizes {
            if !small(size) {
                contents.push(None);
                continue;
            }
            let length = usize::try_from(*size).map_err(|_| unexpected())?;
            let head = rest.iter().position(|byte| *byte == b'\n').ok_or_else(unexpected)?;
            let content = rest.get(head + 1..head + 1 + length).ok_or_else(unexpected)?;
            contents.push(Some(content.to_vec()));
            rest = rest.get(head + length + 2..).ok_or_else(unexpected)?;
        }
        Ok(contents)
    }

    /// The size of each of these objects in bytes.
    pub(super) async fn blob_sizes(&self, ids: &[String]) -> Result<Vec<u64>, GitError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = ids.to_vec();
        if let Some(sizes) = self.try_fast("cat-file", move |at| at.blob_sizes(&wanted)).await? {
            return Ok(sizes);
        }
        let list: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let answer = self.ok(self.call("cat-file").arg("--batch-check=%(objectsize)").stdin(list)).await?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let sizes: Option<Vec<u64>> = text.lines().map(|line| line.parse().ok()).collect();
        match sizes {
            Some(sizes) if sizes.len() == ids.len() => Ok(sizes),
            _ => Err(GitError::unexpected("cat-file", &answer.stdout)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::{Scratch, both_backends};

    both_backends! {
        links_are_told_with_their_targets_and_files_are_not,
        links_that_were_made_since_are_told_unless_git_ignores_them,
        a_target_that_is_no_path_is_not_read,
    }

    async fn links_are_told_with_their_targets_and_files_are_not() {
        let s = Scratch::new().await;
        s.write("file", "x").write("dir/other", "x");
        s.link("one", "dir/other").link("dir/two\nlines", "../a\nb");
        let commit = s.commit("links").await;
        assert_eq!(s.repo.tree_links(&s.repo.empty_tree()).await.expect("lists"), []);
        let link = |path: &str, target: &str| TreeLink { path: path.into(), target: Some(target.into()) };
        let wanted = [link("dir/two\nlines", "../a\nb"), link("one", "dir/other")];
        assert_eq!(s.repo.tree_links(&commit).await.expect("lists"), wanted);
    }

    async fn links_that_were_made_since_are_told_unless_git_ignores_them() {
        let s = Scratch::new().await;
        s.write("file", "x").write("other", "x").write(".gitignore", "ignored\n").link("old", "file");
        s.commit("links").await;
        let left_out = [PathBuf::from("copied")];
        assert_eq!(s.repo.changed_links(&s.root, &left_out).await.expect("lists"), []);
        s.write("new file", "x").write("dir/x", "x").write("ignored/x", "x").write("copied/x", "x");
        s.remove("file");
        s.link("file", "/etc").link("dir/new", "..").link("ignored/out", "/etc").link("copied/out", "/etc");
        let link = |path: &str, target: &str| TreeLink { path: path.into(), target: Some(target.into()) };
        let found = s.repo.changed_links(&s.root, &left_out).await.expect("lists");
        assert_eq!(found, [link("dir/new", ".."), link("file", "/etc")]);
    }

    async fn a_target_that_is_no_path_is_not_read() {
        let s = Scratch::new().await;
        s.write("long", &"x".repeat(5000)).write("short", "y");
        s.commit("files").await;
        let ids = s.git(&["rev-parse", "HEAD:long", "HEAD:short"]).await;
        let ids: Vec<&str> = ids.lines().collect();
        let (long, short) = (format!("120000,{},a", ids[0]), format!("120000,{},b", ids[1]));
        s.git(&["update-index", "--add", "--cacheinfo", &long, "--cacheinfo", &short]).await;
        let tree = Oid::new(s.git(&["write-tree"]).await).expect("an id");
        let links = s.repo.tree_links(&tree).await.expect("lists");
        let found: Vec<_> = links.iter().map(|link| link.target.as_deref()).collect();
        assert_eq!(found, [None, Some(&b"y"[..])]);
    }
}
