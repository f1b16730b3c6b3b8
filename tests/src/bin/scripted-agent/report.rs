//! What the agent prints: plain text, one JSON object at the end, or the event stream of Claude Code.

use std::io::Write;

use serde_json::{Value, json};

pub(crate) const VERSION: &str = "2.1.119 (Claude Code)";

pub(crate) const HELP: &str = "Usage: claude [options] [prompt]\n\nOptions:\n  -p, --print\n  --output-format <format>\n  \
    --verbose\n  --model <model>\n  -r, --resume [value]\n  --permission-mode <mode>\n  \
    --dangerously-skip-permissions\n  --disallowedTools <tools...>\n  --mcp-config <configs...>\n  -h, --help\n  -v, --version";

/// How it prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Text,
    Json,
    Claude,
}

/// What will be said at the end.
#[derive(Debug)]
pub(crate) struct Report {
    mode: Mode,
    model: Option<String>,
    pub(crate) session: String,
    pub(crate) said: Vec<String>,
    /// An error in the result, whatever the exit code.
    pub(crate) failure: Option<String>,
    pub(crate) tokens: Option<(u64, u64)>,
    pub(crate) cost: Option<f64>,
    /// Whether the end is said at all.
    pub(crate) ends: bool,
    /// Whether the program stays after the end.
    pub(crate) lingers: bool,
}

impl Report {
    pub(crate) fn new(mode: Mode, model: Option<String>, resumed: Option<String>) -> Self {
        let session = resumed.unwrap_or_else(|| format!("session-{}", std::process::id()));
        Self {
            mode,
            model,
            session,
            said: Vec::new(),
            failure: None,
            tokens: None,
            cost: None,
            ends: true,
            lingers: false,
        }
    }

    /// A line on standard output. That nobody reads it is no reason to stop.
    pub(crate) fn line(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// A line on standard error.
    pub(crate) fn error_line(&mut self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    fn event(&mut self, event: &Value) {
        self.line(&event.to_string());
    }

    pub(crate) fn begin(&mut self) {
        if self.mode == Mode::Claude {
            let model = self.model.as_deref().unwrap_or("scripted");
            self.event(
                &json!({"type": "system", "subtype": "init", "session_id": self.session, "model": model,
                "tools": ["Bash", "Edit"], "mcp_servers": [], "permissionMode": "bypassPermissions",
                "claude_code_version": "2.1.119"}),
            );
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.said.push(text.to_owned());
        match self.mode {
            Mode::Text => self.line(text),
            Mode::Json => {}
            Mode::Claude => self.event(&json!({"type": "assistant", "session_id": self.session,
                "message": {"role": "assistant", "content": [{"type": "text", "text": text}]}})),
        }
    }

    /// The event by which Claude Code says that its limit is reached.
    pub(crate) fn rate_limited(&mut self, resets_at: u64) {
        self.event(&json!({"type": "rate_limit_event", "session_id": self.session, "rate_limit_info":
            {"status": "rejected", "resetsAt": resets_at, "rateLimitType": "five_hour", "isUsingOverage": false}}));
    }

    /// The last word, in the form of the mode.
    pub(crate) fn end(&mut self, code: u8) {
        if !self.ends || self.mode == Mode::Text {
            return;
        }
        let failed = self.failure.is_some() || code != 0;
        let result = self.failure.clone().unwrap_or_else(|| self.said.join("\n"));
        let mut last = match self.mode {
            Mode::Text | Mode::Json => json!({"type": "result", "result": result, "is_error": failed,
                "session_id": self.session}),
            Mode::Claude => {
                json!({"type": "result", "subtype": if failed { "error_during_execution" } else { "success" },
                "is_error": failed, "duration_ms": 1, "duration_api_ms": 1, "num_turns": 1, "result": result,
                "session_id": self.session})
            }
        };
        match (self.tokens, self.mode) {
            (Some((input, output)), Mode::Claude) => {
                last["usage"] = json!({"input_tokens": input, "output_tokens": output,
                    "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0});
            }
            (Some((input, output)), _) => last["usage"] = json!({"in": input, "out": output}),
            (None, _) => {}
        }
        if let Some(cost) = self.cost {
            last[if self.mode == Mode::Claude { "total_cost_usd" } else { "cost" }] = json!(cost);
        }
        self.event(&last);
    }
}
