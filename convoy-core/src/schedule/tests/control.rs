//! Pause, cancel and interrupt, wherever a task is.

use super::build::{after, oid, planned, spec, task};
use super::choose::Choices;
use super::steps::{PLACES, brought, names};
use super::world::{World, agent_end, started};
use crate::event::{AgentOutcome, ConvoyEvent, Event, RequestKind};
use crate::schedule::{Action, AdvanceReport, Input, PrepareReport, Report, SnapshotReport, Turn};
use crate::spec::{Concurrency, Spec};
use crate::state::{Prepared, StageKind};
use crate::types::{AttemptNo, ConvoyStatus, TaskIx, TaskStatus};

fn three() -> Spec {
    Spec { concurrency: Concurrency::Fixed(2), ..spec(vec![task("a"), task("b"), after("c", &["a"])]) }
}

#[test]
fn a_pause_lets_what_runs_finish_and_land_and_starts_nothing() {
    let mut world = World::new(&planned(three()));
    assert_eq!(names(&world.request(RequestKind::Pause)), ["convoy_paused"]);
    assert_eq!(world.state().status(), ConvoyStatus::Paused);
    assert_eq!(world.request(RequestKind::Pause), Turn::default(), "it is so already");
    world.lands("a");
    world.publishes();
    assert_eq!((world.status("a"), world.status("c")), (TaskStatus::Done, TaskStatus::Pending));
    let turn = world.request(RequestKind::Unpause);
    assert_eq!(names(&turn), ["convoy_unpaused", "task_assigned"]);
    assert_eq!(world.request(RequestKind::Unpause), Turn::default());
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn a_paused_convoy_that_is_resumed_runs_again() {
    let plan = planned(three());
    let mut world = World::new(&plan);
    world.request(RequestKind::Pause);
    let mut world = World::resumed(&plan, &world.log, false);
    assert!(!world.state().is_paused());
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn a_cancel_ends_every_stage_once_and_keeps_only_what_was_landing() {
    for (place, bring) in PLACES {
        for resumed in [false, true] {
            let plan = planned(three());
            let mut world = brought(&plan, bring);
            let lands = ["landing, not prepared", "landing, prepared"].contains(&place);
            let turn = world.request(RequestKind::Cancel);
            assert_eq!(names(&turn)[0], "convoy_cancel_requested", "{place}");
            assert_eq!(world.status("c"), TaskStatus::Cancelled, "{place}");
            assert_eq!(world.request(RequestKind::Cancel), Turn::default(), "it is so already");
            // The engine may die before its agents have ended.
            let mut world = if resumed { World::resumed(&plan, &world.log, false) } else { world };
            world.run(&mut Choices::new(&[]));
            // A landing whose commit is not written is given up by the next engine.
            let lands = lands && !(resumed && place == "landing, not prepared");
            let expected = if lands { TaskStatus::Done } else { TaskStatus::Cancelled };
            assert_eq!(world.status("a"), expected, "{place}, resumed: {resumed}");
            assert_eq!(world.state().status(), ConvoyStatus::Cancelled, "{place}");
            assert!(world.state().is_published(), "{place}");
            let letters = plan.indices().filter(|ix| world.state().task(*ix).dead_letter.is_some());
            assert_eq!(letters.count(), 0, "a cancel is no failure");
        }
    }
}

#[test]
fn a_cancel_of_a_convoy_that_nobody_runs_starts_nothing() {
    for (place, bring) in PLACES {
        let plan = planned(Spec { concurrency: Concurrency::Fixed(3), ..three() });
        let log = brought(&plan, bring).log;
        let mut world = World::abandoned(&plan, &log);
        let turn = world.input(Input::BeginToCancel { actor: "me".into() });
        assert_eq!(names(&turn)[..2], ["convoy_resumed", "convoy_cancel_requested"], "{place}");
        assert!(!names(&turn).contains(&"task_assigned"), "{place}: {turn:?}");
        let begins = |action: &Action| matches!(action, Action::Work(_) | Action::Check(_));
        assert!(!turn.actions.iter().any(begins), "{place}: {turn:?}");
        // Whoever takes it up after a crash goes on with that.
        for mut world in [World::resumed(&plan, &world.log, false), world] {
            world.run(&mut Choices::new(&[]));
            assert_eq!(world.state().status(), ConvoyStatus::Cancelled, "{place}");
            assert_eq!(world.status("c"), TaskStatus::Cancelled, "{place}");
        }
    }
}

#[test]
fn what_comes_too_late_is_refused_and_leaves_the_convoy_done() {
    let mut world = World::new(&planned(spec(vec![task("a")])));
    world.works("a");
    world.passes("a");
    world.prepares("a");
    world.request(RequestKind::Cancel);
    world.advances("a");
    assert_eq!(names(&world.publishes()), ["branch_published", "convoy_finished"]);
    for late in [RequestKind::Cancel, RequestKind::Pause, RequestKind::Unpause] {
        let turn = world.request(late);
        let [Event::Convoy(ConvoyEvent::RequestRefused { request, reason, .. })] = &turn.events[..] else {
            panic!("nothing is granted: {turn:?}")
        };
        assert!(reason.contains("is over (done)") && reason.ends_with(request.as_str()), "{reason}");
        assert_eq!(turn.actions, []);
    }
}

/// How many attempts the end of the engine costs in this place: only an agent at work is called again.
fn bought_again(place: &str) -> u32 {
    u32::from(place.starts_with("working") || place == "resolving a conflict")
}

#[test]
fn an_interrupt_in_every_stage_buys_no_finished_work_again() {
    for (place, bring) in PLACES {
        let plan = planned(three());
        let mut world = brought(&plan, bring);
        let attempts = world.task("a").attempts;
        let turn = world.request(RequestKind::Interrupt { reason: "Ctrl-C".into() });
        assert_eq!(names(&turn), ["convoy_interrupted"], "{place}");
        let stops = turn.actions.iter().filter(|a| matches!(a, Action::Stop { resumable: true, .. }));
        assert_eq!(stops.count(), turn.actions.len(), "an interrupt only ends: {place}");
        let again = world.request(RequestKind::Interrupt { reason: "Ctrl-C".into() });
        assert_eq!(again, Turn::default());
        world.run(&mut Choices::new(&[]));
        assert_eq!(world.state().status(), ConvoyStatus::Done, "{place}");
        assert_eq!(world.task("a").attempts, attempts + bought_again(place), "{place}");
        assert_eq!(world.task("a").retries, 0, "{place}");
    }
}

#[test]
fn a_kill_in_every_stage_buys_no_finished_work_again() {
    for (place, bring) in PLACES {
        for moved in [false, true] {
            let plan = planned(three());
            let world = brought(&plan, bring);
            let attempts = world.task("a").attempts;
            let mut world = World::resumed(&plan, &world.log, moved);
            world.run(&mut Choices::new(&[]));
            assert_eq!(world.state().status(), ConvoyStatus::Done, "{place}");
            assert_eq!(world.task("a").attempts, attempts + bought_again(place), "{place}");
        }
    }
}

#[test]
fn answers_that_do_not_fit_the_stage_change_nothing() {
    let prepared = || Prepared { commit: oid(5), onto: oid(1) };
    let reports = [
        (Report::Started(started()), "working, not started"),
        (Report::Spawned { pid: 1, start_time: 1 }, "working"),
        (Report::AgentEnded(agent_end(AgentOutcome::Succeeded)), "working"),
        (Report::Snapshot(SnapshotReport::NoWorktree), "snapshotting"),
        (Report::Checked(None), "checking"),
        (Report::CheckStopped, "checking"),
        (Report::Prepared(PrepareReport::Prepared(prepared())), "landing, not prepared"),
        (Report::Advanced(AdvanceReport::Landed), "landing, prepared"),
    ];
    for (place, bring) in PLACES {
        for (report, fits) in &reports {
            let working = place.starts_with("working") && fits.starts_with("working");
            let started_again = place == "working" && *fits == "working, not started";
            let resolving = place == "resolving a conflict" && fits.starts_with("working");
            let waiting = place == "waiting to land" && *fits == "landing, not prepared";
            if place == *fits || (working && !started_again) || resolving || waiting {
                continue;
            }
            let mut world = brought(&planned(three()), bring);
            let attempt = AttemptNo(world.task("a").attempts);
            let turn = world.input(Input::worker(TaskIx(0), attempt, report.clone()));
            assert_eq!(turn, Turn::default(), "{report:?} while {place}");
        }
    }
}

#[test]
fn an_answer_for_a_task_that_does_not_exist_changes_nothing() {
    let mut world = World::new(&planned(three()));
    let turn = world.input(Input::worker(TaskIx(99), AttemptNo(1), Report::Checked(None)));
    assert_eq!(turn, Turn::default());
    let (dlq_id, resolution) = ("dlq-9".to_owned(), "seen".to_owned());
    assert_eq!(world.request(RequestKind::ResolveDeadLetter { dlq_id, resolution }), Turn::default());
}

#[test]
fn checks_that_were_stopped_without_a_reason_are_made_again() {
    let mut world = World::new(&planned(three()));
    world.works("a");
    let turn = world.say("a", Report::CheckStopped);
    assert!(turn.events.is_empty() && matches!(turn.actions.as_slice(), [Action::Check(_)]));
    assert_eq!(world.stage("a"), StageKind::Checking);
}

#[test]
fn a_stale_check_of_another_attempt_does_not_free_its_place() {
    let one = Spec { concurrency: Concurrency::Fixed(1), ..spec(vec![task("a"), task("b")]) };
    let mut world = World::new(&planned(one));
    world.works("a");
    world.works("b");
    assert!(world.asked("b").is_none(), "one check at a time");
    let turn = world.input(Input::worker(TaskIx(0), AttemptNo(7), Report::CheckStopped));
    assert_eq!(turn, Turn::default());
}
