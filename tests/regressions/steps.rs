//! Steps of a task: what each is told, when it runs, and what becomes of the attempt when one fails.

use std::sync::Arc;

use convoy_core::agent::{AgentOutcome, AgentRequest};
use convoy_core::event::RunOptions;
use convoy_core::types::{Failure, FailureKind};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, prompt, write};
use tokio::sync::Notify;

use crate::support::{Ran, finish, kept, landed, quoted, run, run_with, scripted, spec};

/// Writes a file named by the last word of what it is asked; with `fails` there it exits with 7.
fn act(request: &AgentRequest) -> AgentOutcome {
    let name = last_word(&request.prompt);
    write(&request.cwd, &format!("{name}.txt"), "made\n");
    if name != "fails" {
        return AgentOutcome::Succeeded;
    }
    let failure = Failure::new(FailureKind::Error, "it said no");
    AgentOutcome::Failed(Failure { exit_code: Some(7), ..failure })
}

fn asked(agent: &Inline) -> Vec<String> {
    agent.requests().iter().map(|request| last_word(&request.prompt).to_owned()).collect()
}

/// `id=status` of every step that was finished or skipped.
fn ends(ran: &Ran) -> String {
    let one = |event: serde_json::Value| {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        format!("{}={}", text("step"), text("status"))
    };
    ran.events_of("a", "step_finished").into_iter().map(one).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn steps_share_a_worktree_and_a_session_and_the_task_leads_the_first() {
    for remembers in [true, false] {
        let repo = ScratchRepo::new();
        let agent = Inline::new(|request| {
            assert!(last_word(&request.prompt) != "two" || request.cwd.join("one.txt").exists());
            act(request)
        });
        let agent = if remembers { agent.remembering() } else { agent };
        let steps = "steps: [{id: first, prompt: make one}, {prompt: make two}]";
        let tasks = format!("  - {{id: a, prompt: Do as told., {steps}}}\n");
        let ran = run(&repo, agent.clone(), &spec("", &tasks)).await;
        ran.assert_done();
        let requests = agent.requests();
        assert_eq!(requests[0].prompt, "You are a developer. Do as told.\n\nmake one");
        let second = if remembers { "make two" } else { "You are a developer. make two" };
        assert_eq!((requests.len(), requests[1].prompt.as_str()), (2, second));
        let sessions: Vec<Option<&str>> =
            requests.iter().map(|request| request.session.as_ref().map(|id| id.as_str())).collect();
        assert_eq!(sessions, [None, remembers.then_some("session-1")]);
        let starts = ran.events_of("a", "step_started");
        assert_eq!((&starts[0]["step"], &starts[0]["session"]), (&"first".into(), &"fresh".into()));
        let told = if remembers { "continued" } else { "fresh: the step before left no session" };
        assert_eq!(
            (&starts[1]["step"], &starts[1]["session"], &starts[1]["of"]),
            (&"2".into(), &told.into(), &2.into())
        );
        assert_eq!(ends(&ran), "first=passed 2=passed");
        assert_eq!((ran.task("a").attempts, ran.events_of("a", "task_started").len()), (1, 1));
        let tree = repo.tree("main");
        assert!(tree.contains_key("one.txt") && tree.contains_key("two.txt"), "{tree:?}");
        // The limit is for all steps together.
        assert!(requests[1].timeout < requests[0].timeout, "{requests:?}");
    }
}

#[tokio::test]
async fn a_step_whose_gate_fails_is_tried_again_where_it_stands_and_knows_what_failed() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        let file = if request.prompt.contains("it is not good") { "good.txt" } else { "bad.txt" };
        write(&request.cwd, file, "made\n");
        AgentOutcome::Succeeded
    });
    let agent = agent.remembering();
    let gate = quoted("test -e good.txt || { echo it is not good; exit 4; }");
    let steps = format!("steps: [{{prompt: make it, gates: [{gate}], max_retries: 2}}, {{prompt: go on}}]");
    let tasks = format!("  - {{id: a, prompt: Task., max_retries: 0, {steps}}}\n");
    let ran = run(&repo, agent.clone(), &spec("", &tasks)).await;
    ran.assert_done();
    let requests = agent.requests();
    assert_eq!((requests.len(), ran.task("a").attempts), (3, 1), "tried again within the attempt");
    let retry = &requests[1].prompt;
    assert!(retry.contains("exit code 4") && retry.contains("it is not good"), "{retry}");
    assert!(retry.ends_with("You are a developer. Task.\n\nmake it"), "{retry}");
    assert_eq!(requests[1].session.as_ref().map(|id| id.as_str()), Some("session-1"));
    let tree = repo.tree("main");
    assert!(tree.contains_key("bad.txt") && tree.contains_key("good.txt"), "the directory stays: {tree:?}");
    let (start, end) = (&ran.events_of("a", "step_started")[1], &ran.events_of("a", "step_finished")[0]);
    assert_eq!((&start["retry"], &start["failure"]["exit_code"]), (&1.into(), &4.into()));
    assert_eq!(
        (&end["status"], &end["retries"], &end["exit_code"]),
        (&"passed".into(), &1.into(), &0.into())
    );
    let log = |name: &str| {
        let path = format!(".convoy/logs/{}/0-a/attempt-1.{name}", ran.outcome.view.convoy_id);
        std::fs::read_to_string(repo.root().join(path)).expect("a log")
    };
    for text in [log("log"), log("prompt.md")] {
        let titles: Vec<&str> = text.lines().filter(|line| line.starts_with("==== ")).collect();
        assert_eq!(titles, ["==== step 1 of 2: 1", "==== step 1 of 2: 1, retry 1", "==== step 2 of 2: 2"]);
    }
}

