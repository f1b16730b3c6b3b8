//! Work that is verified and lands together: crashes in every state of a batch.

use std::collections::BTreeSet;
use std::sync::Arc;

use convoy_core::agent::AgentOutcome;
use convoy_core::error::ErrorKind;
use convoy_core::event::{ConvoyEvent, Event, EventRecord, RunOptions, VerifyOutcome};
use convoy_core::store::{MemoryStore, When};
use convoy_core::types::ConvoyStatus;
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};

use crate::crashes::dying;
use crate::support::{Ran, finish, landed, spec};

/// Each task writes the file of its name.
fn writer() -> Arc<Inline> {
    Inline::new(|request| {
        let name = last_word(&request.prompt);
        write(&request.cwd, &format!("{name}.txt"), name);
        AgentOutcome::Succeeded
    })
}

/// No tree is judged after it passed, and the branch of the convoy moves only to those that passed.
fn judged_once(repo: &ScratchRepo, events: &[EventRecord], case: &str) {
    let (mut passed, mut moves) = (BTreeSet::new(), 0);
    for record in events {
        match &record.event {
            Event::Convoy(ConvoyEvent::VerifyStarted(run)) => {
                assert!(!passed.contains(&run.tree), "{case}: {run:?} passed before");
            }
            Event::Convoy(ConvoyEvent::VerifyResult(result)) if result.outcome == VerifyOutcome::Passed => {
                passed.insert(result.tree.clone());
            }
            Event::Publish(_) | Event::Convoy(_) => {}
            Event::Task { .. } => {
                let json = record.to_flat_json();
                if json["type"] == "merge_prepared" && json["lands_with"].is_null() {
                    let tree = repo.oid(&format!("{}^{{tree}}", json["commit"].as_str().expect("an id")));
                    assert!(passed.iter().any(|passed| passed.as_str() == tree), "{case}: {json}");
                    moves += 1;
                }
            }
        }
    }
    assert!(moves > 0, "{case}: nothing landed");
}

/// Dies once, when it records such an event, and is resumed by another engine at once; `None`: there was nothing left.
async fn survives(repo: &ScratchRepo, text: &str, at: &'static str, when: When) -> Option<Ran> {
    let case = format!("{at}, {when:?}");
    let (agent, memory) = (writer(), MemoryStore::new());
    let first = engine(repo).adapter(agent.clone()).store(dying(&memory, at, when)).build().await;
    let first = first.expect("an engine");
    let run = first.start(text, RunOptions::default()).await.expect("started");
    run.wait().await.expect_err(&case);
    first.shutdown().await;
    let store = Arc::new(memory.reopen());
    let second = engine(repo).adapter(agent.clone()).store(store).build().await.expect("an engine");
    let ran = match second.resume(None).await {
        Ok(run) => Some(finish(&second, &run).await),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NothingToResume, "{case}: {error}");
            None
        }
    };
    second.shutdown().await;
    assert_eq!(agent.requests().len(), 2, "{case}: no agent is bought again");
    repo.assert_sound_and_clean();
    assert_eq!(repo.worktrees().len(), 1, "{case}");
    ran
}

#[tokio::test]
async fn a_crash_in_any_state_of_a_batch_lands_all_of_it_exactly_once() {
    // Whoever comes first without `b` waits for it, so that both land at once, or `b` before `a`.
    let head = "concurrency: 2\nmerge: {verify: ['test -e b.txt || sleep 600'], batch: 2}";
    let text = spec(head, "  - {id: a, prompt: a}\n  - {id: b, prompt: b}\n");
    for at in [
        "merge_queued",
        "verify_started",
        "verify_result",
        "merge_prepared",
        "merge_done",
        "task_done",
        "branch_publish_started",
    ] {
        for when in [When::BeforeCommit, When::AfterCommit] {
            let (repo, case) = (ScratchRepo::new(), format!("{at}, {when:?}"));
            let ran = survives(&repo, &text, at, when).await.unwrap_or_else(|| panic!("{case}: it is over"));
            ran.assert_done();
            judged_once(&repo, &ran.events, &case);
            assert_eq!(landed(&repo, "main"), ["a", "b"], "{case}");
        }
    }
}

#[tokio::test]
async fn a_crash_while_somebody_is_suspected_changes_nothing_of_the_verdict() {
    let head = "concurrency: 2\ndefaults: {max_retries: 0}\n\
                merge: {verify: ['! { test -e a.txt && test -e b.txt; }'], batch: 2}";
    let text = spec(head, "  - {id: a, prompt: a}\n  - {id: b, prompt: b}\n");
    for at in ["verify_result", "merge_set_aside", "task_failed"] {
        for when in [When::BeforeCommit, When::AfterCommit] {
            let (repo, case) = (ScratchRepo::new(), format!("{at}, {when:?}"));
            let ran = survives(&repo, &text, at, when).await.unwrap_or_else(|| panic!("{case}: it is over"));
            judged_once(&repo, &ran.events, &case);
            let lost = ran.statuses();
            assert!(["a=done b=gate-failed", "a=gate-failed b=done"].contains(&&*lost), "{case}: {lost}");
            assert_eq!((ran.status(), landed(&repo, "main").len()), (ConvoyStatus::Failed, 1), "{case}");
        }
    }
}
