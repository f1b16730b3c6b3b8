//! A secret wherever a run could take it from: it is found nowhere afterwards, and no record is missing for it.

use std::fs;
use std::path::{Path, PathBuf};

use convoy_core::secret::printable;
use convoy_tests::ScratchRepo;
use serde_json::Value;

use crate::support::{
    assert_nothing_left, convoy, count, events, reviewed_file, reviewed_task, status, task,
};

/// In two parts, so that no scanner takes this file for a leak.
const TOKEN: &str = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ012345");

/// The same as `grep --color` prints it: a terminal shows the whole of it.
const COLOURED: &str = concat!("ghp_\u{1b}[m\u{1b}[K", "0123456789\u{1b}[01;31mabcdefghijABCDEFGHIJ012345");

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[track_caller]
fn assert_without(place: &str, text: &[u8]) {
    let is_in = |text: &[u8]| text.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
    // As it stands there, and as a terminal shows it, where JSON writes what drives one in letters.
    let seen = String::from_utf8_lossy(text).replace("\\u001b", "\u{1b}");
    let found = is_in(text) || is_in(printable(&seen).as_bytes());
    assert!(!found, "the secret stands in {place}: {}", String::from_utf8_lossy(text));
}

const ONCE: &str = "max_retries: 0";

/// Agents that bring the secret into what is handed on and landed. `file` holds it, `seen` will be what the task
/// `reader` was asked.
fn bringing(file: &str, seen: &str) -> String {
    let once = ONCE;
    let json = format!(
        "{once}, outputs: [{{name: facts, type: json}}, {{name: said, type: summary}}, {{name: left, type: file}}]"
    );
    [
        format!("  - {{id: prompt, {once}, prompt: Log in with {TOKEN} and go on}}\n"),
        task(
            "source",
            &json,
            &format!("sh printf '{{\"key\": \"%s\"}}' \"$(cat {file})\" > {file}.json\nsay @{file}.json"),
        ),
        task(
            "reader",
            &format!("{once}, inputs: [{{from: source, name: facts}}, {{from: source, name: said}}]"),
            &format!("record-prompt {seen}\nwrite reader.txt x"),
        ),
        task("uncommitted", once, &format!("sh cat {file} > uncommitted.txt")),
        task(
            "committed",
            once,
            &format!(
                "sh cat {file} > committed.txt\ncommit Add it\ndelete committed.txt\nwrite other.txt x\ncommit Undo it"
            ),
        ),
        task(
            "message",
            once,
            &format!(
                "write message.txt x\nsh git add -A && git -c user.name=a -c user.email=a@b.invalid commit -qF {file}"
            ),
        ),
        task(
            "author",
            once,
            &format!(
                "write author.txt x\nsh git add -A && git -c user.name=\"$(cat {file})\" -c user.email=a@b.invalid commit -qm Work"
            ),
        ),
        task("header", once, &format!("write header.txt x\n{}", commit_with_header("note", file))),
        task("empty", once, &commit_with_header("other", file)),
        task("name", once, &format!("sh touch \"$(cat {file})\"")),
    ]
    .concat()
}

/// A line of a script that commits what there is, with a header of its own that holds what the file holds.
fn commit_with_header(name: &str, file: &str) -> String {
    let made = "author a <a@b.invalid> 1 +0000\\ncommitter a <a@b.invalid> 1 +0000";
    format!(
        "sh git add -A && git reset -q --soft $(printf 'tree %s\\nparent %s\\n{made}\\n{name} %s\\n\\nWork\\n' \
         $(git write-tree) $(git rev-parse HEAD) $(cat {file}) | git hash-object -t commit -w --stdin)"
    )
}

