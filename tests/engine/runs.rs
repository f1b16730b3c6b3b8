//! Whole runs.

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::Ended;
use convoy_core::event::RunOptions;
use convoy_core::types::ConvoyStatus;
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
