//! Work that conflicts with what landed before it, and a tip that moves.

use super::build::{after, planned, spec, task};
use super::choose::Choices;
use super::steps::{FILES, names};
use super::world::World;
use crate::event::{AgentOutcome, AttemptKind, RequestKind};
use crate::schedule::{Action, AdvanceReport, Report, SnapshotReport};
use crate::spec::{Concurrency, OnExhausted, Spec, Task};
use crate::state::StageKind;
use crate::types::{ConvoyStatus, Failure, FailureKind, TaskStatus};

/// A convoy of `a`, whose work conflicts once.
fn conflicting(max_retries: u32) -> World {
    let mut world = World::new(&planned(spec(vec![Task { max_retries, ..task("a") }])));
    world.works("a");
    world.passes("a");
    let turn = world.conflicts("a");
    assert_eq!(names(&turn), ["merge_conflict_detected", "task_assigned"]);
    world
}

/// What the agent is asked to resolve.
fn resolves(world: &World) -> Option<Vec<String>> {
    match world.asked("a") {
        Some(Action::Work(order)) if order.kind == AttemptKind::Resolve => {
            order.conflict.as_ref().map(|conflict| conflict.files.clone())
        }
        _ => None,
    }
}

#[test]
fn a_resolved_conflict_is_checked_again_and_lands() {
    let mut world = conflicting(0);
    assert_eq!(resolves(&world), Some(FILES.map(str::to_owned).to_vec()));
    let Some(Action::Work(order)) = world.asked("a").cloned() else { panic!("it is to be resolved") };
    assert_eq!(&order.base, world.state().tip());
    let turn = world.works("a");
    assert!(matches!(turn.actions.as_slice(), [Action::Check(_)]), "all checks run again");
    world.passes("a");
    world.prepares("a");
    world.advances("a");
    assert_eq!(names(&world.publishes()), ["branch_published", "convoy_finished"]);
    assert_eq!((world.task("a").attempts, world.task("a").retries), (2, 0));
}

#[test]
fn the_third_conflict_of_a_task_is_the_end() {
    let mut world = conflicting(3);
    world.works("a");
    world.passes("a");
    assert_eq!(names(&world.conflicts("a")), ["merge_conflict_detected", "task_assigned"]);
    world.works("a");
    world.passes("a");
    let turn = world.conflicts("a");
    let expected = ["merge_conflict_failed", "task_failed", "dlq_entry_created", "convoy_failed"];
    assert_eq!(names(&turn), expected, "two tries, and no retry helps");
    assert_eq!(world.task("a").failure.as_ref().map(|f| f.kind.clone()), Some(FailureKind::MergeConflict));
    assert_eq!(world.task("a").attempts, 3);
}

#[test]
fn a_failed_resolution_is_tried_twice_without_a_retry() {
    let table: [(FailureKind, bool); 4] = [
        (FailureKind::Error, true),
        (FailureKind::Timeout, true),
        (FailureKind::MergeConflict, true),
        (FailureKind::Auth, false),
    ];
    for (kind, again) in table {
        let mut world = conflicting(3);
        if again {
            world.agent_ends("a", AgentOutcome::Succeeded);
            let failure = Failure::new(kind.clone(), "markers are left");
            let turn = world.say("a", Report::Snapshot(SnapshotReport::Failed(failure)));
            assert_eq!(names(&turn), ["task_snapshot", "merge_conflict_detected", "task_assigned"]);
            assert_eq!(resolves(&world), Some(FILES.map(str::to_owned).to_vec()));
        }
        world.agent_fails("a", kind.clone());
        let turn = world.snapshot("a", true);
        let expected =
            ["task_snapshot", "merge_conflict_failed", "task_failed", "dlq_entry_created", "convoy_failed"];
        assert_eq!(names(&turn), expected, "{kind}");
        let a = world.task("a");
        assert_eq!(a.failure.as_ref().map(|f| f.kind.clone()), Some(FailureKind::MergeConflict));
        assert_eq!((world.status("a"), a.retries), (TaskStatus::Failed, 0));
    }
}