#[tokio::test]
async fn a_step_runs_if_all_of_its_condition_holds() {
    let cases = [
        ("{step: bad, exitCode: {eq: 7}}", true),
        ("{step: bad, exitCode: {ne: 7}}", false),
        ("{step: bad, exitCode: {gt: 6, lt: 8}}", true),
        ("{step: bad, exitCode: {gt: 7}}", false),
        ("{step: good, exitCode: {eq: 0}}", true),
        ("{step: skipped, exitCode: {eq: 0}}", true),
        ("{step: nobody, exitCode: {eq: 0}}", false),
        ("{fileExists: {path: good.txt}}", true),
        ("{fileExists: {path: nothing.txt}}", false),
        ("{step: bad, exitCode: {ne: 0}, fileExists: {path: nothing.txt}}", false),
        ("{step: bad, exitCode: {ne: 0}, fileExists: {path: ./good.txt}}", true),
        ("{}", true),
    ];
    let mut steps = "{id: good, prompt: make good}, {id: bad, prompt: it fails}, \
                     {id: skipped, prompt: no, if: {fileExists: {path: nothing.txt}}}"
        .to_owned();
    for (at, (condition, _)) in cases.iter().enumerate() {
        steps += &format!(", {{id: c{at}, prompt: make c{at}, if: {condition}}}");
    }
    let repo = ScratchRepo::new();
    let agent = Inline::new(act);
    let tasks = format!(
        "  - {{id: a, prompt: Task., max_retries: 0, on_step_failure: continue, steps: [{steps}, {{prompt: make last}}]}}\n"
    );
    let ran = run(&repo, agent.clone(), &spec("", &tasks)).await;
    ran.assert_done();
    let asked = asked(&agent);
    for (at, (condition, wanted)) in cases.iter().enumerate() {
        assert_eq!(asked.contains(&format!("c{at}")), *wanted, "{condition}");
    }
    let bad = &ran.events_of("a", "step_finished")[1];
    assert_eq!((&bad["status"], &bad["exit_code"]), (&"failed".into(), &7.into()));
}

