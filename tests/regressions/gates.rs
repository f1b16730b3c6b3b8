//! What the engine's own gates look at: the whole work, nothing but it, and with the eyes of before it.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use convoy_core::agent::{AgentAdapter, AgentOutcome};
use convoy_core::event::RunOptions;
use convoy_tests::{Inline, ScratchRepo, engine, write};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::support::{Ran, finish, landed, quoted, run, spec};

/// A token that every scanner knows.
fn token() -> String {
    ["ghp_", "0123456789abcdefghij", "ABCDEFGHIJ012345"].concat()
}

/// What a built-in gate said of a task's attempts: level, whether it passed, output.
fn said(ran: &Ran, task: &str, gate: &str) -> Vec<(Option<String>, bool, String)> {
    let of = |event: &Value| event["gate"] == gate;
    let verdict = |event: Value| {
        let level = event["level"].as_str().map(str::to_owned);
        let output = event["output"].as_str().expect("a text").to_owned();
        (level, event["passed"].as_bool().expect("told"), output)
    };
    ran.events_of(task, "built_in_gate_result").into_iter().filter(of).map(verdict).collect()
}

async fn one_task(repo: &ScratchRepo, agent: Arc<impl AgentAdapter + 'static>, task: &str) -> Ran {
    run(repo, agent, &spec("", &format!("  - {{id: a, prompt: make a, max_retries: 0, {task}}}\n"))).await
}

#[tokio::test]
async fn work_that_the_agent_did_not_commit_is_scanned_and_so_is_what_it_committed_and_took_away() {
    for taken_away in [false, true] {
        let repo = ScratchRepo::new();
        let agent = Inline::new(move |request| {
            write(&request.cwd, "dir/key.txt", &format!("first\n{}\n", token()));
            if taken_away {
                let git = |args: &[&str]| convoy_tests::git_in(&request.cwd, args);
                git(&["add", "-A"]);
                git(&["commit", "-q", "-m", "one"]);
                write(&request.cwd, "dir/key.txt", "first\n");
            }
            AgentOutcome::Succeeded
        });
        let ran = one_task(&repo, agent, "files: [dir]").await;
        assert_eq!(ran.statuses(), "a=gate-failed", "{taken_away}");
        assert_eq!(ran.failed_with("a"), "gate:secret_scan");
        let verdict = &said(&ran, "a", "secret_scan")[0];
        assert!(verdict.2.contains("github-token in dir/key.txt:2"), "{verdict:?}");
        assert_eq!(verdict.2.contains("gone later"), taken_away, "{verdict:?}");
        // The verdict names the tree that it was given for.
        let tree = repo.oid(&format!("refs/convoy/{}/0-a/attempt-1^{{tree}}", ran.outcome.view.convoy_id));
        assert_eq!(ran.events_of("a", "built_in_gate_result")[0]["tree"], tree);
        assert_eq!(landed(&repo, "main"), [""; 0]);
        let log: String = ran.events.iter().map(|event| event.to_flat_json().to_string()).collect();
        assert!(!log.contains(&token()), "the text of a secret is told nowhere");
    }
}

#[tokio::test]
async fn a_diff_of_more_than_a_mebibyte_is_judged_to_its_end() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        let mut text = "a line of a large file that holds nothing of interest\n".repeat(40_000);
        text.push_str(&token());
        write(&request.cwd, "large.txt", &text);
        AgentOutcome::Succeeded
    });
    let gates = "built_in_gates: {blast_radius: {warn_lines: 40000, block_lines: 50000}}";
    let ran = one_task(&repo, agent.clone(), gates).await;
    assert_eq!(
        (ran.statuses().as_str(), ran.failed_with("a").as_str()),
        ("a=gate-failed", "gate:secret_scan")
    );
    assert!(said(&ran, "a", "secret_scan")[0].2.contains("large.txt:40001"));

    let gates = "built_in_gates: {secret_scan: false, blast_radius: {warn_lines: 40000, block_lines: 50000}}";
    let ran = one_task(&repo, agent, gates).await;
    assert_eq!(ran.statuses(), "a=done");
    let verdict = &said(&ran, "a", "blast_radius")[0];
    assert!(verdict.1 && verdict.2.starts_with("40001 lines in 1 files"), "{verdict:?}");
    assert_eq!(said(&ran, "a", "secret_scan"), [], "a gate that is off says nothing");
}

