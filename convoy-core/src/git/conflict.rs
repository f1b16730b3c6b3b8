//! What `git merge-tree` says of a conflict.
//!
//! After the tree it prints, all ended by NUL: for each path and side `<mode> <id> <stage><tab><path>`; an empty
//! field; and messages, each a count, that many paths, a kind, and a text for people. The kinds are words that git
//! keeps stable. A conflict between folders has messages alone, and one of a file with a folder names paths that are
//! nowhere else, so both lists count.

use std::collections::BTreeMap;

use super::repository::show_path;
use crate::types::{ConflictKind, Oid, PathConflict, PathVersion};

/// Reads what follows the tree: each path, as its bytes, with what the matter is there.
pub(super) fn parse<'a>(
    mut fields: impl Iterator<Item = &'a [u8]>,
) -> Option<BTreeMap<Vec<u8>, PathConflict>> {
    let mut found = BTreeMap::new();
    for field in fields.by_ref().take_while(|field| !field.is_empty()) {
        let (path, stage, version) = staged(field)?;
        let conflict = at(&mut found, path);
        match stage {
            b"1" => conflict.base = Some(version),
            b"2" => conflict.ours = Some(version),
            b"3" => conflict.theirs = Some(version),
            _ => return None,
        }
    }
    while let Some(count) = fields.next() {
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        let named: Vec<&[u8]> = fields.by_ref().take(count).collect();
        let kind = fields.next()?;
        fields.next()?;
        if let Some(kind) = kind.strip_prefix(b"CONFLICT") {
            for path in named {
                let conflict = at(&mut found, path);
                conflict.kind = conflict.kind.min(kind_of(kind));
            }
        }
    }
    for conflict in found.values_mut() {
        conflict.kind = refined(conflict);
    }
    Some(found)
}

/// The path, the stage and the version of `<mode> <id> <stage><tab><path>`.
fn staged(field: &[u8]) -> Option<(&[u8], &[u8], PathVersion)> {
    let tab = field.iter().position(|byte| *byte == b'\t')?;
    let mut parts = field[..tab].split(|byte| *byte == b' ');
    let mode = std::str::from_utf8(parts.next()?).ok()?.to_owned();
    let oid = Oid::new(std::str::from_utf8(parts.next()?).ok()?).ok()?;
    Some((&field[tab + 1..], parts.next()?, PathVersion { mode, oid }))
}

fn at<'a>(found: &'a mut BTreeMap<Vec<u8>, PathConflict>, path: &[u8]) -> &'a mut PathConflict {
    found.entry(path.to_vec()).or_insert_with(|| PathConflict {
        path: show_path(path),
        kind: ConflictKind::Other,
        base: None,
        ours: None,
        theirs: None,
    })
}

/// The kind of a message, whose first word was taken off: some have a blank after it, and some have none.
fn kind_of(kind: &[u8]) -> ConflictKind {
    let kind = String::from_utf8_lossy(kind);
    let kind = kind.trim().trim_start_matches('(').trim_end_matches(')');
    match kind {
        "contents" => ConflictKind::Content,
        "binary" => ConflictKind::Binary,
        "file/directory" => ConflictKind::FileDirectory,
        "distinct modes" | "distinct types" => ConflictKind::Mode,
        "modify/delete" => ConflictKind::ModifyDelete,
        "rename/rename" => ConflictKind::RenameRename,
        "rename involved in collision" => ConflictKind::RenameCollision,
        "rename/delete" => ConflictKind::RenameDelete,
        other if other.contains("directory rename") => ConflictKind::DirectoryRename,
        other if other.starts_with("submodule") => ConflictKind::Submodule,
        _ => ConflictKind::Other,
    }
}

/// What the sides tell beyond the message.
fn refined(conflict: &PathConflict) -> ConflictKind {
    let sides = [&conflict.ours, &conflict.theirs];
    let both = sides.iter().all(|side| side.is_some());
    let is_submodule = |side: &Option<PathVersion>| side.as_ref().is_some_and(|at| at.mode == "160000");
    match conflict.kind {
        ConflictKind::Content | ConflictKind::Other if both && sides.into_iter().all(is_submodule) => {
            ConflictKind::Submodule
        }
        ConflictKind::Content | ConflictKind::Other if both && conflict.base.is_none() => {
            ConflictKind::AddAdd
        }
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_gets_its_sides_and_the_weightiest_of_its_kinds() {
        let id = |c: char| c.to_string().repeat(40);
        let fields = [
            &format!("100644 {} 1\ta b", id('1')),
            &format!("100755 {} 2\ta b", id('2')),
            &format!("120000 {} 3\tn\tl", id('3')),
            "",
            "1",
            "a b",
            "Auto-merging",
            "text\n",
            "2",
            "a b",
            "n\tl",
            "CONFLICT (modify/delete)",
            "text\n",
            "1",
            "a b",
            "CONFLICT (rename/delete)",
            "text\n",
            "1",
            "folder",
            "CONFLICT(directory rename unclear split)",
            "text\n",
        ];
        let found = parse(fields.iter().map(|field| field.as_bytes())).expect("reads");
        let told: Vec<_> = found.values().map(|c| (c.path.as_str(), c.kind)).collect();
        let kinds = [ConflictKind::RenameDelete, ConflictKind::DirectoryRename, ConflictKind::ModifyDelete];
        assert_eq!(told, ["a b", "folder", "n\tl"].into_iter().zip(kinds).collect::<Vec<_>>());
        let side =
            |mode: &str, c| Some(PathVersion { mode: mode.into(), oid: Oid::new(id(c)).expect("an id") });
        let first = &found[&b"a b"[..]];
        assert_eq!(
            (&first.base, &first.ours, &first.theirs),
            (&side("100644", '1'), &side("100755", '2'), &None)
        );
        assert_eq!(found[&b"n\tl"[..]].theirs, side("120000", '3'));
    }

    #[test]
    fn what_has_another_form_is_not_read() {
        let read = |fields: &[&str]| parse(fields.iter().map(|field| field.as_bytes()));
        assert_eq!(read(&[]).map(|found| found.len()), Some(0));
        let id = "1".repeat(40);
        for bad in
            [format!("100644 {id} 4\ta"), format!("100644 {id}\ta"), format!("100644 {id} 1 a"), "x".into()]
        {
            assert_eq!(read(&[&bad]), None, "{bad}");
        }
        assert_eq!(read(&["", "two", "a", "b"]), None);
        assert_eq!(read(&["", "1", "a", "CONFLICT (contents)"]), None, "the text is missing");
    }
}
