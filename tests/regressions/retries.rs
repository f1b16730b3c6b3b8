//! What an exhausted task stops, and taking ended convoys up again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::{Run, RunEvent};
use convoy_core::event::RunOptions;
use convoy_core::types::{ConvoyStatus, Failure, FailureKind, TaskId};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};
use tokio::sync::Semaphore;

use crate::support::{finish, landed, spec, start};

/// Waits until an event of this type is recorded.
async fn wait_for(run: &Run, kind: &str) {
    let mut watcher = run.subscribe(0);
    while let Some(event) = watcher.next().await.expect("the store can be read") {
        if matches!(&event, RunEvent::Recorded(record) if record.event.type_name() == kind) {
            return;
        }
    }
    panic!("the run ended without {kind}");
}

#[tokio::test]
async fn a_stopping_failure_is_retried_first_then_ends_what_has_not_begun_and_nothing_else() {
    for head in ["on_failure: stop", "defaults: {on_exhausted: stop}"] {
        let repo = ScratchRepo::new();
        let gate = Arc::new(Semaphore::new(0));
        let open = gate.clone();
        let agent = Inline::waiting(move |request| {
            let gate = gate.clone();
            async move {
                let name = last_word(&request.prompt);
                write(&request.cwd, &format!("{name}.txt"), "made\n");
                if name == "bad" {
                    return AgentOutcome::Failed(Failure::new(FailureKind::Error, "broken"));
                }
                if name == "running" {
                    gate.acquire().await.expect("never closed").forget();
                }
                AgentOutcome::Succeeded
            }
        });
        let tasks = "  - {id: bad, prompt: make bad, max_retries: 1}\n  - {id: running, prompt: make running}\n  \
                     - {id: waiting, prompt: make waiting}\n  - {id: child, prompt: make child, depends_on: [running]}\n";
        let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
        let spec = spec(&format!("concurrency: 2\n{head}"), tasks);
        let run = engine.start(&spec, RunOptions::default()).await.expect("started");
        // The running task ends only after the other has failed for good.
        wait_for(&run, "task_failed").await;
        open.add_permits(1);
        let ran = finish(&engine, &run).await;
        assert_eq!(ran.statuses(), "bad=failed running=done waiting=skipped child=skipped", "{head}");
        assert_eq!(ran.task("bad").attempts, 2, "{head}: retries are not disabled");
        assert_eq!(landed(&repo, "main"), ["running"], "{head}: what runs finishes and lands");
        assert!(ran.task("bad").dead_letter.is_some(), "{head}");
        // The end of the run does not overwrite it.
        let last = ran.events.iter().rev().find(|record| record.event.type_name().starts_with("convoy_"));
        assert_eq!(last.map(|record| record.event.type_name()), Some("convoy_failed"), "{head}");
        let stored = engine.list().await.expect("a list");
        assert_eq!((ran.status(), stored[0].status), (ConvoyStatus::Failed, ConvoyStatus::Failed), "{head}");
        engine.shutdown().await;
    }
}

fn ids(names: &[&str]) -> Vec<TaskId> {
    names.iter().map(|name| TaskId::new(name).expect("valid")).collect()
}

#[tokio::test]
async fn a_retry_revives_what_was_skipped_and_lands_a_done_task_on_top() {
    let repo = ScratchRepo::new();
    let mended = Arc::new(AtomicBool::new(false));
    let works = mended.clone();
    let runs = Arc::new(AtomicU32::new(0));
    let agent = Inline::new(move |request| {
        let name = last_word(&request.prompt);
        if ["one", "two"].contains(&name) && !works.load(Ordering::SeqCst) {
            return AgentOutcome::Failed(Failure::new(FailureKind::Error, "broken"));
        }
        let run = runs.fetch_add(1, Ordering::SeqCst);
        write(&request.cwd, &format!("{name}.txt"), &format!("run {run}\n"));
        AgentOutcome::Succeeded
    });
    let tasks = "  - {id: fine, prompt: make fine}\n  - {id: one, prompt: make one}\n  \
                 - {id: child, prompt: make child, depends_on: [one]}\n  \
                 - {id: grandchild, prompt: make grandchild, depends_on: [child]}\n  \
                 - {id: two, prompt: make two}\n  - {id: both, prompt: make both, depends_on: [one, two]}\n";
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let ran = start(&engine, &spec("defaults: {max_retries: 0}", tasks)).await;
    assert_eq!(
        ran.statuses(),
        "fine=done one=failed child=skipped grandchild=skipped two=failed both=skipped"
    );
    let convoy = ran.outcome.view.convoy_id.clone();

    mended.store(true, Ordering::SeqCst);
    let run = engine.retry(&convoy, &ids(&["one"])).await.expect("taken up");
    let named = finish(&engine, &run).await;
    assert_eq!(named.statuses(), "fine=done one=done child=done grandchild=done two=failed both=skipped");
    assert_eq!(named.status(), ConvoyStatus::Failed);

    let all = finish(&engine, &engine.retry(&convoy, &[]).await.expect("taken up")).await;
    all.assert_done();
    assert_eq!(landed(&repo, "main"), ["both", "child", "fine", "grandchild", "one", "two"]);
    assert!(engine.dead_letters(&convoy).await.expect("letters").iter().all(|letter| !letter.open));

    let before = repo.tree("main")["fine.txt"].clone();
    let on_top = finish(&engine, &engine.retry(&convoy, &ids(&["fine"])).await.expect("taken up")).await;
    on_top.assert_done();
    assert_ne!(repo.tree("main")["fine.txt"], before);
    assert_eq!(landed(&repo, "main"), ["both", "child", "fine", "fine", "grandchild", "one", "two"]);
    repo.assert_sound_and_clean();
    engine.shutdown().await;
}
