//! Writing objects, and getting them onto the disk.

use std::collections::HashSet;

use git2::ObjectType;

use super::{Handle, NotMine, oid, raw};
use crate::git::sync::SyncedObjects;
use crate::types::Oid;

/// A commit to be written.
#[derive(Debug, Clone)]
pub(in crate::git) struct NewCommit {
    pub(in crate::git) tree: Oid,
    pub(in crate::git) parents: Vec<Oid>,
    /// As they stand in the commit, with the time.
    pub(in crate::git) author: String,
    /// See `author`.
    pub(in crate::git) committer: String,
    pub(in crate::git) message: String,
}

impl Handle<'_> {
    /// Writes the content of a file, onto the disk, unless it is `synced`.
    pub(in crate::git) fn write_blob(&self, content: &[u8], synced: &SyncedObjects) -> Result<Oid, NotMine> {
        let id = oid(self.repo.odb()?.write(ObjectType::Blob, content)?)?;
        synced.objects(&self.common.join("objects"), id.as_str()).map_err(|_| NotMine)?;
        Ok(id)
    }

    /// Writes a commit as `git commit-tree` would.
    pub(in crate::git) fn write_commit(&self, new: &NewCommit) -> Result<Oid, NotMine> {
        let odb = self.repo.odb()?;
        let is = |id: &Oid, kind| Ok::<_, NotMine>(odb.read_header(raw(id)?)?.1 == kind);
        let mut known = HashSet::new();
        let mut text = format!("tree {}\n", new.tree);
        for parent in &new.parents {
            // git passes over one that it was given before, and says so.
            if !is(parent, ObjectType::Commit)? || !known.insert(parent) {
                return Err(NotMine);
            }
            text.push_str(&format!("parent {parent}\n"));
        }
        if !is(&new.tree, ObjectType::Tree)? || new.message.contains('\0') {
            return Err(NotMine);
        }
        text.push_str(&format!("author {}\ncommitter {}\n\n{}", new.author, new.committer, new.message));
        oid(odb.write(ObjectType::Commit, text.as_bytes())?)
    }

    /// The objects that `commit` reaches and `known` does not, and perhaps a few more, one a line.
    pub(in crate::git) fn objects_since(&self, commit: &Oid, known: &Oid) -> Result<String, NotMine> {
        self.plain_history()?;
        let mut walk = self.repo.revwalk()?;
        walk.push(raw(commit)?)?;
        walk.hide(raw(known)?)?;
        let mut ids = HashSet::new();
        for id in walk {
            let commit = self.repo.find_commit(id?)?;
            // What its first parent has is known, or told of with that.
            let before = commit.parents().next().map(|parent| parent.tree_id());
            ids.insert(commit.id());
            self.new_objects(before, commit.tree_id(), &mut ids)?;
        }
        Ok(ids.iter().map(|id| format!("{id}\n")).collect())
    }

    /// Adds the objects of a tree that another does not have at the same place.
    fn new_objects(
        &self,
        before: Option<git2::Oid>,
        tree: git2::Oid,
        ids: &mut HashSet<git2::Oid>,
    ) -> Result<(), NotMine> {
        if before == Some(tree) || !ids.insert(tree) {
            return Ok(());
        }
        let old = self.entries(before)?;
        for named in self.entries(Some(tree))? {
            let at = old.binary_search_by(|other| other.key.cmp(&named.key));
            let old = at.ok().map(|at| old[at].entry);
            if old == Some(named.entry) {
                continue;
            }
            match named.entry.mode {
                super::trees::FOLDER => self.new_objects(old.map(|old| old.id), named.entry.id, ids)?,
                // Of another repository.
                super::trees::SUBMODULE => {}
                _ => drop(ids.insert(named.entry.id)),
            }
        }
        Ok(())
    }
}
