//! The end of a convoy through the Rust interface: its gates and what mends them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::{Ended, Engine, Outcome, Run};
use convoy_core::event::{RequestKind, RunOptions};
use convoy_core::process::survivors;
use convoy_core::types::{ConvoyStatus, Failure, FailureKind, TaskStatus};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};

/// A convoy of one task that makes `made.txt`.
fn spec(head: &str) -> String {
    let task = "{id: t, prompt: make made, max_retries: 0}";
    format!("name: t\nversion: 1\nadapter: inline\n{head}\ntasks:\n  - {task}\n")
}

async fn ran(engine: &Engine, spec: &str) -> Outcome {
    let run = engine.start(spec, RunOptions::default()).await.expect("started");
    run.wait().await.expect("an outcome")
}

/// The data of every event of this type.
async fn events(engine: &Engine, outcome: &Outcome, kind: &str) -> Vec<serde_json::Value> {
    let all = engine.events(&outcome.view.convoy_id, 0, usize::MAX).await.expect("events");
    let of = all.iter().filter(|record| record.event.type_name() == kind);
    of.map(|record| record.to_flat_json()).collect()
}

/// Nothing of the convoy is left but what is on record.
fn assert_nothing_left(repo: &ScratchRepo, run: &Outcome) {
    repo.assert_sound_and_clean();
    assert_eq!(repo.worktrees().len(), 1, "{:?}", repo.worktrees());
    assert_eq!(survivors(run.view.convoy_id.as_str()), []);
}

