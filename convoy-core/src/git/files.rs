//! Files beside git's own: moving, replacing and deleting them safely.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::GitError;

/// Whether anything is at a path, also a dangling link.
pub(super) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The content of a file of at most so many bytes. Anything else in its place, such as a link, or a pipe that would be
/// waited for, is an error.
pub(super) fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.len() > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut content = Vec::new();
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}

/// A free name beside `path`: `before`, the last part of the path, `after`, and a number.
pub(super) fn free_name(path: &Path, before: &str, after: &str) -> Result<PathBuf, GitError> {
    for number in 1..10_000 {
        let mut text = OsString::from(before);
        text.push(path.file_name().unwrap_or_default());
        text.push(format!("{after}{number}"));
        let candidate = path.with_file_name(text);
        if !exists(&candidate) {
            return Ok(candidate);
        }
    }
    Err(GitError::io("find a free name beside", path)(io::ErrorKind::AlreadyExists.into()))
}

/// Moves whatever is at `from` to a name beside `path` that nobody else uses, and gives it: `before`, the last part
/// of `path`, and a number. Others may do the same at the same moment, also in other processes.
pub(super) fn set_aside(from: &Path, path: &Path, before: &str) -> Result<PathBuf, GitError> {
    let is_folder = fs::symlink_metadata(from).map_err(GitError::io("find", from))?.is_dir();
    for _ in 0..100 {
        let place = free_name(path, before, "-")?;
        // Who makes it, has it; what is moved then takes its place.
        let claimed = match is_folder {
            true => fs::create_dir(&place),
            false => fs::File::create_new(&place).map(drop),
        };
        match claimed.and_then(|()| fs::rename(from, &place)) {
            Ok(()) => return Ok(place),
            Err(error) => match error.kind() {
                // Somebody was faster, or emptied the trash meanwhile.
                io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => {}
                _ => return Err(GitError::io("move", from)(error)),
            },
        }
    }
    Err(GitError::io("move", from)(io::ErrorKind::AlreadyExists.into()))
}

/// Replaces a file so that a reader sees the old or the new content, never a part. Its mode stays.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> Result<(), GitError> {
    // What a link points at is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Others may replace it at the same moment, in this process too: a name belongs to one of them.
    let new = path.with_added_extension(format!("new-{}", ulid::Ulid::generate()));
    let write = || {
        let mut file = fs::File::create_new(&new)?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    let written = write().map_err(GitError::io("write", &path));
    if written.is_err() {
        // Nobody would ever use that name again.
        let _ = fs::remove_file(&new);
    }
    written
}

/// Deletes a folder and everything in it, also folders that were made read-only. One that is not there is done.
pub(crate) async fn delete_tree(path: &Path) -> Result<(), GitError> {
    let owned = path.to_owned();
    let deleted = tokio::task::spawn_blocking(move || super::gone::delete(&owned));
    deleted.await.unwrap_or_else(|e| Err(io::Error::other(e))).map_err(GitError::io("delete", path))
}

/// A copy of an index, to work on without the lock of the original. Removed when dropped.
#[derive(Debug)]
pub(super) struct IndexCopy(PathBuf);

impl IndexCopy {
    /// Copies the index of a git directory, if it has one, to `index.<name>` beside it. What a crash left there
    /// is replaced.
    pub(super) fn of(git_dir: &Path, name: &str) -> Result<Self, GitError> {
        Self::copy(&git_dir.join("index"), git_dir, name)
    }

