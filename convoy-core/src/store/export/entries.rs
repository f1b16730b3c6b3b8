//! A markdown file of entries that is continued: what people wrote in it stays.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::ExportError;
use crate::secret::printable;

/// A file of more bytes is not ours to read.
const LARGEST: u64 = 64 * 1024 * 1024;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// What it is found by, such as `dispute:ID`; stands in a comment above it.
    pub(super) marker: String,
    /// Its whole text, without the marker.
    pub(super) text: String,
    /// The start of the one line of it that changes later, such as `| **Status** |`.
    pub(super) changing: &'static str,
}

/// Adds the entries that the file does not have, and writes the line that changes into those that it has. Everything
/// else stays. The file is replaced in one step, by one process at a time. `title` heads a new file.
pub(super) fn keep(path: &Path, title: &str, entries: &[Entry]) -> Result<(), ExportError> {
    if entries.is_empty() {
        return Ok(());
    }
    let failed = |doing| move |source| ExportError::File { doing, path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make the folder of"))?;
    let lock = File::open(folder).map_err(failed("open the folder of"))?;
    lock.lock().map_err(failed("lock the folder of"))?;
    let before = read(path).map_err(failed("read"))?;
    let after = merged(before.as_deref().unwrap_or_default(), title, entries);
    if before.as_deref() == Some(after.as_str()) {
        return Ok(());
    }
    replace(path, &after).map_err(failed("write"))
}

/// The text of the file; `None` when there is none.
fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it has more than 64 MiB; move it away"));
    }
    Ok(Some(text))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(".new");
    let next = PathBuf::from(next);
    // One that a crash left.
    drop(std::fs::remove_file(&next));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&next, path)
}

fn merged(before: &str, title: &str, entries: &[Entry]) -> String {
    let mut text = if before.trim().is_empty() { format!("# {title}\n") } else { before.to_owned() };
    for entry in entries {
        let comment = format!("<!-- {} -->", entry.marker);
        match text.lines().position(|line| line.trim() == comment) {
            Some(at) => change_line(&mut text, at, entry),
            None => {
                let end = text.trim_end().len();
                text.truncate(end);
                text.push_str(&format!("\n\n{comment}\n{}\n", entry.text.trim_end()));
            }
        }
    }
    text
}

/// Writes the line that changes into the entry whose marker is line number `at`.
fn change_line(text: &mut String, at: usize, entry: &Entry) {
    let Some(new) = entry.text.lines().find(|line| line.starts_with(entry.changing)) else { return };
    let mut lines: Vec<&str> = text.lines().collect();
    let end = lines[at + 1..].iter().position(|line| line.starts_with("<!-- ")).map(|n| at + 1 + n);
    let end = end.unwrap_or(lines.len());
    let Some(found) = lines[at..end].iter().position(|line| line.starts_with(entry.changing)) else { return };
    if lines[at + found] != new {
        lines[at + found] = new;
        *text = lines.join("\n") + "\n";
    }
}

/// Text of one line for a table: whatever would end the cell is replaced.
pub(super) fn cell(text: &str) -> String {
    let flat: String = printable(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.replace('|', "\\|").replace("<!--", "<!\u{2010}-")
}

/// Text of several lines as a fenced block that it cannot end, of at most `most` characters. No line of it can be
/// taken for a marker.
pub(super) fn fenced(text: &str, most: usize) -> String {
    let text = printable(text);
    let mut kept: String = text.chars().take(most).collect();
    if kept.len() < text.len() {
        kept.push_str("[…]");
    }
    let longest = kept.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}", kept.replace("<!--", "<!\u{2010}-").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, status: &str) -> Entry {
        let text = format!("## {id}\n\n| **Status** | {status} |\n\nwhy\n");
        Entry { marker: format!("it:{id}"), text, changing: "| **Status** |" }
    }

    #[test]
    fn entries_are_added_once_and_their_status_follows_while_the_rest_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sub").join("FILE.md");
        keep(&path, "Things", &[entry("a", "open")]).expect("written");
        let first = "# Things\n\n<!-- it:a -->\n## a\n\n| **Status** | open |\n\nwhy\n";
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), first);
        // A person writes into it.
        let edited = first.replace("why", "why, I know") + "\nMy own notes.\n";
        std::fs::write(&path, &edited).expect("writes");
        keep(&path, "Things", &[entry("a", "open"), entry("b", "open")]).expect("written");
        let both = format!("{edited}\n<!-- it:b -->\n## b\n\n| **Status** | open |\n\nwhy\n");
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), both);
        keep(&path, "Things", &[entry("a", "closed"), entry("b", "open")]).expect("written");
        let closed = both.replacen("| open |", "| closed |", 1);
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), closed);
    }

    #[test]
    fn the_file_of_another_program_is_continued() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("FILE.md");
        std::fs::write(&path, "# Old title\n\n<!-- it:old -->\n## old").expect("writes");
        keep(&path, "Things", &[entry("a", "open")]).expect("written");
        let text = std::fs::read_to_string(&path).expect("reads");
        assert!(text.starts_with("# Old title\n\n<!-- it:old -->\n## old\n\n<!-- it:a -->\n"), "{text}");
        keep(&path, "Things", &[]).expect("nothing to do");
    }

    #[test]
    fn text_cannot_leave_its_cell_or_fence_or_pretend_to_be_an_entry() {
        assert_eq!(cell("a | b\n<!-- it:x -->"), "a \\| b <!\u{2010}- it:x -->");
        let block = fenced("```\nout\n<!-- it:x -->", 100);
        assert!(
            block.starts_with("````\n") && block.ends_with("\n````") && !block.contains("<!--"),
            "{block}"
        );
        assert_eq!(fenced("abcdef", 3), "```\nabc[…]\n```");
        assert_eq!(fenced("a\u{1b}]0;title\u{7}b\u{202e}", 100), "```\nab\u{fffd}\n```");
        assert_eq!(cell("a\u{1b}[31mb\u{202e}"), "ab\u{fffd}");
    }
}
