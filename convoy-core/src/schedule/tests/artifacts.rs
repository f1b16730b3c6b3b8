//! What tasks leave for each other.

use super::build::{artifacts, leaving, needing, planned, spec, task};
use super::choose::Choices;
use super::steps::names;
use super::world::World;
use crate::event::{AgentOutcome, RequestKind, TaskEvent};
use crate::schedule::{Action, Turn};
use crate::spec::{Concurrency, OnFailure, Spec, Task};
use crate::state::view;
use crate::types::{ConvoyStatus, Failure, FailureKind, MOST_ARTIFACTS, TaskStatus};

/// `b` needs the plan of `a`, `c` needs `b`.
fn convoy(a: Task) -> World {
    let c = super::build::after("c", &["b"]);
    World::new(&planned(spec(vec![a, needing("b", &[("a", "plan")]), c])))
}

/// The agent of a task succeeds and leaves nothing, and nobody minds: as work that a person made.
fn leaves_nothing(world: &mut World, id: &str) -> Turn {
    world.agent_ends(id, AgentOutcome::Succeeded);
    let work = world.work_of(id);
    world.taken(id, work, Vec::new(), None)
}

#[test]
fn a_task_gets_the_artifacts_of_those_before_it_once_they_are_done() {
    let mut world = convoy(leaving("a", &["plan", "more"]));
    world.agent_ends("a", AgentOutcome::Succeeded);
    let turn = world.snapshot("a", true);
    assert_eq!(names(&turn), ["artifact_stored", "artifact_stored", "task_snapshot"]);
    assert!(world.task("a").artifacts.is_empty(), "not before it is done");
    world.passes("a");
    world.prepares("a");
    world.advances("a");
    let Some(Action::Work(order)) = world.asked("b") else { panic!("it starts") };
    let got: Vec<(&str, &str, &str)> = order
        .inputs
        .iter()
        .map(|input| (input.as_.as_str(), input.from.as_str(), input.name.as_str()))
        .collect();
    assert_eq!(got, [("plan", "a", "plan")]);
    assert_eq!(order.inputs[0].oid, world.task("a").artifacts[0].oid);
    let shown = view(world.state());
    let shown: Vec<(&str, u64)> =
        shown.tasks[0].artifacts.iter().map(|a| (a.name.as_str(), a.size)).collect();
    assert_eq!(shown, [("plan", 1), ("more", 1)]);
}

#[test]
fn an_artifact_that_is_missing_fails_the_attempt_with_its_work_kept_and_is_told_to_the_next() {
    let mut world = convoy(Task { max_retries: 1, ..leaving("a", &["plan"]) });
    world.agent_ends("a", AgentOutcome::Succeeded);
    let unfit = || Some(Failure::new(FailureKind::Artifact, "there is no plan"));
    let work = world.work_of("a");
    let turn = world.taken("a", work, Vec::new(), unfit());
    assert_eq!(names(&turn), ["task_snapshot", "task_retried"]);
    world.wakes();
    let Some(Action::Work(order)) = world.asked("a") else { panic!("it is tried again") };
    assert_eq!(order.feedback, unfit());
    world.agent_ends("a", AgentOutcome::Succeeded);
    let work = world.work_of("a");
    let turn = world.taken("a", work, Vec::new(), unfit());
    let wanted = ["task_snapshot", "task_failed", "dlq_entry_created", "task_skipped", "task_skipped"];
    assert_eq!(names(&turn)[..5], wanted);
    assert_eq!(world.status("a"), TaskStatus::Failed);
}

#[test]
fn work_that_fails_its_gates_leaves_no_artifact() {
    let mut world = convoy(Task { max_retries: 1, ..leaving("a", &["plan"]) });
    world.works("a");
    world.gate_fails("a");
    assert!(world.task("a").taken.is_empty() && world.task("a").artifacts.is_empty());
    world.wakes();
    world.lands("a");
    assert_eq!(world.task("a").artifacts.len(), 1);
}

#[test]
fn a_resolved_conflict_keeps_what_the_work_left() {
    let mut world = convoy(leaving("a", &["plan"]));
    world.works("a");
    world.passes("a");
    world.conflicts("a");
    let taken = world.task("a").taken.clone();
    assert_eq!(taken.len(), 1);
    leaves_nothing(&mut world, "a");
    world.passes("a");
    world.prepares("a");
    world.advances("a");
    assert_eq!(world.task("a").artifacts, taken);
}

