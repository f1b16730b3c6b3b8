//! The lines that commits added, as a patch without context tells them.

use git2::{DiffLineType, DiffOptions, Patch};

use super::trees::{Changed, Entry, SUBMODULE};
use super::{Handle, NotMine};
use crate::git::repository::show_path;
use crate::types::Oid;

/// Most that is told at once, in bytes; more is left to the git program, which hands it on in pieces.
const MOST: usize = 32 * 1024 * 1024;

/// Most that is compared at once, in bytes of both sides. What two texts have in common takes seconds to find for some
/// of 4 MiB, and minutes for 16: others wait for these threads.
const MOST_COMPARED: usize = 1024 * 1024;

/// Most commits of a line that is walked: each of them is compared.
const MOST_COMMITS: usize = 100;

/// Without context git leaves away what is alike at the end of two files, in blocks of this size, before it compares them.
const BLOCK: usize = 1024;

/// A piece of what was added, as [`Added`](crate::git::Added) tells it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::git) enum Piece {
    Commit(String),
    File(String),
    Lines(u64),
    Text(Vec<u8>),
}

/// A line of commits, newest first.
#[derive(Debug)]
pub(in crate::git) struct History {
    /// Each commit: its id, and how it is stored.
    pub(in crate::git) commits: Vec<(String, Vec<u8>)>,
    /// What each but the newest added to the one before it.
    pub(in crate::git) added: Vec<Piece>,
}

impl Handle<'_> {
    /// Every line that `to` has and `from` has not, where nothing can have been renamed.
    pub(in crate::git) fn added(&self, from: &Oid, to: &Oid) -> Result<Vec<Piece>, NotMine> {
        let (mut pieces, mut left) = (Vec::new(), Left::default());
        self.compare_content(from, to, &mut left, &mut pieces)?;
        Ok(pieces)
    }

    /// The commits from `to` back to `from`, where each has one parent.
    pub(in crate::git) fn added_before(&self, from: &Oid, to: &Oid) -> Result<History, NotMine> {
        self.plain_history()?;
        let (mut history, mut left) = (History { commits: Vec::new(), added: Vec::new() }, Left::default());
        let mut at = to.clone();
        while at != *from {
            if history.commits.len() == MOST_COMMITS {
                return Err(NotMine);
            }
            let text = self.commit_text(&at)?;
            take(&mut left.told, text.len())?;
            let parent = only_parent(&text)?;
            if at != *to {
                let before = history.added.len();
                self.compare_content(&parent, &at, &mut left, &mut history.added)?;
                // One that changed no file is not told.
                if history.added.len() > before || self.tree(&parent)? != self.tree(&at)? {
                    history.added.insert(before, Piece::Commit(at.to_string()));
                }
            }
            history.commits.push((at.to_string(), text));
            at = parent;
        }
        Ok(history)
    }

    fn compare_content(
        &self,
        from: &Oid,
        to: &Oid,
        left: &mut Left,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), NotMine> {
        for changed in self.changes_without_renames(from, to)? {
            self.tell(&changed, left, pieces)?;
        }
        Ok(())
    }

    fn tell(&self, changed: &Changed, left: &mut Left, pieces: &mut Vec<Piece>) -> Result<(), NotMine> {
        let Some(new) = changed.new else { return Ok(()) };
        // Of another kind: the old one is gone, and this one new.
        let old = changed.old.filter(|old| old.kind() == new.kind());
        if old.is_some_and(|old| old.id == new.id) {
            return Ok(());
        }
        let new = self.text_of(new, &mut left.told)?;
        pieces.push(Piece::File(show_path(&changed.path)));
        let Some(old) = old else {
            if !new.is_empty() {
                pieces.extend([Piece::Lines(1), Piece::Text(ended(new))]);
            }
            return Ok(());
        };
        take(&mut left.compared, new.len())?;
        let old = self.text_of(old, &mut left.compared)?;
        hunks(&old, &new, pieces)
    }

    fn text_of(&self, entry: Entry, left: &mut usize) -> Result<Vec<u8>, NotMine> {
        let text = match entry.mode {
            SUBMODULE => format!("Subproject commit {}\n", entry.id).into_bytes(),
            _ => self.content(entry.id, *left)?,
        };
        take(left, text.len())?;
        Ok(text)
    }
}

/// What may still be told and compared, in bytes.
struct Left {
    told: usize,
    compared: usize,
}

