//! `judge_files`: work that changes what judges work.

use super::diff::Diff;
use super::verdict::{Verdict, listed};
use super::{dependency_audit, regression_test};

/// What decides how dependencies are audited, beside what lists them.
pub fn audit_files() -> impl Iterator<Item = &'static str> {
    dependency_audit::CONFIGURATION.iter().copied()
}

/// What decides how tests are run. Not all of it is put back before they run: dependencies stand in the same files.
pub fn test_files() -> impl Iterator<Item = &'static str> {
    const MORE: &[&str] = &["package.json", "Cargo.toml", "conftest.py"];
    let parts = regression_test::PYTEST_PARTS.iter().map(|(name, _)| *name);
    let whole = [regression_test::CONFIGURATION, regression_test::MAKEFILES, MORE].into_iter().flatten();
    whole.copied().chain(parts)
}

/// Says which of the files that configure a judge the work changes: those of `names`, wherever they are, and the
/// [`scripts`](super::scripts()) that judge, by their whole path. Nothing to be said (`None`) when it changes none. It never keeps work from passing: this work
/// is judged by what was there before it.
pub fn judge_files(names: &[&str], scripts: &[String], diff: &Diff) -> Option<Verdict> {
    let judges = |path: &&str| {
        let below = |name: &&str| {
            path.strip_suffix(name).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
        };
        names.iter().any(below) || scripts.iter().any(|script| script == path)
    };
    let mut changed: Vec<&str> = diff.names().filter(judges).collect();
    changed.sort_unstable();
    changed.dedup();
    let line = "the work changes files that decide how work is judged:";
    (!changed.is_empty()).then(|| Verdict::warns("judge_files", listed(line, &changed)))
}

#[cfg(test)]
mod tests {
    use super::super::diff::tests::diff;
    use super::*;

    #[test]
    fn scripts_of_gates_and_configurations_are_told_wherever_they_are() {
        let paths = ["scripts/test.sh", "a/package.json", "data", "check", "old.toml > Makefile"];
        let diff = diff(&paths);
        let scripts = ["scripts/test.sh".to_owned(), "check".to_owned()];
        let verdict = judge_files(&["package.json", "old.toml"], &scripts, &diff).expect("applies");
        assert!(verdict.passed && verdict.level.is_some());
        assert!(
            verdict.output.ends_with(":\na/package.json\ncheck\nold.toml\nscripts/test.sh"),
            "{}",
            verdict.output
        );
        assert_eq!(judge_files(&["Cargo.toml", "ata"], &[], &diff), None);
        let names: Vec<&str> = audit_files().chain(test_files()).collect();
        for path in [
            ".cargo/config.toml",
            "crate/.cargo/audit.toml",
            "rust-toolchain",
            "pyproject.toml",
            "GNUmakefile",
        ] {
            assert!(judge_files(&names, &[], &self::diff(&[path])).is_some(), "{path}");
        }
    }
}
