//! Hooks: what follows when one fails, and what a stop in the middle of them leaves.

use super::build::{planned, spec, task};
use super::steps::names;
use super::world::World;
use crate::event::{AgentOutcome, Event, RequestKind, TaskEvent};
use crate::schedule::{Action, Report};
use crate::spec::{HookMoment, Task};
use crate::state::StageKind;
use crate::types::{Failure, FailureKind, TaskStatus};

fn convoy() -> World {
    World::new(&planned(spec(vec![Task { max_retries: 3, ..task("a") }])))
}

/// The tree that is to be taken, and whether hooks run before.
fn taken(world: &World) -> Option<(bool, bool)> {
    match world.asked("a") {
        Some(Action::Snapshot(order)) => Some((order.succeeded, order.hooks)),
        _ => None,
    }
}

#[test]
fn work_whose_hook_failed_is_kept_and_neither_judged_nor_tried_again_also_after_a_crash() {
    let mut world = convoy();
    world.agent_ends("a", AgentOutcome::Succeeded);
    assert_eq!(taken(&world), Some((true, true)));
    world.hook("a", HookMoment::PostTask, false);
    let mut crashed = World::resumed(&world.plan, &world.log, false);
    assert_eq!(taken(&crashed), Some((false, false)), "the hooks do not run again");
    for world in [&mut world, &mut crashed] {
        let turn = world.snapshot("a", true);
        assert_eq!(names(&turn)[..2], ["task_snapshot", "task_failed"]);
        let hook = turn.events.iter().find_map(|event| match event {
            Event::Task { event: TaskEvent::Failed { hook, reason, .. }, .. } => Some((hook, reason)),
            _ => None,
        });
        let (hook, reason) = hook.expect("it failed");
        assert_eq!((hook.as_deref(), reason.as_str()), (Some("make check"), "hook-failed"));
        assert_eq!(world.status("a"), TaskStatus::HookFailed);
        let failure = world.task("a").failure.clone().expect("a failure");
        assert_eq!((failure.exit_code, failure.output_tail.as_str()), (Some(1), "it says why"));
    }
}

#[test]
fn hooks_that_a_stop_cut_off_run_again_and_the_agent_does_not() {
    let mut world = convoy();
    world.agent_ends("a", AgentOutcome::Succeeded);
    world.hook("a", HookMoment::PostTask, true);
    let turn = world.request(RequestKind::Interrupt { reason: "Ctrl-C".into() });
    assert!(matches!(turn.actions[..], [Action::Stop { resumable: true, .. }]), "{turn:?}");
    let turn = world.say("a", Report::SnapshotStopped);
    assert!(turn.events.is_empty() && turn.actions.is_empty(), "{turn:?}");
    let again = World::resumed(&world.plan, &world.log, false);
    assert_eq!(taken(&again), Some((true, true)));
}

#[test]
fn a_stop_that_nobody_asked_for_is_not_the_end() {
    let mut world = convoy();
    world.agent_ends("a", AgentOutcome::Succeeded);
    world.say("a", Report::SnapshotStopped);
    assert_eq!(taken(&world), Some((true, true)));
}

#[test]
fn a_cancelled_convoy_runs_no_hooks_and_keeps_the_work() {
    let mut world = convoy();
    world.agent_ends("a", AgentOutcome::Succeeded);
    let turn = world.request(RequestKind::Cancel);
    assert!(matches!(turn.actions[..], [Action::Stop { resumable: false, .. }]), "{turn:?}");
    let mut again = World::resumed(&world.plan, &world.log, false);
    assert_eq!(taken(&again), Some((true, false)));
    again.snapshot("a", true);
    assert_eq!(again.stage("a"), StageKind::Cancelled);
}

#[test]
fn a_hook_that_fails_at_a_resolution_is_the_failure_of_the_task() {
    let mut world = convoy();
    world.works("a");
    world.passes("a");
    world.conflicts("a");
    world.starts("a");
    world.agent_ends("a", AgentOutcome::Succeeded);
    world.hook("a", HookMoment::PostTask, false);
    world.snapshot("a", true);
    assert_eq!((world.status("a"), world.task("a").conflict.as_ref()), (TaskStatus::HookFailed, None));
}

#[test]
fn a_review_hook_that_fails_ends_the_task_after_its_checks() {
    let mut world = convoy();
    world.works("a");
    world.hook("a", HookMoment::PostTask, false);
    assert_eq!(world.stage("a"), StageKind::Checking);
    let failure = Failure::new(FailureKind::Hook("review".into()), "it blocks");
    world.say("a", Report::Checked(Some(failure)));
    assert_eq!(world.status("a"), TaskStatus::HookFailed);
}
