//! Reviews that cannot be made.

use convoy_core::error::ErrorKind;
use convoy_core::event::RunOptions;
use convoy_tests::{ScratchRepo, engine, prompt};

use crate::support::{AGENT, landed, run_with, scripted};

/// A task whose agent changes more than the rules let pass without a review.
fn task(review: &str) -> String {
    let script = (1..=20).map(|n| format!("append f.txt line {n}\n")).collect::<String>();
    format!("  - {{id: a, max_retries: 0, {review} prompt: {}}}\n", prompt(script.trim_end()))
}

#[tokio::test]
async fn without_a_reviewer_nothing_passes_a_review() {
    // The agent program of these tasks cannot be kept from writing.
    let repo = ScratchRepo::new();
    let ran = run_with(engine(&repo), &scripted("", &task(""))).await;
    ran.assert_done();
    assert_eq!(ran.outcome.view.totals.unreviewed, 1);
    let verdict = &ran.events_of("a", "review_verdict")[0];
    assert_eq!(verdict["verdict"], "skipped");
    let reason = verdict["reason"].as_str().expect("a text");
    assert!(reason.contains("cannot be kept from writing"), "{reason}");
    assert_eq!(ran.events_of("a", "review_started"), [] as [serde_json::Value; 0]);
    assert_eq!(landed(&repo, "main"), ["a"]);
}

#[tokio::test]
async fn what_asks_for_a_review_that_nobody_can_make_is_not_started() {
    let hook = "hooks: [{type: review}], ";
    for (head, review, what) in [
        ("", "review: fast, ", "of a"),
        ("", "review: panel, ", "of a"),
        ("", hook, "of a"),
        ("hooks: [{type: review, on: post_convoy}]", "review: none, ", "of the merged result"),
    ] {
        let repo = ScratchRepo::new();
        let engine = engine(&repo).build().await.expect("an engine");
        let refused = engine.start(&scripted(head, &task(review)), RunOptions::default()).await;
        let error = refused.expect_err("nobody can review");
        assert_eq!(error.kind(), ErrorKind::Agent, "{error}");
        for said in
            [what, "cannot be kept from writing", "`reviewer_adapter`", "capabilities", "review runner"]
        {
            assert!(error.to_string().contains(said), "{said}: {error}");
        }
        assert!(engine.list().await.expect("lists").is_empty());
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn an_agent_program_that_may_only_read_reviews() {
    let repo = ScratchRepo::new();
    let args = repo.beside("args");
    let program = serde_json::Value::String(AGENT.to_owned());
    let head = format!(
        "  critic:\n    command: [{program}, --json]\n    read_only: [--only-read]\n    output: json\n    \
         fields: {{result: /result, terminal: /type=result, input_tokens: /usage/in, output_tokens: /usage/out}}\n\
         defaults: {{reviewer_adapter: critic}}"
    );
    let lines: String = (1..=20).map(|n| format!("append f.txt line {n}\n")).collect();
    // The last word counts.
    let review = format!(
        "record-args {}\ntokens 5 2\nverdict block a first thought\nverdict pass fine",
        args.display()
    );
    let text = format!("Do it.\n```script\n{lines}```\n```review\n{review}\n```\n");
    let tasks = format!("  - {{id: a, max_retries: 1, prompt: {}}}\n", crate::support::quoted(&text));
    let ran = run_with(engine(&repo), &scripted(&head, &tasks)).await;
    ran.assert_done();
    let verdicts = ran.events_of("a", "review_verdict");
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    assert_eq!((&verdicts[0]["verdict"], &verdicts[0]["tokens"]), (&"pass".into(), &7.into()));
    assert_eq!(repo.lines_beside("args").last().map(String::as_str), Some("--only-read"));
    let log = format!(".convoy/logs/{}/0-a/attempt-1.review-1.log", ran.outcome.view.convoy_id);
    let log = std::fs::read_to_string(repo.root().join(log)).expect("the reviewer's log");
    assert!(log.contains("\"type\":\"result\""), "{log}");
}
