//! What other engines ask for, by way of the store.

use std::sync::Arc;
use std::time::Duration;

use convoy_core::agent::{AgentOutcome, AgentReport, AgentRequest, AgentSink};
use convoy_core::engine::{Answer, Run, RunEvent};
use convoy_core::event::{EventRecord, Request, RequestKind, RunOptions};
use convoy_core::spec::Task;
use convoy_core::store::{MemoryStore, Store as _};
use convoy_core::types::{BoxFuture, ConvoyStatus, Oid, TaskId, TaskStatus, Timestamp};
use convoy_tests::{Inline, ScratchRepo, engine};

use crate::telling::{Telling, Tells};

/// An agent that never stops to report, until it is cancelled.
#[derive(Debug)]
struct Chatty;

impl Tells for Chatty {
    fn work<'a>(&'a self, request: AgentRequest, sink: &'a mut dyn AgentSink) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            let mut often = tokio::time::interval(Duration::from_millis(20));
            while !request.cancel.is_cancelled() {
                sink.started(1, Some(1));
                often.tick().await;
            }
            AgentReport::ended(AgentOutcome::Cancelled)
        })
    }
}

#[tokio::test]
async fn a_busy_run_hears_what_another_engine_asks() {
    let repo = ScratchRepo::new();
    let store = Arc::new(MemoryStore::new());
    let runs =
        engine(&repo).adapter(Telling::new(Chatty)).store(store.clone()).build().await.expect("an engine");
    let asks = engine(&repo).store(store).build().await.expect("another engine");
    let spec = "name: t\nversion: 1\nadapter: inline\ntasks:\n- {id: a, prompt: x}\n";
    let run = runs.start(spec, RunOptions::default()).await.expect("started");
    asks.request(run.id(), RequestKind::Cancel).await.expect("asked");
    let ended = tokio::time::timeout(Duration::from_secs(900), run.wait()).await;
    let outcome = ended.expect("it hears the request").expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Cancelled);
    runs.shutdown().await;
    asks.shutdown().await;
}

#[tokio::test]
async fn a_request_that_came_too_late_for_a_run_does_not_meet_its_retry() {
    let repo = ScratchRepo::new();
    let store = Arc::new(MemoryStore::new());
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let engine = engine(&repo).adapter(agent).store(store.clone()).build().await.expect("an engine");
    let spec = "name: t\nversion: 1\nadapter: inline\ntasks:\n- {id: a, prompt: x}\n";
    let run = engine.start(spec, RunOptions::default()).await.expect("started");
    run.wait().await.expect("an outcome");
    let late = Request::new("somebody", RequestKind::Cancel);
    store.submit(run.id(), late, Timestamp(0)).await.expect("submitted");
    let plan = run.plan().clone();
    let tasks = plan.indices().map(|ix| plan.id(ix).clone()).collect::<Vec<_>>();
    let again = engine.retry(run.id(), &tasks).await.expect("retried");
    let outcome = again.wait().await.expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    assert!(store.inbox(run.id()).await.expect("an inbox").is_empty());
    engine.shutdown().await;
}

#[tokio::test]
async fn what_another_process_asked_for_is_recorded_without_the_secrets_of_this_one() {
    let repo = ScratchRepo::new();
    let store = Arc::new(MemoryStore::new());
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let (known, token) = ("correct horse", "ghp_0123456789abcdefghijABCDEFGHIJ012345");
    let engine = engine(&repo).adapter(agent).store(store.clone()).secret(known);
    let engine = engine.actor(format!("me, {token}\u{7}")).build().await.expect("an engine");
    let spec = "name: t\nversion: 1\nadapter: inline\ntasks:\n- {id: a, prompt: x, approve: before_run}\n";
    let run = engine.start(spec, RunOptions::default()).await.expect("started");
    let id = |task: &str| TaskId::new(task).expect("valid");
    let reason = format!("{known} {token}\u{7}");
    // As a process that knows nothing of secrets leaves it.
    let submit = async |kind: RequestKind| {
        let request = Request::new(format!("{known}\u{1b}[31m"), kind);
        store.submit(run.id(), request, Timestamp(0)).await.expect("submitted");
    };
    let task = run.plan().spec().tasks[0].clone();
    let tasks = vec![Task { id: id("b"), approve: None, gates: vec![format!("echo {known}")], ..task }];
    submit(RequestKind::Inject { tasks, source: reason.clone(), idempotency_key: Some(known.to_owned()) })
        .await;
    submit(RequestKind::Reject { task: id("nobody"), reason: reason.clone() }).await;
    submit(RequestKind::Approve { task: id("a"), tree: None, reason }).await;
    let outcome = run.wait().await.expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    let again = engine.retry(run.id(), &[id("a")]).await.expect("retried");
    again.request(RequestKind::Cancel).expect("asked");
    again.wait().await.expect("an outcome");
    let events = engine.events(run.id(), 0, usize::MAX).await.expect("events");
    let all: Vec<_> = events.iter().map(EventRecord::to_flat_json).collect();
    let of = |kind: &str| all.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let text = serde_json::to_string(&all).expect("json");
    for secret in [known, token, "\\u0007", "\\u001b"] {
        assert!(!text.contains(secret), "{secret:?} in {text}");
    }
    let refused = of("injection_refused");
    assert!(refused[0]["reason"].as_str().is_some_and(|why| why.contains("gates")), "{refused:?}");
    assert!(of("task_approved")[0]["reason"].as_str().is_some_and(|why| why.contains("[REDACTED:")));
    assert!(
        of("convoy_retried")[0]["actor"].as_str().is_some_and(|actor| actor.starts_with("me, [REDACTED:"))
    );
    engine.shutdown().await;
}

