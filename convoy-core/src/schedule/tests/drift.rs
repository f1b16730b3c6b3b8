//! What follows when an agent rates its own work too low.

use super::build::{planned, spec, task};
use super::steps::names;
use super::world::{World, drift};
use crate::event::AgentOutcome;
use crate::schedule::{Action, Report};
use crate::spec::Task;
use crate::types::{Failure, FailureKind, SessionId, TaskStatus};

fn drifts(world: &mut World) -> crate::schedule::Turn {
    world.works("a");
    let turn = world.say("a", Report::Drift(drift(true)));
    assert_eq!(names(&turn), ["drift_check_result", "drift_detected"]);
    world.say("a", Report::Checked(Some(Failure::new(FailureKind::Drift, "it rates its work low"))))
}

#[test]
fn work_that_drifted_is_tried_once_more_without_a_retry_whatever_retries_there_are() {
    for max_retries in [0, 3] {
        let plan = planned(spec(vec![Task { max_retries, escalate_to: Some("expert".into()), ..task("a") }]));
        let mut world = World::new(&plan);
        let turn = drifts(&mut world);
        assert_eq!(names(&turn), ["task_retried", "task_assigned"]);
        assert_eq!((world.task("a").retries, world.task("a").drifted), (0, true));
        let Some(Action::Work(order)) = world.asked("a") else { panic!("it is not tried again") };
        assert_eq!((order.attempt.0, order.agent.as_str()), (2, "developer"));
        assert_eq!(order.feedback.as_ref().map(|failure| &failure.kind), Some(&FailureKind::Drift));
        let turn = drifts(&mut world);
        assert_eq!(names(&turn), ["task_failed", "dlq_entry_created", "convoy_failed"]);
        assert_eq!(world.status("a"), TaskStatus::Failed);
        assert_eq!(world.task("a").usage.output, Some(4), "two attempts and two ratings");
        // A person who takes it up again begins anew.
        world.input(crate::schedule::Input::Retry { tasks: Vec::new(), actor: "me".into() });
        assert!(!world.task("a").drifted);
    }
}

#[test]
fn a_rating_that_passes_and_one_that_is_missing_change_nothing() {
    let mut world = World::new(&planned(spec(vec![task("a")])));
    world.works("a");
    for said in [drift(false), crate::event::DriftResult { checked: false, score: None, ..drift(false) }] {
        let turn = world.say("a", Report::Drift(said));
        assert_eq!(names(&turn), ["drift_check_result"]);
    }
    world.passes("a");
    assert_eq!(world.status("a"), TaskStatus::Queued);
}

#[test]
fn a_check_gets_the_session_that_the_agent_left() {
    let mut world = World::new(&planned(spec(vec![task("a")])));
    world.starts("a");
    let session = SessionId::new("s").ok();
    let end = super::world::agent_end(AgentOutcome::Succeeded);
    world.say("a", Report::AgentEnded(crate::schedule::AgentEnd { session: session.clone(), ..end }));
    world.snapshot("a", true);
    let Some(Action::Check(order)) = world.asked("a") else { panic!("it is not checked") };
    assert_eq!(order.session.as_ref().map(|kept| &kept.id), session.as_ref());
}

#[test]
fn work_that_was_rated_is_not_rated_again_and_the_next_attempt_is() {
    let mut world = World::new(&planned(spec(vec![task("a")])));
    world.works("a");
    world.say("a", Report::Drift(drift(true)));
    world.say("a", Report::CheckStopped);
    let Some(Action::Check(order)) = world.asked("a") else { panic!("it is not checked again") };
    assert_eq!(order.rated, Some((0.25, "it says why".to_owned())));
    world.say("a", Report::Checked(Some(Failure::new(FailureKind::Drift, "it rates its work low"))));
    world.works("a");
    let Some(Action::Check(order)) = world.asked("a") else { panic!("it is not checked") };
    assert_eq!(order.rated, None);
}
