//! The command line of an agent program: checked, then filled in. Never through a shell.

use super::AgentError;
use super::adapter::AgentRequest;
use crate::spec::{CliProfile, PromptVia};
use crate::types::{Failure, FailureKind};

const PROMPT: &str = "{{prompt}}";
const SESSION: &str = "{{session}}";
const MODEL: &str = "{{model}}";

/// Linux takes no single argument of this many bytes or more.
const LONGEST_ARGUMENT: usize = 128 * 1024;

/// Checks that a profile can be used at all.
pub(super) fn check(name: &str, profile: &CliProfile) -> Result<(), AgentError> {
    let invalid = |why: String| Err(AgentError::InvalidProfile { adapter: name.to_owned(), why });
    if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return invalid("its name must not be empty, nor hold spaces or control characters".to_owned());
    }
    let commands = [
        ("command", Some(&profile.command)),
        ("resume", profile.resume.as_ref()),
        ("probe", profile.probe.as_ref()),
    ];
    for (key, command) in commands {
        if command.is_some_and(|command| command.first().is_none_or(String::is_empty)) {
            return invalid(format!("`{key}` must start with the name of a program"));
        }
    }
    for (key, command) in &commands[..2] {
        let Some(command) = command else { continue };
        let has = holds(command, PROMPT);
        if profile.prompt == PromptVia::Arg && !has {
            return invalid(format!("`{key}` must have an argument with {PROMPT}, because of `prompt: arg`"));
        }
        if profile.prompt == PromptVia::Stdin && has {
            return invalid(format!(
                "`{key}` holds {PROMPT}, but the prompt goes to standard input: add `prompt: arg`"
            ));
        }
    }
    for (key, arguments, wanted) in [("resume", &profile.resume, SESSION), ("model", &profile.model, MODEL)] {
        if arguments.as_ref().is_some_and(|arguments| !holds(arguments, wanted)) {
            return invalid(format!("`{key}` must have an argument with {wanted}"));
        }
    }
    Ok(())
}

/// Program and arguments for a request.
///
/// # Errors
/// A contract failure when the profile cannot do what is asked.
pub(super) fn build(
    name: &str,
    profile: &CliProfile,
    request: &AgentRequest,
) -> Result<Vec<String>, Failure> {
    let refuse = |message: String| Err(Failure::new(FailureKind::Contract, message));
    let mut command = match (&request.session, &profile.resume) {
        (None, _) => profile.command.clone(),
        (Some(_), Some(resume)) => resume.clone(),
        (Some(_), None) => {
            return refuse(format!("adapter {name} cannot continue a session: its profile has no `resume`"));
        }
    };
    match (&request.model, &profile.model) {
        (None, _) => {}
        (Some(_), Some(arguments)) => command.extend(arguments.iter().cloned()),
        (Some(model), None) => {
            return refuse(format!(
                "adapter {name} cannot be given the model {model:?}: add `model: [--model, \"{MODEL}\"]` to its profile, or take `model` out of the task"
            ));
        }
    }
    match (request.read_only, &profile.read_only) {
        (false, _) => {}
        (true, Some(arguments)) => command.extend(arguments.iter().cloned()),
        (true, None) => {
            return refuse(format!(
                "adapter {name} cannot be kept from writing: add `read_only` with the arguments for that to its profile"
            ));
        }
    }
    let session = request.session.as_ref().map_or("", |session| session.as_str());
    let model = request.model.as_deref().unwrap_or_default();
    let prompt = if profile.prompt == PromptVia::Arg { request.prompt.as_str() } else { "" };
    let values = [(PROMPT, prompt), (SESSION, session), (MODEL, model)];
    let command: Vec<String> = command.iter().map(|argument| fill(argument, &values)).collect();
    if command.iter().any(|argument| argument.len() >= LONGEST_ARGUMENT) {
        return refuse(format!(
            "the prompt has {} bytes, and no program takes an argument of 128 KiB or more: use `prompt: stdin` in the profile of adapter {name}",
            request.prompt.len()
        ));
    }
    Ok(command)
}

fn holds(arguments: &[String], placeholder: &str) -> bool {
    arguments.iter().any(|argument| argument.contains(placeholder))
}

/// Replaces the placeholders in one pass: what is put in is never read again.
fn fill(argument: &str, values: &[(&str, &str)]) -> String {
    let (mut out, mut rest) = (String::new(), argument);
    while let Some(at) = rest.find("{{") {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        match values.iter().find(|(placeholder, _)| tail.starts_with(placeholder)) {
            Some((placeholder, value)) => {
                out.push_str(value);
                rest = &tail[placeholder.len()..];
            }
            None => {
                out.push('{');
                rest = &tail[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn placeholders_are_filled_once() {
        let values = [(PROMPT, "say {{model}}"), (MODEL, "m")];
        for (argument, wanted) in [
            ("--model={{model}}", "--model=m"),
            ("{{prompt}}{{model}}", "say {{model}}m"),
            ("{{other}} {{", "{{other}} {{"),
            ("{{{model}}}", "{m}"),
        ] {
            assert_eq!(fill(argument, &values), wanted, "{argument}");
        }
    }

    #[test]
    fn contradictory_profiles_are_refused_with_the_reason() {
        let good = CliProfile { command: strings(&["a", "b"]), ..CliProfile::default() };
        assert!(check("mine", &good).is_ok());
        let cases = [
            (CliProfile::default(), "`command` must start with the name of a program"),
            (CliProfile { probe: Some(Vec::new()), ..good.clone() }, "`probe` must start"),
            (
                CliProfile { prompt: PromptVia::Arg, ..good.clone() },
                "`command` must have an argument with {{prompt}}",
            ),
            (CliProfile { command: strings(&["a", "{{prompt}}"]), ..good.clone() }, "add `prompt: arg`"),
            (
                CliProfile { resume: Some(strings(&["a"])), ..good.clone() },
                "`resume` must have an argument with {{session}}",
            ),
            (
                CliProfile { model: Some(strings(&["-m"])), ..good.clone() },
                "`model` must have an argument with {{model}}",
            ),
        ];
        for (profile, why) in cases {
            let error = check("mine", &profile).expect_err(why).to_string();
            assert!(error.contains(why) && error.contains("mine"), "{error}");
        }
        assert!(check("two words", &good).is_err());
    }
}
