//! How much of one adapter the convoys of an engine use at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::{Engine, RunEvent};
use convoy_core::error::ErrorKind;
use convoy_core::event::{RequestKind, RunOptions};
use convoy_core::types::{AdapterLimit, ConvoyStatus};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};
use tokio::sync::Barrier;

const TASKS: &str = "name: test\nversion: 1\nadapter: inline\nconcurrency: 4\ntasks:\n  - {id: a, prompt: make a.txt}\n  \
                     - {id: b, prompt: make b.txt}\n";

fn on(branch: &str) -> RunOptions {
    RunOptions { branch: Some(branch.to_owned()), ..RunOptions::default() }
}

#[tokio::test]
async fn the_convoys_of_an_engine_share_the_places_of_an_adapter_and_use_them_all() {
    let repo = ScratchRepo::new();
    let (at_work, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, seen) = (at_work.clone(), most.clone());
    // Two are always at work together, else this would never end.
    let pair = Arc::new(Barrier::new(2));
    let agent = Inline::waiting(move |request| {
        let (at_work, most, pair) = (counted.clone(), seen.clone(), pair.clone());
        async move {
            most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            pair.wait().await;
            write(&request.cwd, last_word(&request.prompt), "made\n");
            at_work.fetch_sub(1, Ordering::SeqCst);
            AgentOutcome::Succeeded
        }
    });
    let limited = engine(&repo).adapter(agent).adapter_limit("inline", AdapterLimit::max_concurrent(2));
    let engine = limited.build().await.expect("an engine");
    let first = engine.start(TASKS, on("first")).await.expect("started");
    let second = engine.start(TASKS, on("second")).await.expect("started");
    for run in [first, second] {
        let outcome = run.wait().await.expect("an outcome");
        assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    }
    assert_eq!((at_work.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (0, 2));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_convoy_that_is_interrupted_gives_back_its_places_and_what_it_asked_for() {
    let repo = ScratchRepo::new();
    let agent = Inline::waiting(|request| async move {
        if request.prompt.contains("wait") {
            request.cancel.cancelled().await;
            return AgentOutcome::Cancelled;
        }
        write(&request.cwd, last_word(&request.prompt), "made\n");
        AgentOutcome::Succeeded
    });
    let limited = engine(&repo).adapter(agent).adapter_limit("inline", AdapterLimit::max_concurrent(1));
    let engine = limited.build().await.expect("an engine");
    let waiting = TASKS.replace("make", "wait");
    let first = engine.start(&waiting, on("first")).await.expect("started");
    let mut events = first.subscribe(0);
    while let Some(event) = events.next().await.expect("an event") {
        if let RunEvent::Recorded(record) = event
            && record.event.type_name() == "task_started"
        {
            break;
        }
    }
    let second = engine.start(TASKS, on("second")).await.expect("started");
    let waits = |view: &convoy_core::state::ConvoyView| view.tasks[1].waiting_for.clone();
    let view = engine.status(first.id()).await.expect("a status");
    assert_eq!(waits(&view).as_deref(), Some("a place at inline (1 of 1)"));
    first.request(RequestKind::Interrupt { reason: "enough".into() }).expect("asked");
    first.wait().await.expect("an outcome");
    let outcome = second.wait().await.expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_limit_of_nothing_or_of_nobody_is_refused() {
    let repo = ScratchRepo::new();
    let refused = |built: Result<Engine, convoy_core::error::Error>| match built {
        Ok(_) => panic!("it was built"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            error.to_string()
        }
    };
    let limit = AdapterLimit::max_concurrent(1);
    let none = AdapterLimit::max_concurrent(0);
    let text = refused(engine(&repo).adapter_limit("claude-code", none).build().await);
    assert_eq!(text, "at most 0 attempts of adapter claude would let none work; use 1 or more");
    let text = refused(engine(&repo).adapter_limit("nobody", limit).build().await);
    assert!(
        text.starts_with("a limit is set for an adapter that is not there: unknown adapter nobody"),
        "{text}"
    );
    // What convoy files may define is known only with the convoy.
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let built = engine(&repo).adapter(agent).profile_limit("mine", limit).build().await;
    let engine = built.expect("an engine");
    let error = engine.start(TASKS, on("first")).await.expect_err("no such adapter");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let defined = TASKS.replace("concurrency", "adapters: {mine: {command: [sh]}}\nconcurrency");
    let run = engine.start(&defined, on("first")).await.expect("started");
    let view = run.wait().await.expect("an outcome").view;
    assert_eq!(view.status, ConvoyStatus::Done);
    engine.shutdown().await;
}
