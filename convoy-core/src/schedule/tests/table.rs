//! What each kind of failure leads to, as two tables that stand here word for word: what an outcome is, and what
//! follows in each situation. Nothing of them is computed.

use std::collections::BTreeMap;

use super::build::{after, leaving, needing, planned, spec, task};
use super::steps::names;
use super::world::{World, review_blocked};
use crate::event::{AgentOutcome, DeadLetter, Event, RequestKind, TaskEvent};
use crate::schedule::{Action, PrepareReport, Report, SnapshotReport, Turn};
use crate::spec::{Approve, HookMoment, Merge, OnExhausted, OnFailure, Spec, Task};
use crate::types::{Failure, FailureKind, TaskId, TaskStatus};

/// Lets task `bad` fail, and gives the turn that decides what follows.
type Route = fn(&mut World, &FailureKind) -> Turn;

/// Whether an outcome is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retried {
    /// As often as there are retries.
    Yes,
    No,
    /// Once, at once, whatever retries there are.
    Once,
    /// When the provider can be asked again, whatever retries there are.
    Parked,
}
use Retried::{No, Once, Parked, Yes};

struct Outcome {
    text: &'static str,
    retried: Retried,
    /// When no try is left.
    status: TaskStatus,
    /// `task_failed.reason`.
    reason: &'static str,
    routes: &'static [Route],
}

macro_rules! outcomes {
    ($($kind:ident $text:literal $retried:ident $status:ident $reason:literal [$($route:ident),+];)+) => {
        /// The public names of all kinds of failures.
        const KINDS: &[&str] = &[$($text),+];

        /// A new kind needs a row of its own.
        fn outcome(kind: &FailureKind) -> Outcome {
            match kind {
                $(FailureKind::$kind { .. } => Outcome {
                    text: $text,
                    retried: $retried,
                    status: TaskStatus::$status,
                    reason: $reason,
                    routes: &[$($route),+],
                },)+
            }
        }
    };
}

outcomes! {
//  kind            failure_type        retried when exhausted reason              reached by
    Error           "error"             Yes     Failed         "error"             [agent];
    Refused         "refused"           Yes     Failed         "refused"           [agent];
    TurnLimit       "turn-limit"        Yes     Failed         "turn-limit"        [agent];
    NeedsInput      "needs-input"       Yes     Failed         "needs-input"       [agent];
    Idle            "idle"              Yes     Failed         "idle"              [agent];
    Timeout         "timeout"           Yes     TimedOut       "timeout"           [agent];
    Gate            "gate:npm test"     Yes     GateFailed     "gate-failed"       [gate];
    Verify          "verify:npm test"   Yes     GateFailed     "gate-failed"       [verify];
    RedTip          "verify-tip:npm test" No    GateFailed     "gate-failed"       [landing];
    ReviewBlocked   "review-blocked"    Yes     ReviewBlocked  "review-blocked"    [review];
    Drift           "drift"             Once    Failed         "drift"             [check];
    Worktree        "worktree-error"    Yes     Failed         "worktree-error"    [agent, no_worktree, check];
    Snapshot        "snapshot-error"    Yes     Failed         "snapshot-error"    [snapshot];
    Artifact        "artifact"          Yes     Failed         "artifact"          [artifact];
    MissingInput    "missing-input"     No      Failed         "missing-input"     [input];
    MergeConflict   "merge-conflict"    No      Failed         "merge-conflict"    [conflict];
    MergeError      "merge-error"       Yes     Failed         "merge-error"       [landing, check];
    Hook            "hook:make check"   No      HookFailed     "hook-failed"       [agent, hook];
    SecretInPrompt  "secret-in-prompt"  No      Failed         "secret-in-prompt"  [agent];
    SymlinkEscape   "symlink-escape"    No      Failed         "symlink-escape"    [agent, check];
    Template        "template"          No      Failed         "template"          [agent];
    NotInstalled    "not-installed"     No      Failed         "not-installed"     [agent];
    Auth            "auth"              No      Failed         "auth"              [agent];
    Contract        "contract"          No      Failed         "contract"          [agent];
    ApprovalRefused "approval-refused"  No      Failed         "approval-refused"  [refusal];
    RateLimit       "rate-limit"        Parked  Failed         "rate-limit"        [agent];
}

