//! How a run ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convoy_core::agent::AgentOutcome;
use convoy_core::types::{ConvoyStatus, Failure, FailureKind};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};

use crate::support::{finish, landed, run, spec, start};

/// An agent that writes `<last word>.txt`, and fails where that word is `bad`.
fn agent() -> Arc<Inline> {
    Inline::new(|request| {
        let name = last_word(&request.prompt);
        if name == "bad" {
            return AgentOutcome::Failed(Failure::new(FailureKind::Error, "broken"));
        }
        write(&request.cwd, &format!("{name}.txt"), "made\n");
        AgentOutcome::Succeeded
    })
}

#[tokio::test]
async fn a_run_whose_hooks_failed_is_not_done_and_a_retry_runs_them_again() {
    let repo = ScratchRepo::new();
    let mended = repo.beside("mended");
    let head = format!("hooks: [{{type: command, name: tell, command: 'test -e {}'}}]", mended.display());
    let engine = engine(&repo).adapter(agent()).build().await.expect("an engine");
    let ran = start(&engine, &spec(&head, "  - {id: a, prompt: make a}\n")).await;
    assert_eq!((ran.status(), ran.statuses().as_str()), (ConvoyStatus::HookFailed, "a=done"));
    assert!(ran.outcome.view.published && engine.list().await.expect("a list")[0].status.is_final());
    std::fs::write(mended, "").expect("written");
    let convoy = ran.outcome.view.convoy_id.clone();
    let again = finish(&engine, &engine.retry(&convoy, &[]).await.expect("taken up")).await;
    again.assert_done();
    assert_eq!(landed(&repo, "main"), ["a"], "no task is done again for it");
    engine.shutdown().await;
}

#[tokio::test]
async fn what_comes_at_the_end_does_not_make_a_stopped_convoy_anything_but_failed() {
    let repo = ScratchRepo::new();
    let head = "concurrency: 1\ndefaults: {on_exhausted: stop, max_retries: 0}\ngates: ['true']\n\
                hooks: [{type: command, command: 'true'}]";
    let tasks = "  - {id: a, prompt: make a}\n  - {id: bad, prompt: make bad}\n  - {id: c, prompt: make c}\n";
    let ran = run(&repo, agent(), &spec(head, tasks)).await;
    assert_eq!(ran.statuses(), "a=done bad=failed c=skipped");
    assert_eq!(ran.status(), ConvoyStatus::Failed);
    let kinds: Vec<&str> = ran.events.iter().map(|record| record.event.type_name()).collect();
    let place =
        |kind: &str| kinds.iter().position(|other| *other == kind).unwrap_or_else(|| panic!("no {kind}"));
    let order =
        ["task_failed", "convoy_gates_finished", "post_convoy_hook_passed", "convoy_guard", "convoy_failed"];
    assert!(order.map(place).is_sorted(), "{kinds:?}");
}

#[tokio::test]
async fn a_gate_of_the_convoy_that_hangs_hangs_nothing_for_ever() {
    let repo = ScratchRepo::new();
    let called = Arc::new(AtomicBool::new(false));
    let seen = called.clone();
    let agent = Inline::new(move |request| {
        if request.prompt.contains("This check fails") {
            seen.store(request.prompt.contains("1 s"), Ordering::SeqCst);
            return AgentOutcome::Failed(Failure::new(FailureKind::Refused, "no"));
        }
        write(&request.cwd, "a.txt", "made\n");
        AgentOutcome::Succeeded
    });
    let head = "defaults: {gate_timeout: 1, max_retries: 0}\ngate_retries: 1\n\
                gates: ['yes | head -c 3000000; exec tail -f /dev/null']";
    let ran = run(&repo, agent, &spec(head, "  - {id: a, prompt: make a}\n")).await;
    assert_eq!(ran.status(), ConvoyStatus::GateFailed, "{:#?}", ran.outcome.view);
    assert!(called.load(Ordering::SeqCst), "who mends it is told that it was ended by its limit");
}
