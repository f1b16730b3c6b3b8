//! `no_op`: work that changed nothing.

use super::diff::Diff;
use super::glob::covers;
use super::verdict::{Verdict, listed};

const GATE: &str = "no_op";

/// Judges whether anything was done. `strict`: a diff without any path does not pass. Else it is only said when
/// nothing of the task's `files` was changed; without any there is nothing to be said (`None`). `missing`: the files
/// that the task was to leave for others, and did not; with any the work does not pass.
pub fn no_op(strict: bool, files: &[String], missing: &[String], diff: &Diff) -> Option<Verdict> {
    if !missing.is_empty() {
        return Some(Verdict::blocks(GATE, listed("files that the task must leave are not there:", missing)));
    }
    if strict {
        return Some(match diff.paths.is_empty() {
            true => Verdict::blocks(GATE, "nothing was changed; do what the task asks for"),
            false => Verdict::clean(GATE),
        });
    }
    if files.is_empty() {
        return None;
    }
    let touched = diff.names().any(|path| files.iter().any(|pattern| covers(pattern, path)));
    Some(match touched {
        true => Verdict::clean(GATE),
        false => Verdict::warns(GATE, listed("nothing of the task's files was changed:", files)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::diff::tests::diff;
    use super::*;
    use crate::types::GateLevel;

    #[test]
    fn no_change_fails_where_one_is_wanted_and_else_is_told_of_declared_files() {
        let files = ["src".to_owned()];
        let level = |strict, files: &[String], paths: &[&str]| {
            no_op(strict, files, &[], &diff(paths)).map(|verdict| (verdict.level, verdict.passed))
        };
        assert_eq!(level(true, &[], &[]), Some((Some(GateLevel::Block), false)));
        assert_eq!(level(true, &files, &["other"]), Some((None, true)));
        assert_eq!(level(false, &[], &[]), None);
        assert_eq!(level(false, &files, &[]), Some((Some(GateLevel::Warn), true)));
        assert_eq!(level(false, &files, &["other"]), Some((Some(GateLevel::Warn), true)));
        assert_eq!(level(false, &files, &["src/a > other"]), Some((None, true)));
        let missing = ["out.md".to_owned()];
        for strict in [false, true] {
            let verdict = no_op(strict, &files, &missing, &diff(&["src/a"])).expect("a verdict");
            assert!(!verdict.passed && verdict.output.contains("out.md"), "{verdict:?}");
        }
    }
}
