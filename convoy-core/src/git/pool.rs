//! Worktrees that are used again.
//!
//! Making a worktree costs time with every file of the repository; bringing one to another commit costs time with what
//! differs, as long as nobody has to look what else was changed (`Repository::remove_resting_worktree`). So worktrees
//! that are not needed any more stay, as *slots*, until nobody works at all, and the next one that is wanted is such a
//! slot. Its users know it by the path that they asked for, where a link leads to the slot: a slot keeps its own path,
//! which sessions of agents and what setup made may depend on.
//!
//! Whoever worked in it before may have linked a file to another one, or given it permissions that no tree records. So a file
//! that this process did not write, or that was touched since, is written anew, and a slot with folders that are not as new
//! ones are is made anew. Not looked for: access lists and extended attributes of folders.
//!
//! A slot gets its first files by sharing blocks with those of the main worktree, where the file system can
//! ([`Model`](super::plain::Model)), and the others from the objects, many at once. Never by hard links: agents write in place.
//!
//! That is so only where files are the very bytes that the repository holds (`plain`), without submodules; elsewhere every
//! worktree is made by git, and deleted.
//!
//! A slot belongs to the process that holds its lock, which vanishes with the process. One that a link leads to is in
//! use even if its process is dead: it holds work that nobody took yet. There are never more slots than worktrees
//! were in use at once. When the disk has no room for one more, the trash and the slots that nobody uses are deleted, and
//! it is tried once more.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use super::error::GitError;
use super::files::exists;
use super::keep::Keep;
use super::repository::Repository;
use super::worktree::empty_trash;
use crate::types::Oid;

/// The slots of one folder.
#[derive(Debug)]
pub(super) struct Pool {
    /// Where the slots are.
    folder: PathBuf,
    /// In its folders are the worktrees that they stand for.
    worktrees: PathBuf,
    slots: Mutex<Slots>,
    /// It was said that nothing is kept.
    told: Once,
}

#[derive(Debug, Default)]
struct Slots {
    all: BTreeMap<u32, Slot>,
    /// Counts up whenever one is given back.
    clock: u64,
}

#[derive(Debug)]
struct Slot {
    lock: Lock,
    /// The path that it stands for.
    path: Option<PathBuf>,
    /// The path that it stood for last, and when it was given back.
    last: Option<(PathBuf, u64)>,
    /// Who may find in it what it keeps.
    owner: Option<String>,
    /// What it was prepared to.
    prepared: Option<String>,
}

/// Held as long as this process may use a slot.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// `None`: another process has it.
    fn take(path: PathBuf) -> Result<Option<Self>, GitError> {
        let failed = || GitError::io("lock", &path);
        loop {
            let file = match File::options().create(true).truncate(false).write(true).open(&path) {
                // Another process had the last slot in it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let folder = path.parent().unwrap_or(&path);
                    fs::create_dir_all(folder).map_err(GitError::io("create", folder))?;
                    continue;
                }
                file => file.map_err(failed())?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(error)) => return Err(failed()(error)),
            }
            // Whoever had it before may have removed it: then it is not the one that others would try.
            let mine = file.metadata().map_err(failed())?.ino();
            if fs::symlink_metadata(&path).is_ok_and(|now| now.ino() == mine) {
                return Ok(Some(Self { path, _file: file }));
            }
        }
    }

    /// Gives it back and leaves nothing behind.
    fn remove(self) {
        // One that stays is empty and in nobody's way.
        drop(fs::remove_file(&self.path));
    }
}

/// Slots that nobody uses, and the first error about one that cannot be told of.
type Unused = (Vec<(PathBuf, Lock)>, Result<(), GitError>);