#[tokio::test]
async fn what_others_land_meanwhile_does_not_count_against_a_task() {
    let repo = ScratchRepo::new();
    let gate = Arc::new(Semaphore::new(0));
    let open = gate.clone();
    let agent = Inline::waiting(move |request| {
        let gate = gate.clone();
        async move {
            if request.prompt.contains("make small") {
                gate.acquire().await.expect("never closed").forget();
                write(&request.cwd, "small.txt", "one line\n");
            } else {
                write(&request.cwd, "large.txt", &"line\n".repeat(1000));
            }
            AgentOutcome::Succeeded
        }
    });
    let tasks = "  - {id: small, prompt: make small, files: [small.txt], built_in_gates: {blast_radius: true, partition: true}}\n  \
                 - {id: large, prompt: make large}\n";
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let run = engine.start(&spec("concurrency: 2", tasks), RunOptions::default()).await.expect("started");
    let mut watcher = run.subscribe(0);
    while let Some(event) = watcher.next().await.expect("the store can be read") {
        if matches!(&event, convoy_core::engine::RunEvent::Recorded(record) if record.event.type_name() == "merge_done")
        {
            open.add_permits(1);
        }
    }
    let ran = finish(&engine, &run).await;
    assert_eq!(ran.statuses(), "small=done large=done");
    assert_eq!(said(&ran, "small", "blast_radius"), [(None, true, String::new())]);
    assert_eq!(said(&ran, "small", "partition"), [(None, true, String::new())]);
    engine.shutdown().await;
}

#[tokio::test]
async fn what_was_really_edited_is_held_against_the_declared_files() {
    for (gates, status) in [("", "a=done"), ("built_in_gates: {partition: true}", "a=gate-failed")] {
        let repo = ScratchRepo::new();
        let agent = Inline::new(|request| {
            write(&request.cwd, "src/deep/a.txt", "a");
            write(&request.cwd, "docs/b.txt", "b");
            AgentOutcome::Succeeded
        });
        let ran = one_task(&repo, agent, &format!("files: [src], {gates}")).await;
        assert_eq!(ran.statuses(), status);
        let verdict = &said(&ran, "a", "partition")[0];
        assert_eq!(verdict.0.as_deref(), Some(if gates.is_empty() { "warn" } else { "block" }));
        assert!(verdict.2.ends_with(":\ndocs/b.txt"), "{verdict:?}");
    }
}

#[tokio::test]
async fn no_change_fails_where_the_task_must_change_something_and_is_told_of_declared_files() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let ran = one_task(&repo, agent.clone(), "files: [src]").await;
    assert_eq!(ran.statuses(), "a=done");
    assert_eq!(said(&ran, "a", "no_op")[0].0.as_deref(), Some("warn"));
    let ran = run(
        &repo,
        agent,
        &spec("", "  - {id: a, prompt: p, max_retries: 1, built_in_gates: {no_op: true}}\n"),
    )
    .await;
    assert_eq!((ran.statuses().as_str(), ran.failed_with("a").as_str()), ("a=gate-failed", "gate:no_op"));
    assert_eq!(ran.task("a").attempts, 2, "it is retried");
}

#[tokio::test]
async fn a_link_out_of_the_tree_ends_the_task_before_and_after_its_agent() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        symlink("../../outside", request.cwd.join("out")).expect("links");
        symlink("README.md", request.cwd.join("in")).expect("links");
        AgentOutcome::Succeeded
    });
    let tasks = spec("", "  - {id: a, prompt: make a, max_retries: 2}\n");
    let ran = run(&repo, agent, &tasks).await;
    assert_eq!((ran.statuses().as_str(), ran.failed_with("a").as_str()), ("a=failed", "symlink-escape"));
    assert_eq!(ran.task("a").attempts, 1, "no retry would help");
    assert_eq!(
        said(&ran, "a", "symlinks")[0].2.lines().skip(1).collect::<Vec<_>>(),
        ["out -> ../../outside"]
    );
    assert_eq!(ran.events_of("a", "task_failed")[0]["reason"], "symlink-escape");

    // A tree that holds one already is no place for an agent.
    symlink("/etc", repo.root().join("etc")).expect("links");
    repo.commit("A link");
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let ran = run(&repo, agent.clone(), &tasks).await;
    assert_eq!((ran.statuses().as_str(), ran.failed_with("a").as_str()), ("a=failed", "symlink-escape"));
    assert!(ran.failure("a").message.contains("etc -> /etc"), "{:?}", ran.failure("a"));
    assert_eq!(agent.requests().len(), 0);
}

