//! `defaults`: the values for tasks that do not set their own.

use super::checks::{BROWSER_TEST, BUILT_IN_GATES, CIRCUIT_BREAKER, MCP_SERVER, REVIEW_HEURISTICS};
use super::task::IDS;
use super::{AGENT, COMMANDS, COUNT, EMPTY, Kind, Least, NEVER, SWITCH, Section, WHOLE, field};
use crate::spec::rules::Rule;

pub(super) const REVIEW: Kind = Kind::Choice(&["auto", "fast", "panel", "none"]);
pub(super) const ON_EXHAUSTED: Kind = Kind::Choice(&["dlq", "skip", "stop"]);
pub(super) const TIMEOUT: Kind = Kind::Duration { zero: false };

pub(in crate::spec) static DEFAULTS: Section = Section {
    name: "defaults",
    doc: "The values for tasks that do not set their own.",
    fields: &[
        field("timeout", TIMEOUT, "Limit of the agent's running time.").default("30m"),
        field("model", Kind::Text(Rule::Filled), "The model, in the agent program's words."),
        field("max_retries", Kind::Int(0, COUNT), "Retries after the first attempt.").default("1"),
        field("agent", AGENT, "The role that frames the prompt.").default("developer").nullable(),
        field("adapter", Kind::Text(Rule::Any), "The agent program.").nullable(),
        field("gates", COMMANDS, "Shell commands that judge the work; each must exit with 0."),
        field(
            "host_gates",
            IDS,
            "Code of the program that embeds the engine which judges the work, by name.",
        )
        .ours(),
        field(
            "host_prompts",
            IDS,
            "Code of the program that embeds the engine which adds to the prompt, by name.",
        )
        .ours(),
        field("gate_timeout", Kind::Seconds, "Limit of each gate and each setup command, in seconds.")
            .default("300"),
        field(
            "on_exhausted",
            ON_EXHAUSTED,
            "Without retries left: dead letter, skip dependants, or stop all.",
        )
        .default("dlq"),
        field(
            "escalate_to",
            Kind::Text(Rule::Filled),
            "The role that gets one last try without retries left.",
        ),
        field("retry", Kind::Record(&RETRY), "How retries are spaced.").ours(),
        field(
            "circuit_breaker",
            Kind::Record(&CIRCUIT_BREAKER),
            "When an agent that keeps failing is rested.",
        ),
        field("built_in_gates", Kind::Record(&BUILT_IN_GATES), "Checks that the engine brings."),
        field("browser_test", Kind::Record(&BROWSER_TEST), "Pages for the gate `browser_test`.")
            .unbuilt(NEVER),
        field("review", REVIEW, "Who reviews the work.").default("auto"),
        field("reviewer_model", Kind::Text(Rule::Filled), "The reviewer's model."),
        field("reviewer_adapter", Kind::Text(Rule::Filled), "The reviewer's agent program. It may only read, is given the task, the diff and a nonce, and must end its answer with one JSON object `{\"nonce\": …, \"verdict\": \"pass\" or \"block\", \"feedback\": …}`, where a block says why. An answer without it is asked for once more; the second one blocks the work.").ours(),
        field("review_budget", Kind::Int(1, WHOLE), "Most tokens for reviews."),
        field(
            "on_review_budget_exceeded",
            Kind::Choice(&["skip", "downgrade", "stop"]),
            "What happens to reviews then.",
        )
        .default("skip"),
        field("max_concurrent_reviews", Kind::Int(1, COUNT), "Most reviews at once.").default("3"),
        field("review_heuristics", Kind::Record(&REVIEW_HEURISTICS), "Which review `auto` chooses."),
        field("on_dispute", Kind::Choice(&["stop", "continue"]), "What three blocked panels do to the rest.")
            .default("stop"),
        field("detect_drift", Kind::Bool, "The agent rates its own work, in its session.").default("false"),
        field("drift_threshold", Kind::Number { positive: false, max: 1.0 }, "Least score that passes.")
            .default("0.8")
            .ours(),
        field("inject_lessons", Kind::Bool, "Lessons of earlier runs lead the prompt.")
            .default("true")
            .inactive(SWITCH, "defaults.inject_lessons"),
        field("track_discovered_issues", Kind::Bool, "Agents note issues that they find.")
            .default("false")
            .unbuilt(SWITCH),
        field("avoid_weak_agents", Kind::Bool, "Agents get no tasks in their weak areas.")
            .default("false")
            .unbuilt(SWITCH),
        field("max_swarm_concurrency", Kind::Int(1, 512), "Most agents at once with `concurrency: auto`.")
            .default("8"),
        field(
            "mcp_servers",
            Kind::List(&Kind::Record(&MCP_SERVER), Least::Zero),
            "MCP servers for the agents.",
        )
        .unbuilt(EMPTY),
        field("mcp_approve_all", Kind::Bool, "Their tools need no approval.")
            .default("false")
            .unbuilt(SWITCH),
        field(
            "mcp_server_approval_timeout",
            Kind::Seconds,
            "Limit of an approval, and of the browser gate's server, in seconds.",
        )
        .default("60")
        .unbuilt(NEVER),
    ],
};

pub(super) static RETRY: Section = Section {
    name: "retry",
    doc: "How retries are spaced: `backoff`, doubled for each further retry, at most `max_backoff`.",
    fields: &[
        field("backoff", Kind::Duration { zero: true }, "Wait before the first retry.").default("0s").ours(),
        field("max_backoff", Kind::Duration { zero: false }, "Longest wait.").default("5m").ours(),
        field("jitter", Kind::Bool, "Whether waits are spread.").default("true").ours(),
    ],
};
