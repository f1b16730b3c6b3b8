//! Limits of what a convoy consumes.

use std::time::Duration;

use super::build::{START, after, planned, spec, task};
use super::choose::Choices;
use super::steps::names;
use super::world::World;
use crate::event::{AgentOutcome, HookResult, RequestKind, ReviewRecord, ReviewStarted};
use crate::schedule::{AgentEnd, Report};
use crate::spec::{Approve, Budget, Concurrency, HookMoment, HookType, OnExceeded, Retry, Spec, Task};
use crate::types::{ConvoyStatus, Cost, Failure, FailureKind, ReviewLevel, ReviewVerdict, TaskStatus, Usage};

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
    world.starts("a");
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
fn going_on_after_a_pause_for_a_limit_grants_as_much_again() {
    let tasks = ["a", "b", "c", "d", "e"].map(task);
    let mut world = world(limits(Some(5), None, None, OnExceeded::Pause), tasks.to_vec());
    let names = uses(&mut world, "a", tokens(7));
    assert_eq!(names, ["task_agent_ended", "budget_exceeded", "convoy_paused"]);
    world.snapshot("a", true);
    assert_eq!((world.state().status(), world.asked("c").is_none()), (ConvoyStatus::Paused, true));
    world.request(RequestKind::Unpause);
    assert!(world.asked("c").is_some());
    let limit = |world: &World| world.state().budget(world.now)[0].limit;
    assert_eq!(limit(&world), 12.0);
    uses(&mut world, "b", tokens(4));
    assert!(!world.state().is_paused(), "there is one token left");
    world.snapshot("b", true);
    uses(&mut world, "c", tokens(1));
    assert!(world.state().is_paused());
    world.snapshot("c", true);
    // Another engine that takes it up is a person's going on, too.
    let later = World::resumed(&world.plan, &world.log, false);
    assert_eq!((later.state().is_paused(), limit(&later)), (false, 17.0));
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

/// A world of one slot in which task `a` has this budget, and `b` depends on it.
fn own(budget: Budget, a: Task) -> World {
    let tasks = vec![Task { budget: Some(budget), ..a }, after("b", &["a"]), task("c")];
    World::new(&planned(spec(tasks)))
}

#[test]
fn a_task_without_a_budget_left_is_not_tried_again_and_the_others_go_on() {
    for kind in [FailureKind::Error, FailureKind::Drift] {
        let retried = Task { max_retries: 3, escalate_to: Some("expert".into()), ..task("a") };
        let mut world = own(limits(Some(10), None, None, OnExceeded::Stop), retried);
        let failure = Failure::new(kind, "it did not work");
        let end = super::world::agent_end(AgentOutcome::Failed { failure });
        let end = AgentEnd { usage: tokens(10), ..end };
        assert_eq!(names(&world.say("a", Report::AgentEnded(end))), ["task_agent_ended", "budget_exceeded"]);
        world.snapshot("a", true);
        assert_eq!((world.status("a"), world.task("a").attempts), (TaskStatus::Skipped, 1));
        assert_eq!(world.status("b"), TaskStatus::Skipped);
        world.run(&mut Choices::new(&[]));
        assert_eq!(world.status("c"), TaskStatus::Done, "the budget is nobody else's");
        // A person who takes it up again grants it anew.
        world.retry(&[]);
        world.run(&mut Choices::new(&[]));
        assert_eq!(world.state().status(), ConvoyStatus::Done);
    }
}

#[test]
fn work_that_used_up_the_budget_of_its_task_lands() {
    let mut world = own(limits(Some(10), None, None, OnExceeded::Stop), task("a"));
    uses(&mut world, "a", tokens(11));
    assert!(world.state().is_task_budget_used_up(world.ix("a")));
    world.snapshot("a", true);
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn the_parts_of_a_task_count_together_and_what_nobody_said_is_not_zero() {
    let budget = limits(Some(10), Some(0.5), None, OnExceeded::Stop);
    let mut world = own(budget, Task { max_retries: 9, ..task("a") });
    let shown = |world: &World| {
        let budget = world.state().task_budget(world.ix("a"), world.now);
        (budget[0].used, budget[0].at_least, budget[1].used, budget[1].at_least)
    };
    assert_eq!(shown(&world), (None, false, None, false));
    world.starts("a");
    uses(&mut world, "a", Usage { cost_usd: Some(Cost::from(0.25)), ..Usage::default() });
    assert_eq!(shown(&world), (None, true, Some(0.25), false));
    world.snapshot("a", true);
    let rated = super::world::drift(true);
    world.say("a", Report::Drift(crate::event::DriftResult { usage: tokens(9), ..rated }));
    assert_eq!(shown(&world), (Some(9.0), true, Some(0.25), true));
    world.say("a", Report::Checked(Some(Failure::new(FailureKind::Drift, "it rates its work low"))));
    assert!(world.asked("a").is_some(), "the limit is not reached");
    uses(&mut world, "a", tokens(1));
    assert!(world.state().is_task_budget_used_up(world.ix("a")));
}

#[test]
fn reviewers_and_agents_of_hooks_that_say_nothing_are_not_left_out_of_the_sum() {
    let silent = |report: Report, level: ReviewLevel, downgraded: bool| {
        let Report::ReviewVerdict(record) = report else { panic!("{report:?}") };
        let (usage, tokens, budget_exceeded) = (Usage::default(), None, downgraded);
        let record =
            ReviewRecord { level, usage, tokens, budget_exceeded, budget_downgrade: downgraded, ..*record };
        Report::ReviewVerdict(Box::new(record))
    };
    let hook = |world: &mut World, kind| {
        let result = super::reports::hook(HookMoment::PostTask, true);
        world.say("a", Report::Hook(HookResult { kind, ..result }));
    };
    let review = |world: &mut World, started: bool, level, verdict, downgraded| {
        let (reviewer, model, reason) = ("r".to_owned(), None, String::new());
        if started {
            world.say("a", Report::ReviewStarted(ReviewStarted { level, reviewer, model, reason }));
        }
        let said = super::world::review_verdict(level, verdict, super::build::oid(1));
        world.say("a", silent(said, level, downgraded));
    };
    type Act = Box<dyn Fn(&mut World)>;
    let cases: Vec<(&str, Act, u32)> = vec![
        ("an agent", Box::new(move |world| hook(world, HookType::Agent)), 1),
        ("a reviewer", Box::new(move |world| hook(world, HookType::Review)), 1),
        ("a command", Box::new(move |world| hook(world, HookType::Command)), 0),
    ];
    for (what, act, calls) in cases {
        let mut world = own(limits(Some(10), None, None, OnExceeded::Stop), task("a"));
        uses(&mut world, "a", tokens(1));
        act(&mut world);
        let said = world.task("a").calls;
        assert_eq!((said.total, said.without_tokens), (1 + calls, calls), "hook: {what}");
    }
    let reviews = [
        (true, ReviewLevel::Fast, ReviewVerdict::Pass, true, 1),
        (true, ReviewLevel::Fast, ReviewVerdict::Skipped, false, 1),
        (true, ReviewLevel::Panel, ReviewVerdict::Skipped, false, 3),
        (false, ReviewLevel::Fast, ReviewVerdict::Skipped, false, 0),
        (false, ReviewLevel::AutoPass, ReviewVerdict::Pass, false, 0),
    ];
    for (started, level, verdict, downgraded, calls) in reviews {
        let mut world = own(limits(Some(10), None, None, OnExceeded::Stop), task("a"));
        uses(&mut world, "a", tokens(1));
        world.snapshot("a", true);
        review(&mut world, started, level, verdict, downgraded);
        let said = world.task("a").calls;
        assert_eq!((said.total, said.without_tokens), (1 + calls, calls), "{level:?} {verdict:?} {started}");
        let budget = world.state().task_budget(world.ix("a"), world.now);
        assert_eq!(budget[0].at_least, calls > 0);
    }
}

#[test]
fn a_task_may_pause_the_convoy_for_its_budget_and_going_on_grants_it_again() {
    let retried = Task { max_retries: 3, priority: 1, ..task("a") };
    let mut world = own(limits(Some(5), None, None, OnExceeded::Pause), retried);
    let names = uses(&mut world, "a", tokens(7));
    assert_eq!(names, ["task_agent_ended", "budget_exceeded", "convoy_paused"]);
    world.snapshot("a", true);
    world.say("a", Report::Checked(Some(Failure::new(FailureKind::Gate("x".into()), "red"))));
    assert_eq!((world.state().status(), world.status("a")), (ConvoyStatus::Paused, TaskStatus::Pending));
    world.request(RequestKind::Unpause);
    world.wakes();
    uses(&mut world, "a", tokens(4));
    assert!(!world.state().is_paused(), "there is one token left");
    world.snapshot("a", true);
    world.say("a", Report::Checked(Some(Failure::new(FailureKind::Gate("x".into()), "red"))));
    world.wakes();
    uses(&mut world, "a", tokens(1));
    assert!(world.state().is_paused());
}

#[test]
fn the_time_of_a_task_begins_with_its_first_attempt_and_ends_its_wait_for_the_next() {
    let (backoff, max_backoff) = (Duration::from_secs(500), Duration::from_secs(500));
    let slow = Task { max_retries: 1, retry: Retry { backoff, max_backoff, jitter: false }, ..task("a") };
    let budget = limits(None, None, Some(100), OnExceeded::Stop);
    let tasks = vec![Task { priority: 1, ..task("c") }, Task { budget: Some(budget), ..slow }];
    let mut world = World::new(&planned(Spec { concurrency: Concurrency::Fixed(1), ..spec(tasks) }));
    assert_eq!(world.scheduler.next_wake(), None, "it is not begun");
    world.now = START.plus(Duration::from_secs(60));
    uses(&mut world, "c", tokens(1));
    world.snapshot("c", true);
    assert_eq!(world.scheduler.next_wake(), Some(START.plus(Duration::from_secs(160))));
    world.agent_fails("a", FailureKind::Error);
    world.snapshot("a", true);
    assert_eq!(world.status("a"), TaskStatus::Pending);
    // The engine dies after 50 of its seconds; another one comes later.
    world.now = START.plus(Duration::from_secs(110));
    world.request(RequestKind::Pause);
    let mut later = World::resumed(&world.plan, &world.log, false);
    let resumed = later.now;
    assert_eq!(later.scheduler.next_wake(), Some(resumed.plus(Duration::from_secs(50))));
    later.wakes();
    assert_eq!(later.status("a"), TaskStatus::Skipped);
}

#[test]
fn going_on_after_a_pause_for_the_running_time_grants_as_much_again() {
    let slow = Task { priority: 1, ..task("a") };
    let mut world = world(limits(None, None, Some(100), OnExceeded::Pause), vec![slow, after("b", &["a"])]);
    world.now = START.plus(Duration::from_secs(100));
    world.wakes();
    assert!(world.state().is_paused());
    world.now = START.plus(Duration::from_secs(130));
    world.request(RequestKind::Unpause);
    assert_eq!(world.scheduler.next_wake(), Some(START.plus(Duration::from_secs(230))));
}
