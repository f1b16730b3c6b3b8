//! Batches of `merge.verify` together with everything else that a convoy can do.

use std::fs;

use convoy_tests::ScratchRepo;
use serde_json::Value;

use crate::support::{
    assert_landed_once, assert_nothing_left, convoy, count, events, landings, run, status, task,
};
use crate::verify::{every_move_was_verified, statuses, verified};

#[test]
fn members_of_a_batch_that_conflict_are_resolved_and_all_land() {
    let repo = ScratchRepo::new();
    let one = |id: &str| {
        task(id, "", &format!("unless-conflict write f.txt {id}\nif-conflict resolve\nwrite {id}.txt {id}"))
    };
    let tasks = ["a", "b", "c"].map(one).concat();
    let file = verified(&repo, "concurrency: 3", 3, "test -e f.txt", &tasks);
    run(&repo, &file).run().expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "a.txt", "b.txt", "c.txt", "f.txt"]);
    assert_eq!(repo.tree("main").len(), 5);
    let events = events(&repo);
    assert!(count(&events, "merge_conflict_detected") >= 2, "whoever is not the first has one");
    assert_landed_once(&repo, ["a", "b", "c"]);
    every_move_was_verified(&repo, &events);
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
}

#[test]
fn batches_land_in_every_form_without_the_one_that_fails() {
    for form in ["squash", "rebase"] {
        let repo = ScratchRepo::new();
        let one = |id: &str| {
            let script = format!(
                "write {id}.txt {id}\ncommit First {id}\nwrite {id}/more.txt {id}\ncommit Second {id}"
            );
            task(id, "max_retries: 0", &script)
        };
        let tasks = ["a", "b", "c", "d"].map(one).concat();
        let file = verified(&repo, "concurrency: 4", 4, "test ! -e c.txt", &tasks);
        let text = fs::read_to_string(&file).expect("it was written");
        fs::write(&file, text.replace("merge: {", &format!("merge: {{strategy: {form}, "))).expect("written");
        run(&repo, &file).run().expect_code(1);
        assert_eq!(statuses(&repo), ["a=done", "b=done", "c=gate-failed", "d=done"], "{form}");
        assert_eq!(
            repo.files("main"),
            ["README.md", "a.txt", "a/more.txt", "b.txt", "b/more.txt", "d.txt", "d/more.txt"],
            "{form}"
        );
        let commits = repo.log("main").len();
        assert_eq!(commits, if form == "squash" { 4 } else { 7 }, "{form}: {:?}", repo.log("main"));
        every_move_was_verified(&repo, &events(&repo));
        repo.assert_sound_and_clean();
        assert_nothing_left(&repo);
    }
}

#[test]
fn a_command_that_fails_now_and_then_costs_one_more_run_and_nobody_the_verdict() {
    let repo = ScratchRepo::new();
    let verify = format!("! mkdir '{}' 2>/dev/null", repo.beside("once").display());
    // More than there are to batch.
    let file = verified(&repo, "", 100, &verify, &task("a", "max_retries: 0", "write a.txt a"));
    run(&repo, &file).run().expect_code(0);
    let events = events(&repo);
    let trees: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "verify_started").map(|event| &event["tree"]).collect();
    assert_eq!((trees.len(), trees[0]), (2, trees[1]), "the very same tree");
    assert_eq!((count(&events, "merge_set_aside"), count(&events, "task_failed")), (1, 0));
    assert_landed_once(&repo, ["a"]);
    assert_nothing_left(&repo);
}

#[test]
fn a_cancel_ends_what_is_verified_and_keeps_the_work() {
    let repo = ScratchRepo::new();
    let fifo = repo.fifo("begun");
    let verify = format!("cat '{}'; sleep 600 & exec tail -f /dev/null", fifo.display());
    let file = verified(&repo, "", 1, &verify, &task("a", "", "write a.txt a"));
    let running = run(&repo, &file).spawn();
    fs::write(&fifo, "go on").expect("somebody reads it");
    convoy(&repo, &["cancel"]).run().expect_code(0);
    running.wait();
    assert_eq!(
        (status(&repo)["status"].as_str(), statuses(&repo)),
        (Some("cancelled"), vec!["a=cancelled".into()])
    );
    assert_eq!(repo.files("main"), ["README.md"]);
    let kept =
        repo.refs("refs/convoy/").into_keys().find(|name| name.contains("/a")).expect("a ref of the work");
    assert_eq!(repo.files(&kept), ["README.md", "a.txt"]);
    let events = events(&repo);
    let result = events.iter().find(|event| event["type"] == "verify_result").expect("an end");
    assert_eq!(result["outcome"], "stopped");
    assert_nothing_left(&repo);
}

#[test]
fn a_task_that_is_done_lands_once_more_on_top_once_that_passes() {
    let repo = ScratchRepo::new();
    let again = repo.beside("again");
    let script = format!("if-exists {0} write b.txt bad\nunless-exists {0} write a.txt a", again.display());
    let file = verified(
        &repo,
        "defaults: {max_retries: 0}",
        2,
        "test ! -e b.txt || grep good b.txt",
        &task("a", "", &script),
    );
    run(&repo, &file).run().expect_code(0);
    fs::write(&again, "").expect("a file");
    let retry = || convoy(&repo, &["retry", "--task", "a"]).run();
    retry().expect_code(1);
    assert_eq!(repo.files("main"), ["README.md", "a.txt"], "it stays as it is");
    assert_eq!(statuses(&repo), ["a=gate-failed"]);
    fs::remove_file(&again).expect("it is there");
    retry().expect_code(0);
    let events = events(&repo);
    every_move_was_verified(&repo, &events);
    assert_eq!(statuses(&repo), ["a=done"]);
    assert_eq!(landings(&repo, "main").get("a"), Some(&1), "the same files are no second landing");
    assert_nothing_left(&repo);
}

#[test]
fn without_commands_nothing_is_verified_and_a_batch_is_told_to_be_of_no_use() {
    let repo = ScratchRepo::new();
    let tasks = ["a", "b"].map(|id| task(id, "", &format!("write {id}.txt {id}"))).concat();
    let file = verified(&repo, "concurrency: 2", 4, "true", &tasks);
    let text = fs::read_to_string(&file).expect("it was written");
    fs::write(&file, text.replace("verify: [\"true\"]", "verify: []")).expect("written");
    let checked = convoy(&repo, &["check"]).args([file.as_os_str()]).run().expect_code(0);
    assert!(checked.stdout.contains("merge.batch: has no effect without `verify`"), "{}", checked.stdout);
    run(&repo, &file).run().expect_code(0);
    let events = events(&repo);
    assert_eq!((count(&events, "verify_started"), count(&events, "merge_done")), (0, 2));
    assert_landed_once(&repo, ["a", "b"]);
    assert_nothing_left(&repo);
}
