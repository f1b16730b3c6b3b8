//! What each outcome of an attempt leads to, by retries left, `on_failure` and `on_exhausted`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::build::{after, planned, spec, task};
use super::steps::names;
use super::world::{World, review_blocked};
use crate::event::{AgentOutcome, AttemptKind, Event, RequestKind, TaskEvent};
use crate::schedule::{Action, PrepareReport, Report, SnapshotReport, Turn};
use crate::spec::{HookMoment, OnExhausted, OnFailure, Retry, Spec, Task};
use crate::types::{Failure, FailureKind, TaskStatus};

/// Lets task `bad` fail, and gives the turn that decides what follows.
type Fail = fn(&mut World) -> Turn;

struct Outcome {
    fail: Fail,
    retried: bool,
    status: TaskStatus,
    /// `failure_type`, and `reason` where that is another word.
    kind: &'static str,
    /// The event that stands before the decision.
    first: &'static str,
}

macro_rules! agent {
    ($kind:ident, $retried:literal, $status:ident, $text:literal) => {
        Outcome {
            fail: |w| {
                w.agent_fails("bad", FailureKind::$kind);
                w.snapshot("bad", true)
            },
            retried: $retried,
            status: TaskStatus::$status,
            kind: $text,
            first: "task_snapshot",
        }
    };
}

const OUTCOMES: [Outcome; 20] = [
    agent!(Error, true, Failed, "error"),
    agent!(Refused, true, Failed, "refused"),
    agent!(TurnLimit, true, Failed, "turn-limit"),
    agent!(NeedsInput, true, Failed, "needs-input"),
    agent!(Idle, true, Failed, "idle"),
    agent!(Timeout, true, TimedOut, "timeout"),
    agent!(Worktree, true, Failed, "worktree-error"),
    agent!(SecretInPrompt, false, Failed, "secret-in-prompt"),
    agent!(Template, false, Failed, "template"),
    Outcome {
        fail: |w| {
            w.agent_ends("bad", AgentOutcome::Succeeded);
            let unfit = Failure::new(FailureKind::Artifact, "there is no plan");
            let work = w.work_of("bad");
            w.taken("bad", work, Vec::new(), Some(unfit))
        },
        retried: true,
        status: TaskStatus::Failed,
        kind: "artifact",
        first: "task_snapshot",
    },
    agent!(NotInstalled, false, Failed, "not-installed"),
    agent!(Auth, false, Failed, "auth"),
    agent!(Contract, false, Failed, "contract"),
    Outcome {
        fail: |w| {
            w.agent_fails("bad", FailureKind::Hook("make check".into()));
            w.snapshot("bad", true)
        },
        retried: false,
        status: TaskStatus::HookFailed,
        kind: "hook:make check",
        first: "task_snapshot",
    },
    Outcome {
        fail: |w| {
            w.agent_ends("bad", AgentOutcome::Succeeded);
            w.hook("bad", HookMoment::PostTask, false);
            w.snapshot("bad", true)
        },
        retried: false,
        status: TaskStatus::HookFailed,
        kind: "hook:make check",
        first: "task_snapshot",
    },
    Outcome {
        fail: |w| {
            w.agent_ends("bad", AgentOutcome::Succeeded);
            let failure = Failure::new(FailureKind::Snapshot, "an unfinished merge");
            w.say("bad", Report::Snapshot(SnapshotReport::Failed(failure)))
        },
        retried: true,
        status: TaskStatus::Failed,
        kind: "snapshot-error",
        first: "task_snapshot",
    },
    Outcome {
        fail: |w| {
            w.agent_ends("bad", AgentOutcome::Succeeded);
            w.say("bad", Report::Snapshot(SnapshotReport::NoWorktree))
        },
        retried: true,
        status: TaskStatus::Failed,
        kind: "worktree-error",
        first: "task_snapshot",
    },
    Outcome {
        fail: |w| {
            w.works("bad");
            w.gate_fails("bad")
        },
        retried: true,
        status: TaskStatus::GateFailed,
        kind: "gate:npm test",
        first: "",
    },
    Outcome {
        fail: |w| {
            w.works("bad");
            w.say("bad", review_blocked())
        },
        retried: true,
        status: TaskStatus::ReviewBlocked,
        kind: "review-blocked",
        first: "",
    },
    Outcome {
        fail: |w| {
            w.works("bad");
            w.passes("bad");
            let failure = Failure::new(FailureKind::MergeError, "no space left");
            w.say("bad", Report::Prepared(PrepareReport::Failed(failure)))
        },
        retried: true,
        status: TaskStatus::Failed,
        kind: "merge-error",
        first: "",
    },
];

