//! What runs before and after a task's agent, and at the end of a convoy.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::value::Record;

/// Something that runs around a task, or at the end of the convoy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: HookType,
    /// Of an agent the role, of the host's code the name it is registered under; else shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The shell command, or what the agent is asked; empty for a review and for the host's code.
    pub text: String,
    /// When it runs.
    pub on: HookMoment,
}

/// What a hook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookType {
    /// A shell command.
    Command,
    /// A shell command that looks whether something is as it should be.
    Validate,
    /// A shell command that keeps something from happening.
    Guard,
    /// An agent that is asked once.
    Agent,
    /// One fast review.
    Review,
    /// Code of the program that embeds the engine, by its name.
    Host,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookMoment {
    /// In the worktree that was set up, before the agent.
    PreTask,
    /// After the agent has finished, before its work is taken; a review after the other checks.
    PostTask,
    /// At the end of the convoy.
    PostConvoy,
}

impl Hook {
    /// What it is called: its name, else its command, else its type.
    pub fn label(&self) -> &str {
        match (&self.name, self.kind.is_shell()) {
            (Some(name), _) => name,
            (None, true) => &self.text,
            (None, false) => self.kind.as_str(),
        }
    }
}

impl HookType {
    /// Whether it is a shell command.
    pub fn is_shell(self) -> bool {
        matches!(self, Self::Command | Self::Validate | Self::Guard)
    }

    /// The word for it in a convoy file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Validate => "validate",
            Self::Guard => "guard",
            Self::Agent => "agent",
            Self::Review => "review",
            Self::Host => "host",
        }
    }
}

impl HookMoment {
    /// The word for it in a convoy file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreTask => "pre_task",
            Self::PostTask => "post_task",
            Self::PostConvoy => "post_convoy",
        }
    }
}

impl fmt::Display for HookMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The hooks of a mapping that happen at its level, the first of `moments` being the default. Those that never
/// happen there, or have nothing to do, are left out; that is said where the file is checked.
pub(super) fn hooks(record: &Record, moments: &[HookMoment]) -> Vec<Hook> {
    record.records("hooks").filter_map(|(_, record)| hook(record, moments)).collect()
}

fn hook(record: &Record, moments: &[HookMoment]) -> Option<Hook> {
    let kind = match record.text("type")? {
        "command" => HookType::Command,
        "validate" => HookType::Validate,
        "guard" => HookType::Guard,
        "agent" => HookType::Agent,
        "review" => HookType::Review,
        "host" => HookType::Host,
        _ => return None,
    };
    let text = match kind {
        HookType::Command | HookType::Validate | HookType::Guard => record.text("command")?,
        HookType::Agent => record.text("prompt")?,
        HookType::Review => "",
        HookType::Host => {
            record.text("name")?;
            ""
        }
    };
    let on = match record.text("on") {
        Some(on) => *moments.iter().find(|moment| moment.as_str() == on)?,
        None => *moments.first()?,
    };
    Some(Hook { kind, name: record.text("name").map(str::to_owned), text: text.to_owned(), on })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Problem, decode};

    fn of(hooks: &str) -> (Vec<Hook>, Vec<String>) {
        let decoded =
            decode(&format!("name: n\nversion: 1\ntasks:\n- {{id: a, prompt: p, hooks: {hooks}}}\n"));
        let problems = decoded.problems.iter().map(Problem::to_string).collect();
        (decoded.spec.map(|spec| spec.tasks[0].hooks.clone()).unwrap_or_default(), problems)
    }

    #[test]
    fn hooks_are_taken_as_they_are_written() {
        let (hooks, problems) =
            of("[{type: command, command: make}, {type: agent, name: tidy, prompt: x, on: pre_task}, \
                                    {type: guard, command: c, name: 5}]");
        assert_eq!(problems, [""; 0]);
        let shown: Vec<String> = hooks
            .iter()
            .map(|hook| format!("{} {} {} {}", hook.kind.as_str(), hook.label(), hook.on, hook.text))
            .collect();
        assert_eq!(shown, ["command make post_task make", "agent tidy pre_task x", "guard 5 post_task c"]);
    }

    #[test]
    fn what_does_nothing_is_left_out_and_said() {
        let cases = [
            ("[{type: command}]", "has no `command` and does nothing"),
            ("[{type: agent, name: a}]", "has no `prompt` and does nothing"),
            ("[{type: guard, command: c, on: post_convoy}]", "never happens at this level"),
        ];
        for (text, said) in cases {
            let (hooks, problems) = of(text);
            assert_eq!(hooks, []);
            assert!(problems.len() == 1 && problems[0].contains(said), "{problems:?}");
        }
    }

    #[test]
    fn a_review_is_a_hook_of_every_moment() {
        let text = "name: n\nversion: 1\ntasks:\n- {id: a, prompt: p, hooks: [{type: review}, {type: review, on: pre_task}]}\nhooks: [{type: review, name: last}]\n";
        let decoded = decode(text);
        assert!(decoded.problems.is_empty(), "{:?}", decoded.problems);
        let spec = decoded.spec.expect("valid");
        let hooks = spec.tasks[0].hooks.iter().chain(&spec.hooks);
        let shown: Vec<String> = hooks.map(|hook| format!("{} {}", hook.label(), hook.on)).collect();
        assert_eq!(shown, ["review post_task", "review pre_task", "last post_convoy"]);
    }
}
