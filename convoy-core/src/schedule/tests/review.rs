//! What reviews lead to: blocks, disputes, unreviewed work, and what the next review is told.

use super::build::{after, oid, planned, spec, task};
use super::choose::Choices;
use super::reports::review_refused;
use super::steps::names;
use super::world::{World, review_blocked, review_verdict};
use crate::event::{AgentOutcome, Event, RequestKind, TaskEvent, Work};
use crate::schedule::{Action, CheckOrder, Input, Turn};
use crate::spec::{OnDispute, OnFailure, ReviewSettings, Spec, Task};
use crate::types::{ConvoyStatus, ReviewLevel, ReviewVerdict, TaskStatus};

/// `a` may be tried often; `b` needs it, `c` waits for a lock of `busy`, which works.
fn convoy(on_dispute: OnDispute) -> World {
    let a = Task { max_retries: 5, ..task("a") };
    let locked = |id: &str| Task { locks: vec!["lock".into()], ..task(id) };
    let tasks = vec![a, after("b", &["a"]), locked("busy"), locked("c")];
    let reviews = ReviewSettings { on_dispute, ..ReviewSettings::default() };
    let locks = [("lock".to_owned(), 1)].into();
    // What a dispute leads to is not for `on_failure` to say.
    let on_failure = match on_dispute {
        OnDispute::Stop => OnFailure::Continue,
        OnDispute::Continue => OnFailure::Stop,
    };
    World::new(&planned(Spec { reviews, locks, on_failure, ..spec(tasks) }))
}

/// A review of the newest work comes to this verdict.
fn verdict(world: &mut World, level: ReviewLevel, verdict: ReviewVerdict) -> Turn {
    let tree = checked(world).work.tree;
    world.say("a", review_verdict(level, verdict, tree))
}

fn checked(world: &World) -> CheckOrder {
    let Some(Action::Check(order)) = world.asked("a") else { panic!("it is not checked") };
    (**order).clone()
}

/// An attempt at `a` whose work a review of this level blocks.
fn blocked(world: &mut World, level: ReviewLevel) -> Turn {
    if world.asked("a").is_none() {
        world.wakes();
    }
    world.works("a");
    verdict(world, level, ReviewVerdict::Block);
    world.say("a", review_blocked())
}

#[test]
fn the_third_blocked_panel_makes_a_dispute_whatever_retries_are_left() {
    for on_dispute in [OnDispute::Stop, OnDispute::Continue] {
        let mut world = convoy(on_dispute);
        for level in [ReviewLevel::Panel, ReviewLevel::Fast, ReviewLevel::Panel, ReviewLevel::Fast] {
            assert_eq!(names(&blocked(&mut world, level)), ["task_retried"]);
        }
        let turn = blocked(&mut world, ReviewLevel::Panel);
        let stops = on_dispute == OnDispute::Stop;
        let mut wanted = vec!["task_failed", "dispute_opened", "task_skipped"];
        wanted.extend(stops.then_some("task_skipped"));
        assert_eq!(names(&turn), wanted, "{on_dispute:?}");
        let Event::Task { event: TaskEvent::DisputeOpened(dispute), .. } = &turn.events[1] else { panic!() };
        assert_eq!((dispute.panel_attempts, dispute.agent.as_str()), (3, "developer"));
        assert_eq!(dispute.reasons, "the review blocks the work");
        assert_eq!(world.status("a"), TaskStatus::Disputed);
        assert_eq!(world.task("a").dead_letter, None, "a dispute is no dead letter");
        assert_eq!(world.status("c"), if stops { TaskStatus::Skipped } else { TaskStatus::Pending });
        world.lands("busy");
        if !stops {
            world.lands("c");
        }
        world.publishes();
        assert_eq!(world.state().status(), ConvoyStatus::Failed);
        assert_eq!(world.state().totals().failed, 1);
    }
}

#[test]
fn a_dispute_is_closed_by_a_person_once_or_by_a_retry_which_begins_to_count_anew() {
    let mut world = convoy(OnDispute::Stop);
    for _ in 0..3 {
        blocked(&mut world, ReviewLevel::Panel);
    }
    let (id, open) = world.task("a").review.dispute.clone().expect("a dispute");
    assert!(open);
    let close = |dispute_id: &str| RequestKind::ResolveDispute {
        dispute_id: dispute_id.to_owned(),
        resolution: "by hand".into(),
    };
    assert_eq!(names(&world.request(close("dispute-other"))), [""; 0]);
    assert_eq!(names(&world.request(close(&id))), ["dispute_resolved"]);
    assert_eq!(names(&world.request(close(&id))), [""; 0], "it is closed already");
    world.lands("busy");
    world.publishes();
    // Another one, which the retry closes.
    world.retry(&["a"]);
    for _ in 0..3 {
        blocked(&mut world, ReviewLevel::Panel);
    }
    let (second, open) = world.task("a").review.dispute.clone().expect("a dispute");
    assert!(open && second != id);
    world.lands("c");
    world.publishes();
    assert_eq!(names(&world.retry(&["a"])), ["dispute_resolved", "convoy_retried", "task_assigned"]);
    assert_eq!(world.task("a").review.blocked_panels, 0);
    assert_eq!(names(&blocked(&mut world, ReviewLevel::Panel)), ["task_retried"]);
}

