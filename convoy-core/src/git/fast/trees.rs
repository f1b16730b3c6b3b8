//! Trees, and what differs between two of them.

use git2::ObjectType;

use super::{Handle, NotMine};

/// The mode of a folder.
pub(super) const FOLDER: i32 = 0o040_000;
/// The mode of a link to a commit of another repository.
pub(super) const SUBMODULE: i32 = 0o160_000;

/// What an entry of a tree is, apart from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: i32,
    pub(super) id: git2::Oid,
}

impl Entry {
    pub(super) fn is_folder(self) -> bool {
        self.mode == FOLDER
    }

    /// Files of either kind are alike; all others are kinds of their own.
    pub(super) fn kind(self) -> i32 {
        self.mode & 0o170_000
    }
}

/// An entry with what it is sorted by: its name, and a slash for a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) key: Vec<u8>,
    pub(super) entry: Entry,
}

impl Named {
    pub(super) fn name(&self) -> &[u8] {
        self.key.strip_suffix(b"/").unwrap_or(&self.key)
    }
}

/// A path that is not the same in two trees. Folders are told by what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) path: Vec<u8>,
    pub(super) old: Option<Entry>,
    pub(super) new: Option<Entry>,
}

impl Handle<'_> {
    /// The entries of a tree, in order; none without a tree. A tree that git itself would not have written is no
    /// matter for the fast way.
    pub(super) fn entries(&self, tree: Option<git2::Oid>) -> Result<Vec<Named>, NotMine> {
        let Some(tree) = tree else { return Ok(Vec::new()) };
        let tree = self.repo.find_tree(tree)?;
        let mut entries = Vec::with_capacity(tree.len());
        for entry in tree.iter() {
            let (mut key, mode) = (entry.name_bytes().to_vec(), entry.filemode_raw());
            let usual = mode == entry.filemode() && !key.is_empty() && !key.contains(&b'/');
            if !usual || matches!(&key[..], b"." | b"..") {
                return Err(NotMine);
            }
            if mode == FOLDER {
                key.push(b'/');
            }
            entries.push(Named { key, entry: Entry { mode, id: entry.id() } });
        }
        let mut names: Vec<&[u8]> = entries.iter().map(Named::name).collect();
        names.sort_unstable();
        let sorted = entries.windows(2).all(|two| two[0].key < two[1].key);
        let unique = names.windows(2).all(|two| two[0] != two[1]);
        if sorted && unique { Ok(entries) } else { Err(NotMine) }
    }

    /// What is not the same in two trees, in git's order. Costs what differs, not what is there.
    pub(super) fn differences(
        &self,
        old: Option<git2::Oid>,
        new: Option<git2::Oid>,
    ) -> Result<Vec<Changed>, NotMine> {
        let mut found = Vec::new();
        self.compare(b"", old, new, &mut found)?;
        Ok(found)
    }

    fn compare(
        &self,
        within: &[u8],
        old: Option<git2::Oid>,
        new: Option<git2::Oid>,
        found: &mut Vec<Changed>,
    ) -> Result<(), NotMine> {
        if old == new {
            return Ok(());
        }
        let (old, new) = (self.entries(old)?, self.entries(new)?);
        for (key, [old, new]) in pairs(&old, &new) {
            if old == new {
                continue;
            }
            let path = [within, key].concat();
            if key.ends_with(b"/") {
                self.compare(&path, old.map(|entry| entry.id), new.map(|entry| entry.id), found)?;
            } else {
                found.push(Changed { path, old, new });
            }
        }
        Ok(())
    }

    /// What is at a path of a tree. The path has no empty parts.
    pub(super) fn entry_at(&self, tree: git2::Oid, path: &[u8]) -> Result<Option<Entry>, NotMine> {
        let mut entry = Entry { mode: FOLDER, id: tree };
        for part in path.split(|byte| *byte == b'/') {
            if !entry.is_folder() {
                return Ok(None);
            }
            let folder = self.repo.find_tree(entry.id)?;
            let Some(found) = folder.get_name_bytes(part) else { return Ok(None) };
            entry = Entry { mode: found.filemode(), id: found.id() };
        }
        Ok(Some(entry))
    }

    /// The content of a file or link that has at most `most` bytes.
    pub(super) fn content(&self, id: git2::Oid, most: usize) -> Result<Vec<u8>, NotMine> {
        let odb = self.repo.odb()?;
        let (size, kind) = odb.read_header(id)?;
        if kind != ObjectType::Blob || size > most {
            return Err(NotMine);
        }
        Ok(odb.read(id)?.data().to_vec())
    }

    /// Writes a tree of these entries, which are in order.
    pub(super) fn write_tree(&self, entries: &[Named]) -> Result<git2::Oid, NotMine> {
        let mut text = Vec::new();
        for named in entries {
            text.extend_from_slice(format!("{:o} ", named.entry.mode).as_bytes());
            text.extend_from_slice(named.name());
            text.push(0);
            text.extend_from_slice(named.entry.id.as_bytes());
        }
        Ok(self.repo.odb()?.write(ObjectType::Tree, &text)?)
    }
}

/// The entries of two trees side by side, in order.
fn pairs<'a>(old: &'a [Named], new: &'a [Named]) -> Vec<(&'a [u8], [Option<Entry>; 2])> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let key = match (old.peek(), new.peek()) {
            (Some(one), Some(other)) => (&one.key).min(&other.key),
            (Some(one), None) | (None, Some(one)) => &one.key,
            (None, None) => return pairs,
        };
        let one = old.next_if(|named| named.key == *key).map(|named| named.entry);
        let other = new.next_if(|named| named.key == *key).map(|named| named.entry);
        pairs.push((key.as_slice(), [one, other]));
    }
}
