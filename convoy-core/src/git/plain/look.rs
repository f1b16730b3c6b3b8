//! What is in a worktree.

use std::collections::BTreeMap;
use std::io;

use super::disk::Disk;
use super::stat::{Kind, Stat};
use super::tree::{Path, below};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The known paths that are a file or a link.
    pub(super) files: BTreeMap<Path, Stat>,
    /// Everything else that is there, without what is below it.
    pub(super) others: Vec<Path>,
    /// The folders below the root that were looked into.
    pub(super) folders: Vec<Path>,
    /// Something is there that git has rules of its own for: another repository, or a pipe in the place of a file. Or a
    /// folder has other permissions than a new one, which git would leave as they are.
    pub(super) is_odd: bool,
}

/// Looks at a whole worktree. `is_known` says which paths are known; folders are looked into where a known path may be
/// below them, which `has_known_below` says of the folder's path with a slash at its end. `own`: what its `.git` is to be;
/// `new`: what folders are when they are new.
pub(super) fn look(
    disk: &mut Disk,
    is_known: &dyn Fn(&[u8]) -> bool,
    has_known_below: &dyn Fn(&[u8]) -> bool,
    own: Kind,
    new: &Stat,
) -> io::Result<Seen> {
    let mut seen = Seen { is_odd: !disk.root()?.is_used_alike(new), ..Seen::default() };
    let mut folders = vec![Vec::new()];
    while let Some(folder) = folders.pop() {
        for (name, stat) in disk.list(&folder)? {
            let path = below(&folder, &name);
            if name.eq_ignore_ascii_case(b".git") {
                // The root has one of its own.
                seen.is_odd |= !folder.is_empty() || stat.kind() != own || name != b".git";
                continue;
            }
            match stat.kind() {
                Kind::Folder if has_known_below(&[&path[..], b"/"].concat()) => {
                    seen.is_odd |= !stat.is_used_alike(new);
                    seen.folders.push(path.clone());
                    folders.push(path);
                }
                Kind::File | Kind::Link if is_known(&path) => {
                    seen.files.insert(path, stat);
                }
                Kind::Other if is_known(&path) => seen.is_odd = true,
                _ => seen.others.push(path),
            }
        }
    }
    Ok(seen)
}