#[test]
fn a_panel_that_is_repeated_after_a_crash_counts_once() {
    let mut world = convoy(OnDispute::Stop);
    blocked(&mut world, ReviewLevel::Panel);
    world.wakes();
    world.works("a");
    verdict(&mut world, ReviewLevel::Panel, ReviewVerdict::Block);
    // The engine dies between the verdict and what it leads to, more than once.
    for _ in 0..3 {
        world = World::resumed(&world.plan.clone(), &world.log, false);
        verdict(&mut world, ReviewLevel::Panel, ReviewVerdict::Block);
    }
    assert_eq!(world.task("a").review.blocked_panels, 2);
    assert_eq!(names(&world.say("a", review_blocked())), ["task_retried"]);
}

#[test]
fn a_dispute_whose_entry_a_crash_cut_off_is_written_by_the_next_engine() {
    let mut world = convoy(OnDispute::Stop);
    for _ in 0..3 {
        blocked(&mut world, ReviewLevel::Panel);
    }
    let failed = world.log.iter().position(|(_, event)| event.type_name() == "task_failed").expect("it");
    let mut world = World::resumed(&world.plan.clone(), &world.log[..=failed], false);
    assert!(world.task("a").review.dispute.is_some());
    assert_eq!((world.status("b"), world.status("c")), (TaskStatus::Skipped, TaskStatus::Skipped));
    assert_eq!(names(&world.input(Input::Tick)), [""; 0]);
}

#[test]
fn the_next_review_knows_what_passed_and_what_was_spent() {
    let mut world = convoy(OnDispute::Stop);
    world.works("a");
    let order = checked(&world);
    assert_eq!((order.reviewed, order.review_tokens), (None, 0));
    verdict(&mut world, ReviewLevel::Fast, ReviewVerdict::Pass);
    // The engine dies before the check is over: the verdict is not bought again.
    let mut world = World::resumed(&world.plan.clone(), &world.log, false);
    let order = checked(&world);
    assert_eq!(order.reviewed, Some(ReviewLevel::Fast));
    assert_eq!(order.review_tokens, 3);
    let before = world.task("a").usage.output.unwrap_or(0);
    verdict(&mut world, ReviewLevel::Fast, ReviewVerdict::Pass);
    assert_eq!(world.task("a").usage.output, Some(before + 3), "reviews are paid for by their task");
    assert_eq!(world.state().review_tokens(), 6);
}

#[test]
fn a_review_that_passed_holds_for_its_tree_on_its_base() {
    let mut world = convoy(OnDispute::Stop);
    world.works("a");
    let first = checked(&world).work;
    verdict(&mut world, ReviewLevel::Fast, ReviewVerdict::Pass);
    world.gate_fails("a");
    let again = |world: &mut World, work: &Work| {
        world.wakes();
        world.agent_ends("a", AgentOutcome::Succeeded);
        world.taken("a", work.clone(), Vec::new(), None);
        let known = checked(world).reviewed;
        world.gate_fails("a");
        known
    };
    assert_eq!(again(&mut world, &first), Some(ReviewLevel::Fast), "the same change");
    // The tip moved: the same tree undoes what landed.
    world.lands("busy");
    let base = world.state().tip().clone();
    assert_ne!(base, first.base);
    assert_eq!(again(&mut world, &Work { base, ..first.clone() }), None);
    assert_eq!(again(&mut world, &Work { tree: oid(9), ..first }), None, "another tree");
}

#[test]
fn a_refusal_for_budget_is_not_tried_again_until_a_person_pays_anew() {
    let mut world = convoy(OnDispute::Continue);
    world.works("a");
    verdict(&mut world, ReviewLevel::Fast, ReviewVerdict::Block);
    assert_eq!(names(&world.say("a", review_blocked())), ["task_retried"], "a block is");
    world.wakes();
    world.works("a");
    assert_eq!(checked(&world).review_tokens, 3);
    world.say("a", review_refused(ReviewLevel::Panel));
    let turn = world.say("a", review_blocked());
    assert_eq!(names(&turn)[..2], ["task_failed", "dlq_entry_created"], "{turn:?}");
    assert_eq!((world.status("a"), world.task("a").retries), (TaskStatus::ReviewBlocked, 1));
    world.lands("busy");
    world.run(&mut Choices::new(&[]));
    world.retry(&["a"]);
    world.works("a");
    assert_eq!(checked(&world).review_tokens, 0);
    verdict(&mut world, ReviewLevel::Fast, ReviewVerdict::Block);
    assert_eq!(names(&world.say("a", review_blocked())), ["task_retried"]);
}

#[test]
fn work_without_the_review_that_it_was_to_get_is_counted_once_it_is_done() {
    let mut world = convoy(OnDispute::Stop);
    world.works("a");
    verdict(&mut world, ReviewLevel::Fast, ReviewVerdict::Skipped);
    assert_eq!(world.state().totals().unreviewed, 0, "it is not done");
    world.passes("a");
    world.conflicts("a");
    world.works("a");
    assert!(!world.task("a").review.unreviewed, "new work, new review");
    verdict(&mut world, ReviewLevel::Fast, ReviewVerdict::Skipped);
    world.passes("a");
    world.prepares("a");
    world.advances("a");
    assert_eq!(world.state().totals().unreviewed, 1);
    let shown = crate::state::view(world.state());
    assert_eq!((shown.tasks[0].unreviewed, shown.totals.unreviewed), (Some(true), 1));
}
