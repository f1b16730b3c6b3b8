//! Adapters of which only so many attempts may work at once.

use super::build::{planned, spec, task};
use super::choose::Choices;
use super::world::World;
use crate::event::{ConvoyEvent, Event, RequestKind};
use crate::schedule::{Action, Input, Scheduler, Turn};
use crate::spec::{Concurrency, Spec, Task};
use crate::state::view;
use crate::types::{AdapterLimit, FailureKind, TaskStatus};

const ONE: &str = "most-1";

fn of(id: &str, adapter: &str) -> Task {
    Task { adapter: Some(adapter.into()), ..task(id) }
}

fn world(concurrency: u32, tasks: Vec<Task>) -> World {
    let spec = spec(tasks);
    World::new(&planned(Spec { concurrency: Concurrency::Fixed(concurrency), ..spec }))
}

fn waits(world: &World, id: &str) -> Option<String> {
    let view = view(world.state());
    view.tasks.into_iter().find(|task| task.id.as_str() == id).and_then(|task| task.waiting_for)
}

fn asks(turn: &Turn) -> bool {
    turn.actions.contains(&Action::AskPlace { adapter: ONE.into() })
}

fn leaves(turn: &Turn) -> bool {
    turn.actions.contains(&Action::LeavePlace { adapter: ONE.into() })
}

#[test]
fn who_waits_for_a_place_takes_no_slot_and_no_lock_from_others() {
    let locked = |task: Task| Task { locks: vec!["db".into()], ..task };
    let first = Task { priority: 9, ..locked(of("a", ONE)) };
    let spec = spec(vec![first, locked(of("b", "other")), of("c", "other")]);
    let locks = [("db".to_owned(), 1)].into();
    let mut world = World::new(&planned(Spec { concurrency: Concurrency::Fixed(3), locks, ..spec }));
    assert!(world.asked("a").is_none() && world.asked("b").is_some() && world.asked("c").is_some());
    // Its lock is taken when the place comes: others may use the place.
    assert!(leaves(&world.place(ONE)));
    assert_eq!(waits(&world, "a").as_deref(), Some("lock db"));
    world.works("b");
    assert!(world.desks.is_asked(ONE), "the lock is free, and a slot");
    assert_eq!(waits(&world, "a").as_deref(), Some("a place at most-1 (1 for all convoys of the engine)"));
    let turn = world.place(ONE);
    assert!(world.asked("a").is_some() && !leaves(&turn) && !asks(&turn));
}

#[test]
fn a_place_goes_back_when_the_agent_has_ended_and_only_then_is_another_asked_for() {
    let mut world = world(4, vec![of("a", ONE), of("b", ONE)]);
    let turn = world.place(ONE);
    assert!(asks(&turn), "for the next task: others may stand before it");
    assert_eq!(waits(&world, "b").as_deref(), Some("a place at most-1 (1 of 1)"));
    let turn = world.agent_ends("a", crate::event::AgentOutcome::Succeeded);
    assert!(leaves(&turn) && !asks(&turn) && world.asked("b").is_none(), "others may have waited longer");
    world.place(ONE);
    assert!(world.asked("b").is_some());
    world.snapshot("a", true);
    world.run(&mut Choices::new(&[]));
    assert_eq!((world.status("a"), world.status("b")), (TaskStatus::Done, TaskStatus::Done));
}

#[test]
fn however_an_attempt_ends_its_place_is_free() {
    type End = fn(&mut World) -> Turn;
    let ends: [(&str, End); 5] = [
        ("fails", |world| world.agent_fails("a", FailureKind::Error)),
        ("meets a limit", |world| world.agent_fails("a", FailureKind::RateLimit)),
        ("is cancelled", |world| {
            world.request(RequestKind::Cancel);
            world.agent_ends("a", crate::event::AgentOutcome::Cancelled)
        }),
        ("is interrupted", |world| {
            world.request(RequestKind::Interrupt { reason: "Ctrl-C".into() });
            world.agent_ends("a", crate::event::AgentOutcome::Interrupted)
        }),
        ("is skipped", |world| {
            let task = crate::types::TaskId::new("a").expect("valid");
            world.request(RequestKind::Skip { task, reason: String::new() });
            world.agent_ends("a", crate::event::AgentOutcome::Cancelled)
        }),
    ];
    for (how, end) in ends {
        let mut world = world(4, vec![of("a", ONE)]);
        world.place(ONE);
        world.starts("a");
        assert!(leaves(&end(&mut world)), "{how}");
    }
}

#[test]
fn a_place_that_comes_when_nobody_may_start_goes_back_and_is_asked_for_again() {
    let mut world = world(4, vec![of("a", ONE)]);
    world.request(RequestKind::Pause);
    assert_eq!(waits(&world, "a").as_deref(), Some("the end of the pause"));
    assert!(leaves(&world.place(ONE)));
    assert!(asks(&world.request(RequestKind::Unpause)));
    world.place(ONE);
    assert!(world.asked("a").is_some());
}

#[test]
fn a_cancelled_convoy_waits_for_no_place() {
    let mut world = world(4, vec![of("a", ONE)]);
    world.request(RequestKind::Cancel);
    assert_eq!(world.status("a"), TaskStatus::Cancelled);
    let turn = world.place(ONE);
    assert!(leaves(&turn) && turn.events.is_empty());
}

#[test]
fn a_retry_and_a_resolution_wait_for_a_place_as_any_attempt_does() {
    let mut world = world(4, vec![Task { max_retries: 1, ..of("a", ONE) }]);
    world.place(ONE);
    world.agent_fails("a", FailureKind::Error);
    world.snapshot("a", true);
    assert!(asks(&world.wakes()) && world.asked("a").is_none());
    world.place(ONE);
    world.works("a");
    world.passes("a");
    assert!(asks(&world.conflicts("a")) && world.asked("a").is_none());
    let text = "a place at most-1 (1 for all convoys of the engine), to resolve a conflict";
    assert_eq!(waits(&world, "a").as_deref(), Some(text));
    world.place(ONE);
    assert!(world.asked("a").is_some());
}

#[test]
fn the_limits_are_those_of_the_engine_that_runs_the_convoy_now() {
    let mut world = world(4, vec![of("a", ONE), of("b", "other")]);
    assert!(world.asked("a").is_none());
    let limits = [("other".to_owned(), AdapterLimit::max_concurrent(3))].into();
    world.scheduler = Scheduler::within(world.state().clone(), limits);
    let turn = world.scheduler.handle(Input::Begin { resumed: true }, world.now).expect("legal");
    let told = turn.events.iter().find_map(|event| match event {
        Event::Convoy(ConvoyEvent::Resumed { adapter_limits, .. }) => Some(adapter_limits),
        _ => None,
    });
    assert_eq!(told, Some(world.state().adapter_limits()));
    let works = |action: &Action| matches!(action, Action::Work(order) if world.ix("a") == order.task);
    assert!(turn.actions.iter().any(works), "nothing limits it any more");
    // The attempt of the engine before holds no place of this one.
    assert!(!turn.actions.iter().any(|action| matches!(action, Action::LeavePlace { .. })));
}
