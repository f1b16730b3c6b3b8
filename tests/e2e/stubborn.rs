//! Agents that do not want to end.

use std::fs;
use std::path::PathBuf;

use convoy_core::process::survivors;
use convoy_tests::{Running, ScratchRepo};
use rustix::process::Signal;

use crate::support::{
    assert_landed_once, assert_nothing_left, convoy, convoy_file, count, events, run, status, task,
};

/// Two processes that ignore `TERM`: the agent, and one in a session of its own that has no parent.
fn deaf(repo: &ScratchRepo) -> String {
    format!("daemonize {} ignore-term\nignore-term", repo.beside("daemon").display())
}

/// A convoy with such an agent; it says when it is at work, and is done at once if it finds `ok`.
fn scene() -> (ScratchRepo, PathBuf) {
    let repo = ScratchRepo::new();
    let (begun, ok) = (repo.fifo("begun"), repo.beside("ok"));
    let script = format!(
        "count {2} deaf\nif-exists {0} write a.txt a\nif-exists {0} exit 0\nwrite half.txt half\n{3}\ncount {1} begun\nhang",
        ok.display(),
        begun.display(),
        repo.beside("bought").display(),
        deaf(&repo)
    );
    let tasks =
        [task("deaf", "max_retries: 0", &script), task("after", "depends_on: [deaf]", "write b.txt b")];
    let file = convoy_file(&repo, "stubborn", "concurrency: 2", &tasks.concat());
    (repo, file)
}

/// Starts it and waits until the agent is deaf.
fn begin(repo: &ScratchRepo, file: &std::path::Path) -> Running {
    let running = run(repo, file).spawn();
    assert_eq!(fs::read_to_string(repo.beside("begun")).expect("a sign of life"), "begun\n");
    running
}

/// What runs of the newest convoy.
fn alive(repo: &ScratchRepo) -> usize {
    let status = status(repo);
    survivors(status["convoy_id"].as_str().expect("an id")).len()
}

/// Resumes it; the agent now does its work.
fn resume(repo: &ScratchRepo) {
    fs::write(repo.beside("ok"), "").expect("written");
    convoy(repo, &["resume"]).run().expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "a.txt", "b.txt"]);
    assert_landed_once(repo, ["deaf", "after"]);
    assert_eq!(repo.lines_beside("bought"), ["deaf", "deaf"]);
    assert_nothing_left(repo);
    repo.assert_sound_and_clean();
}

#[test]
fn at_the_time_limit_all_of_an_agent_goes_and_so_does_what_a_finished_one_leaves() {
    let repo = ScratchRepo::new();
    let hangs = format!("{}\nsay deaf\nhang", deaf(&repo));
    let daemon = format!("daemonize {} ignore-term\nwrite daemon.txt x", repo.beside("other").display());
    let behind = format!("leave-behind {} ignore-term\nwrite behind.txt x", repo.beside("behind").display());
    let tasks = [
        task("deaf", "timeout: 3s, max_retries: 0", &hangs),
        task("daemon", "", &daemon),
        task("behind", "", &behind),
        task("never", "depends_on: [deaf]", "write never.txt x"),
    ];
    let file = convoy_file(&repo, "stubborn", "concurrency: 3", &tasks.concat());
    run(&repo, &file).run().expect_code(1);
    assert_eq!(repo.files("main"), ["README.md", "behind.txt", "daemon.txt"]);
    let status = status(&repo);
    let statuses: Vec<&str> =
        (0..4).map(|n| status["tasks"][n]["status"].as_str().expect("a status")).collect();
    assert_eq!(statuses, ["timed-out", "done", "done", "skipped"]);
    assert_eq!(status["tasks"][0]["failure"]["failure_type"], "timeout");
    assert!(count(&events(&repo), "worker_killed") >= 1);
    for file in ["daemon", "other", "behind"] {
        assert_gone(&repo, file);
    }
    assert_nothing_left(&repo);
    repo.assert_sound_and_clean();
}

/// Fails if the process whose id is in a file beside the repository is still there.
fn assert_gone(repo: &ScratchRepo, file: &str) {
    let pid = repo.lines_beside(file).concat();
    // Another program may have the number by now.
    let name = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!pid.is_empty() && !name.contains("--stay"), "{file}: {name} is left");
}

#[test]
fn at_an_interrupt_all_of_an_agent_goes_and_the_convoy_can_be_resumed() {
    let (repo, file) = scene();
    let running = begin(&repo, &file);
    running.interrupt();
    running.wait().expect_code(130);
    assert_eq!(alive(&repo), 0);
    assert_gone(&repo, "daemon");
    assert_eq!((status(&repo)["status"].as_str(), repo.files("main").len()), (Some("running"), 1));
    assert_eq!(count(&events(&repo), "convoy_interrupted"), 1);
    resume(&repo);
}

#[test]
fn a_second_signal_kills_at_once_and_the_convoy_can_be_resumed() {
    let (repo, file) = scene();
    let mut running = begin(&repo, &file);
    running.signal(Signal::TERM);
    running.wait_for_line("convoy_interrupted").expect("the first one is answered");
    running.interrupt();
    let outcome = running.wait().expect_code(130);
    assert!(outcome.stderr.contains("ended at once"), "{}", outcome.stderr);
    assert_eq!(alive(&repo), 0);
    assert_gone(&repo, "daemon");
    resume(&repo);
}

#[test]
fn after_a_kill_of_the_engine_resuming_ends_what_it_left() {
    let (repo, file) = scene();
    let running = begin(&repo, &file);
    running.kill();
    running.wait_unread();
    assert!(alive(&repo) >= 2, "the agent and its daemon run on");
    resume(&repo);
    assert_gone(&repo, "daemon");
}
