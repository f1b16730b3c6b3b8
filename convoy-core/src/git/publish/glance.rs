//! A look at an index without git: whether the files of some paths are as it says.
//!
//! It answers only where nothing has to be read to know that: each file has the times, the numbers and the size that
//! the index tells of, and no change could hide in the tick of the clock in which the index was written. Everything
//! else is for git: conflicts, entries that are marked in any way, files that may be the same after all.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntry};

use super::way::{Entry, Pair};
use crate::git::fast::NotMine;

/// A larger index is left to git, in bytes.
const LARGEST: u64 = 512 * 1024 * 1024;

/// The flag of an entry that somebody says never changes.
const ASSUMED: u16 = 0x8000;

/// The flag of an entry with more of them: to be added later, or not checked out.
const EXTENDED: u16 = 0x4000;

/// The stage of an entry.
const STAGE: i32 = 0;

/// What the index has at each of the paths of `changing`; fails unless the files there are as it says.
pub(super) fn glance(
    index: &Path,
    root: &Path,
    changing: &[Pair],
) -> Result<HashMap<PathBuf, Option<Entry>>, NotMine> {
    let own = std::fs::symlink_metadata(index)?;
    // One that is not there would be taken for empty.
    if !own.is_file() || own.len() > LARGEST {
        return Err(NotMine);
    }
    let index = Index::open(index)?;
    if index.has_conflicts() {
        return Err(NotMine);
    }
    let mut found = HashMap::new();
    for pair in changing {
        let entry = index.get_path(&pair.path, STAGE);
        if let Some(entry) = &entry
            && !(has_real_folders(root, &pair.path)?
                && is_as(entry, &std::fs::symlink_metadata(root.join(&pair.path))?, own.mtime()))
        {
            return Err(NotMine);
        }
        let told =
            |entry: IndexEntry| Entry { mode: format!("{:06o}", entry.mode), id: entry.id.to_string() };
        found.insert(pair.path.clone(), entry.map(told));
    }
    Ok(found)
}

/// Whether no link leads to a path, which would make it the path of another file.
fn has_real_folders(root: &Path, path: &Path) -> Result<bool, NotMine> {
    for folder in path.ancestors().skip(1) {
        if !std::fs::symlink_metadata(root.join(folder))?.is_dir() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a file must be as an entry says, of an index that was written in this second.
#[expect(clippy::cast_possible_truncation, reason = "an index keeps the lower half")]
fn is_as(entry: &IndexEntry, file: &Metadata, written: i64) -> bool {
    let is_kind = match entry.mode {
        0o100_644 => file.is_file() && file.mode() & 0o100 == 0,
        0o100_755 => file.is_file() && file.mode() & 0o100 != 0,
        0o120_000 => file.is_symlink(),
        _ => false,
    };
    let times = [
        (entry.mtime.seconds(), entry.mtime.nanoseconds(), file.mtime(), file.mtime_nsec()),
        (entry.ctime.seconds(), entry.ctime.nanoseconds(), file.ctime(), file.ctime_nsec()),
    ];
    let is_time = |(seconds, nanos, wanted, part): (i32, u32, i64, i64)| {
        seconds == wanted as i32 && i64::from(nanos) == part
    };
    let numbers = [
        (entry.ino, file.ino() as u32),
        (entry.uid, file.uid()),
        (entry.gid, file.gid()),
        // An entry of no size may be one that git has to look at.
        (entry.file_size, (file.len() as u32).max(1)),
    ];
    is_kind
        && entry.flags & (ASSUMED | EXTENDED) == 0
        && times.into_iter().all(is_time)
        && numbers.iter().all(|(told, is)| told == is)
        && file.mtime() < written
        && file.ctime() < written
}

#[cfg(test)]
mod tests {
    use super::*;
    use git2::IndexTime;

    /// An entry of an index that tells of a file as it is.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index keeps the lower half"
    )]
    fn entry(file: &Metadata) -> IndexEntry {
        IndexEntry {
            ctime: IndexTime::new(file.ctime() as i32, file.ctime_nsec() as u32),
            mtime: IndexTime::new(file.mtime() as i32, file.mtime_nsec() as u32),
            dev: file.dev() as u32,
            ino: file.ino() as u32,
            mode: 0o100_644,
            uid: file.uid(),
            gid: file.gid(),
            file_size: file.len() as u32,
            id: git2::Oid::ZERO_SHA1,
            flags: 4,
            flags_extended: 0,
            path: b"file".to_vec(),
        }
    }

    #[test]
    fn a_file_is_as_its_entry_says_only_where_everything_agrees() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        std::fs::write(&path, "x").expect("writes");
        let file = std::fs::metadata(&path).expect("is there");
        let later = file.mtime() + 1;
        assert!(is_as(&entry(&file), &file, later));
        assert!(!is_as(&entry(&file), &file, file.mtime()), "it may have changed in that second");
        let second = |time: IndexTime| IndexTime::new(time.seconds() + 1, time.nanoseconds());
        let nano = |time: IndexTime| IndexTime::new(time.seconds(), time.nanoseconds() ^ 1);
        type Change = fn(&mut IndexEntry);
        let changes: [(&str, Change); 10] = [
            ("size", |entry| entry.file_size += 1),
            ("owner", |entry| entry.uid ^= 1),
            ("group", |entry| entry.gid ^= 1),
            ("number", |entry| entry.ino ^= 1),
            ("mode", |entry| entry.mode = 0o100_755),
            ("kind", |entry| entry.mode = 0o120_000),
            ("submodule", |entry| entry.mode = 0o160_000),
            ("assumed unchanged", |entry| entry.flags |= ASSUMED),
            ("not checked out, or announced", |entry| entry.flags |= EXTENDED),
            ("size that asks for a look", |entry| entry.file_size = 0),
        ];
        for (name, change) in changes {
            let mut entry = entry(&file);
            change(&mut entry);
            assert!(!is_as(&entry, &file, later), "{name}");
        }
        for change in [second, nano] {
            let (mut one, mut other) = (entry(&file), entry(&file));
            (one.mtime, other.ctime) = (change(one.mtime), change(other.ctime));
            assert!(!is_as(&one, &file, later) && !is_as(&other, &file, later));
        }
    }
}
