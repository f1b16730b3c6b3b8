//! Setting refs of the engine, by compare-and-swap.
//!
//! A ref is a file, and is changed as git does it: whoever makes `<ref>.lock` may change the ref; the new value is
//! written there, synced, and then takes the place of the old one. Refs that have a log, that people or other
//! programs work on (branches, tags, remotes), that are symbolic, and deletions (which need the lock of all packed
//! refs) are left to the git program: so the only locks that a killed engine can leave are on refs of its own.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::refs::{Found, Packed, is_shared_name};
use super::{Handle, NotMine, raw};
use crate::git::refs::{Expected, RefEdit, RefUpdate};
use crate::git::sync::sync;
use crate::types::Oid;

/// What became of trying.
#[derive(Debug)]
pub(in crate::git) enum Tried {
    /// It was decided.
    Decided(RefUpdate),
    /// Somebody else has this lock.
    Held(PathBuf),
}

/// Parts of names whose refs have logs, or are worked on by others.
const OF_OTHERS: [&str; 5] = ["heads", "tags", "remotes", "notes", "stash"];

/// Most folders that are remembered to be on the disk.
const MOST_KEPT: usize = 10_000;

/// A lock that was taken; given back when this is dropped.
struct Lock {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.renamed {
            // It was made a moment ago, here; nothing else can be done about it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Handle<'_> {
    /// Sets all of these refs if all are as expected, else none.
    pub(in crate::git) fn update_refs(&self, edits: &[RefEdit]) -> Result<Tried, NotMine> {
        for (at, edit) in edits.iter().enumerate() {
            self.check_edit(edit)?;
            if edits[..at].iter().any(|other| other.name == edit.name) {
                return Err(NotMine);
            }
        }
        let mut locks = Vec::new();
        // In one order, so that two who want the same ones do not stop each other.
        let mut names: Vec<&str> = edits.iter().map(|edit| edit.name.as_str()).collect();
        names.sort_unstable();
        for name in names {
            match self.lock(name)? {
                Ok(lock) => locks.push(lock),
                Err(held) => return Ok(Tried::Held(held)),
            }
        }
        let packed = Packed::read(self.common)?;
        let mut changes = Vec::new();
        for edit in edits {
            let now = match self.read_ref(&edit.name)? {
                Some(Found::Symbolic(_)) => return Err(NotMine),
                Some(Found::At(id)) => Some(id),
                None => None,
            };
            let is_expected = match &edit.expected {
                Expected::Absent => now.is_none(),
                Expected::At(id) => now.as_ref() == Some(id),
                Expected::Any => true,
            };
            if !is_expected {
                return Ok(Tried::Decided(RefUpdate::Moved { now }));
            }
            if now.is_none() {
                self.has_room(&edit.name, &packed)?;
            }
            let new = edit.new.as_ref().ok_or(NotMine)?;
            if now.as_ref() != Some(new) {
                changes.push((edit, new));
            }
        }
        self.set(locks, &changes)?;
        Ok(Tried::Decided(RefUpdate::Done))
    }

    /// Fails unless the ref is one that may be set here, to an object that is there.
    fn check_edit(&self, edit: &RefEdit) -> Result<(), NotMine> {
        let kind = edit.name.split('/').nth(1).unwrap_or_default();
        let of_others = OF_OTHERS.contains(&kind) || !is_shared_name(&edit.name);
        let has_log = std::fs::symlink_metadata(self.common.join("logs").join(&edit.name)).is_ok();
        let Some(new) = &edit.new else { return Err(NotMine) };
        if of_others || has_log || !self.repo.odb()?.exists(raw(new)?) {
            return Err(NotMine);
        }
        // No link may lead out of the folder of refs.
        let mut path = self.common.to_owned();
        for part in edit.name.split('/') {
            path.push(part);
            match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => return Err(NotMine),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(_) => return Err(NotMine),
            }
        }
        Ok(())
    }

    /// Takes the lock of a ref, or says who has it.
    fn lock(&self, name: &str) -> Result<Result<Lock, PathBuf>, NotMine> {
        let path = self.common.join(format!("{name}.lock"));
        let folder = path.parent().ok_or(NotMine)?;
        // Others may take an empty folder away again before something is in it.
        for _ in 0..10 {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Ok(Lock { path, file, renamed: false })),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Err(path)),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.kept.borrow_mut().clear();
                    std::fs::create_dir_all(folder)?;
                }
                Err(_) => return Err(NotMine),
            }
        }
        Err(NotMine)
    }

    /// Fails when a ref that is new is above or below another one: git says what is in the way.
    fn has_room(&self, name: &str, packed: &Packed) -> Result<(), NotMine> {
        let below =
            |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
        let in_the_way = |other: &str| below(name, other) || below(other, name);
        let is_folder = std::fs::symlink_metadata(self.common.join(name)).is_ok();
        if is_folder || packed.iter().any(|(_, other)| in_the_way(other)) { Err(NotMine) } else { Ok(()) }
    }

    /// Writes the new values under the locks, each onto the disk before it counts.
    fn set(&self, mut locks: Vec<Lock>, changes: &[(&RefEdit, &Oid)]) -> Result<(), NotMine> {
        let find = |locks: &mut Vec<Lock>, name: &str| {
            let path = self.common.join(format!("{name}.lock"));
            locks.iter().position(|lock| lock.path == path).ok_or(NotMine)
        };
        for (edit, new) in changes {
            let at = find(&mut locks, &edit.name)?;
            locks[at].file.write_all(format!("{new}\n").as_bytes())?;
            sync(&locks[at].file, &locks[at].path)?;
        }
        for (edit, _) in changes {
            let at = find(&mut locks, &edit.name)?;
            std::fs::rename(&locks[at].path, self.common.join(&edit.name))?;
            locks[at].renamed = true;
        }
        let folders: BTreeSet<PathBuf> = changes
            .iter()
            .filter_map(|(edit, _)| Some(self.common.join(&edit.name).parent()?.to_owned()))
            .collect();
        folders.iter().try_for_each(|folder| self.sync_folder(folder))
    }

    /// Syncs a folder with refs and, where that may be new, those above it.
    fn sync_folder(&self, folder: &Path) -> Result<(), NotMine> {
        let above = folder.ancestors().take_while(|above| *above != self.common);
        for (steps, above) in above.enumerate() {
            if steps > 0 && self.kept.borrow().contains(folder) {
                break;
            }
            sync(&File::open(above)?, above)?;
        }
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(folder.to_owned());
        Ok(())
    }
}
