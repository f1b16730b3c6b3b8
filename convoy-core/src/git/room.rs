//! How much room a file system has.
//!
//! What a program says of a full disk is not believed: its messages name files, and whoever named those chose what they
//! say. The file system is asked instead.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{StatVfs, statvfs};

/// Most bytes that are left free for everybody else: the store, prompts, logs, objects, and what agents write. Some seconds
/// of that go on while a task waits for room.
const RESERVE: u64 = 64 << 20;

/// As [`RESERVE`], in files and folders.
const RESERVE_OF_FILES: u64 = 1_000;

/// Most that is left free of a small disk: one part of so many.
const PART: u64 = 16;

/// What a file takes beside its content, at most, nearly always: its name, and the rest of its last block.
const BESIDE: u64 = 4 * 1024;

/// How much is written to see whether more can be: quotas show in nothing else. More than is kept beside what is known of
/// a file, as some file systems do with small ones.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PROBE: usize = 64 * 1024;

/// How many bytes are left free on a file system.
fn reserve_of(about: &StatVfs) -> u64 {
    RESERVE.min(about.f_blocks.saturating_mul(about.f_frsize) / PART)
}

/// Why so many bytes more would not leave free what is to be left on a file system; `None` when they would, or it does not tell.
fn lacks(about: &StatVfs, more: u64) -> Option<String> {
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let reserve = reserve_of(about);
    // One that makes room for files as they come tells of none.
    let files = RESERVE_OF_FILES.min(about.f_files / PART);
    if free < reserve.saturating_add(more) && about.f_blocks > 0 {
        let kib = |bytes: u64| bytes / 1024;
        return Some(format!("{} KiB are free, and {} are kept free", kib(free), kib(reserve)));
    }
    (about.f_favail < files)
        .then(|| format!("there is room for {} more files, and {files} are kept free", about.f_favail))
}

/// The first of these folders that is on a file system without room, and what it lacks. To be asked where something
/// failed: it writes to see whether that can be done.
pub(super) fn full(folders: &[PathBuf]) -> Option<(&Path, String)> {
    #[cfg(test)]
    {
        let is_full = |at: &&PathBuf| at.ancestors().any(|above| above.join(super::testing::FULL).exists());
        if let Some(folder) = folders.iter().find(is_full) {
            return Some((folder, "a test says so".to_owned()));
        }
    }
    folders.iter().find_map(|folder| {
        let lack = statvfs(folder).ok().and_then(|about| lacks(&about, 0));
        lack.or_else(|| refuses(folder)).map(|why| (&**folder, why))
    })
}

/// What the system says when it has no room for a little more in a folder.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn refuses(folder: &Path) -> Option<String> {
    use std::io::Write as _;

    use rustix::fs::{CWD, Mode, OFlags, openat};

    // Leaves nothing behind, whenever this process ends. Where it cannot be made for another reason nothing is known.
    let nameless = OFlags::TMPFILE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let probe = openat(CWD, folder, nameless, Mode::RUSR | Mode::WUSR).map_err(std::io::Error::from);
    let error = probe.and_then(|file| std::fs::File::from(file).write_all(&[b'x'; PROBE])).err()?;
    is_full(&error).then(|| error.to_string())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn refuses(_folder: &Path) -> Option<String> {
    None
}

/// What one filling of a worktree leaves free.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// Why it has stopped.
    lack: OnceLock<String>,
    /// As if so many bytes more had to be left free.
    #[cfg(test)]
    more: u64,
}

impl Reserve {
    /// As if so many bytes more had to be left free.
    #[cfg(test)]
    pub(super) fn more(more: u64) -> Self {
        Self { more, ..Self::default() }
    }

    /// Why it has stopped, or should not be begun in a folder; `None` where that is no matter of room.
    pub(super) fn lack(&self, folder: &Path) -> Option<&str> {
        if self.lack.get().is_none()
            && let Ok(about) = statvfs(folder)
        {
            self.allows(&about, 0);
        }
        self.lack.get().map(String::as_str)
    }

    fn allows(&self, about: &StatVfs, size: u64) -> bool {
        #[cfg(test)]
        let size = size.saturating_add(self.more);
        if let Some(why) = lacks(about, size) {
            // The first one counts.
            let _ = self.lack.set(why);
        }
        self.lack.get().is_none()
    }

    /// Notes an error that something could not be written for.
    pub(super) fn note(&self, error: &std::io::Error) {
        if is_full(error) {
            let _ = self.lack.set(error.to_string());
        }
    }

