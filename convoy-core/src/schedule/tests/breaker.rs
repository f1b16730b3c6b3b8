//! Roles that keep failing are rested.

use std::time::Duration;

use super::build::{after, planned, spec, task};
use super::choose::Choices;
use super::steps::names;
use super::world::{World, review_blocked, review_verdict};
use crate::event::RequestKind;
use crate::schedule::{Action, Input, Turn};
use crate::spec::{Approve, CircuitBreaker, Concurrency, Retry, Spec, Task};
use crate::types::{BreakerState, FailureKind, ReviewLevel, ReviewVerdict, TaskStatus};

const COOLDOWN: Duration = Duration::from_secs(60);

fn of(id: &str, agent: &str) -> Task {
    Task { agent: agent.into(), ..task(id) }
}

fn world(threshold: u32, fallback: Option<&str>, slots: u32, tasks: Vec<Task>) -> World {
    let fallback_agent = fallback.map(str::to_owned);
    let circuit_breaker = Some(CircuitBreaker { threshold, cooldown: COOLDOWN, fallback_agent });
    World::new(&planned(Spec { circuit_breaker, concurrency: Concurrency::Fixed(slots), ..spec(tasks) }))
}

fn fails(world: &mut World, id: &str) -> Turn {
    world.agent_fails(id, FailureKind::Error);
    world.snapshot(id, true)
}

fn many(agent: &str, n: usize) -> Vec<Task> {
    (0..n).map(|n| of(&format!("t{n}"), agent)).collect()
}