/// `bad` and `busy` work; `child` and `grandchild` need `bad`; `other` waits for a lock that `busy` holds.
fn convoy(max_retries: u32, on_failure: OnFailure, on_exhausted: OnExhausted, escalates: bool) -> World {
    let escalate_to = escalates.then(|| "expert".to_owned());
    let bad = Task { max_retries, on_exhausted, escalate_to, priority: 2, ..task("bad") };
    let locked = |id: &str, priority| Task { priority, locks: vec!["lock".into()], ..task(id) };
    let children = [after("child", &["bad"]), after("grandchild", &["child"])];
    // Of an adapter that does not break with that of the others.
    let other = Task { adapter: Some("another".into()), ..locked("other", 0) };
    let tasks = [vec![bad, locked("busy", 1), other], children.to_vec()].concat();
    let locks = BTreeMap::from([("lock".to_owned(), 1)]);
    let mut world = World::new(&planned(Spec { locks, on_failure, ..spec(tasks) }));
    world.starts("bad");
    world
}

#[test]
fn every_outcome_leads_where_the_table_says() {
    for outcome in &OUTCOMES {
        for case in 0..24 {
            let (max_retries, escalates) = (case & 1, case & 2 > 0);
            let on_failure = [OnFailure::Continue, OnFailure::Stop][(case >> 2 & 1) as usize];
            let on_exhausted = [OnExhausted::Dlq, OnExhausted::Skip, OnExhausted::Stop][(case >> 3) as usize];
            let world = convoy(max_retries, on_failure, on_exhausted, escalates);
            let stops = on_failure == OnFailure::Stop || on_exhausted == OnExhausted::Stop;
            match (outcome.retried, max_retries, escalates) {
                (true, 1, _) => retried(outcome, world),
                (true, _, true) => {
                    let world = escalated(outcome, world);
                    exhausted(outcome, world, on_exhausted != OnExhausted::Skip, stops);
                }
                _ => exhausted(outcome, world, on_exhausted != OnExhausted::Skip, stops),
            }
        }
    }
}

/// The names of the decision, without what stands before it.
fn decided(outcome: &Outcome, turn: &Turn) -> Vec<&'static str> {
    let mut names = names(turn);
    if !outcome.first.is_empty() {
        assert_eq!(names.remove(0), outcome.first, "{}", outcome.kind);
    }
    names
}

fn retried(outcome: &Outcome, mut world: World) {
    let turn = (outcome.fail)(&mut world);
    assert_eq!(decided(outcome, &turn), ["task_retried"], "{}", outcome.kind);
    let bad = world.task("bad");
    assert_eq!((bad.retries, world.status("bad")), (1, TaskStatus::Pending));
    assert_eq!(bad.failure.as_ref().map(|f| f.kind.to_string()).as_deref(), Some(outcome.kind));
    assert_eq!(bad.dead_letter, None);
    assert_eq!(world.status("child"), TaskStatus::Pending);
    // The slot is free for somebody else; the retry comes after its wait, and knows what failed.
    world.lands("busy");
    world.lands("other");
    world.publishes();
    world.wakes();
    let Some(Action::Work(order)) = world.asked("bad") else { panic!("{} is not tried again", outcome.kind) };
    assert_eq!(order.feedback.as_ref().map(|f| f.kind.to_string()).as_deref(), Some(outcome.kind));
    assert_eq!(order.attempt.0, 2);
}

