//! Whether the files of a worktree are the bytes that the repository holds.
//!
//! Attributes and settings can have git convert files on the way. This does not read them as git would, with all their
//! patterns and macros: where anything is said that could change a byte, the git program does the work.

use crate::git::fast::Settings;

/// What an attributes file may say of any path before its files are converted when they are written.
const CONVERTS: [&[u8]; 6] =
    [b"filter", b"ident", b"working-tree-encoding", b"crlf", b"eol=crlf", b"encoding"];

/// Whether the settings leave the bytes of files as they are, know each file by its exact name, and keep modes and
/// links.
pub(super) fn settings_are_plain(settings: &Settings) -> bool {
    let off = |key: &str| settings.switch(key) != Some(true) && settings.get(key).is_none_or(is_switch);
    let not_off = |key: &str| settings.switch(key) != Some(false);
    let absent = |key: &str| settings.get(key).is_none();
    off("core.autocrlf")
        && settings.get("core.eol").is_none_or(|eol| eol == "lf" || eol == "native")
        && absent("core.attributesfile")
        && off("core.ignorecase")
        && off("core.precomposeunicode")
        && off("core.sparsecheckout")
        && off("index.sparse")
        && off("extensions.worktreeconfig")
        && not_off("core.filemode")
        && not_off("core.symlinks")
        && absent("core.worktree")
        && absent("attr.tree")
}

/// Whether a text is one of those that a switch may be set to.
fn is_switch(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "0" | "1" | "")
}

/// Whether an attributes file leaves the bytes of files that are written as they are.
pub(super) fn is_plain(attributes: &[u8]) -> bool {
    let small = attributes.to_ascii_lowercase();
    CONVERTS.iter().all(|word| !contains(&small, word))
}

/// Whether content could be changed when it is recorded, where files are text or may be: line ends are made the same.
/// A carriage return is all that could be changed.
pub(super) fn could_be_changed(content: &[u8]) -> bool {
    content.contains(&b'\r')
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}
