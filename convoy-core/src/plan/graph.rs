//! The dependency graph: resolved ids, phases, longest paths, circles. No recursion.

use std::collections::{HashMap, VecDeque};

use super::problem::PlanProblem;
use crate::spec::nearest;
use crate::types::{TaskId, TaskIx};

/// What a task brings to the graph. `id` is `None` when it has no usable one.
pub(super) struct View<'a> {
    pub(super) id: Option<&'a TaskId>,
    pub(super) depends_on: &'a [TaskId],
    pub(super) files: &'a [String],
    pub(super) locks: &'a [String],
}

/// The graph of those dependencies that exist.
pub(super) struct Graph {
    /// In file order of the list, each once.
    pub(super) depends_on: Vec<Vec<TaskIx>>,
    pub(super) dependants: Vec<Vec<TaskIx>>,
    /// Longest path to the task, from 1; 0 on and behind a circle.
    pub(super) phase: Vec<u32>,
    /// Every task that is on or behind no circle, dependencies first.
    pub(super) order: Vec<TaskIx>,
    pub(super) by_id: HashMap<TaskId, TaskIx>,
}

pub(super) fn ix(index: usize) -> TaskIx {
    TaskIx(u32::try_from(index).unwrap_or(u32::MAX))
}

impl Graph {
    pub(super) fn of(tasks: &[View<'_>], problems: &mut Vec<PlanProblem>) -> Self {
        let by_id = ids(tasks, problems);
        let mut depends_on: Vec<Vec<TaskIx>> = Vec::with_capacity(tasks.len());
        let mut dependants = vec![Vec::new(); tasks.len()];
        for (index, task) in tasks.iter().enumerate() {
            let resolved = resolve(ix(index), task, &by_id, problems);
            for dependency in &resolved {
                dependants[dependency.index()].push(ix(index));
            }
            depends_on.push(resolved);
        }
        let mut graph =
            Self { depends_on, dependants, phase: vec![0; tasks.len()], order: Vec::new(), by_id };
        graph.sort();
        if graph.order.len() < tasks.len() {
            graph.report_cycles(tasks, problems);
        }
        graph
    }

    /// Orders the tasks and numbers the phases.
    fn sort(&mut self) {
        let mut missing: Vec<usize> = self.depends_on.iter().map(Vec::len).collect();
        let mut ready: VecDeque<TaskIx> =
            (0..missing.len()).filter(|&index| missing[index] == 0).map(ix).collect();
        while let Some(task) = ready.pop_front() {
            let before = self.depends_on[task.index()].iter().map(|d| self.phase[d.index()]).max();
            self.phase[task.index()] = before.unwrap_or(0) + 1;
            self.order.push(task);
            for dependant in &self.dependants[task.index()] {
                missing[dependant.index()] -= 1;
                if missing[dependant.index()] == 0 {
                    ready.push_back(*dependant);
                }
            }
        }
    }

    /// Number of tasks on the longest path that starts at each task, itself included.
    pub(super) fn remaining(&self) -> Vec<u32> {
        let mut remaining = vec![1; self.depends_on.len()];
        for task in self.order.iter().rev() {
            let after = self.dependants[task.index()].iter().map(|d| remaining[d.index()]).max();
            remaining[task.index()] = after.unwrap_or(0) + 1;
        }
        remaining
    }

    /// One shortest circle for each knot of tasks that wait for each other.
    fn report_cycles(&self, tasks: &[View<'_>], problems: &mut Vec<PlanProblem>) {
        let knot = knots(&self.depends_on, &self.phase);
        let mut seen = std::collections::HashSet::new();
        for start in 0..tasks.len() {
            let Some(mine) = knot[start] else { continue };
            if !seen.insert(mine) {
                continue;
            }
            let Some(circle) = self.circle(start, &knot) else { continue };
            let next = circle.get(1).copied().unwrap_or(start);
            let next_id = tasks[next].id;
            let at = tasks[start].depends_on.iter().position(|id| Some(id) == next_id).unwrap_or(0);
            let path = circle.iter().filter_map(|&index| tasks[index].id.cloned()).collect();
            problems.push(PlanProblem::Cycle { task: ix(start), at, path });
        }
    }

    /// A shortest way from a task along its dependencies back to itself, within its knot.
    fn circle(&self, start: usize, knot: &[Option<u32>]) -> Option<Vec<usize>> {
        let mut came_from: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for next in self.depends_on[at].iter().map(|d| d.index()) {
                if next == start {
                    let mut way = vec![start, at];
                    while let Some(&before) = way.last().and_then(|last| came_from.get(last)) {
                        way.push(before);
                    }
                    way.reverse();
                    return Some(way);
                }
                if knot[next] == knot[start] && !came_from.contains_key(&next) {
                    came_from.insert(next, at);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

fn ids(tasks: &[View<'_>], problems: &mut Vec<PlanProblem>) -> HashMap<TaskId, TaskIx> {
    let mut by_id: HashMap<TaskId, TaskIx> = HashMap::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        let Some(id) = task.id else { continue };
        match by_id.get(id) {
            Some(&first) => {
                problems.push(PlanProblem::DuplicateId { task: ix(index), id: id.clone(), first })
            }
            None => {
                by_id.insert(id.clone(), ix(index));
            }
        }
    }
    by_id
}

fn resolve(
    task: TaskIx,
    view: &View<'_>,
    by_id: &HashMap<TaskId, TaskIx>,
    problems: &mut Vec<PlanProblem>,
) -> Vec<TaskIx> {
    let mut resolved = Vec::with_capacity(view.depends_on.len());
    for (at, id) in view.depends_on.iter().enumerate() {
        match by_id.get(id) {
            Some(_) if view.id == Some(id) => {
                problems.push(PlanProblem::DependsOnItself { task, at, id: id.clone() });
            }
            Some(&on) => {
                if !resolved.contains(&on) {
                    resolved.push(on);
                }
            }
            None => {
                // Each look costs all ids; whoever has more unknown ones than this needs no guesses.
                let nearest = if problems.len() < 20 { similar(id, by_id) } else { None };
                problems.push(PlanProblem::UnknownDependency { task, at, id: id.clone(), nearest });
            }
        }
    }
    resolved
}

fn similar(id: &TaskId, by_id: &HashMap<TaskId, TaskIx>) -> Option<TaskId> {
    let mut known: Vec<&TaskId> = by_id.keys().collect();
    known.sort_by_key(|id| by_id[*id]);
    nearest(id.as_str(), known.iter().map(|id| id.as_str())).and_then(|near| TaskId::new(near).ok())
}

/// For each task the number of its knot: the tasks that can reach each other along dependencies.
/// `None` for tasks that are in no circle. Tarjan's algorithm with its own stack.
fn knots(depends_on: &[Vec<TaskIx>], phase: &[u32]) -> Vec<Option<u32>> {
    let size = depends_on.len();
    let (mut number, mut low, mut on_stack) = (vec![0u32; size], vec![0u32; size], vec![false; size]);
    let mut knot = vec![None; size];
    let (mut counter, mut knots) = (0, 0);
    let (mut stack, mut work): (Vec<usize>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
    for start in (0..size).filter(|&index| phase[index] == 0) {
        if number[start] == 0 {
            work.push((start, 0));
        }
        while let Some((at, edge)) = work.pop() {
            if edge == 0 {
                counter += 1;
                (number[at], low[at], on_stack[at]) = (counter, counter, true);
                stack.push(at);
            }
            if let Some(next) = depends_on[at].get(edge).map(|d| d.index()) {
                work.push((at, edge + 1));
                if number[next] == 0 && phase[next] == 0 {
                    work.push((next, 0));
                } else if on_stack[next] {
                    low[at] = low[at].min(number[next]);
                }
                continue;
            }
            if let Some(&(parent, _)) = work.last() {
                low[parent] = low[parent].min(low[at]);
            }
            if low[at] == number[at] {
                let from = stack.iter().rposition(|&member| member == at).unwrap_or(0);
                let members = stack.split_off(from);
                knots += 1;
                for &member in &members {
                    on_stack[member] = false;
                    knot[member] = (members.len() > 1).then_some(knots);
                }
            }
        }
    }
    knot
}
