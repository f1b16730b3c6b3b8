//! `merge.verify` on real repositories: what lands together passes together, also when the program is killed.

use std::fs;
use std::path::PathBuf;

use convoy_tests::{ConvoyCmd, ScratchRepo};
use serde_json::Value;

use crate::support::{
    assert_landed_once, assert_nothing_left, convoy, convoy_file, count, events, run, status, task,
};

/// A convoy file with this command as `merge.verify`.
pub(crate) fn verified(repo: &ScratchRepo, head: &str, batch: u32, verify: &str, tasks: &str) -> PathBuf {
    let verify = Value::from(verify);
    let head = format!("{head}\nmerge: {{verify: [{verify}], batch: {batch}}}");
    convoy_file(repo, "verified", &head, tasks)
}

/// `id=status` of every task, sorted.
pub(crate) fn statuses(repo: &ScratchRepo) -> Vec<String> {
    let status = status(repo);
    let tasks = status["tasks"].as_array().expect("tasks");
    let mut all: Vec<String> = tasks
        .iter()
        .map(|task| {
            format!("{}={}", task["id"].as_str().expect("an id"), task["status"].as_str().expect("a status"))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn of_two_tasks_that_fail_together_only_one_lands_and_all_others_do() {
    for batch in [1, 2, 4] {
        let repo = ScratchRepo::new();
        let ids = ["a", "b", "c", "d"];
        let tasks: String =
            ids.map(|id| task(id, "max_retries: 0", &format!("write {id}.txt {id}"))).concat();
        let verify = "! { test -f a.txt && test -f b.txt; }";
        let file = verified(&repo, "concurrency: 4", batch, verify, &tasks);
        run(&repo, &file).run().expect_code(1);
        let statuses = statuses(&repo);
        let lost = if statuses[0] == "a=done" { "b" } else { "a" };
        let kept = if lost == "a" { "b" } else { "a" };
        let expected = |id: &str| format!("{id}={}", if id == lost { "gate-failed" } else { "done" });
        assert_eq!(statuses, ids.map(expected), "batch {batch}");
        assert_eq!(repo.files("main"), ["README.md", &format!("{kept}.txt"), "c.txt", "d.txt"]);
        assert_landed_once(&repo, [kept, "c", "d"]);
        let events = events(&repo);
        let failed: Vec<&Value> = events.iter().filter(|event| event["type"] == "task_failed").collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0]["failure"]["failure_type"], format!("verify:{verify}"));
        assert_eq!(failed[0]["gate"], verify);
        every_move_was_verified(&repo, &events);
        let guard = events.iter().rfind(|event| event["type"] == "convoy_guard").expect("it looked");
        assert_eq!(guard["passed"], true, "{guard}");
        repo.assert_sound_and_clean();
        assert_nothing_left(&repo);
    }
}

/// Every commit that the integration ref moved to has a tree that passed.
pub(crate) fn every_move_was_verified(repo: &ScratchRepo, events: &[Value]) {
    let passed: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "verify_result" && event["outcome"] == "passed")
        .map(|event| &event["tree"])
        .collect();
    let moves = events.iter().filter(|event| event["type"] == "merge_prepared");
    for landing in moves.filter(|event| event["lands_with"].is_null()) {
        let commit = landing["commit"].as_str().expect("a commit");
        let tree = repo.oid(&format!("{commit}^{{tree}}"));
        assert!(passed.iter().any(|passed| **passed == tree), "{landing}");
    }
}

#[test]
fn a_task_that_fails_on_the_merged_tree_is_tried_again_and_told_why() {
    let repo = ScratchRepo::new();
    let tried = repo.beside("tried");
    let script = format!(
        "unless-exists {0} write f.txt bad\nif-exists {0} require-prompt of merge.verify did not pass\n\
         if-exists {0} write f.txt good\ntouch {0}",
        tried.display()
    );
    let verify = "! grep bad *.txt";
    let head = "defaults: {retry: {backoff: 0s}}";
    let file = verified(&repo, head, 1, verify, &task("a", "max_retries: 1", &script));
    run(&repo, &file).run().expect_code(0);
    assert_eq!(repo.git(["show", "main:f.txt"]).trim(), "good");
    let events = events(&repo);
    // Twice on the same tree before it is blamed, the tip without it, and once for what the retry made.
    assert_eq!((count(&events, "verify_started"), count(&events, "merge_set_aside")), (4, 1));
    let retried = events.iter().find(|event| event["type"] == "task_retried").expect("a retry");
    assert_eq!(retried["failure"]["failure_type"], format!("verify:{verify}"));
    assert!(retried["failure"]["output_tail"].as_str().expect("output").contains("bad"), "{retried}");
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
}

