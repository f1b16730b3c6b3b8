//! Who gets another try, and who is rested.

use convoy_tests::{ScratchRepo, engine, prompt};

use crate::support::{run_with, scripted};

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