impl Default for Left {
    fn default() -> Self {
        Self { told: MOST, compared: MOST_COMPARED }
    }
}

fn take(left: &mut usize, size: usize) -> Result<(), NotMine> {
    *left = left.checked_sub(size).ok_or(NotMine)?;
    Ok(())
}

/// The only parent of a commit that is stored like this.
fn only_parent(text: &[u8]) -> Result<Oid, NotMine> {
    let mut headers = text.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let is_tree = |line: &[u8]| line.starts_with(b"tree ");
    if !headers.next().is_some_and(is_tree) {
        return Err(NotMine);
    }
    let parent = headers.next().and_then(|line| line.strip_prefix(b"parent ")).ok_or(NotMine)?;
    if headers.next().is_none_or(|line| line.starts_with(b"parent ")) {
        return Err(NotMine);
    }
    let id = std::str::from_utf8(parent).map_err(|_| NotMine)?;
    if id.len() == 40 { Oid::new(id).map_err(|_| NotMine) } else { Err(NotMine) }
}

/// The lines of one text that another has not.
fn hunks(old: &[u8], new: &[u8], pieces: &mut Vec<Piece>) -> Result<(), NotMine> {
    let alike = alike_at_the_end(old, new);
    let (old, new) = (&old[..old.len() - alike], &new[..new.len() - alike]);
    let mut options = DiffOptions::new();
    options.force_text(true).context_lines(0).indent_heuristic(true);
    let patch = Patch::from_buffers(old, None, new, None, Some(&mut options))?;
    for number in 0..patch.num_hunks() {
        let (hunk, lines) = patch.hunk(number)?;
        if hunk.new_lines() == 0 {
            continue;
        }
        pieces.push(Piece::Lines(u64::from(hunk.new_start())));
        let mut text = Vec::new();
        for line in 0..lines {
            let line = patch.line_in_hunk(number, line)?;
            if line.origin_value() == DiffLineType::Addition {
                text.extend_from_slice(line.content());
            }
        }
        pieces.push(Piece::Text(ended(text)));
    }
    Ok(())
}

/// How much at the end of two texts git does not look at when it compares them without context.
fn alike_at_the_end(old: &[u8], new: &[u8]) -> usize {
    let blocks = old.rchunks_exact(BLOCK).zip(new.rchunks_exact(BLOCK));
    let alike = blocks.take_while(|(old, new)| old == new).count() * BLOCK;
    // The line that the first block begins in is looked at.
    let first = new[new.len() - alike..].iter().position(|byte| *byte == b'\n');
    first.map_or(0, |end| alike - end - 1)
}

/// A text with an end to its last line, as a patch has it.
fn ended(mut text: Vec<u8>) -> Vec<u8> {
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_that_are_alike_are_left_away_from_their_second_line_on() {
        let line = "x".repeat(99) + "\n";
        let tail = line.repeat(50);
        for (old, new, alike) in [
            ("a\n", "b\n", 0),
            (&format!("a\n{tail}"), &format!("b\n{tail}"), 4096 - 96),
            (&tail, &tail, 4096 - 96),
            // A single line that ends alike.
            (&format!("a{}", "y".repeat(3000)), &format!("b{}", "y".repeat(3000)), 0),
            (&format!("a\n{}\n", "y".repeat(1023)), &format!("b\n{}\n", "y".repeat(1023)), 0),
        ] {
            assert_eq!(alike_at_the_end(old.as_bytes(), new.as_bytes()), alike, "{}", old.len());
        }
    }

    #[test]
    fn a_parent_is_only_what_stands_behind_the_tree() {
        let (tree, one) = ("1".repeat(40), "2".repeat(40));
        let parent = |text: String| only_parent(text.as_bytes()).ok().map(|id| id.to_string());
        assert_eq!(parent(format!("tree {tree}\nparent {one}\nauthor a\n\nm")), Some(one.clone()));
        for odd in [
            format!("tree {tree}\nauthor a\nparent {one}\n\nm"),
            format!("tree {tree}\nparent {one}\nparent {tree}\nauthor a\n\nm"),
            format!("tree {tree}\nparent {one}a\nauthor a\n\nm"),
            format!("parent {one}\ntree {tree}\nauthor a\n\nm"),
            format!("tree {tree}\nauthor a\n\nparent {one}"),
            format!("tree {tree}\nparent {one}\n\n"),
            String::new(),
        ] {
            assert_eq!(parent(odd.clone()), None, "{odd}");
        }
    }
}