#[test]
fn what_the_commands_edit_is_undone_and_what_one_leaves_the_next_run_does_not_see() {
    let repo = ScratchRepo::new();
    let verify = "test ! -e left && touch left && echo edited > README.md";
    let tasks = ["a", "b"].map(|id| task(id, "", &format!("write {id}.txt {id}"))).concat();
    let readme = repo.tree("main").remove("README.md");
    let file = verified(&repo, "concurrency: 1", 1, verify, &tasks);
    run(&repo, &file).run().expect_code(0);
    assert_eq!(repo.tree("main").remove("README.md"), readme);
    let events = events(&repo);
    let results = events.iter().filter(|event| event["type"] == "verify_result");
    for result in results.clone() {
        assert_eq!(result["changed_files"], serde_json::json!(["README.md"]));
    }
    assert!(results.count() >= 2);
    assert_nothing_left(&repo);
}

/// Runs the program until what it runs kills it; that waits for its process id in the fifo.
fn killed(command: ConvoyCmd, fifo: &std::path::Path) {
    let running = command.spawn();
    fs::write(fifo, running.id().to_string()).expect("somebody reads it");
    assert_eq!(running.wait_unread().signal, Some(9));
}

#[test]
fn kills_while_trees_are_verified_change_nothing() {
    let repo = ScratchRepo::new();
    let fifo = repo.fifo("pid");
    // Once for each merged tree, and no engine leaves its worktree to the next.
    let verify = format!(
        "test $(ls -d '{1}'/.convoy/worktrees/*/verify-* | wc -l) = 1 && if mkdir '{0}'-$(git rev-parse HEAD^{{tree}}) 2>/dev/null; then kill -9 $(cat '{0}'); exec tail -f /dev/null; fi",
        fifo.display(),
        repo.root().display()
    );
    let bought = repo.beside("bought");
    let one = |id: &str, needs: &str| {
        task(id, needs, &format!("count {} {id}\nwrite {id}.txt {id}", bought.display()))
    };
    let tasks = [one("one", ""), one("two", "depends_on: [one]")].concat();
    let file = verified(&repo, "concurrency: 2", 2, &verify, &tasks);
    killed(run(&repo, &file), &fifo);
    let resume = || convoy(&repo, &["resume", "--json"]);
    killed(resume(), &fifo);
    resume().run().expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "one.txt", "two.txt"]);
    assert_landed_once(&repo, ["one", "two"]);
    assert_eq!(repo.lines_beside("bought"), ["one", "two"], "nothing is bought again");
    let events = events(&repo);
    assert_eq!((count(&events, "verify_started"), count(&events, "verify_result")), (4, 2));
    every_move_was_verified(&repo, &events);
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
}

#[test]
fn a_red_branch_is_no_tasks_fault_and_costs_no_retry() {
    let repo = ScratchRepo::new();
    let bought = repo.beside("bought");
    let one = |id: &str| {
        task(id, "max_retries: 2", &format!("count {} {id}\nwrite {id}.txt {id}", bought.display()))
    };
    let tasks = [one("a"), one("b")].concat();
    let file = verified(&repo, "concurrency: 2", 2, "echo not mended && test -e mended.txt", &tasks);
    run(&repo, &file).run().expect_code(1);
    assert_eq!(statuses(&repo), ["a=gate-failed", "b=gate-failed"]);
    let events = events(&repo);
    let of_tip = events
        .iter()
        .filter(|event| event["type"] == "verify_started" && event["tasks"] == serde_json::json!([]));
    assert_eq!((of_tip.count(), count(&events, "task_retried")), (2, 0));
    for failed in events.iter().filter(|event| event["type"] == "task_failed") {
        let failure = &failed["failure"];
        assert_eq!(failure["failure_type"], "verify-tip:echo not mended && test -e mended.txt");
        assert!(failure["message"].as_str().expect("a message").contains("red by itself"), "{failure}");
        assert!(failure["output_tail"].as_str().expect("output").contains("not mended"), "{failure}");
    }
    assert_eq!(repo.lines_beside("bought").len(), 2, "every agent is bought once");
    assert_nothing_left(&repo);
}

