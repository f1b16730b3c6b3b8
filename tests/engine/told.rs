//! What hosts are told: of code of theirs that misleads, of what is missing, and of what they did not see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use convoy_core::agent::{AgentOutcome, AgentReport, AgentRequest, AgentSink};
use convoy_core::engine::{Ended, RunEvent, Subscription};
use convoy_core::error::ErrorKind;
use convoy_core::event::{RequestKind, RunOptions};
use convoy_core::process::Stream;
use convoy_core::types::{BoxFuture, ConvoyStatus, TaskStatus};
use convoy_tests::{Inline, ScratchRepo, engine, write};

use crate::telling::{Telling, Tells};

const ONE: &str =
    "name: t\nversion: 1\nadapter: inline\ntasks:\n- {id: a, prompt: make it, max_retries: 0}\n";

fn writer() -> Arc<Inline> {
    Inline::new(|request| {
        write(&request.cwd, "made.txt", "made\n");
        AgentOutcome::Succeeded
    })
}

#[tokio::test]
async fn an_agent_that_calls_itself_cancelled_though_nobody_asked_has_failed() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|_| AgentOutcome::Cancelled);
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let run = engine.start(ONE, RunOptions::default()).await.expect("started");
    let view = run.wait().await.expect("an outcome").view;
    assert_eq!(view.tasks[0].status, TaskStatus::Failed, "{view:#?}");
    let failure = view.tasks[0].failure.as_ref().expect("it failed");
    assert!(failure.message.contains("nobody had cancelled it"), "{failure:?}");
    assert_eq!(agent.requests().len(), 1, "there was one attempt to be made");
    engine.shutdown().await;
}

#[tokio::test]
async fn a_convoy_is_left_as_it_is_where_an_adapter_is_missing() {
    let repo = ScratchRepo::new();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let waits = Inline::waiting(move |request| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                request.cancel.cancelled().await;
                return AgentOutcome::Cancelled;
            }
            AgentOutcome::Succeeded
        }
    });
    let with = engine(&repo).adapter(waits).build().await.expect("an engine");
    let run = with.start(ONE, RunOptions::default()).await.expect("started");
    let mut events = run.subscribe(0);
    while let Some(event) = events.next().await.expect("readable") {
        if matches!(event, RunEvent::Recorded(record) if record.event.type_name() == "task_started") {
            run.request(RequestKind::Interrupt { reason: "test".to_owned() }).expect("asked");
        }
    }
    assert_eq!(run.wait().await.expect("an outcome").ended, Ended::Interrupted);
    let (id, all) = (run.id().clone(), usize::MAX >> 1);
    drop((run, events));
    let before = with.events(&id, 0, all).await.expect("events").len();

    let without = engine(&repo).build().await.expect("an engine");
    for convoy in [None, Some(&id)] {
        let refused = without.resume(convoy).await.expect_err("the adapter is missing");
        assert_eq!(refused.kind(), ErrorKind::Agent, "{refused}");
        let told = refused.chain();
        assert!(told.contains("unknown adapter inline") && told.contains("given to the engine"), "{told}");
    }
    assert_eq!(without.events(&id, 0, all).await.expect("events").len(), before, "nothing happened");
    assert!(!without.is_running(&id).await.expect("an answer"));

    let ended = with.resume(None).await.expect("it can go on").wait().await.expect("an outcome");
    assert_eq!(ended.view.status, ConvoyStatus::Done, "{ended:#?}");
    let refused =
        without.retry(&id, &["a".parse().expect("an id")]).await.expect_err("the adapter is missing");
    assert_eq!(refused.kind(), ErrorKind::Agent, "{refused}");
    let done = without.resume(Some(&id)).await.expect_err("it has ended");
    assert_eq!(done.to_string(), format!("nothing to resume: convoy {id} is done"));
    with.shutdown().await;
    without.shutdown().await;
}