/// The last try is the other role's, at once; afterwards it is where any last try is.
fn escalated(outcome: &Outcome, mut world: World) -> World {
    let turn = (outcome.fail)(&mut world);
    assert_eq!(decided(outcome, &turn), ["task_retried", "task_assigned"], "{}", outcome.kind);
    assert_eq!((world.task("bad").retries, world.task("bad").dead_letter.as_ref()), (0, None));
    let Some(Action::Work(order)) = world.asked("bad") else { panic!("{} is not tried again", outcome.kind) };
    assert_eq!(order.feedback.as_ref().map(|f| f.kind.to_string()).as_deref(), Some(outcome.kind));
    assert_eq!((order.attempt.0, order.agent.as_str()), (2, "expert"));
    world.starts("bad");
    world
}

fn exhausted(outcome: &Outcome, mut world: World, letter: bool, stops: bool) {
    let turn = (outcome.fail)(&mut world);
    let mut expected = vec!["task_failed"];
    if letter {
        expected.push("dlq_entry_created");
    }
    expected.extend(["task_skipped"; 2]);
    if stops {
        expected.push("task_skipped");
    }
    assert_eq!(decided(outcome, &turn), expected, "{}", outcome.kind);
    assert_eq!(world.status("bad"), outcome.status, "{}", outcome.kind);
    let bad = world.task("bad");
    assert_eq!(bad.failure.as_ref().map(|f| f.kind.to_string()).as_deref(), Some(outcome.kind));
    assert_eq!(bad.dead_letter.as_ref().map(|(_, open)| *open), letter.then_some(true));
    assert_eq!(world.status("child"), TaskStatus::Skipped);
    assert_eq!(world.status("grandchild"), TaskStatus::Skipped);
    // Whoever was at work goes on, and lands.
    world.lands("busy");
    assert_eq!(world.asked("other").is_none(), stops, "{}", outcome.kind);
    if !stops {
        world.lands("other");
    }
    let end = world.publishes();
    assert_eq!(names(&end), ["branch_published", "convoy_failed"]);
    let totals = world.state().totals();
    let skipped = if stops { 3 } else { 2 };
    assert_eq!((totals.done, totals.skipped), (5 - 1 - skipped, skipped));
}

#[test]
fn a_stop_ends_retries_of_others_and_what_they_wait_for() {
    let stopper = Task { on_exhausted: OnExhausted::Stop, ..task("stopper") };
    let patient = |id: &str| Task { max_retries: 5, ..task(id) };
    let mut world = World::new(&planned(spec(vec![stopper, patient("waits"), patient("works")])));
    world.agent_fails("waits", FailureKind::Error);
    world.snapshot("waits", true);
    assert_eq!(world.status("waits"), TaskStatus::Pending, "it waits for its retry");
    world.agent_fails("stopper", FailureKind::Error);
    world.snapshot("stopper", true);
    assert_eq!(world.status("waits"), TaskStatus::Skipped);
    world.agent_fails("works", FailureKind::Error);
    let turn = world.snapshot("works", true);
    assert_eq!(names(&turn), ["task_snapshot", "task_failed", "dlq_entry_created", "convoy_failed"]);
}

