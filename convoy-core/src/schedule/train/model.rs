//! The policy against a brute-force oracle: every set of up to eight pieces of work is green or red, the empty one
//! (the tip before anything has landed) too, and what the policy makes of it is compared with all that could have
//! landed. Changes of the model cannot touch each other: a tree is the set of what is merged in it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use super::policy::{Place, Prefix, Rules, Seen, Step, fresh, suspects};

/// A set of pieces of work, a bit each.
type Set = u32;

/// What is green, and who disturbs.
#[derive(Debug, Clone)]
struct Case {
    pieces: u32,
    /// How many of them come only while others are judged.
    late: u32,
    green: Vec<bool>,
    /// Sets of which the first run is red whatever they are.
    flaky: BTreeSet<Set>,
    batch: usize,
    window: usize,
    /// Which of the runs under way ends next.
    order: Vec<u8>,
}

/// How the sets of a case come to be green or red.
fn oracle(pieces: u32) -> impl Strategy<Value = Vec<bool>> {
    let size = 1_usize << pieces;
    let any_bits = || prop::collection::vec(0..size as Set, 0..4);
    // Nothing at all; single pieces, pairs or threes that break everything with them; pieces that need another one.
    let rules = (any_bits(), any_bits(), prop::collection::vec((0..pieces, 0..pieces), 0..3));
    // Now and then everything is red without one of them.
    let rules = (rules, prop::option::weighted(0.2, 0..pieces));
    let broken = rules.prop_map(move |((one, other, needs), mends)| {
        let fails = |set: Set| {
            let broken = one.iter().zip(&other).map(|(a, b)| a & b).filter(|bits| *bits != 0);
            let lacking = needs.iter().any(|(who, what)| set >> who & 1 == 1 && set >> what & 1 == 0);
            let unmended = mends.is_some_and(|who| set >> who & 1 == 0);
            lacking || unmended || broken.into_iter().any(|bits| set & bits == bits)
        };
        (0..size as Set).map(|set| !fails(set)).collect::<Vec<bool>>()
    });
    let odds = prop::sample::select(vec![0.1, 0.5, 0.9]);
    let random = odds.prop_flat_map(move |odds| prop::collection::vec(prop::bool::weighted(odds), size));
    prop_oneof![3 => broken, 1 => random]
}

fn cases() -> impl Strategy<Value = Case> {
    (1_u32..=8).prop_flat_map(|pieces| {
        let flaky = prop::collection::btree_set(0..1_u32 << pieces, 0..4);
        let order = prop::collection::vec(any::<u8>(), 0..64);
        let late = prop_oneof![1 => Just(0), 1 => 0..pieces];
        (oracle(pieces), late, flaky, 1_usize..=8, 1_usize..=4, order).prop_map(
            move |(green, late, flaky, batch, window, order)| Case {
                pieces,
                late,
                green,
                flaky,
                batch,
                window,
                order,
            },
        )
    })
}

/// A convoy that has only this to do.
struct World<'a> {
    case: &'a Case,
    waiting: BTreeMap<u32, Place>,
    /// How many have come.
    come: u32,
    landed: Set,
    blamed: Set,
    /// Who failed because the tip itself is red.
    innocent: Set,
    seen: BTreeMap<Set, Seen>,
    running: Vec<Set>,
    window: usize,
    begun: usize,
    /// Runs of the tip by itself.
    of_tip: usize,
    ended: BTreeMap<Set, u32>,
    /// Who was set aside, and who of them landed.
    aside: Set,
    turn: usize,
}

impl<'a> World<'a> {
    fn new(case: &'a Case) -> Self {
        let place = |n: u32| (n, Place { order: u64::from(n), aside: None });
        let come = case.pieces - case.late;
        Self {
            case,
            waiting: (0..come).map(place).collect(),
            come,
            landed: 0,
            blamed: 0,
            innocent: 0,
            seen: BTreeMap::new(),
            running: Vec::new(),
            window: case.window,
            begun: 0,
            of_tip: 0,
            ended: BTreeMap::new(),
            aside: 0,
            turn: 0,
        }
    }

    /// Whether there is more to do. Another piece may come before.
    fn goes_on(&mut self) -> bool {
        let may_come = self.come < self.case.pieces;
        if may_come && (self.waiting.is_empty() || self.pick().is_multiple_of(4)) {
            self.one_comes();
        }
        !self.waiting.is_empty()
    }

    fn one_comes(&mut self) {
        self.waiting.insert(self.come, Place { order: u64::from(self.come), aside: None });
        self.come += 1;
    }

    fn set_aside(&mut self, piece: u32) {
        self.aside |= 1 << piece;
        let newest = u64::from(self.come) - 1;
        self.waiting.entry(piece).and_modify(|place| place.aside = Some(newest));
    }

    fn pick(&self) -> usize {
        let order = &self.case.order;
        order.get(self.turn % order.len().max(1)).copied().unwrap_or(0).into()
    }

