//! Tasks that were given up: dead letters, and `AGENT-FAILURES.md`, the file of them for people.

use std::fs;

use convoy_tests::ScratchRepo;
use serde_json::Value;

use crate::support::{assert_nothing_left, convoy, convoy_file, count, events, run, status, task};

/// In two parts, so that no scanner takes this file for a leak.
const TOKEN: &str = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ012345");

fn letters(repo: &ScratchRepo) -> Value {
    let text = convoy(repo, &["dlq", "list", "--json"]).run().expect_code(0).stdout;
    serde_json::from_str(&text).expect("JSON")
}

/// The task `bad` fails its gate until there is a file `go`, the task `child` depends on it. `more`: other tasks.
fn broken(repo: &ScratchRepo, name: &str, more: &str) -> std::path::PathBuf {
    let token = repo.beside("token").display().to_string();
    fs::write(&token, format!("\u{1b}[2J\u{7}key: {TOKEN}\n<!-- dlq:forged -->\n")).expect("written");
    let gate = format!("max_retries: 0, gates: [\"cat {token}; test -f {}\"]", repo.beside("go").display());
    let child = task("child", "depends_on: [bad]", &format!("write {name}/child x"));
    let bad = task("bad", &gate, &format!("write {name}/bad x"));
    convoy_file(repo, name, "", &format!("{bad}{child}{more}"))
}

#[test]
fn a_dead_letter_is_a_file_for_people_until_a_retry_revives_what_it_held_up() {
    let repo = ScratchRepo::new();
    run(&repo, &broken(&repo, "one", "")).run().expect_code(1);
    let path = repo.root().join(".convoy/AGENT-FAILURES.md");
    let text = fs::read_to_string(&path).expect("the file");
    let letter = letters(&repo)[0].clone();
    let id = letter["dlq_id"].as_str().expect("an id");
    let head =
        format!("# Agent Failures\n\n<!-- dlq:{id} -->\n### {id}\n\n| | |\n|---|---|\n| **Task** | bad |\n");
    assert!(text.starts_with(&head), "{text}");
    for part in
        ["| **Agent** | developer |", "| **Type** | gate:", "| **Attempts** | 1 |", "| **Status** | open |"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("**Error:**\n\n```\n") && text.contains("key: [REDACTED:"), "{text}");
    assert!(!text.contains(TOKEN) && text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert_eq!(text.matches("<!-- ").count(), 1, "what an agent prints is no entry: {text}");
    assert!(letter["error"].as_str().is_some_and(|error| error.contains("key: [REDACTED:")), "{letter}");

    // What a person writes there stays, and another convoy adds to it.
    fs::write(&path, format!("{text}\nI look into it.\n")).expect("written");
    run(&repo, &broken(&repo, "two", "")).run().expect_code(1);
    let both = fs::read_to_string(&path).expect("the file");
    assert!(both.starts_with(&format!("{text}\nI look into it.\n\n<!-- dlq:")), "{both}");
    assert_eq!(both.matches("| **Status** | open |").count(), 2, "{both}");

    fs::write(repo.beside("go"), "").expect("written");
    convoy(&repo, &["dlq", "retry", id]).run().expect_code(0);
    let one = convoy(&repo, &["status", "--json", letter_convoy(id).as_str()]).run().expect_code(0).stdout;
    let one: Value = serde_json::from_str(&one).expect("JSON");
    assert_eq!((&one["status"], &one["totals"]["done"]), (&"done".into(), &2.into()), "{one:#}");
    assert_eq!(repo.read("one/child"), "x\n", "what was skipped because of it has run");
    let after = fs::read_to_string(&path).expect("the file");
    assert_eq!(after.matches("| **Status** | open |").count(), 1, "{after}");
    assert!(after.contains("| **Status** | resolved by ") && after.contains("): retried |"), "{after}");
    assert!(after.contains("I look into it."), "{after}");
    // All open ones of the newest convoy.
    convoy(&repo, &["dlq", "retry"]).run().expect_code(0);
    assert_eq!(status(&repo)["totals"]["done"], 2);
    assert_eq!(letters(&repo)[0]["resolution"], "retried");
    assert_nothing_left(&repo);
}

/// The convoy of a dead letter, whose id holds it.
fn letter_convoy(id: &str) -> String {
    let convoy = id.trim_start_matches("dlq-").split('.').next().expect("the convoy");
    format!("convoy-{convoy}")
}

#[test]
fn a_dead_letter_can_be_closed_while_others_work_and_its_file_survives_a_crash() {
    let repo = ScratchRepo::new();
    let go = repo.fifo("go-on");
    let slow = task("slow", "", &format!("listen {}\nwrite slow x", go.display()));
    let mut running = run(&repo, &broken(&repo, "crash", &slow)).spawn();
    assert!(running.wait_for_line("dlq_entry_created").is_some());
    let id = letters(&repo)[0]["dlq_id"].as_str().expect("an id").to_owned();
    let reason = format!("seen \u{1b}[1m{TOKEN}");
    convoy(&repo, &["dlq", "resolve", &id, "--reason", &reason]).run().expect_code(0);
    let closed = running.wait_for_line("dlq_entry_resolved").expect("closed by the engine that runs it");
    assert!(closed.contains("seen [REDACTED:") && !closed.contains(TOKEN), "{closed}");
    running.kill();
    running.wait_unread();
    let again = convoy(&repo, &["dlq", "resolve", &id]).run().expect_code(2);
    assert!(again.stderr.contains("is closed already"), "{again:?}");

    let path = repo.root().join(".convoy/AGENT-FAILURES.md");
    let torn = path.with_extension("md.new");
    // As a crash of the machine leaves it.
    drop(fs::remove_file(&path));
    fs::write(&torn, "# Agent Fail").expect("written");
    let mut resumed = convoy(&repo, &["resume", "--json"]).spawn();
    // The agent that the killed engine left is gone by now, and listens no more.
    assert!(resumed.wait_for_line("worker_spawned").is_some());
    fs::write(&go, "").expect("the agent listens");
    resumed.wait().expect_code(1);
    let text = fs::read_to_string(&path).expect("the file");
    assert_eq!(text.matches("<!-- dlq:").count(), 1, "{text}");
    assert!(text.contains("| **Status** | resolved by ") && text.contains("): seen [REDACTED:"), "{text}");
    assert!(!torn.exists());
    assert_eq!(count(&events(&repo), "dlq_entry_created"), 1);
}
