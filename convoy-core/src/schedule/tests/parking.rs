//! Rate limits and adapters that nobody can use.

use std::time::Duration;

use super::build::{START, after, planned, spec, task};
use super::choose::Choices;
use super::steps::names;
use super::world::{World, agent_end};
use crate::event::{AgentOutcome, AttemptKind, RequestKind};
use crate::schedule::{Action, Turn};
use crate::spec::{OnFailure, Spec, Task};
use crate::state::view;
use crate::types::{ConvoyStatus, Failure, FailureKind, SessionId, TaskStatus, Timestamp};

fn of(id: &str, adapter: &str) -> Task {
    Task { adapter: Some(adapter.into()), ..task(id) }
}

/// The agent of a task meets a limit of its provider.
fn limited(world: &mut World, id: &str, retry_at: Option<Timestamp>) -> Turn {
    world.starts(id);
    let failure = Failure { retry_at, ..Failure::new(FailureKind::RateLimit, "used up") };
    let session = SessionId::new("s-1").ok();
    let end = agent_end(AgentOutcome::Failed { failure });
    world.say(id, crate::schedule::Report::AgentEnded(crate::schedule::AgentEnd { session, ..end }));
    world.snapshot(id, true)
}

fn waits(world: &World, id: &str) -> Option<String> {
    let view = view(world.state());
    view.tasks.into_iter().find(|task| task.id.as_str() == id).and_then(|task| task.waiting_for)
}

#[test]
fn a_rate_limit_parks_its_provider_alone_until_the_time_named_and_uses_no_retry() {
    let tasks = vec![of("a", "x"), of("b", "x"), of("c", "y"), of("d", "x")];
    let spec = Spec { concurrency: crate::spec::Concurrency::Fixed(2), ..spec(tasks) };
    let mut world = World::new(&planned(spec));
    let until = START.plus(Duration::from_secs(3600));
    let turn = limited(&mut world, "a", Some(until));
    assert_eq!(names(&turn), ["task_snapshot", "task_parked", "task_assigned"]);
    assert!(world.asked("c").is_some() && world.asked("d").is_none(), "only the other provider goes on");
    assert_eq!((world.status("a"), world.status("d")), (TaskStatus::Parked, TaskStatus::Pending));
    assert_eq!((world.task("a").retries, world.task("a").failure.as_ref()), (0, None));
    let text = format!("provider x, parked until {until}");
    assert_eq!((waits(&world, "a"), waits(&world, "d")), (Some(text.clone()), Some(text)));
    assert_eq!(world.state().status(), ConvoyStatus::Running);
    // Another engine knows it, too, and so does one that comes too late.
    let mut later = World::resumed(&world.plan, &world.log, false);
    assert_eq!(later.state().parked_until("x"), Some(until));
    later.run(&mut Choices::new(&[]));
    assert!(later.now >= until);
    assert_eq!(later.state().status(), ConvoyStatus::Done);
    world.lands("b");
    world.lands("c");
    world.publishes();
    world.wakes();
    assert_eq!(world.now, until);
    let Some(Action::Work(order)) = world.asked("a") else { panic!("it is not taken up again") };
    assert_eq!((order.kind, order.attempt.0), (AttemptKind::Repeat, 2));
    assert_eq!(order.session.as_ref().map(|kept| kept.id.as_str()), Some("s-1"), "the session is kept");
    assert!(world.asked("d").is_some());
}

#[test]
fn what_a_limit_cut_off_is_remembered_until_an_agent_goes_on_with_it() {
    let mut world = World::new(&planned(spec(vec![of("a", "x")])));
    limited(&mut world, "a", None);
    let cut = world.task("a").cut_off.clone().expect("it was cut off");
    assert_eq!((cut.attempt.0, cut.work.as_ref().map(|work| work.changed)), (1, Some(true)));
    world.wakes();
    // The next one is interrupted before its agent is called: nothing of the first one is forgotten.
    world.say("a", crate::schedule::Report::AgentEnded(agent_end(AgentOutcome::Interrupted)));
    world.snapshot("a", false);
    let Some(Action::Work(order)) = world.asked("a") else { panic!("it is not taken up again") };
    assert_eq!((order.attempt.0, order.cut_off.as_ref()), (3, Some(&cut)));
    assert_eq!(order.session.as_ref().map(|kept| kept.id.as_str()), Some("s-1"));
    // A crash leaves no session to go on, and the work of the attempt that it met.
    world.starts("a");
    let mut later = World::resumed(&world.plan, &world.log, false);
    later.snapshot("a", true);
    let Some(Action::Work(order)) = later.asked("a") else { panic!("it is not taken up again") };
    let cut = order.cut_off.clone().expect("it was cut off");
    assert_eq!((order.attempt.0, cut.attempt.0, order.session.clone()), (4, 3, None));
    assert!(cut.work.is_some_and(|work| work.changed));
    later.lands("a");
    assert_eq!(later.task("a").cut_off, None);
}

