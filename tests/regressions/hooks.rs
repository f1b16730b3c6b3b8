//! Hooks around a task: what they see, what they change, and what becomes of a task whose hook fails.

use std::sync::Arc;

use convoy_core::agent::AgentOutcome;
use convoy_core::event::RunOptions;
use convoy_core::process::survivors;
use convoy_core::types::{ConvoyStatus, Failure, FailureKind};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};

use crate::support::{finish, kept, landed, quoted, run, spec, start};

/// Does what its last word says: as an agent of a hook it passes or fails, else it writes a file of that name.
fn agent() -> Arc<Inline> {
    Inline::new(|request| match last_word(&request.prompt) {
        "passes" => AgentOutcome::Succeeded,
        "fails" => AgentOutcome::Failed(Failure::new(FailureKind::Error, "the checker says no")),
        id => {
            write(&request.cwd, &format!("{id}.txt"), "made\n");
            AgentOutcome::Succeeded
        }
    })
}

#[tokio::test]
async fn every_type_of_hook_lets_its_task_pass_or_ends_it_before_and_after_the_agent() {
    let repo = ScratchRepo::new();
    let agent = agent();
    let (mut tasks, mut expected) = (String::new(), Vec::new());
    for kind in ["command", "validate", "guard", "agent"] {
        for on in ["pre_task", "post_task"] {
            for passes in [true, false] {
                let id = format!("{kind}-{on}-{passes}");
                let does = match (kind, passes) {
                    ("agent", true) => "name: checker, prompt: passes".to_owned(),
                    ("agent", false) => "name: checker, prompt: fails".to_owned(),
                    (_, true) => "name: h, command: 'echo it says; true'".to_owned(),
                    (_, false) => "name: h, command: 'echo it says; exit 3'".to_owned(),
                };
                tasks += &format!(
                    "  - {{id: {id}, prompt: make {id}, max_retries: 3, hooks: [{{type: {kind}, on: {on}, {does}}}]}}\n"
                );
                expected.push((id, kind, on, passes));
            }
        }
    }
    let ran = run(&repo, agent.clone(), &spec("concurrency: 4", &tasks)).await;
    assert_eq!(ran.status(), ConvoyStatus::Failed);
    for (id, kind, on, passes) in &expected {
        let task = ran.task(id);
        let wanted = if *passes { "done" } else { "hook-failed" };
        assert_eq!(task.status.as_str(), wanted, "{id}");
        let name = if *kind == "agent" { "checker" } else { "h" };
        let results = ran.events_of(id, "hook_result");
        let [result] = results.as_slice() else { panic!("{id}: {results:?}") };
        assert_eq!(
            (result["hook"].as_str(), result["hook_type"].as_str(), result["on"].as_str()),
            (Some(name), Some(*kind), Some(*on))
        );
        assert_eq!(result["passed"], *passes, "{id}");
        if *kind != "agent" {
            assert_eq!(result["output"], "it says\n");
            assert_eq!(result["exit_code"], if *passes { 0 } else { 3 });
        }
        // A hook before the agent keeps it from being called; one after it keeps its work from landing.
        let called = agent.requests().iter().filter(|request| last_word(&request.prompt) == id).count();
        assert_eq!(called, usize::from(*passes || *on == "post_task"), "{id}: never tried again");
        if !passes {
            assert_eq!(ran.failed_with(id), format!("hook:{name}"));
            let failed = &ran.events_of(id, "task_failed")[0];
            assert_eq!((&failed["reason"], &failed["hook"]), (&"hook-failed".into(), &name.into()));
            assert!(task.dead_letter.is_some(), "{id}");
        }
    }
    let done: Vec<String> = expected.iter().filter(|of| of.3).map(|of| of.0.clone()).collect();
    let mut wanted = done.clone();
    wanted.sort();
    assert_eq!(landed(&repo, "main"), wanted);
    let with_work = |of: &&(usize, &(String, &str, &str, bool))| !of.1.3 && of.1.2 == "post_task";
    for (index, (id, ..)) in expected.iter().enumerate().filter(|of| with_work(&of)) {
        let name = kept(&repo).into_iter().find(|name| name.starts_with(&format!("{index}-")));
        let name = name.unwrap_or_else(|| panic!("the work of {id} is kept"));
        let tree = repo.tree(&format!("refs/convoy/{}/{name}", ran.outcome.view.convoy_id));
        assert!(tree.contains_key(&format!("{id}.txt")), "{id}: {tree:?}");
    }
    let roles = agent.requests().into_iter().filter(|r| r.prompt.starts_with("You are a checker. ")).count();
    assert_eq!(roles, 4, "an agent of a hook has its own role and is asked once");
}

