//! Bringing the files of a worktree to a tree by writing what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use git2::{Oid, Repository};
use tokio::time::Instant;

use super::attributes::is_plain;
use super::disk::Disk;
use super::index_file;
use super::look::{Seen, look};
use super::record::{LARGEST, mode_of};
use super::reflink::Model;
use super::sheet::{Known, Sheet};
use super::stat::Kind;
use super::stat::Stat;
use super::tree::{Item, LINK, Path, below, difference, files};
use crate::git::call::Files;
use crate::git::fast::{Handle, NotMine, open_objects};
use crate::git::files::replace_file;
use crate::git::gone::delete;
use crate::git::room::{Reserve, Watch};
use crate::git::separate::{MARK, OwnGit};
use crate::types::Isolation;

/// How much of a large file is written at once, in bytes.
const PIECE: usize = 256 * 1024;

/// From how many files on they are written by two threads.
const MANY: usize = 400;

impl Files {
    pub(super) fn disk(&self) -> Result<Disk, NotMine> {
        Ok(Disk::open(&self.root)?)
    }

    /// What the `.git` in its folder is.
    pub(super) fn own_kind(&self) -> Kind {
        match self.isolation {
            Isolation::Linked => Kind::File,
            Isolation::Separate => Kind::Folder,
        }
    }

    /// Looks at the files, known by a sheet or by another list.
    pub(super) fn look(&self, disk: &mut Disk, sheet: &Sheet) -> Result<Seen, NotMine> {
        let seen = look(
            disk,
            &|path| sheet.files.contains_key(path),
            &|folder| sheet.has_below(folder),
            self.own_kind(),
            &sheet.root,
        )?;
        if seen.is_odd { Err(NotMine) } else { Ok(seen) }
    }

    /// Replaces the index. Whoever worked there must have ended.
    fn write_index(&self, sheet: &Sheet) -> Result<(), NotMine> {
        let index = self.git_dir.join("index");
        // A link would lead elsewhere, a folder would stay.
        if std::fs::symlink_metadata(&index).is_ok_and(|found| !found.is_file()) {
            return Err(NotMine);
        }
        replace_file(&index, &index_file::bytes(&sheet.files)).map_err(|_| NotMine)
    }
}

/// How the files of a new worktree are made.
pub(super) struct Making<'a> {
    /// Large files share the blocks of those of the model, where they can.
    pub(super) model: &'a Model,
    /// What is left free.
    pub(super) reserve: &'a Reserve,
}

/// Writes the files of a tree to a worktree that has none yet, and its index.
pub(super) fn fill(at: &Handle<'_>, ground: &Files, tree: &Oid, how: &Making<'_>) -> Result<Sheet, NotMine> {
    let items = files(at.repo, *tree)?;
    attributes_are_plain(at.repo, items.iter().map(|(path, item)| (path, Some(item))))?;
    let mut disk = ground.disk()?;
    let (files, others, root) = (BTreeMap::new(), Vec::new(), disk.root()?);
    let mut sheet = Sheet { tree: *tree, root, files, others, looked: None };
    write_all(at, ground, &mut disk, items, &mut sheet, Some(how))?;
    sheet.seal(disk.now()?);
    ground.write_index(&sheet)?;
    Ok(sheet)
}

/// What stays in a worktree beside the files of a tree, unless these have its place.
pub(super) enum Stays {
    All,
    /// These files, and the folders that they are in.
    These(BTreeSet<Path>),
}