#[tokio::test]
async fn what_gates_change_is_undone_and_told_and_judges_that_the_work_changes_are_told_too() {
    let repo = ScratchRepo::new();
    repo.write("test.sh", "exit 0\n");
    repo.commit("A judge");
    let agent = Inline::new(|request| {
        write(&request.cwd, "a.txt", "made\n");
        write(&request.cwd, "test.sh", "exit 0 # easier\n");
        AgentOutcome::Succeeded
    });
    let gates = [
        quoted("echo edited > a.txt; rm README.md; echo new > untracked"),
        quoted("grep made a.txt && test -f README.md && sh ./test.sh"),
    ]
    .join(", ");
    let ran = one_task(&repo, agent, &format!("gates: [{gates}]")).await;
    assert_eq!(ran.statuses(), "a=done", "{:#?}", ran.outcome.view);
    let results = ran.events_of("a", "gate_result");
    assert_eq!(results[0]["changed_files"], serde_json::json!(["README.md", "a.txt"]));
    assert_eq!(results[1]["changed_files"], Value::Null);
    assert_eq!(repo.tree("main")["a.txt"], "made");
    let flagged = &said(&ran, "a", "judge_files")[0];
    assert!(flagged.1 && flagged.2.ends_with(":\ntest.sh"), "{flagged:?}");
}

#[tokio::test]
async fn a_tree_that_has_passed_is_not_judged_again_and_another_one_is() {
    for (resolved, runs) in [("b\n", 1), ("a and b\n", 2)] {
        let repo = ScratchRepo::new();
        let counted = quoted(&format!("echo run >> '{}'", repo.beside("count").display()));
        let landed = Arc::new(Semaphore::new(0));
        let open = landed.clone();
        let agent = Inline::waiting(move |request| {
            let landed = landed.clone();
            async move {
                let is_a = request.prompt.ends_with("make a");
                if !is_a {
                    landed.acquire().await.expect("never closed").forget();
                }
                let conflicts = std::fs::read_to_string(request.cwd.join("f.txt")).is_ok();
                let text = if is_a {
                    "a\n"
                } else if conflicts {
                    resolved
                } else {
                    "b\n"
                };
                write(&request.cwd, "f.txt", text);
                AgentOutcome::Succeeded
            }
        });
        let tasks =
            format!("  - {{id: a, prompt: make a}}\n  - {{id: b, prompt: make b, gates: [{counted}]}}\n");
        let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
        let run =
            engine.start(&spec("concurrency: 2", &tasks), RunOptions::default()).await.expect("started");
        let mut watcher = run.subscribe(0);
        while let Some(event) = watcher.next().await.expect("the store can be read") {
            if matches!(&event, convoy_core::engine::RunEvent::Recorded(record) if record.event.type_name() == "merge_done")
            {
                // For the first attempt and for the one that resolves the conflict.
                open.add_permits(2);
            }
        }
        let ran = finish(&engine, &run).await;
        assert_eq!(ran.statuses(), "a=done b=done", "{:#?}", ran.outcome.view);
        assert_eq!(ran.events_of("b", "merge_conflict_detected").len(), 1);
        assert_eq!(repo.lines_beside("count").len(), runs, "{resolved}");
        let results = ran.events_of("b", "gate_result");
        assert_eq!(results.len(), 2, "{results:#?}");
        assert_eq!(results[1]["reused"] == true, runs == 1, "{results:#?}");
        assert_eq!(results[0]["tree"] == results[1]["tree"], runs == 1);
        engine.shutdown().await;
    }
}
