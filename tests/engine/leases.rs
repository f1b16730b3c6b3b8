//! The end of a run: its lease, and what is asked in that very moment.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::{Run, RunEvent};
use convoy_core::error::ErrorKind;
use convoy_core::event::{Request, RequestKind, RunOptions};
use convoy_core::store::{MemoryStore, Store, StoreError};
use convoy_core::types::{ConvoyStatus, Timestamp};
use convoy_tests::{Inline, OddStore, ScratchRepo, engine, last_word, write};
use tokio::sync::Notify;

type Hook = dyn Fn() + Send + Sync;

/// Makes a store keep so many leases, and call a hook before it has recorded an interrupt.
#[derive(Clone, Default)]
struct Odd {
    keeps: Arc<AtomicU32>,
    at_interrupt: Arc<Mutex<Option<Box<Hook>>>>,
}

impl Odd {
    fn store(&self) -> Arc<OddStore> {
        let (appends, releases) = (self.clone(), self.clone());
        let store = OddStore::new(MemoryStore::new())
            .before_append(move |_, batch| {
                if batch.events.iter().any(|event| event.type_name() == "convoy_interrupted")
                    && let Some(hook) = &*appends.at_interrupt.lock().expect("no panic")
                {
                    hook();
                }
            })
            .before_release(move || {
                let keeps = &releases.keeps;
                match keeps.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
                    Ok(_) => {
                        let source = Box::new(std::io::Error::other("the disk is full"));
                        Err(StoreError::Medium { doing: "release", source })
                    }
                    Err(_) => Ok(()),
                }
            });
        Arc::new(store)
    }
}

const TWO: &str = "name: t\nversion: 1\nadapter: inline\ntasks:\n\
                   - {id: a, prompt: make a}\n- {id: b, prompt: make b, depends_on: [a]}\n";

fn writer() -> Arc<Inline> {
    Inline::new(|request| {
        write(&request.cwd, last_word(&request.prompt), "made\n");
        AgentOutcome::Succeeded
    })
}