/// Brings a worktree to a tree, and its index. Everything that is not as the sheet says is put right; one that `rests`
/// is not looked at again where there was a look a short time ago: it costs time with every file, and not with what differs.
pub(super) fn bring(
    at: &Handle<'_>,
    ground: &Files,
    (mut sheet, rests): (Sheet, bool),
    tree: &Oid,
    stays: Stays,
) -> Result<Sheet, NotMine> {
    // What each path is to be; `None`: it is to go.
    let mut wanted: BTreeMap<Path, Option<Item>> = BTreeMap::new();
    difference(at.repo, Some(sheet.tree), Some(*tree), &mut |path, _, now| {
        wanted.insert(path, now);
    })?;
    attributes_are_plain(at.repo, wanted.iter().map(|(path, item)| (path, item.as_ref())))?;
    let mut disk = ground.disk()?;
    let seal = disk.now()?;
    let seen = match rests && sheet.needs_no_look() {
        true => None,
        false => Some(ground.look(&mut disk, &sheet)?),
    };
    for (path, item) in differing(&mut disk, &mut sheet, seen.as_ref(), true)? {
        wanted.entry(path).or_insert(Some(item));
    }
    if let Some(seen) = seen {
        sheet.others = seen.others;
    }
    sheet.seal(seal);
    clear(&mut disk, &mut sheet, &mut wanted, stays)?;
    let mut write = BTreeMap::new();
    for (path, item) in wanted {
        if sheet.files.remove(&path).is_some() {
            disk.remove(&path)?;
        }
        write.extend(item.map(|item| (path, item)));
    }
    sheet.tree = *tree;
    write_all(at, ground, &mut disk, write, &mut sheet, None)?;
    sheet.seal(disk.now()?);
    ground.write_index(&sheet)?;
    Ok(sheet)
}

/// What git keeps of every worktree; anything else came from whoever worked there.
const KEPT_OF_GIT: [&str; 5] = ["HEAD", "commondir", "gitdir", "index", "convoy-filled"];

/// Makes what git keeps of a worktree what it is of a new one, whose HEAD is at a commit; with a git directory of its
/// own, or linked.
pub(super) fn renew(ground: &Files, commit: &crate::types::Oid, own: Option<&OwnGit>) -> Result<(), NotMine> {
    let git_dir = &ground.git_dir;
    for entry in std::fs::read_dir(git_dir)? {
        let entry = entry?;
        let is_kept = entry.file_name().to_str().is_some_and(|name| KEPT_OF_GIT.contains(&name));
        match entry.file_type()?.is_dir() {
            true => delete(&entry.path())?,
            false if is_kept && entry.file_type()?.is_file() => {}
            false => std::fs::remove_file(entry.path())?,
        }
    }
    match own {
        Some(own) => {
            std::fs::write(git_dir.join(MARK), "")?;
            own.make(ground, commit)?;
        }
        None => {
            let mut link = b"gitdir: ".to_vec();
            link.extend_from_slice(git_dir.as_os_str().as_encoded_bytes());
            link.push(b'\n');
            ground.disk()?.put(b".git", &link)?;
        }
    }
    let head = format!("{commit}\n");
    let files = [(git_dir.join("HEAD"), head.as_bytes()), (git_dir.join("commondir"), b"../..\n")];
    for (path, content) in files {
        let same = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file())
            && std::fs::read(&path).is_ok_and(|found| found == content);
        if !same {
            // Not through a link that may be in its place.
            std::fs::remove_file(&path)?;
            std::fs::write(&path, content)?;
        }
    }
    if git_dir.join("gitdir").is_file() { Ok(()) } else { Err(NotMine) }
}

/// Puts back the files that are not as the sheet says, and gives their paths. What is there beside them stays, and so
/// does the index.
pub(super) fn put_back(
    at: &Handle<'_>,
    ground: &Files,
    mut sheet: Sheet,
) -> Result<(Sheet, Vec<Path>), NotMine> {
    let mut disk = ground.disk()?;
    let seal = disk.now()?;
    sheet.looked = Some(Instant::now());
    let seen = ground.look(&mut disk, &sheet)?;
    let differ: BTreeMap<Path, Item> =
        differing(&mut disk, &mut sheet, Some(&seen), false)?.into_iter().collect();
    let paths: Vec<Path> = differ.keys().cloned().collect();
    for path in &paths {
        sheet.files.remove(path);
        disk.remove(path)?;
    }
    sheet.others = seen.others;
    sheet.seal(seal);
    write_all(at, ground, &mut disk, differ, &mut sheet, None)?;
    sheet.seal(disk.now()?);
    Ok((sheet, paths))
}

