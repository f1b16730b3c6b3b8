//! What is recorded: costs, and convoys beside each other in one store.

use std::fs;
use std::sync::Arc;

use convoy_core::agent::AgentOutcome;
use convoy_core::event::RunOptions;
use convoy_core::types::{ConvoyStatus, Failure, FailureKind, TaskId};
use convoy_tests::{Inline, ScratchRepo, claude_on_path, engine, host_env, last_word, prompt, write};
use serde_json::{Value, json};

use crate::support::{AGENT, Ran, finish, landed, run_with, spec, start};

/// Runs tasks with the scripted agent in the role of `claude`.
async fn as_claude(repo: &ScratchRepo, tasks: &str) -> Ran {
    let bin = claude_on_path(&repo.beside(""), AGENT).expect("a folder");
    let mut env = host_env(repo);
    env.insert("PATH".to_owned(), format!("{}:{}", bin.display(), convoy_tests::PATH));
    run_with(engine(repo).env(env), &format!("name: test\nversion: 1\nadapter: claude\ntasks:\n{tasks}"))
        .await
}

#[tokio::test]
async fn tokens_and_money_are_recorded_for_every_attempt_and_absent_where_nobody_reported_them() {
    let repo = ScratchRepo::new();
    let failed = repo.beside("failed").display().to_string();
    let tasks = format!(
        "  - {{id: paid, prompt: {}, max_retries: 1}}\n  - {{id: silent, prompt: {}}}\n",
        prompt(&format!("tokens 100 20\ncost 0.25\nwrite a.txt a\nfail-times 1 {failed}")),
        prompt("write b.txt b"),
    );
    let ran = as_claude(&repo, &tasks).await;
    ran.assert_done();
    let status = serde_json::to_value(&ran.outcome.view).expect("JSON");
    assert_eq!((&status["tokens"], &status["cost_usd"]), (&json!(240), &json!(0.5)));
    let calls = |total, silent| json!({"total": total, "without_tokens": silent, "without_cost": silent});
    assert_eq!(status["agent_calls"], calls(3, 1), "the sum leaves one out, and says so");
    let of_tasks = [&status["tasks"][0]["agent_calls"], &status["tasks"][1]["agent_calls"]];
    assert_eq!(of_tasks, [&calls(2, 0), &calls(1, 1)]);
    let paid = &status["tasks"][0];
    assert_eq!(
        (&paid["attempts"], &paid["tokens"], &paid["cost_usd"]),
        (&json!(2), &json!(240), &json!(0.5))
    );
    let silent = status["tasks"][1].as_object().expect("an object");
    assert!(!silent.contains_key("tokens") && !silent.contains_key("cost_usd"), "{silent:?}");

    for event in ran.events_of("paid", "task_agent_ended") {
        let usage = &event["usage"];
        assert_eq!(
            (&usage["input"], &usage["output"], &usage["cost_usd"]),
            (&json!(100), &json!(20), &json!(0.25))
        );
    }
    assert_eq!(ran.events_of("silent", "task_agent_ended")[0]["usage"], json!({}));
    assert_eq!(ran.events_of("paid", "task_snapshot")[1]["work"]["changed"], true);

    let text = fs::read_to_string(repo.root().join(".convoy/logs/convoys.ndjson")).expect("the file");
    let line: Value = serde_json::from_str(text.trim_end()).expect("one line");
    assert_eq!(line["agent_calls"], calls(3, 1));
    assert_eq!((&line["total_tokens"], &line["total_cost_usd"]), (&json!(240), &json!(0.5)));
    assert_eq!(line["tasks"][0]["total_tokens"], 240);
    assert!(line["tasks"][1].get("total_tokens").is_none(), "{line}");
}

