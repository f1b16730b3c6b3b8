//! Worktrees that keep what setup made.

use std::path::Path;

use convoy_core::agent::AgentOutcome;
use convoy_core::event::RunOptions;
use convoy_core::types::ConvoyStatus;
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};

/// Setup counts its runs; the tasks run one after the other. Which of them had what setup made still there.
async fn set_up_runs(keep: &str, setup: &str, gates: &str, write_by: fn(&Path)) -> usize {
    let repo = ScratchRepo::new();
    repo.write(".gitignore", "made/\nother/\n");
    repo.write("lock.txt", "1\n");
    repo.commit("Ignore what setup makes");
    let count = repo.beside("count");
    let agent = Inline::new(move |request| {
        assert!(request.cwd.join("made/it").exists(), "setup has run");
        write(&request.cwd, &format!("sub/{}.txt", last_word(&request.prompt)), "made\n");
        write_by(&request.cwd);
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let setup = format!("echo run >> {}; mkdir -p made other; echo 1 > made/it; {setup}", count.display());
    let head = format!("{gates}concurrency: 1\nworktree: {{setup: [{setup:?}], keep: {keep}}}");
    let tasks = "  - {id: a, prompt: make a}\n  - {id: b, depends_on: [a], prompt: make b}\n  \
                 - {id: c, depends_on: [b], prompt: make c}\n";
    let run = engine
        .start(
            &format!("name: test\nversion: 1\nadapter: inline\n{head}\ntasks:\n{tasks}"),
            RunOptions::default(),
        )
        .await
        .expect("started");
    let outcome = run.wait().await.expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    assert_eq!(repo.files("main").len(), 6, "{:?}", repo.files("main"));
    engine.shutdown().await;
    repo.assert_sound_and_clean();
    std::fs::read_to_string(count).expect("reads").lines().count()
}

#[tokio::test]
async fn setup_runs_once_where_all_that_it_made_stays_and_again_when_what_it_may_depend_on_changes() {
    let nothing: fn(&Path) = |_| ();
    let lock: fn(&Path) = |cwd| write(cwd, "lock.txt", &format!("{}\n", cwd.join("sub/b.txt").exists()));
    for (case, keep, setup, gates, by, runs) in [
        ("nothing is to stay", "[]", "true", "", nothing, 3),
        ("all stays", "[made, other]", "echo 1 > other/x", "", nothing, 1),
        ("a part goes", "[made]", "echo 1 > other/x", "", nothing, 3),
        ("files of the root change", "[made]", "true", "", lock, 3),
        ("the merged result is judged", "[made]", "true", "gates: ['test -e made/it']\n", nothing, 2),
    ] {
        assert_eq!(set_up_runs(keep, setup, gates, by).await, runs, "{case}");
    }
}

#[tokio::test]
async fn what_judges_of_a_task_leave_in_its_worktree_is_not_there_for_the_next() {
    let leaves = "echo 1 > left; echo 1 > made; echo 1 >> tracked";
    for (case, gates) in
        [("nobody runs anything", String::new()), ("a gate", format!(", gates: [{leaves:?}]"))]
    {
        let repo = ScratchRepo::new();
        repo.write(".gitignore", "made\n");
        repo.write("tracked", "as it was\n");
        repo.commit("A file");
        let agent = Inline::new(|request| {
            assert!(!request.cwd.join("left").exists() && !request.cwd.join("made").exists());
            // What it leaves itself, ignored, is not there for the next either.
            write(&request.cwd, "made", "by an agent\n");
            let tracked = std::fs::read_to_string(request.cwd.join("tracked")).expect("reads");
            assert_eq!(tracked, "as it was\n");
            let name = last_word(&request.prompt);
            write(&request.cwd, &format!("{name}.txt"), "made\n");
            AgentOutcome::Succeeded
        });
        let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
        let task = |id: &str, more: &str| {
            format!("  - {{id: {id}, prompt: make {id}, max_retries: 0{more}{gates}}}\n")
        };
        let tasks = task("a", "") + &task("b", ", depends_on: [a]") + &task("c", ", depends_on: [b]");
        let convoy = format!("name: test\nversion: 1\nadapter: inline\nconcurrency: 1\ntasks:\n{tasks}");
        let run = engine.start(&convoy, RunOptions::default()).await.expect("started");
        let outcome = run.wait().await.expect("an outcome");
        assert_eq!(outcome.view.status, ConvoyStatus::Done, "{case}: {:#?}", outcome.view);
        engine.shutdown().await;
        repo.assert_sound_and_clean();
    }
}
