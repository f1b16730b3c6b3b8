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

#[cfg(test)]
mod tests {
    use crate::plan::check;
    use crate::spec::canonical;
    use crate::types::ArtifactKind;

    const HEAD: &str = "name: n\nversion: 1\ntasks:\n";

    fn problems(tasks: &str) -> Vec<String> {
        check(&format!("{HEAD}{tasks}")).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn inputs_and_outputs_become_typed_imply_dependencies_and_come_back() {
        let tasks = "  - {id: a, prompt: p, outputs: [{name: plan, type: summary}, {name: s, type: file, \
                     path: ./doc/s.md, description: d}, {name: j k, type: json}]}\n  - {id: b, prompt: \
                     '{{input.plan}} {{input.x}}', inputs: [{from: a, name: plan}, {from: a, name: j k, as: x}]}\n";
        assert_eq!(problems(tasks), [""; 0]);
        let spec = check(&format!("{HEAD}{tasks}")).spec.expect("valid");
        let output = &spec.tasks[0].outputs[1];
        assert_eq!((output.kind, output.path.as_deref()), (ArtifactKind::File, Some("./doc/s.md")));
        let names: Vec<&str> = spec.tasks[1].inputs.iter().map(|input| input.as_.as_str()).collect();
        assert_eq!(names, ["plan", "x"]);
        assert_eq!(spec.tasks[1].depends_on, [spec.tasks[0].id.clone()]);
        let again = check(&canonical(&spec)).spec.expect("valid");
        assert_eq!(again, spec);
    }

    #[test]
    fn what_makes_no_sense_between_outputs_inputs_and_prompts_is_said() {
        let producer = "  - {id: a, prompt: p, outputs: [{name: plan, type: summary}]}\n";
        let consumer =
            |rest: &str| format!("{producer}  - {{id: b, prompt: 'x {{{{input.plan}}}}', {rest}}}\n");
        let cases = [
            (
                "  - {id: a, prompt: p, outputs: [{name: x, type: file}, {name: x, type: json}]}\n"
                    .to_owned(),
                "outputs[1].name: another output of the task is called \"x\" too",
            ),
            (
                "  - {id: a, prompt: p, outputs: [{name: x, type: json, path: y}]}\n".to_owned(),
                "warning: tasks[0].outputs[0].path: has no effect on an output of type `json`",
            ),
            (
                consumer("inputs: [{from: a, name: plan}, {from: a, name: plan}]"),
                "inputs[1].name: another input is called \"plan\" too",
            ),
            (
                consumer("inputs: [{from: a, name: plam, as: plan}]"),
                "error: tasks[1].inputs[0].name: task \"a\" has no output \"plam\" (did you mean `plan`?)",
            ),
            (
                consumer("inputs: [{from: a, name: entirely}]"),
                "error: tasks[1].inputs[0].name: task \"a\" has no output \"entirely\" (its outputs are `plan`)",
            ),
            (
                format!("{producer}  - {{id: b, prompt: p, inputs: [{{from: b2, name: plan}}]}}\n"),
                "there is no task",
            ),
            (
                format!(
                    "{producer}  - {{id: b, prompt: p}}\n  - {{id: c, prompt: p, inputs: [{{from: b, name: x}}]}}\n"
                ),
                "task \"b\" has no output \"x\" (it has no `outputs` at all)",
            ),
            (
                consumer("inputs: [{from: a, name: plan, as: other}]"),
                "warning: tasks[1].prompt: `{{input.plan}}`: the task has no such input, and would fail",
            ),
            (
                consumer("inputs: [{from: a, name: plan, as: other}]"),
                "warning: tasks[1].inputs[0]: the prompt does not use it: nothing is written `{{input.other}}`",
            ),
            (
                consumer("priority: 1"),
                "`{{input.plan}}`: the task has no such input; it is sent as it stands",
            ),
        ];
        for (tasks, wanted) in cases {
            let found = problems(&tasks);
            assert!(found.iter().any(|problem| problem.contains(wanted)), "{wanted}\n{tasks}\n{found:#?}");
        }
        assert_eq!(problems(&consumer("inputs: [{from: a, name: plan}]")), [""; 0]);
    }
}
