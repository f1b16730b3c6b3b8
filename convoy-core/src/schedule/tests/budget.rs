//! Limits of what a convoy consumes.

use std::time::Duration;

use super::build::{START, after, planned, spec, task};
use super::choose::Choices;
use super::steps::names;
use super::world::World;
use crate::event::{AgentOutcome, RequestKind};
use crate::schedule::{AgentEnd, Report};
use crate::spec::{Approve, Budget, Concurrency, OnExceeded, Spec, Task};
use crate::types::{ConvoyStatus, Cost, FailureKind, TaskStatus, Usage};

fn world(budget: Budget, tasks: Vec<Task>) -> World {
    let concurrency = Concurrency::Fixed(2);
    World::new(&planned(Spec { budget: Some(budget), concurrency, ..spec(tasks) }))
}

fn limits(tokens: Option<u64>, cost: Option<f64>, seconds: Option<u64>, on_exceeded: OnExceeded) -> Budget {
    let wall_time = seconds.map(Duration::from_secs);
    Budget { tokens, cost_usd: cost.map(Cost::from), wall_time, on_exceeded }
}

/// The agent of a task ends and says what it used; its work lands.
fn uses(world: &mut World, id: &str, usage: Usage) -> Vec<&'static str> {
    let end = super::world::agent_end(AgentOutcome::Succeeded);
    let turn = world.say(id, Report::AgentEnded(AgentEnd { usage, ..end }));
    names(&turn)
}

fn tokens(n: u64) -> Usage {
    Usage { output: Some(n), ..Usage::default() }
}

#[test]
fn a_budget_that_is_used_up_skips_what_was_not_begun_and_lands_what_was() {
    let first = |id: &str| Task { priority: 1, ..task(id) };
    let tasks = vec![first("a"), first("b"), task("c"), after("d", &["c"])];
    let mut world = world(limits(Some(10), None, None, OnExceeded::Stop), tasks);
    let names = uses(&mut world, "a", tokens(10));
    assert_eq!(names, ["task_agent_ended", "budget_exceeded", "task_skipped", "task_skipped"]);
    world.snapshot("a", true);
    world.run(&mut Choices::new(&[]));
    let statuses = ["a", "b", "c", "d"].map(|id| world.status(id));
    assert_eq!(statuses, [TaskStatus::Done, TaskStatus::Done, TaskStatus::Skipped, TaskStatus::Skipped]);
    assert_eq!(world.state().status(), ConvoyStatus::Failed);
    // A person who takes it up again grants it anew.
    world.retry(&[]);
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn nothing_is_retried_without_a_budget() {
    let retried = Task { max_retries: 3, ..task("a") };
    let mut world = world(limits(Some(10), None, None, OnExceeded::Stop), vec![retried, task("b")]);
    uses(&mut world, "b", tokens(20));
    world.snapshot("b", true);
    world.agent_fails("a", FailureKind::Error);
    world.snapshot("a", true);
    assert_eq!((world.status("a"), world.task("a").attempts), (TaskStatus::Skipped, 1));
}

#[test]
fn what_nobody_said_is_not_zero_and_reaches_no_limit() {
    let mut world =
        world(limits(Some(10), Some(0.5), None, OnExceeded::Stop), vec![task("a"), task("b"), task("c")]);
    uses(&mut world, "a", Usage::default());
    let shown = |world: &World| {
        let budget = world.state().budget(world.now);
        (budget[0].used, budget[0].at_least, budget[1].used)
    };
    assert_eq!(shown(&world), (None, true, None));
    world.snapshot("a", true);
    uses(&mut world, "b", Usage { cost_usd: Some(Cost::from(0.25)), ..tokens(9) });
    assert_eq!(shown(&world), (Some(9.0), true, Some(0.25)));
    assert!(!world.state().is_budget_used_up());
}

#[test]
fn a_pause_for_a_limit_is_waved_through_once_by_going_on() {
    let mut world =
        world(limits(Some(5), None, None, OnExceeded::Pause), vec![task("a"), task("b"), task("c")]);
    let names = uses(&mut world, "a", tokens(7));
    assert_eq!(names, ["task_agent_ended", "budget_exceeded", "convoy_paused"]);
    world.snapshot("a", true);
    assert_eq!((world.state().status(), world.asked("c").is_none()), (ConvoyStatus::Paused, true));
    world.request(RequestKind::Unpause);
    assert!(world.asked("c").is_some());
    uses(&mut world, "c", tokens(7));
    assert!(!world.state().is_paused(), "it is not asked again");
}

#[test]
fn running_time_counts_waiting_but_not_the_time_without_an_engine() {
    let slow = Task { priority: 1, ..task("a") };
    let mut world = world(limits(None, None, Some(100), OnExceeded::Stop), vec![slow, after("b", &["a"])]);
    assert_eq!(world.scheduler.next_wake(), Some(START.plus(Duration::from_secs(100))));
    // The engine dies after a minute; another one comes much later.
    world.now = START.plus(Duration::from_secs(60));
    world.starts("a");
    let mut later = World::resumed(&world.plan, &world.log, false);
    let resumed = later.now;
    assert_eq!(later.scheduler.next_wake(), Some(resumed.plus(Duration::from_secs(40))));
    later.wakes();
    assert!(later.state().is_budget_used_up());
    assert_eq!(later.status("b"), TaskStatus::Skipped);
    later.run(&mut Choices::new(&[]));
    assert_eq!(later.status("a"), TaskStatus::Done, "what was under way goes on");
}

#[test]
fn nobody_is_asked_about_a_task_that_the_budget_keeps_from_running() {
    let asked = |task: Task| Task { approve: Some(Approve::BeforeRun), ..task };
    let tasks = vec![task("a"), task("b"), asked(task("c")), asked(after("d", &["b"]))];
    let mut world = world(limits(Some(10), None, None, OnExceeded::Stop), tasks);
    assert_eq!(world.status("c"), TaskStatus::AwaitingApproval);
    uses(&mut world, "a", tokens(10));
    assert_eq!((world.status("c"), world.status("d")), (TaskStatus::Skipped, TaskStatus::Skipped));
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Failed, "it ends without a person");
}
