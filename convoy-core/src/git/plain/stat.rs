//! What the system tells of a file.

use rustix::fs::{FileType, Stat as Raw};

/// What is compared to tell whether a file was changed: any change of content, mode or place changes one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) mode: u32,
    /// How many names it has.
    names: u64,
    pub(super) size: u64,
    dev: u64,
    ino: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) modified: Time,
    /// When anything of it was changed last. Nobody can set it.
    changed: Time,
}

/// Seconds and nanoseconds since 1970, as the file system keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    Folder,
    /// A pipe, a socket, a device.
    Other,
}

#[expect(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "the types differ from system to system")]
impl Stat {
    pub(super) fn of(raw: &Raw) -> Self {
        let time = |seconds, nanos: u64| Time { seconds, nanos: u32::try_from(nanos).unwrap_or(0) };
        Self {
            mode: raw.st_mode as u32,
            names: raw.st_nlink as u64,
            size: raw.st_size as u64,
            dev: raw.st_dev as u64,
            ino: raw.st_ino as u64,
            uid: raw.st_uid,
            gid: raw.st_gid,
            modified: time(raw.st_mtime as i64, raw.st_mtime_nsec as u64),
            changed: time(raw.st_ctime as i64, raw.st_ctime_nsec as u64),
        }
    }

    /// Whether two are in the same file system, or the same part of one.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.dev == other.dev
    }

    /// Whether two have the same permissions and the same owners.
    pub(super) fn is_used_alike(&self, other: &Self) -> bool {
        (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid)
    }

    pub(super) fn kind(&self) -> Kind {
        match FileType::from_raw_mode(self.mode as rustix::fs::RawMode) {
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Link,
            FileType::Directory => Kind::Folder,
            _ => Kind::Other,
        }
    }

    /// Whether a change made at `seal` or later must show in it. One that was made within the same tick of the file
    /// system's clock could leave all times as they are.
    pub(super) fn is_before(&self, seal: Time) -> bool {
        self.changed < seal
    }

    pub(super) fn changed(&self) -> Time {
        self.changed
    }

    /// The numbers of the file in 32 bits each, as an index keeps them.
    #[expect(clippy::cast_possible_truncation, reason = "an index keeps the lower half")]
    pub(super) fn short(&self) -> [u32; 3] {
        [self.dev as u32, self.ino as u32, self.size as u32]
    }
}
