//! Trees as lists of files, what differs between two, and trees made of others.

use std::collections::BTreeMap;

use git2::{Oid, Repository};

use crate::git::fast::NotMine;

/// A path from the root, as bytes with `/`.
pub(super) type Path = Vec<u8>;

/// A file or a symbolic link in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    /// As git writes it: [`FILE`], [`PROGRAM`] or [`LINK`].
    pub(super) mode: u32,
    pub(super) id: Oid,
}

pub(super) const FILE: u32 = 0o100_644;
pub(super) const PROGRAM: u32 = 0o100_755;
pub(super) const LINK: u32 = 0o120_000;
const FOLDER: i32 = 0o040_000;

/// Deepest nesting of folders that is followed.
const DEEPEST: usize = 512;

/// One entry of a tree, as it is stored.
type Entry = (i32, Oid);

/// Hears of each file that differs: its path, what it was, what it is.
pub(super) type Each<'a> = dyn FnMut(Path, Option<Item>, Option<Item>) + 'a;

/// The item of an entry that is no folder. Old repositories hold other modes, and some hold links to other
/// repositories: those are not for the fast way.
fn item((mode, id): Entry) -> Result<Item, NotMine> {
    match u32::try_from(mode) {
        Ok(mode @ (FILE | PROGRAM | LINK)) => Ok(Item { mode, id }),
        _ => Err(NotMine),
    }
}

/// Whether a name leads nowhere else and is on no file system taken for one of git's own. Trees may hold any: whoever
/// writes one by hand is not asked. git refuses to write such files, and knows more spellings than are told apart here,
/// so what only might be one is left to it.
fn is_usual(name: &[u8], mode: i32) -> bool {
    if [&b""[..], b".", b".."].contains(&name) || name.contains(&b'/') {
        return false;
    }
    // Some file systems pass over some letters, none of which is ASCII.
    let name: Vec<u8> = name.iter().filter(|byte| byte.is_ascii()).map(u8::to_ascii_lowercase).collect();
    let gits = name.strip_prefix(b".git").is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(b" ") || rest.starts_with(b".") || rest.starts_with(b":")
    });
    let is_link = u32::try_from(mode) == Ok(LINK);
    let read_by_git = is_link && (name.starts_with(b".git") || name.starts_with(b"gi"));
    !(gits || read_by_git || name.contains(&b'\\') || name.starts_with(b"git~"))
}

pub(super) fn below(folder: &[u8], name: &[u8]) -> Path {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// Every file of a tree.
pub(super) fn files(repo: &Repository, tree: Oid) -> Result<BTreeMap<Path, Item>, NotMine> {
    let mut all = BTreeMap::new();
    difference(repo, None, Some(tree), &mut |path, _, now| all.extend(now.map(|item| (path, item))))?;
    Ok(all)
}

/// Tells each file that differs between two trees; `None` is a tree with nothing in it.
pub(super) fn difference(
    repo: &Repository,
    from: Option<Oid>,
    to: Option<Oid>,
    each: &mut Each<'_>,
) -> Result<(), NotMine> {
    compare(repo, [from, to], b"", 0, each)
}

fn compare(
    repo: &Repository,
    sides: [Option<Oid>; 2],
    folder: &[u8],
    depth: usize,
    each: &mut Each<'_>,
) -> Result<(), NotMine> {
    if sides[0] == sides[1] {
        return Ok(());
    }
    if depth > DEEPEST {
        return Err(NotMine);
    }
    // What each name is on either side.
    let mut names: BTreeMap<Path, [Option<Entry>; 2]> = BTreeMap::new();
    for (side, id) in sides.into_iter().enumerate() {
        let Some(id) = id else { continue };
        for entry in &repo.find_tree(id)? {
            let name = entry.name_bytes().to_vec();
            if !is_usual(&name, entry.filemode_raw()) {
                return Err(NotMine);
            }
            names.entry(name).or_default()[side] = Some((entry.filemode_raw(), entry.id()));
        }
    }
    for (name, entries) in names {
        if entries[0] == entries[1] {
            continue;
        }
        let path = below(folder, &name);
        let folders = entries.map(|entry| entry.filter(|entry| entry.0 == FOLDER).map(|entry| entry.1));
        let file = |entry: Option<Entry>| entry.filter(|entry| entry.0 != FOLDER).map(item).transpose();
        let (was, is) = (file(entries[0])?, file(entries[1])?);
        if folders.iter().any(Option::is_some) {
            compare(repo, folders, &path, depth + 1, each)?;
        }
        if was.is_some() || is.is_some() {
            each(path, was, is);
        }
    }
    Ok(())
}

/// What becomes of paths below a folder: `None` takes one away.
type Changes<'p> = Vec<(&'p [u8], Option<Item>)>;

