//! A convoy that an older version of the engine began.
//!
//! `older/` holds what the engine left that was built before there were reviews, budgets, steps and the gates of the
//! engine, and that was killed while the agent of task `cut` worked: its database as SQL, and the refs of the
//! repository. In the SQL stand AGENT, REPOSITORY and BESIDE for paths.

use std::fs;

use convoy_core::engine::{Ended, Engine};
use convoy_core::types::ConvoyStatus;
use convoy_tests::{ScratchRepo, engine, git_in};
use rusqlite::Connection;

const AGENT: &str = env!("CARGO_BIN_EXE_scripted-agent");

const DATABASE: &str = include_str!("older/convoy.sql");

const REFS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/engine/older/repository.bundle");

/// The repository with the convoy in it.
fn left_behind() -> ScratchRepo {
    let repo = ScratchRepo::new();
    git_in(repo.root(), &["fetch", "-q", "--update-head-ok", REFS, "+refs/*:refs/*"]);
    git_in(repo.root(), &["reset", "-q", "--hard", "refs/heads/main"]);
    // The first try of `retried` has failed there; what `cut` waited for has come.
    fs::write(repo.beside("count"), "1\n").expect("written");
    fs::write(repo.beside("gate"), "").expect("written");
    let beside = repo.beside("");
    let sql = DATABASE
        .replace("AGENT", AGENT)
        .replace("REPOSITORY", &repo.root().to_string_lossy())
        .replace("BESIDE", beside.to_string_lossy().trim_end_matches('/'));
    fs::create_dir(repo.root().join(".convoy")).expect("made");
    let database = Connection::open(repo.root().join(".convoy/convoy.db")).expect("opened");
    database.execute_batch(&sql).expect("the database as it was");
    repo
}

/// Every task with its status and number of attempts.
async fn tasks(engine: &Engine) -> Vec<String> {
    let known = engine.list().await.expect("the convoys");
    let view = engine.status(&known[0].id).await.expect("the status");
    view.tasks.iter().map(|task| format!("{} {} {}", task.id, task.status.as_str(), task.attempts)).collect()
}

#[tokio::test]
async fn a_convoy_of_an_older_version_is_shown_resumed_and_retried() {
    let repo = left_behind();
    let engine = engine(&repo).build().await.expect("an engine");
    let shown = [
        "landed done 1",
        "retried done 2",
        "lost failed 1",
        "skipped skipped 0",
        "cut running 2",
        "waits pending 0",
    ];
    assert_eq!(tasks(&engine).await, shown);
    let run = engine.resume(None).await.expect("resumed");
    let outcome = run.wait().await.expect("an outcome");
    assert_eq!((outcome.ended, outcome.view.status), (Ended::Finished, ConvoyStatus::Failed), "{outcome:#?}");
    let after = [
        "landed done 1",
        "retried done 2",
        "lost failed 1",
        "skipped skipped 0",
        "cut done 3",
        "waits done 1",
    ];
    assert_eq!(tasks(&engine).await, after);
    let files: Vec<String> = repo.tree("main").into_keys().collect();
    assert_eq!(files, ["README.md", "cut.txt", "landed.txt", "retried.txt", "waits.txt"]);
    // What there was not when it began judges nothing now.
    let events = engine.events(run.id(), 0, usize::MAX).await.expect("events");
    let kinds: Vec<&str> = events.iter().map(|record| record.event.type_name()).collect();
    for judge in
        ["built_in_gate_result", "review_started", "review_verdict", "drift_check_result", "convoy_guard"]
    {
        assert!(!kinds.contains(&judge), "{judge}");
    }
    let again = engine.retry(run.id(), &[]).await.expect("taken up again");
    let outcome = again.wait().await.expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Failed, "it fails as before");
    assert_eq!(tasks(&engine).await[2..4], ["lost failed 2", "skipped skipped 0"]);
    engine.shutdown().await;
}
