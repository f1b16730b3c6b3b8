//! Whether every input is an output of the task that it names.

use std::collections::HashMap;

use super::graph::ix;
use super::problem::PlanProblem;
use crate::spec::{Spec, nearest};
use crate::types::{TaskId, TaskIx};

/// Inputs that nothing leaves. One of a task that does not exist is an unknown dependency, which is told already.
pub(super) fn unknown(spec: &Spec, by_id: &HashMap<TaskId, TaskIx>, problems: &mut Vec<PlanProblem>) {
    for (index, task) in spec.tasks.iter().enumerate() {
        for (at, input) in task.inputs.iter().enumerate() {
            let Some(from) = by_id.get(&input.from) else { continue };
            let outputs = &spec.tasks[from.index()].outputs;
            let known = || outputs.iter().map(|output| output.name.as_str());
            if known().any(|name| name == input.name) {
                continue;
            }
            problems.push(PlanProblem::UnknownArtifact {
                task: ix(index),
                at,
                from: input.from.clone(),
                name: input.name.clone(),
                nearest: nearest(&input.name, known()).map(str::to_owned),
                known: known().take(10).map(str::to_owned).collect(),
            });
        }
    }
}