fn role(world: &World, id: &str) -> String {
    match world.asked(id) {
        Some(Action::Work(order)) => order.agent.clone(),
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn exhausted_tasks_in_a_row_open_it_each_counted_once_and_a_success_begins_anew() {
    let retry = Retry { backoff: Duration::ZERO, max_backoff: COOLDOWN, jitter: false };
    let retried = Task { max_retries: 1, retry, priority: 9, ..of("t0", "dev") };
    let tasks = [vec![retried], many("dev", 7).split_off(1)].concat();
    let mut world = world(2, None, 1, tasks);
    fails(&mut world, "t0");
    // Two failures of one task are one exhausted task.
    let turn = fails(&mut world, "t0");
    assert!(!names(&turn).contains(&"circuit_breaker_tripped"), "{:?}", names(&turn));
    world.lands("t1");
    fails(&mut world, "t2");
    assert_eq!(world.state().breaker("dev"), BreakerState::Closed);
    let turn = fails(&mut world, "t3");
    let count = |name: &str| names(&turn).iter().filter(|other| **other == name).count();
    assert_eq!(count("circuit_breaker_tripped"), 1);
    // Nobody takes what is left.
    assert_eq!((count("circuit_breaker_blocked"), count("task_skipped")), (3, 3));
    assert_eq!(world.status("t6"), TaskStatus::Skipped);
}

#[test]
fn while_it_is_open_the_fallback_takes_the_tasks_and_is_recorded_for_what_it_did() {
    let first = Task { priority: 9, ..of("t0", "dev") };
    let tasks = vec![first, of("t1", "dev"), after("child", &["t1"])];
    let mut world = world(1, Some("expert"), 1, tasks);
    let turn = fails(&mut world, "t0");
    assert!(names(&turn).ends_with(&["circuit_breaker_fallback", "task_assigned"]), "{:?}", names(&turn));
    assert_eq!(role(&world, "t1"), "expert");
    // Its own breaker opens, too: then nobody is left.
    fails(&mut world, "t1");
    assert_eq!(world.state().breaker("expert"), BreakerState::Open);
    assert_eq!(world.status("child"), TaskStatus::Skipped);
    let letter = world.log.iter().rev().find_map(|(_, event)| match event {
        crate::event::Event::Task { event: crate::event::TaskEvent::DeadLettered(letter), .. } => {
            Some(letter)
        }
        _ => None,
    });
    assert_eq!(letter.map(|letter| letter.agent.as_str()), Some("expert"));
}

/// A breaker that is open, with tasks that come later than its cool-down.
fn rested(slots: u32) -> World {
    rested_with(slots, 0)
}

/// The same, with so many retries for the tasks that come later.
fn rested_with(slots: u32, max_retries: u32) -> World {
    let slow = of("slow", "other");
    let bad = Task { priority: 9, ..of("bad", "dev") };
    let retry = Retry { backoff: Duration::ZERO, max_backoff: COOLDOWN, jitter: false };
    let later =
        ["x", "y", "z"].map(|id| Task { agent: "dev".into(), max_retries, retry, ..after(id, &["slow"]) });
    let mut world = world(1, Some("expert"), slots, [vec![bad, slow], later.to_vec()].concat());
    fails(&mut world, "bad");
    assert_eq!(world.state().breaker("dev"), BreakerState::Open);
    world.now = world.now.plus(COOLDOWN);
    world.input(Input::Tick);
    world.lands("slow");
    world.publishes();
    world
}

#[test]
fn after_the_cool_down_one_task_tries_and_the_others_wait_for_its_end() {
    let mut world = rested(4);
    assert_eq!(role(&world, "x"), "dev");
    assert!(world.asked("y").is_none() && world.asked("z").is_none());
    assert_eq!(
        (world.state().breaker("dev"), world.state().probe("dev")),
        (BreakerState::HalfOpen, Some(world.ix("x")))
    );
    let turn = world.lands("x");
    assert!(names(&turn).contains(&"circuit_breaker_closed"), "{:?}", names(&turn));
    assert_eq!((role(&world, "y").as_str(), role(&world, "z").as_str()), ("dev", "dev"));
}

#[test]
fn a_probe_that_fails_opens_it_again_for_a_whole_cool_down() {
    let mut world = rested(4);
    let turn = fails(&mut world, "x");
    assert!(names(&turn).contains(&"circuit_breaker_tripped"), "{:?}", names(&turn));
    assert_eq!((role(&world, "y").as_str(), role(&world, "z").as_str()), ("expert", "expert"));
}

#[test]
fn a_probe_whose_work_is_disputed_opens_it_again() {
    let mut world = rested_with(4, 5);
    for _ in 0..3 {
        assert_eq!(world.state().probe("dev"), Some(world.ix("x")));
        world.works("x");
        let Some(Action::Check(order)) = world.asked("x").cloned() else { panic!("it is not checked") };
        world.say("x", review_verdict(ReviewLevel::Panel, ReviewVerdict::Block, order.work.tree));
        world.say("x", review_blocked());
    }
    assert_eq!((world.status("x"), world.state().breaker("dev")), (TaskStatus::Disputed, BreakerState::Open));
}

#[test]
fn a_probe_that_goes_back_to_its_own_role_lets_another_one_try() {
    let mut world = rested_with(4, 1);
    // Both roles rest; the cool-down of the fallback is over first.
    fails(&mut world, "x");
    fails(&mut world, "x");
    assert_eq!(role(&world, "y"), "expert");
    fails(&mut world, "y");
    world.now = world.now.plus(COOLDOWN);
    world.input(Input::Tick);
    for role in ["dev", "expert"] {
        let probe = world.state().probe(role);
        let agent = probe.map(|ix| world.state().task(ix).agent.clone());
        assert!(agent.is_none_or(|agent| agent.as_deref() == Some(role)), "{role} waits for {probe:?}");
    }
    world.run(&mut Choices::new(&[]));
}

#[test]
fn a_persons_work_says_nothing_about_a_role_and_its_conflicts_are_resolved_while_the_role_rests() {
    let bad = Task { priority: 9, ..of("bad", "dev") };
    let asked = Task { approve: Some(Approve::BeforeRun), ..of("x", "dev") };
    let mut world = world(1, None, 4, vec![bad, asked]);
    let work = world.by_hand(true);
    fails(&mut world, "bad");
    assert_eq!(world.state().breaker("dev"), BreakerState::Open);
    let task = crate::types::TaskId::new("x").expect("valid");
    world.request(RequestKind::Accept { task, work, reason: String::new() });
    world.passes("x");
    let turn = world.conflicts("x");
    assert!(names(&turn).contains(&"task_assigned"), "{:?}", names(&turn));
    assert_eq!(role(&world, "x"), "dev");
}

#[test]
fn a_probe_without_a_verdict_lets_another_one_try() {
    let mut world = rested(4);
    world.agent_fails("x", FailureKind::SecretInPrompt);
    world.snapshot("x", true);
    assert_eq!((world.state().breaker("dev"), role(&world, "y").as_str()), (BreakerState::HalfOpen, "dev"));
    assert!(world.asked("z").is_none());
    let mut world = rested(4);
    world.agent_fails("x", FailureKind::RateLimit);
    world.snapshot("x", true);
    assert_eq!(world.state().probe("dev"), None);
}

#[test]
fn it_is_as_it_was_after_a_crash_anywhere_and_a_person_closes_it() {
    let mut world = rested(4);
    fails(&mut world, "x");
    for end in 0..=world.log.len() {
        let mut again = World::resumed(&world.plan, &world.log[..end], false);
        again.run(&mut Choices::new(&[]));
    }
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().breaker("dev"), BreakerState::Open);
    world.retry(&["bad"]);
    assert_eq!((world.state().breaker("dev"), role(&world, "bad").as_str()), (BreakerState::Closed, "dev"));
}

#[test]
fn escalating_counts_against_who_had_the_task_and_never_gives_it_to_who_is_rested() {
    let up = |id: &str| Task { escalate_to: Some("expert".into()), ..of(id, "dev") };
    let mut world = world(1, None, 1, vec![up("a"), of("b", "expert")]);
    let turn = fails(&mut world, "a");
    assert!(names(&turn).contains(&"circuit_breaker_tripped"), "{:?}", names(&turn));
    assert_eq!(role(&world, "a"), "expert");
    let mut world = self::world(1, None, 2, vec![up("a"), of("b", "expert")]);
    fails(&mut world, "b");
    fails(&mut world, "a");
    assert_eq!(world.status("a"), TaskStatus::Failed, "the last try is nobody's");
    assert!(world.task("a").dead_letter.is_some());
    let own = Task { escalate_to: Some("dev".into()), ..of("a", "dev") };
    let mut world = self::world(2, None, 1, vec![own, of("b", "dev")]);
    fails(&mut world, "a");
    fails(&mut world, "a");
    assert_eq!(world.state().breaker("dev"), BreakerState::Closed, "one task counts once");
    world.request(RequestKind::Cancel);
}

#[test]
fn who_waits_for_the_probe_of_the_fallback_goes_to_its_own_role_when_that_has_rested() {
    let first = |id: &str, agent: &str| Task { priority: 9, ..of(id, agent) };
    let later = |id: &str, agent: &str, dep: &str| Task { agent: agent.into(), ..after(id, &[dep]) };
    let slow = [of("s1", "other"), of("s2", "other")];
    let tasks =
        vec![first("e", "expert"), first("d", "dev"), later("x", "expert", "s1"), later("y", "dev", "s2")];
    let mut world = world(1, Some("expert"), 4, [tasks, slow.to_vec()].concat());
    fails(&mut world, "e");
    world.now = world.now.plus(Duration::from_secs(50));
    fails(&mut world, "d");
    let rested = world.now.plus(COOLDOWN);
    world.now = world.now.plus(Duration::from_secs(10));
    world.lands("s1");
    world.publishes();
    assert_eq!(world.state().probe("expert"), Some(world.ix("x")));
    world.lands("s2");
    world.publishes();
    assert!(world.asked("y").is_none(), "its own role rests, and the other one is being tried");
    assert_eq!(world.scheduler.next_wake(), Some(rested));
    world.wakes();
    assert_eq!((role(&world, "y").as_str(), world.state().probe("dev")), ("dev", Some(world.ix("y"))));
}