#[tokio::test]
async fn the_record_of_a_convoy_is_written_to_a_new_file_only() {
    let repo = ScratchRepo::new();
    let engine = engine(&repo).adapter(writer()).build().await.expect("an engine");
    let run = engine.start(ONE, RunOptions::default()).await.expect("started");
    run.wait().await.expect("an outcome");
    let file = repo.beside("record.ndjson");
    let written = engine.export(run.id(), &file).await.expect("exported");
    let events = engine.events(run.id(), 0, usize::MAX >> 1).await.expect("events");
    let lines: String = events.iter().map(|event| event.to_flat_text() + "\n").collect();
    let found = std::fs::read_to_string(&file).expect("a file");
    assert_eq!((found.as_str(), written), (lines.as_str(), events.len() as u64));

    let refused = engine.export(run.id(), &file).await.expect_err("it is there");
    assert!(refused.kind() == ErrorKind::InvalidArgument && refused.to_string().contains("there already"));
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), found, "it is left as it is");
    let (nowhere, other) = (repo.beside("no/folder"), repo.beside("other.ndjson"));
    let refused = engine.export(run.id(), &nowhere).await.expect_err("no folder");
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    let nobody = "convoy-00000000000000000000000000".parse().expect("an id");
    let refused = engine.export(&nobody, &other).await.expect_err("no convoy");
    assert!(refused.kind() == ErrorKind::NotFound && !other.exists(), "{refused}");
    engine.shutdown().await;
}

#[tokio::test]
async fn a_branch_that_could_not_follow_is_a_warning_of_the_outcome() {
    let repo = ScratchRepo::new();
    repo.write("made.txt", "of a person, not tracked\n");
    let engine = engine(&repo).adapter(writer()).build().await.expect("an engine");
    let run = engine.start(ONE, RunOptions::default()).await.expect("started");
    let outcome = run.wait().await.expect("an outcome");
    assert_eq!((outcome.view.status, outcome.view.published), (ConvoyStatus::Done, false));
    let again = engine.publish(run.id()).await.expect("taken up").wait().await.expect("an outcome");
    for outcome in [outcome, again] {
        let [warning] = &outcome.warnings[..] else { panic!("{:?}", outcome.warnings) };
        for word in ["branch main", "made.txt", "publish again", &outcome.view.integration_ref] {
            assert!(warning.contains(word), "{word}: {warning}");
        }
    }
    std::fs::remove_file(repo.root().join("made.txt")).expect("deleted");
    let published = engine.publish(run.id()).await.expect("taken up").wait().await.expect("an outcome");
    assert_eq!((published.view.published, published.warnings), (true, Vec::new()));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_secret_that_is_too_short_to_be_found_is_refused_and_not_told() {
    let repo = ScratchRepo::new();
    for short in ["", "abc"] {
        let builder = engine(&repo).secret("long enough").secret(short);
        let refused = builder.build().await.expect_err("it would be everywhere");
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        let text = refused.to_string();
        assert!(text.starts_with("secret 2 of 2 has fewer than 4 bytes") && !text.contains("abc"), "{text}");
    }
    engine(&repo).secret("abcd").build().await.expect("just long enough").shutdown().await;
}

/// Prints so many lines.
struct Loud(usize);

impl Tells for Loud {
    fn work<'a>(&'a self, _request: AgentRequest, sink: &'a mut dyn AgentSink) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            for n in 0..self.0 {
                sink.output(Stream::Stdout, format!("line {n}\n").as_bytes());
            }
            AgentReport::ended(AgentOutcome::Succeeded)
        })
    }
}

/// What is seen of the output: `-n` for n pieces that went by, the others by their number.
async fn output(mut events: Subscription) -> Vec<i64> {
    let mut seen = Vec::new();
    while let Some(event) = events.next().await.expect("readable") {
        match event {
            RunEvent::Output { text, .. } => {
                seen.push(text.trim_end().trim_start_matches("line ").parse().expect("a number"));
            }
            RunEvent::Lagged(lost) => seen.push(-i64::try_from(lost).expect("few")),
            _ => {}
        }
    }
    seen
}

#[tokio::test]
async fn output_that_went_by_is_told_once_whenever_that_was() {
    let repo = ScratchRepo::new();
    let engine = engine(&repo).adapter(Telling::new(Loud(200))).build().await.expect("an engine");
    let run = engine.start(ONE, RunOptions::default()).await.expect("started");
    let first = run.subscribe(0);
    run.wait().await.expect("an outcome");
    // One that watched from the start, and looks now; and one that comes when all is over.
    let seen = output(first).await;
    assert_eq!(output(run.subscribe(0)).await, [-200]);
    let kept: Vec<i64> = seen.iter().copied().filter(|n| *n >= 0).collect();
    assert_eq!(seen.len(), kept.len() + 1, "what was lost is told once: {seen:?}");
    assert_eq!(seen[0], -kept[0], "and before what was kept");
    assert_eq!(kept, (kept[0]..200).collect::<Vec<_>>(), "of which nothing is missing");
    assert!(kept.len() >= 64, "{}", kept.len());
    engine.shutdown().await;
}