#[test]
fn an_escalation_is_one_attempt_by_another_role_after_all_retries_and_is_told() {
    let other = || Some("expert".to_owned());
    let bad = Task { max_retries: 1, escalate_to: other(), retry: at_once(), ..task("bad") };
    let mut world = World::new(&planned(spec(vec![bad])));
    let mut agents = Vec::new();
    while let Some(Action::Work(order)) = world.asked("bad") {
        agents.push((order.agent.clone(), order.kind));
        world.agent_fails("bad", FailureKind::Error);
        let turn = world.snapshot("bad", true);
        for event in turn.events {
            if let Event::Task { event: TaskEvent::Retried { escalated_to, retries, .. }, .. } = event {
                let last = (agents.len() == 2).then(|| "expert".to_owned());
                assert_eq!((escalated_to, retries), (last, 1));
            }
        }
    }
    let by = |agent: &str, kind| (agent.to_owned(), kind);
    let (first, retry) = (AttemptKind::First, AttemptKind::Retry);
    assert_eq!(agents, [by("developer", first), by("developer", retry), by("expert", retry)]);
    assert_eq!(world.status("bad"), TaskStatus::Failed);
    // A person's retry begins with the task's own role again.
    world.retry(&["bad"]);
    let Some(Action::Work(order)) = world.asked("bad") else { panic!("it is taken up") };
    assert_eq!((order.agent.as_str(), world.task("bad").escalated), ("developer", false));
}

#[test]
fn whoever_was_interrupted_or_met_a_conflict_goes_on_itself() {
    let bad = Task { escalate_to: Some("expert".to_owned()), ..task("a") };
    let mut world = World::new(&planned(spec(vec![bad, task("b")])));
    world.agent_fails("a", FailureKind::Error);
    world.snapshot("a", true);
    world.request(RequestKind::Interrupt { reason: "Ctrl-C".into() });
    world.agent_ends("a", AgentOutcome::Interrupted);
    let mut world = World::resumed(&world.plan, &world.log, false);
    world.snapshot("a", true);
    let role = |world: &World| match world.asked("a") {
        Some(Action::Work(order)) => (order.agent.clone(), order.kind),
        other => panic!("{other:?}"),
    };
    assert_eq!(role(&world), ("expert".to_owned(), AttemptKind::Repeat));
    world.works("a");
    world.passes("a");
    world.conflicts("a");
    assert_eq!(role(&world), ("expert".to_owned(), AttemptKind::Resolve));
}

fn at_once() -> Retry {
    Retry { backoff: Duration::ZERO, max_backoff: Duration::from_secs(1), jitter: false }
}

#[test]
fn an_agent_that_the_engine_interrupted_is_no_pending_task_to_a_stop() {
    let stopper = Task { on_exhausted: OnExhausted::Stop, ..task("stopper") };
    let plan = planned(spec(vec![stopper, task("busy"), after("rest", &["busy"])]));
    let mut world = World::new(&plan);
    world.works("stopper");
    let mut world = World::resumed(&plan, &world.log, false);
    world.request(RequestKind::Pause);
    world.snapshot("busy", true);
    assert_eq!(world.status("busy"), TaskStatus::Pending, "it waits to be repeated");
    world.gate_fails("stopper");
    assert_eq!((world.status("busy"), world.status("rest")), (TaskStatus::Pending, TaskStatus::Skipped));
    // The next engine knows it, too.
    let mut world = World::resumed(&plan, &world.log, false);
    world.lands("busy");
    world.publishes();
    assert_eq!((world.status("busy"), world.task("busy").attempts), (TaskStatus::Done, 2));
    assert_eq!(world.status("rest"), TaskStatus::Skipped);
}

#[test]
fn work_without_a_change_is_done_without_a_landing() {
    let mut world = World::new(&planned(spec(vec![task("a"), after("b", &["a"])])));
    world.agent_ends("a", AgentOutcome::Succeeded);
    world.snapshot("a", false);
    assert_eq!(names(&world.passes("a")), ["task_done", "task_assigned"]);
    assert!(world.task("a").no_changes && world.task("a").commit.is_none());
    world.works("b");
    world.passes("b");
    // The tip came to hold the work by other ways.
    let turn = world.say("b", Report::Prepared(PrepareReport::Nothing));
    assert_eq!(names(&turn), ["task_done", "convoy_finished"]);
    assert!(world.task("b").no_changes && world.open.is_empty());
}