    fn is_green(&self, set: Set) -> bool {
        self.case.green[set as usize]
    }

    fn rules(&self) -> Rules {
        Rules { batch: self.case.batch, window: self.window }
    }

    fn know(&self, set: Set) -> Seen {
        if self.running.contains(&set) {
            Seen::Running
        } else {
            self.seen.get(&set).copied().unwrap_or(Seen::Nothing)
        }
    }

    /// The lanes, as the sets of their prefixes.
    fn lanes(&self) -> (bool, Vec<Vec<Set>>) {
        let mut line: Vec<(u32, Place)> =
            self.waiting.iter().map(|(piece, place)| (*piece, *place)).collect();
        line.sort_by_key(|(_, place)| place.rank());
        let suspects = line[0].1.is_suspect();
        let front = line.iter().take_while(|(_, place)| place.is_suspect() == suspects);
        let front: Vec<u32> = front.map(|(piece, _)| *piece).collect();
        if suspects {
            return (true, front.iter().map(|piece| vec![self.landed | 1 << piece]).collect());
        }
        let mut sum = self.landed;
        let lane = front.iter().take(self.rules().reach()).map(|piece| {
            sum |= 1 << piece;
            sum
        });
        (false, vec![lane.collect()])
    }

    fn step(&mut self) -> Result<(), TestCaseError> {
        self.turn += 1;
        let (alone, lanes) = self.lanes();
        // What is no candidate any more is not worth its slot.
        let landed = self.landed;
        let is_wanted =
            |set: &Set| *set == landed || lanes.iter().flatten().any(|candidate| candidate == set);
        self.running.retain(is_wanted);
        let front: Vec<Seen> = match alone {
            true => lanes.iter().map(|lane| self.know(lane[0])).collect(),
            false => lanes[0].iter().map(|set| self.know(*set)).collect(),
        };
        let tip = self.know(landed);
        let step = if alone { suspects(&front, tip, self.rules()) } else { fresh(&front, self.rules()) };
        let set_of = |prefix: &Prefix| match prefix.count {
            0 => landed,
            count => lanes[prefix.lane][count - 1],
        };
        match step {
            Step::Land(prefix) => {
                self.landed = set_of(&prefix);
                prop_assert!(self.is_green(self.landed), "red lands: {:b}", self.landed);
                let landed = self.landed;
                self.waiting.retain(|piece, _| landed >> piece & 1 == 0);
            }
            Step::SetAside => {
                let first = self.know(lanes[0][0]);
                prop_assert!(
                    matches!(first, Seen::Red(_)),
                    "nobody is suspected who was not seen to fail alone"
                );
                self.set_aside((lanes[0][0] & !self.landed).trailing_zeros());
            }
            Step::RedTip if self.waiting.values().any(|place| !place.is_suspect()) => {
                for lane in &lanes {
                    self.set_aside((lane[0] & !landed).trailing_zeros());
                }
            }
            Step::RedTip if self.come < self.case.pieces => self.one_comes(),
            Step::Blame | Step::RedTip => {
                prop_assert!(alone && front.iter().all(|seen| matches!(seen, Seen::Red(n) if *n >= 2)));
                let all = lanes.iter().fold(0, |all, lane| all | lane[0] & !landed);
                let blames = step == Step::Blame;
                prop_assert_eq!(self.is_green(landed), blames, "{:b} is blamed on {:b}", all, landed);
                for lane in &lanes {
                    prop_assert!(!self.is_green(lane[0]), "{:b} fails and is green on {landed:b}", lane[0]);
                }
                *(if blames { &mut self.blamed } else { &mut self.innocent }) |= all;
                self.waiting.retain(|piece, _| all >> piece & 1 == 0);
            }
            Step::Verify { begin, end } => {
                let (begin, end): (Vec<Set>, Vec<Set>) =
                    (begin.iter().map(set_of).collect(), end.iter().map(set_of).collect());
                self.running.retain(|running| !end.contains(running));
                self.verify(&begin, alone)?;
            }
        }
        Ok(())
    }

    /// Begins runs, and one of those under way ends, or more comes.
    fn verify(&mut self, begin: &[Set], alone: bool) -> Result<(), TestCaseError> {
        for set in begin {
            prop_assert!(!self.running.contains(set), "{set:b} runs twice at once");
            let again = self.seen.contains_key(set);
            prop_assert!(!again || alone && self.seen[set] == Seen::Red(1), "{set:b} runs again");
            self.running.push(*set);
            *(if *set == self.landed { &mut self.of_tip } else { &mut self.begun }) += 1;
        }
        let runs = self.running.len();
        prop_assert!(begin.is_empty() || runs <= self.window, "{runs} runs with a window of {}", self.window);
        prop_assert!(!self.running.is_empty(), "nothing is awaited");
        // All runs may last while more comes.
        match self.come < self.case.pieces && self.pick() % 3 == 1 {
            true => self.one_comes(),
            false => self.one_ends(),
        }
        Ok(())
    }

