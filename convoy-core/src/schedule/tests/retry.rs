//! A person takes an ended convoy up again.

use super::build::{after, planned, spec, task};
use super::choose::Choices;
use super::steps::names;
use super::world::World;
use crate::event::{ConvoyEvent, Event, RequestKind};
use crate::schedule::{Action, Input, PublishReport, Turn};
use crate::types::{ConvoyStatus, FailureKind, TaskStatus};

/// `good` is done, `bad` has failed, `child` and `grandchild` were skipped because of it.
fn ended() -> World {
    let tasks = vec![task("good"), task("bad"), after("child", &["bad"]), after("grandchild", &["child"])];
    let mut world = World::new(&planned(spec(tasks)));
    world.lands("good");
    world.publishes();
    fail(&mut world, "bad");
    assert_eq!(world.state().status(), ConvoyStatus::Failed);
    world
}

fn fail(world: &mut World, id: &str) -> Turn {
    world.agent_fails(id, FailureKind::Error);
    world.snapshot(id, true)
}

/// The ids that a retry made pending.
fn revived(world: &World, turn: &Turn) -> Vec<String> {
    let tasks = turn.events.iter().find_map(|event| match event {
        Event::Convoy(ConvoyEvent::Retried { tasks, .. }) => Some(tasks.clone()),
        _ => None,
    });
    tasks.unwrap_or_default().into_iter().map(|ix| world.plan.id(ix).to_string()).collect()
}

#[test]
fn a_retry_takes_up_what_the_table_says() {
    let table: [(&[&str], &[&str]); 6] = [
        // All that is not done.
        (&[], &["bad", "child", "grandchild"]),
        // A failed one, and what was skipped because of it.
        (&["bad"], &["bad", "child", "grandchild"]),
        // A skipped one needs what it depends on.
        (&["child"], &["bad", "child", "grandchild"]),
        (&["grandchild"], &["bad", "child", "grandchild"]),
        // A done one, on top of what landed; nothing else.
        (&["good"], &["good"]),
        (&["good", "bad"], &["good", "bad", "child", "grandchild"]),
    ];
    for (named, expected) in table {
        let mut world = ended();
        let turn = world.retry(named);
        assert_eq!(revived(&world, &turn), expected, "{named:?}");
        assert_eq!(world.state().status(), ConvoyStatus::Running);
        world.run(&mut Choices::new(&[]));
        let done = !named.is_empty() && named == ["good"];
        let status = if done { ConvoyStatus::Failed } else { ConvoyStatus::Done };
        assert_eq!(world.state().status(), status, "{named:?}");
    }
}

#[test]
fn a_retry_closes_the_dead_letter_and_starts_with_fresh_retries_and_the_feedback() {
    let mut world = ended();
    let turn = world.retry(&["bad"]);
    assert_eq!(names(&turn), ["dlq_entry_resolved", "convoy_retried", "task_assigned"]);
    assert!(matches!(world.task("bad").dead_letter, Some((_, false))));
    assert_eq!(world.task("bad").retries, 0);
    let Some(Action::Work(order)) = world.asked("bad") else { panic!("it is not taken up") };
    assert_eq!(order.attempt.0, 2);
    assert!(order.feedback.is_some());
    let turn = fail(&mut world, "bad");
    assert!(names(&turn).contains(&"dlq_entry_created"), "a letter of its own for each time it is given up");
    assert!(matches!(world.task("bad").dead_letter, Some((_, true))));
}

#[test]
fn a_dead_letter_is_closed_once() {
    let mut world = ended();
    let close = |world: &mut World| {
        let (dlq_id, _) = world.task("bad").dead_letter.clone().expect("a letter");
        world.request(RequestKind::ResolveDeadLetter { dlq_id, resolution: "not needed".to_owned() })
    };
    assert_eq!(names(&close(&mut world)), ["dlq_entry_resolved"]);
    assert_eq!(close(&mut world), Turn::default());
    assert_eq!(names(&world.retry(&["bad"]))[0], "convoy_retried", "nothing is left to close");
}

#[test]
fn a_done_task_is_done_again_on_top() {
    let mut world = ended();
    let first = world.task("good").commit.clone();
    world.retry(&["good"]);
    assert_eq!(world.status("good"), TaskStatus::Assigned);
    world.lands("good");
    world.publishes();
    assert!(world.task("good").commit.is_some() && world.task("good").commit != first);
    assert_eq!(Some(world.state().tip()), world.task("good").commit.as_ref());
}