impl Pool {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, number: u32) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// The slot that a path stands for.
    pub(super) fn find(&self, path: &Path) -> Option<PathBuf> {
        let slots = self.slots();
        let mine = slots.all.iter().find(|(_, slot)| slot.path.as_deref() == Some(path));
        if let Some((number, _)) = mine {
            return Some(self.place(*number));
        }
        // One that a process before this one left.
        let target = fs::read_link(path).ok()?;
        let is_number = target.file_name().is_some_and(|name| number_of(name).is_some());
        (target.parent() == Some(&self.folder) && is_number).then_some(target)
    }

    /// Takes a slot for a path: the one that is wanted, else the one that the path had last, else one that keeps
    /// files of the same owner, else the one that nobody needed for the longest time, else a new one.
    fn take(&self, path: &Path, wanted: Option<u32>, owner: Option<&str>) -> Result<u32, GitError> {
        let mut slots = self.slots();
        let free = slots.all.iter().filter(|(_, slot)| slot.path.is_none());
        let best = free.min_by_key(|(number, slot)| match &slot.last {
            _ if Some(**number) == wanted => (0, 0),
            Some((last, _)) if last == path => (1, 0),
            // What one keeps warm is of no use to others.
            last => {
                (if slot.owner.as_deref() == owner { 2 } else { 3 }, last.as_ref().map_or(0, |last| last.1))
            }
        });
        let number = match best.map(|(number, _)| *number) {
            Some(number) => number,
            None => self.new_slot(&mut slots)?,
        };
        if let Some(slot) = slots.all.get_mut(&number) {
            slot.path = Some(path.to_owned());
        }
        Ok(number)
    }

    fn new_slot(&self, slots: &mut Slots) -> Result<u32, GitError> {
        let in_use = self.linked()?;
        for number in 1.. {
            if slots.all.contains_key(&number) || in_use.contains(&self.place(number)) {
                continue;
            }
            if let Some(lock) = self.lock(number)? {
                slots.all.insert(number, Slot { lock, path: None, last: None, owner: None, prepared: None });
                return Ok(number);
            }
        }
        Err(GitError::io("find a free place in", &self.folder)(io::ErrorKind::AlreadyExists.into()))
    }

    fn lock(&self, number: u32) -> Result<Option<Lock>, GitError> {
        Lock::take(self.folder.join(format!("{number}.lock")))
    }

    /// Where the links lead that stand for slots.
    fn linked(&self) -> Result<Vec<PathBuf>, GitError> {
        let mut targets = Vec::new();
        for group in list(&self.worktrees)? {
            if group.file_type().is_ok_and(|kind| kind.is_dir()) {
                targets
                    .extend(list(&group.path())?.iter().filter_map(|entry| fs::read_link(entry.path()).ok()));
            }
        }
        Ok(targets)
    }

    /// Gives a slot to an owner; `true`: it was theirs before.
    fn give_to(&self, number: u32, owner: Option<&str>) -> bool {
        let mut slots = self.slots();
        let Some(slot) = slots.all.get_mut(&number) else { return false };
        let theirs = owner.is_some() && slot.owner.as_deref() == owner;
        slot.owner = owner.map(str::to_owned);
        theirs
    }

    /// Says once that worktrees are made anew, though some of what is in them was to be kept.
    fn tell_of_unkept(&self) {
        self.told.call_once(|| {
            tracing::warn!("`worktree.keep` keeps nothing here: git converts files, or the repository has submodules or a sparse checkout");
        });
    }

    /// What the slot at a place was prepared to.
    pub(super) fn prepared(&self, place: &Path) -> Option<String> {
        self.slots().all.iter().find(|(number, _)| self.place(**number) == place)?.1.prepared.clone()
    }

    /// Notes what the slot at a place was prepared to.
    pub(super) fn note_prepared(&self, place: &Path, state: Option<String>) {
        if let Some((_, slot)) = self.slots().all.iter_mut().find(|(number, _)| self.place(**number) == place)
        {
            slot.prepared = state;
        }
    }

    /// Whether a path stands for a slot of this process.
    fn is_mine(&self, path: &Path) -> bool {
        self.slots().all.values().any(|slot| slot.path.as_deref() == Some(path))
    }

    /// Gives the slot of a path back, if it is one of this process.
    fn give_back(&self, path: &Path) {
        let mut slots = self.slots();
        slots.clock += 1;
        let now = slots.clock;
        if let Some(slot) = slots.all.values_mut().find(|slot| slot.path.as_deref() == Some(path)) {
            slot.last = slot.path.take().map(|path| (path, now));
        }
    }

    /// The slots that nobody uses, if this process uses none; those of processes that are gone too.
    fn idle(&self) -> Result<Unused, GitError> {
        let uses_one = self.slots().all.values().any(|slot| slot.path.is_some());
        if uses_one { Ok((Vec::new(), Ok(()))) } else { self.unused() }
    }

    /// The slots that nobody uses, those of processes that are gone too. One that a link leads to is in use.
    ///
    /// # Errors
    /// When it cannot be told which are in use.
    fn unused(&self) -> Result<Unused, GitError> {
        let mut slots = self.slots();
        let (in_use, entries) = (self.linked()?, list(&self.folder)?);
        let (used, mine) =
            std::mem::take(&mut slots.all).into_iter().partition(|(_, slot)| slot.path.is_some());
        slots.all = used;
        let mine: BTreeMap<u32, Slot> = mine;
        let mut idle: Vec<_> =
            mine.into_iter().map(|(number, slot)| (self.place(number), slot.lock)).collect();
        let mut result = Ok(());
        for entry in entries {
            let name = entry.file_name();
            let number = number_of(Path::new(&name).file_stem().unwrap_or(&name));
            let Some(place) = number.map(|number| self.place(number)) else { continue };
            let is_mine = number.is_some_and(|number| slots.all.contains_key(&number));
            if is_mine || in_use.contains(&place) || idle.iter().any(|(known, _)| *known == place) {
                continue;
            }
            match self.lock(number.unwrap_or_default()) {
                Ok(lock) => idle.extend(lock.map(|lock| (place, lock))),
                Err(error) => result = result.and(Err(error)),
            }
        }
        Ok((idle, result))
    }
}

