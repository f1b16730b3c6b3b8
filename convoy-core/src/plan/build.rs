//! Makes the plan and finds what is wrong between tasks.

use std::collections::HashMap;
use std::sync::Arc;

use super::artifacts;
use super::graph::{Graph, View, ix};
use super::model::{Plan, PlannedTask};
use super::overlap::{self, Overlap, Overlaps};
use super::problem::PlanProblem;
use crate::spec::{Spec, Task, nearest};
use crate::types::{TaskIx, slug};

/// Plans a valid spec.
///
/// # Errors
/// Every problem between its tasks, when one of them is an error: duplicate ids, unknown, circular or
/// own dependencies, locks that are not declared, overlapping partitions in one phase.
pub fn plan(spec: Arc<Spec>) -> Result<Plan, Vec<PlanProblem>> {
    let (plan, problems) = analyse(&spec, |_, task| view(task));
    match plan {
        Some(parts) => Ok(parts.into_plan(spec)),
        None => Err(problems),
    }
}

/// A task as the graph sees it.
pub(super) fn view(task: &Task) -> View<'_> {
    View { id: Some(&task.id), depends_on: &task.depends_on, files: &task.files, locks: &task.locks }
}

/// A plan without its spec.
pub(super) struct Parts {
    graph: Graph,
    overlaps: Vec<Vec<TaskIx>>,
}

/// The problems between the tasks, and the parts of the plan when none of them is an error.
pub(super) fn analyse<'a>(
    spec: &'a Spec,
    view: impl Fn(usize, &'a Task) -> View<'a>,
) -> (Option<Parts>, Vec<PlanProblem>) {
    let views: Vec<View<'a>> = spec.tasks.iter().enumerate().map(|(i, task)| view(i, task)).collect();
    let mut problems = Vec::new();
    undeclared_locks(spec, &views, &mut problems);
    let graph = Graph::of(&views, &mut problems);
    artifacts::unknown(spec, &graph.by_id, &mut problems);
    let found = overlap::find(&graph, &graph.phase, &views);
    let overlaps = adjacency(&found, views.len());
    report(&found, &views, &mut problems);
    let good = !problems.iter().any(PlanProblem::is_error);
    (good.then_some(Parts { graph, overlaps }), problems)
}

/// The plan of a spec to which tasks were added while it runs: also tasks of one phase whose partitions
/// overlap are kept apart, instead of being refused.
///
/// # Errors
/// Every problem that is an error.
pub(super) fn extended(spec: Arc<Spec>) -> Result<Plan, Vec<PlanProblem>> {
    let views: Vec<View<'_>> = spec.tasks.iter().map(view).collect();
    let mut problems = Vec::new();
    undeclared_locks(&spec, &views, &mut problems);
    let graph = Graph::of(&views, &mut problems);
    artifacts::unknown(&spec, &graph.by_id, &mut problems);
    if problems.iter().any(PlanProblem::is_error) {
        return Err(problems);
    }
    // Every task a number of its own, so that every pair is looked at.
    let mut position = vec![0; views.len()];
    for (at, task) in graph.order.iter().enumerate() {
        position[task.index()] = u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
    }
    let overlaps = adjacency(&overlap::find(&graph, &position, &views), views.len());
    drop(views);
    Ok(Parts { graph, overlaps }.into_plan(spec))
}

fn undeclared_locks(spec: &Spec, views: &[View<'_>], problems: &mut Vec<PlanProblem>) {
    for (index, view) in views.iter().enumerate() {
        for (at, lock) in view.locks.iter().enumerate().filter(|(_, lock)| !spec.locks.contains_key(*lock)) {
            let nearest = nearest(lock, spec.locks.keys().map(String::as_str)).map(str::to_owned);
            problems.push(PlanProblem::UndeclaredLock { task: ix(index), at, lock: lock.clone(), nearest });
        }
    }
}

/// For each task those that it must be kept apart from, in file order.
fn adjacency(found: &Overlaps, size: usize) -> Vec<Vec<TaskIx>> {
    let mut overlaps = vec![Vec::new(); size];
    for Overlap { a, b, .. } in &found.unordered {
        overlaps[*a as usize].push(TaskIx(*b));
        overlaps[*b as usize].push(TaskIx(*a));
    }
    for list in &mut overlaps {
        list.sort_unstable();
    }
    overlaps
}

/// Every pair of one phase; of the others one for each task, with the number of the rest.
fn report(found: &Overlaps, views: &[View<'_>], problems: &mut Vec<PlanProblem>) {
    let problem = |pair: &Overlap, same_phase: bool, more: usize| {
        let (a, b) = (&views[pair.a as usize], &views[pair.b as usize]);
        Some(PlanProblem::Overlap {
            task: TaskIx(pair.b),
            at: pair.b_file as usize,
            path: b.files.get(pair.b_file as usize)?.clone(),
            other: a.id?.clone(),
            other_path: a.files.get(pair.a_file as usize)?.clone(),
            same_phase,
            more,
        })
    };
    problems.extend(found.same_phase.iter().filter_map(|pair| problem(pair, true, 0)));
    let mut of_task: HashMap<u32, usize> = HashMap::new();
    for pair in &found.unordered {
        *of_task.entry(pair.b).or_default() += 1;
    }
    for pair in &found.unordered {
        if let Some(count) = of_task.remove(&pair.b) {
            problems.extend(problem(pair, false, count - 1));
        }
    }
}

impl Parts {
    pub(super) fn into_plan(self, spec: Arc<Spec>) -> Plan {
        let Self { graph, overlaps } = self;
        let remaining = graph.remaining();
        let phases = graph.phase.iter().copied().max().unwrap_or(0);
        let Graph { depends_on, dependants, phase, by_id, .. } = graph;
        let facts =
            depends_on.into_iter().zip(dependants).zip(phase.into_iter().zip(remaining)).zip(overlaps);
        let tasks = spec.tasks.iter().zip(facts).map(
            |(task, (((depends_on, dependants), (phase, remaining)), overlaps))| PlannedTask {
                slug: slug(task.id.as_str()),
                phase,
                depends_on,
                dependants,
                remaining,
                overlaps,
            },
        );
        let tasks = tasks.collect();
        Plan { spec, tasks, by_id, phases }
    }
}