/// Programs of all kinds that print what the file holds.
fn printing(file: &str) -> String {
    let once = ONCE;
    let quoted = |text: String| Value::from(text).to_string();
    let gate = format!("{once}, gates: [{}]", quoted(format!("cat {file}; exit 1")));
    let hook =
        format!("{once}, hooks: [{{type: validate, command: {}}}]", quoted(format!("cat {file}; exit 1")));
    let step = format!(
        "{once}, steps: [{{id: one, prompt: say on, gates: [{}]}}]",
        quoted(format!("cat {file} >&2; exit 1"))
    );
    [
        task(
            "output",
            "max_retries: 1",
            &format!("say @{file}\nsh cat {file} {file}; cat {file} >&2\nexit 3"),
        ),
        task(
            "error",
            once,
            &format!(
                "sh printf 'in two pieces: '; head -c 20 {file}; sleep 0.01; tail -c +21 {file}\nresult-error broken"
            ),
        ),
        task("gate", &gate, "write gate.txt x"),
        task("hook", &hook, "write hook.txt x"),
        task("step", &step, "write step.txt x"),
        reviewed_task("blocked", "review: fast, max_retries: 1", &format!("verdict block @{file}")),
        reviewed_task("disputed", "review: panel, max_retries: 3", &format!("say @{file}\nverdict block @{file}")),
        task("fine", "approve: before_run", &format!("say @{file}\nwrite fine.txt x")),
    ]
    .concat()
}

/// What every command that looks at a convoy says.
fn asked(repo: &ScratchRepo) -> Vec<(&'static str, String)> {
    let mut shown = Vec::new();
    for (name, args) in [
        ("status", vec!["status"]),
        ("status --json", vec!["status", "--json"]),
        ("events", vec!["events"]),
        ("events --json", vec!["events", "--json"]),
        ("dlq", vec!["dlq", "list"]),
        ("dlq --json", vec!["dlq", "list", "--json"]),
        ("dispute", vec!["dispute", "list"]),
        ("artifact", vec!["artifact", "source", "facts"]),
        ("logs", vec!["logs", "output"]),
        ("show", vec!["show", "output"]),
        ("show --json", vec!["show", "output", "--attempt", "1", "--json"]),
        ("show of a gate", vec!["show", "gate"]),
        ("show of a review", vec!["show", "blocked"]),
    ] {
        let outcome = convoy(repo, &args).run().expect_code(0);
        shown.push((name, outcome.stdout + &outcome.stderr));
    }
    shown
}

#[track_caller]
fn assert_nowhere_in_the_state(repo: &ScratchRepo) {
    let state = files(&repo.root().join(".convoy"));
    for name in ["convoy.db", "convoy-events.ndjson", "convoys.ndjson", "DISPUTES.md", "AGENT-FAILURES.md"] {
        assert!(state.iter().any(|path| path.ends_with(name)), "{name} is not among {state:?}");
    }
    for path in &state {
        assert_without(&path.display().to_string(), &fs::read(path).expect("a file"));
    }
}

/// Status and kind of failure of each task.
fn ends(repo: &ScratchRepo) -> Vec<String> {
    status(repo)["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| {
            let kind = task["failure"]["failure_type"].as_str().unwrap_or("-");
            // What was run holds a path.
            let kind = kind.split(' ').next().unwrap_or_default();
            format!("{}={} {kind}", task["id"], task["status"]).replace('"', "")
        })
        .collect()
}