#[test]
fn who_went_on_with_a_session_and_met_a_limit_without_naming_it_leaves_its_own_files() {
    for changed in [true, false] {
        let mut world = World::new(&planned(spec(vec![of("a", "x")])));
        limited(&mut world, "a", None);
        world.wakes();
        // It goes on with the session, edits, meets the limit, and says nothing of the session.
        world.starts("a");
        let failure = Failure::new(FailureKind::RateLimit, "used up");
        let end = agent_end(AgentOutcome::Failed { failure });
        world.say("a", crate::schedule::Report::AgentEnded(end));
        world.snapshot("a", changed);
        world.wakes();
        let Some(Action::Work(order)) = world.asked("a") else { panic!("it is not taken up again") };
        assert_eq!(order.session.as_ref().map(|kept| kept.id.as_str()), Some("s-1"));
        let cut = order.cut_off.as_ref().expect("somebody was cut off");
        let of = if changed { 2 } else { 1 };
        assert_eq!((cut.attempt.0, cut.work.as_ref().map(|work| work.changed)), (of, Some(true)));
    }
}

#[test]
fn without_a_time_that_can_be_believed_the_wait_doubles_until_something_works() {
    let mut world = World::new(&planned(spec(vec![of("a", "x"), of("b", "x")])));
    let far = START.plus(Duration::from_secs(400 * 24 * 3600));
    let minute = |n: u64| Duration::from_secs(60 * n);
    for (retry_at, minutes) in [(None, 1), (Some(Timestamp(0)), 2), (Some(far), 4)] {
        let now = world.now;
        limited(&mut world, "a", retry_at);
        // The other meets the same limit a moment later.
        limited(&mut world, "b", None);
        assert_eq!(world.state().parked_until("x"), Some(now.plus(minute(minutes))));
        world.wakes();
    }
    world.starts("a");
    world.works("a");
    let now = world.now;
    limited(&mut world, "b", None);
    assert_eq!(world.state().parked_until("x"), Some(now.plus(minute(1))), "a new row");
}

#[test]
fn a_resolution_waits_for_its_provider_too() {
    let mut world = World::new(&planned(spec(vec![of("a", "x")])));
    world.works("a");
    world.passes("a");
    world.conflicts("a");
    let until = START.plus(Duration::from_secs(50));
    limited(&mut world, "a", Some(until));
    assert!(world.asked("a").is_none() && world.task("a").conflict.is_some());
    assert_eq!(waits(&world, "a"), Some(format!("provider x, parked until {until}")));
    world.wakes();
    let Some(Action::Work(order)) = world.asked("a") else { panic!("it is not taken up again") };
    assert!(order.kind == AttemptKind::Resolve && order.conflict.is_some());
    assert_eq!(world.task("a").conflicts, 1, "no try is used");
}

#[test]
fn a_stopped_or_cancelled_convoy_does_not_wait_for_a_provider() {
    let plan = planned(Spec { on_failure: OnFailure::Stop, ..spec(vec![of("a", "x"), of("b", "y")]) });
    let until = Some(START.plus(Duration::from_secs(3600)));
    for first in [true, false] {
        let mut world = World::new(&plan);
        let fails = |world: &mut World| {
            world.agent_fails("b", FailureKind::Error);
            world.snapshot("b", true);
        };
        if first {
            fails(&mut world);
        }
        limited(&mut world, "a", until);
        if !first {
            fails(&mut world);
        }
        assert_eq!(world.status("a"), TaskStatus::Skipped);
        assert_eq!(world.state().status(), ConvoyStatus::Failed);
    }
    let mut world = World::new(&plan);
    limited(&mut world, "a", until);
    world.request(RequestKind::Cancel);
    assert_eq!(world.status("a"), TaskStatus::Cancelled);
}

#[test]
fn nobody_tries_again_what_is_not_installed_or_logged_in_until_a_person_had_a_chance() {
    let model = |id: &str, model: &str| Task { model: Some(model.into()), ..of(id, "x") };
    let cases = [
        (FailureKind::Auth, true),
        (FailureKind::NotInstalled, true),
        // What it does not understand may be the model.
        (FailureKind::Contract, false),
    ];
    for (kind, all) in cases {
        let tasks = vec![
            Task { priority: 9, ..model("a", "big") },
            Task { max_retries: 3, ..model("same", "big") },
            model("other", "small"),
            of("else", "y"),
            after("child", &["same"]),
        ];
        let spec = Spec { concurrency: crate::spec::Concurrency::Fixed(1), ..spec(tasks) };
        let mut world = World::new(&planned(spec));
        world.agent_fails("a", kind.clone());
        world.snapshot("a", true);
        let failed = |world: &World, id: &str| world.task(id).failure.as_ref().map(|f| f.kind.clone());
        assert_eq!(failed(&world, "same"), Some(kind.clone()));
        assert_eq!((world.status("same"), world.task("same").attempts), (TaskStatus::Failed, 0));
        assert!(world.task("same").dead_letter.is_some());
        assert_eq!(world.status("child"), TaskStatus::Skipped);
        assert_eq!(world.asked("other").is_none(), all, "{kind}");
        world.run(&mut Choices::new(&[]));
        assert_eq!(world.status("other"), if all { TaskStatus::Failed } else { TaskStatus::Done });
        assert_eq!(world.status("else"), TaskStatus::Done);
        // Given up twice without an attempt in between, it has two letters.
        let first = world.task("same").dead_letter.clone();
        world.retry(&[]);
        assert!(world.asked("a").is_some(), "a person may have mended it");
        world.agent_fails("a", kind.clone());
        world.snapshot("a", true);
        let second = world.task("same").dead_letter.clone();
        assert_eq!(first.map(|(id, _)| format!("{id}-2")), second.map(|(id, _)| id));
    }
}