/// What follows. `again`: another attempt, after a wait. `expert`: one attempt by that role. Otherwise the task is
/// over: a `letter` is written, its `dependants` are skipped, or `everything` that was not begun.
const SITUATIONS: &str = "
retries | escalate_to | on_failure | on_exhausted | if it is retried   | if it is not
left    | -           | continue   | dlq          | again              | letter, dependants
left    | -           | continue   | skip         | again              | dependants
left    | -           | continue   | stop         | again              | letter, everything
left    | -           | stop       | dlq          | again              | letter, everything
left    | -           | stop       | skip         | again              | everything
left    | -           | stop       | stop         | again              | letter, everything
left    | expert      | continue   | dlq          | again              | letter, dependants
left    | expert      | continue   | skip         | again              | dependants
left    | expert      | continue   | stop         | again              | letter, everything
left    | expert      | stop       | dlq          | again              | letter, everything
left    | expert      | stop       | skip         | again              | everything
left    | expert      | stop       | stop         | again              | letter, everything
none    | -           | continue   | dlq          | letter, dependants | letter, dependants
none    | -           | continue   | skip         | dependants         | dependants
none    | -           | continue   | stop         | letter, everything | letter, everything
none    | -           | stop       | dlq          | letter, everything | letter, everything
none    | -           | stop       | skip         | everything         | everything
none    | -           | stop       | stop         | letter, everything | letter, everything
none    | expert      | continue   | dlq          | expert             | letter, dependants
none    | expert      | continue   | skip         | expert             | dependants
none    | expert      | continue   | stop         | expert             | letter, everything
none    | expert      | stop       | dlq          | expert             | letter, everything
none    | expert      | stop       | skip         | expert             | everything
none    | expert      | stop       | stop         | expert             | letter, everything
";

fn failure(kind: &FailureKind) -> Failure {
    Failure { exit_code: Some(3), ..Failure::new(kind.clone(), "it went wrong") }
}

/// Before the agent, or by it.
fn agent(w: &mut World, kind: &FailureKind) -> Turn {
    w.agent_fails("bad", kind.clone());
    w.snapshot("bad", true)
}

fn no_worktree(w: &mut World, _: &FailureKind) -> Turn {
    w.agent_ends("bad", AgentOutcome::Succeeded);
    w.say("bad", Report::Snapshot(SnapshotReport::NoWorktree))
}

fn snapshot(w: &mut World, kind: &FailureKind) -> Turn {
    w.agent_ends("bad", AgentOutcome::Succeeded);
    w.say("bad", Report::Snapshot(SnapshotReport::Failed(failure(kind))))
}

fn artifact(w: &mut World, kind: &FailureKind) -> Turn {
    w.agent_ends("bad", AgentOutcome::Succeeded);
    let work = w.work_of("bad");
    w.taken("bad", work, Vec::new(), Some(failure(kind)))
}

fn hook(w: &mut World, _: &FailureKind) -> Turn {
    w.agent_ends("bad", AgentOutcome::Succeeded);
    w.hook("bad", HookMoment::PostTask, false);
    w.snapshot("bad", true)
}

fn gate(w: &mut World, _: &FailureKind) -> Turn {
    w.works("bad");
    w.gate_fails("bad")
}

/// The merged tree fails with it, twice.
fn verify(w: &mut World, _: &FailureKind) -> Turn {
    w.works("bad");
    w.passes("bad");
    w.prepares("bad");
    assert_eq!(names(&w.verified(false)), ["verify_result", "merge_set_aside", "verify_started"]);
    let turn = w.verified(false);
    // What is known of the tip is known for good.
    if names(&turn).contains(&"verify_started") { w.verified(true) } else { turn }
}

fn check(w: &mut World, kind: &FailureKind) -> Turn {
    w.works("bad");
    w.say("bad", Report::Checked(Some(failure(kind))))
}

fn review(w: &mut World, _: &FailureKind) -> Turn {
    w.works("bad");
    w.say("bad", review_blocked())
}

fn landing(w: &mut World, kind: &FailureKind) -> Turn {
    w.works("bad");
    w.passes("bad");
    w.say("bad", Report::Prepared(PrepareReport::Failed(failure(kind))))
}

/// Two tries to resolve it, and a third conflict.
fn conflict(w: &mut World, _: &FailureKind) -> Turn {
    for _ in 0..2 {
        w.works("bad");
        w.passes("bad");
        assert_eq!(names(&w.conflicts("bad")), ["merge_conflict_detected", "task_assigned"]);
    }
    w.works("bad");
    w.passes("bad");
    w.conflicts("bad")
}

fn refusal(w: &mut World, _: &FailureKind) -> Turn {
    w.works("bad");
    w.passes("bad");
    let task = TaskId::new("bad").expect("valid");
    w.request(RequestKind::Reject { task, reason: "too bold".into() })
}