/// The files that are not as the sheet says, and what they should be. `seen`: what a look found; without one, only those
/// are looked at that could have been changed since without showing it. `as_new`: also those that somebody else wrote, or
/// touched: a link to another file, or permissions that git does not record, must not come to whoever works there next.
/// Else the sheet learns it where only such things differ.
fn differing(
    disk: &mut Disk,
    sheet: &mut Sheet,
    seen: Option<&Seen>,
    as_new: bool,
) -> Result<Vec<(Path, Item)>, NotMine> {
    let mut differ = Vec::new();
    for (path, known) in &mut sheet.files {
        if as_new && !known.is_ours {
            differ.push((path.clone(), known.item));
            continue;
        }
        let stat = match seen {
            Some(seen) => seen.files.get(path).copied(),
            None if known.is_sure => continue,
            None => disk.stat(path).ok(),
        };
        if known.is_sure && stat == Some(known.stat) {
            continue;
        }
        match stat {
            Some(stat)
                if !(as_new && stat != known.stat)
                    && mode_of(&stat) == Some(known.item.mode)
                    && stat.size <= LARGEST =>
            {
                let content = disk.read(path, stat.kind())?;
                if git2::Oid::hash_object(git2::ObjectType::Blob, &content)? == known.item.id {
                    let is_ours = known.is_ours && stat == known.stat;
                    *known = Known { stat, is_sure: true, is_ours, ..*known };
                } else {
                    differ.push((path.clone(), known.item));
                }
            }
            _ => differ.push((path.clone(), known.item)),
        }
    }
    Ok(differ)
}

/// Removes what is there beside the files of the sheet, unless it stays and nothing has its place.
fn clear(
    disk: &mut Disk,
    sheet: &mut Sheet,
    wanted: &mut BTreeMap<Path, Option<Item>>,
    mut stays: Stays,
) -> Result<(), NotMine> {
    if let Stays::These(kept) = &mut stays {
        give_way(kept, wanted.iter().filter(|(_, item)| item.is_some()).map(|(path, _)| path));
    }
    let mut stay = Vec::new();
    for other in std::mem::take(&mut sheet.others) {
        let is_folder = disk.stat(&other).is_ok_and(|stat| stat.kind() == Kind::Folder);
        // What a tree has below a folder goes into that.
        let has_its_place = |path: &[u8]| touch(path, &other) && !(is_folder && path.len() > other.len());
        let in_the_way = || wanted.iter().any(|(path, item)| item.is_some() && has_its_place(path));
        let is_kept = match &stays {
            Stays::All => !in_the_way(),
            Stays::These(kept) => prune(disk, &other, is_folder, kept)?,
        };
        if is_kept {
            stay.push(other);
            continue;
        }
        disk.remove(&other)?;
        // It may have held files that were recorded since.
        let folder = [&other[..], b"/"].concat();
        let inside = sheet.files.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder));
        let gone: Vec<Path> = inside.map(|(path, _)| path.clone()).chain([other]).collect();
        for path in gone {
            if let Some(known) = sheet.files.remove(&path) {
                wanted.entry(path).or_insert(Some(known.item));
            }
        }
    }
    sheet.others = stay;
    Ok(())
}

/// Takes out of the files that stay those whose place is wanted for others.
fn give_way<'a>(kept: &mut BTreeSet<Path>, wanted: impl Iterator<Item = &'a Path>) {
    for path in wanted {
        let below = [&path[..], b"/"].concat();
        let inside: Vec<Path> =
            kept.range(below.clone()..).take_while(|kept| kept.starts_with(&below)).cloned().collect();
        for path in inside {
            kept.remove(&path);
        }
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in slashes.chain([path.len()]) {
            kept.remove(&path[..end]);
        }
    }
}

/// Removes what is in a folder but the files that stay. Whether the path, which may be a file too, stays itself.
fn prune(disk: &mut Disk, path: &[u8], is_folder: bool, kept: &BTreeSet<Path>) -> Result<bool, NotMine> {
    if !is_folder {
        return Ok(kept.contains(path));
    }
    let has_kept_below = |folder: &[u8]| {
        let below = [folder, b"/"].concat();
        kept.range(below.clone()..).next().is_some_and(|kept| kept.starts_with(&below))
    };
    if !has_kept_below(path) {
        return Ok(false);
    }
    let mut folders = vec![path.to_vec()];
    while let Some(folder) = folders.pop() {
        for (name, stat) in disk.list(&folder)? {
            let path = below(&folder, &name);
            match stat.kind() {
                Kind::Folder if has_kept_below(&path) => folders.push(path),
                Kind::File | Kind::Link if kept.contains(&path) => {}
                _ => disk.remove(&path)?,
            }
        }
    }
    Ok(true)
}

