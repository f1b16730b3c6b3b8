//! Everything that can be said of a convoy file without running it, in one go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::{analyse, view};
use super::graph::View;
use super::model::Plan;
use super::problem::PlanProblem;
use crate::spec::{self, Draft, Place, Places, Pos, Problem, Spec};

/// What became of a convoy file.
#[derive(Debug)]
pub struct Checked {
    /// The typed spec; `None` when there is an error among the problems.
    pub spec: Option<Arc<Spec>>,
    /// Its plan; there exactly when the spec is.
    pub plan: Option<Plan>,
    /// Every problem, sorted by position.
    pub problems: Vec<Problem>,
}

/// Decodes a convoy file, checks it field by field and task against task, and plans it. An error in one
/// task does not hide those between the others.
pub fn check(text: &str) -> Checked {
    finish(spec::draft(text))
}

/// [`check()`] for the bytes of a file, which must be UTF-8.
pub fn check_bytes(bytes: &[u8]) -> Checked {
    match spec::text_of(bytes) {
        Ok(text) => check(text),
        Err(problem) => Checked { spec: None, plan: None, problems: vec![problem] },
    }
}

/// A formula that was filled in and checked.
#[derive(Debug)]
pub struct CheckedFormula {
    /// The convoy. Its problems have the lines, columns and paths of the formula.
    pub checked: Checked,
    /// The text of a convoy file that means the same, to run it; there exactly when the formula could be
    /// filled in, whatever problems the convoy has.
    pub text: Option<String>,
}

/// Fills in a formula, a template of a convoy file, and checks what comes of it.
///
/// A formula is a file `{name, description?, variables: {NAME: {description?, required?, default?}}, spec}`.
/// `{{NAME}}` in any value of its `spec` stands for a variable; `{{NAME | kebab}}`, `| snake` and `| upper`
/// for another spelling of it. `values` come before defaults. They are put in as text and never read as YAML;
/// where a value is all of a text that stands for a number, it may be one. `{{prompt}}`, `{{session}}`
/// and what is no name, such as `{{input.x}}`, stays as it is.
///
/// Refused are: required variables without a value (all in one problem), names that are neither declared nor
/// given, values for nothing, and filters that do not exist.
pub fn check_formula(bytes: &[u8], values: &BTreeMap<String, String>) -> CheckedFormula {
    let filled = spec::fill(bytes, values);
    let mut checked = finish(filled.draft);
    for problem in &mut checked.problems {
        problem.path = below_spec(&problem.path);
    }
    if let Some(spec) = checked.spec.as_mut().filter(|spec| !spec.unsupported.is_empty()).map(Arc::make_mut) {
        for field in &mut spec.unsupported {
            field.path = below_spec(&field.path);
        }
    }
    checked.problems.extend(filled.problems.sorted());
    checked.problems.sort_by_key(|problem| (problem.line, problem.column));
    if checked.problems.iter().any(Problem::is_error) {
        (checked.spec, checked.plan) = (None, None);
    }
    CheckedFormula { checked, text: filled.text }
}

fn below_spec(path: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("spec{dot}{path}")
}

impl Checked {
    /// Whether the file can be used.
    pub fn is_ok(&self) -> bool {
        self.plan.is_some()
    }
}

fn finish(draft: Draft) -> Checked {
    let Draft { spec, places, mut problems } = draft;
    let mut parts = None;
    if let Some(spec) = &spec {
        let (good, found) = analyse(spec, |index, task| {
            let has_id = places.tasks.get(index).is_some_and(|place| place.id.is_some());
            let whole = view(task);
            View { id: whole.id.filter(|_| has_id), ..whole }
        });
        for problem in &found {
            problems.push(placed(problem, &places));
        }
        parts = good;
    }
    let problems = problems.sorted();
    let broken = problems.iter().any(Problem::is_error);
    let spec = spec.filter(|_| !broken).map(Arc::new);
    let plan = spec.as_ref().zip(parts).map(|(spec, parts)| parts.into_plan(Arc::clone(spec)));
    Checked { spec, plan, problems }
}

/// The same problem with the place and path of what it is about.
fn placed(problem: &PlanProblem, places: &Places) -> Problem {
    let task = places.tasks.get(problem.task().index());
    let index = task.map_or(0, |task| task.index);
    let place: Option<&Place> = task.and_then(|task| match problem {
        PlanProblem::UnknownDependency { at, .. }
        | PlanProblem::DependsOnItself { at, .. }
        | PlanProblem::Cycle { at, .. } => task.depends_on.get(*at),
        PlanProblem::Overlap { at, .. } => task.files.get(*at),
        PlanProblem::UndeclaredLock { at, .. } => task.locks.get(*at),
        PlanProblem::UnknownArtifact { at, .. } => task.inputs.get(*at),
        PlanProblem::DuplicateId { .. } => None,
    });
    let (pos, path) = match (place, problem) {
        (Some(place), _) => (place.pos, format!("tasks[{index}].{place}")),
        (None, _) => {
            let pos = task.and_then(|task| task.id).unwrap_or(Pos::START);
            (pos, format!("tasks[{index}].id"))
        }
    };
    let message = problem.to_string();
    let placed = match problem.is_error() {
        true => Problem::error(pos, path, message),
        false => Problem::warning(pos, path, message),
    };
    match problem.hint() {
        Some(hint) => placed.with_hint(hint),
        None => placed,
    }
}