fn list(folder: &Path) -> Result<Vec<fs::DirEntry>, GitError> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(GitError::io("list", folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(GitError::io("list", folder)(error)),
    }
}

fn number_of(name: &OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

impl Repository {
    /// From now on the worktrees that are made in the folders in `worktrees` are used again, where they can be: their
    /// paths are links to slots in the folder `slots`. Both are names of folders in `state`, which need not exist.
    /// Only the first call counts.
    ///
    /// # Errors
    /// When `state` does not exist.
    pub fn use_worktrees_again(&self, state: &Path, slots: &str, worktrees: &str) -> Result<(), GitError> {
        let state = state.canonicalize().map_err(GitError::io("find", state))?;
        let (folder, worktrees) = (state.join(slots), state.join(worktrees));
        self.inner.pool.get_or_init(|| Pool {
            folder,
            worktrees,
            slots: Mutex::default(),
            told: Once::new(),
        });
        Ok(())
    }

    /// Makes a path, at which nothing is, a link to a slot at a commit; `None` where worktrees are not used again.
    pub(super) async fn lease(
        &self,
        path: &Path,
        commit: &Oid,
        wanted: Option<u32>,
        keep: Option<&Keep>,
    ) -> Result<Option<u32>, GitError> {
        let Some(pool) = self.inner.pool.get() else { return Ok(None) };
        if path.parent().and_then(Path::parent) != Some(&pool.worktrees) || !self.is_plain().await? {
            if keep.is_some() {
                pool.tell_of_unkept();
            }
            return Ok(None);
        }
        let owner = keep.map(|keep| keep.owner.as_str());
        let number = pool.take(path, wanted, owner)?;
        let place = pool.place(number);
        let is_theirs = pool.give_to(number, owner);
        let mut ready = self.ready(&place, commit, keep.filter(|_| is_theirs)).await;
        if ready.is_ok() {
            if keep.is_some() && !self.inner.sheets.has(&place) {
                pool.tell_of_unkept();
            }
            // An empty folder may be there.
            let _ = fs::remove_dir(path);
            ready = std::os::unix::fs::symlink(&place, path).map_err(GitError::io("link", path));
        }
        if ready.is_err() {
            let discarded = self.discard(&place).await;
            pool.give_back(path);
            discarded?;
        }
        ready.map(|()| Some(number))
    }

    /// Brings a slot to a commit, or makes it anew. What stays must be ignored there too, else it would be taken for
    /// work.
    async fn ready(&self, place: &Path, commit: &Oid, keep: Option<&Keep>) -> Result<(), GitError> {
        if exists(place) {
            if let Ok(files) = self.worktree(place).await {
                let kept = match keep {
                    Some(keep) => self.kept_files(&files, keep).await?,
                    None => BTreeSet::new(),
                };
                if keep.is_none() {
                    self.note_unprepared(place);
                }
                let some = !kept.is_empty();
                if self.renew_plain(&files, commit, kept).await?
                    && !(some && self.has_others(&files, keep).await?)
                {
                    return Ok(());
                }
            }
            self.discard(place).await?;
        }
        self.note_unprepared(place);
        self.make(place, commit).await
    }

    fn note_unprepared(&self, place: &Path) {
        if let Some(pool) = self.inner.pool.get() {
            pool.note_prepared(place, None);
        }
    }

    /// Takes the link away and keeps its slot for the next one; `false` where the path is none.
    pub(super) async fn release(&self, path: &Path) -> Result<bool, GitError> {
        let Some(pool) = self.inner.pool.get() else { return Ok(false) };
        let Some(place) = pool.find(path) else { return Ok(false) };
        // One that a process before this one left, or of which nobody knows what is in it, is of no more use.
        let is_known = pool.is_mine(path) && self.inner.sheets.has(&place);
        // The slot goes first: as long as the link leads to it, nobody takes it for free.
        let discarded = if is_known { Ok(()) } else { self.discard(&place).await };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(GitError::io("remove", path)(error));
            }
            _ => {}
        }
        pool.give_back(path);
        discarded.map(|()| true)
    }

    /// Gives up all slots: those in use, to which links lead, are left to whoever takes what is in them, the others
    /// are deleted.
    ///
    /// # Errors
    /// When one cannot be deleted; the others are.
    pub async fn leave_worktrees(&self) -> Result<(), GitError> {
        if let Some(pool) = self.inner.pool.get() {
            pool.slots().all.retain(|_, slot| slot.path.is_none());
        }
        self.drop_idle_worktrees().await
    }

    /// Deletes what nobody needs where worktrees are used again: trash, and slots that are not in use. What cannot be
    /// deleted is in nobody's way. Git's own folder is left alone: others may be making entries there.
    pub(super) async fn make_room(&self) {
        let Some(pool) = self.inner.pool.get() else { return };
        drop(empty_trash(&pool.folder).await);
        for group in list(&pool.worktrees).unwrap_or_default() {
            if group.file_type().is_ok_and(|kind| kind.is_dir()) {
                drop(empty_trash(&group.path()).await);
            }
        }
        let Ok((unused, _)) = pool.unused() else { return };
        for (place, lock) in unused {
            drop(self.discard(&place).await);
            lock.remove();
        }
    }

    /// Deletes the slots, if none is in use: also those that processes left which are gone.
    ///
    /// # Errors
    /// When one cannot be deleted; the others are.
    pub async fn drop_idle_worktrees(&self) -> Result<(), GitError> {
        let Some(pool) = self.inner.pool.get() else { return Ok(()) };
        let (idle, mut result) = pool.idle()?;
        for (place, lock) in idle {
            result = result.and(self.discard(&place).await);
            lock.remove();
        }
        if pool.folder.exists() {
            result = result.and(self.empty_trash(&pool.folder).await);
            // Stays while another process has slots in it.
            drop(fs::remove_dir(&pool.folder));
        }
        result
    }
}
