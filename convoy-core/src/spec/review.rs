//! What a convoy file says about reviews.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::convoy::adapter_name;
use super::value::Record;

/// Who reviews the work of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewMode {
    /// [`ReviewHeuristics`] choose. A review that cannot run leaves the work unreviewed, which is counted.
    Auto,
    /// One reviewer. A review that cannot run blocks the work.
    Fast,
    /// Three reviewers. A review that cannot run blocks the work.
    Panel,
    /// Nobody. Also what a spec means that was stored before there were reviews.
    #[default]
    None,
}

/// How the convoy's reviews are made: the fields of `defaults` that concern all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewSettings {
    /// The reviewers' model, in the agent program's words.
    pub model: Option<String>,
    /// The reviewers' adapter; `None` = the one of the task.
    pub adapter: Option<String>,
    /// Most tokens of all reviews of the convoy.
    pub budget: Option<u64>,
    /// What happens to reviews when they are used up.
    pub on_budget_exceeded: OnReviewBudget,
    /// Most reviewers at once.
    pub max_concurrent: u32,
    /// What `auto` chooses.
    pub heuristics: ReviewHeuristics,
    /// What a disputed task does to the rest.
    pub on_dispute: OnDispute,
}

impl Default for ReviewSettings {
    fn default() -> Self {
        Self {
            model: None,
            adapter: None,
            budget: None,
            on_budget_exceeded: OnReviewBudget::Skip,
            max_concurrent: 3,
            heuristics: ReviewHeuristics::default(),
            on_dispute: OnDispute::Stop,
        }
    }
}

/// What happens to reviews when the budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnReviewBudget {
    /// They are skipped, and the work is counted as unreviewed. A hook that reviews fails.
    Skip,
    /// A panel becomes one fast review; a fast one is skipped, and a hook that reviews fails.
    Downgrade,
    /// The work is blocked.
    Stop,
}

/// What a disputed task does to the rest of the convoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDispute {
    /// Pending tasks are skipped; running agents finish; checked work lands.
    Stop,
    /// Everything that does not depend on it goes on.
    Continue,
}

/// Which review `auto` chooses: panel path, panel agent, auto-pass agent, small diff, else a fast one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewHeuristics {
    /// Paths (prefix, or after a `/`) whose change is reviewed by a panel, beside [`STEERING_PATHS`](Self::STEERING_PATHS).
    pub panel_paths: Vec<String>,
    /// Agents whose work is reviewed by a panel.
    pub panel_agents: Vec<String>,
    /// Agents whose work passes without review.
    pub auto_pass_agents: Vec<String>,
    /// Changed lines up to which a diff passes.
    pub auto_pass_max_lines: u32,
    /// Changed files up to which a diff passes.
    pub auto_pass_max_files: u32,
}

impl ReviewHeuristics {
    /// What steers agents, and what runs on other machines: panel paths whatever a convoy file says.
    pub const STEERING_PATHS: &[&str] =
        &["CLAUDE.md", "AGENTS.md", ".claude/", ".cursor/", ".mcp.json", ".github/workflows/"];
}

impl Default for ReviewHeuristics {
    fn default() -> Self {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            panel_paths: all(&["auth/", "security/", "migrations/", "rls/"]),
            panel_agents: all(&["security-expert", "database-engineer"]),
            auto_pass_agents: all(&["documentation-writer", "copywriter"]),
            auto_pass_max_lines: 10,
            auto_pass_max_files: 2,
        }
    }
}

/// A written review mode.
pub(super) fn mode(record: &Record) -> Option<ReviewMode> {
    Some(match record.text("review")? {
        "fast" => ReviewMode::Fast,
        "panel" => ReviewMode::Panel,
        "none" => ReviewMode::None,
        _ => ReviewMode::Auto,
    })
}

/// What `defaults` say of all reviews.
pub(super) fn settings(defaults: Option<&Record>) -> ReviewSettings {
    let built_in = ReviewSettings::default();
    let Some(record) = defaults else { return built_in };
    let heuristics = record.record("review_heuristics");
    ReviewSettings {
        model: record.text("reviewer_model").map(str::to_owned),
        adapter: record.text("reviewer_adapter").and_then(adapter_name),
        budget: record.int("review_budget").and_then(|tokens| u64::try_from(tokens).ok()),
        on_budget_exceeded: match record.text("on_review_budget_exceeded") {
            Some("downgrade") => OnReviewBudget::Downgrade,
            Some("stop") => OnReviewBudget::Stop,
            _ => OnReviewBudget::Skip,
        },
        max_concurrent: record.count("max_concurrent_reviews").unwrap_or(built_in.max_concurrent),
        heuristics: heuristics.map_or(built_in.heuristics, self::heuristics),
        on_dispute: match record.text("on_dispute") {
            Some("continue") => OnDispute::Continue,
            _ => OnDispute::Stop,
        },
    }
}

/// Each written key on its own; the others stay as they are by default.
fn heuristics(record: &Record) -> ReviewHeuristics {
    let built_in = ReviewHeuristics::default();
    ReviewHeuristics {
        panel_paths: record.texts("panel_paths").unwrap_or(built_in.panel_paths),
        panel_agents: record.texts("panel_agents").unwrap_or(built_in.panel_agents),
        auto_pass_agents: record.texts("auto_pass_agents").unwrap_or(built_in.auto_pass_agents),
        auto_pass_max_lines: record.count("auto_pass_max_lines").unwrap_or(built_in.auto_pass_max_lines),
        auto_pass_max_files: record.count("auto_pass_max_files").unwrap_or(built_in.auto_pass_max_files),
    }
}

/// A review mode as it is written.
pub(super) fn mode_text(mode: ReviewMode) -> &'static str {
    match mode {
        ReviewMode::Auto => "auto",
        ReviewMode::Fast => "fast",
        ReviewMode::Panel => "panel",
        ReviewMode::None => "none",
    }
}

/// Adds the settings as `defaults` write them.
pub(super) fn write_settings(reviews: &ReviewSettings, defaults: &mut Map<String, Value>) {
    let mut put = |key: &str, value: Value| defaults.insert(key.to_owned(), value);
    for (key, text) in [("reviewer_model", &reviews.model), ("reviewer_adapter", &reviews.adapter)] {
        if let Some(text) = text {
            put(key, json!(text));
        }
    }
    if let Some(budget) = reviews.budget {
        put("review_budget", json!(budget));
    }
    put(
        "on_review_budget_exceeded",
        json!(match reviews.on_budget_exceeded {
            OnReviewBudget::Skip => "skip",
            OnReviewBudget::Downgrade => "downgrade",
            OnReviewBudget::Stop => "stop",
        }),
    );
    put("max_concurrent_reviews", json!(reviews.max_concurrent));
    put("review_heuristics", json!(reviews.heuristics));
    put(
        "on_dispute",
        json!(match reviews.on_dispute {
            OnDispute::Stop => "stop",
            OnDispute::Continue => "continue",
        }),
    );
}
