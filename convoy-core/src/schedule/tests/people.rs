//! Approve, reject, skip, accept: what a person decides about one task.

use super::build::{after, oid, planned, spec, task};
use super::choose::Choices;
use super::steps::{PLACES, brought, names};
use super::world::World;
use crate::event::{AgentOutcome, ConvoyEvent, Event, Request, RequestKind, TaskEvent, Work};
use crate::schedule::{Action, AdvanceReport, Input, PrepareReport, Report, Scheduler, Turn};
use crate::spec::{Approve, Concurrency, OnFailure, Spec, Task};
use crate::state::Stage;
use crate::types::{ConvoyStatus, Failure, FailureKind, Oid, TaskId, TaskStatus};

fn asks(before: Approve, task: Task) -> Task {
    Task { approve: Some(before), ..task }
}

fn id(id: &str) -> TaskId {
    TaskId::new(id).expect("valid")
}

fn approve(world: &mut World, task: &str, tree: Option<Oid>) -> Turn {
    world.request(RequestKind::Approve { task: id(task), tree, reason: "seen".into() })
}

fn reject(world: &mut World, task: &str) -> Turn {
    world.request(RequestKind::Reject { task: id(task), reason: "too bold".into() })
}

fn skip(world: &mut World, task: &str) -> Turn {
    world.request(RequestKind::Skip { task: id(task), reason: String::new() })
}

fn why_not(turn: &Turn) -> Option<&str> {
    turn.events.iter().find_map(|event| match event {
        Event::Convoy(ConvoyEvent::RequestRefused { reason, .. }) => Some(reason.as_str()),
        _ => None,
    })
}

fn waiting_tree(world: &World, task: &str) -> Option<Oid> {
    match &world.task(task).stage {
        Stage::AwaitingApproval { work, .. } => work.as_ref().map(|work| work.tree.clone()),
        other => panic!("{task} does not wait: {other:?}"),
    }
}

#[test]
fn a_task_is_asked_about_when_it_could_run_and_runs_once_approved_for_all_its_attempts() {
    let first = Task { max_retries: 1, ..asks(Approve::BeforeRun, after("b", &["a"])) };
    let plan = planned(spec(vec![task("a"), first]));
    let mut world = World::new(&plan);
    assert_eq!(world.status("b"), TaskStatus::Pending, "not before its dependencies are done");
    world.lands("a");
    assert_eq!(world.status("b"), TaskStatus::AwaitingApproval);
    // The question outlives the engine.
    let mut world = World::resumed(&plan, &world.log, false);
    assert_eq!(world.status("b"), TaskStatus::AwaitingApproval);
    assert_eq!(names(&approve(&mut world, "b", None)), ["task_approved", "task_assigned"]);
    world.works("b");
    world.gate_fails("b");
    world.wakes();
    assert_eq!(world.status("b"), TaskStatus::Assigned, "a retry is not asked about again");
}

#[test]
fn work_lands_only_with_an_approval_of_its_very_tree() {
    let plan = planned(spec(vec![asks(Approve::BeforeMerge, task("a")), task("b")]));
    let mut world = World::new(&plan);
    world.works("a");
    world.passes("a");
    let tree = waiting_tree(&world, "a").expect("a tree");
    assert!(world.asked("a").is_none(), "nothing of it is under way");
    let turn = approve(&mut world, "a", Some(oid(4242)));
    assert!(why_not(&turn).is_some_and(|text| text.contains("look at it again")), "{turn:?}");
    assert_eq!(names(&approve(&mut world, "a", Some(tree))), ["task_approved", "merge_queued"]);
    // It conflicts: what is resolved is another tree, and is asked about again.
    world.conflicts("a");
    world.works("a");
    world.passes("a");
    assert_eq!(world.status("a"), TaskStatus::AwaitingApproval);
    approve(&mut world, "a", None);
    world.prepares("a");
    world.advances("a");
    assert_eq!(world.status("a"), TaskStatus::Done);
}

