//! `partition`: changes outside of what the task declared.

use super::diff::Diff;
use super::glob::covers;
use super::verdict::{Verdict, listed};

const GATE: &str = "partition";

/// Judges whether every changed path is one of the task's `files`. Nothing to be said (`None`) of a task without
/// any.
pub fn partition(block: bool, files: &[String], diff: &Diff) -> Option<Verdict> {
    if files.is_empty() {
        return None;
    }
    let is_outside = |path: &&str| !files.iter().any(|pattern| covers(pattern, path));
    let outside: Vec<&str> = diff.names().filter(is_outside).collect();
    if outside.is_empty() {
        return Some(Verdict::clean(GATE));
    }
    let declared = files.join(", ");
    let output = listed(&format!("changed outside of the task's files ({declared}):"), &outside);
    Some(if block { Verdict::blocks(GATE, output) } else { Verdict::warns(GATE, output) })
}

#[cfg(test)]
mod tests {
    use super::super::diff::tests::diff;
    use super::*;
    use crate::types::GateLevel;

    #[test]
    fn what_was_really_edited_is_looked_at() {
        let files = ["src".to_owned(), "*.md".to_owned()];
        let inside = diff(&["src/a", "README.md"]);
        assert_eq!(partition(true, &files, &inside), Some(Verdict::clean(GATE)));
        let outside = diff(&["src/a", "docs/b.md", "lib/x > src/x"]);
        let verdict = partition(true, &files, &outside).expect("applies");
        assert_eq!((verdict.level, verdict.passed), (Some(GateLevel::Block), false));
        assert_eq!(verdict.output, "changed outside of the task's files (src, *.md):\ndocs/b.md\nlib/x");
        let verdict = partition(false, &files, &outside).expect("applies");
        assert_eq!((verdict.level, verdict.passed), (Some(GateLevel::Warn), true));
        assert_eq!(partition(true, &[], &outside), None);
    }
}
