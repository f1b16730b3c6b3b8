//! Hooks that review: what their reviewers see at each moment, and what becomes of what they block.

use std::sync::Arc;

use convoy_core::agent::{AgentOutcome, AgentRequest};
use convoy_core::types::ConvoyStatus;
use convoy_tests::{Critic, Inline, ScratchRepo, engine, last_word, verdict, write};

use crate::support::{Ran, landed, run_with, spec};

fn agent() -> Arc<Inline> {
    Inline::new(|request| {
        let name = last_word(&request.prompt);
        write(&request.cwd, &format!("{name}.txt"), "made\n");
        AgentOutcome::Succeeded
    })
}

/// Two tasks, the second with reviews before and after it, and one of everything at the end.
async fn reviewed(repo: &ScratchRepo, defaults: &str, critic: &Arc<Critic>) -> Ran {
    let head = format!(
        "defaults: {{reviewer_adapter: critic, review: none, max_retries: 2, {defaults}}}\n\
         hooks: [{{type: review, name: whole}}]"
    );
    let tasks = "  - {id: a, prompt: make a, hooks: [{type: review, on: pre_task}]}\n\
                 \x20 - {id: b, prompt: make b, depends_on: [a], hooks: [{type: review, name: after}, \
                 {type: review, on: pre_task, name: before}]}\n";
    run_with(engine(repo).adapter(agent()).adapter(critic.clone()), &spec(&head, tasks)).await
}

/// Which of the three reviews this is, by what it is shown.
fn moment(request: &AgentRequest) -> &'static str {
    match (request.prompt.contains("b/a.txt"), request.prompt.contains("b/b.txt")) {
        (true, false) => "before",
        (false, true) => "after",
        (true, true) => "whole",
        (false, false) => panic!("nothing to review: {}", request.prompt),
    }
}

#[tokio::test]
async fn a_review_is_of_what_is_there_at_its_moment_and_a_block_is_final() {
    for blocks in ["nothing", "before", "after", "whole"] {
        let repo = ScratchRepo::new();
        let critic = Critic::new(move |request| match moment(request) == blocks {
            true => verdict(request, "block", "not like this"),
            false => verdict(request, "pass", "fine"),
        });
        let ran = reviewed(&repo, "detect_drift: false", &critic).await;
        let asked: Vec<&str> = critic.requests().iter().map(moment).collect();
        // Where nothing is merged yet nobody is asked.
        let first = &ran.events_of("a", "hook_result")[0];
        assert_eq!((&first["passed"], &first["hook_type"]), (&true.into(), &"review".into()));
        let (status, statuses, seen): (_, _, &[&str]) = match blocks {
            "before" => (ConvoyStatus::Failed, "a=done b=hook-failed", &["before", "whole-of-a"]),
            "after" => (ConvoyStatus::Failed, "a=done b=hook-failed", &["before", "after", "whole-of-a"]),
            "whole" => (ConvoyStatus::HookFailed, "a=done b=done", &["before", "after", "whole"]),
            _ => (ConvoyStatus::Done, "a=done b=done", &["before", "after", "whole"]),
        };
        assert_eq!((ran.status(), ran.statuses().as_str()), (status, statuses), "{blocks}");
        // Of what is merged without `b` the last review sees what the first one saw.
        let seen: Vec<&str> = seen.iter().map(|of| if *of == "whole-of-a" { "before" } else { of }).collect();
        assert_eq!(asked, seen, "{blocks}: never tried again");
        assert!(critic.requests().iter().all(|request| request.read_only));
        if let "before" | "after" = blocks {
            assert_eq!(ran.failed_with("b"), format!("hook:{blocks}"));
            assert!(ran.failure("b").output_tail.contains("not like this"));
            assert_eq!(landed(&repo, "main"), ["a"]);
            let hooks = ran.events_of("b", "hook_result");
            let last = hooks.last().expect("it was told");
            assert_eq!((&last["hook"], &last["passed"]), (&blocks.into(), &false.into()));
        }
        let prompts = critic.requests();
        assert!(prompts[0].prompt.contains("Task a:\nmake a"), "what was asked of those who made it");
        if blocks == "nothing" {
            assert!(prompts[1].prompt.contains("make b") && !prompts[1].prompt.contains("make a"));
            assert_eq!(ran.outcome.view.tokens, Some(30), "all three are paid for");
        }
        repo.assert_sound_and_clean();
        assert_eq!(repo.worktrees().len(), 1, "{:?}", repo.worktrees());
    }
}

#[tokio::test]
async fn a_review_that_cannot_be_made_or_paid_for_lets_nothing_pass() {
    let repo = ScratchRepo::new();
    let critic = Critic::new(|_| "looks good to me".to_owned());
    let ran = reviewed(&repo, "detect_drift: false", &critic).await;
    assert_eq!(ran.failed_with("b"), "hook:before");
    assert!(ran.failure("b").message.contains("could not be made"), "{:?}", ran.failure("b"));

    for policy in ["", ", on_review_budget_exceeded: downgrade", ", on_review_budget_exceeded: stop"] {
        let repo = ScratchRepo::new();
        let critic = Critic::new(|request| verdict(request, "pass", "fine"));
        let ran = reviewed(&repo, &format!("review_budget: 10{policy}"), &critic).await;
        assert_eq!((ran.failed_with("b").as_str(), critic.requests().len()), ("hook:after", 1), "{policy}");
        assert!(ran.failure("b").message.contains("10 of 10 tokens"), "{:?}", ran.failure("b"));
        assert_eq!(landed(&repo, "main"), ["a"]);
        assert_eq!(ran.outcome.view.failed_hooks, ["whole"], "the review at the end is of the same budget");
    }
}