/// The tree that `tree` becomes when each of these files is set, or taken away, and written to the repository. A file
/// in the place of a folder takes everything below it away, if that is told too.
pub(super) fn changed(
    repo: &Repository,
    tree: Oid,
    changes: &BTreeMap<Path, Option<Item>>,
) -> Result<Oid, NotMine> {
    let changes: Changes<'_> = changes.iter().map(|(path, item)| (&path[..], *item)).collect();
    match change(repo, Some(tree), &changes, 0)? {
        Some(tree) => Ok(tree),
        None => Ok(repo.treebuilder(None)?.write()?),
    }
}

/// `None`: nothing is left.
fn change(
    repo: &Repository,
    tree: Option<Oid>,
    changes: &[(&[u8], Option<Item>)],
    depth: usize,
) -> Result<Option<Oid>, NotMine> {
    if changes.is_empty() {
        return Ok(tree);
    }
    if depth > DEEPEST {
        return Err(NotMine);
    }
    let old = tree.map(|id| repo.find_tree(id)).transpose()?;
    let mut builder = repo.treebuilder(old.as_ref())?;
    let folder_of = |name: &[u8]| {
        let entry = old.as_ref()?.get_name_bytes(name)?;
        (entry.filemode_raw() == FOLDER).then(|| entry.id())
    };
    // What each name of this folder becomes: a file of its own, and what changes below it.
    let mut names: BTreeMap<&[u8], (Option<Option<Item>>, Changes<'_>)> = BTreeMap::new();
    for (path, item) in changes {
        match path.iter().position(|&byte| byte == b'/') {
            None => names.entry(path).or_default().0 = Some(*item),
            Some(at) => names.entry(&path[..at]).or_default().1.push((&path[at + 1..], *item)),
        }
    }
    for (name, (own, inside)) in names {
        let folder = change(repo, folder_of(name), &inside, depth + 1)?;
        // What is gone need not have been there.
        match (own.flatten(), folder) {
            (Some(_), Some(_)) => return Err(NotMine),
            (Some(item), None) => drop(builder.insert(name, item.id, item.mode.cast_signed())?),
            (None, Some(folder)) => drop(builder.insert(name, folder, FOLDER)?),
            // A file stays unless it is named itself.
            (None, None) if own.is_some() || folder_of(name).is_some() => remove(&mut builder, name)?,
            (None, None) => {}
        }
    }
    if builder.is_empty() { Ok(None) } else { Ok(Some(builder.write()?)) }
}

fn remove(builder: &mut git2::TreeBuilder<'_>, name: &[u8]) -> Result<(), NotMine> {
    if builder.get(name)?.is_some() {
        builder.remove(name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_or_are_gits_own_are_left_to_git() {
        for name in ["a", "...", ".gitignore", ".github", ".gitattributes", "git", "gitx", "ü", "a b"] {
            assert!(is_usual(name.as_bytes(), FILE.cast_signed()), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            ".git",
            ".GIT",
            ".git ",
            ".git.",
            ".git::$INDEX_ALLOCATION",
            "git~1",
            "GIT~2",
            ".g\u{200c}it",
            "a\\b",
        ] {
            assert!(!is_usual(name.as_bytes(), FILE.cast_signed()), "{name}");
        }
        assert!(is_usual(b".gitmodules", FILE.cast_signed()));
        assert!(!is_usual(b".gitmodules", LINK.cast_signed()), "git reads it through the link");
    }
}
