//! The files of a worktree, always reached from its root step by step: no link on the way is ever followed, whoever
//! puts one there at whatever moment.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::time::SystemTime;

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, StatVfs, Timespec, Timestamps, UTIME_NOW, fstat, fstatvfs, mkdirat,
    openat, readlinkat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::stat::{Kind, Stat, Time};
use super::tree::{FILE, LINK, PROGRAM};
use crate::git::gone::remove_all;

const HERE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The files below a folder.
#[derive(Debug)]
pub(in crate::git) struct Disk {
    root: OwnedFd,
    /// The folder that was used last: files are used in the order of their paths.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Disk {
    /// The files below a folder, which must not be a link.
    pub(in crate::git) fn open(root: &std::path::Path) -> io::Result<Self> {
        Ok(Self { root: openat(CWD, root, HERE, Mode::empty())?, last: None })
    }

    /// What the clock of the file system says: what is written from now on has no earlier time.
    pub(super) fn now(&self) -> io::Result<Time> {
        // The worktree's own link is there, and its time tells nobody anything.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        utimensat(&self.root, ".git", &times, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(stat_in(self.root.as_fd(), OsStr::new(".git"))?.changed())
    }

    /// What the file system says of itself.
    pub(super) fn room(&self) -> Option<StatVfs> {
        fstatvfs(&self.root).ok()
    }

    /// What the root is.
    pub(super) fn root(&self) -> io::Result<Stat> {
        Ok(Stat::of(&fstat(&self.root)?))
    }

    /// What the file or link at a path is.
    pub(super) fn stat(&mut self, path: &[u8]) -> io::Result<Stat> {
        let (folder, name) = self.beside(path, false)?;
        Ok(stat_in(folder, name)?)
    }

    /// The content of a file, or the target of a link.
    pub(super) fn read(&mut self, path: &[u8], kind: Kind) -> io::Result<Vec<u8>> {
        let (folder, name) = self.beside(path, false)?;
        if kind == Kind::Link {
            return Ok(readlinkat(folder, name, Vec::new())?.into_bytes());
        }
        let mut content = Vec::new();
        open_file(folder, name)?.read_to_end(&mut content)?;
        Ok(content)
    }

    /// Whether a file is at a path.
    pub(in crate::git) fn is_file(&mut self, path: &[u8]) -> bool {
        self.stat(path).is_ok_and(|stat| stat.kind() == Kind::File)
    }

    /// Opens what is at a path to be read, if that is a file.
    pub(in crate::git) fn open_file(&mut self, path: &[u8]) -> io::Result<File> {
        let (folder, name) = self.beside(path, false)?;
        let file = open_file(folder, name)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Makes an empty file that is not there, and the folders that it needs, as [`write`](Self::write) does.
    pub(super) fn create(&mut self, path: &[u8], mode: u32) -> io::Result<File> {
        let (folder, name) = self.beside(path, true)?;
        create(folder, name, mode)
    }

    /// Makes a file or a link that is not there, and the folders that it needs, as git does: the modes are left to
    /// the process's own mask.
    pub(super) fn write(&mut self, path: &[u8], mode: u32, content: &[u8]) -> io::Result<Stat> {
        let (folder, name) = self.beside(path, true)?;
        if mode == LINK {
            symlinkat(OsStr::from_bytes(content), folder, name)?;
        } else {
            create(folder, name, mode)?.write_all(content)?;
        }
        Ok(stat_in(folder, name)?)
    }

    /// Removes a file, and nothing else.
    pub(super) fn unlink(&mut self, path: &[u8]) -> io::Result<()> {
        let (folder, name) = self.beside(path, false)?;
        Ok(unlinkat(folder, name, AtFlags::empty())?)
    }

    /// Removes whatever is at a path, with everything below it, and the folders above it that are then empty. What is
    /// not there is done.
    pub(in crate::git) fn remove(&mut self, path: &[u8]) -> io::Result<()> {
        self.last = None;
        match self.beside(path, false) {
            Ok((folder, name)) => remove_all(folder, name)?,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error.into()),
        }
        self.last = None;
        let mut path = path;
        while let Some(at) = path.iter().rposition(|&byte| byte == b'/') {
            path = &path[..at];
            let Ok((folder, name)) = self.beside(path, false) else { break };
            if unlinkat(folder, name, AtFlags::REMOVEDIR).is_err() {
                break;
            }
            self.last = None;
        }
        Ok(())
    }

