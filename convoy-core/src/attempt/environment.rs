//! The environments of agents and of gates.

use std::collections::BTreeMap;

use crate::spec::{EnvValue, Spec, Task};

/// Variables that hold the keys of agent programs, or give access to the user's other machines. What is
/// judged, and who judges it, must not have them.
const NOT_FOR_GATES: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "AMP_API_KEY",
    "AWS_BEARER_TOKEN_BEDROCK",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CODEX_API_KEY",
    "COPILOT_GITHUB_TOKEN",
    "CURSOR_API_KEY",
    "FACTORY_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "SSH_AGENT_PID",
    "SSH_AUTH_SOCK",
    "XAI_API_KEY",
];

/// A variable that the spec takes from the host's environment, which does not have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment has no {name}, which `env` takes from it; set it and try again")]
pub struct MissingVariable {
    /// Its name.
    pub name: String,
}

/// The environment of a task's agent: the host's, with the spec's and the task's on top.
///
/// # Errors
/// [`MissingVariable`] when the host does not have one that the spec asks for.
pub fn agent_env(
    host: &BTreeMap<String, String>,
    spec: &Spec,
    task: &Task,
) -> Result<BTreeMap<String, String>, MissingVariable> {
    let mut env = host.clone();
    env.retain(|name, _| !name.starts_with("GIT_"));
    for (name, value) in spec.env.iter().chain(&task.env) {
        env.insert(name.clone(), resolve(host, value)?);
    }
    Ok(env)
}

/// The environment of a task's gates and setup: the agent's, without the keys of agent programs.
///
/// # Errors
/// As [`agent_env`].
pub fn gate_env(
    host: &BTreeMap<String, String>,
    spec: &Spec,
    task: &Task,
) -> Result<BTreeMap<String, String>, MissingVariable> {
    let mut env = agent_env(host, spec, task)?;
    let keys: Vec<&String> = spec.adapters.values().flat_map(|profile| profile.env.keys()).collect();
    env.retain(|name, _| {
        let named = spec.env.contains_key(name) || task.env.contains_key(name);
        named || !(NOT_FOR_GATES.contains(&name.as_str()) || keys.contains(&name))
    });
    Ok(env)
}

fn resolve(host: &BTreeMap<String, String>, value: &EnvValue) -> Result<String, MissingVariable> {
    match value {
        EnvValue::Literal(text) => Ok(text.clone()),
        EnvValue::FromEnv(name) => {
            host.get(name).cloned().ok_or_else(|| MissingVariable { name: name.clone() })
        }
    }
}

/// The values that the spec takes from the host's environment: they are secrets, wherever they turn up.
pub fn secret_values(host: &BTreeMap<String, String>, spec: &Spec) -> Vec<String> {
    let tasks = spec.tasks.iter().flat_map(|task| task.env.values());
    let profiles = spec.adapters.values().flat_map(|profile| profile.env.values());
    let values = spec.env.values().chain(tasks).chain(profiles);
    let from_env = values.filter_map(|value| match value {
        EnvValue::FromEnv(name) => host.get(name).cloned(),
        EnvValue::Literal(_) => None,
    });
    from_env.collect()
}
