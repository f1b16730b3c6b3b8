//! The environments of agents and of gates.

use std::collections::BTreeMap;

use crate::agent::misleads;
use crate::secret::Redactor;
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

/// The environment of a task's agent: the host's, less what misleads programs in a worktree, with the spec's
/// and the task's on top.
///
/// # Errors
/// [`MissingVariable`] when the host does not have one that the spec asks for.
pub fn agent_env(
    host: &BTreeMap<String, String>,
    spec: &Spec,
    task: &Task,
) -> Result<BTreeMap<String, String>, MissingVariable> {
    env_with(host, spec.env.iter().chain(&task.env))
}

fn env_with<'a>(
    host: &BTreeMap<String, String>,
    values: impl Iterator<Item = (&'a String, &'a EnvValue)>,
) -> Result<BTreeMap<String, String>, MissingVariable> {
    let mut env = host.clone();
    env.retain(|name, _| !misleads(name));
    for (name, value) in values {
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
    without_keys(&mut env, spec, &task.env);
    Ok(env)
}

/// The environment of an agent that belongs to no task.
///
/// # Errors
/// As [`agent_env`].
pub(super) fn convoy_agent_env(
    host: &BTreeMap<String, String>,
    spec: &Spec,
) -> Result<BTreeMap<String, String>, MissingVariable> {
    env_with(host, spec.env.iter())
}

/// The environment of what judges the whole convoy: as [`gate_env`], without what a task adds.
///
/// # Errors
/// As [`agent_env`].
pub(super) fn convoy_env(
    host: &BTreeMap<String, String>,
    spec: &Spec,
) -> Result<BTreeMap<String, String>, MissingVariable> {
    let mut env = env_with(host, spec.env.iter())?;
    without_keys(&mut env, spec, &BTreeMap::new());
    Ok(env)
}

fn without_keys(env: &mut BTreeMap<String, String>, spec: &Spec, own: &BTreeMap<String, EnvValue>) {
    let keys: Vec<&String> = spec.adapters.values().flat_map(|profile| profile.env.keys()).collect();
    env.retain(|name, _| {
        let named = spec.env.contains_key(name) || own.contains_key(name);
        named || !(NOT_FOR_GATES.contains(&name.as_str()) || keys.contains(&name))
    });
}

fn resolve(host: &BTreeMap<String, String>, value: &EnvValue) -> Result<String, MissingVariable> {
    match value {
        EnvValue::Literal(text) => Ok(text.clone()),
        EnvValue::FromEnv(name) => {
            host.get(name).cloned().ok_or_else(|| MissingVariable { name: name.clone() })
        }
    }
}

/// Looks whether the host has every variable that the spec takes from it for its tasks.
///
/// # Errors
/// [`MissingVariable`] with the first one that it does not have.
pub fn check_variables(host: &BTreeMap<String, String>, spec: &Spec) -> Result<(), MissingVariable> {
    let mut values = spec.env.values().chain(spec.tasks.iter().flat_map(|task| task.env.values()));
    values.try_for_each(|value| match value {
        EnvValue::FromEnv(name) if !host.contains_key(name) => Err(MissingVariable { name: name.clone() }),
        EnvValue::FromEnv(_) | EnvValue::Literal(_) => Ok(()),
    })
}

/// Knows what the host calls secret, and the values that the spec takes from the host's environment.
pub fn redactor(secrets: &[String], host: &BTreeMap<String, String>, spec: &Spec) -> Redactor {
    Redactor::with_values(secrets.iter().cloned().chain(secret_values(host, spec)))
}

/// The values that the spec takes from the host's environment: they are secrets, wherever they turn up.
fn secret_values(host: &BTreeMap<String, String>, spec: &Spec) -> Vec<String> {
    let tasks = spec.tasks.iter().flat_map(|task| task.env.values());
    let profiles = spec.adapters.values().flat_map(|profile| profile.env.values());
    let values = spec.env.values().chain(tasks).chain(profiles);
    let from_env = values.filter_map(|value| match value {
        EnvValue::FromEnv(name) => host.get(name).cloned(),
        EnvValue::Literal(_) => None,
    });
    from_env.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::decode;

    #[test]
    fn agents_and_gates_get_the_hosts_variables_but_those_that_mislead_and_gates_no_keys() {
        let text = "name: n\nversion: 1\nenv: {A: a, TOKEN: {from_env: SECRET}}\n\
                    tasks: [{id: t, prompt: p, env: {A: b, OPENAI_API_KEY: {from_env: SECRET}}}]\n";
        let spec = decode(text).spec.expect("valid");
        let host: BTreeMap<String, String> = [
            ("PATH", "/bin"),
            ("GIT_AUTHOR_NAME", "me"),
            ("GIT_SSH_COMMAND", "ssh -i key"),
            ("GIT_DIR", "/elsewhere"),
            ("GIT_INDEX_FILE", "/elsewhere/index"),
            ("CLAUDECODE", "1"),
            ("SSH_AUTH_SOCK", "/s"),
            ("ANTHROPIC_API_KEY", "k"),
            ("SECRET", "s"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let names = |env: BTreeMap<String, String>| env.into_keys().collect::<Vec<_>>().join(" ");
        let agent = agent_env(&host, &spec, &spec.tasks[0]).expect("complete");
        assert_eq!((agent["A"].as_str(), agent["TOKEN"].as_str()), ("b", "s"));
        let all = "A ANTHROPIC_API_KEY GIT_AUTHOR_NAME GIT_SSH_COMMAND OPENAI_API_KEY PATH SECRET SSH_AUTH_SOCK TOKEN";
        assert_eq!(names(agent), all);
        let gate = gate_env(&host, &spec, &spec.tasks[0]).expect("complete");
        // What the spec itself sets is wanted, whatever it is called.
        assert_eq!(names(gate), "A GIT_AUTHOR_NAME GIT_SSH_COMMAND OPENAI_API_KEY PATH SECRET TOKEN");
        let convoy = convoy_env(&host, &spec).expect("complete");
        assert_eq!(convoy["A"], "a");
        assert_eq!(names(convoy), "A GIT_AUTHOR_NAME GIT_SSH_COMMAND PATH SECRET TOKEN");
        let none = BTreeMap::new();
        let missing = agent_env(&none, &spec, &spec.tasks[0]).expect_err("nothing there");
        assert!(missing.to_string().contains("SECRET"), "{missing}");
        assert_eq!((check_variables(&none, &spec), check_variables(&host, &spec)), (Err(missing), Ok(())));
    }
}