/// Whether two paths are the same, or one is a folder that the other is in.
fn touch(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.starts_with(short) && (long.len() == short.len() || long[short.len()] == b'/')
}

/// Whether none of these files has git convert others.
fn attributes_are_plain<'a>(
    repo: &Repository,
    mut files: impl Iterator<Item = (&'a Path, Option<&'a Item>)>,
) -> Result<(), NotMine> {
    files.try_for_each(|(path, item)| match item {
        Some(item) if is_attributes(path) => {
            if is_plain(repo.find_blob(item.id)?.content()) {
                Ok(())
            } else {
                Err(NotMine)
            }
        }
        _ => Ok(()),
    })
}

/// Whether a path is that of an attributes file.
pub(in crate::git) fn is_attributes(path: &[u8]) -> bool {
    path == b".gitattributes" || path.ends_with(b"/.gitattributes")
}

/// Writes files that are not there, and notes them.
fn write_all(
    at: &Handle<'_>,
    ground: &Files,
    disk: &mut Disk,
    items: BTreeMap<Path, Item>,
    sheet: &mut Sheet,
    how: Option<&Making<'_>>,
) -> Result<(), NotMine> {
    let items: Vec<(Path, Item)> = items.into_iter().collect();
    let half = if items.len() >= MANY { items.len() / 2 } else { items.len() };
    let (mine, other) = items.split_at(half);
    let (first, second) = std::thread::scope(|scope| {
        let other = (!other.is_empty()).then(|| {
            scope.spawn(|| {
                let repo = open_objects(at.common)?;
                write_some(&repo, &mut ground.disk()?, other, how)
            })
        });
        let first = write_some(at.repo, disk, mine, how);
        let second = other.map_or(Ok(Vec::new()), |thread| thread.join().unwrap_or(Err(NotMine)));
        (first, second)
    });
    let stats: Vec<Stat> = first?.into_iter().chain(second?).collect();
    for ((path, item), stat) in items.into_iter().zip(stats) {
        sheet.files.insert(path, Known { item, stat, is_sure: true, is_ours: true });
    }
    Ok(())
}

fn write_some(
    repo: &Repository,
    disk: &mut Disk,
    items: &[(Path, Item)],
    how: Option<&Making<'_>>,
) -> Result<Vec<Stat>, NotMine> {
    let mut sharing = how.and_then(|how| how.model.open());
    let mut watch = how.map(|how| how.reserve.watch());
    let write = |(path, item): &(Path, Item)| {
        if let Some(sharing) = &mut sharing
            && let Some(stat) = sharing.make(repo, disk, path, *item)?
        {
            return Ok(stat);
        }
        let blob = repo.find_blob(item.id)?;
        match &mut watch {
            Some(watch) => write_watched(disk, path, item.mode, blob.content(), watch),
            None => Ok(disk.write(path, item.mode, blob.content())?),
        }
    };
    items.iter().map(write).collect()
}

/// Writes a file that is not there, as long as there is room.
fn write_watched(
    disk: &mut Disk,
    path: &[u8],
    mode: u32,
    content: &[u8],
    watch: &mut Watch<'_>,
) -> Result<Stat, NotMine> {
    // All of it, before the first byte: it may not fit.
    has_room(watch, disk, content.len())?;
    if mode == LINK || content.len() <= PIECE {
        return disk.write(path, mode, content).map_err(|error| noted(watch, &error));
    }
    let mut file = disk.create(path, mode).map_err(|error| noted(watch, &error))?;
    for piece in content.chunks(PIECE) {
        // Others write at the same time.
        has_room(watch, disk, piece.len())?;
        file.write_all(piece).map_err(|error| noted(watch, &error))?;
    }
    Ok(disk.stat(path)?)
}

fn has_room(watch: &mut Watch<'_>, disk: &Disk, size: usize) -> Result<(), NotMine> {
    let size = u64::try_from(size).map_err(|_| NotMine)?;
    if watch.has_room(size, || disk.room()) { Ok(()) } else { Err(NotMine) }
}

fn noted(watch: &Watch<'_>, error: &std::io::Error) -> NotMine {
    watch.note(error);
    NotMine
}