#[tokio::test]
async fn hooks_run_in_order_in_the_worktree_and_what_they_edit_is_part_of_the_work() {
    let repo = ScratchRepo::new();
    let hook = |on: &str, command: &str| format!("{{type: command, on: {on}, command: {}}}", quoted(command));
    let hooks = [
        hook("post_task", "cat a.txt pre.txt > post.txt"),
        hook("pre_task", "test ! -e a.txt && echo before > pre.txt"),
        hook("post_task", "test -e post.txt && rm pre.txt"),
        hook("post_task", "test -z \"$OPENAI_API_KEY\" && test -n \"$CONVOY_ATTEMPT\""),
    ];
    let tasks = format!("  - {{id: a, prompt: make a, hooks: [{}]}}\n", hooks.join(", "));
    let mut env = convoy_tests::host_env(&repo);
    env.insert("OPENAI_API_KEY".to_owned(), "not-for-hooks".to_owned());
    let builder = engine(&repo).env(env).adapter(agent());
    let ran = crate::support::run_with(builder, &spec("", &tasks)).await;
    ran.assert_done();
    let tree = repo.tree("main");
    assert_eq!((tree["post.txt"].as_str(), tree.contains_key("pre.txt")), ("made\nbefore", false));
    assert_eq!(ran.events_of("a", "hook_result").len(), 4);
    assert!(ran.place("a", "hook_result") < ran.place("a", "task_started"), "the first ran before the agent");
}

#[tokio::test]
async fn a_convoy_whose_hooks_all_failed_has_failed_and_is_taken_up_again() {
    let repo = ScratchRepo::new();
    let mended = repo.beside("mended");
    let command = quoted(&format!("test -e {}", mended.display()));
    let hooks = format!("hooks: [{{type: guard, command: {command}}}]");
    let tasks = format!(
        "  - {{id: a, prompt: make a, {hooks}}}\n  - {{id: b, prompt: make b, {hooks}}}\n  \
         - {{id: c, prompt: make c, depends_on: [a]}}\n"
    );
    let engine = engine(&repo).adapter(agent()).build().await.expect("an engine");
    let ran = start(&engine, &spec("", &tasks)).await;
    assert_eq!(ran.statuses(), "a=hook-failed b=hook-failed c=skipped");
    assert_eq!(ran.status(), ConvoyStatus::Failed);
    assert_eq!(ran.outcome.view.totals.failed, 2);
    std::fs::write(&mended, "").expect("written");
    let convoy = ran.outcome.view.convoy_id.clone();
    let again = finish(&engine, &engine.retry(&convoy, &[]).await.expect("taken up")).await;
    again.assert_done();
    assert_eq!(landed(&repo, "main"), ["a", "b", "c"]);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_hook_that_hangs_is_ended_by_its_limit_with_everything_it_started() {
    let repo = ScratchRepo::new();
    let hangs = quoted("trap '' TERM; (trap '' TERM; sleep 1000) & wait; sleep 1000");
    let tasks = format!(
        "  - {{id: a, prompt: make a, gate_timeout: 1, hooks: [{{type: command, name: slow, command: {hangs}}}]}}\n"
    );
    let ran = run(&repo, agent(), &spec("", &tasks)).await;
    assert_eq!((ran.statuses().as_str(), ran.failed_with("a").as_str()), ("a=hook-failed", "hook:slow"));
    assert!(ran.failure("a").message.contains("1 s"), "{:?}", ran.failure("a"));
    assert_eq!(survivors(ran.outcome.view.convoy_id.as_str()), []);
}

#[tokio::test]
async fn a_hook_that_was_interrupted_runs_again_and_the_agent_is_not_called_again() {
    for on in ["pre_task", "post_task"] {
        let repo = ScratchRepo::new();
        let (fifo, seen) = (repo.fifo("runs"), repo.beside("seen"));
        let command = format!(
            "if test -e {0}; then exit 0; fi; touch {0}; echo runs > {1}; sleep 1000",
            seen.display(),
            fifo.display()
        );
        let tasks = format!(
            "  - {{id: a, prompt: make a, hooks: [{{type: command, on: {on}, command: {}}}]}}\n",
            quoted(&command)
        );
        let agent = agent();
        let first = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
        let run = first.start(&spec("", &tasks), RunOptions::default()).await.expect("started");
        tokio::task::spawn_blocking(move || std::fs::read(fifo))
            .await
            .expect("a thread")
            .expect("the hook runs");
        first.shutdown().await;
        assert_eq!(survivors(run.id().as_str()), []);
        let second = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
        let ran = finish(&second, &second.resume(None).await.expect("resumed")).await;
        ran.assert_done();
        assert_eq!(agent.requests().len(), 1, "{on}");
        assert_eq!(ran.events_of("a", "hook_result").len(), 1, "{on}: only an end is told");
        second.shutdown().await;
    }
}

#[tokio::test]
async fn nothing_secret_of_a_hook_is_stored_or_sent() {
    let repo = ScratchRepo::new();
    let token = format!("ghp_{}", "0123456789abcdefghijABCDEFGHIJ012345");
    let prints = quoted(&format!("echo ghp_$(echo {}); exit 1", &token[4..]));
    let tasks =
        format!("  - {{id: a, prompt: make a, hooks: [{{type: validate, name: h, command: {prints}}}]}}\n");
    let ran = run(&repo, agent(), &spec("", &tasks)).await;
    assert_eq!(ran.statuses(), "a=hook-failed");
    let result = ran.events_of("a", "hook_result")[0].to_string();
    assert!(result.contains("[REDACTED:") && !result.contains(&token), "{result}");
    let log = format!(".convoy/logs/{}/0-a/attempt-1.check.log", ran.outcome.view.convoy_id);
    let log = std::fs::read_to_string(repo.root().join(log)).expect("the log");
    assert!(log.contains("[REDACTED:") && !log.contains(&token), "{log}");
}
