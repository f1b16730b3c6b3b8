//! What is at paths of a tree.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use git2::ObjectType;
use regex::bytes::Regex;

use super::trees::Entry;
use super::{Handle, NotMine, oid, raw};
use crate::git::diff::FileKind;
use crate::git::links::{LONGEST_TARGET, TreeLink};
use crate::git::repository::show_path;
use crate::types::Oid;

/// Larger objects are left to the git program, which need not have them in memory whole; in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// Most trees that are remembered to have no links.
const MOST_REMEMBERED: usize = 200_000;

/// A line that starts a conflict marker.
static MARKER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m-u)^(?:<{7}|[|]{7}|>{7})(?: |$)").ok());

/// Whether a path goes straight to a file, so that it means the same however it is read.
fn is_plain(path: &[u8]) -> bool {
    !path.split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."))
}

impl Handle<'_> {
    /// The tree of a commit, or the tree itself.
    pub(in crate::git) fn tree(&self, id: &Oid) -> Result<git2::Oid, NotMine> {
        Ok(self.repo.find_object(raw(id)?, None)?.peel_to_tree()?.id())
    }

    fn plain_entry(&self, tree: git2::Oid, path: &[u8]) -> Result<Option<Entry>, NotMine> {
        if is_plain(path) { self.entry_at(tree, path) } else { Err(NotMine) }
    }

    /// What is at these paths of a commit, without folders.
    pub(in crate::git) fn entries_at(
        &self,
        commit: &Oid,
        paths: &[String],
    ) -> Result<BTreeMap<String, (FileKind, Oid)>, NotMine> {
        let tree = self.tree(commit)?;
        let mut found = BTreeMap::new();
        for path in paths {
            let Some(entry) = self.plain_entry(tree, path.as_bytes())? else { continue };
            if let Some(kind) = FileKind::of(format!("{:o}", entry.mode).as_bytes()) {
                found.insert(path.clone(), (kind, oid(entry.id)?));
            }
        }
        Ok(found)
    }

    /// The start of a file of a commit; `None` when no file is at that path.
    pub(in crate::git) fn file_at(
        &self,
        commit: &Oid,
        path: &str,
        max: usize,
    ) -> Result<Option<Vec<u8>>, NotMine> {
        let Some(entry) = self.plain_entry(self.tree(commit)?, path.as_bytes())? else { return Ok(None) };
        if entry.kind() != 0o100_000 {
            return Ok(None);
        }
        let mut content = self.content(entry.id, LARGEST)?;
        content.truncate(max);
        Ok(Some(content))
    }

    /// The content of a file; `None` when it has more than `max` bytes.
    pub(in crate::git) fn blob(&self, id: &Oid, max: usize) -> Result<Option<Vec<u8>>, NotMine> {
        let id = raw(id)?;
        let (size, kind) = self.repo.odb()?.read_header(id)?;
        if kind == ObjectType::Blob && size > max {
            return Ok(None);
        }
        self.content(id, LARGEST).map(Some)
    }

    /// The size of each of these objects in bytes.
    pub(in crate::git) fn blob_sizes(&self, ids: &[String]) -> Result<Vec<u64>, NotMine> {
        let odb = self.repo.odb()?;
        ids.iter().map(|id| Ok(odb.read_header(git2::Oid::from_str(id)?)?.0 as u64)).collect()
    }

    /// Those of these paths of a tree that hold a conflict marker, in git's order.
    pub(in crate::git) fn conflict_markers(
        &self,
        tree: &Oid,
        paths: &[PathBuf],
    ) -> Result<Vec<String>, NotMine> {
        let (tree, marker) = (self.tree(tree)?, MARKER.as_ref().ok_or(NotMine)?);
        let mut paths: Vec<&[u8]> = paths.iter().map(|path| path.as_os_str().as_bytes()).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut marked = Vec::new();
        for path in paths {
            let Some(entry) = self.plain_entry(tree, path)? else { continue };
            match FileKind::of(format!("{:o}", entry.mode).as_bytes()) {
                Some(FileKind::File | FileKind::Executable) => {
                    if marker.is_match(&self.content(entry.id, LARGEST)?) {
                        marked.push(show_path(path));
                    }
                }
                Some(FileKind::Symlink | FileKind::Submodule) => {}
                // git would look at all that is in a folder.
                None => return Err(NotMine),
            }
        }
        Ok(marked)
    }

    /// Every symbolic link of a commit or tree, in git's order.
    pub(in crate::git) fn tree_links(&self, tree: &Oid) -> Result<Vec<TreeLink>, NotMine> {
        let mut links = Vec::new();
        self.links_in(self.tree(tree)?, b"", &mut links)?;
        Ok(links)
    }

    fn links_in(&self, tree: git2::Oid, within: &[u8], links: &mut Vec<TreeLink>) -> Result<(), NotMine> {
        if self.linkless.borrow().contains(&tree) {
            return Ok(());
        }
        let before = links.len();
        for named in self.entries(Some(tree))? {
            let path = [within, &named.key].concat();
            if named.entry.is_folder() {
                self.links_in(named.entry.id, &path, links)?;
            } else if named.entry.mode == 0o120_000 {
                let (size, _) = self.repo.odb()?.read_header(named.entry.id)?;
                let read = (size < LONGEST_TARGET).then(|| self.content(named.entry.id, LONGEST_TARGET));
                links.push(TreeLink { path, target: read.transpose()? });
            }
        }
        if links.len() == before {
            remember(&mut self.linkless.borrow_mut(), tree);
        }
        Ok(())
    }
}

/// What a tree holds never changes.
fn remember(linkless: &mut HashSet<git2::Oid>, tree: git2::Oid) {
    if linkless.len() >= MOST_REMEMBERED {
        linkless.clear();
    }
    linkless.insert(tree);
}
