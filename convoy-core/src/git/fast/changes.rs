//! What a commit changed, and how many lines of it.

use super::trees::{Changed, Entry, SUBMODULE};
use super::{Handle, NotMine, oid};
use crate::git::diff::{Change, ChangedPath, FileKind};
use crate::git::repository::{path_of, show_path};
use crate::types::Oid;

/// Larger files are left to the git program, in bytes.
const LARGEST: usize = 1024 * 1024;

/// How much of a file git looks at to tell whether it is text, in bytes.
const LOOKED_AT: usize = 8000;

/// A path, and the mode and the object that are there before and after.
pub(in crate::git) type RawChange = (Vec<u8>, Option<(String, String)>, Option<(String, String)>);

fn kind(entry: Entry) -> Result<FileKind, NotMine> {
    FileKind::of(format!("{:o}", entry.mode).as_bytes()).ok_or(NotMine)
}

impl Handle<'_> {
    /// What differs from one commit or tree to another, where nothing can have been renamed.
    pub(in crate::git) fn changed_between(&self, from: &Oid, to: &Oid) -> Result<Vec<ChangedPath>, NotMine> {
        self.changes_without_renames(from, to)?.iter().map(|changed| self.told(changed)).collect()
    }

    /// What differs from one commit or tree to another, where nothing can have been renamed.
    pub(super) fn changes_without_renames(&self, from: &Oid, to: &Oid) -> Result<Vec<Changed>, NotMine> {
        let found = self.differences(Some(self.tree(from)?), Some(self.tree(to)?))?;
        let is_new = |changed: &Changed| changed.old.is_none();
        let is_gone = |changed: &Changed| changed.new.is_none();
        if found.iter().any(is_new) && found.iter().any(is_gone) { Err(NotMine) } else { Ok(found) }
    }

    /// The paths that differ from one commit or tree to another, and what is there on both sides.
    pub(in crate::git) fn raw_changes(&self, from: &Oid, to: &Oid) -> Result<Vec<RawChange>, NotMine> {
        let told = |entry: Entry| (format!("{:06o}", entry.mode), entry.id.to_string());
        let found = self.differences(Some(self.tree(from)?), Some(self.tree(to)?))?;
        Ok(found.into_iter().map(|one| (one.path, one.old.map(told), one.new.map(told))).collect())
    }

    /// The paths where a link to a commit of another repository is now and none was before.
    pub(in crate::git) fn new_submodules(&self, from: &Oid, to: &Oid) -> Result<Vec<String>, NotMine> {
        let is_one = |entry: Option<Entry>| entry.is_some_and(|entry| entry.mode == SUBMODULE);
        let found = self.differences(Some(self.tree(from)?), Some(self.tree(to)?))?;
        let new = found.iter().filter(|changed| is_one(changed.new) && !is_one(changed.old));
        Ok(new.map(|changed| show_path(&changed.path)).collect())
    }

    fn told(&self, changed: &Changed) -> Result<ChangedPath, NotMine> {
        let change = match (changed.old, changed.new) {
            (None, _) => Change::Added,
            (_, None) => Change::Deleted,
            (Some(old), Some(new)) if old.kind() == new.kind() => Change::Modified,
            _ => Change::TypeChanged,
        };
        Ok(ChangedPath {
            path: show_path(&changed.path),
            os_path: path_of(&changed.path),
            change,
            old: changed.old.map(kind).transpose()?,
            new: changed.new.map(kind).transpose()?,
            blob: changed.new.map(|entry| oid(entry.id)).transpose()?,
            lines: self.lines(changed)?,
        })
    }

    /// Lines added and deleted; `None` for what is no text.
    fn lines(&self, changed: &Changed) -> Result<Option<(u64, u64)>, NotMine> {
        let content = |entry: Option<Entry>| match entry {
            None => Ok(Vec::new()),
            Some(Entry { mode: SUBMODULE, id }) => Ok(format!("Subproject commit {id}\n").into_bytes()),
            Some(entry) => self.content(entry.id, LARGEST),
        };
        let (old, new) = (content(changed.old)?, content(changed.new)?);
        if [&old, &new].iter().any(|text| text[..text.len().min(LOOKED_AT)].contains(&0)) {
            return Ok(None);
        }
        let mut options = git2::DiffOptions::new();
        options.force_text(true).context_lines(0);
        let (_, added, deleted) =
            git2::Patch::from_buffers(&old, None, &new, None, Some(&mut options))?.line_stats()?;
        Ok(Some((added as u64, deleted as u64)))
    }
}