#[test]
fn a_dependant_of_two_lost_tasks_comes_back_with_the_second() {
    let both = after("both", &["x", "y"]);
    let mut world = World::new(&planned(spec(vec![task("x"), task("y"), both])));
    fail(&mut world, "x");
    fail(&mut world, "y");
    let turn = world.retry(&["x"]);
    assert_eq!(revived(&world, &turn), ["x"], "the other is still lost");
    world.lands("x");
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Failed);
    let turn = world.retry(&["y"]);
    assert_eq!(revived(&world, &turn), ["y", "both"]);
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn a_retry_after_a_cancel_or_a_stop_runs_to_the_end() {
    let stop = crate::spec::OnFailure::Stop;
    let plan = planned(crate::spec::Spec { on_failure: stop, ..spec(vec![task("a"), task("b")]) });
    let mut cancelled = World::new(&plan);
    cancelled.request(RequestKind::Cancel);
    cancelled.run(&mut Choices::new(&[]));
    assert_eq!(cancelled.state().status(), ConvoyStatus::Cancelled);
    let mut stopped = World::new(&plan);
    fail(&mut stopped, "a");
    stopped.run(&mut Choices::new(&[]));
    assert_eq!(stopped.state().status(), ConvoyStatus::Failed);
    for mut world in [cancelled, stopped] {
        world.retry(&[]);
        assert!(!world.state().is_cancelling() && world.state().stopped_by().is_none());
        world.run(&mut Choices::new(&[]));
        assert_eq!(world.state().status(), ConvoyStatus::Done);
    }
}

#[test]
fn a_retry_of_nothing_or_of_a_running_convoy_changes_nothing() {
    let mut world = World::new(&planned(spec(vec![task("a"), after("b", &["a"])])));
    assert_eq!(world.retry(&["a"]), Turn::default(), "it runs");
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.retry(&[]), Turn::default(), "everything is done");
    let beyond = Input::Retry { tasks: vec![crate::types::TaskIx(9)], actor: "me".into() };
    assert_eq!(world.input(beyond), Turn::default(), "it does not exist");
}

#[test]
fn a_retry_while_the_branch_moves_does_not_publish_twice() {
    let mut world = World::new(&planned(spec(vec![task("a"), task("b")])));
    world.lands("a");
    block(&mut world);
    fail(&mut world, "b");
    assert!(world.state().ended().is_some() && !world.state().is_published());
    let turn = world.request(RequestKind::Publish);
    assert!(matches!(turn.actions.as_slice(), [Action::Publish(_)]), "asked for, it is tried again");
    world.retry(&["b"]);
    world.lands("b");
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Done);
    assert!(world.state().is_published());
}

/// The publish that is under way finds something in the way.
fn block(world: &mut World) {
    let at = world.open.iter().position(|open| matches!(open.action, Action::Publish(_)));
    world.open.remove(at.expect("a publish is under way"));
    let (tip, reason) = (world.state().tip().clone(), "a local edit is in the way".to_owned());
    world.input(Input::Publish(PublishReport::Blocked { tip, reason, paths: vec!["a.rs".into()] }));
}

#[test]
fn a_blocked_publish_ends_the_convoy_done_and_is_tried_again_when_more_lands() {
    let mut world = World::new(&planned(spec(vec![task("a"), task("b")])));
    world.lands("a");
    block(&mut world);
    assert!(world.open.iter().all(|open| !matches!(open.action, Action::Publish(_))), "nothing new landed");
    world.lands("b");
    block(&mut world);
    assert_eq!(world.state().status(), ConvoyStatus::Done);
    assert!(world.state().is_unfinished(), "a publish is owed");
    let mut later = World::resumed(&world.plan, &world.log, false);
    assert_eq!(names(&later.publishes()), ["branch_published"]);
    assert!(!later.state().is_unfinished());
}

#[test]
fn closing_a_dead_letter_of_a_convoy_that_has_ended_does_only_that() {
    let mut world = World::new(&planned(spec(vec![task("a"), task("b")])));
    world.lands("a");
    block(&mut world);
    fail(&mut world, "b");
    assert!(world.state().ended().is_some() && !world.state().is_published());
    let (dlq_id, _) = world.task("b").dead_letter.clone().expect("a dead letter");
    let mut later = World::abandoned(&world.plan, &world.log);
    let turn = later.request(RequestKind::ResolveDeadLetter { dlq_id, resolution: "by hand".into() });
    assert_eq!((names(&turn), turn.actions.len()), (vec!["dlq_entry_resolved"], 0), "{turn:?}");
    // A retry tries it again, as a resume does.
    let mut later = World::abandoned(&later.plan, &later.log);
    let turn = later.retry(&["b"]);
    assert!(turn.actions.iter().any(|action| matches!(action, Action::Publish(_))), "{turn:?}");
}