#[test]
fn a_task_whose_input_never_comes_fails_at_once_and_is_not_retried() {
    let b = Task { max_retries: 3, ..needing("b", &[("a", "plan")]) };
    let c = super::build::after("c", &["b"]);
    let mut world = World::new(&planned(spec(vec![leaving("a", &["plan"]), b, c])));
    leaves_nothing(&mut world, "a");
    world.passes("a");
    world.prepares("a");
    let turn = world.advances("a");
    let told: Vec<&str> = names(&turn).into_iter().filter(|name| name.starts_with("task_")).collect();
    assert_eq!(told, ["task_done", "task_waiting_input", "task_failed", "task_skipped"]);
    let waiting = turn.events.iter().find_map(|event| match event {
        crate::event::Event::Task {
            event: TaskEvent::WaitingInput { missing_artifact, from_task }, ..
        } => Some((missing_artifact.as_str(), from_task.as_str())),
        _ => None,
    });
    assert_eq!(waiting, Some(("plan", "a")));
    let failure = world.task("b").failure.clone().expect("a failure");
    assert_eq!((failure.kind, world.task("b").attempts), (FailureKind::MissingInput, 0));
    assert!(failure.message.contains("left no artifact plan"), "{}", failure.message);
    let end = world.publishes();
    assert_eq!(names(&end), ["branch_published", "convoy_failed"], "it does not spin");
    // Wherever the log is cut, it ends the same way.
    for end in 1..=world.log.len() {
        let mut again = World::resumed(&world.plan, &world.log[..end], false);
        if again.state().ended().is_none() && again.open.is_empty() {
            again.run(&mut Choices::new(&[]));
        }
        assert!(again.status("b") != TaskStatus::WaitForInput, "cut at {end}");
    }
}

#[test]
fn a_retry_takes_up_what_was_skipped_because_one_that_needs_its_artifact_stopped_the_convoy() {
    let last = Task { priority: -1, ..task("z") };
    let tasks = vec![leaving("a", &["plan"]), needing("b", &[("a", "plan")]), last];
    let (concurrency, on_failure) = (Concurrency::Fixed(1), OnFailure::Stop);
    let mut world = World::new(&planned(Spec { concurrency, on_failure, ..spec(tasks) }));
    world.request(RequestKind::Pause);
    leaves_nothing(&mut world, "a");
    world.passes("a");
    world.prepares("a");
    world.advances("a");
    world.request(RequestKind::Unpause);
    world.run(&mut Choices::new(&[]));
    assert_eq!((world.status("b"), world.status("z")), (TaskStatus::Failed, TaskStatus::Skipped));
    world.retry(&["a"]);
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done, "z was skipped in an earlier phase than b");
}

#[test]
fn a_retry_of_the_task_that_left_nothing_takes_those_up_that_need_it() {
    let mut world = convoy(leaving("a", &["plan"]));
    leaves_nothing(&mut world, "a");
    world.passes("a");
    world.prepares("a");
    world.advances("a");
    world.publishes();
    world.retry(&["b"]);
    assert_eq!(world.status("b"), TaskStatus::Failed, "alone it gets nothing");
    world.retry(&["a"]);
    assert_eq!((world.status("b"), world.status("c")), (TaskStatus::WaitForInput, TaskStatus::Pending));
    let shown = view(world.state());
    assert_eq!(shown.tasks[1].waiting_for.as_deref(), Some("artifact plan of task a"));
    world.lands("a");
    let first = world.task("a").artifacts.clone();
    world.lands("b");
    world.lands("c");
    world.publishes();
    assert!(world.state().ended().is_some());
    // Done again, it leaves new ones.
    world.retry(&["a"]);
    assert_eq!(world.task("a").artifacts, first, "until then the old ones stand");
    world.lands("a");
    assert_ne!(world.task("a").artifacts, first);
}

#[test]
fn a_convoy_holds_only_so_many_artifacts() {
    let names_of = |n: u32| (0..n).map(|n| format!("o{n}")).collect::<Vec<_>>();
    let of = |id: &str, n: u32| {
        let names = names_of(n);
        leaving(id, &names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let half = MOST_ARTIFACTS / 2;
    let mut world = World::new(&planned(spec(vec![of("a", half), of("b", half), of("d", 1), task("e")])));
    world.lands("a");
    world.lands("b");
    world.agent_ends("d", AgentOutcome::Succeeded);
    let work = world.work_of("d");
    let left = artifacts(world.plan.spec_of(world.ix("d")), 7);
    let turn = world.taken("d", work, left, None);
    assert_eq!(names(&turn)[..3], ["artifact_limit_reached", "task_snapshot", "task_failed"]);
    assert!(world.task("d").failure.as_ref().is_some_and(|f| f.message.contains("at most 50")));
    world.lands("e");
    world.publishes();
    // One that is done again may leave as many as before.
    world.retry(&["a"]);
    world.lands("a");
    assert_eq!(world.task("a").artifacts.len(), half as usize);
}