#[test]
fn gates_that_fail_after_a_resolution_are_an_ordinary_failure() {
    let mut world = conflicting(1);
    world.works("a");
    assert_eq!(names(&world.gate_fails("a")), ["task_retried"]);
    assert_eq!((world.task("a").retries, world.task("a").conflict.is_none()), (1, true));
    world.wakes();
    let Some(Action::Work(order)) = world.asked("a") else { panic!("it is tried again") };
    assert_eq!((order.kind, &order.conflict), (AttemptKind::Retry, &None));
    world.lands("a");
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn an_interrupted_resolution_is_resolved_again() {
    let mut world = conflicting(0);
    let plan = world.plan.clone();
    world.starts("a");
    let mut world = World::resumed(&plan, &world.log, false);
    world.snapshot("a", true);
    assert_eq!(resolves(&world), Some(FILES.map(str::to_owned).to_vec()));
    assert_eq!((world.task("a").attempts, world.task("a").conflicts), (3, 1));
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn a_stop_does_not_end_a_resolution_but_its_second_try() {
    let bad = Task { on_exhausted: OnExhausted::Stop, ..task("bad") };
    let mut world = World::new(&planned(spec(vec![task("a"), bad])));
    world.works("a");
    world.passes("a");
    world.conflicts("a");
    world.agent_fails("bad", FailureKind::Error);
    world.snapshot("bad", true);
    assert!(resolves(&world).is_some(), "checked work still lands");
    world.agent_fails("a", FailureKind::Timeout);
    let turn = world.snapshot("a", true);
    assert!(names(&turn).contains(&"merge_conflict_failed"), "nothing is tried again");
    assert_eq!(world.status("a"), TaskStatus::Failed, "for the conflict, not for the time limit");
}

#[test]
fn a_resolution_takes_a_slot_before_new_tasks_of_any_priority() {
    let urgent = Task { priority: 9, ..after("urgent", &["b"]) };
    let tasks = vec![Task { priority: 1, ..task("a") }, task("b"), urgent];
    let mut world = World::new(&planned(Spec { concurrency: Concurrency::Fixed(1), ..spec(tasks) }));
    world.works("a");
    world.passes("a");
    world.conflicts("a");
    assert_eq!(world.stage("a"), StageKind::Conflicted, "the slot is taken");
    world.request(RequestKind::Pause);
    world.lands("b");
    world.publishes();
    world.request(RequestKind::Unpause);
    assert!(resolves(&world).is_some() && world.asked("urgent").is_none());
}

#[test]
fn a_cancel_ends_a_conflict_that_waits_and_one_that_is_found_later() {
    let mut waiting = World::new(&planned(spec(vec![task("a")])));
    waiting.works("a");
    waiting.passes("a");
    waiting.request(RequestKind::Pause);
    waiting.conflicts("a");
    assert_eq!(waiting.stage("a"), StageKind::Conflicted);
    let turn = waiting.request(RequestKind::Cancel);
    assert_eq!(names(&turn), ["convoy_cancel_requested", "task_cancelled", "convoy_cancelled"]);
    let mut later = World::new(&planned(spec(vec![task("a")])));
    later.works("a");
    later.passes("a");
    later.request(RequestKind::Cancel);
    let turn = later.conflicts("a");
    assert_eq!(names(&turn), ["merge_conflict_detected", "task_cancelled", "convoy_cancelled"]);
}

#[test]
fn work_whose_tip_moved_is_prepared_again_on_the_new_one() {
    let mut world = World::new(&planned(spec(vec![task("a")])));
    world.works("a");
    world.passes("a");
    world.prepares("a");
    let tip = world.somebody_moves_the_ref();
    let turn = world.say("a", Report::Advanced(AdvanceReport::Moved { tip: tip.clone() }));
    assert_eq!(names(&turn), ["merge_unprepared"]);
    assert!(matches!(world.asked("a"), Some(Action::Prepare { tip: onto, .. }) if *onto == tip));
    world.prepares("a");
    world.advances("a");
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn work_whose_landing_is_recorded_is_done_without_landing_again() {
    let plan = planned(spec(vec![task("a")]));
    let mut world = World::new(&plan);
    world.lands("a");
    let landed = world.log.iter().position(|(_, event)| event.type_name() == "merge_done");
    let log = &world.log[..=landed.expect("it landed")];
    let mut world = World::resumed(&plan, log, false);
    assert_eq!(world.status("a"), TaskStatus::Done);
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}
