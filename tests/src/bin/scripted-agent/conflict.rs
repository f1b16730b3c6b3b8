//! Files that hold git's conflict markers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Every file below `folder`, git's own left out, that holds an unresolved conflict.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if entry.file_name() == ".git" {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                // What is no text holds no markers.
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                if keep_both(&text) != text {
                    found.push(entry.path());
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Takes the markers out of every such file, keeping both sides; returns which files.
pub(crate) fn resolve(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let found = files(folder)?;
    for path in &found {
        fs::write(path, keep_both(&fs::read_to_string(path)?))?;
    }
    Ok(found)
}

/// The text with both sides of each conflict, ours first; a common ancestor shown between them is left out.
fn keep_both(text: &str) -> String {
    #[derive(PartialEq)]
    enum Side {
        Outside,
        Ours,
        Base,
        Theirs,
    }
    let mut side = Side::Outside;
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let is = |marker: &str| {
            let line = line.trim_end_matches(['\n', '\r']);
            line == marker || line.strip_prefix(marker).is_some_and(|rest| rest.starts_with(' '))
        };
        side = match side {
            Side::Outside if is("<<<<<<<") => Side::Ours,
            Side::Ours if is("|||||||") => Side::Base,
            Side::Ours | Side::Base if is("=======") => Side::Theirs,
            Side::Theirs if is(">>>>>>>") => Side::Outside,
            same => {
                if same != Side::Base {
                    kept.push_str(line);
                }
                same
            }
        };
    }
    if side == Side::Outside { kept } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_kept_and_markers_go() {
        let text = "a\n<<<<<<< HEAD\nours\n||||||| base\nold\n=======\ntheirs\n>>>>>>> branch\nb\n";
        assert_eq!(keep_both(text), "a\nours\ntheirs\nb\n");
        assert_eq!(
            keep_both("<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n<<<<<<< a\n=======\n3\n>>>>>>> b"),
            "1\n2\n3\n"
        );
    }

    #[test]
    fn a_text_without_a_whole_conflict_stays_as_it_is() {
        for text in ["a\n=======\nb\n", "<<<<<<< HEAD\nours\n=======\n", "<<<<<<<<\n", ">>>>>>> x\n"] {
            assert_eq!(keep_both(text), text);
        }
    }

    #[test]
    fn only_the_files_in_conflict_are_found_and_changed() {
        let folder = tempfile::tempdir().unwrap();
        let conflict = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n";
        for path in [".git/x", "deep/er/x", "y"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, conflict).unwrap();
        }
        fs::write(folder.path().join("fine"), "=======\n").unwrap();
        fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
        let found = resolve(folder.path()).unwrap();
        assert_eq!(found, [folder.path().join("deep/er/x"), folder.path().join("y")]);
        assert_eq!(fs::read_to_string(folder.path().join("y")).unwrap(), "1\n2\n");
        assert_eq!(fs::read_to_string(folder.path().join(".git/x")).unwrap(), conflict);
        assert!(files(folder.path()).unwrap().is_empty());
    }
}