#[tokio::test]
async fn a_fixing_task_mends_the_merged_result_and_the_gates_run_again() {
    let repo = ScratchRepo::new();
    repo.write(".gitignore", "set-up.txt\n");
    repo.commit("Ignore what setup makes");
    let agent = Inline::new(|request| {
        match request.prompt.contains("This check fails with exit code 1") {
            true => write(&request.cwd, "mended.txt", "mended\n"),
            false => write(&request.cwd, "made.txt", "made\n"),
        }
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let gates = "[test -f made.txt, 'echo found nothing; echo x > made.txt; test -f mended.txt', \
                 'grep -q made made.txt && test -f set-up.txt']";
    let head = format!("gates: {gates}\ngate_retries: 2\nworktree: {{setup: [touch set-up.txt]}}");
    let outcome = ran(&engine, &spec(&head)).await;
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    assert!(outcome.view.published);
    let ids: Vec<&str> = outcome.view.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["t", "convoy-gate-fix-1"]);
    let said: Vec<(u64, bool)> = events(&engine, &outcome, "convoy_gate_result")
        .await
        .iter()
        .map(|event| (event["round"].as_u64().expect("a round"), event["passed"] == true))
        .collect();
    assert_eq!(said, [(1, true), (1, false), (1, true), (2, true), (2, true), (2, true)]);
    let edits: Vec<_> = events(&engine, &outcome, "convoy_gate_result")
        .await
        .iter()
        .map(|event| event["changed_files"].clone())
        .collect();
    let (none, made) = (serde_json::Value::Null, serde_json::json!(["made.txt"]));
    assert_eq!(edits[..3], [none.clone(), made, none], "what a gate edits is undone, and told");
    let prompt = &agent.requests()[1].prompt;
    assert!(prompt.starts_with("You are a developer. ") && prompt.contains("found nothing"), "{prompt}");
    let gates = outcome.view.gates.as_ref().expect("they said something");
    assert_eq!((gates.passed, gates.round), (true, 2));
    assert_eq!(repo.files("main"), [".gitignore", "README.md", "made.txt", "mended.txt"]);
    assert_nothing_left(&repo, &outcome);
    engine.shutdown().await;
}

#[tokio::test]
async fn gates_that_nobody_mends_fail_the_convoy_and_a_retry_runs_them_again() {
    let repo = ScratchRepo::new();
    let willing = Arc::new(AtomicBool::new(false));
    let mends = willing.clone();
    let agent = Inline::new(move |request| {
        let fixes = request.prompt.contains("This check fails");
        match (fixes, mends.load(Ordering::SeqCst)) {
            (false, _) => write(&request.cwd, "made.txt", "made\n"),
            (true, true) => write(&request.cwd, "mended.txt", "mended\n"),
            (true, false) => return AgentOutcome::Failed(Failure::new(FailureKind::Error, "broken")),
        }
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let head = "gates: [test -f mended.txt]\ngate_retries: 3\ndefaults: {max_retries: 0}";
    let failed = ran(&engine, &spec(head)).await;
    assert_eq!(failed.view.status, ConvoyStatus::GateFailed, "{:#?}", failed.view);
    assert_eq!(agent.requests().len(), 2, "a fixing task that fails is not followed by another");
    assert!(failed.view.published, "what landed is on the branch all the same");
    assert_eq!(failed.view.gates.as_ref().expect("a verdict").failed, ["test -f mended.txt"]);
    let listed = engine.list().await.expect("a list");
    assert_eq!(listed[0].status, ConvoyStatus::GateFailed);

    willing.store(true, Ordering::SeqCst);
    let again = engine.retry(&failed.view.convoy_id, &[]).await.expect("taken up");
    let outcome = again.wait().await.expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    assert_nothing_left(&repo, &outcome);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_secret_in_what_a_gate_prints_reaches_no_prompt_and_stops_no_fixing_task() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        let fixes = request.prompt.contains("This check fails");
        write(&request.cwd, if fixes { "mended.txt" } else { "made.txt" }, "x\n");
        AgentOutcome::Succeeded
    });
    let engine =
        engine(&repo).adapter(agent.clone()).secret("opensesame-42").build().await.expect("an engine");
    let head = "gates: ['echo the password is $(echo opensesame)-42; test -f mended.txt']\ngate_retries: 1";
    let outcome = ran(&engine, &spec(head)).await;
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    let prompt = &agent.requests()[1].prompt;
    assert!(!prompt.contains("opensesame-42") && prompt.contains("the password is [removed:"), "{prompt}");
    engine.shutdown().await;
}

/// A gate that tells that it runs and hangs, the first time only.
fn hangs_once(repo: &ScratchRepo) -> (std::path::PathBuf, String) {
    let (fifo, seen) = (repo.fifo("gate"), repo.beside("seen"));
    let gate = format!(
        "if mkdir '{}' 2>/dev/null; then echo > '{}'; exec tail -f /dev/null; fi",
        seen.display(),
        fifo.display()
    );
    (fifo, format!("gates: [{gate:?}]"))
}

async fn begun(engine: &Engine, spec: &str, fifo: std::path::PathBuf) -> Run {
    let run = engine.start(spec, RunOptions::default()).await.expect("started");
    tokio::task::spawn_blocking(move || std::fs::read(fifo)).await.expect("a thread").expect("the gate runs");
    run
}

#[tokio::test]
async fn gates_of_the_convoy_that_were_interrupted_run_again_and_a_cancel_ends_them() {
    for cancelled in [false, true] {
        let repo = ScratchRepo::new();
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        let agent = Inline::new(move |request| {
            counted.fetch_add(1, Ordering::SeqCst);
            write(&request.cwd, last_word(&request.prompt), "made\n");
            AgentOutcome::Succeeded
        });
        let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
        let (fifo, head) = hangs_once(&repo);
        let run = begun(&engine, &spec(&head), fifo).await;
        let shown = engine.status(run.id()).await.expect("a status");
        assert_eq!(shown.stage.as_deref(), Some("running its gates (round 1)"));
        let kind = match cancelled {
            true => RequestKind::Cancel,
            false => RequestKind::Interrupt { reason: "test".to_owned() },
        };
        run.request(kind).expect("accepted");
        let outcome = run.wait().await.expect("an outcome");
        if cancelled {
            assert_eq!(outcome.view.status, ConvoyStatus::Cancelled, "{:#?}", outcome.view);
            assert_eq!(outcome.view.tasks[0].status, TaskStatus::Done);
            assert_nothing_left(&repo, &outcome);
            engine.shutdown().await;
            continue;
        }
        assert_eq!(outcome.ended, Ended::Interrupted);
        let resumed = engine.resume(None).await.expect("resumed").wait().await.expect("an outcome");
        assert_eq!(resumed.view.status, ConvoyStatus::Done, "{:#?}", resumed.view);
        assert_eq!(calls.load(Ordering::SeqCst), 1, "the finished work was not bought again");
        assert_nothing_left(&repo, &resumed);
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn hooks_run_on_the_merged_result_and_a_failing_one_fails_the_convoy() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        match request.prompt.as_str() {
            "You are a writer. Tell about it." => {
                assert!(request.cwd.join("made.txt").exists(), "it sees the merged result");
                write(&request.cwd, "told.txt", "nobody keeps this\n");
            }
            "You are a developer. Fail." => {
                return AgentOutcome::Failed(Failure::new(FailureKind::Refused, "no"));
            }
            _ => write(&request.cwd, "made.txt", "made\n"),
        }
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let out = repo.beside("out");
    let hooks = format!(
        "hooks:\n- {{type: command, name: keep, command: 'cat made.txt > {0}; echo kept > made.txt'}}\n\
         - {{type: agent, name: writer, prompt: Tell about it.}}\n\
         - {{type: validate, command: 'echo wrong; exit 3'}}\n- {{type: agent, prompt: Fail.}}\n\
         - {{type: guard, on: post_convoy, command: 'cat made.txt >> {0}'}}",
        out.display()
    );
    let outcome = ran(&engine, &spec(&hooks)).await;
    assert_eq!(outcome.view.status, ConvoyStatus::HookFailed, "{:#?}", outcome.view);
    assert!(outcome.view.published);
    assert_eq!(outcome.view.failed_hooks, ["echo wrong; exit 3", "agent"]);
    assert_eq!(std::fs::read_to_string(out).expect("written"), "made\nmade\n", "each has its own worktree");
    assert_eq!(repo.files("main"), ["README.md", "made.txt"]);
    let failed = events(&engine, &outcome, "post_convoy_hook_failed").await;
    let shown: Vec<_> =
        failed.iter().map(|event| (&event["hook"], &event["error"], &event["output"])).collect();
    let text = |text: &str| serde_json::Value::from(text);
    assert_eq!(shown[0], (&text("echo wrong; exit 3"), &text("exit code 3"), &text("wrong\n")));
    assert_eq!((shown[1].0, shown[1].1), (&text("agent"), &text("no")));
    assert_nothing_left(&repo, &outcome);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_hook_that_was_interrupted_runs_again() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, "made.txt", "made\n");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let (fifo, gate) = hangs_once(&repo);
    let hook = gate.trim_start_matches("gates: [").trim_end_matches(']');
    let head = format!(
        "hooks: [{{type: command, name: first, command: 'true'}}, {{type: command, name: slow, command: {hook}}}]"
    );
    let run = begun(&engine, &spec(&head), fifo).await;
    let shown = engine.status(run.id()).await.expect("a status");
    assert_eq!(shown.stage.as_deref(), Some("running its hook slow"));
    run.request(RequestKind::Interrupt { reason: "test".to_owned() }).expect("accepted");
    assert_eq!(run.wait().await.expect("an outcome").ended, Ended::Interrupted);
    let resumed = engine.resume(None).await.expect("resumed").wait().await.expect("an outcome");
    assert_eq!(resumed.view.status, ConvoyStatus::Done, "{:#?}", resumed.view);
    let started = events(&engine, &resumed, "post_convoy_hook_started").await;
    let names: Vec<_> = started.iter().map(|event| event["hook"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["first", "slow", "slow"]);
    assert_nothing_left(&repo, &resumed);
    engine.shutdown().await;
}

#[tokio::test]
async fn the_guard_tells_of_worktrees_and_refs_that_are_left_and_an_agent_looks_into_it() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(
            &request.cwd,
            if request.prompt.contains("findings") { "looked.txt" } else { "made.txt" },
            "x\n",
        );
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let quiet = ran(&engine, &spec("guard: {agent: keeper}")).await;
    assert_eq!(quiet.view.guard.as_ref().map(|guard| guard.passed), Some(true), "{:#?}", quiet.view);
    assert_eq!(agent.requests().len(), 1, "without findings nobody is asked");
    // Somebody makes a worktree and a ref where only the engine's own are.
    let hook = "cd \"$(git rev-parse --git-common-dir)/..\" && id=$(ls .convoy/worktrees) && \
                git worktree add -q --detach .convoy/worktrees/$id/strange HEAD && \
                git update-ref refs/convoy/$id/strange HEAD";
    let hook = serde_json::Value::from(hook);
    let head = format!("guard: {{agent: keeper}}\nhooks: [{{type: command, command: {hook}}}]");
    let outcome = ran(&engine, &spec(&head)).await;
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    let guard = outcome.view.guard.as_ref().expect("it looked");
    let [worktree, name] = &guard.warnings[..] else { panic!("{guard:#?}") };
    assert!(worktree.contains("worktree is left") && worktree.contains("/strange;"), "{worktree}");
    assert!(name.contains("a ref is left") && name.ends_with("/strange"), "{name}");
    let asked = agent.requests().pop().expect("the last").prompt;
    assert!(asked.starts_with("You are a keeper. ") && asked.contains(worktree), "{asked}");
    assert!(repo.files("main").contains(&"looked.txt".to_owned()));
    let recorded = events(&engine, &outcome, "convoy_guard").await;
    assert_eq!((recorded.len(), &recorded[0]["passed"]), (1, &false.into()));
    engine.shutdown().await;
}

/// Ends a process when a test is over, however that ends.
struct Left(std::process::Child);

impl Drop for Left {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a process that the engine did not start")]
#[tokio::test]
async fn the_guard_tells_of_a_process_that_is_left_and_of_which_attempt() {
    let repo = ScratchRepo::new();
    let left: Arc<Mutex<Option<Left>>> = Arc::default();
    let kept = left.clone();
    // What an agent in this process starts is not the engine's to end.
    let agent = Inline::new(move |request| {
        let mut command = std::process::Command::new("tail");
        command.args(["-f", "/dev/null"]).env("CONVOY_ATTEMPT", request.worker.as_str());
        *kept.lock().expect("one at a time") = Some(Left(command.spawn().expect("tail runs")));
        write(&request.cwd, "made.txt", "made\n");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let outcome = ran(&engine, &spec("")).await;
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "a finding changes no status: {:#?}", outcome.view);
    let process = left.lock().expect("no agent runs").take().expect("it was started");
    let (pid, worker) = (process.0.id(), agent.requests()[0].worker.clone());
    let warning = format!("process {pid} of {worker} still runs; end it with `kill {pid}`");
    assert_eq!(outcome.view.guard.as_ref().expect("it looked").warnings, [warning]);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_guard_that_is_switched_off_or_looks_elsewhere_says_nothing() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, "made.txt", "made\n");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let off = ran(&engine, &spec("guard: {enabled: false}")).await;
    assert_eq!(events(&engine, &off, "convoy_guard").await.len(), 0);
    let some = ran(&engine, &spec("guard: {checks: [observability, cost-report]}")).await;
    assert_eq!(events(&engine, &some, "convoy_guard").await.len(), 1);
    assert_nothing_left(&repo, &some);
    engine.shutdown().await;
}

#[test]
fn an_engine_is_shut_down_by_a_program_that_has_no_runtime() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, "made.txt", "made\n");
        AgentOutcome::Succeeded
    });
    pollster::block_on(async {
        let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
        let outcome = ran(&engine, &spec("")).await;
        engine.shutdown().await;
        assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
        assert_nothing_left(&repo, &outcome);
    });
}
