//! Tasks that are added to a convoy while it runs: from another process, and from a file.

use std::fs;
use std::path::PathBuf;

use convoy_tests::{ConvoyCmd, ScratchRepo, prompt};
use serde_json::Value;

use crate::support::{assert_nothing_left, convoy, convoy_file, count, events, names, run, status, task};

/// A file of tasks beside the repository.
fn tasks_file(repo: &ScratchRepo, name: &str, tasks: &[(&str, &str, &str)]) -> PathBuf {
    let path = repo.beside(name);
    let lines = tasks.iter().map(|(id, fields, script)| task(id, fields, script));
    fs::write(&path, format!("tasks:\n{}", lines.collect::<String>())).expect("written");
    path
}

fn inject(repo: &ScratchRepo, args: &[&str]) -> ConvoyCmd {
    convoy(repo, &[&["inject"], args].concat())
}

/// A convoy whose first task waits until somebody writes into the pipe.
fn waiting(repo: &ScratchRepo, name: &str, head: &str) -> (PathBuf, PathBuf) {
    let go = repo.fifo(&format!("{name}-go"));
    let first = task("a", "", &format!("listen {}\nwrite a.txt a", go.display()));
    (convoy_file(repo, name, head, &first), go)
}

fn statuses(repo: &ScratchRepo) -> Vec<String> {
    let status = status(repo);
    let tasks = status["tasks"].as_array().expect("tasks");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    tasks.iter().map(|task| format!("{}={}", word(&task["id"]), word(&task["status"]))).collect()
}

#[test]
fn tasks_are_added_from_another_process_once_or_refused_with_the_reason() {
    let repo = ScratchRepo::new();
    let (file, go) = waiting(&repo, "added", "concurrency: 2\ndefaults: {gates: [\"test -f a.txt\"]}");
    let mut running = run(&repo, &file).spawn();
    assert!(running.wait_for_line("worker_spawned").is_some());
    let script = "require-prompt \"You are a writer.\"\nwrite b.txt b";
    let more = [("b", "depends_on: [a], agent: writer, timeout_ms: 60000, max_retries: 0", script)];
    let more = tasks_file(&repo, "more.yml", &more).display().to_string();
    let added = inject(&repo, &[&more, "--key", "first"]).run().expect_code(0);
    assert!(added.stdout.contains("added to convoy-") && added.stdout.ends_with(": b\n"), "{added:?}");
    let again = inject(&repo, &[&more, "--key", "first"]).run().expect_code(0);
    assert!(again.stdout.contains("nothing to do: b were added"), "{again:?}");
    let twice = inject(&repo, &[&more]).run().expect_code(2);
    assert!(twice.stderr.contains("nothing of ") && twice.stderr.contains("b"), "{twice:?}");
    let wrong = repo.beside("wrong.yml");
    fs::write(&wrong, "tasks:\n- id: c\n  promt: do it\n").expect("written");
    let refused = inject(&repo, &[&wrong.display().to_string()]).run().expect_code(2);
    assert!(refused.stderr.contains("wrong.yml:3:3: error: tasks[0].promt: unknown key"), "{refused:?}");
    fs::write(&go, "").expect("the agent listens");
    running.wait().expect_code(0);
    // The gate of the defaults passed, so it had what the task before it left.
    assert_eq!((statuses(&repo), repo.read("b.txt")), (vec!["a=done".into(), "b=done".into()], "b\n".into()));
    let over = inject(&repo, &[&more, "--key", "late"]).run().expect_code(2);
    assert!(over.stderr.contains("is over"), "{over:?}");
    assert_nothing_left(&repo);
}

#[test]
fn the_file_is_taken_while_the_convoy_runs_and_kept_whatever_becomes_of_it() {
    let repo = ScratchRepo::new();
    let (file, go) = waiting(&repo, "watched", "concurrency: 2");
    let mut running = run(&repo, &file).args(["--inject-file"]).spawn();
    assert!(running.wait_for_line("worker_spawned").is_some());
    let convoy_id = status(&repo)["convoy_id"].as_str().expect("an id").to_owned();
    let folder = repo.root().join(".convoy/inject").join(convoy_id);
    let put = |text: &str| {
        let beside = repo.beside("next.yml");
        fs::write(&beside, text).expect("written");
        fs::create_dir_all(&folder).expect("the folder");
        fs::rename(&beside, folder.join("inject.yml")).expect("moved there");
    };
    let text = format!("tasks: [{{id: b, prompt: {}}}]\n", prompt("write b.txt b"));
    put(&text);
    assert!(running.wait_for_line("tasks_added").is_some());
    let wrong = [
        ("tasks: [{id: c}]\n", "1:9: error: tasks[0].prompt: is required and missing"),
        ("tasks: [{id: b, prompt: again}]\n", "b"),
        ("tasks: [{id: c, prompt: p, agent: ghp_0123456789abcdefghijABCDEFGHIJ012345}]\n", "tasks[0].agent"),
    ];
    for (text, reason) in wrong {
        put(text);
        let line = running.wait_for_line("injection_refused").expect("said");
        assert!(line.contains(reason) && !line.contains("ghp_0"), "{reason}: {line}");
    }
    fs::rename(repo.fifo("pipe"), folder.join("inject.yml")).expect("moved there");
    let line = running.wait_for_line("injection_refused").expect("said");
    assert!(line.contains("no regular file"), "{line}");
    fs::write(&go, "").expect("the agent listens");
    running.wait().expect_code(0);
    assert_eq!(statuses(&repo), ["a=done", "b=done"]);
    let kept = names(&folder);
    let (taken, refused): (Vec<_>, Vec<_>) = kept.iter().partition(|name| name.starts_with("taken-"));
    assert_eq!((taken.len(), refused.len()), (1, 4), "{kept:?}");
    assert!(refused.iter().all(|name| name.starts_with("refused-")), "{kept:?}");
    assert_eq!(fs::read_to_string(folder.join(taken[0])).expect("kept"), text);
    assert_nothing_left(&repo);
}