/// The task that `bad` needs something of lands without it.
fn input(w: &mut World, _: &FailureKind) -> Turn {
    w.agent_ends("source", AgentOutcome::Succeeded);
    let work = w.work_of("source");
    w.taken("source", work, Vec::new(), None);
    w.passes("source");
    w.prepares("source");
    w.advances("source")
}

/// One row of the second table.
struct Situation {
    text: &'static str,
    max_retries: u32,
    escalate_to: Option<String>,
    on_failure: OnFailure,
    on_exhausted: OnExhausted,
    if_retried: &'static str,
    if_not: &'static str,
}

fn situations() -> Vec<Situation> {
    let rows = SITUATIONS.trim().lines().skip(1);
    let situations = rows.map(|text| {
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        let [retries, escalate_to, on_failure, on_exhausted, if_retried, if_not] = cells[..] else {
            panic!("{text}")
        };
        Situation {
            text,
            max_retries: u32::from(retries == "left"),
            escalate_to: (escalate_to != "-").then(|| escalate_to.to_owned()),
            on_failure: if on_failure == "stop" { OnFailure::Stop } else { OnFailure::Continue },
            on_exhausted: match on_exhausted {
                "dlq" => OnExhausted::Dlq,
                "skip" => OnExhausted::Skip,
                _ => OnExhausted::Stop,
            },
            if_retried,
            if_not,
        }
    });
    situations.collect()
}

/// `bad` and `busy` work; `child` and `grandchild` need `bad`; `other` waits for a lock that `busy` holds.
fn convoy(situation: &Situation, kind: &FailureKind) -> World {
    let mut tasks = Vec::new();
    let mut bad = task("bad");
    match kind {
        FailureKind::MissingInput => {
            bad = needing("bad", &[("source", "plan")]);
            tasks.push(Task { priority: 3, ..leaving("source", &["plan"]) });
        }
        FailureKind::ApprovalRefused => bad.approve = Some(Approve::BeforeMerge),
        _ => {}
    }
    let (on_exhausted, escalate_to) = (situation.on_exhausted, situation.escalate_to.clone());
    let bad = Task { max_retries: situation.max_retries, on_exhausted, escalate_to, priority: 2, ..bad };
    let locked = |id: &str, priority| Task { priority, locks: vec!["lock".into()], ..task(id) };
    // Of an adapter that does not break with that of the others.
    let other = Task { adapter: Some("another".into()), ..locked("other", 0) };
    tasks.extend([bad, locked("busy", 1), other, after("child", &["bad"]), after("grandchild", &["child"])]);
    let locks = BTreeMap::from([("lock".to_owned(), 1)]);
    let verify = matches!(kind, FailureKind::Verify(_)).then(|| "npm test".to_owned());
    let merge = Merge { verify: verify.into_iter().collect(), batch: 1, ..Merge::default() };
    World::new(&planned(Spec { locks, on_failure: situation.on_failure, merge, ..spec(tasks) }))
}

/// The decision among the events of a turn: what became of `bad`, and who is skipped.
fn decision(world: &World, turn: &Turn) -> Vec<String> {
    let told = turn.events.iter().filter_map(|event| match event {
        Event::Task { id, event: TaskEvent::Skipped { .. }, .. } => Some(format!("task_skipped {id}")),
        Event::Task { task, event, .. } if *task == world.ix("bad") => match event {
            TaskEvent::Retried { .. }
            | TaskEvent::Assigned { .. }
            | TaskEvent::Parked { .. }
            | TaskEvent::Failed { .. }
            | TaskEvent::DeadLettered(_) => Some(event.type_name().to_owned()),
            _ => None,
        },
        _ => None,
    });
    told.collect()
}

/// The events that a word of the table stands for, in their order.
fn events_of(words: &str) -> Vec<&'static str> {
    let events = words.split(", ").flat_map(|word| match word {
        "again" => &["task_retried"][..],
        "expert" | "at once" => &["task_retried", "task_assigned"],
        "parked" => &["task_parked"],
        "letter" => &["dlq_entry_created"],
        "dependants" => &["task_skipped child", "task_skipped grandchild"],
        "everything" => &["task_skipped child", "task_skipped grandchild", "task_skipped other"],
        word => panic!("{word}"),
    });
    let over = words.contains("dependants") || words.contains("everything");
    over.then_some("task_failed").into_iter().chain(events.copied()).collect()
}