#[test]
fn an_approval_holds_for_its_tree_on_its_base() {
    let first = Task { max_retries: 1, ..asks(Approve::BeforeMerge, task("a")) };
    let mut world = World::new(&planned(spec(vec![first, task("b")])));
    world.agent_ends("a", AgentOutcome::Succeeded);
    let seen = world.work_of("a");
    world.taken("a", seen.clone(), Vec::new(), None);
    world.passes("a");
    approve(&mut world, "a", Some(seen.tree.clone()));
    // The same change once more, after a landing that failed: nothing else would land than what was seen.
    world.say("a", Report::Prepared(PrepareReport::Failed(Failure::new(FailureKind::MergeError, "full"))));
    world.wakes();
    world.agent_ends("a", AgentOutcome::Succeeded);
    assert_eq!(world.work_of("a").base, seen.base, "the tip is the same");
    world.taken("a", Work { commit: oid(5), ..seen.clone() }, Vec::new(), None);
    assert_eq!(names(&world.passes("a")), ["merge_queued"]);
    // Nor has anything changed when it is merged onto a tip that moved.
    let tip = world.somebody_moves_the_ref();
    world.prepares("a");
    let turn = world.say("a", Report::Advanced(AdvanceReport::Moved { tip }));
    assert_eq!(names(&turn), ["merge_unprepared"]);
    // It conflicts, and what the conflict is resolved to undoes what landed: the very tree, and another change.
    world.conflicts("a");
    world.agent_ends("a", AgentOutcome::Succeeded);
    let base = world.state().tip().clone();
    assert_ne!(base, seen.base);
    world.taken("a", Work { base, commit: oid(6), ..seen }, Vec::new(), None);
    assert_eq!(names(&world.passes("a")), ["task_awaiting_approval"]);
    approve(&mut world, "a", None);
    world.prepares("a");
    world.advances("a");
    assert_eq!(world.status("a"), TaskStatus::Done);
}

#[test]
fn work_that_changes_nothing_needs_no_approval() {
    let mut world = World::new(&planned(spec(vec![asks(Approve::BeforeMerge, task("a"))])));
    world.agent_ends("a", AgentOutcome::Succeeded);
    world.snapshot("a", false);
    world.passes("a");
    assert_eq!(world.status("a"), TaskStatus::Done);
}

#[test]
fn a_refused_task_fails_without_a_retry_and_its_dependants_are_skipped() {
    for before in [Approve::BeforeRun, Approve::BeforeMerge] {
        let asked = Task { max_retries: 3, ..asks(before, task("a")) };
        let mut world = World::new(&planned(spec(vec![asked, after("b", &["a"])])));
        if before == Approve::BeforeMerge {
            world.works("a");
            world.passes("a");
        }
        let turn = reject(&mut world, "a");
        assert_eq!(names(&turn)[..3], ["task_rejected", "task_failed", "dlq_entry_created"], "{before:?}");
        let statuses = (world.status("a"), world.status("b"));
        assert_eq!(statuses, (TaskStatus::Failed, TaskStatus::Skipped), "{before:?}");
        let failure = world.task("a").failure.as_ref().expect("a failure");
        assert_eq!(failure.kind.to_string(), "approval-refused");
        assert_eq!(failure.message, "me refused it: too bold");
        world.run(&mut Choices::new(&[]));
        assert_eq!(world.state().status(), ConvoyStatus::Failed);
    }
}

#[test]
fn a_task_can_be_skipped_wherever_it_is_until_it_lands() {
    for (place, bring) in PLACES {
        for dies in [false, true] {
            let plan = planned(spec(vec![task("a"), task("b"), after("c", &["a"])]));
            let mut world = brought(&plan, bring);
            let lands = ["landing, not prepared", "landing, prepared"].contains(&place);
            let turn = skip(&mut world, "a");
            assert_eq!(why_not(&turn).is_some(), lands, "{place}: {turn:?}");
            // The engine may die before the agent has ended.
            let mut world = if dies { World::resumed(&plan, &world.log, false) } else { world };
            world.run(&mut Choices::new(&[]));
            let expected = if lands { TaskStatus::Done } else { TaskStatus::Skipped };
            assert_eq!((world.status("a"), world.status("c")), (expected, expected), "{place} {dies}");
            assert_eq!(world.status("b"), TaskStatus::Done, "{place}");
        }
    }
}