#[tokio::test]
async fn a_step_that_fails_for_good_ends_the_attempt_unless_later_ones_are_to_run() {
    let good = "{id: x, prompt: make x}";
    let bad = "{id: bad, prompt: it fails}";
    let cases = [
        ("stop", format!("{bad}, {good}"), "a=failed", "bad=failed"),
        ("stop", format!("{good}, {bad}"), "a=failed", "x=passed bad=failed"),
        ("continue", format!("{bad}, {good}"), "a=done", "bad=failed x=passed"),
        ("continue", format!("{good}, {bad}"), "a=failed", "x=passed bad=failed"),
        (
            "stop",
            "{id: never, prompt: no, if: {fileExists: {path: no}}}".to_owned(),
            "a=done",
            "never=skipped",
        ),
        (
            "continue",
            format!("{bad}, {{id: never, prompt: no, if: {{fileExists: {{path: no}}}}}}"),
            "a=failed",
            "bad=failed never=skipped",
        ),
    ];
    for (on_failure, steps, status, wanted) in cases {
        let repo = ScratchRepo::new();
        let tasks = format!(
            "  - {{id: a, prompt: Task., max_retries: 0, on_step_failure: {on_failure}, steps: [{steps}]}}\n"
        );
        let ran = run(&repo, Inline::new(act), &spec("", &tasks)).await;
        assert_eq!((ran.statuses().as_str(), ends(&ran).as_str()), (status, wanted), "{on_failure} {steps}");
        if status == "a=failed" {
            assert_eq!((ran.failed_with("a").as_str(), ran.failure("a").exit_code), ("error", Some(7)));
            assert_eq!(landed(&repo, "main"), [""; 0]);
            assert_eq!(
                kept(&repo).iter().filter(|name| name.starts_with("0-a/")).count(),
                1,
                "its work is kept"
            );
        }
    }
}

#[tokio::test]
async fn an_attempt_that_was_interrupted_in_a_step_is_repeated_from_its_first() {
    let repo = ScratchRepo::new();
    let reached = Arc::new(Notify::new());
    let tell = reached.clone();
    let first = Inline::waiting(move |request: AgentRequest| {
        let tell = tell.clone();
        async move {
            if last_word(&request.prompt) == "two" {
                tell.notify_one();
                std::future::pending::<()>().await;
            }
            act(&request)
        }
    });
    let tasks = "  - {id: a, prompt: Task., steps: [{prompt: make one}, {prompt: make two}]}\n";
    let one = engine(&repo).adapter(first.clone()).build().await.expect("an engine");
    let begun = one.start(&spec("", tasks), RunOptions::default()).await.expect("started");
    reached.notified().await;
    one.shutdown().await;
    drop(begun);
    let second = Inline::new(act);
    let two = engine(&repo).adapter(second.clone()).build().await.expect("an engine");
    let ran = finish(&two, &two.resume(None).await.expect("resumed")).await;
    ran.assert_done();
    assert_eq!(
        (asked(&first), asked(&second)),
        (vec!["one".into(), "two".into()], vec!["one".into(), "two".into()])
    );
    assert!(ran.outcome.view.tasks[0].failure.is_none(), "it used no retry");
    two.shutdown().await;
}

#[tokio::test]
async fn what_all_steps_consume_is_added_up_also_when_one_fails() {
    let repo = ScratchRepo::new();
    let step = |script: &str| format!("{{prompt: {}}}", prompt(script));
    let steps = [step("tokens 1 10\nwrite a.txt a"), step("tokens 2 20\nexit 3")].join(", ");
    let tasks = format!("  - {{id: a, prompt: Task., max_retries: 0, steps: [{steps}]}}\n");
    let ran = run_with(engine(&repo), &scripted("", &tasks)).await;
    assert_eq!(ran.statuses(), "a=failed");
    assert_eq!(ran.task("a").tokens, Some(33));
    assert_eq!(ran.failure("a").exit_code, Some(3));
}

#[tokio::test]
async fn a_secret_in_the_prompt_of_any_step_keeps_it_from_being_sent() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(act);
    let token = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let tasks =
        format!("  - {{id: a, prompt: Task., steps: [{{prompt: make one}}, {{prompt: use {token} two}}]}}\n");
    let ran = run(&repo, agent.clone(), &spec("", &tasks)).await;
    assert_eq!((ran.statuses().as_str(), ran.failed_with("a").as_str()), ("a=failed", "secret-in-prompt"));
    assert!(agent.requests().iter().all(|request| !request.prompt.contains("ghp_")));
}