/// A spec with one task that waits for approval and one that is done before it.
const ASKED: &str = "name: t\nversion: 1\nadapter: inline\ntasks:\n- {id: done, prompt: x}\n\
                     - {id: waits, prompt: x, approve: before_run, depends_on: [done]}\n";

async fn until_it_waits(run: &Run) {
    let mut events = run.subscribe(0);
    loop {
        let event = events.next().await.expect("read").expect("the run goes on");
        if matches!(&event, RunEvent::Recorded(record) if record.event.type_name() == "task_awaiting_approval")
        {
            return;
        }
    }
}

fn task(id: &str) -> TaskId {
    TaskId::new(id).expect("an id")
}

/// Requests that make no sense, and a word of why.
fn senseless() -> Vec<(RequestKind, &'static str)> {
    let reason = String::new;
    vec![
        (RequestKind::Reject { task: task("done"), reason: reason() }, "it does not wait for approval"),
        (RequestKind::Skip { task: task("done"), reason: reason() }, "cannot be skipped any more"),
        (
            RequestKind::Approve {
                task: task("waits"),
                tree: Some(Oid::new("1".repeat(40)).expect("an id")),
                reason: reason(),
            },
            "has no tree yet",
        ),
        (RequestKind::Skip { task: task("absent"), reason: reason() }, "no such task"),
        (
            RequestKind::Inject { tasks: Vec::new(), source: "test".into(), idempotency_key: None },
            "there are no tasks in it",
        ),
        (
            RequestKind::RefuseInjection {
                reason: "2:1: no list".into(),
                source: "test".into(),
                idempotency_key: None,
            },
            "2:1: no list",
        ),
    ]
}

#[tokio::test]
async fn who_asks_hears_what_became_of_it_from_this_engine_and_from_another() {
    let repo = ScratchRepo::new();
    let store = Arc::new(MemoryStore::new());
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let runs = engine(&repo).adapter(agent).store(store.clone()).build().await.expect("an engine");
    let asks = engine(&repo).store(store).build().await.expect("another engine");
    let run = runs.start(ASKED, RunOptions::default()).await.expect("started");
    until_it_waits(&run).await;
    for engine in [&runs, &asks] {
        for (kind, word) in senseless() {
            let asked = engine.request(run.id(), kind.clone()).await.expect("asked");
            match asked.answer().await.expect("an answer") {
                Answer::Refused { reason } => assert!(reason.contains(word), "{kind:?}: {reason}"),
                other => panic!("{kind:?}: {other:?}"),
            }
        }
        for kind in [RequestKind::Pause, RequestKind::Pause, RequestKind::Unpause] {
            let asked = engine.request(run.id(), kind).await.expect("asked");
            assert_eq!(asked.answer().await.expect("an answer"), Answer::Granted);
        }
    }
    let approve = RequestKind::Approve { task: task("waits"), tree: None, reason: String::new() };
    let asked = asks.request(run.id(), approve).await.expect("asked");
    assert_eq!(asked.answer().await.expect("an answer"), Answer::Granted);
    assert_eq!(run.wait().await.expect("an outcome").view.status, ConvoyStatus::Done);
    runs.shutdown().await;
    asks.shutdown().await;
}

#[tokio::test]
async fn what_the_next_engine_would_refuse_is_refused_while_nobody_runs_the_convoy() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let run = engine.start(ASKED, RunOptions::default()).await.expect("started");
    until_it_waits(&run).await;
    run.request(RequestKind::Interrupt { reason: "test".into() }).expect("asked");
    run.wait().await.expect("an outcome");
    for (kind, word) in senseless() {
        let error = engine.request(run.id(), kind.clone()).await.expect_err("refused");
        assert!(error.to_string().contains(word), "{kind:?}: {error}");
    }
    let skip = || RequestKind::Skip { task: task("waits"), reason: String::new() };
    let asked = engine.request(run.id(), skip()).await.expect("kept");
    assert_eq!(asked.answer().await.expect("an answer"), Answer::Waits);
    // What waits is taken into account.
    let error = engine.request(run.id(), skip()).await.expect_err("refused");
    assert!(error.to_string().contains("it is skipped"), "{error}");
    let outcome = engine.resume(Some(run.id())).await.expect("resumed").wait().await.expect("an outcome");
    assert_eq!(outcome.view.tasks[1].status, TaskStatus::Skipped);
    let over = engine.request(run.id(), skip()).await.expect_err("over");
    assert!(over.to_string().contains("a retry takes up what is not done"), "{over}");
    engine.shutdown().await;
}
