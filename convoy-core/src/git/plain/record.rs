//! The files of a worktree as a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use git2::{Index, ObjectType, Oid};
use tokio::time::Instant;

use super::attributes::could_be_changed;
use super::bring::is_attributes;
use super::disk::Disk;
use super::look::{Seen, look};
use super::sheet::{Known, Sheet, has_below};
use super::stat::{Kind, Stat};
use super::tree::{FILE, Item, LINK, PROGRAM, Path, changed};
use crate::git::call::Files;
use crate::git::fast::{Handle, NotMine};
use crate::git::ignore::is_within;

/// A file of more bytes is left to the git program.
pub(super) const LARGEST: u64 = 512 * 1024 * 1024;

/// Most entries of an index that is read: each takes memory.
const MOST: usize = 5_000_000;

/// Flags of an index entry in conflict: the stage is none of those.
const STAGE: u16 = 0x3000;

/// A worktree that was looked at.
#[derive(Debug)]
pub(super) struct Looked {
    sheet: Sheet,
    /// The paths that its index has.
    tracked: BTreeSet<Path>,
    seen: Seen,
    /// From when on changes show.
    seal: super::stat::Time,
    looked_at: Instant,
}

impl Looked {
    /// What is there and not in the index: files, and folders with nothing of the index below them.
    pub(super) fn untracked(&self) -> Vec<&[u8]> {
        let files = self.seen.files.keys().filter(|path| !self.tracked.contains(*path));
        files.chain(&self.seen.others).map(Vec::as_slice).collect()
    }
}

/// Looks at the files of a worktree. Whoever worked there must have ended.
pub(super) fn look_at(ground: &Files, sheet: Sheet) -> Result<Looked, NotMine> {
    let tracked = tracked(&ground.found_index())?;
    let mut disk = ground.disk()?;
    let (seal, looked_at) = (disk.now()?, Instant::now());
    let tracked_below =
        |folder: &[u8]| tracked.range(folder.to_vec()..).next().is_some_and(|path| path.starts_with(folder));
    let seen = look(
        &mut disk,
        &|path| tracked.contains(path) || sheet.files.contains_key(path),
        &|folder| tracked_below(folder) || has_below(&sheet.files, folder),
        ground.own_kind(),
        &sheet.root,
    )?;
    if seen.is_odd { Err(NotMine) } else { Ok(Looked { sheet, tracked, seen, seal, looked_at }) }
}

/// The paths of an index without anything unusual in it.
fn tracked(index: &std::path::Path) -> Result<BTreeSet<Path>, NotMine> {
    // libgit2 takes a missing one for empty.
    if !std::fs::symlink_metadata(index).is_ok_and(|found| found.is_file() && found.len() <= LARGEST) {
        return Err(NotMine);
    }
    let index = Index::open(index)?;
    if index.len() > MOST {
        return Err(NotMine);
    }
    let usual = |mode: u32| matches!(mode, FILE | PROGRAM | LINK);
    let path = |entry: git2::IndexEntry| match entry.flags & STAGE {
        0 if usual(entry.mode) => Ok(entry.path),
        _ => Err(NotMine),
    };
    index.iter().map(path).collect()
}

/// Records the files that the index has and those of `untracked`, but none of `exclude`, as a tree. The sheet tells from
/// then on of the worktree as it is.
pub(super) fn record(
    at: &Handle<'_>,
    ground: &Files,
    looked: Looked,
    untracked: &[Path],
    exclude: &[PathBuf],
) -> Result<(Oid, Sheet), NotMine> {
    let Looked { mut sheet, tracked, seen, seal, looked_at } = looked;
    let is_out = |path: &[u8]| !exclude.is_empty() && is_within(path, exclude);
    // Those are to be as they were at the base, which this does not know.
    if sheet.files.keys().any(|path| is_out(path)) {
        return Err(NotMine);
    }
    let mut disk = ground.disk()?;
    let mut changes: BTreeMap<Path, Option<Item>> = BTreeMap::new();
    let mut now: BTreeMap<Path, Known> = BTreeMap::new();
    let untracked: BTreeSet<&Path> = untracked.iter().collect();
    for path in tracked.iter().chain(untracked.iter().copied().filter(|path| !tracked.contains(*path))) {
        if is_out(path) {
            continue;
        }
        let old = sheet.files.get(path);
        let stat = match seen.files.get(path) {
            Some(stat) => Some(*stat),
            // It lies in a folder that was not looked into.
            None if untracked.contains(path) => {
                no_attributes_above(&mut disk, path)?;
                Some(disk.stat(path)?)
            }
            None => None,
        };
        let Some(stat) = stat else { continue };
        let known = match old {
            Some(old) if old.is_sure && old.stat == stat => *old,
            _ => read(at, &mut disk, path, stat, old)?,
        };
        if old.is_none_or(|old| old.item != known.item) {
            changes.insert(path.clone(), Some(known.item));
        }
        now.insert(path.clone(), known);
    }
    let gone = sheet.files.keys().filter(|path| !now.contains_key(*path));
    changes.extend(gone.map(|path| (path.clone(), None)));
    if changes.keys().chain(&seen.others).any(|path| is_attributes(path)) {
        return Err(NotMine);
    }
    let tree = changed(at.repo, sheet.tree, &changes)?;
    let unrecorded = seen.files.keys().filter(|path| !now.contains_key(*path));
    // All that was known in them has gone.
    let emptied = seen.folders.iter().filter(|folder| !has_below(&now, &[&folder[..], b"/"].concat()));
    let others = seen.others.iter().chain(unrecorded).chain(emptied).cloned().collect();
    sheet = Sheet { tree, others, files: now, looked: Some(looked_at), ..sheet };
    sheet.seal(seal);
    Ok((tree, sheet))
}

/// Fails where a file has attributes of a folder that was not looked into: they may be ignored, and count all the same.
fn no_attributes_above(disk: &mut Disk, path: &[u8]) -> Result<(), NotMine> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    for (at, _) in slashes {
        match disk.stat(&[&path[..at], b"/.gitattributes"].concat()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            _ => return Err(NotMine),
        }
    }
    Ok(())
}

/// The mode that git records of a file or a link.
pub(super) fn mode_of(stat: &Stat) -> Option<u32> {
    match stat.kind() {
        Kind::Link => Some(LINK),
        Kind::File if stat.mode & 0o100 != 0 => Some(PROGRAM),
        Kind::File => Some(FILE),
        Kind::Folder | Kind::Other => None,
    }
}

/// Reads a file, and writes it to the repository if its content is new.
fn read(
    at: &Handle<'_>,
    disk: &mut Disk,
    path: &[u8],
    stat: Stat,
    old: Option<&Known>,
) -> Result<Known, NotMine> {
    let mode = mode_of(&stat).ok_or(NotMine)?;
    if stat.size > LARGEST {
        return Err(NotMine);
    }
    let content = disk.read(path, stat.kind())?;
    let mut id = Oid::hash_object(ObjectType::Blob, &content)?;
    if old.is_none_or(|old| old.item.id != id) {
        if mode != LINK && could_be_changed(&content) {
            return Err(NotMine);
        }
        id = at.repo.blob(&content)?;
    }
    let is_ours = old.is_some_and(|old| old.is_ours && old.stat == stat);
    Ok(Known { item: Item { mode, id }, stat, is_sure: true, is_ours })
}
