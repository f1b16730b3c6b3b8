//! Overlapping partitions.
//!
//! Paths are sorted so that a directory stands right before everything below it; a stack of the
//! directories around the current path then shows all overlaps without comparing every pair. Tasks
//! that use one path, or paths along one line of directories, are compared through dependencies only
//! with their neighbours in the order of phases: if each neighbour is ordered, all are.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, View};
use super::reach;

/// Two tasks whose partitions overlap.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overlap {
    pub(super) a: u32,
    pub(super) b: u32,
    /// Positions in their `files`.
    pub(super) a_file: u32,
    pub(super) b_file: u32,
}

/// Overlaps of tasks of one phase, and of tasks of different phases that no dependency orders. Of the
/// first kind only enough pairs are listed to name every task that is in one.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
    pub(super) same_phase: Vec<Overlap>,
    pub(super) unordered: Vec<Overlap>,
}

/// One task's use of a path.
#[derive(Clone, Copy)]
struct Use {
    phase: u32,
    task: u32,
    file: u32,
}

/// A path that tasks use. `open`: a glob's literal prefix, which covers every text that starts with it.
struct Spot<'a> {
    path: &'a str,
    open: bool,
    /// Sorted by phase.
    uses: Vec<Use>,
    /// The innermost spot around this one.
    around: Option<usize>,
}

/// `phase`: a number for each task that is higher than those of the tasks it depends on, 0 where there is
/// none. Tasks of one number are taken to overlap when their partitions do.
pub(super) fn find(graph: &Graph, phase: &[u32], tasks: &[View<'_>]) -> Overlaps {
    let spots = spots(phase, tasks);
    let mut finder = Finder { graph, spots: &spots, seen: HashSet::new(), found: Overlaps::default() };
    finder.run();
    finder.found
}

/// The literal part of a path, and whether anything may follow it.
fn literal(path: &str) -> (&str, bool) {
    match path.find(['*', '?']) {
        Some(at) => (&path[..at], true),
        None if path == "." => ("", true),
        None => (path, false),
    }
}

fn covers(outer: &Spot<'_>, path: &str) -> bool {
    match path.strip_prefix(outer.path) {
        Some(rest) => outer.open || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

fn spots<'a>(phase: &[u32], tasks: &[View<'a>]) -> Vec<Spot<'a>> {
    let mut all: Vec<(&'a str, bool, Use)> = Vec::new();
    for (index, task) in tasks.iter().enumerate().filter(|(index, _)| phase[*index] > 0) {
        for (file, path) in task.files.iter().enumerate() {
            let (path, open) = literal(path);
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            all.push((path, open, Use { phase: phase[index], task: number(index), file: number(file) }));
        }
    }
    // The separator sorts before every other character, so that `a/b` stands before `a-b`; an open
    // prefix stands before the same path without one, because it is the wider of the two.
    let bytes = |path: &'a str| path.bytes().map(|b| if b == b'/' { 0 } else { b });
    all.sort_by(|x, y| {
        let by_path = bytes(x.0).cmp(bytes(y.0));
        by_path.then(y.1.cmp(&x.1)).then((x.2.phase, x.2.task).cmp(&(y.2.phase, y.2.task)))
    });
    let mut spots: Vec<Spot<'a>> = Vec::new();
    let mut stack: Vec<usize> = Vec::new();
    for (path, open, usage) in all {
        match spots.last_mut() {
            Some(last) if last.path == path && last.open == open => last.uses.push(usage),
            _ => {
                while stack.last().is_some_and(|&top| !covers(&spots[top], path)) {
                    stack.pop();
                }
                spots.push(Spot { path, open, uses: vec![usage], around: stack.last().copied() });
                stack.push(spots.len() - 1);
            }
        }
    }
    spots
}

/// A set of pairs whose order is not yet known: a use of a spot against all uses of one around it, or
/// all uses of a spot among themselves.
struct Question {
    inner: usize,
    /// `None`: the whole spot among itself.
    usage: Option<Use>,
    outer: usize,
    /// The pairs that decide it, as a range of the pairs asked.
    pairs: std::ops::Range<usize>,
}

struct Finder<'a> {
    graph: &'a Graph,
    spots: &'a [Spot<'a>],
    /// Pairs that were already reported.
    seen: HashSet<(u32, u32)>,
    found: Overlaps,
}