#[tokio::test]
async fn the_files_that_an_attempt_changed_are_counted() {
    let repo = ScratchRepo::new();
    repo.write("old.txt", "1\n2\n3\n");
    repo.commit("More");
    let first = std::sync::atomic::AtomicBool::new(true);
    let agent = Inline::new(move |request| {
        match last_word(&request.prompt) {
            "three" => {
                write(&request.cwd, "new.txt", "new\n");
                write(&request.cwd, "README.md", "changed\n");
                fs::rename(request.cwd.join("old.txt"), request.cwd.join("renamed.txt")).expect("renamed");
            }
            "doubt" => {
                write(&request.cwd, "some.txt", "x\n");
                if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                    write(&request.cwd, "and-more.txt", "x\n");
                    return AgentOutcome::Failed(Failure::new(FailureKind::Error, "not yet"));
                }
            }
            _ => {}
        }
        AgentOutcome::Succeeded
    });
    let tasks = "  - {id: a, prompt: change three}\n  - {id: b, prompt: be in doubt, depends_on: [a], \
                 max_retries: 1}\n  - {id: c, prompt: do nothing}\n";
    let ran = crate::support::run(&repo, agent, &spec("", tasks)).await;
    ran.assert_done();
    // What others landed before is not counted for those who work upon it.
    let counts = |id| -> Vec<Value> {
        let events = ran.events_of(id, "task_snapshot");
        events.iter().map(|event| event["files_changed"].clone()).collect()
    };
    assert_eq!(
        (counts("a"), counts("b"), counts("c")),
        (vec![json!(3)], vec![json!(2), json!(1)], vec![json!(0)])
    );
    let status = serde_json::to_value(&ran.outcome.view).expect("JSON");
    let text = fs::read_to_string(repo.root().join(".convoy/logs/convoys.ndjson")).expect("the file");
    let line: Value = serde_json::from_str(text.trim_end()).expect("one line");
    for said in [&status, &line] {
        let counts: Vec<&Value> = (0..3).map(|ix| &said["tasks"][ix]["files_changed"]).collect();
        assert_eq!(counts, [&json!(3), &json!(1), &json!(0)], "{said}");
    }
}

#[tokio::test]
async fn convoys_in_one_store_may_have_the_same_tasks_and_each_stays_addressable() {
    let repo = ScratchRepo::new();
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = broken.clone();
    let agent = Inline::new(move |request| {
        let name = last_word(&request.prompt);
        let good = !flag.load(std::sync::atomic::Ordering::SeqCst);
        write(&request.cwd, name, if good { "good\n" } else { "bad\n" });
        AgentOutcome::Succeeded
    });
    let same = spec("defaults: {max_retries: 0}", "  - {id: a, prompt: make x, gates: [grep good x]}\n");
    let other = spec("", "  - {id: a, prompt: make y}\n  - {id: b, prompt: make z, depends_on: [a]}\n");
    let built = || engine(&repo).adapter(agent.clone()).build();

    let first_engine = built().await.expect("an engine");
    let first = start(&first_engine, &same).await;
    assert_eq!(first.status(), ConvoyStatus::Failed);
    first_engine.shutdown().await;

    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    let engine = built().await.expect("an engine");
    let second = start(&engine, &same).await;
    let third = start(&engine, &other).await;
    second.assert_done();
    third.assert_done();
    engine
        .start("name: empty\nversion: 1\ntasks: []\n", RunOptions::default())
        .await
        .expect_err("nothing to run");
    let ids: Vec<_> = [&third, &second, &first].map(|ran| ran.outcome.view.convoy_id.clone()).into();
    let listed: Vec<_> = engine.list().await.expect("a list").into_iter().map(|summary| summary.id).collect();
    assert_eq!(listed, ids, "all of them, the newest first");

    let first_id = &ids[2];
    assert_eq!(engine.status(first_id).await.expect("the first"), first.outcome.view);
    let a = TaskId::new("a").expect("valid");
    let logs = [engine.log_path(&ids[1], &a, None).await, engine.log_path(first_id, &a, None).await];
    let [two, one] = logs.map(|log| log.expect("a log"));
    assert!(one != two && one.exists() && two.exists());
    let again = finish(&engine, &engine.retry(first_id, &[]).await.expect("taken up")).await;
    again.assert_done();
    // The first one's work adds nothing to the second's, which has landed before.
    assert_eq!(repo.files("main"), ["README.md", "x", "y", "z"]);
    assert_eq!(engine.status(&ids[1]).await.expect("the second"), second.outcome.view);
    assert_eq!(landed(&repo, "main").len(), 4);
    engine.shutdown().await;
}