    /// The content of a file of at most so many bytes, and when it was changed last. Anything else in its place is an
    /// error.
    pub(in crate::git) fn read_within(
        &mut self,
        path: &[u8],
        most: u64,
    ) -> io::Result<(Vec<u8>, SystemTime)> {
        let file = self.open_file(path)?;
        let about = file.metadata()?;
        if about.len() > most {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut content = Vec::new();
        file.take(most).read_to_end(&mut content)?;
        Ok((content, about.modified()?))
    }

    /// Writes a file that nobody is to run, in the place of whatever is there.
    pub(in crate::git) fn put(&mut self, path: &[u8], content: &[u8]) -> io::Result<()> {
        let (folder, name) = self.beside(path, true)?;
        remove_all(folder, name)?;
        self.write(path, FILE, content).map(drop)
    }

    /// Makes a folder, and those above it.
    pub(in crate::git) fn make(&mut self, folder: &[u8]) -> io::Result<()> {
        Ok(self.folder(folder, true).map(drop)?)
    }

    /// Whether anything is at a path, and whether it is a folder.
    pub(in crate::git) fn is_folder(&mut self, path: &[u8]) -> Option<bool> {
        self.stat(path).ok().map(|stat| stat.kind() == Kind::Folder)
    }

    /// Removes what is neither a file nor a folder from a folder, and from those in it, of which so many may lie in each
    /// other; those that lie deeper go, and so does what cannot be listed.
    pub(in crate::git) fn keep_files(&mut self, folder: &[u8], more: u8) -> io::Result<()> {
        let Ok(entries) = self.list(folder) else { return self.remove(folder) };
        for (name, stat) in entries {
            let path = [folder, b"/", &name[..]].concat();
            match stat.kind() {
                Kind::File => {}
                Kind::Folder if more > 0 => self.keep_files(&path, more - 1)?,
                _ => self.remove(&path)?,
            }
        }
        Ok(())
    }

    /// What is in a folder: names, and whether each is a folder, or else a file; `None`: neither.
    pub(in crate::git) fn kinds(&mut self, folder: &[u8]) -> io::Result<Vec<(Vec<u8>, Option<bool>)>> {
        let kind = |stat: &Stat| match stat.kind() {
            Kind::Folder => Some(true),
            Kind::File => Some(false),
            Kind::Link | Kind::Other => None,
        };
        Ok(self.list(folder)?.into_iter().map(|(name, stat)| (name, kind(&stat))).collect())
    }

    /// The names of what is in a folder.
    pub(in crate::git) fn names(&mut self, folder: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        Ok(self.list(folder)?.into_iter().map(|(name, _)| name).collect())
    }

    /// Everything in a folder: names, and what they are. The empty path is the root.
    pub(super) fn list(&mut self, folder: &[u8]) -> io::Result<Vec<(Vec<u8>, Stat)>> {
        let folder = self.folder(folder, false)?;
        let mut all = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            match stat_in(folder, OsStr::from_bytes(name)) {
                Ok(stat) => all.push((name.to_vec(), stat)),
                // It went meanwhile.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    /// The folder that a path is in, and its last part.
    fn beside<'p>(&mut self, path: &'p [u8], make: bool) -> Result<(BorrowedFd<'_>, &'p OsStr), Errno> {
        let at = path.iter().rposition(|&byte| byte == b'/');
        let (folder, name) = at.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
        leads_nowhere(name)?;
        Ok((self.folder(folder, make)?, OsStr::from_bytes(name)))
    }

    fn folder(&mut self, path: &[u8], make: bool) -> Result<BorrowedFd<'_>, Errno> {
        if path.is_empty() {
            return Ok(self.root.as_fd());
        }
        let is_last = self.last.as_ref().is_some_and(|(last, _)| last == path);
        if !is_last {
            let mut at: Option<OwnedFd> = None;
            for name in path.split(|&byte| byte == b'/') {
                leads_nowhere(name)?;
                let name = OsStr::from_bytes(name);
                let above = at.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
                at = Some(match openat(above, name, HERE, Mode::empty()) {
                    Err(Errno::NOENT) if make => {
                        match mkdirat(above, name, Mode::from_bits_truncate(0o777)) {
                            // Others fill the same worktree.
                            Ok(()) | Err(Errno::EXIST) => {}
                            Err(error) => return Err(error),
                        }
                        openat(above, name, HERE, Mode::empty())?
                    }
                    found => found?,
                });
            }
            self.last = at.map(|folder| (path.to_vec(), folder));
        }
        self.last.as_ref().map_or(Err(Errno::NOENT), |(_, folder)| Ok(folder.as_fd()))
    }
}

/// Fails for a part of a path that is none.
fn leads_nowhere(name: &[u8]) -> Result<(), Errno> {
    if [&b""[..], b".", b".."].contains(&name) { Err(Errno::INVAL) } else { Ok(()) }
}

/// Opens what may be a file. What is none must not hold anybody.
fn open_file(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, flags, Mode::empty())?))
}

fn create(folder: BorrowedFd<'_>, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let bits = if mode == PROGRAM { 0o777 } else { 0o666 };
    Ok(File::from(openat(folder, name, flags, Mode::from_bits_truncate(bits))?))
}

fn stat_in(folder: BorrowedFd<'_>, name: &OsStr) -> Result<Stat, Errno> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|raw| Stat::of(&raw))
}