impl Finder<'_> {
    fn run(&mut self) {
        let mut asked: Vec<(u32, u32)> = Vec::new();
        let mut questions: Vec<Question> = Vec::new();
        for inner in 0..self.spots.len() {
            self.ask_within(inner, &mut asked, &mut questions);
            let mut around = self.spots[inner].around;
            let spots = self.spots;
            while let Some(outer) = around {
                for &usage in &spots[inner].uses {
                    self.ask_around(inner, usage, outer, &mut asked, &mut questions);
                }
                around = self.spots[outer].around;
            }
        }
        let answers = reach::ordered(self.graph, &asked);
        self.answer(&questions, &answers);
    }

    /// Neighbours in the order of phases among the uses of one spot.
    fn ask_within(&mut self, spot: usize, asked: &mut Vec<(u32, u32)>, questions: &mut Vec<Question>) {
        let start = asked.len();
        let spots = self.spots;
        for (a, b) in spots[spot].uses.iter().zip(spots[spot].uses.iter().skip(1)) {
            self.ask(*a, *b, asked);
        }
        if asked.len() > start {
            questions.push(Question { inner: spot, usage: None, outer: spot, pairs: start..asked.len() });
        }
    }

    /// The neighbours, among the uses of a spot around it, of one use.
    fn ask_around(
        &mut self,
        inner: usize,
        usage: Use,
        outer: usize,
        asked: &mut Vec<(u32, u32)>,
        questions: &mut Vec<Question>,
    ) {
        let spots = self.spots;
        let others = &spots[outer].uses;
        let same = others.partition_point(|other| other.phase < usage.phase);
        let after = others.partition_point(|other| other.phase <= usage.phase);
        let start = asked.len();
        // One is enough: the others of this phase overlap with it too, and are reported with it.
        if let Some(&other) = others[same..after].iter().find(|other| other.task != usage.task) {
            self.ask(other, usage, asked);
        }
        if let Some(&before) = same.checked_sub(1).and_then(|at| others.get(at)) {
            self.ask(before, usage, asked);
        }
        if let Some(&next) = others.get(after) {
            self.ask(usage, next, asked);
        }
        if asked.len() > start {
            questions.push(Question { inner, usage: Some(usage), outer, pairs: start..asked.len() });
        }
    }

    /// Reports a pair of one phase; a pair of two phases is asked about.
    fn ask(&mut self, a: Use, b: Use, asked: &mut Vec<(u32, u32)>) {
        if a.task == b.task {
            return;
        }
        if a.phase == b.phase {
            if let Some(overlap) = self.new_pair(a, b) {
                self.found.same_phase.push(overlap);
            }
        } else {
            asked.push((a.task, b.task));
        }
    }

    /// The pair in file order, unless it was reported.
    fn new_pair(&mut self, a: Use, b: Use) -> Option<Overlap> {
        let (a, b) = if a.task < b.task { (a, b) } else { (b, a) };
        let is_new = self.seen.insert((a.task, b.task));
        is_new.then_some(Overlap { a: a.task, b: b.task, a_file: a.file, b_file: b.file })
    }

    /// Lists every pair of the questions whose neighbours are not all ordered.
    fn answer(&mut self, questions: &[Question], answers: &[bool]) {
        let mut broken: HashMap<usize, bool> = HashMap::new();
        let is_ordered = |q: &Question| answers[q.pairs.clone()].iter().all(|ordered| *ordered);
        for question in questions.iter().filter(|q| q.usage.is_none() && !is_ordered(q)) {
            broken.insert(question.inner, true);
        }
        let mut candidates: Vec<(Use, Use)> = Vec::new();
        for question in questions {
            let outer = &self.spots[question.outer].uses;
            match question.usage {
                // A chain around a use that is ordered with both neighbours orders it with all.
                Some(_) if is_ordered(question) && !broken.contains_key(&question.outer) => {}
                Some(usage) => candidates.extend(outer.iter().map(|&other| (other, usage))),
                None if !broken.contains_key(&question.inner) => {}
                None => {
                    for (i, &a) in outer.iter().enumerate() {
                        candidates.extend(outer[i + 1..].iter().map(|&b| (a, b)));
                    }
                }
            }
        }
        candidates.retain(|(a, b)| a.task != b.task && a.phase != b.phase);
        let pairs: Vec<(u32, u32)> = candidates
            .iter()
            .map(|(a, b)| if a.phase < b.phase { (a.task, b.task) } else { (b.task, a.task) })
            .collect();
        for ((a, b), ordered) in candidates.into_iter().zip(reach::ordered(self.graph, &pairs)) {
            if !ordered && let Some(overlap) = self.new_pair(a, b) {
                self.found.unordered.push(overlap);
            }
        }
    }
}
