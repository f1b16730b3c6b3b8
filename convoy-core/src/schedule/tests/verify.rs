//! Landing with `merge.verify`, by hand.

use super::build::{oid, planned, spec, task};
use super::steps::names;
use super::world::World;
use crate::event::{Event, RequestKind, TaskEvent, VerifyOutcome};
use crate::schedule::{Action, AdvanceReport, PrepareReport, Report, Turn};
use crate::spec::{Concurrency, Merge, OnFailure, Spec};
use crate::state::{Prepared, StageKind};
use crate::types::{ConvoyStatus, TaskId, TaskStatus};

fn verifying(batch: u32, ids: &[&str]) -> Spec {
    let merge = Merge { verify: vec!["npm test".into()], batch, ..Merge::default() };
    let tasks = ids.iter().map(|id| crate::spec::Task { max_retries: 0, ..task(id) }).collect();
    Spec { merge, concurrency: Concurrency::Fixed(4), ..spec(tasks) }
}

/// All tasks have passed their checks; as many as can be are merged onto each other.
fn queued(spec: Spec) -> World {
    let ids: Vec<String> = spec.tasks.iter().map(|task| task.id.to_string()).collect();
    let mut world = World::new(&planned(spec));
    for id in &ids {
        world.works(id);
    }
    for id in &ids {
        world.passes(id);
    }
    for id in &ids {
        if matches!(world.asked(id), Some(Action::Prepare { .. })) {
            world.prepares(id);
        }
    }
    world
}

fn runs(world: &World) -> Vec<(u32, Vec<String>)> {
    let text = |ids: &[TaskId]| ids.iter().map(TaskId::to_string).collect();
    world.state().verification().under_way().map(|run| (run.run, text(&run.tasks))).collect()
}

/// Where each landing commit of a turn moves the ref to, where that is not itself.
fn lands_with(turn: &Turn) -> Vec<bool> {
    let of = |event: &Event| match event {
        Event::Task { event: TaskEvent::Prepared { lands_with, .. }, .. } => Some(lands_with.is_some()),
        _ => None,
    };
    turn.events.iter().filter_map(of).collect()
}

