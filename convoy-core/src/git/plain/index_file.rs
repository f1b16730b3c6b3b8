//! Writing the index of a worktree.
//!
//! The format is git's index, version 2 (gitformat-index(5)): a head, one entry for each file in the order of the
//! paths, a checksum. No extension is written. libgit2 could write it too, but only from an index that it has read, and
//! the one that lies there was left by whoever worked in the worktree.

use std::collections::BTreeMap;

use sha1::{Digest as _, Sha1};

use super::sheet::Known;
use super::tree::Path;

/// Longest path whose length fits into an entry; longer ones have this.
const LONGEST_NAME: usize = 0xfff;

/// The bytes of an index with these files.
pub(super) fn bytes(files: &BTreeMap<Path, Known>) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + files.len() * 112);
    let number = |out: &mut Vec<u8>, n: u32| out.extend_from_slice(&n.to_be_bytes());
    out.extend_from_slice(b"DIRC");
    number(&mut out, 2);
    number(&mut out, u32::try_from(files.len()).unwrap_or(u32::MAX));
    for (path, known) in files {
        let start = out.len();
        let stat = &known.stat;
        // What is not sure is written with a size that no file has, so that git compares the content, too.
        let [dev, ino, size] = stat.short();
        let size = if known.is_sure { size } else { 0 };
        for time in [stat.changed(), stat.modified] {
            #[expect(clippy::cast_possible_truncation, reason = "an index keeps the lower half")]
            number(&mut out, time.seconds as u32);
            number(&mut out, time.nanos);
        }
        for n in [dev, ino, known.item.mode, stat.uid, stat.gid, size] {
            number(&mut out, n);
        }
        out.extend_from_slice(known.item.id.as_bytes());
        let name = u16::try_from(path.len().min(LONGEST_NAME)).unwrap_or(0);
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(path);
        // One to eight NULs, so that the length is a multiple of eight.
        let padded = (out.len() - start) / 8 * 8 + 8;
        out.resize(start + padded, 0);
    }
    let sum = Sha1::digest(&out);
    out.extend_from_slice(&sum);
    out
}
