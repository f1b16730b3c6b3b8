//! Every move of the table is made by some convoy.

use std::collections::HashSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::build::{oid, planned, spec, task};
use super::choose::Choices;
use super::properties::{choices, live};
use super::shape::shapes;
use super::steps::{Bring, PLACES, brought};
use crate::event::{RequestKind, Work};
use crate::state::{StageKind, allowed};
use crate::types::{FailureKind, TaskIx};

#[test]
fn every_allowed_move_is_made_and_no_other() {
    let mut runner = TestRunner::deterministic();
    let mut made: HashSet<(StageKind, StageKind)> = HashSet::new();
    for _ in 0..300 {
        let case = (shapes(12), choices(600)).new_tree(&mut runner).expect("a case");
        let (shape, bytes) = case.current();
        made.extend(live(&shape, &bytes).watch.moves);
    }
    // A cancel rarely finds work that waits to land, and a person's commit a task that waits.
    let plan = planned(spec(vec![task("a"), task("b")]));
    let paused: Bring = |world| {
        world.works("a");
        world.passes("a");
        world.request(RequestKind::Pause);
        drop(world.conflicts("a"));
    };
    let parked: Bring = |world| {
        world.agent_fails("a", FailureKind::RateLimit);
        drop(world.snapshot("a", true));
    };
    for bring in PLACES.into_iter().map(|(_, bring)| bring).chain([paused, parked]) {
        let work =
            Work { commit: oid(7), tree: oid(8), base: oid(1), changed: true, kept_ref: "kept".into() };
        let accept = RequestKind::Accept { task: plan.id(TaskIx(0)).clone(), work, reason: String::new() };
        let skip = RequestKind::Skip { task: plan.id(TaskIx(0)).clone(), reason: String::new() };
        for end in [RequestKind::Cancel, skip, accept] {
            let mut world = brought(&plan, bring);
            world.request(end);
            world.run(&mut Choices::new(&[]));
            made.extend(world.watch.moves);
        }
    }
    for from in StageKind::ALL {
        for to in StageKind::ALL {
            assert_eq!(made.contains(&(from, to)), allowed(from, to), "{from:?} to {to:?}");
        }
    }
}
