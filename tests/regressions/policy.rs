//! Who gets another try, and who is rested.

use convoy_core::agent::AgentOutcome;
use convoy_core::types::{Failure, FailureKind};
use convoy_tests::{Inline, ScratchRepo, engine, last_word, prompt, write};

use crate::support::{Ran, run, run_with, scripted, spec};

#[tokio::test]
async fn without_retries_left_another_role_gets_one_try_in_a_session_of_its_own() {
    let repo = ScratchRepo::new();
    // The first role never does it; the other one does.
    let script = prompt("session s-1\nif-prompt \"You are a developer\" exit 1\nwrite a.txt made");
    let tasks = format!(
        "  - {{id: own, prompt: {script}}}\n  - {{id: stays, prompt: {script}, escalate_to: developer}}\n"
    );
    let head = "defaults: {escalate_to: security-expert, max_retries: 1}";
    let ran = run_with(engine(&repo), &scripted(head, &tasks)).await;
    assert_eq!(ran.statuses(), "own=done stays=failed");
    let agents = |id: &str| -> Vec<String> {
        let assigned = ran.events_of(id, "task_assigned");
        assigned.iter().map(|event| event["agent"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(agents("own"), ["developer", "developer", "security-expert"]);
    assert_eq!(agents("stays"), ["developer"; 3], "a task's own word counts");
    let retried = ran.events_of("own", "task_retried");
    assert_eq!(retried.len(), 2);
    assert_eq!((&retried[0]["escalated_to"], &retried[0]["retries"]), (&serde_json::Value::Null, &1.into()));
    assert_eq!((&retried[1]["escalated_to"], &retried[1]["retries"]), (&"security-expert".into(), &1.into()));
    let sessions: Vec<_> =
        ran.events_of("own", "task_started").iter().map(|event| event["session"].clone()).collect();
    assert_eq!(sessions, ["fresh", "continued", "fresh: the one before was developer's"]);
    assert_eq!(ran.task("stays").attempts, 3);
    assert_eq!(ran.events_of("stays", "dlq_entry_created").len(), 1, "one letter for all of it");
}

#[tokio::test]
async fn an_open_breaker_hands_tasks_to_the_fallback_and_after_the_cool_down_lets_one_task_try() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        let name = last_word(&request.prompt);
        write(&request.cwd, &format!("{name}.txt"), "made\n");
        if request.prompt.starts_with("You are a junior. ") && name.starts_with("bad") {
            return AgentOutcome::Failed(Failure::new(FailureKind::Error, "too hard"));
        }
        AgentOutcome::Succeeded
    });
    let task = |id: &str, more: &str| format!("  - {{id: {id}, prompt: make {id}, agent: junior{more}}}\n");
    let tasks = [
        task("bad1", ", priority: 9"),
        task("bad2", ", priority: 8"),
        task("bad3", ", priority: 7"),
        task("good1", ""),
        task("good2", ""),
    ];
    let breaker = "defaults: {max_retries: 0, circuit_breaker: {threshold: 2, cooldown_ms: 3600000, \
                   fallback_agent: senior}}";
    let ran = run(&repo, agent.clone(), &spec(&format!("concurrency: 1\n{breaker}"), &tasks.concat())).await;
    // The fallback is not only announced: it works. Each exhausted task is counted once.
    assert_eq!(ran.statuses(), "bad1=failed bad2=failed bad3=done good1=done good2=done");
    let fallback = &ran.events_of("bad3", "circuit_breaker_fallback")[0];
    assert_eq!(
        (&fallback["original_agent"], &fallback["fallback_agent"], &fallback["state"]),
        (&"junior".into(), &"senior".into(), &"open".into())
    );
    assert_eq!(agent.prompts("make bad3"), ["You are a senior. make bad3"]);
    let tripped = |ran: &Ran| {
        let of = |name: &str| ran.events.iter().filter(|record| record.event.type_name() == name).count();
        (of("circuit_breaker_tripped"), of("circuit_breaker_half_open"), of("circuit_breaker_closed"))
    };
    assert_eq!(tripped(&ran), (1, 0, 0));

    // Without a cool-down every next task is a probe, one after the other; one that is done closes it.
    let breaker = "defaults: {max_retries: 0, circuit_breaker: {threshold: 1, cooldown_ms: 0}}";
    let repo = ScratchRepo::new();
    let ran = run(&repo, agent, &spec(&format!("concurrency: 1\n{breaker}"), &tasks.concat())).await;
    assert_eq!(ran.statuses(), "bad1=failed bad2=failed bad3=failed good1=done good2=done");
    assert_eq!(tripped(&ran), (3, 3, 1));
}

#[tokio::test]
async fn a_budget_stops_the_convoy_and_says_what_was_used() {
    let repo = ScratchRepo::new();
    let script = prompt("tokens 400 200\ncost 0.75\nwrite a.txt made");
    let tasks = ["a", "b", "c"].map(|id| format!("  - {{id: {id}, prompt: {script}, files: [{id}]}}\n"));
    let head = "concurrency: 1\nbudget: {tokens: 1000, cost_usd: 50, wall_time: 24h}";
    let ran = run_with(engine(&repo), &scripted(head, &tasks.concat())).await;
    assert_eq!(ran.statuses(), "a=done b=done c=skipped");
    let exceeded: Vec<_> = ran.events.iter().map(|record| record.to_flat_json()).collect();
    let exceeded: Vec<_> = exceeded.iter().filter(|event| event["type"] == "budget_exceeded").collect();
    assert_eq!(exceeded.len(), 1, "{exceeded:?}");
    assert_eq!(
        (&exceeded[0]["scope"], &exceeded[0]["measure"], &exceeded[0]["limit"], &exceeded[0]["used"]),
        (&"convoy".into(), &"tokens".into(), &1000.0.into(), &1200.0.into())
    );
    let budget = &ran.outcome.view.budget;
    assert_eq!((budget.len(), budget[0].exceeded, budget[1].used), (3, true, Some(1.5)));
}

#[tokio::test]
async fn a_task_whose_own_budget_is_used_up_is_not_retried_and_the_others_run() {
    let repo = ScratchRepo::new();
    let script = prompt("tokens 400 200\nwrite a.txt made\nexit 1");
    let fine = prompt("write b.txt made");
    let tasks = format!(
        "  - {{id: a, prompt: {script}, max_retries: 5, budget: {{tokens: 1000, cost_usd: 5}}}}\n  \
         - {{id: b, prompt: {fine}}}\n  - {{id: c, prompt: {fine}, depends_on: [a]}}\n"
    );
    let ran = run_with(engine(&repo), &scripted("", &tasks)).await;
    assert_eq!(ran.statuses(), "a=skipped b=done c=skipped");
    let a = ran.task("a");
    assert_eq!((a.attempts, a.tokens), (2, Some(1200)));
    assert_eq!(a.waiting_for.as_deref(), Some("the budget of the task is used up"));
    let limits: Vec<_> = a.budget.iter().map(|of| (of.used, of.exceeded, of.at_least)).collect();
    assert_eq!(limits, [(Some(1200.0), true, false), (None, false, true)], "no cost was said");
    let exceeded: Vec<_> = ran.events.iter().map(|record| record.to_flat_json()).collect();
    let exceeded: Vec<_> = exceeded.iter().filter(|event| event["type"] == "budget_exceeded").collect();
    let said = exceeded.iter().map(|event| (&event["scope"], &event["task"], &event["used"]));
    assert_eq!(said.collect::<Vec<_>>(), [(&"task".into(), &"a".into(), &1200.0.into())]);
}