#[test]
fn a_file_is_taken_once_wherever_the_engine_was_killed() {
    let repo = ScratchRepo::new();
    let (file, go) = waiting(&repo, "killed", "concurrency: 4");
    let mut running = run(&repo, &file).args(["--inject-file"]).spawn();
    assert!(running.wait_for_line("worker_spawned").is_some());
    let convoy_id = status(&repo)["convoy_id"].as_str().expect("an id").to_owned();
    let folder = repo.root().join(".convoy/inject").join(convoy_id);
    let text =
        |id: &str| format!("tasks: [{{id: {id}, prompt: {}}}]\n", prompt(&format!("write {id}.txt {id}")));
    fs::create_dir_all(&folder).expect("the folder");
    fs::write(folder.join("inject.yml"), text("added")).expect("written");
    assert!(running.wait_for_line("tasks_added").is_some());
    running.kill();
    running.wait_unread();
    // Killed after its tasks were added, before that was noted …
    let first = names(&folder).pop().expect("it was taken");
    let id = first.split_once('-').expect("a state").1;
    drop(fs::rename(folder.join(&first), folder.join(format!("taking-{id}"))));
    // … before they were asked for …
    fs::write(folder.join("taking-01new.yml"), text("new")).expect("written");
    // … and in between.
    fs::write(folder.join("taking-02asked.yml"), text("asked")).expect("written");
    let asked = folder.join("taking-02asked.yml").display().to_string();
    let said = inject(&repo, &[&asked, "--key", "inject-file:02asked"]).run().expect_code(0).stdout;
    assert!(said.contains("once convoy-"), "{said}");
    let mut resumed = convoy(&repo, &["resume", "--json"]).spawn();
    assert!(resumed.wait_for_line("worker_spawned").is_some());
    while count(&events(&repo), "tasks_added") < 3 {
        assert!(resumed.wait_for_line("tasks_added").is_some(), "{:#?}", events(&repo));
    }
    fs::write(&go, "").expect("the agent listens");
    resumed.wait().expect_code(0);
    let mut all = statuses(&repo);
    all.sort();
    assert_eq!(all, ["a=done", "added=done", "asked=done", "new=done"]);
    let events = events(&repo);
    assert_eq!((count(&events, "tasks_added"), count(&events, "injection_refused")), (3, 0));
    assert!(names(&folder).iter().all(|name| name.starts_with("taken-")), "{:?}", names(&folder));
    assert_nothing_left(&repo);
}

#[test]
fn the_file_is_left_alone_unless_it_is_switched_on_and_the_limit_can_be_set() {
    let repo = ScratchRepo::new();
    let (file, go) = waiting(&repo, "off", "");
    let mut running = run(&repo, &file).args(["--max-injected", "1"]).spawn();
    assert!(running.wait_for_line("worker_spawned").is_some());
    let convoy_id = status(&repo)["convoy_id"].as_str().expect("an id").to_owned();
    let folder = repo.root().join(".convoy/inject").join(convoy_id);
    fs::create_dir_all(&folder).expect("the folder");
    fs::write(folder.join("inject.yml"), "tasks: [{id: b, prompt: p}]\n").expect("written");
    let two = tasks_file(&repo, "two.yml", &[("x", "", "write x x"), ("y", "", "write y y")]);
    let refused = inject(&repo, &[&two.display().to_string()]).run().expect_code(2);
    assert!(refused.stderr.contains("at most 1 tasks may be injected"), "{refused:?}");
    fs::write(&go, "").expect("the agent listens");
    running.wait().expect_code(0);
    assert_eq!((statuses(&repo), names(&folder)), (vec!["a=done".to_owned()], vec!["inject.yml".to_owned()]));
}
