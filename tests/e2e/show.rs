//! `convoy show`: everything that is known of an attempt.

use std::fs;
use std::path::Path;
use std::process::Command;

use convoy_tests::{PATH, ScratchRepo};
use serde_json::Value;

use crate::support::{convoy, convoy_file, names, run, task};

/// In two parts, so that no scanner takes this file for a leak.
const TOKEN: &str = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ012345");

fn show(repo: &ScratchRepo, args: &[&str]) -> String {
    convoy(repo, &[&["show"], args].concat()).run().expect_code(0).stdout
}

fn shown(repo: &ScratchRepo, args: &[&str]) -> Value {
    let text = show(repo, &[args, &["--json"]].concat());
    assert_harmless(&text);
    serde_json::from_str(&text).expect("JSON")
}

/// Fails when a text holds the secret, or what could drive a terminal.
#[track_caller]
fn assert_harmless(text: &str) {
    assert!(!text.contains(TOKEN), "{text}");
    assert!(text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')), "{text:?}");
}

#[track_caller]
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at =
            rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing, or not in its place: {text}"));
        rest = &rest[at + part.len()..];
    }
}

/// Runs a command line as a person's shell does.
#[expect(clippy::disallowed_methods, reason = "what a person types")]
fn shell(repo: &ScratchRepo, folder: &Path, line: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env_clear().envs(repo.environment()).env("PATH", PATH);
    let output = command.output().expect("sh runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Types the command that is shown, and looks at what is there then.
#[track_caller]
fn assert_checks_out(repo: &ScratchRepo, id: &str, attempt: &str, files: &[&str]) {
    let text = show(repo, &[id, "--attempt", attempt]);
    let line = text.lines().find_map(|line| line.strip_prefix("check it out: ")).expect("a command");
    shell(repo, &repo.beside(""), line);
    let json = shown(repo, &[id, "--attempt", attempt]);
    let folder = json["checkout"][6].as_str().expect("a folder");
    let checked_out: Vec<String> =
        names(Path::new(folder)).into_iter().filter(|name| name != ".git").collect();
    assert_eq!(checked_out, files);
    repo.git(["worktree", "remove", folder]);
}

#[test]
fn an_attempt_is_shown_whole_and_its_work_can_be_checked_out() {
    let repo = ScratchRepo::new();
    let gate = "gates: [\"echo tested; test -f second\"], max_retries: 1";
    let script = "say I am at it\nwrite first 1\nif-prompt failed write second 2\ntokens 1200 34";
    let file = convoy_file(&repo, "shown", "", &task("it's a", gate, script));
    run(&repo, &file).run().expect_code(0);

    let first = show(&repo, &["it's a", "--attempt", "1"]);
    let parts = [
        "task it's a, attempt 1 of 2, of convoy-",
        "made by: developer (scripted, session fresh)",
        "outcome: gate-failed (gate `echo tested; test -f second` did not pass: exit code 1",
        "; another attempt follows",
        "tokens: 1,234",
        "work: ",
        ", 1 file changed, kept as refs/convoy/",
        "check it out: git -C ",
        "=== what happened",
        "attempt 1 for developer",
        "failed with exit code 1",
        "=== verdicts",
        "secret_scan passed",
        "gate echo tested; test -f second failed with exit code 1 after ",
        "    tested",
        "=== prompt, as it was sent (",
        "You are a developer. Do this.",
        "=== log of the agent (",
        "I am at it",
        "=== diff",
        "+++ b/first",
        "+1",
    ];
    assert_in_order(&first, &parts);
    assert!(!first.contains("+++ b/second") && !first.contains("landed as"), "{first}");

    let newest = show(&repo, &["it's a"]);
    let parts = [
        "attempt 2 of 2",
        "a retry (scripted, session continued)",
        "outcome: done",
        "landed as: ",
        "passed after",
        "Attempt 1 at this task failed",
        "+++ b/first",
        "+++ b/second",
    ];
    assert_in_order(&newest, &parts);
    // What is shown as the prompt is what the agent was given.
    let json = shown(&repo, &["it's a"]);
    let prompt = json["prompt"]["text"].as_str().expect("a prompt");
    let started = json["events"].as_array().expect("events").iter().find(|e| e["type"] == "task_started");
    assert_eq!(started.expect("started")["prompt_bytes"], prompt.len());
    assert_eq!(
        (&json["attempt"], &json["attempts"], &json["outcome"], &json["task_status"]),
        (&2.into(), &2.into(), &"done".into(), &"done".into())
    );
    assert_eq!(json["work"]["tree"], repo.oid("main^{tree}"));

    assert_checks_out(&repo, "it's a", "1", &["README.md", "first"]);
    assert_checks_out(&repo, "it's a", "2", &["README.md", "first", "second"]);
    assert_eq!(repo.status(), [""; 0]);
}

#[test]
fn what_agents_gates_and_files_hold_is_shown_without_secrets_and_harmless() {
    let repo = ScratchRepo::new();
    let token = repo.beside("token").display().to_string();
    fs::write(&token, format!("\u{1b}[2J\u{7}key: {TOKEN}\u{202e}\n")).expect("written");
    let tasks = [
        task("printed", "max_retries: 0", &format!("sh cat {token}\nerr done\nexit 3")),
        task("gated", &format!("max_retries: 0, gates: [\"cat {token}; exit 1\"]"), "write x 1"),
        task("committed", "max_retries: 0", &format!("sh cp {token} leaked.txt")),
        task("asked", "max_retries: 0", &format!("write x {TOKEN}")),
    ];
    let file = convoy_file(&repo, "secrets", "", &tasks.concat());
    run(&repo, &file).run().expect_code(1);
    let places = [("printed", "=== log of the agent"), ("gated", "=== verdicts"), ("committed", "=== diff")];
    for (id, section) in places {
        let text = show(&repo, &[id]);
        assert_harmless(&text);
        assert_in_order(&text, &[section, "key: [REDACTED:"]);
        shown(&repo, &[id]);
    }
    let text = show(&repo, &["asked"]);
    assert_harmless(&text);
    let parts = ["secret-in-prompt", "=== prompt", "nothing was sent", "printed nothing", "nothing changed"];
    assert_in_order(&text, &parts);
    // The logs are the agent's own, and what is left out of them is said to be.
    let convoy_id = shown(&repo, &["printed"])["convoy_id"].as_str().expect("an id").to_owned();
    let log = repo.root().join(".convoy/logs").join(convoy_id).join("0-printed/attempt-1.log");
    let line = format!("{}\n", "x".repeat(99));
    fs::write(&log, format!("{}the end\n", line.repeat(10_000))).expect("written");
    let log = shown(&repo, &["printed"])["log"].clone();
    let text = log["text"].as_str().expect("a text");
    assert!(
        text.starts_with('x') && text.ends_with("the end\n") && text.len() <= 256 * 1024,
        "{}",
        text.len()
    );
    assert_eq!(log["omitted"], 1_000_008 - text.len());
    assert!(show(&repo, &["printed"]).contains(" bytes left out, they are in the file]\nxxx"));
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let repo = ScratchRepo::new();
    let nothing = convoy(&repo, &["show", "a"]).run().expect_code(2);
    assert!(nothing.stderr.contains("no convoy is stored here"), "{nothing:?}");
    let tasks = [task("a", "max_retries: 0", "exit 1"), task("b", "depends_on: [a]", "write b b")].concat();
    run(&repo, &convoy_file(&repo, "one", "", &tasks)).run().expect_code(1);
    run(&repo, &convoy_file(&repo, "two", "", &task("c", "", "write c c"))).run().expect_code(0);
    let first = convoy(&repo, &["list", "--json"]).run().expect_code(0).stdout;
    let list: Value = serde_json::from_str(&first).expect("JSON");
    let first = list[1]["id"].as_str().expect("an id");
    let cases: [(&[&str], &str); 6] = [
        (&["a"], "has no task a"),
        (&["a", "--convoy", "convoy"], "is the beginning of several convoys"),
        (&["a", "--convoy", "zz"], "no convoy \"zz\" is stored here"),
        (&["b", "--convoy", first], "task b has not been started"),
        (&["a", "--convoy", first, "--attempt", "2"], "task a has attempts 1 to 1, not 2"),
        (&["c", "--attempt", "0"], "--attempt"),
    ];
    for (args, wanted) in cases {
        let outcome = convoy(&repo, &[&["show"], args].concat()).run().expect_code(2);
        assert!(outcome.stderr.contains(wanted) && outcome.stdout.is_empty(), "{args:?}: {outcome:?}");
    }
    assert!(show(&repo, &["a", "--convoy", first]).contains("outcome: failed (error: "));
    // Work that was pruned is said to be gone; the rest is shown.
    let kept = shown(&repo, &["c"])["work"]["kept_ref"].as_str().expect("a ref").to_owned();
    for name in repo.refs("refs/convoy").into_keys().chain([kept]) {
        repo.try_git(["update-ref", "-d", &name]);
    }
    repo.git(["reset", "-q", "--hard", "HEAD~1"]);
    repo.git(["reflog", "expire", "--expire=now", "--all"]);
    repo.git(["gc", "-q", "--prune=now"]);
    let text = show(&repo, &["c"]);
    assert_in_order(&text, &["outcome: done", "You are a developer.", "does not have the work any more"]);
    assert!(!text.contains("check it out"), "{text}");
}