    fn one_ends(&mut self) {
        let set = self.running.remove(self.pick() % self.running.len());
        let times = self.ended.entry(set).or_default();
        *times += 1;
        let green = self.case.green[set as usize] && !(self.case.flaky.contains(&set) && *times == 1);
        let before = match self.seen.get(&set) {
            Some(Seen::Red(times)) => *times,
            _ => 0,
        };
        self.seen.insert(set, if green { Seen::Green } else { Seen::Red(before + 1) });
        self.window = if green { (self.window + 1).min(self.case.window) } else { (self.window / 2).max(1) };
    }

    fn bound(&self) -> usize {
        let (n, b, w) = (self.case.pieces as usize, self.case.batch, self.case.window);
        let aside = self.aside.count_ones() as usize;
        let late = (self.aside & self.landed).count_ones() as usize;
        let depth = (b * w).next_power_of_two().ilog2() as usize;
        n.div_ceil(b) + aside * w * (2 + depth) + 2 * aside * (late + 1)
    }
}

fn try_out(case: &Case) -> Result<(), TestCaseError> {
    let mut world = World::new(case);
    while world.goes_on() {
        world.step()?;
        prop_assert!(world.turn < 10_000, "it does not end");
    }
    prop_assert!(world.of_tip <= 2);
    prop_assert_eq!(world.landed | world.blamed | world.innocent, (1 << case.pieces) - 1);
    prop_assert!(world.landed == 0 || world.is_green(world.landed));
    prop_assert!(world.ended.values().all(|times| *times <= 2), "a tree runs three times");
    if case.late > 0 {
        // Of what comes later, whoever failed before could not know.
        return Ok(());
    }
    for piece in (0..case.pieces).filter(|piece| world.landed >> piece & 1 == 0) {
        prop_assert!(!world.is_green(world.landed | 1 << piece), "{piece} is green with {:b}", world.landed);
    }
    let (begun, bound) = (world.begun, world.bound());
    prop_assert!(begun <= bound, "{begun} runs with a bound of {bound}: aside {:b}", world.aside);
    if world.case.green.iter().all(|green| *green) && case.flaky.is_empty() {
        prop_assert_eq!(world.aside, 0);
        let least = (case.pieces as usize).div_ceil(case.batch);
        prop_assert!(begun <= least, "{begun} runs where {least} are enough");
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 20_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn what_lands_is_green_and_all_that_is_green_with_it_lands_within_the_bound(case in cases()) {
        try_out(&case)?;
    }
}

/// All functions of three pieces, in every batch, window and order of ends.
#[test]
fn every_function_of_three_pieces_is_kept_too() {
    for function in 0..1_u32 << 8 {
        let green: Vec<bool> = (0..8).map(|set| function >> set & 1 == 1).collect();
        for (batch, window, order) in
            (1..=3).flat_map(|b| (1..=3).flat_map(move |w| (0..3).map(move |o| (b, w, o))))
        {
            for flake in 0..8 {
                let flaky = BTreeSet::from([flake]);
                let case = Case {
                    pieces: 3,
                    late: 0,
                    green: green.clone(),
                    flaky,
                    batch,
                    window,
                    order: vec![order],
                };
                try_out(&case).unwrap_or_else(|wrong| panic!("{case:?}: {wrong}"));
            }
        }
    }
}

#[test]
fn the_bound_of_one_bad_piece_in_a_batch_of_eight_is_what_a_bisection_costs() {
    for bad in 0..8_u32 {
        let green = (0..256_u32).map(|set| set >> bad & 1 == 0).collect();
        let flaky = BTreeSet::new();
        let case = Case { pieces: 8, late: 0, green, flaky, batch: 8, window: 1, order: Vec::new() };
        let mut world = World::new(&case);
        while !world.waiting.is_empty() {
            world.step().expect("a legal step");
        }
        assert_eq!((world.landed, world.blamed), (255 & !(1 << bad), 1 << bad));
        // The batch, three to find it, the rest, and two for the suspect on the last tip (one where it is the last).
        assert!(world.begun <= 7, "piece {bad}: {} runs", world.begun);
    }
}

#[test]
fn work_that_was_overtaken_lands_without_another_run_when_both_orders_make_the_same_tree() {
    // 0 fails alone and passes with 1; both runs are under way when 1 has landed alone.
    let green = vec![true, false, true, true];
    let case =
        Case { pieces: 2, late: 0, green, flaky: BTreeSet::new(), batch: 1, window: 2, order: vec![0] };
    let mut world = World::new(&case);
    world.seen = BTreeMap::from([(0b01, Seen::Red(1)), (0b11, Seen::Green)]);
    world.waiting.insert(0, Place { order: 0, aside: Some(2) });
    while !world.waiting.is_empty() {
        world.step().expect("a legal step");
    }
    assert_eq!((world.landed, world.begun), (0b11, 1));
}
