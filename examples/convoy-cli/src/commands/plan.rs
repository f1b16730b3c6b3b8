//! `run --dry-run`: the plan for people or programs; nothing is started or created.

use convoy_core::event::RunOptions;
use convoy_core::plan::Plan;
use convoy_core::spec::Concurrency;
use convoy_core::types::TaskIx;
use serde_json::{Value, json};

use crate::render::{count, safe_line, short_branch, table};

/// The plan as lines.
pub(super) fn lines(plan: &Plan, options: &RunOptions) -> Vec<String> {
    let spec = plan.spec();
    let limit = match options.concurrency.unwrap_or(spec.concurrency) {
        Concurrency::Fixed(number) => format!("at most {} at once", count(number, "agent")),
        Concurrency::Auto => format!("as many agents as are ready, at most {}", spec.max_swarm_concurrency),
    };
    let branch = options.branch.as_ref().or(spec.branch.as_ref());
    let onto = branch.map_or_else(|| "the branch that is checked out".to_owned(), |name| short_branch(name));
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut lines = vec![format!(
        "{}: {} in {}, {limit}, onto {onto}",
        safe_line(&spec.name),
        count(number(plan.len()), "task"),
        count(plan.phases(), "phase"),
    )];
    for phase in 1..=plan.phases() {
        lines.push(format!("phase {phase}"));
        let rows: Vec<Vec<String>> = of_phase(plan, phase).map(|ix| row(plan, ix, options)).collect();
        lines.extend(table(&rows));
    }
    lines.push("nothing was started".to_owned());
    lines
}

fn of_phase(plan: &Plan, phase: u32) -> impl Iterator<Item = TaskIx> + '_ {
    plan.indices().filter(move |ix| plan.task(*ix).phase == phase)
}

fn row(plan: &Plan, ix: TaskIx, options: &RunOptions) -> Vec<String> {
    let task = plan.spec_of(ix);
    let adapter = task.adapter.as_ref().or(options.adapter.as_ref()).or(plan.spec().adapter.as_ref());
    let agent = match adapter {
        Some(adapter) => format!("{} ({})", safe_line(&task.agent), safe_line(adapter)),
        None => safe_line(&task.agent),
    };
    let after: Vec<String> = ids(plan, &plan.task(ix).depends_on);
    let apart: Vec<String> = ids(plan, &plan.task(ix).overlaps);
    let list = |what: &str, items: &[String]| match items {
        [] => None,
        items => Some(format!(
            "{what} {}",
            items.iter().map(|item| safe_line(item)).collect::<Vec<_>>().join(", ")
        )),
    };
    let notes = [
        list("after", &after),
        list("not beside", &apart),
        list("files", &task.files),
        list("gates", &task.gates),
    ];
    vec![
        format!("  {}", safe_line(task.id.as_str())),
        agent,
        notes.into_iter().flatten().collect::<Vec<_>>().join("; "),
    ]
}

fn ids(plan: &Plan, tasks: &[TaskIx]) -> Vec<String> {
    tasks.iter().map(|ix| plan.id(*ix).to_string()).collect()
}

/// The plan as one object.
pub(super) fn object(plan: &Plan, options: &RunOptions) -> Value {
    let spec = plan.spec();
    let task = |ix: TaskIx| {
        let task = plan.spec_of(ix);
        json!({
            "id": task.id,
            "agent": task.agent,
            "adapter": task.adapter.as_ref().or(options.adapter.as_ref()).or(spec.adapter.as_ref()),
            "depends_on": ids(plan, &plan.task(ix).depends_on),
            "files": task.files,
            "gates": task.gates,
        })
    };
    let phase =
        |phase: u32| json!({ "phase": phase, "tasks": of_phase(plan, phase).map(task).collect::<Vec<_>>() });
    json!({
        "type": "plan",
        "name": spec.name,
        "concurrency": match options.concurrency.unwrap_or(spec.concurrency) {
            Concurrency::Fixed(number) => json!(number),
            Concurrency::Auto => json!("auto"),
        },
        "branch": options.branch.as_ref().or(spec.branch.as_ref()),
        "phases": (1..=plan.phases()).map(phase).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use convoy_core::plan::check;

    use super::*;

    const FILE: &str = "name: x
version: 1
concurrency: 2
adapter: claude
tasks:
  - {id: a, prompt: p, files: [src/]}
  - {id: b, prompt: p, agent: tester, adapter: codex, depends_on: [a], gates: [sh t.sh]}
  - {id: c, prompt: p}
";

    fn plan() -> Plan {
        check(FILE).plan.expect("valid")
    }

    #[test]
    fn the_plan_shows_phases_and_tasks() {
        let wanted = [
            "x: 3 tasks in 2 phases, at most 2 agents at once, onto the branch that is checked out",
            "phase 1",
            "  a  developer (claude)  files src",
            "  c  developer (claude)",
            "phase 2",
            "  b  tester (codex)  after a; gates sh t.sh",
            "nothing was started",
        ];
        assert_eq!(lines(&plan(), &RunOptions::default()), wanted);
    }

    #[test]
    fn what_was_typed_stands_in_place_of_what_the_file_says() {
        let options = RunOptions {
            concurrency: Some(Concurrency::Auto),
            adapter: Some("other".into()),
            branch: Some("work".into()),
            ..RunOptions::default()
        };
        let lines = lines(&plan(), &options);
        assert_eq!(lines[0], "x: 3 tasks in 2 phases, as many agents as are ready, at most 8, onto work");
        assert!(lines[2].contains("(other)") && lines[5].contains("(codex)"), "{lines:?}");
        let object = object(&plan(), &options);
        assert_eq!((&object["concurrency"], &object["branch"]), (&json!("auto"), &json!("work")));
        assert_eq!(object["phases"][1]["tasks"][0]["depends_on"], json!(["a"]));
        assert_eq!(object["phases"][1]["tasks"][0]["adapter"], "codex");
    }
}