    /// As [`of`](Self::of), of an index that lies elsewhere.
    pub(super) fn copy(original: &Path, git_dir: &Path, name: &str) -> Result<Self, GitError> {
        let copy = Self::empty(git_dir, name);
        let at = copy.path();
        let run = || {
            fs::copy(original, at)?;
            // git tells by the index's own time which entries may have changed unseen within one tick.
            let time = fs::metadata(original)?.modified()?;
            fs::File::options().write(true).open(at)?.set_modified(time)
        };
        match run() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(GitError::io("copy", original)(error))
            }
            _ => Ok(copy),
        }
    }

    /// No index yet, for one of that name.
    pub(super) fn empty(git_dir: &Path, name: &str) -> Self {
        let copy = Self(git_dir.join(format!("index.{name}")));
        copy.clear();
        copy
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it the index of the git directory. The lock of the index must be held.
    pub(super) fn install(self, git_dir: &Path) -> Result<(), GitError> {
        let index = git_dir.join("index");
        fs::rename(&self.0, &index).map_err(GitError::io("replace", &index))
    }

    fn clear(&self) {
        // Not there is as good; anything else shows when it is written.
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_file(self.0.with_added_extension("lock"));
    }
}

impl Drop for IndexCopy {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn read_only_folders_are_deleted_and_absent_ones_are_done() {
        let dir = tempfile::tempdir().expect("a folder");
        let deep = dir.path().join("a/b");
        fs::create_dir_all(&deep).expect("creates");
        fs::write(deep.join("file"), "x").expect("writes");
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o500)).expect("chmod");
        delete_tree(&dir.path().join("a")).await.expect("deletes");
        assert!(!dir.path().join("a").exists());
        delete_tree(&dir.path().join("a")).await.expect("is done");
    }

    #[test]
    fn many_set_things_aside_at_once_and_nothing_is_lost() {
        let dir = tempfile::tempdir().expect("a folder");
        let (root, beside) = (dir.path(), dir.path().join("place"));
        for number in 0..16 {
            fs::create_dir_all(root.join(format!("{number}/deep"))).expect("creates");
        }
        fs::write(root.join("file"), "x").expect("writes");
        let places: Vec<PathBuf> = std::thread::scope(|scope| {
            let (root, beside) = (&root, &beside);
            let start =
                |from: PathBuf| scope.spawn(move || set_aside(&from, beside, ".old-").expect("moves"));
            let folders = (0..16).map(|number| start(root.join(number.to_string())));
            let threads: Vec<_> = folders.chain([start(root.join("file"))]).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(places.iter().filter(|place| place.join("deep").is_dir()).count(), 16);
        assert_eq!(places.iter().collect::<std::collections::BTreeSet<_>>().len(), 17);
        assert_eq!(fs::read_dir(root).expect("lists").count(), 17);
    }

    #[test]
    fn replacing_keeps_the_mode_and_follows_a_link() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").expect("writes");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("chmod");
        std::os::unix::fs::symlink(&file, &link).expect("links");
        replace_file(&link, b"new").expect("replaces");
        assert_eq!(fs::read_to_string(&file).expect("reads"), "new");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 2);
    }

    #[test]
    fn many_replace_a_file_at_once_and_it_is_always_that_of_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("file");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (file, text) = (&file, number.to_string().repeat(1 << 16));
                scope.spawn(move || {
                    for _ in 0..20 {
                        replace_file(file, text.as_bytes()).expect("replaces");
                        let found = fs::read(file).expect("is there");
                        assert!(found.len() == 1 << 16 && found.iter().all(|byte| *byte == found[0]));
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("file")).expect("creates");
        replace_file(&dir.path().join("file"), b"new").expect_err("a folder is in its place");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_copied_index_keeps_the_time_and_vanishes_with_its_lock() {
        let dir = tempfile::tempdir().expect("a folder");
        let original = dir.path().join("index");
        fs::write(&original, "x").expect("writes");
        let past = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_000_000_123);
        fs::File::options().write(true).open(&original).expect("opens").set_modified(past).expect("sets");
        let copy = IndexCopy::of(dir.path(), "test").expect("copies");
        assert_eq!(fs::metadata(copy.path()).expect("there").modified().expect("time"), past);
        fs::write(copy.path().with_added_extension("lock"), "").expect("writes");
        drop(copy);
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }
}