#[test]
fn what_is_verified_together_lands_together_each_with_a_commit_of_its_own() {
    let mut world = queued(verifying(3, &["a", "b", "c"]));
    assert_eq!(runs(&world), [(1, vec!["a".into(), "b".into(), "c".into()])]);
    let turn = world.verified(true);
    assert_eq!(names(&turn), ["verify_result", "merge_prepared", "merge_prepared", "merge_prepared"]);
    assert_eq!(lands_with(&turn), [true, true, false]);
    let turn = world.advances("c");
    let landed = ["merge_done", "task_done"].repeat(3);
    assert_eq!(names(&turn), landed);
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn a_ref_that_somebody_moved_takes_nobody_of_those_who_were_to_land_together() {
    let mut world = queued(verifying(2, &["a", "b"]));
    world.verified(true);
    let tip = world.somebody_moves_the_ref();
    let turn = world.say("b", Report::Advanced(AdvanceReport::Moved { tip: tip.clone() }));
    assert_eq!(names(&turn)[..2], ["merge_unprepared", "merge_unprepared"]);
    assert_eq!(world.state().tip(), &tip);
    assert!(matches!(world.asked("a"), Some(Action::Prepare { tip: onto, .. }) if *onto == tip), "made anew");
}

#[test]
fn a_red_batch_is_bisected_and_the_others_land() {
    let mut world = queued(verifying(4, &["a", "b", "c", "d"]));
    // Only `c` is bad.
    assert_eq!(names(&world.verified(false)), ["verify_result", "verify_started"]);
    assert_eq!(runs(&world), [(2, vec!["a".into(), "b".into()])]);
    world.verified(true);
    assert_eq!(names(&world.advances("b"))[4..], ["verify_started"]);
    assert_eq!(runs(&world), [(3, vec!["c".into()])]);
    assert_eq!(names(&world.verified(false)), ["verify_result", "merge_set_aside"]);
    world.prepares("d");
    world.verified(true);
    world.advances("d");
    // Alone, on what has landed: twice.
    world.prepares("c");
    world.verified(false);
    let turn = world.verified(false);
    assert!(names(&turn).contains(&"task_failed"), "{:?}", names(&turn));
    assert_eq!((world.status("c"), world.status("d")), (TaskStatus::GateFailed, TaskStatus::Done));
    let failure = world.task("c").failure.clone().expect("a failure");
    assert_eq!(failure.kind.to_string(), "verify:npm test");
}

/// Ends the run under way, which is of these tasks.
fn judges(world: &mut World, tasks: &[&str], passes: bool) -> Turn {
    let (_, judged) = runs(world).first().expect("a run").clone();
    assert_eq!(judged, tasks);
    world.verified(passes)
}

#[test]
fn nobody_is_blamed_before_the_tip_is_known_to_be_green() {
    let mut world = queued(verifying(1, &["a"]));
    judges(&mut world, &["a"], false);
    judges(&mut world, &["a"], false);
    // The first look at it may be wrong, as with everybody.
    judges(&mut world, &[], false);
    assert_eq!(world.status("a"), TaskStatus::Queued);
    let turn = judges(&mut world, &[], true);
    assert_eq!(names(&turn)[..2], ["verify_result", "task_failed"]);
    assert_eq!(world.task("a").failure.as_ref().expect("one").kind.to_string(), "verify:npm test");
}

#[test]
fn where_the_tip_is_red_by_itself_work_fails_without_blame_and_without_another_try() {
    let mut spec = verifying(2, &["a", "b"]);
    spec.tasks.iter_mut().for_each(|task| task.max_retries = 3);
    let mut world = queued(spec);
    judges(&mut world, &["a", "b"], false);
    judges(&mut world, &["a"], false);
    world.prepares("b");
    // Each of them alone, as often as that is wanted.
    while runs(&world).first().is_none_or(|(_, tasks)| !tasks.is_empty()) {
        if let Some(id) = ["a", "b"].into_iter().find(|id| world.asked(id).is_some()) {
            world.prepares(id);
        } else {
            world.verified(false);
        }
    }
    for _ in 0..2 {
        judges(&mut world, &[], false);
    }
    for id in ["a", "b"] {
        assert_eq!((world.status(id), world.task(id).retries), (TaskStatus::GateFailed, 0));
        let failure = world.task(id).failure.clone().expect("a failure");
        assert_eq!(failure.kind.to_string(), "verify-tip:npm test");
        assert!(failure.message.starts_with("the branch that this was to land on is red by itself"));
    }
}

#[test]
fn work_on_a_red_tip_waits_for_what_may_mend_it_and_lands_with_it() {
    let mut world = World::new(&planned(verifying(1, &["a", "mends"])));
    world.works("a");
    world.passes("a");
    world.prepares("a");
    judges(&mut world, &["a"], false);
    judges(&mut world, &["a"], false);
    judges(&mut world, &[], false);
    let turn = judges(&mut world, &[], false);
    assert_eq!((names(&turn), world.status("a")), (vec!["verify_result"], TaskStatus::Queued));
    assert!(world.state().red_tip().is_some());
    world.works("mends");
    // It goes first, although it came later.
    assert_eq!(names(&world.passes("mends")), ["merge_queued", "merge_set_aside"]);
    world.prepares("mends");
    judges(&mut world, &["mends"], true);
    world.advances("mends");
    world.prepares("a");
    judges(&mut world, &["a"], true);
    world.advances("a");
    assert_eq!((world.status("a"), world.status("mends")), (TaskStatus::Done, TaskStatus::Done));
}

#[test]
fn work_that_comes_back_with_the_same_tree_gets_the_same_verdict_without_another_run() {
    let mut spec = verifying(1, &["good", "a"]);
    spec.tasks[1].max_retries = 1;
    let mut world = World::new(&planned(spec));
    world.lands("good");
    world.works("a");
    world.passes("a");
    world.prepares("a");
    let tree = world.state().verification().under_way().next().expect("a run").tree.clone();
    judges(&mut world, &["a"], false);
    judges(&mut world, &["a"], false);
    world.wakes();
    assert_eq!((world.stage("a"), world.task("a").retries), (StageKind::Working, 1));
    world.works("a");
    world.passes("a");
    let prepared = Prepared { commit: oid(701), onto: world.state().tip().clone() };
    let turn = world.merges("a", prepared, tree);
    assert_eq!(names(&turn)[..2], ["merge_set_aside", "task_failed"]);
    assert_eq!(world.state().verification().runs(), 3);
}

#[test]
fn a_suspect_that_passes_the_second_time_lands() {
    let mut world = queued(verifying(1, &["a"]));
    world.verified(false);
    assert_eq!(runs(&world), [(2, vec!["a".into()])]);
    world.verified(true);
    world.advances("a");
    assert_eq!(world.status("a"), TaskStatus::Done);
}

#[test]
fn a_conflict_with_work_that_has_not_landed_is_none_and_the_others_go_on() {
    let mut world = World::new(&planned(verifying(1, &["a", "b", "c"])));
    for id in ["a", "b", "c"] {
        world.works(id);
        world.passes(id);
    }
    world.prepares("a");
    let Some(Action::Prepare { tip: onto, .. }) = world.asked("b").cloned() else { panic!("b is next") };
    let conflict =
        PrepareReport::Conflict { files: vec!["f".into()], onto, tree: oid(77), conflicts: Vec::new() };
    let turn = world.say("b", Report::Prepared(conflict));
    assert!(turn.events.is_empty(), "{:?}", names(&turn));
    world.prepares("c");
    assert_eq!(runs(&world).last().expect("a run").1, ["a", "c"]);
    world.run_ends(2, VerifyOutcome::Passed);
    world.advances("c");
    world.run_ends(1, VerifyOutcome::Stopped);
    assert_eq!(names(&world.conflicts("b"))[0], "merge_conflict_detected");
}

#[test]
fn a_candidate_without_one_of_its_members_is_not_verified_any_more() {
    let mut world = queued(verifying(2, &["a", "b"]));
    let task = TaskId::new("a").expect("valid");
    let turn = world.request(RequestKind::Skip { task, reason: "no need".into() });
    let ended = turn.actions.iter().filter(|action| matches!(action, Action::StopVerify { .. }));
    assert_eq!(ended.count(), 1);
    // It passed all the same; nobody lands so.
    world.run_ends(1, VerifyOutcome::Passed);
    world.prepares("b");
    assert_eq!(runs(&world), [(2, vec!["b".into()])]);
}

#[test]
fn a_cancel_ends_what_is_verified_and_nothing_lands_any_more() {
    let mut world = queued(verifying(1, &["a", "b"]));
    let turn = world.request(RequestKind::Cancel);
    assert!(turn.actions.iter().any(|action| matches!(action, Action::StopVerify { run: 1 })));
    world.run_ends(1, VerifyOutcome::Passed);
    world.run_ends(2, VerifyOutcome::Stopped);
    assert_eq!(world.state().status(), ConvoyStatus::Cancelled);
    assert_eq!((world.stage("a"), world.stage("b")), (StageKind::Cancelled, StageKind::Cancelled));
}

#[test]
fn what_was_checked_when_the_convoy_stopped_is_still_verified_and_lands() {
    let mut world = queued(Spec { on_failure: OnFailure::Stop, ..verifying(1, &["a", "b"]) });
    world.run_ends(1, VerifyOutcome::Failed);
    world.run_ends(2, VerifyOutcome::Failed);
    // Both are looked at alone, twice.
    world.prepares("b");
    world.verified(false);
    world.prepares("a");
    world.verified(false);
    world.verified(false);
    world.verified(true);
    world.advances("b");
    world.prepares("a");
    world.verified(false);
    world.verified(false);
    assert_eq!((world.status("a"), world.status("b")), (TaskStatus::GateFailed, TaskStatus::Done));
}

#[test]
fn a_tree_that_passed_before_a_crash_is_not_verified_again() {
    let mut world = queued(verifying(1, &["a"]));
    let tree = world.state().verification().under_way().next().expect("a run").tree.clone();
    world.run_ends(1, VerifyOutcome::Passed);
    let log = world.log.clone();
    // The engine dies before it records that it is about to land.
    let before = log.iter().position(|(_, event)| event.type_name() == "merge_prepared").expect("recorded");
    let mut world = World::resumed(&planned(verifying(1, &["a"])), &log[..before], false);
    let prepared = Prepared { commit: oid(700), onto: world.state().tip().clone() };
    let turn = world.merges("a", prepared, tree);
    assert_eq!(names(&turn), ["merge_prepared"]);
}

#[test]
fn a_record_that_was_cut_among_those_that_land_together_moves_nothing() {
    let spec = verifying(2, &["a", "b"]);
    let mut world = queued(spec.clone());
    world.verified(true);
    let first = world.log.iter().position(|(_, event)| event.type_name() == "merge_prepared");
    let cut = &world.log[..=first.expect("recorded")];
    let world = World::resumed(&planned(spec), cut, false);
    let since: Vec<&str> = world.log[cut.len()..].iter().map(|(_, event)| event.type_name()).collect();
    assert!(since.contains(&"merge_unprepared") && !since.contains(&"merge_done"), "{since:?}");
    for id in ["a", "b"] {
        assert!(!matches!(world.asked(id), Some(Action::Advance { .. })), "{id} must not land");
    }
    assert!(matches!(world.asked("a"), Some(Action::Prepare { .. })), "made anew");
}