#[test]
fn a_persons_commit_is_checked_and_landed_like_an_agents() {
    let mut world = World::new(&planned(Spec {
        on_failure: OnFailure::Stop,
        ..spec(vec![asks(Approve::BeforeRun, task("a")), after("b", &["a"])])
    }));
    let work = world.by_hand(true);
    let accept = |work| RequestKind::Accept { task: id("a"), work, reason: "quicker".into() };
    let turn = world.request(accept(work.clone()));
    assert_eq!(names(&turn), ["task_accepted"]);
    assert!(matches!(&turn.actions[..], [Action::Check(order)] if order.work == work), "{turn:?}");
    let turn = world.request(accept(work.clone()));
    assert!(why_not(&turn).is_some(), "it is being checked: {turn:?}");
    world.say("a", Report::Checked(None));
    world.prepares("a");
    world.advances("a");
    assert_eq!((world.status("a"), world.status("b")), (TaskStatus::Done, TaskStatus::Assigned));
    let accepted = world.log.iter().filter(|(_, event)| {
        matches!(event, Event::Task { event: TaskEvent::Accepted { .. }, attempt: Some(n), .. } if n.0 == 1)
    });
    assert_eq!(accepted.count(), 1, "it is an attempt of its own");
}

#[test]
fn what_is_not_possible_is_said_and_changes_nothing() {
    let mut world = World::new(&planned(spec(vec![task("a"), task("b")])));
    world.lands("b");
    let cases: [(RequestKind, &str); 4] = [
        (RequestKind::Approve { task: id("a"), tree: None, reason: String::new() }, "does not wait"),
        (RequestKind::Reject { task: id("b"), reason: String::new() }, "does not wait"),
        (RequestKind::Skip { task: id("b"), reason: String::new() }, "it is done"),
        (RequestKind::Skip { task: id("nobody"), reason: String::new() }, "no such task"),
    ];
    for (kind, text) in cases {
        let turn = world.request(kind.clone());
        assert_eq!(names(&turn), ["request_refused"], "{kind:?}");
        assert!(why_not(&turn).is_some_and(|why| why.contains(text)), "{turn:?}");
    }
}

#[test]
fn hooks_of_a_task_that_is_skipped_are_stopped_and_not_begun_again() {
    let mut world = World::new(&planned(spec(vec![task("a")])));
    world.agent_ends("a", AgentOutcome::Succeeded);
    assert!(matches!(world.asked("a"), Some(Action::Snapshot(order)) if order.hooks));
    let turn = skip(&mut world, "a");
    assert!(matches!(turn.actions[..], [Action::Stop { resumable: false, .. }]), "{turn:?}");
    world.say("a", Report::SnapshotStopped);
    assert!(matches!(world.asked("a"), Some(Action::Snapshot(order)) if !order.hooks), "only kept");
    world.snapshot("a", true);
    assert_eq!(world.status("a"), TaskStatus::Skipped);
}

#[test]
fn what_was_asked_while_nobody_ran_the_convoy_is_decided_before_anything_starts() {
    let one = Spec { concurrency: Concurrency::Fixed(1), ..spec(vec![task("a"), task("b")]) };
    let mut world = World::new(&planned(one));
    world.request(RequestKind::Pause);
    world.agent_fails("a", FailureKind::Error);
    world.snapshot("a", true);
    assert_eq!(world.status("b"), TaskStatus::Pending);
    let skip = RequestKind::Skip { task: id("b"), reason: String::new() };
    let inputs = |kinds: &[RequestKind]| -> Vec<Input> {
        let request = |kind: &RequestKind| Input::Request(Request::new("me", kind.clone()));
        std::iter::once(Input::Begin { resumed: true }).chain(kinds.iter().map(request)).collect()
    };
    let turn = Scheduler::new(world.state().clone())
        .handle_all(inputs(&[RequestKind::Unpause, skip.clone()]), world.now)
        .expect("legal");
    assert!(names(&turn).contains(&"task_skipped"), "{:?}", names(&turn));
    assert!(!names(&turn).contains(&"task_assigned"), "{:?}", names(&turn));
    let refused = |waiting: Vec<Request>, kind| {
        let scheduler = Scheduler::new(world.state().clone());
        scheduler.refusal_of(waiting, Request::new("me", kind), world.now).expect("legal")
    };
    assert_eq!(refused(Vec::new(), skip.clone()), None);
    let why = refused(vec![Request::new("me", skip.clone())], skip).expect("refused");
    assert!(why.contains("it is skipped"), "{why}");
}
