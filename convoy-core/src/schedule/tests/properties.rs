//! Random graphs, outcomes, requests and crashes.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::build::task;
use super::choose::Choices;
use super::shape::{Shape, shapes};
use super::world::World;
use crate::event::RequestKind;
use crate::schedule::{AdvanceReport, Input, PrepareReport, Report, SnapshotReport, Turn};
use crate::spec::Task;
use crate::state::Prepared;
use crate::types::{AttemptNo, TaskIx};

/// A part of the usual number of cases; `PROPTEST_CASES` raises it.
fn part(divisor: u32) -> Config {
    let usual = Config::default();
    Config { cases: usual.cases.div_ceil(divisor), failure_persistence: None, ..usual }
}

pub(super) fn choices(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

/// One of the things that may happen to a convoy at any moment.
fn disturb(world: &mut World, choices: &mut Choices<'_>) {
    match choices.pick(22) {
        0..=2 => {
            world.now = world.now.plus(Duration::from_secs(1));
            world.input(Input::Tick);
        }
        3..=4 => drop(world.request(RequestKind::Pause)),
        5..=6 => drop(world.request(RequestKind::Unpause)),
        7 => drop(world.request(RequestKind::Cancel)),
        8..=9 => drop(world.request(RequestKind::Interrupt { reason: "Ctrl-C".into() })),
        10 => drop(world.request(RequestKind::Publish)),
        11 => retry(world, choices),
        12..=13 => {
            let lost = choices.pick(6);
            world.resume(lost, choices);
        }
        14 => inject(world, choices),
        15..=18 => wish(world, choices),
        _ => stale(world, choices),
    }
}

fn retry(world: &mut World, choices: &mut Choices<'_>) {
    let tasks = world.state().plan().indices().filter(|_| choices.one_in(4)).collect();
    world.input(Input::Retry { tasks, actor: "me".into() });
}

/// A person wants something of a task, wherever it is.
fn wish(world: &mut World, choices: &mut Choices<'_>) {
    let plan = world.state().plan().clone();
    if plan.is_empty() {
        return;
    }
    let any = TaskIx(u32::try_from(choices.pick(plan.len())).expect("small"));
    let asked = world.asked_about().filter(|_| choices.one_in(2));
    let task = asked.unwrap_or_else(|| plan.id(any).clone());
    let reason = String::new();
    let kind = match choices.pick(5) {
        0 => RequestKind::Approve { task, tree: None, reason },
        1 => RequestKind::Approve { task, tree: Some(world.state().tip().clone()), reason },
        2 => RequestKind::Reject { task, reason },
        3 => RequestKind::Skip { task, reason },
        _ => RequestKind::Accept { task, work: world.by_hand(choices.pick(4) > 0), reason },
    };
    world.request(kind);
}

/// Another task, which may depend on any, overlap with any, or have the id of one that exists.
fn inject(world: &mut World, choices: &mut Choices<'_>) {
    let plan = world.state().plan().clone();
    let new = match choices.pick(8) {
        0 => plan.len().saturating_sub(1),
        _ => plan.len(),
    };
    let depends_on = plan.indices().filter(|_| choices.one_in(4)).map(|ix| plan.id(ix).clone()).collect();
    let files = if choices.one_in(2) { vec![format!("dir{}", choices.pick(3))] } else { Vec::new() };
    let id = format!("added{new}");
    let added = Task { depends_on, files, ..task(&id) };
    let idempotency_key = choices.one_in(4).then(|| "once".to_owned());
    let before = world.state().plan().len();
    world.request(RequestKind::Inject { tasks: vec![added], source: "test".into(), idempotency_key });
    assert!(world.state().plan().len() <= before + 1);
}

/// An answer that nothing waits for changes nothing.
fn stale(world: &mut World, choices: &mut Choices<'_>) {
    let size = world.state().plan().len();
    if size == 0 {
        return;
    }
    let task = TaskIx(u32::try_from(choices.pick(size)).expect("small"));
    let attempts = world.state().task(task).attempts;
    let attempt = AttemptNo(match choices.pick(2) {
        0 => attempts + 1,
        _ => attempts.saturating_sub(1),
    });
    let tip = world.state().tip().clone();
    let report = match choices.pick(7) {
        0 => Report::Checked(None),
        1 => Report::CheckStopped,
        2 => Report::Snapshot(SnapshotReport::NoWorktree),
        3 => Report::Prepared(PrepareReport::Nothing),
        4 => Report::Prepared(PrepareReport::Prepared(Prepared { commit: tip.clone(), onto: tip })),
        5 => Report::Advanced(AdvanceReport::Landed),
        _ => Report::Spawned { pid: 1, start_time: 1 },
    };
    let turn = world.input(Input::worker(task, attempt, report));
    assert_eq!(turn, Turn::default(), "an answer of another attempt changes nothing");
}

/// Lives a convoy until the choices are used up and it has ended.
pub(super) fn live(shape: &Shape, bytes: &[u8]) -> World {
    let mut choices = Choices::new(bytes);
    let mut world = World::new(&shape.plan());
    while !choices.are_used_up() {
        let over = world.state().ended().is_some() && world.open.is_empty();
        if choices.one_in(16) {
            disturb(&mut world, &mut choices);
        } else if over {
            retry(&mut world, &mut choices);
        } else {
            world.step(&mut choices);
        }
    }
    world.run(&mut choices);
    world
}

proptest! {
    #![proptest_config(part(2))]

    #[test]
    fn every_convoy_keeps_the_rules_and_ends(shape in shapes(40), bytes in choices(1500)) {
        let world = live(&shape, &bytes);
        prop_assert!(world.state().ended().is_some());
        prop_assert!(world.watch.statuses().into_iter().all(|status| status.is_final()));
    }

}

proptest! {
    #![proptest_config(part(8))]

    #[test]
    fn a_small_convoy_can_be_cut_anywhere(shape in shapes(6), bytes in choices(120), more in choices(60)) {
        let world = live(&shape, &bytes);
        for end in 0..=world.log.len() {
            for moved in [false, true] {
                let mut choices = Choices::new(&more);
                let mut again = World::resumed(&world.plan, &world.log[..end], moved);
                again.run(&mut choices);
            }
        }
    }

    #[test]
    fn a_large_convoy_can_be_cut_anywhere(
        shape in shapes(40),
        bytes in choices(1500),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 4),
        more in choices(200),
    ) {
        let world = live(&shape, &bytes);
        for cut in cuts {
            let end = cut.index(world.log.len() + 1);
            let mut again = World::resumed(&world.plan, &world.log[..end], end % 2 == 0);
            again.run(&mut Choices::new(&more));
        }
    }
}
