//! Cutting the power, in tests.
//!
//! A disk that was never told to write anything down may have none of it. So the cut leaves of what is new in the git
//! directory only files that were synced, in folders that were synced after they got them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use crate::git::sync::record::below;

/// The files below a folder, with their content.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("lists") {
            let entry = entry.expect("an entry");
            match entry.file_type().expect("a kind").is_dir() {
                true => folders.push(entry.path()),
                false => drop(found.insert(entry.path(), std::fs::read(entry.path()).expect("reads"))),
            }
        }
    }
    found
}

/// Whether a file that is new, or new again, survives.
fn survives(path: &Path, synced: &[PathBuf], known: &BTreeMap<PathBuf, Vec<u8>>) -> bool {
    let before_rename = PathBuf::from(format!("{}.lock", path.display()));
    let Some(at) = synced.iter().rposition(|other| other == path || *other == before_rename) else {
        return false;
    };
    // What is synced of the folder counts when it is done after the file got its name.
    let Some(folder) = path.parent().filter(|folder| synced[at..].iter().any(|other| other == folder)) else {
        return false;
    };
    // A folder that is new must be known to the one above it, up to one that was there before.
    let is_known = |folder: &&Path| known.keys().any(|path| path.starts_with(folder));
    let mut new = folder.ancestors().take_while(|folder| !is_known(folder));
    new.all(|folder| folder.parent().is_some_and(|above| synced.iter().any(|other| other == above)))
}

/// Cuts the power: the git directory is what was there `before`, and what was synced since. Says how much was lost.
pub(crate) fn cut(git_dir: &Path, before: &BTreeMap<PathBuf, Vec<u8>>) -> usize {
    let synced = below(git_dir);
    let mut lost = 0;
    for (path, content) in files(git_dir) {
        match before.get(&path) {
            Some(old) if *old == content => {}
            _ if survives(&path, &synced, before) => {}
            Some(old) => {
                std::fs::write(&path, old).expect("writes");
                lost += 1;
            }
            None => {
                std::fs::remove_file(&path).expect("removes");
                lost += 1;
            }
        }
    }
    lost
}