#[test]
fn every_kind_of_failure_leads_where_the_tables_say_in_every_situation() {
    for text in KINDS {
        let kind: FailureKind = text.parse().expect("a public name");
        let outcome = outcome(&kind);
        assert_eq!((outcome.text, kind.to_string().as_str()), (*text, *text), "each kind has its row");
        for route in outcome.routes {
            for situation in situations() {
                follow(&kind, &outcome, *route, &situation);
            }
        }
    }
}

/// Lets the task fail by a route until nothing is tried any more.
fn follow(kind: &FailureKind, outcome: &Outcome, route: Route, situation: &Situation) {
    let about = format!("{kind}: {}", situation.text);
    let mut world = convoy(situation, kind);
    let words = match outcome.retried {
        Yes => situation.if_retried,
        No => situation.if_not,
        Once => "at once",
        Parked => "parked",
    };
    let turn = route(&mut world, kind);
    assert_eq!(decision(&world, &turn), events_of(words), "{about}");
    match words {
        "again" => is_tried_again(&mut world, kind, &about),
        "parked" => {
            let bad = world.task("bad");
            assert_eq!((world.status("bad"), bad.retries), (TaskStatus::Parked, 0), "{about}");
            assert_eq!((&bad.dead_letter, &bad.failure), (&None, &None), "{about}");
        }
        "expert" | "at once" => {
            let role = if words == "expert" { "expert" } else { "developer" };
            is_asked_again(&world, kind, role, &about);
            assert_eq!((world.task("bad").retries, &world.task("bad").dead_letter), (0, &None), "{about}");
            let turn = route(&mut world, kind);
            assert_eq!(decision(&world, &turn), events_of(situation.if_not), "the last one, {about}");
            is_over(world, &turn, kind, outcome, (situation.if_not, role), &about);
        }
        words => is_over(world, &turn, kind, outcome, (words, "developer"), &about),
    }
}

/// The slot is free for somebody else; the retry comes after its wait, and knows what failed.
fn is_tried_again(world: &mut World, kind: &FailureKind, about: &str) {
    let bad = world.task("bad");
    assert_eq!(
        (bad.retries, world.status("bad"), &bad.dead_letter),
        (1, TaskStatus::Pending, &None),
        "{about}"
    );
    assert_eq!(world.status("child"), TaskStatus::Pending, "{about}");
    world.lands("busy");
    world.lands("other");
    world.publishes();
    world.wakes();
    is_asked_again(world, kind, "developer", about);
}

fn is_asked_again(world: &World, kind: &FailureKind, role: &str, about: &str) {
    let Some(Action::Work(order)) = world.asked("bad") else { panic!("not tried again: {about}") };
    assert_eq!((order.attempt.0, order.agent.as_str()), (2, role), "{about}");
    assert_eq!(order.feedback.as_ref().map(|failure| &failure.kind), Some(kind), "{about}");
}

/// What is told, and that whoever was at work goes on, and lands.
fn is_over(
    mut world: World,
    turn: &Turn,
    kind: &FailureKind,
    outcome: &Outcome,
    (words, role): (&str, &str),
    about: &str,
) {
    let (letter, everything) = (words.contains("letter"), words.contains("everything"));
    assert_eq!(world.status("bad"), outcome.status, "{about}");
    for event in &turn.events {
        match event {
            Event::Task {
                event: TaskEvent::Failed { status, reason, gate, hook, failure, stops, .. },
                ..
            } => {
                assert_eq!(
                    (*status, reason.as_str(), *stops),
                    (outcome.status, outcome.reason, everything),
                    "{about}"
                );
                let name = |of: &str| outcome.text.strip_prefix(of);
                let gates = name("gate:").or(name("verify:")).or(name("verify-tip:"));
                assert_eq!((gate.as_deref(), hook.as_deref()), (gates, name("hook:")), "{about}");
                assert_eq!(&failure.kind, kind, "{about}");
            }
            Event::Task {
                event: TaskEvent::DeadLettered(DeadLetter { failure_type, agent, .. }), ..
            } => {
                assert_eq!((failure_type.as_str(), agent.as_str()), (outcome.text, role), "{about}");
            }
            _ => {}
        }
    }
    let open = world.task("bad").dead_letter.as_ref().map(|(_, open)| *open);
    assert_eq!(open, letter.then_some(true), "{about}");
    world.lands("busy");
    assert_eq!(world.asked("other").is_none(), everything, "{about}");
    if !everything {
        world.lands("other");
    }
    assert_eq!(names(&world.publishes()), ["branch_published", "convoy_failed"], "{about}");
    let totals = world.state().totals();
    assert_eq!((totals.skipped, totals.open), (if everything { 3 } else { 2 }, 0), "{about}");
}