#[test]
fn work_on_a_red_branch_waits_for_the_task_that_mends_it() {
    let repo = ScratchRepo::new();
    let tasks = [task("a", "", "write a.txt a"), task("mends", "", "write mended.txt yes")].concat();
    let file = verified(&repo, "concurrency: 1", 1, "test -e mended.txt", &tasks);
    run(&repo, &file).run().expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "a.txt", "mended.txt"]);
    assert_landed_once(&repo, ["a", "mends"]);
    every_move_was_verified(&repo, &events(&repo));
    assert_nothing_left(&repo);
}

#[test]
fn a_command_that_hangs_is_ended_with_all_that_it_started_and_its_output_is_bounded() {
    let repo = ScratchRepo::new();
    let verify =
        "test ! -e a.txt || { head -c 3000000 /dev/zero | tr '\\0' x; echo the end; sleep 600 & sleep 600; }";
    let head = "concurrency: 2\ndefaults: {gate_timeout: 1, max_retries: 0}";
    let file = verified(&repo, head, 1, verify, &task("a", "", "write a.txt a"));
    run(&repo, &file).run().expect_code(1);
    let events = events(&repo);
    let failed = events.iter().find(|event| event["type"] == "task_failed").expect("it fails");
    let (message, output) = (&failed["failure"]["message"], &failed["failure"]["output_tail"]);
    assert!(message.as_str().expect("a message").contains("merge.verify did not pass"), "{message}");
    let output = output.as_str().expect("output");
    assert!(output.ends_with("the end\n") && output.len() < 64 * 1024, "{} bytes", output.len());
    let logs =
        repo.root().join(".convoy/logs").join(failed["convoy_id"].as_str().expect("an id")).join("end");
    for run in 1..=2 {
        let log = fs::read(logs.join(format!("verify-{run}.log"))).expect("the log of the run");
        assert!(log.len() > 1_000_000, "the log has all of it: {}", log.len());
    }
    assert_nothing_left(&repo);
}

#[test]
fn an_interrupt_ends_what_is_verified_and_resuming_verifies_it_anew() {
    let repo = ScratchRepo::new();
    let fifo = repo.fifo("begun");
    let verify =
        format!("test ! -p '{0}' || {{ cat '{0}'; sleep 600 & exec tail -f /dev/null; }}", fifo.display());
    let file = verified(&repo, "", 1, &verify, &task("a", "", "write a.txt a"));
    let running = run(&repo, &file).spawn();
    fs::write(&fifo, "go on").expect("somebody reads it");
    running.interrupt();
    running.wait().expect_code(130);
    let convoy_id = status(&repo)["convoy_id"].as_str().expect("an id").to_owned();
    assert_eq!(convoy_core::process::survivors(&convoy_id), [], "processes are left");
    fs::remove_file(&fifo).expect("removed");
    convoy(&repo, &["resume", "--json"]).run().expect_code(0);
    let events = events(&repo);
    let outcomes =
        events.iter().filter(|event| event["type"] == "verify_result").map(|event| &event["outcome"]);
    assert_eq!(outcomes.collect::<Vec<_>>(), ["stopped", "passed"]);
    assert_landed_once(&repo, ["a"]);
    assert_nothing_left(&repo);
}

#[test]
fn an_agent_that_has_git_collect_what_nobody_refers_to_costs_no_candidate() {
    let repo = ScratchRepo::new();
    let [to_c, to_a, collect] = ["to-c", "to-a", "collect"].map(|name| repo.fifo(name));
    // While `a` is verified, `a` with `c` fails once, and then everything that no ref reaches is deleted.
    let verify = format!(
        "if test -e c.txt; then ! mkdir '{}' 2>/dev/null; else echo > '{}'; cat '{}'; fi",
        repo.beside("once").display(),
        to_c.display(),
        to_a.display()
    );
    let tasks = [
        task("a", "", "write a.txt a"),
        task("c", "", &format!("listen {}\nwrite c.txt c", to_c.display())),
        task(
            "d",
            "",
            &format!(
                "listen {}\ngit gc --prune=now --quiet\nsh echo > {}",
                collect.display(),
                to_a.display()
            ),
        ),
    ];
    let file = verified(&repo, "concurrency: 3", 1, &verify, &tasks.concat());
    let mut running = run(&repo, &file).spawn();
    let red = running.wait_for_line("\"verify_result\"").expect("a result");
    assert!(red.contains("\"failed\""), "{red}");
    fs::write(&collect, "now").expect("somebody reads it");
    running.wait().expect_code(0);
    assert_landed_once(&repo, ["a", "c"]);
    every_move_was_verified(&repo, &events(&repo));
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
}
