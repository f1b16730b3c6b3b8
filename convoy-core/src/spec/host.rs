//! What a spec asks of the program that embeds the engine: gates, prompt sources and hooks in code.

use std::fmt;

use super::hook::{Hook, HookType};
use super::model::{Spec, Task};

/// A name that a spec gives to code of the program that embeds the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// What it is used as.
    pub kind: HostKind,
    /// The name.
    pub name: String,
    /// Where it is asked for, for example `tasks[3].host_gates[0]`. One that comes from `defaults` stands at each task.
    pub path: String,
}

/// What code of the program that embeds the engine is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostKind {
    /// It judges work.
    Gate,
    /// It adds to prompts.
    Prompt,
    /// It runs around a task.
    Hook,
}

impl fmt::Display for HostKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gate => "gate",
            Self::Prompt => "prompt source",
            Self::Hook => "hook",
        })
    }
}

/// Every name that a spec gives to code of the program that embeds the engine, in the order of the spec. Names that
/// only the engine's own tasks at the end of the convoy have stand at `defaults`.
pub fn host_names(spec: &Spec) -> Vec<HostName> {
    let tasks = spec.tasks.iter().enumerate();
    let mut names: Vec<HostName> =
        tasks.flat_map(|(index, task)| host_names_of(task, &format!("tasks[{index}]"))).collect();
    for of in spec.task_defaults.iter().flat_map(|task| host_names_of(task, "defaults")) {
        if !names.iter().any(|known| (known.kind, &known.name) == (of.kind, &of.name)) {
            names.push(of);
        }
    }
    names.extend(hook_names(&spec.hooks, "hooks".to_owned()));
    names
}

fn hook_names(hooks: &[Hook], list: String) -> impl Iterator<Item = HostName> {
    let hooks = hooks.iter().enumerate().filter(|(_, hook)| hook.kind == HookType::Host);
    hooks.map(move |(at, hook)| HostName {
        kind: HostKind::Hook,
        name: hook.label().to_owned(),
        path: format!("{list}[{at}]"),
    })
}

/// As [`host_names`], for a single task that stands at `path`.
pub fn host_names_of(task: &Task, path: &str) -> Vec<HostName> {
    let lists = [
        (HostKind::Gate, "host_gates", &task.host_gates),
        (HostKind::Prompt, "host_prompts", &task.host_prompts),
    ];
    let listed = lists.into_iter().flat_map(|(kind, key, names)| {
        let of = move |(at, name): (usize, &String)| HostName {
            kind,
            name: name.clone(),
            path: format!("{path}.{key}[{at}]"),
        };
        names.iter().enumerate().map(of)
    });
    listed.chain(hook_names(&task.hooks, format!("{path}.hooks"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{canonical, decode};

    const FILE: &str = "name: n\nversion: 1\ndefaults: {host_gates: [all], host_prompts: [style]}\ntasks:\n\
        - {id: a, prompt: p}\n\
        - {id: b, prompt: p, host_gates: [one, two], host_prompts: [], hooks: [{type: command, command: c}, {type: host, name: tell, on: pre_task}]}\n\
        hooks: [{type: host, name: bye}]\n";

    #[test]
    fn names_of_code_are_kept_in_the_spec_with_their_places() {
        let decoded = decode(FILE);
        assert!(decoded.problems.is_empty(), "{:?}", decoded.problems);
        let spec = decoded.spec.expect("valid");
        let shown: Vec<String> =
            host_names(&spec).iter().map(|of| format!("{}: {} {}", of.path, of.kind, of.name)).collect();
        assert_eq!(
            shown,
            [
                "tasks[0].host_gates[0]: gate all",
                "tasks[0].host_prompts[0]: prompt source style",
                "tasks[1].host_gates[0]: gate one",
                "tasks[1].host_gates[1]: gate two",
                "tasks[1].hooks[1]: hook tell",
                "hooks[0]: hook bye",
            ]
        );
        let own = decode(&FILE.replace("id: a, prompt: p", "id: a, prompt: p, host_gates: []")).spec;
        let own = host_names(&own.expect("valid"));
        let own: Vec<&str> =
            own.iter().map(|of| of.path.as_str()).filter(|path| path.contains("def")).collect();
        assert_eq!(own, ["defaults.host_gates[0]"], "a task that mends what the gates found has it");
        let again = decode(&canonical(&spec)).spec.expect("the canonical text is valid");
        assert_eq!(again, spec);
    }

    #[test]
    fn a_hook_of_the_host_without_a_name_does_nothing_and_that_is_said() {
        let decoded = decode("name: n\nversion: 1\ntasks:\n- {id: a, prompt: p, hooks: [{type: host}]}\n");
        let said: Vec<String> = decoded.problems.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains("has no `name` and does nothing"), "{said:?}");
        assert_eq!(host_names(&decoded.spec.expect("valid")), []);
    }

    #[test]
    fn where_no_code_of_the_host_is_asked_its_name_is_an_error() {
        let task = |keys: &str| format!("name: n\ntasks: [{{id: a, {keys}}}]\n");
        for (text, path) in [
            (format!("host_gates: [x]\n{}", task("prompt: p")), "host_gates"),
            (task("prompt: p, steps: [{prompt: q, host_gates: [x]}]"), "tasks[0].steps[0].host_gates"),
            (task("steps: [{prompt: q, host_prompts: [x]}], prompt: p"), "tasks[0].steps[0].host_prompts"),
        ] {
            let decoded = decode(&text);
            assert!(decoded.spec.is_none(), "{text}");
            let said: Vec<String> = decoded.problems.iter().map(ToString::to_string).collect();
            assert!(
                said.iter().any(|said| said.contains(&format!("error: {path}: unknown key"))
                    && said.contains("`defaults`")),
                "{said:?}"
            );
        }
    }
}
