//! Getting files onto the disk.

use std::collections::{BTreeSet, HashSet};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::GitError;

/// Returns when what was written to a file, or which entries a folder has, will survive a power cut.
pub(super) fn sync(file: &File, path: &Path) -> std::io::Result<()> {
    file.sync_all()?;
    #[cfg(test)]
    record::note(path);
    #[cfg(not(test))]
    let _ = path;
    Ok(())
}

/// Most files that are remembered to be on the disk.
const MOST: usize = 100_000;

/// A file as it was seen. The file of an object never changes, but it may be deleted and written anew.
type Seen = (u64, u64, i64, i64);

fn seen(file: &Metadata) -> Seen {
    (file.dev(), file.ino(), file.ctime(), file.ctime_nsec())
}

/// The files of objects that are on the disk by what this process did.
#[derive(Debug, Default)]
pub(super) struct SyncedObjects(Mutex<HashSet<Seen>>);

impl SyncedObjects {
    /// Gets onto the disk the objects of these ids, one a line, that lie in a folder of objects. Where one has no file
    /// of its own, all packs: git syncs those, unless it was told not to, but not the folder they are in.
    pub(super) fn objects(&self, store: &Path, ids: &str) -> Result<(), GitError> {
        let (mut new, mut folders, mut is_packed) = (Vec::new(), BTreeSet::new(), false);
        for id in ids.lines().filter(|id| id.len() > 2 && id.is_ascii()) {
            is_packed |= !self.file(&store.join(&id[..2]).join(&id[2..]), &mut new, &mut folders)?;
        }
        if is_packed {
            for pack in packs(&store.join("pack"))? {
                self.file(&pack, &mut new, &mut folders)?;
            }
        }
        if !folders.is_empty() {
            folders.insert(store.to_owned());
        }
        for folder in folders {
            let synced = File::open(&folder).and_then(|open| sync(&open, &folder));
            synced.map_err(GitError::io("sync", &folder))?;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + new.len() > MOST {
            known.clear();
        }
        known.extend(new);
        Ok(())
    }

    /// Syncs a file, unless that was done before, and tells which folder has to be synced after it. `false`: there is
    /// no such file.
    fn file(
        &self,
        path: &Path,
        new: &mut Vec<Seen>,
        folders: &mut BTreeSet<PathBuf>,
    ) -> Result<bool, GitError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(GitError::io("open", path)(error)),
        };
        let seen = seen(&file.metadata().map_err(GitError::io("look at", path))?);
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&seen) {
            sync(&file, path).map_err(GitError::io("sync", path))?;
            folders.extend(path.parent().map(Path::to_owned));
            new.push(seen);
        }
        Ok(true)
    }
}

/// The packs in a folder, and what git finds objects in them by.
fn packs(folder: &Path) -> Result<Vec<PathBuf>, GitError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(GitError::io("list", folder)(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let paths = paths.collect::<std::io::Result<Vec<_>>>().map_err(GitError::io("list", folder))?;
    let is_one = |path: &PathBuf| path.extension().is_some_and(|end| end == "pack" || end == "idx");
    Ok(paths.into_iter().filter(is_one).collect())
}

/// What was synced, for tests that cut the power.
#[cfg(test)]
pub(super) mod record {
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    static SYNCED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

    pub(super) fn note(path: &Path) {
        SYNCED.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }

    /// What was synced below a folder so far, in order.
    pub(crate) fn below(folder: &Path) -> Vec<PathBuf> {
        let synced = SYNCED.lock().unwrap_or_else(PoisonError::into_inner);
        synced.iter().filter(|path| path.starts_with(folder)).cloned().collect()
    }
}
