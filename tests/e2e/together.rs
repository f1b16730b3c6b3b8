//! Two engines in two processes, on one repository and one branch, while a person commits to it.

use std::fs;
use std::path::PathBuf;

use convoy_tests::{Outcome, ScratchRepo};
use serde_json::Value;

use crate::support::{assert_landed_once, assert_nothing_left, convoy, convoy_file, run, task};

/// Tasks of each convoy, and commits of the person.
const TASKS: usize = 6;
const COMMITS: usize = 12;

/// A convoy of a chain of tasks beside as many that depend on nothing. The first waits for the person.
fn file(repo: &ScratchRepo, name: &str) -> PathBuf {
    let (begun, go) = (repo.fifo(&format!("begun-{name}")), repo.fifo(&format!("go-{name}")));
    let waits = format!("count {} x\nlisten {}\n", begun.display(), go.display());
    let one = |n: usize| {
        let before = n.checked_sub(1).map(|n| format!("depends_on: [{name}{n}]")).unwrap_or_default();
        let waits = if n == 0 { waits.as_str() } else { "" };
        let chained = task(&format!("{name}{n}"), &before, &format!("{waits}write {name}/{n}.txt {n}"));
        chained + &task(&format!("{name}-free{n}"), "", &format!("append {name}/free{n}.txt {n}"))
    };
    convoy_file(repo, name, "concurrency: 2", &(0..TASKS).map(one).collect::<String>())
}

/// Commits one file as a person does, who tries again when git says that somebody else has the index or the branch.
fn commit(repo: &ScratchRepo, n: usize) {
    let name = format!("person-{n}.txt");
    repo.write(&name, "of a person\n");
    for words in [vec!["add", &name], vec!["commit", "--quiet", "-m", &name, "--", &name]] {
        loop {
            let output = repo.try_git(&words);
            if output.status.success() {
                break;
            }
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(told.contains(".lock") || told.contains("cannot lock ref"), "{words:?}: {told}");
        }
    }
}

/// What the result of a run says.
fn result(outcome: Outcome) -> Value {
    let outcome = outcome.expect_code(0);
    serde_json::from_str(outcome.stdout.lines().last().expect("a line")).expect("JSON")
}

#[test]
fn two_engines_and_a_person_share_a_branch_and_none_loses_anything() {
    let repo = ScratchRepo::new();
    let files = ["left", "right"].map(|name| file(&repo, name));
    let running = files.map(|file| run(&repo, &file).spawn());
    for name in ["left", "right"] {
        fs::read_to_string(repo.beside(&format!("begun-{name}"))).expect("a sign of life");
    }
    commit(&repo, 0);
    for name in ["left", "right"] {
        fs::write(repo.beside(&format!("go-{name}")), "go").expect("the agent listens");
    }
    (1..COMMITS).for_each(|n| commit(&repo, n));
    let ids = running.map(|run| {
        let result = result(run.wait());
        assert_eq!((&result["status"], &result["published"]), (&"done".into(), &true.into()), "{result:#}");
        result["convoy_id"].as_str().expect("an id").to_owned()
    });

    let tree = repo.tree("main");
    for name in ["left", "right"] {
        for n in 0..TASKS {
            assert_eq!(tree[&format!("{name}/{n}.txt")], n.to_string());
            assert_eq!(tree[&format!("{name}/free{n}.txt")], n.to_string());
        }
    }
    assert_eq!(tree.len(), 1 + 4 * TASKS + COMMITS);
    let log = repo.log("main");
    for n in 0..COMMITS {
        let name = format!("person-{n}.txt");
        assert_eq!(tree[&name], "of a person");
        assert_eq!(log.iter().filter(|subject| **subject == name).count(), 1, "{log:?}");
    }
    let tasks = ["left", "right"]
        .iter()
        .flat_map(|name| (0..TASKS).flat_map(move |n| [format!("{name}{n}"), format!("{name}-free{n}")]));
    assert_landed_once(&repo, tasks);
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
    for id in ids {
        let shown = convoy(&repo, &["status", "--json", &id]).run().expect_code(0);
        let status: Value = serde_json::from_str(&shown.stdout).expect("one object");
        assert_eq!(status["totals"]["done"], 2 * TASKS);
    }
}
