//! What a failure leads to, beyond the table: stops, escalations, interrupted tasks, work without a change.

use std::time::Duration;

use super::build::{after, planned, spec, task};
use super::steps::names;
use super::world::World;
use crate::event::{AgentOutcome, AttemptKind, Event, RequestKind, TaskEvent};
use crate::schedule::{Action, PrepareReport, Report};
use crate::spec::{OnExhausted, Retry, Task};
use crate::types::{FailureKind, TaskStatus};

#[test]
fn a_stop_ends_retries_of_others_and_what_they_wait_for() {
    let stopper = Task { on_exhausted: OnExhausted::Stop, ..task("stopper") };
    let patient = |id: &str| Task { max_retries: 5, ..task(id) };
    let mut world = World::new(&planned(spec(vec![stopper, patient("waits"), patient("works")])));
    world.agent_fails("waits", FailureKind::Error);
    world.snapshot("waits", true);
    assert_eq!(world.status("waits"), TaskStatus::Pending, "it waits for its retry");
    world.agent_fails("stopper", FailureKind::Error);
    world.snapshot("stopper", true);
    assert_eq!(world.status("waits"), TaskStatus::Skipped);
    world.agent_fails("works", FailureKind::Error);
    let turn = world.snapshot("works", true);
    assert_eq!(names(&turn), ["task_snapshot", "task_failed", "dlq_entry_created", "convoy_failed"]);
}

#[test]
fn an_escalation_is_one_attempt_by_another_role_after_all_retries_and_is_told() {
    let other = || Some("expert".to_owned());
    let bad = Task { max_retries: 1, escalate_to: other(), retry: at_once(), ..task("bad") };
    let mut world = World::new(&planned(spec(vec![bad])));
    let mut agents = Vec::new();
    while let Some(Action::Work(order)) = world.asked("bad") {
        agents.push((order.agent.clone(), order.kind));
        world.agent_fails("bad", FailureKind::Error);
        let turn = world.snapshot("bad", true);
        for event in turn.events {
            if let Event::Task { event: TaskEvent::Retried { escalated_to, retries, .. }, .. } = event {
                let last = (agents.len() == 2).then(|| "expert".to_owned());
                assert_eq!((escalated_to, retries), (last, 1));
            }
        }
    }
    let by = |agent: &str, kind| (agent.to_owned(), kind);
    let (first, retry) = (AttemptKind::First, AttemptKind::Retry);
    assert_eq!(agents, [by("developer", first), by("developer", retry), by("expert", retry)]);
    assert_eq!(world.status("bad"), TaskStatus::Failed);
    // A person's retry begins with the task's own role again.
    world.retry(&["bad"]);
    let Some(Action::Work(order)) = world.asked("bad") else { panic!("it is taken up") };
    assert_eq!((order.agent.as_str(), world.task("bad").escalated), ("developer", false));
}

#[test]
fn whoever_was_interrupted_or_met_a_conflict_goes_on_itself() {
    let bad = Task { escalate_to: Some("expert".to_owned()), ..task("a") };
    let mut world = World::new(&planned(spec(vec![bad, task("b")])));
    world.agent_fails("a", FailureKind::Error);
    world.snapshot("a", true);
    world.request(RequestKind::Interrupt { reason: "Ctrl-C".into() });
    world.agent_ends("a", AgentOutcome::Interrupted);
    let mut world = World::resumed(&world.plan, &world.log, false);
    world.snapshot("a", true);
    let role = |world: &World| match world.asked("a") {
        Some(Action::Work(order)) => (order.agent.clone(), order.kind),
        other => panic!("{other:?}"),
    };
    assert_eq!(role(&world), ("expert".to_owned(), AttemptKind::Repeat));
    world.works("a");
    world.passes("a");
    world.conflicts("a");
    assert_eq!(role(&world), ("expert".to_owned(), AttemptKind::Resolve));
}

fn at_once() -> Retry {
    Retry { backoff: Duration::ZERO, max_backoff: Duration::from_secs(1), jitter: false }
}

#[test]
fn an_agent_that_the_engine_interrupted_is_no_pending_task_to_a_stop() {
    let stopper = Task { on_exhausted: OnExhausted::Stop, ..task("stopper") };
    let plan = planned(spec(vec![stopper, task("busy"), after("rest", &["busy"])]));
    let mut world = World::new(&plan);
    world.works("stopper");
    let mut world = World::resumed(&plan, &world.log, false);
    world.request(RequestKind::Pause);
    world.snapshot("busy", true);
    assert_eq!(world.status("busy"), TaskStatus::Pending, "it waits to be repeated");
    world.gate_fails("stopper");
    assert_eq!((world.status("busy"), world.status("rest")), (TaskStatus::Pending, TaskStatus::Skipped));
    // The next engine knows it, too.
    let mut world = World::resumed(&plan, &world.log, false);
    world.lands("busy");
    world.publishes();
    assert_eq!((world.status("busy"), world.task("busy").attempts), (TaskStatus::Done, 2));
    assert_eq!(world.status("rest"), TaskStatus::Skipped);
}

#[test]
fn work_without_a_change_is_done_without_a_landing() {
    let mut world = World::new(&planned(spec(vec![task("a"), after("b", &["a"])])));
    world.agent_ends("a", AgentOutcome::Succeeded);
    world.snapshot("a", false);
    assert_eq!(names(&world.passes("a")), ["task_done", "task_assigned"]);
    assert!(world.task("a").no_changes && world.task("a").commit.is_none());
    world.works("b");
    world.passes("b");
    // The tip came to hold the work by other ways.
    let turn = world.say("b", Report::Prepared(PrepareReport::Nothing));
    assert_eq!(names(&turn), ["task_done", "convoy_finished"]);
    assert!(world.task("b").no_changes && world.open.is_empty());
}