    /// For one thread.
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch { reserve: self, left: 0 }
    }
}

/// Looks at the file system from time to time, while one thread writes to it.
pub(super) struct Watch<'a> {
    reserve: &'a Reserve,
    /// How many bytes may be written before the next look.
    left: u64,
}

impl Watch<'_> {
    /// Whether so many bytes more may be written. `about` is asked where it is time to look.
    pub(super) fn has_room(&mut self, size: u64, about: impl FnOnce() -> Option<StatVfs>) -> bool {
        let size = size.saturating_add(BESIDE);
        if let Some(left) = self.left.checked_sub(size) {
            self.left = left;
            return true;
        }
        // Where nothing is told nothing is known.
        let Some(about) = about() else { return true };
        // So many threads may do this at once, and not come to the end of it.
        self.left = reserve_of(&about) / PART;
        self.reserve.allows(&about, size)
    }

    /// Notes an error that something could not be written for.
    pub(super) fn note(&self, error: &std::io::Error) {
        self.reserve.note(error);
    }
}

/// Whether the system says that a disk, or a quota, is full.
pub(super) fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of so many MiB, of which so many KiB are free, with room for so many of 100,000 files.
    fn disk(mib: u64, free: u64, files: u64) -> StatVfs {
        let mut about = statvfs("/").expect("tells");
        (about.f_frsize, about.f_blocks, about.f_bavail) = (1024, mib * 1024, free);
        (about.f_files, about.f_favail) = (100_000, files);
        about
    }

    #[test]
    fn what_is_kept_free_is_less_on_small_disks() {
        let lacks = |mib, free, more| lacks(&disk(mib, free, 5_000), more).is_some();
        assert!(!lacks(100_000, 64 * 1024, 0) && lacks(100_000, 64 * 1024, 1));
        assert!(!lacks(100_000, 65 * 1024, 1 << 20) && lacks(100_000, 65 * 1024 - 1, 1 << 20));
        assert!(!lacks(16, 1024, 0) && lacks(16, 1023, 0));
        // It does not tell.
        assert!(!lacks(0, 0, 1 << 30));
    }

    #[test]
    fn who_writes_looks_from_time_to_time_and_stops_in_time() {
        for (mib, reserve) in [(100_000, 64 << 20), (160, 10 << 20)] {
            for size in [0, 1_000, 100_000, 5 << 20] {
                let (kept, looks) = (Reserve::default(), std::cell::Cell::new(0));
                let mut free = 150 << 20;
                // As many at once as there are in a part.
                let mut threads: Vec<Watch<'_>> = (0..PART).map(|_| kept.watch()).collect();
                let mut writes = 0;
                while threads.iter_mut().all(|watch| {
                    let look = || {
                        looks.set(looks.get() + 1);
                        Some(disk(mib, free / 1024, 100_000))
                    };
                    let may = watch.has_room(size, look);
                    if may {
                        free -= size + BESIDE;
                        writes += 1;
                    }
                    may
                }) {}
                assert!(free > 0 && free < reserve + size + (1 << 20), "{mib} {size}: {free}");
                assert!(kept.lack.get().is_some_and(|why| why.contains("are kept free")));
                assert!(size > 1_000 || looks.get() * 100 < writes, "{mib} {size}: {} {writes}", looks.get());
            }
        }
    }

    #[test]
    fn only_what_says_that_there_is_no_room_counts_as_that() {
        let kept = Reserve::default();
        kept.note(&ErrorKind::PermissionDenied.into());
        assert_eq!(kept.lack.get(), None);
        kept.note(&ErrorKind::QuotaExceeded.into());
        assert!(kept.lack(Path::new("/")).is_some());
        assert!(!kept.watch().has_room(0, || Some(disk(100_000, 1 << 30, 5_000))), "another thread goes on");
    }

    #[test]
    fn files_may_be_what_there_is_no_room_for() {
        let lacks = |files| lacks(&disk(100_000, 1 << 30, files), 0);
        assert_eq!(lacks(1_000), None);
        assert!(lacks(999).is_some_and(|why| why.contains("999 more files")));
        assert_eq!(super::lacks(&StatVfs { f_files: 0, ..disk(100_000, 1 << 30, 0) }, 0), None);
        assert_eq!(super::lacks(&StatVfs { f_files: 160, ..disk(100_000, 1 << 30, 10) }, 0), None);
    }

    #[test]
    fn a_disk_that_is_not_full_takes_what_is_tried_and_nothing_of_it_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(full(&[folder.path().to_owned(), folder.path().join("gone")]), None);
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
    }
}
