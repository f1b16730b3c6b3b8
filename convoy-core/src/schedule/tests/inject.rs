//! Tasks that are added while the convoy runs.

use super::build::{after, planned, spec, task};
use super::choose::Choices;
use super::steps::names;
use super::world::World;
use crate::event::{ConvoyEvent, Event, RequestKind};
use crate::plan::Plan;
use crate::schedule::{MOST_INJECTED, Report, SnapshotReport, Turn};
use crate::spec::{Concurrency, OnFailure, Spec, Task};
use crate::types::{ConvoyStatus, FailureKind, TaskStatus};

fn inject(world: &mut World, tasks: Vec<Task>) -> Turn {
    world.request(RequestKind::Inject { tasks, source: "test".into(), idempotency_key: None })
}

/// Why the injection of a turn was refused.
fn refusal(turn: &Turn) -> Option<&str> {
    turn.events.iter().find_map(|event| match event {
        Event::Convoy(ConvoyEvent::InjectionRefused { reason, .. }) => Some(reason.as_str()),
        _ => None,
    })
}

fn one_at_a_time(tasks: Vec<Task>) -> Spec {
    Spec { concurrency: Concurrency::Fixed(1), ..spec(tasks) }
}

fn with_files(files: &str, task: Task) -> Task {
    Task { files: vec![files.into()], ..task }
}

#[test]
fn added_tasks_run_in_their_place_and_the_end_waits_for_them() {
    let plan = planned(one_at_a_time(vec![task("a"), after("b", &["a"])]));
    let mut world = World::new(&plan);
    let urgent = Task { priority: 5, ..task("urgent") };
    let turn = inject(&mut world, vec![after("last", &["b", "urgent"]), urgent]);
    assert_eq!(names(&turn), ["file_injection_received", "tasks_added"]);
    world.lands("a");
    assert_eq!(world.status("urgent"), TaskStatus::Assigned, "before b, by its priority");
    // The next engine knows them from the log alone.
    let mut world = World::resumed(&plan, &world.log, false);
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done);
    assert_eq!(world.state().totals().done, 4);
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason_and_nothing_of_it_is_added() {
    let live = || with_files("src", task("a"));
    let many = |n: u32| (0..n).map(|i| task(&format!("x{i}"))).collect::<Vec<_>>();
    let long = Task { prompt: "x".repeat(70_000), ..task("x") };
    let cases: [(&str, Vec<Task>, &str); 7] = [
        ("an id that exists", vec![task("x"), task("a")], "id"),
        ("an unknown dependency", vec![task("x"), after("y", &["nobody"])], "nobody"),
        ("a circle", vec![after("x", &["y"]), after("y", &["x"])], "x"),
        (
            "files of a task that works",
            vec![with_files("src/lib", task("x"))],
            "overlap with those of task a",
        ),
        ("nothing", Vec::new(), "no tasks"),
        ("more than fits an event", vec![long], "at most 65536 (64 KiB)"),
        ("more than may be", many(MOST_INJECTED + 1), "at most 10"),
    ];
    for (what, tasks, reason) in cases {
        let mut world = World::new(&planned(one_at_a_time(vec![live(), task("b")])));
        let turn = inject(&mut world, tasks);
        assert!(refusal(&turn).is_some_and(|text| text.contains(reason)), "{what}: {turn:?}");
        assert_eq!(world.state().plan().len(), 2, "{what}");
    }
    let mut world = World::new(&planned(one_at_a_time(vec![live()])));
    assert_eq!(refusal(&inject(&mut world, many(MOST_INJECTED))), None, "as many as may be");
    assert!(refusal(&inject(&mut world, vec![task("y")])).is_some(), "the limit is for all together");
    let follows = Task { files: vec!["src".into()], ..after("x", &["a"]) };
    let mut world = World::new(&planned(one_at_a_time(vec![live()])));
    assert_eq!(refusal(&inject(&mut world, vec![follows])), None, "it waits for the one with its files");
}

#[test]
fn tasks_that_cannot_be_read_are_refused_with_the_reason() {
    let mut world = World::new(&planned(one_at_a_time(vec![task("a")])));
    let turn = world.request(RequestKind::RefuseInjection {
        reason: "2:1: error".into(),
        source: "inject.yml".into(),
        idempotency_key: Some("k".into()),
    });
    assert_eq!((refusal(&turn), turn.events.len()), (Some("2:1: error"), 1));
    // The key is free for what is right.
    let (tasks, source) = (vec![task("x")], "inject.yml".to_owned());
    let turn = world.request(RequestKind::Inject { tasks, source, idempotency_key: Some("k".into()) });
    assert_eq!((refusal(&turn), world.state().plan().len()), (None, 2));
}

#[test]
fn nothing_is_added_to_what_ends() {
    let stopping = || Spec { on_failure: OnFailure::Stop, ..one_at_a_time(vec![task("a"), task("b")]) };
    let mut cancelled = World::new(&planned(stopping()));
    cancelled.request(RequestKind::Cancel);
    let mut ended = World::new(&planned(stopping()));
    ended.run(&mut Choices::new(&[]));
    for (mut world, reason) in [(cancelled, "cancelled"), (ended, "has ended")] {
        let turn = inject(&mut world, vec![task("x")]);
        assert!(refusal(&turn).is_some_and(|text| text.contains(reason)), "{reason}: {turn:?}");
    }
}

#[test]
fn a_request_with_a_known_key_is_not_carried_out_twice() {
    let mut world = World::new(&planned(one_at_a_time(vec![task("a")])));
    let request = |id: &str| RequestKind::Inject {
        tasks: vec![task(id)],
        source: "test".into(),
        idempotency_key: Some("k".into()),
    };
    world.request(request("x"));
    assert_eq!(world.request(request("y")), Turn::default());
    assert_eq!(world.state().plan().len(), 2);
}

#[test]
fn a_task_that_depends_on_what_failed_is_skipped_at_once() {
    let mut world = World::new(&planned(one_at_a_time(vec![task("a"), task("b")])));
    world.agent_fails("a", FailureKind::Error);
    world.say("a", Report::Snapshot(SnapshotReport::NoWorktree));
    let turn = inject(&mut world, vec![after("x", &["a"])]);
    assert_eq!(names(&turn)[2], "task_skipped");
    assert_eq!(world.status("x"), TaskStatus::Skipped);
}

#[test]
fn a_plan_keeps_every_pair_of_added_tasks_with_common_files_apart() {
    let first: Plan = Plan::clone(&planned(spec(vec![with_files("a", task("t0"))])));
    let added = ["t1", "t2", "t3"].map(|id| with_files("a", task(id)));
    let plan = first.extended(added.to_vec()).expect("fits");
    for ix in plan.indices() {
        let others: Vec<_> = plan.indices().filter(|other| *other != ix).collect();
        assert_eq!(plan.task(ix).overlaps, others, "{ix:?}");
    }
}
