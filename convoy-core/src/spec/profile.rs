//! A checked entry of `adapters` to a [`CliProfile`].

use std::collections::BTreeMap;

use super::model::{CliProfile, EnvValue, FieldMap, OutputFormat, PromptVia, TerminalField, UsageMode};
use super::problem::{Path, Problem, Problems};
use super::value::Record;

/// The keys whose arguments must hold a placeholder, and the placeholder.
const PLACEHOLDERS: [(&str, &str); 3] =
    [("resume", "{{session}}"), ("model", "{{model}}"), ("mcp_config", "{{file}}")];
const PROMPT: &str = "{{prompt}}";

pub(super) fn profile(
    record: &Record,
    env: BTreeMap<String, EnvValue>,
    path: &Path<'_>,
    problems: &mut Problems,
) -> CliProfile {
    let prompt = if record.text("prompt") == Some("arg") { PromptVia::Arg } else { PromptVia::Stdin };
    let output = match record.text("output") {
        Some("json") => OutputFormat::Json,
        Some("jsonl") => OutputFormat::Jsonl,
        _ => OutputFormat::Text,
    };
    placeholders(record, prompt, path, problems);
    if let (Some(slot), OutputFormat::Text) = (record.slot("fields"), output) {
        let problem = Problem::error(slot.key_pos, Path::Key(path, "fields"), "need JSON to point into");
        problems.push(problem.with_hint("write `output: json` or `output: jsonl`"));
    }
    CliProfile {
        command: record.texts("command").unwrap_or_default(),
        prompt,
        resume: record.texts("resume"),
        model: record.texts("model"),
        read_only: record.texts("read_only"),
        mcp_config: record.texts("mcp_config"),
        output,
        fields: record.record("fields").map(fields).unwrap_or_default(),
        env,
        account: record.text("account").map(str::to_owned),
        probe: record.texts("probe"),
    }
}

fn placeholders(record: &Record, prompt: PromptVia, path: &Path<'_>, problems: &mut Problems) {
    let holds = |key: &str, placeholder: &str| {
        record.texts(key).is_some_and(|arguments| arguments.iter().any(|a| a.contains(placeholder)))
    };
    let mut refuse = |key: &str, message: String| {
        if let Some(slot) = record.slot(key).filter(|slot| slot.val.is_some()) {
            problems.push(Problem::error(slot.pos, Path::Key(path, key), message));
        }
    };
    for (key, placeholder) in PLACEHOLDERS {
        if !holds(key, placeholder) {
            refuse(key, format!("must hold `{placeholder}` in one of its arguments"));
        }
    }
    for key in ["command", "resume"] {
        match (prompt, holds(key, PROMPT)) {
            (PromptVia::Arg, false) => refuse(key, format!("must hold `{PROMPT}` with `prompt: arg`")),
            (PromptVia::Stdin, true) => refuse(key, format!("may hold `{PROMPT}` only with `prompt: arg`")),
            (PromptVia::Arg, true) | (PromptVia::Stdin, false) => {}
        }
    }
    if let Some(slot) = record.slot("command")
        && record.texts("command").is_some_and(|command| command.first().is_some_and(String::is_empty))
    {
        problems.push(Problem::error(slot.pos, Path::Key(path, "command"), "must start with a program"));
    }
}

fn fields(record: &Record) -> FieldMap {
    let text = |key: &str| record.text(key).map(str::to_owned);
    let terminal = record.text("terminal").and_then(|text| text.split_once('='));
    FieldMap {
        result: text("result"),
        session: text("session"),
        error: text("error"),
        terminal: terminal
            .map(|(pointer, value)| TerminalField { pointer: pointer.to_owned(), value: value.to_owned() }),
        input_tokens: text("input_tokens"),
        output_tokens: text("output_tokens"),
        cost_usd: text("cost_usd"),
        usage: match record.text("usage") {
            Some("running") => UsageMode::Running,
            Some("sum") => UsageMode::Sum,
            _ => UsageMode::Final,
        },
    }
}
