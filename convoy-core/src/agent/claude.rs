//! Claude Code: its command line as a profile, and its stream of JSON lines.

use serde::Deserialize;
use serde_json::Value;

use super::CliAdapter;
use super::claude_errors::{self, Limit};
use super::dialect::{Dialect, Facts, excerpt};
use super::fields::{dollars, tokens};
use crate::process::Status;
use crate::spec::{CliProfile, FieldMap, OutputFormat, PromptVia, TerminalField, UsageMode};
use crate::types::{Failure, FailureKind, Usage};

/// Nobody is there to answer; the agent decides, or says at the end what it lacks.
const ASK: &str = "AskUserQuestion";

pub(super) fn adapter() -> CliAdapter {
    CliAdapter::with_dialect("claude", profile(), |_, _, request| {
        Box::new(Claude { may_ask: request.read_only, ..Claude::default() })
    })
}

fn profile() -> CliProfile {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let run = "claude -p --output-format stream-json --verbose --permission-mode bypassPermissions --disallowedTools AskUserQuestion";
    let pointer = |text: &str| Some(text.to_owned());
    CliProfile {
        command: words(run),
        prompt: PromptVia::Stdin,
        resume: Some(words(&format!("{run} --resume {{{{session}}}}"))),
        model: Some(words("--model {{model}}")),
        // The last mode counts, and without a person to ask it means no to all that must be asked for.
        read_only: Some(words("--permission-mode default --disallowedTools Edit Write NotebookEdit")),
        mcp_config: Some(words("--mcp-config {{file}}")),
        output: OutputFormat::Jsonl,
        fields: FieldMap {
            result: pointer("/result"),
            session: pointer("/session_id"),
            error: pointer("/is_error"),
            terminal: Some(TerminalField { pointer: "/type".to_owned(), value: "result".to_owned() }),
            input_tokens: pointer("/usage/input_tokens"),
            output_tokens: pointer("/usage/output_tokens"),
            cost_usd: pointer("/total_cost_usd"),
            usage: UsageMode::Final,
        },
        probe: Some(words("claude --version")),
        ..CliProfile::default()
    }
}

/// What of a line must be known before more of it is read: most lines are large results of tools.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
}

/// The state of reading one run.
#[derive(Default)]
struct Claude {
    /// Whether ending with a question is a result, not a failure.
    may_ask: bool,
    used_tools: bool,
    /// The last text of the agent itself: the result, where that is empty although it said something.
    last_text: String,
    /// The limit that was reached, if one was.
    limit: Option<Limit>,
    /// The code of the last message that stands for an error of the provider.
    error_code: Option<String>,
    /// Usage of the messages that are complete, and of the last one, with its id.
    complete: Usage,
    last: Option<(String, Usage)>,
}

impl Dialect for Claude {
    fn document(&mut self, raw: &[u8], facts: &mut Facts) -> bool {
        let Ok(Head { kind }) = serde_json::from_slice(raw) else {
            return serde_json::from_slice::<serde::de::IgnoredAny>(raw).is_ok() && raw.starts_with(b"{");
        };
        if !matches!(kind.as_str(), "system" | "assistant" | "rate_limit_event" | "result") {
            return true;
        }
        let Ok(event) = serde_json::from_slice::<Value>(raw) else { return false };
        if let Some(id) = event.get("session_id").and_then(Value::as_str) {
            facts.set_session(id);
        }
        match kind.as_str() {
            "assistant" => self.assistant(&event, facts),
            "rate_limit_event" => self.rate_limit(&event["rate_limit_info"]),
            "result" => self.result(&event, facts),
            _ => {}
        }
        true
    }

    fn needs_end(&self) -> bool {
        true
    }

    fn explain(&self, status: Status, errors: &str) -> Option<Failure> {
        if let Some(code) = &self.error_code {
            return Some(claude_errors::from_code(code, &self.last_text, self.limit.as_ref()));
        }
        let said = if status == Status::Code(0) { "" } else { errors };
        claude_errors::from_error_output(said, self.limit.as_ref())
    }
}

