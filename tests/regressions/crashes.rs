//! Crashes between any two records, and who may take a convoy up.

use std::sync::Arc;

use convoy_core::agent::AgentOutcome;
use convoy_core::error::ErrorKind;
use convoy_core::event::RunOptions;
use convoy_core::store::{Holder, MemoryStore, When};
use convoy_core::types::ConvoyStatus;
use convoy_tests::{Inline, OddStore, ScratchRepo, engine, write};

use crate::support::{finish, landed, spec};

/// The store of a process that dies while it records an event of a certain type.
pub(crate) fn dying(memory: &MemoryStore, at: &'static str, when: When) -> Arc<OddStore> {
    // Held by somebody who lived before this machine was started.
    let store = OddStore::new(memory.clone())
        .as_holder(|holder| Holder { boot: "an earlier boot".to_owned(), ..holder })
        .before_append(move |memory, batch| {
            if batch.events.iter().any(|event| event.type_name() == at) {
                memory.fail_append_after(0, when);
            }
        });
    Arc::new(store)
}

fn writer() -> Arc<Inline> {
    Inline::new(|request| {
        write(&request.cwd, "a.txt", "a\n");
        AgentOutcome::Succeeded
    })
}

/// Dies once, is resumed at once by another engine, and ends as if nothing had happened.
async fn survives(head: &str, at: &'static str, when: When) {
    let case = format!("{head}{at}, {when:?}");
    let repo = ScratchRepo::new();
    let (agent, memory) = (writer(), MemoryStore::new());
    let store = dying(&memory, at, when);
    let first = engine(&repo).adapter(agent.clone()).store(store).build().await.expect("an engine");
    let run =
        first.start(&spec(head, "  - {id: a, prompt: do}\n"), RunOptions::default()).await.expect("started");
    run.wait().await.expect_err(&case);
    first.shutdown().await;

    let store = Arc::new(memory.reopen());
    let second = engine(&repo).adapter(agent.clone()).store(store).build().await.expect("an engine");
    match second.resume(None).await {
        Ok(run) => finish(&second, &run).await.assert_done(),
        // The crash took nothing but the answer to the last record.
        Err(error) => {
            let over = matches!((at, when), ("branch_published" | "convoy_finished", When::AfterCommit));
            assert!(over && error.kind() == ErrorKind::NothingToResume, "{case}: {error}");
        }
    }
    let all = second.list().await.expect("a list");
    assert_eq!((all.len(), all[0].status, all[0].published), (1, ConvoyStatus::Done, true), "{case}");
    assert_eq!((landed(&repo, "main"), repo.files("main").len()), (vec!["a".to_owned()], 2), "{case}");
    repo.assert_sound_and_clean();
    assert_eq!(repo.worktrees().len(), 1, "{case}");
    // That the agent ended is recorded at once: only what came before may be bought again.
    // Both may have been recorded together.
    let bought = match (at, when) {
        ("task_started", _) => 1..=2,
        ("task_agent_ended", When::BeforeCommit) => 2..=2,
        _ => 1..=1,
    };
    assert!(bought.contains(&agent.requests().len()), "{case}: {} calls", agent.requests().len());
    second.shutdown().await;
}

#[tokio::test]
async fn a_crash_before_the_work_is_a_commit_loses_nothing() {
    for at in ["task_assigned", "task_started", "task_agent_ended", "task_snapshot"] {
        for when in [When::BeforeCommit, When::AfterCommit] {
            survives("", at, when).await;
        }
    }
}

#[tokio::test]
async fn a_crash_between_landing_and_done_lands_the_work_exactly_once() {
    for at in ["merge_queued", "merge_prepared", "merge_done", "task_done"] {
        for when in [When::BeforeCommit, When::AfterCommit] {
            survives("", at, when).await;
        }
    }
}

#[tokio::test]
async fn a_crash_around_a_landing_in_another_form_lands_the_work_exactly_once() {
    for form in ["squash", "rebase"] {
        for at in ["merge_queued", "merge_prepared", "merge_done", "task_done", "branch_publish_started"] {
            for when in [When::BeforeCommit, When::AfterCommit] {
                survives(&format!("merge: {{strategy: {form}}}"), at, when).await;
            }
        }
    }
}

#[tokio::test]
async fn a_crash_while_the_branch_moves_is_repaired() {
    for at in ["branch_publish_started", "branch_published", "convoy_finished"] {
        for when in [When::BeforeCommit, When::AfterCommit] {
            survives("", at, when).await;
        }
    }
}

#[tokio::test]
async fn a_convoy_whose_engine_lives_is_refused_to_others() {
    let repo = ScratchRepo::new();
    let memory = MemoryStore::new();
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let gate = Arc::new(tokio::sync::Mutex::new(Some(gate)));
    let agent = Inline::waiting(move |_| {
        let gate = gate.clone();
        async move {
            if let Some(gate) = gate.lock().await.take() {
                gate.await.expect("the test lets it go");
            }
            AgentOutcome::Succeeded
        }
    });
    let build = |store| engine(&repo).adapter(agent.clone()).store(Arc::new(store)).build();
    let (one, two) = (build(memory.clone()).await.expect("one"), build(memory.reopen()).await.expect("two"));
    let run =
        one.start(&spec("", "  - {id: a, prompt: do}\n"), RunOptions::default()).await.expect("started");
    let refused = two.resume(Some(run.id())).await.expect_err("it lives");
    assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
    go.send(()).expect("the agent waits");
    finish(&one, &run).await.assert_done();
    one.shutdown().await;
    two.shutdown().await;
}

#[tokio::test]
async fn what_an_agent_said_outlives_a_crash_before_its_artifacts_are_taken() {
    let repo = ScratchRepo::new();
    let agent = Inline::saying(|request| {
        let plan = request.prompt.contains("make the plan");
        (AgentOutcome::Succeeded, if plan { "the plan is this".to_owned() } else { String::new() })
    });
    let memory = MemoryStore::new();
    let store = dying(&memory, "artifact_stored", When::BeforeCommit);
    let first = engine(&repo).adapter(agent.clone()).store(store).build().await.expect("an engine");
    let tasks = "  - {id: a, prompt: make the plan, outputs: [{name: plan, type: summary}]}\n  \
                 - {id: b, prompt: 'follow {{input.plan}}', inputs: [{from: a, name: plan}]}\n";
    let run = first.start(&spec("", tasks), RunOptions::default()).await.expect("started");
    run.wait().await.expect_err("the engine dies");
    first.shutdown().await;

    let store = Arc::new(memory.reopen());
    let second = engine(&repo).adapter(agent.clone()).store(store).build().await.expect("an engine");
    let run = second.resume(None).await.expect("resumed");
    finish(&second, &run).await.assert_done();
    let calls = agent.requests();
    assert_eq!(calls.len(), 2, "nothing is bought twice");
    assert!(calls[1].prompt.contains("\nthe plan is this\n````"), "{}", calls[1].prompt);
    second.shutdown().await;
}
