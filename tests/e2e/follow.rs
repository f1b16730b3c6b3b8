//! Looking on while another process runs the convoy.

use std::fs;

use convoy_tests::ScratchRepo;
use serde_json::Value;

use crate::support::{assert_nothing_left, convoy, convoy_file, count, run, task};

#[test]
fn followed_events_end_with_the_convoy_and_are_those_that_are_stored() {
    let repo = ScratchRepo::new();
    let (runs, go) = (repo.fifo("runs"), repo.fifo("go"));
    let first = format!("count {} on\nlisten {}\nwrite a.txt a", runs.display(), go.display());
    let tasks = [task("a", "", &first), task("b", "depends_on: [a]", "write b.txt b")];
    let running = run(&repo, &convoy_file(&repo, "followed", "", &tasks.concat())).spawn();
    assert_eq!(fs::read_to_string(runs).expect("a sign of life"), "on\n");
    let mut follows = convoy(&repo, &["events", "--follow", "--json"]).spawn();
    // The first task is under way, and whoever follows has seen its start: what comes later is followed.
    assert!(follows.wait_for_line("worker_spawned").is_some(), "it ended before the convoy");
    fs::write(go, "go").expect("the agent listens");
    let ran = running.wait().expect_code(0);
    let followed = follows.wait().expect_code(0);
    assert_eq!(followed.stderr, "");
    let stored = convoy(&repo, &["events", "--json"]).run().expect_code(0);
    assert_eq!(followed.stdout, stored.stdout);
    let events: Vec<Value> =
        followed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(count(&events, "task_done"), 2, "{events:#?}");
    // Who ran it was shown the same, and its result last.
    let shown: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(shown[..shown.len() - 1].join("\n"), stored.stdout.trim_end());
    assert_nothing_left(&repo);
}
