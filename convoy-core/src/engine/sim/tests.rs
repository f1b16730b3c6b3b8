//! The seeds.

use std::collections::BTreeMap;

use super::life::{Ending, live, plan_of};
use super::world::Story;
use crate::event::{ConvoyEvent, PublishEvent, TaskEvent};
use crate::schedule::tests::build::{planned, spec, task};
use crate::spec::{Concurrency, Spec};
use crate::types::TaskStatus;

/// A seed to live alone: put in the one that a failure names, run `one_seed_can_be_lived_alone`.
const REPRODUCED: u64 = 0;

/// Every second seed is wild.
fn story(seed: u64) -> Story {
    Story { seed, wild: seed % 2 == 1, disturbed: true, watched: true, traced: false }
}

fn lived(story: Story) -> Ending {
    live(story, &plan_of(story)).unwrap_or_else(|wrong| panic!("{story:?}: {wrong}"))
}

/// Lives a seed, and where nothing wild happens compares it with the same convoy left in peace.
fn follow(seed: u64) -> Ending {
    let story = story(seed);
    let disturbed = lived(story);
    if !story.wild {
        let peaceful = lived(Story { disturbed: false, ..story });
        assert_eq!(disturbed.landed, peaceful.landed, "{story:?}: crashes change what lands");
        assert_eq!(disturbed.statuses, peaceful.statuses, "{story:?}: crashes change how tasks end");
    }
    disturbed
}

fn seeds(range: std::ops::Range<u64>) {
    let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in range {
        let Ending { ends: engines, log, .. } = follow(seed);
        let events = log.iter().map(|record| (record.event.type_name(), 1));
        for (what, times) in engines.into_iter().chain(events) {
            *ends.entry(what).or_default() += times;
        }
    }
    // A simulation in which nothing happens shows nothing.
    let engines = ["died", "store failed", "git failed", "ended", "interrupted"];
    let events = [ConvoyEvent::TYPES, TaskEvent::TYPES, PublishEvent::TYPES].concat();
    for what in engines.into_iter().chain(events) {
        assert!(ends.get(what).is_some_and(|times| *times >= 10), "too little of {what}: {ends:#?}");
    }
}

/// Ten thousand tasks that do next to nothing, through the same driver.
#[test]
fn a_very_large_convoy_comes_to_its_end() {
    let tasks = (0..10_000).map(|n| task(&format!("t{n}"))).collect();
    let plan = planned(Spec { concurrency: Concurrency::Fixed(64), ..spec(tasks) });
    // A seed in which nothing fails.
    let story = Story { seed: 1, wild: false, disturbed: false, watched: false, traced: false };
    let ending = live(story, &plan).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(ending.statuses.iter().all(|status| *status == TaskStatus::Done), "{:?}", ending.statuses);
    assert!(ending.landed.len() > 8_000, "{} landed", ending.landed.len());
}

#[test]
fn every_rule_holds_for_seeds_below_250() {
    seeds(0..250);
}

#[test]
fn every_rule_holds_for_seeds_from_250() {
    seeds(250..500);
}

#[test]
fn every_rule_holds_for_seeds_from_500() {
    seeds(500..750);
}

#[test]
fn every_rule_holds_for_seeds_from_750() {
    seeds(750..1000);
}

#[test]
fn one_seed_can_be_lived_alone() {
    follow(REPRODUCED);
}

#[test]
fn the_same_seed_gives_the_same_story() {
    for seed in 0..20 {
        assert_eq!(lived(story(seed)), lived(story(seed)), "seed {seed}");
    }
}