#[test]
fn a_secret_that_comes_from_anywhere_is_found_nowhere_and_every_record_is_there() {
    let repo = ScratchRepo::new();
    let (file, seen) = (repo.beside("token"), repo.beside("seen"));
    fs::write(&file, TOKEN).expect("written");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let tasks = bringing(&path(&file), &path(&seen)) + &printing(&path(&file));
    let spec = reviewed_file(&repo, "secrets", "concurrency: 1", &tasks);

    // On the terminal, in which nothing is to be seen of it either.
    let mut running = convoy(&repo, &["run"]).args([spec.as_os_str()]).spawn();
    assert!(running.wait_for_line("fine").is_some());
    convoy(&repo, &["approve", "fine", "--reason", &format!("use {TOKEN}")]).run().expect_code(0);
    let ran = running.wait().expect_code(1);
    let mut shown = vec![("run", ran.stdout), ("run, standard error", ran.stderr)];
    shown.extend(asked(&repo));
    for (name, text) in &shown {
        assert_without(name, text.as_bytes());
    }
    assert_nowhere_in_the_state(&repo);
    assert_without("the prompt of the next task", &fs::read(&seen).expect("it was asked"));
    assert_without("the branch", repo.git(["log", "-p", "--format=raw", "main"]).as_bytes());
    for commit in repo.git(["rev-list", "main"]).lines() {
        assert_without("a commit of the branch", repo.git(["cat-file", "commit", commit]).as_bytes());
    }
    assert_without("the names of refs", repo.git(["for-each-ref"]).as_bytes());

    let wanted = [
        "prompt=failed secret-in-prompt",
        "source=done -",
        "reader=done -",
        "uncommitted=gate-failed gate:secret_scan",
        "committed=gate-failed gate:secret_scan",
        "message=gate-failed gate:secret_scan",
        "author=gate-failed gate:secret_scan",
        "header=gate-failed gate:secret_scan",
        "empty=gate-failed gate:secret_scan",
        "name=gate-failed gate:secret_scan",
        "output=failed error",
        "error=failed error",
        "gate=gate-failed gate:cat",
        "hook=hook-failed hook:cat",
        "step=gate-failed gate:cat",
        "blocked=review-blocked review-blocked",
        "disputed=disputed review-blocked",
        "fine=done -",
    ];
    assert_eq!(ends(&repo), wanted);
    let events = events(&repo);
    let counts = [
        "task_started",
        "task_retried",
        "review_verdict",
        "artifact_stored",
        "dispute_opened",
        "dlq_entry_created",
    ]
    .map(|kind| count(&events, kind));
    assert_eq!(counts, [21, 4, 7, 3, 1, 14]);
    for (name, text) in &shown {
        if !["run, standard error", "status"].contains(name) {
            assert!(text.contains("[REDACTED:"), "{name} says nothing of it: {text}");
        }
    }
    assert_nothing_left(&repo);
}

#[test]
fn a_secret_with_colours_in_it_is_found_nowhere_either() {
    let repo = ScratchRepo::new();
    let file = repo.beside("coloured");
    fs::write(&file, COLOURED).expect("written");
    let file = file.to_str().expect("UTF-8");
    let quoted = |text: String| Value::from(text).to_string();
    let fails = quoted(format!("cat {file}; exit 1"));
    let (once, review) = (ONCE, "review: fast, max_retries: 0");
    let tasks = [
        task("output", once, &format!("say @{file}\nsh cat {file}; cat {file} >&2\nresult-error broken")),
        task("crash", once, &format!("say @{file}\nsh cat {file} >&2\nexit 3")),
        task("gate", &format!("{once}, gates: [{fails}]"), "write gate.txt x"),
        task("hook", &format!("{once}, hooks: [{{type: validate, command: {fails}}}]"), "write hook.txt x"),
        task(
            "step",
            &format!("{once}, steps: [{{id: one, prompt: go on, gates: [{fails}]}}]"),
            "write step.txt x",
        ),
        task(
            "left",
            &format!(
                "{once}, built_in_gates: {{secret_scan: false}}, \
                 outputs: [{{name: said, type: summary}}, {{name: kept, type: file, path: kept}}]"
            ),
            &format!("sh cat {file} > kept\nsay @{file}"),
        ),
        reviewed_task("blocked", review, &format!("say @{file}\nverdict block @{file}")),
    ];
    let spec = reviewed_file(&repo, "coloured", "concurrency: 1", &tasks.concat());
    let ran = convoy(&repo, &["run"]).args([spec.as_os_str()]).run().expect_code(1);
    assert_without("run", (ran.stdout + &ran.stderr).as_bytes());
    let ids = ["output", "crash", "gate", "hook", "step", "blocked"];
    let mut asked: Vec<Vec<&str>> = vec![
        vec!["status", "--json"],
        vec!["events", "--json"],
        vec!["dlq", "list", "--json"],
        vec!["artifact", "left", "said"],
        vec!["artifact", "left", "kept"],
        vec!["logs", "output"],
        vec!["logs", "crash"],
    ];
    asked.extend(ids.map(|id| vec!["show", id]));
    for args in asked {
        let outcome = convoy(&repo, &args).run().expect_code(0);
        let text = outcome.stdout + &outcome.stderr;
        assert_without(&args.join(" "), text.as_bytes());
        let says_nothing = args[0] == "status" || args == ["show", "step"];
        assert!(says_nothing || text.contains("[REDACTED:"), "{args:?} says nothing of it: {text}");
    }
    for path in files(&repo.root().join(".convoy")) {
        assert_without(&path.display().to_string(), &fs::read(&path).expect("a file"));
    }
}
