//! What people decide, from another process than the one that runs the convoy.

use convoy_tests::ScratchRepo;
use serde_json::Value;

use crate::support::{assert_nothing_left, convoy, convoy_file, run, task};

/// The result of a run that printed events as JSON: its last line.
fn outcome(stdout: &str) -> Value {
    serde_json::from_str(stdout.lines().last().expect("a result")).expect("JSON")
}

#[test]
fn a_person_lets_tasks_run_and_land_from_another_process() {
    let repo = ScratchRepo::new();
    let tasks = [
        task("a", "approve: before_run", "write a.txt a"),
        task("b", "approve: before_merge, depends_on: [a]", "write b.txt b"),
    ];
    let mut running = run(&repo, &convoy_file(&repo, "asked", "", &tasks.concat())).spawn();
    assert!(running.wait_for_line("task_awaiting_approval").is_some());
    let shown = convoy(&repo, &["status"]).run().expect_code(0).stdout;
    assert!(shown.contains("waits for approval, before it runs, asked "), "{shown}");
    convoy(&repo, &["approve", "a", "--reason", "looks fine"]).run().expect_code(0);
    assert!(running.wait_for_line("task_awaiting_approval").is_some());
    // A tree that the person has not seen is not approved.
    let wrong = "1".repeat(40);
    let refused = convoy(&repo, &["approve", "b", "--tree", &wrong]).run().expect_code(2);
    assert!(refused.stderr.contains("look at it again"), "{refused:?}");
    assert!(running.wait_for_line("request_refused").is_some());
    let listed = convoy(&repo, &["events"]).run().expect_code(0).stdout;
    assert!(listed.contains("b: approve, asked by "), "{listed}");
    let status = convoy(&repo, &["status", "--json"]).run().expect_code(0).stdout;
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let tree = status["tasks"][1]["tree"].as_str().expect("a tree").to_owned();
    convoy(&repo, &["approve", "b", "--tree", &tree]).run().expect_code(0);
    running.wait().expect_code(0);
    assert_eq!((repo.read("a.txt").as_str(), repo.read("b.txt").as_str()), ("a\n", "b\n"));
    assert_nothing_left(&repo);
}

#[test]
fn what_a_person_decides_while_nobody_runs_the_convoy_is_done_by_the_next_engine() {
    let repo = ScratchRepo::new();
    let tasks = [
        task("a", "approve: before_run", "write a.txt a"),
        task("b", "approve: before_run", "write b.txt b"),
        task("c", "approve: before_run", "write c.txt c"),
    ];
    let mut running = run(&repo, &convoy_file(&repo, "later", "", &tasks.concat())).spawn();
    for _ in 0..3 {
        assert!(running.wait_for_line("task_awaiting_approval").is_some());
    }
    running.interrupt();
    running.wait().expect_code(130);
    let said = convoy(&repo, &["approve", "a"]).run().expect_code(0).stdout;
    assert!(said.contains("once the convoy is resumed"), "{said}");
    convoy(&repo, &["reject", "b", "--reason", "no"]).run().expect_code(0);
    convoy(&repo, &["skip", "c"]).run().expect_code(0);
    let resumed = convoy(&repo, &["resume", "--json"]).run().expect_code(1);
    let outcome = outcome(&resumed.stdout);
    let statuses: Vec<&str> = outcome["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter_map(|task| task["status"].as_str())
        .collect();
    assert_eq!(statuses, ["done", "failed", "skipped"], "{outcome:#}");
    assert_eq!(outcome["tasks"][1]["failure"]["failure_type"], "approval-refused");
    assert_nothing_left(&repo);
}

#[test]
fn a_persons_commit_lands_as_the_work_of_a_task() {
    let repo = ScratchRepo::new();
    let tasks = [
        task("a", "approve: before_run", "write a.txt agent"),
        task("b", "depends_on: [a]", "write b.txt b"),
    ];
    let mut running = run(&repo, &convoy_file(&repo, "by-hand", "", &tasks.concat())).spawn();
    assert!(running.wait_for_line("task_awaiting_approval").is_some());
    let by_hand = repo.beside("by-hand");
    let place = by_hand.to_str().expect("UTF-8");
    repo.git(["worktree", "add", "-q", "-b", "by-hand", place]);
    std::fs::write(by_hand.join("a.txt"), "me\n").expect("a file");
    repo.git(["-C", place, "add", "a.txt"]);
    repo.git(["-C", place, "commit", "-qm", "by hand"]);
    repo.git(["worktree", "remove", place]);
    let unknown = convoy(&repo, &["accept", "a", "no-such-commit"]).run();
    assert!(unknown.stderr.contains("is no commit"), "{unknown:?}");
    convoy(&repo, &["accept", "a", "by-hand"]).run().expect_code(0);
    running.wait().expect_code(0);
    assert_eq!((repo.read("a.txt").as_str(), repo.read("b.txt").as_str()), ("me\n", "b\n"));
    assert_nothing_left(&repo);
}

#[test]
fn what_waits_for_an_artifact_of_work_that_a_person_gave_fails_and_says_so() {
    let repo = ScratchRepo::new();
    let tasks = [
        task("a", "approve: before_run, outputs: [{name: said, type: summary}]", "say hello"),
        task("b", "max_retries: 3, inputs: [{from: a, name: said}]", "write b.txt {{input.said}}"),
        task("c", "depends_on: [b]", "write c.txt c"),
    ];
    let mut running = run(&repo, &convoy_file(&repo, "given", "", &tasks.concat())).spawn();
    assert!(running.wait_for_line("task_awaiting_approval").is_some());
    repo.git(["branch", "by-hand", "main"]);
    convoy(&repo, &["accept", "a", "by-hand"]).run().expect_code(0);
    let ended = running.wait().expect_code(1);
    let outcome = outcome(&ended.stdout);
    let tasks = outcome["tasks"].as_array().expect("tasks").iter();
    let ends: Vec<String> = tasks
        .map(|task| format!("{} {}", task["status"], task["failure"]["failure_type"]).replace('"', ""))
        .collect();
    assert_eq!(ends, ["done null", "failed missing-input", "skipped null"], "{outcome:#}");
    let why = outcome["tasks"][1]["failure"]["message"].as_str().expect("a text");
    assert!(why.contains("said") && why.contains("task a"), "{why}");
    assert_nothing_left(&repo);
}
