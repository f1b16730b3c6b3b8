//! Getting files onto the disk.

use std::fs::File;
use std::path::Path;

/// Returns when what was written to a file, or which entries a folder has, will survive a power cut.
pub(super) fn sync(file: &File, path: &Path) -> std::io::Result<()> {
    file.sync_all()?;
    #[cfg(test)]
    record::note(path);
    #[cfg(not(test))]
    let _ = path;
    Ok(())
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
