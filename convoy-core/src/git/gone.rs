//! Deleting folders, however deep: whoever worked there may have made them so deep that going down from folder to folder
//! takes all open files or all of a stack, and then everybody's.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmodat, fchmod, openat, renameat, unlinkat};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Deletes whatever is at a path. The links on the way to it are followed, and none below it.
pub(super) fn delete(path: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match openat(CWD, parent, FOLDER, Mode::empty()) {
        Ok(folder) => Ok(remove_all(folder.as_fd(), name)?),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes whatever has this name in a folder, with everything below it, also what was made read-only. What is not there
/// is done. Whoever worked there must have ended; several may delete the same at once, as two engines do with trash.
pub(super) fn remove_all(folder: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    if is_unlinked(folder, name)? {
        return Ok(());
    }
    let Some(top) = unless_gone(open(folder, name))? else { return Ok(()) };
    let mut counts = Counts::default();
    loop {
        let names = names_in(&top)?;
        if names.is_empty() {
            match unlinkat(folder, name, AtFlags::REMOVEDIR) {
                Err(error) if counts.is_filled_again(error) => continue,
                removed => return unless_gone(removed).map(drop),
            }
        }
        for name in names {
            flatten(&top, &name, &mut counts)?;
        }
    }
}

#[derive(Default)]
struct Counts {
    /// Folders that were moved up.
    moved: u64,
    /// How often an empty folder turned out to have something in it.
    filled: u32,
}

impl Counts {
    /// Whether another one who deletes the same has moved something up since. Not for ever: whoever works there could do that.
    fn is_filled_again(&mut self, error: Errno) -> bool {
        self.filled += 1;
        matches!(error, Errno::NOTEMPTY | Errno::EXIST) && self.filled < 10_000
    }
}

/// Another one who deletes the same may have been faster.
fn unless_gone<T>(done: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes an entry of the first folder; the folders that are in it are moved to the first one, where their turn comes.
fn flatten(top: &OwnedFd, name: &OsStr, counts: &mut Counts) -> Result<(), Errno> {
    if is_unlinked(top.as_fd(), name)? {
        return Ok(());
    }
    let Some(inside) = unless_gone(open(top.as_fd(), name))? else { return Ok(()) };
    for child in names_in(&inside)? {
        // Most are empty by now, or hold only files.
        if !is_unlinked(inside.as_fd(), &child)? && unlinkat(&inside, &child, AtFlags::REMOVEDIR).is_err() {
            unless_gone(move_up(&inside, &child, top, &mut counts.moved))?;
        }
    }
    match unlinkat(top, name, AtFlags::REMOVEDIR) {
        // Its turn comes again.
        Err(error) if counts.is_filled_again(error) => Ok(()),
        removed => unless_gone(removed).map(drop),
    }
}

fn move_up(inside: &OwnedFd, child: &OsStr, top: &OwnedFd, moved: &mut u64) -> Result<(), Errno> {
    let mut writable = false;
    loop {
        *moved += 1;
        match renameat(inside, child, top, format!(".gone-{moved}")) {
            // Something of that name is there.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            // A folder that is moved is written to: it says where it is.
            Err(Errno::ACCESS) if !writable => {
                writable = true;
                chmodat(inside, child, Mode::RWXU, AtFlags::empty())?;
            }
            other => return other,
        }
    }
}

/// Removes what is no folder; whether it is gone.
fn is_unlinked(folder: BorrowedFd<'_>, name: &OsStr) -> Result<bool, Errno> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        // Linux says the first of a folder, other systems the second.
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a folder, and makes it one whose entries can be removed.
fn open(folder: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let open = || openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
    let opened = open().or_else(|error| match error {
        Errno::ACCESS => chmodat(folder, name, Mode::RWXU, AtFlags::empty()).and_then(|()| open()),
        other => Err(other),
    })?;
    // One of somebody else shows when its entries are removed.
    let _ = fchmod(&opened, Mode::RWXU);
    Ok(opened)
}

fn names_in(folder: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::fs::mkdirat;

    use super::*;

    #[test]
    fn several_may_delete_the_same_at_once() {
        let scratch = tempfile::tempdir().expect("a folder");
        for round in 0..20 {
            let root = scratch.path().join(round.to_string());
            for folder in 0..50 {
                fs::create_dir_all(root.join(format!("{folder}/deeper/deep"))).expect("makes");
                fs::write(root.join(format!("{folder}/deeper/file")), "").expect("writes");
            }
            std::thread::scope(|scope| {
                let all = [(); 4].map(|()| scope.spawn(|| delete(&root)));
                for one in all {
                    one.join().expect("no panic").expect("deleted");
                }
            });
            assert!(!root.exists());
        }
    }

    #[test]
    fn folders_of_any_depth_go_with_little_stack_and_few_open_files() {
        let scratch = tempfile::tempdir().expect("a folder");
        let root = scratch.path().join("root");
        fs::create_dir(&root).expect("makes");
        let mut at = openat(CWD, &root, FOLDER, Mode::empty()).expect("opens");
        for depth in 0..20_000 {
            mkdirat(&at, "d", Mode::RWXU).expect("makes");
            if depth % 1000 == 0 {
                // Of a name that things get on their way.
                mkdirat(&at, ".gone-1", Mode::RWXU).expect("makes");
                openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).expect("makes");
            }
            at = openat(&at, "d", FOLDER, Mode::empty()).expect("opens");
        }
        drop(at);
        let path = root.clone();
        let thread = std::thread::Builder::new().stack_size(128 * 1024);
        thread.spawn(move || delete(&path)).expect("starts").join().expect("no panic").expect("deleted");
        assert!(!root.exists());
    }

    #[test]
    fn what_is_read_only_goes_and_what_links_lead_to_stays() {
        let scratch = tempfile::tempdir().expect("a folder");
        let (root, theirs) = (scratch.path().join("root"), scratch.path().join("theirs"));
        fs::create_dir_all(root.join("a/b/c")).expect("makes");
        fs::create_dir_all(root.join("a/empty")).expect("makes");
        fs::create_dir_all(theirs.join("deep")).expect("makes");
        fs::write(theirs.join("deep/file"), "mine").expect("writes");
        fs::write(root.join("a/b/c/.gone-1"), "x").expect("writes");
        fs::write(root.join(".gone-1"), "x").expect("writes");
        symlink(&theirs, root.join("a/b/link")).expect("links");
        symlink(&theirs, root.join("link")).expect("links");
        for (folder, mode) in
            [("a/b/c", 0o000), ("a/b", 0o500), ("a/empty", 0o000), ("a", 0o400), ("", 0o500)]
        {
            fs::set_permissions(root.join(folder), fs::Permissions::from_mode(mode)).expect("chmod");
        }
        delete(&root).expect("deleted");
        assert!(root.symlink_metadata().is_err());
        assert_eq!(fs::read_to_string(theirs.join("deep/file")).expect("is there"), "mine");
        for path in [root.clone(), root.join("not/there")] {
            delete(&path).expect("nothing is there");
        }
        symlink(&theirs, &root).expect("links");
        delete(&root).expect("deleted");
        assert!(theirs.join("deep").exists() && root.symlink_metadata().is_err());
    }
}
