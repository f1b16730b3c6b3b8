//! `judge_files`: work that changes what judges work.

use super::diff::Diff;
use super::verdict::{Verdict, listed};

/// Says which of the files that configure a judge the work changes: those of `names`, and those that a gate's
/// command names. Nothing to be said (`None`) when it changes none. It never keeps work from passing: this work
/// is judged by what was there before it.
pub fn judge_files(names: &[&str], commands: &[String], diff: &Diff) -> Option<Verdict> {
    let words: Vec<&str> = commands.iter().flat_map(|command| words(command)).collect();
    let judges = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        names.contains(&name) || words.contains(path)
    };
    let mut changed: Vec<&str> = diff.names().filter(judges).collect();
    changed.sort_unstable();
    changed.dedup();
    let line = "the work changes files that decide how work is judged:";
    (!changed.is_empty()).then(|| Verdict::warns("judge_files", listed(line, &changed)))
}

/// What may be a path in a shell command.
fn words(command: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || "\"'`;&|()<>=$".contains(c);
    command.split(ends).map(|word| word.trim_start_matches("./")).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::diff::tests::diff;
    use super::*;

    #[test]
    fn scripts_of_gates_and_configurations_are_told_wherever_they_are() {
        let diff = diff(&["scripts/test.sh", "a/package.json", "src/x", "old.toml > Makefile"]);
        let commands = ["sh ./scripts/test.sh --fast && echo \"src\"".to_owned()];
        let verdict = judge_files(&["package.json", "old.toml"], &commands, &diff).expect("applies");
        assert!(verdict.passed && verdict.level.is_some());
        assert!(
            verdict.output.ends_with(":\na/package.json\nold.toml\nscripts/test.sh"),
            "{}",
            verdict.output
        );
        assert_eq!(judge_files(&["Cargo.toml"], &[], &diff), None);
    }
}
