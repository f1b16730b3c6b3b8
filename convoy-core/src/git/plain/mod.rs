//! Worktrees whose files are the very bytes that the repository holds, read and written in this process.
//!
//! Most repositories are like that: no line ends are converted, no filter stores files elsewhere. For all others, and
//! wherever anything is found that git has rules of its own for, the git program does the work
//! ([`NotMine`](super::fast::NotMine)).
//!
//! What was written is noted in memory (a [`Sheet`]), so that a look at the files tells what was changed since, and only
//! what differs has to be written to bring a worktree to another commit. The notes are believed before anything that
//! lies in the worktree: whoever works there may write its files, and its index too.

mod attributes;
mod bring;
mod disk;
mod index_file;
mod look;
mod record;
mod reflink;
mod sheet;
mod stat;
mod tree;
mod way;

pub(super) use self::bring::is_attributes;
pub(super) use self::disk::Disk;
pub(super) use self::reflink::Model;
pub(super) use self::way::{Plain, Sheets, Stamp, stamps};
