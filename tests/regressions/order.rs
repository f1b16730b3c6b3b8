//! Who runs when, and that one task's trouble is its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convoy_core::agent::AgentOutcome;
use convoy_core::error::ErrorKind;
use convoy_core::event::RunOptions;
use convoy_core::types::{ConvoyStatus, Failure, FailureKind};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};
use tokio::sync::Semaphore;

use crate::support::{AGENT, landed, quoted, run, spec};

fn failed(text: &str) -> AgentOutcome {
    AgentOutcome::Failed(Failure::new(FailureKind::Error, text))
}

/// Waits until somebody opens the gate.
async fn pass(gate: &Semaphore) {
    gate.acquire().await.expect("never closed").forget();
}

#[tokio::test]
async fn retries_and_dependants_do_not_wait_for_a_slow_task() {
    let repo = ScratchRepo::new();
    let (gate, fell) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let agent = Inline::waiting(move |request| {
        let (gate, fell) = (gate.clone(), fell.clone());
        async move {
            let name = last_word(&request.prompt);
            write(&request.cwd, name, "made\n");
            match name {
                // Ends only when the last dependant runs: behind any barrier it would never.
                "slow" => pass(&gate).await,
                "shaky" if !fell.swap(true, Ordering::SeqCst) => return failed("a first try"),
                "last" => gate.add_permits(1),
                _ => {}
            }
            AgentOutcome::Succeeded
        }
    });
    let tasks = "  - {id: slow, prompt: make slow}\n  - {id: shaky, prompt: make shaky, max_retries: 1}\n  \
                 - {id: next, prompt: make next, depends_on: [shaky]}\n  - {id: other, prompt: make other}\n  \
                 - {id: last, prompt: make last, depends_on: [next, other]}\n";
    let ran = run(&repo, agent, &spec("concurrency: 2", tasks)).await;
    ran.assert_done();
    assert_eq!((ran.task("shaky").attempts, ran.task("last").phase), (2, 3));
    for earlier in ["shaky", "next", "other"] {
        assert!(ran.place(earlier, "merge_done") < ran.place("slow", "task_agent_ended"), "{earlier}");
    }
}

#[tokio::test]
async fn partitions_that_overlap_are_refused_in_one_phase_and_kept_apart_across_phases() {
    let repo = ScratchRepo::new();
    let gate = Arc::new(Semaphore::new(0));
    let (working, together) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let met = together.clone();
    let agent = Inline::waiting(move |request| {
        let (gate, working, together) = (gate.clone(), working.clone(), together.clone());
        async move {
            match request.prompt.split_whitespace().nth(5).unwrap_or_default() {
                "whole" => {
                    working.store(true, Ordering::SeqCst);
                    // Until a task runs that became ready together with `part`, after it in order.
                    pass(&gate).await;
                    working.store(false, Ordering::SeqCst);
                }
                "part" => together.store(working.load(Ordering::SeqCst), Ordering::SeqCst),
                "signal" => gate.add_permits(1),
                _ => {}
            }
            AgentOutcome::Succeeded
        }
    });
    let tasks = "  - {id: whole, prompt: do whole, files: [src/]}\n  - {id: first, prompt: do first, files: [docs/]}\n  \
                 - {id: part, prompt: do part, files: [src/part.rs], depends_on: [first], priority: 9}\n  \
                 - {id: signal, prompt: do signal, files: [tests/], depends_on: [first]}\n";
    let ran = run(&repo, agent.clone(), &spec("concurrency: 3", tasks)).await;
    ran.assert_done();
    assert!(!met.load(Ordering::SeqCst), "two tasks worked on the same files at once");
    assert!(ran.place("signal", "task_started") < ran.place("part", "task_started"));
    assert!(ran.place("whole", "task_agent_ended") < ran.place("part", "task_assigned"));

    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    for (one, two) in [("src/", "src/part.rs"), ("src", "./src/"), (".", "a"), ("a/b/", "a/b/c/d")] {
        let tasks = format!(
            "  - {{id: one, prompt: p, files: [{}]}}\n  - {{id: two, prompt: p, files: [{}]}}\n",
            quoted(one),
            quoted(two)
        );
        let refused = engine.start(&spec("", &tasks), RunOptions::default()).await.expect_err(one);
        assert_eq!(refused.kind(), ErrorKind::InvalidSpec, "{one} {two}: {refused}");
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn trouble_of_one_task_neither_stops_nor_fails_the_others() {
    let repo = ScratchRepo::new();
    let program = repo.beside("agent-program");
    std::os::unix::fs::symlink(AGENT, &program).expect("a link");
    let (gone, done) = (program.clone(), Arc::new(Semaphore::new(0)));
    let agent = Inline::waiting(move |request| {
        let (gone, done) = (gone.clone(), done.clone());
        async move {
            let name = last_word(&request.prompt);
            write(&request.cwd, &format!("{name}.txt"), "made\n");
            match name {
                "remover" => std::fs::remove_file(gone).expect("removed"),
                // Runs while the others fail.
                "long" => pass(&done).await,
                "late" => done.add_permits(1),
                "broken" => return failed("no such luck"),
                _ => {}
            }
            AgentOutcome::Succeeded
        }
    });
    let head = format!(
        "concurrency: 2\ndefaults: {{max_retries: 0}}\nadapters:\n  vanishing: {{command: [{}]}}\n",
        quoted(&program.display().to_string())
    );
    let tasks = "  - {id: long, prompt: make long}\n  - {id: remover, prompt: make remover}\n  \
                 - {id: absent, prompt: make absent, adapter: vanishing, depends_on: [remover]}\n  \
                 - {id: broken, prompt: make broken, depends_on: [remover]}\n  \
                 - {id: unset, prompt: make unset, depends_on: [remover], gates: [exit 3]}\n  \
                 - {id: child, prompt: make child, depends_on: [absent]}\n  \
                 - {id: late, prompt: make late, depends_on: [remover], priority: -9}\n";
    let ran = run(&repo, agent, &spec(&head, tasks)).await;
    assert_eq!(ran.status(), ConvoyStatus::Failed);
    assert_eq!(
        ran.statuses(),
        "long=done remover=done absent=failed broken=failed unset=gate-failed child=skipped late=done"
    );
    let kinds: Vec<String> = ["absent", "broken", "unset"].map(|id| ran.failed_with(id)).into();
    assert_eq!(kinds, ["not-installed", "error", "gate:exit 3"]);
    assert_eq!(landed(&repo, "main"), ["late", "long", "remover"]);
    assert!(ran.outcome.view.published);
    repo.assert_sound_and_clean();
}