/// Waits until an event of this type is recorded.
async fn recorded(run: &Run, kind: &str) {
    let mut events = run.subscribe(0);
    loop {
        match events.next().await.expect("readable").expect("the run goes on") {
            RunEvent::Recorded(record) if record.event.type_name() == kind => return,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_lease_that_could_not_be_given_back_keeps_nobody_from_the_convoy() {
    let repo = ScratchRepo::new();
    let odd = Odd::default();
    let store = odd.store();
    let engine = engine(&repo).adapter(writer()).store(store.clone()).build().await.expect("an engine");
    odd.keeps.store(2, Ordering::SeqCst);
    let run = engine.start(TWO, RunOptions::default()).await.expect("started");
    assert_eq!(run.wait().await.expect_err("the lease stays").kind(), ErrorKind::Store);
    assert!(store.holder(run.id()).await.expect("stored").is_some());
    assert!(!engine.is_running(run.id()).await.expect("an answer"), "nobody runs it");

    let tasks: Vec<_> = run.plan().indices().map(|ix| run.plan().id(ix).clone()).collect();
    let again = engine.retry(run.id(), &tasks).await.expect("the same engine takes it over");
    assert_eq!(again.wait().await.expect_err("the lease stays").kind(), ErrorKind::Store);
    let state = engine.status(run.id()).await.expect("a status");
    assert_eq!(state.status, ConvoyStatus::Done, "{state:#?}");
    engine.shutdown().await;
    assert!(store.holder(run.id()).await.expect("stored").is_none(), "given back at last, for others");
}

#[tokio::test]
async fn a_convoy_that_cannot_be_taken_up_says_why_even_when_its_lease_stays() {
    let repo = ScratchRepo::new();
    let odd = Odd::default();
    let store = odd.store();
    let engine = engine(&repo).adapter(writer()).store(store.clone()).build().await.expect("an engine");
    let run = engine.start(TWO, RunOptions::default()).await.expect("started");
    run.wait().await.expect("an outcome");
    odd.keeps.store(1, Ordering::SeqCst);
    let absent = convoy_core::types::TaskId::new("absent").expect("valid");
    let error = engine.retry(run.id(), &[absent]).await.expect_err("no such task");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    engine.retry(run.id(), &[]).await.expect("the lease is free").wait().await.expect("an outcome");
    engine.shutdown().await;
}

#[tokio::test]
async fn what_is_asked_in_the_moment_of_an_interrupt_is_done_by_the_next_run() {
    let repo = ScratchRepo::new();
    let odd = Odd::default();
    let store = odd.store();
    let go = Arc::new(Notify::new());
    let waits = go.clone();
    // It changes nothing, so that nothing has to land or to be published.
    let agent = Inline::waiting(move |_| {
        let waits = waits.clone();
        async move {
            waits.notified().await;
            AgentOutcome::Succeeded
        }
    });
    let engine = engine(&repo).adapter(agent).store(store.clone()).build().await.expect("an engine");
    let run = engine.start(TWO, RunOptions::default()).await.expect("started");
    // Nothing is under way when it is interrupted: `a` is done, and `b` must not start.
    run.request(RequestKind::Pause).expect("asked");
    recorded(&run, "convoy_paused").await;
    go.notify_one();
    recorded(&run, "task_done").await;
    let asks = run.clone();
    let hook = Box::new(move || asks.request(RequestKind::Cancel).expect("asked"));
    *odd.at_interrupt.lock().expect("no panic") = Some(hook);
    run.request(RequestKind::Interrupt { reason: "test".into() }).expect("asked");
    let outcome = run.wait().await.expect("an outcome");
    assert_ne!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    *odd.at_interrupt.lock().expect("no panic") = None;

    let resumed = engine.resume(Some(run.id())).await.expect("resumed");
    let outcome = resumed.wait().await.expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Cancelled, "{:#?}", outcome.view);
    assert!(store.inbox(run.id()).await.expect("an inbox").is_empty());
    engine.shutdown().await;
}

#[tokio::test]
async fn an_interrupt_that_came_too_late_for_a_run_does_not_meet_the_next_one() {
    let repo = ScratchRepo::new();
    let odd = Odd::default();
    let store = odd.store();
    let (go, goes) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let waits = (go.clone(), goes.clone());
    let agent = Inline::waiting(move |request| {
        let (go, goes) = waits.clone();
        async move {
            write(&request.cwd, last_word(&request.prompt), "made\n");
            goes.notify_one();
            go.notified().await;
            AgentOutcome::Succeeded
        }
    });
    let engine = engine(&repo).adapter(agent).store(store.clone()).build().await.expect("an engine");
    let run = engine.start(TWO, RunOptions::default()).await.expect("started");
    goes.notified().await;
    run.request(RequestKind::Interrupt { reason: "test".into() }).expect("asked");
    run.wait().await.expect("an outcome");
    let ask = async |kind| {
        let request = Request::new("somebody", kind);
        store.submit(run.id(), request, Timestamp(0)).await.expect("submitted");
    };
    ask(RequestKind::Interrupt { reason: "late".into() }).await;
    ask(RequestKind::Pause).await;

    let resumed = engine.resume(Some(run.id())).await.expect("resumed");
    recorded(&resumed, "convoy_paused").await;
    go.notify_one();
    go.notify_one();
    resumed.request(RequestKind::Unpause).expect("asked");
    let release = go.clone();
    let outcome = tokio::select! {
        outcome = resumed.wait() => outcome.expect("an outcome"),
        () = async { loop { goes.notified().await; release.notify_one(); } } => unreachable!("it never ends"),
    };
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    assert!(store.inbox(run.id()).await.expect("an inbox").is_empty());
    engine.shutdown().await;
}