impl Claude {
    fn assistant(&mut self, event: &Value, facts: &mut Facts) {
        let message = &event["message"];
        for block in message["content"].as_array().into_iter().flatten() {
            if block["type"] == "tool_use" {
                self.used_tools = true;
            }
        }
        if !event["parent_tool_use_id"].is_null() {
            // An agent of the agent: what it says is not the answer, and its tokens come with the result.
            return;
        }
        let text: Vec<&str> = message["content"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|block| block["text"].as_str())
            .collect();
        if !text.is_empty() {
            self.last_text = text.join("\n");
        }
        self.error_code = event["error"].as_str().map(str::to_owned);
        let id = message["id"].as_str().unwrap_or_default();
        let usage = usage(&message["usage"]);
        if usage.is_empty() || facts.finished {
            return;
        }
        // One message comes as several lines, each with the usage of the message so far.
        match &mut self.last {
            Some((last, sum)) if last == id => *sum = usage,
            last => {
                if let Some((_, sum)) = last.replace((id.to_owned(), usage)) {
                    self.complete.add(&sum);
                }
            }
        }
        facts.usage = self.complete;
        facts.usage.add(&usage);
    }

    fn rate_limit(&mut self, info: &Value) {
        // Warnings, and refusals that only concern paying for more, come with runs that go well.
        if matches!(info["status"].as_str(), Some("rejected" | "denied")) {
            let resets_at = info["resetsAt"].as_i64();
            let window = info["rateLimitType"].as_str().map(str::to_owned);
            self.limit = Some(Limit { resets_at, window });
        }
    }

    fn result(&mut self, event: &Value, facts: &mut Facts) {
        facts.finished = true;
        let mut reported = usage(&event["usage"]);
        reported.cost_usd = event.get("total_cost_usd").and_then(dollars);
        if !reported.is_empty() {
            facts.usage = reported;
        }
        let said = event["result"].as_str().unwrap_or_default();
        let said = if said.trim().is_empty() { self.last_text.as_str() } else { said };
        facts.set_result(said);
        facts.failure = self.failure(event, said);
    }

    /// The failure in a result, whatever its exit code will be.
    fn failure(&self, event: &Value, said: &str) -> Option<Failure> {
        let subtype = event["subtype"].as_str().unwrap_or("success");
        let failed = |kind, message: String| Some(Failure::new(kind, message));
        if subtype == "error_max_turns" {
            return failed(
                FailureKind::TurnLimit,
                format!("claude reached its limit of turns ({} turns)", event["num_turns"]),
            );
        }
        if event["stop_reason"] == "refusal" {
            return failed(FailureKind::Refused, format!("claude refused the task: {}", excerpt(said)));
        }
        let errors: Vec<&str> =
            event["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let said = if errors.is_empty() { said.to_owned() } else { errors.join("; ") };
        if event["is_error"] == true || subtype != "success" {
            return Some(match &self.error_code {
                Some(code) => claude_errors::from_code(code, &said, self.limit.as_ref()),
                None => claude_errors::from_result(subtype, &said, self.limit.as_ref()),
            });
        }
        let question = said.trim_end().ends_with('?');
        let denied = event["permission_denials"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|denial| denial["tool_name"] == ASK);
        // Only what is plain: it did nothing but ask, or wanted to ask and could not.
        if question && !self.may_ask && (denied || !self.used_tools) {
            return failed(
                FailureKind::NeedsInput,
                format!("claude ended with a question; answer it in the prompt: {}", excerpt(&said)),
            );
        }
        None
    }
}

/// Claude's own counting: its input leaves out what was read from or written to a cache.
fn usage(value: &Value) -> Usage {
    let number = |name: &str| value.get(name).and_then(tokens);
    Usage {
        input: number("input_tokens"),
        cached_input: number("cache_read_input_tokens"),
        cache_write: number("cache_creation_input_tokens"),
        output: number("output_tokens"),
        cost_usd: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::command::check;

    #[test]
    fn the_built_in_profile_is_a_valid_profile() {
        check("claude", &profile()).expect("valid");
        let resume = profile().resume.expect("sessions can be continued");
        assert_eq!(resume[resume.len() - 2..], ["--resume", "{{session}}"]);
        assert!(profile().command.iter().any(|word| word == ASK));
    }
}
