//! When what landed comes to the user's branch.

use std::sync::Arc;
use std::time::Duration;

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::{Run, RunEvent};
use convoy_core::event::RunOptions;
use convoy_core::types::ConvoyStatus;
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};
use tokio::sync::Notify;

/// Longer than any of this takes, so that a test fails and does not wait for ever.
const MOST: Duration = Duration::from_secs(300);

/// Waits for so many events of a type.
async fn told(run: &Run, kind: &str, times: usize) {
    let mut events = run.subscribe(0);
    let mut seen = 0;
    while seen < times {
        let event = tokio::time::timeout(MOST, events.next()).await.expect("it comes to it");
        if let RunEvent::Recorded(record) = event.expect("readable").expect("the run goes on")
            && record.event.type_name() == kind
        {
            seen += 1;
        }
    }
}

#[tokio::test]
async fn the_branch_takes_each_batch_as_it_lands_and_not_all_at_the_end() {
    for verify in ["verify: []", "verify: [\"true\"], batch: 2"] {
        let repo = ScratchRepo::new();
        let go = Arc::new(Notify::new());
        let waits = go.clone();
        let agent = Inline::waiting(move |request| {
            let go = waits.clone();
            async move {
                let name = last_word(&request.prompt);
                if name == "c" {
                    go.notified().await;
                }
                write(&request.cwd, name, "made\n");
                AgentOutcome::Succeeded
            }
        });
        let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
        let spec = format!(
            "name: t\nversion: 1\nadapter: inline\nconcurrency: 2\nmerge: {{{verify}}}\ntasks:\n\
             - {{id: a, prompt: make a}}\n- {{id: b, prompt: make b}}\n\
             - {{id: c, prompt: make c, depends_on: [a, b]}}\n"
        );
        let run = engine.start(&spec, RunOptions::default()).await.expect("started");
        // While `c` is at work.
        told(&run, "task_started", 3).await;
        let landed = repo.oid(&format!("refs/convoy/{}/integration", run.id()));
        let mut events = run.subscribe(0);
        loop {
            let event = tokio::time::timeout(MOST, events.next()).await.expect("it is published");
            if let RunEvent::Recorded(record) = event.expect("readable").expect("the run goes on")
                && record.event.type_name() == "branch_published"
                && record.to_flat_json()["tip"] == *landed
            {
                break;
            }
        }
        assert_eq!(repo.files("main"), ["README.md", "a", "b"], "{verify}");
        repo.assert_sound_and_clean();
        go.notify_one();
        let outcome = run.wait().await.expect("an outcome");
        assert_eq!((outcome.view.status, outcome.view.published), (ConvoyStatus::Done, true), "{verify}");
        assert_eq!(repo.files("main"), ["README.md", "a", "b", "c"], "{verify}");
        let all = engine.events(run.id(), 0, usize::MAX).await.expect("events");
        let names = all.iter().map(|record| record.event.type_name());
        let order: Vec<&str> =
            names.filter(|name| ["merge_done", "branch_published"].contains(name)).collect();
        // `a` and `b` may be published together or one after the other.
        assert_eq!(order.last(), Some(&"branch_published"), "{verify}: {order:?}");
        assert_eq!(order.iter().filter(|name| **name == "merge_done").count(), 3, "{verify}: {order:?}");
        let last_landing = order.iter().rposition(|name| *name == "merge_done").expect("it landed");
        assert!(order[..last_landing].contains(&"branch_published"), "{verify}: {order:?}");
        repo.assert_sound_and_clean();
        engine.shutdown().await;
    }
}
