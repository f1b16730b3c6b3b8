//! Merging two trees where nothing but whole files has to be chosen.
//!
//! # Why the result is git's
//! git merges two commits that have one best common ancestor (the base) path by path, once it has paired the paths
//! that a side took away with paths that the side added: renames, and from these renames of folders. A *touched* path
//! is one whose entry (kind and object) is another on a side than in the base. [`Handle::splice`] answers only when
//!
//! 1. there is exactly one best common ancestor, so that none has to be made up from several;
//! 2. no side both adds and takes away paths. Every rename, exact or by likeness, of a file or derived for a folder,
//!    has a path that is gone and one that is new on the same side: so there is none;
//! 3. no path that one side touched is a path that the other touched, or above or below one. Then no path is wanted
//!    as a file by one side and as a folder by the other: a folder that a side wants where the base has a file means
//!    that the side took the file away and added what is below, which 2 excludes; and where the base has nothing, both
//!    paths are touched;
//! 4. no touched path is a submodule, which git compares by its history.
//!
//! Without renames and without such meetings every path is, on at least one side, what it is in the base, and git takes
//! the other side's entry as it is: content is never merged, so neither attributes nor merge drivers nor settings of
//! the merge are asked for. The tree made of these entries is canonical (order, modes, no empty folders), so that it
//! has the same id. Anything else is [`NotMine`], and git merges.

use std::collections::BTreeSet;

use super::trees::{Changed, Entry, Named, SUBMODULE};
use super::{Handle, NotMine, oid, raw};
use crate::types::Oid;

impl Handle<'_> {
    /// The tree of the merge of two commits.
    pub(in crate::git) fn splice(&self, ours: &Oid, theirs: &Oid) -> Result<Oid, NotMine> {
        let base = self.merge_base(ours, theirs)?.ok_or(NotMine)?;
        self.splice_from(&base, ours, theirs)
    }

    /// The same with a base that was chosen.
    pub(in crate::git) fn splice_from(&self, base: &Oid, ours: &Oid, theirs: &Oid) -> Result<Oid, NotMine> {
        let tree = |id: &Oid| Ok::<_, NotMine>(self.repo.find_commit(raw(id)?)?.tree_id());
        let (base, ours, theirs) = (tree(base)?, tree(ours)?, tree(theirs)?);
        let [one, other] = [ours, theirs].map(|side| self.differences(Some(base), Some(side)));
        let (one, other) = (one?, other?);
        if !(is_simple(&one) && is_simple(&other) && are_apart(&one, &other)) {
            return Err(NotMine);
        }
        match self.join(Some(base), Some(ours), Some(theirs))? {
            Some(tree) => oid(tree),
            None => oid(self.write_tree(&[])?),
        }
    }

    /// The tree with what either side has changed; `None` when nothing is left in it.
    fn join(
        &self,
        base: Option<git2::Oid>,
        ours: Option<git2::Oid>,
        theirs: Option<git2::Oid>,
    ) -> Result<Option<git2::Oid>, NotMine> {
        if ours == base || theirs == base {
            return Ok(if ours == base { theirs } else { ours });
        }
        let sides = [self.entries(base)?, self.entries(ours)?, self.entries(theirs)?];
        let keys: BTreeSet<&[u8]> = sides.iter().flatten().map(|named| named.key.as_slice()).collect();
        let mut joined = Vec::with_capacity(keys.len());
        for key in keys {
            let [base, ours, theirs] = sides.each_ref().map(|entries| find(entries, key));
            let entry = if ours == base {
                theirs
            } else if theirs == base {
                ours
            } else if key.ends_with(b"/") {
                let id = |entry: Option<Entry>| entry.map(|entry| entry.id);
                let mode = super::trees::FOLDER;
                self.join(id(base), id(ours), id(theirs))?.map(|id| Entry { mode, id })
            } else {
                return Err(NotMine);
            };
            joined.extend(entry.map(|entry| Named { key: key.to_vec(), entry }));
        }
        if joined.is_empty() { Ok(None) } else { self.write_tree(&joined).map(Some) }
    }
}

fn find(entries: &[Named], key: &[u8]) -> Option<Entry> {
    entries.binary_search_by(|named| named.key.as_slice().cmp(key)).ok().map(|at| entries[at].entry)
}

/// Whether a side can hold no rename, and no change of a submodule.
fn is_simple(side: &[Changed]) -> bool {
    let is_submodule = |entry: Option<Entry>| entry.is_some_and(|entry| entry.mode == SUBMODULE);
    let adds = side.iter().any(|changed| changed.old.is_none());
    let takes = side.iter().any(|changed| changed.new.is_none());
    let links = side.iter().any(|changed| is_submodule(changed.old) || is_submodule(changed.new));
    !(adds && takes || links)
}

/// Whether no path of one side equals, contains or lies in one of the other.
fn are_apart(one: &[Changed], other: &[Changed]) -> bool {
    let meets = |paths: &BTreeSet<&[u8]>, path: &[u8]| {
        let mut above = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
        paths.contains(path) || above.any(|above| paths.contains(above))
    };
    let (ours, theirs) = (paths(one), paths(other));
    !ours.iter().any(|path| meets(&theirs, path)) && !theirs.iter().any(|path| meets(&ours, path))
}

fn paths(side: &[Changed]) -> BTreeSet<&[u8]> {
    side.iter().map(|changed| changed.path.as_slice()).collect()
}
