//! Whole runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::{Ended, RunEvent};
use convoy_core::error::ErrorKind;
use convoy_core::event::{RequestKind, RunOptions};
use convoy_core::types::{ConvoyStatus, Failure, FailureKind};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};

/// A spec with these tasks after its head.
fn spec(head: &str, tasks: &str) -> String {
    format!("name: test\nversion: 1\nadapter: inline\n{head}\ntasks:\n{tasks}")
}

#[tokio::test]
async fn every_task_lands_and_the_checkout_follows() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, last_word(&request.prompt), "made\n");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let tasks: String = (0..20).map(|n| format!("  - {{id: t{n}, prompt: make f{n}.txt}}\n")).collect();
    let run = engine.start(&spec("concurrency: 4", &tasks), RunOptions::default()).await.expect("started");
    let outcome = run.wait().await.expect("an outcome");
    assert_eq!(outcome.ended, Ended::Finished);
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    assert!(outcome.view.published);
    let files = repo.files("main");
    for n in 0..20 {
        assert!(files.contains(&format!("f{n}.txt")), "f{n}.txt is missing");
    }
    repo.assert_sound_and_clean();
    assert_eq!(repo.worktrees().len(), 1, "only the main worktree is left");
    engine.shutdown().await;
}

#[tokio::test]
async fn an_agent_that_fails_because_it_was_stopped_is_interrupted_and_repeated() {
    let repo = ScratchRepo::new();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let agent = Inline::waiting(move |request| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                request.cancel.cancelled().await;
                return AgentOutcome::Failed(Failure::new(FailureKind::Error, "ended with signal 9"));
            }
            write(&request.cwd, "f.txt", "made\n");
            AgentOutcome::Succeeded
        }
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let tasks = "  - {id: t, prompt: make it, max_retries: 0}\n";
    let run = engine.start(&spec("", tasks), RunOptions::default()).await.expect("started");
    let mut events = run.subscribe(0);
    while let Some(event) = events.next().await.expect("an event") {
        match event {
            RunEvent::Recorded(record) if record.event.type_name() == "task_started" => {
                run.request(RequestKind::Interrupt { reason: "test".to_owned() }).expect("asked");
            }
            _ => {}
        }
    }
    let outcome = run.wait().await.expect("an outcome");
    assert_eq!((outcome.ended, outcome.view.totals.failed), (Ended::Interrupted, 0), "{:#?}", outcome.view);
    let resumed = engine.resume(None).await.expect("resumed").wait().await.expect("an outcome");
    assert_eq!(resumed.view.status, ConvoyStatus::Done, "{:#?}", resumed.view);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    engine.shutdown().await;
}

#[tokio::test]
async fn checks_that_were_cut_off_begin_again_in_a_fresh_worktree() {
    let repo = ScratchRepo::new();
    repo.write(".gitignore", ".set-up\n");
    repo.commit("Ignore what setup makes");
    let (fifo, seen) = (repo.fifo("gate"), repo.beside("seen"));
    // The first run of the gate uses up what setup made, tells so, and hangs until it is ended.
    let gate = format!(
        "test -e .set-up && rm .set-up && if mkdir '{}' 2>/dev/null; then echo > '{}'; exec tail -f /dev/null; fi",
        seen.display(),
        fifo.display()
    );
    let agent = Inline::new(|request| {
        write(&request.cwd, "f.txt", "made\n");
        AgentOutcome::Succeeded
    });
    let state = repo.root().join("my state");
    let engine = engine(&repo).adapter(agent.clone()).state_dir(&state).build().await.expect("an engine");
    let tasks = format!("  - {{id: t, prompt: make it, max_retries: 0, gates: [{gate:?}]}}\n");
    let head = "worktree: {setup: [touch .set-up]}";
    let run = engine.start(&spec(head, &tasks), RunOptions::default()).await.expect("started");
    tokio::task::spawn_blocking(move || std::fs::read(fifo)).await.expect("a thread").expect("the gate runs");
    run.request(RequestKind::Interrupt { reason: "test".to_owned() }).expect("asked");
    assert_eq!(run.wait().await.expect("an outcome").ended, Ended::Interrupted);
    let resumed = engine.resume(None).await.expect("resumed").wait().await.expect("an outcome");
    assert_eq!(resumed.view.status, ConvoyStatus::Done, "{:#?}", resumed.view);
    assert_eq!(agent.requests().len(), 1, "the finished work was not bought again");
    repo.assert_sound_and_clean();
    engine.shutdown().await;
}

#[tokio::test]
async fn what_a_run_recorded_is_told_after_the_engine_was_shut_down_and_no_file_stays_open() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, "f.txt", "made\n");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let tasks = "  - {id: t, prompt: make it}\n";
    let run = engine.start(&spec("", tasks), RunOptions::default()).await.expect("started");
    run.wait().await.expect("an outcome");
    let stored = engine.events(run.id(), 0, usize::MAX).await.expect("events");
    engine.shutdown().await;
    let mut events = run.subscribe(0);
    let mut told = Vec::new();
    while let Some(event) = events.next().await.expect("an event") {
        match event {
            RunEvent::Recorded(record) => told.push(record.seq),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, stored.iter().map(|record| record.seq).collect::<Vec<_>>());
    let refused = engine.events(run.id(), 0, usize::MAX).await.expect_err("the engine is shut down");
    assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
    for journal in ["convoy.db-wal", "convoy.db-shm"] {
        assert!(!repo.root().join(".convoy").join(journal).exists(), "{journal}");
    }
}

#[tokio::test]
async fn what_is_ignored_of_the_convoy_file_is_said_in_the_outcome() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let text = spec("zork: 1", "  - {id: t, prompt: make it}\n");
    let run = engine.start(&text, RunOptions::default()).await.expect("started");
    let outcome = run.wait().await.expect("an outcome");
    let [warning] = outcome.file_warnings.as_slice() else { panic!("{:?}", outcome.file_warnings) };
    assert!(warning.starts_with("the convoy file: 4:1: warning: zork: unknown key"), "{warning}");
    assert_eq!(outcome.warnings, [""; 0]);
    engine.shutdown().await;
}

#[tokio::test]
async fn the_newest_convoy_that_nobody_runs_is_resumed() {
    let repo = ScratchRepo::new();
    let agent = Inline::waiting(|request| async move {
        if last_word(&request.prompt) == "wait" {
            request.cancel.cancelled().await;
            return AgentOutcome::Cancelled;
        }
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let text = spec("", "  - {id: t, prompt: do wait}\n");
    let older = engine.start(&text, RunOptions::default()).await.expect("started");
    older.request(RequestKind::Interrupt { reason: "test".to_owned() }).expect("asked");
    assert_eq!(older.wait().await.expect("an outcome").ended, Ended::Interrupted);
    let newer = engine.start(&text, RunOptions::default()).await.expect("started");
    let resumed = engine.resume(None).await.expect("the older one");
    assert_eq!(resumed.id(), older.id());
    let busy = engine.resume(None).await.expect_err("both run");
    assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
    assert!(busy.to_string().contains(newer.id().as_str()), "{busy}");
    engine.shutdown().await;
}
