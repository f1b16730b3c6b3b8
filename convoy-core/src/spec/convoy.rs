//! A checked top level to a [`Spec`], and the checks between its fields.

use std::collections::BTreeMap;
use std::time::Duration;

use super::built_in::Written;
use super::guard::guard;
use super::hook::{HookMoment, hooks};
use super::merge::merge;
use super::model::{
    Budget, CircuitBreaker, Concurrency, EnvValue, OnExceeded, OnExhausted, OnFailure, Retry, Spec,
    UnsupportedField, Worktree, drift_threshold,
};
use super::places::Places;
use super::problem::{Path, Problem, Problems};
use super::review::{self, ReviewMode};
use super::rules::normalise;
use super::tree::{Node, Value};
use super::value::{Item, Record, Val};
use super::{cross, profile};
use crate::secret::looks_secret_variable;
use crate::types::{Cost, Isolation};

/// Makes the typed spec and collects what is wrong between fields.
pub(super) struct Maker {
    pub(super) problems: Problems,
    /// Fields that are written but not built.
    pub(super) unsupported: Vec<UnsupportedField>,
}

/// What tasks take when they do not say otherwise.
pub(super) struct Defaults {
    pub(super) agent: String,
    pub(super) adapter: Option<String>,
    pub(super) model: Option<String>,
    pub(super) timeout: Duration,
    pub(super) max_retries: u32,
    pub(super) retry: Retry,
    pub(super) on_exhausted: OnExhausted,
    pub(super) escalate_to: Option<String>,
    pub(super) gates: Vec<String>,
    pub(super) host_gates: Vec<String>,
    pub(super) host_prompts: Vec<String>,
    pub(super) gate_timeout: Duration,
    pub(super) detect_drift: bool,
    pub(super) built_in_gates: Written,
    pub(super) review: ReviewMode,
}

impl Maker {
    /// The spec as far as the record goes; broken fields have their defaults.
    pub(super) fn convoy(&mut self, record: &Record, root: &Node) -> (Spec, Places) {
        cross::top_level(record, &mut self.problems);
        if record.slot("tasks").is_none() && !is_chain(record) {
            self.problems.push(tasks_missing(record, root));
        }
        let adapter = record.text("adapter").and_then(adapter_name);
        let defaults = Defaults::of(record.record("defaults"));
        let adapter_of_tasks = defaults.adapter.clone().or_else(|| adapter.clone());
        let (tasks, places) = self.tasks(record, &defaults, adapter_of_tasks.as_deref());
        let task_defaults = self.task_of_nothing(record.pos, &defaults).map(Box::new);
        let spec = Spec {
            name: record.text("name").unwrap_or_default().to_owned(),
            version: if record.int("version") == Some(2) { 2 } else { 1 },
            description: record.text("description").map(str::to_owned),
            concurrency: match record.slot("concurrency").and_then(|slot| slot.val.as_ref()) {
                Some(Val::Text(_)) => Concurrency::Auto,
                Some(Val::Int(n)) => Concurrency::Fixed(u32::try_from(*n).unwrap_or(1)),
                _ => Concurrency::Fixed(1),
            },
            on_failure: match record.text("on_failure") {
                Some("stop") => OnFailure::Stop,
                _ => OnFailure::Continue,
            },
            adapter,
            adapters: self.adapters(record),
            branch: record.text("branch").map(str::to_owned),
            max_swarm_concurrency: record
                .record("defaults")
                .and_then(|d| d.count("max_swarm_concurrency"))
                .unwrap_or(8),
            budget: record.record("budget").map(budget),
            circuit_breaker: record
                .record("defaults")
                .and_then(|defaults| defaults.record("circuit_breaker"))
                .map(circuit_breaker),
            drift_threshold: record
                .record("defaults")
                .and_then(|d| d.number("drift_threshold"))
                .unwrap_or_else(drift_threshold),
            tasks,
            locks: locks(record),
            env: self.env(record.map("env"), &Path::Key(&Path::Root, "env")),
            worktree: worktree(record.record("worktree")),
            merge: merge(record.record("merge")),
            reviews: review::settings(record.record("defaults")),
            gates: record.texts("gates").unwrap_or_default(),
            gate_retries: record.count("gate_retries").unwrap_or(0),
            hooks: hooks(record, &[HookMoment::PostConvoy]),
            guard: guard(record.record("guard")),
            task_defaults,
            unsupported: Vec::new(),
        };
        (spec, places)
    }

    fn adapters(&mut self, record: &Record) -> BTreeMap<String, super::model::CliProfile> {
        let path = Path::Key(&Path::Root, "adapters");
        let mut adapters = BTreeMap::new();
        for (name, item) in record.map("adapters") {
            if let Val::Record(profile) = &item.val {
                let env = self.env(profile.map("env"), &Path::Key(&Path::Key(&path, name), "env"));
                let profile = profile::profile(profile, env, &Path::Key(&path, name), &mut self.problems);
                adapters.insert(name.clone(), profile);
            }
        }
        adapters
    }

    pub(super) fn env(&mut self, entries: &[(String, Item)], path: &Path<'_>) -> BTreeMap<String, EnvValue> {
        let mut env = BTreeMap::new();
        for (name, item) in entries {
            let value = match &item.val {
                Val::Text(text) => {
                    if looks_secret_variable(name, text) {
                        let problem = Problem::error(item.pos, Path::Key(path, name), "looks like a secret");
                        let hint = "no secret stands in a convoy file: write `{from_env: NAME}`";
                        self.problems.push(problem.with_hint(hint));
                    }
                    EnvValue::Literal(text.clone())
                }
                Val::Record(record) => match record.text("from_env") {
                    Some(name) => EnvValue::FromEnv(name.to_owned()),
                    None => continue,
                },
                _ => continue,
            };
            env.insert(name.clone(), value);
        }
        env
    }
}

impl Defaults {
    fn of(record: Option<&Record>) -> Self {
        let built_in = Self {
            agent: "developer".to_owned(),
            adapter: None,
            model: None,
            timeout: Duration::from_secs(30 * 60),
            max_retries: 1,
            retry: Retry { backoff: Duration::ZERO, max_backoff: Duration::from_secs(300), jitter: true },
            on_exhausted: OnExhausted::Dlq,
            escalate_to: None,
            gates: Vec::new(),
            host_gates: Vec::new(),
            host_prompts: Vec::new(),
            gate_timeout: Duration::from_secs(300),
            detect_drift: false,
            built_in_gates: Written::defaults(None),
            review: ReviewMode::Auto,
        };
        let Some(record) = record else { return built_in };
        Self {
            agent: record.text("agent").filter(|a| !a.is_empty()).map_or(built_in.agent, str::to_owned),
            adapter: record.text("adapter").and_then(adapter_name),
            model: record.text("model").map(str::to_owned),
            timeout: record.duration("timeout").unwrap_or(built_in.timeout),
            max_retries: record.count("max_retries").unwrap_or(built_in.max_retries),
            retry: retry(record.record("retry"), built_in.retry),
            on_exhausted: on_exhausted(record).unwrap_or(built_in.on_exhausted),
            escalate_to: record.text("escalate_to").map(str::to_owned),
            gates: record.texts("gates").unwrap_or_default(),
            host_gates: record.texts("host_gates").unwrap_or_default(),
            host_prompts: record.texts("host_prompts").unwrap_or_default(),
            gate_timeout: record.duration("gate_timeout").unwrap_or(built_in.gate_timeout),
            detect_drift: record.bool("detect_drift").unwrap_or(built_in.detect_drift),
            built_in_gates: Written::defaults(record.record("built_in_gates")),
            review: review::mode(record).unwrap_or(built_in.review),
        }
    }
}

/// What a written adapter name means: `None` for detection, aliases resolved.
pub(super) fn adapter_name(text: &str) -> Option<String> {
    match text {
        "" | "auto" => None,
        "claude-code" => Some("claude".to_owned()),
        name => Some(name.to_owned()),
    }
}

pub(super) fn on_exhausted(record: &Record) -> Option<OnExhausted> {
    Some(match record.text("on_exhausted")? {
        "skip" => OnExhausted::Skip,
        "stop" => OnExhausted::Stop,
        _ => OnExhausted::Dlq,
    })
}

/// Each written key on its own; the others stay as they are.
pub(super) fn retry(record: Option<&Record>, from: Retry) -> Retry {
    let Some(record) = record else { return from };
    Retry {
        backoff: record.duration("backoff").unwrap_or(from.backoff),
        max_backoff: record.duration("max_backoff").unwrap_or(from.max_backoff),
        jitter: record.bool("jitter").unwrap_or(from.jitter),
    }
}

pub(super) fn budget(record: &Record) -> Budget {
    Budget {
        tokens: record.int("tokens").and_then(|tokens| u64::try_from(tokens).ok()),
        cost_usd: record.number("cost_usd").map(Cost::from),
        wall_time: record.duration("wall_time"),
        on_exceeded: match record.text("on_exceeded") {
            Some("pause") => OnExceeded::Pause,
            _ => OnExceeded::Stop,
        },
    }
}

fn circuit_breaker(record: &Record) -> CircuitBreaker {
    let millis = record.int("cooldown_ms").and_then(|millis| u64::try_from(millis).ok());
    CircuitBreaker {
        threshold: record.count("threshold").unwrap_or(3),
        cooldown: Duration::from_millis(millis.unwrap_or(300_000)),
        fallback_agent: record.text("fallback_agent").map(str::to_owned),
    }
}

fn locks(record: &Record) -> BTreeMap<String, u32> {
    let permits = |item: &Item| match item.val {
        Val::Int(n) => u32::try_from(n).ok(),
        _ => None,
    };
    record.map("locks").iter().filter_map(|(name, item)| Some((name.clone(), permits(item)?))).collect()
}

fn worktree(record: Option<&Record>) -> Worktree {
    let Some(record) = record else { return Worktree::default() };
    let copy = record.texts("copy").unwrap_or_default();
    Worktree {
        setup: record.texts("setup").unwrap_or_default(),
        copy: copy.iter().map(|path| normalise(path)).collect(),
        keep: record.texts("keep").unwrap_or_default(),
        isolation: match record.text("isolation") {
            Some("separate") => Isolation::Separate,
            _ => Isolation::Linked,
        },
    }
}

fn is_chain(record: &Record) -> bool {
    record.int("version") == Some(2) && record.list("depends_on_convoy").is_some_and(|list| !list.is_empty())
}

fn tasks_missing(record: &Record, root: &Node) -> Problem {
    let problem = Problem::error(record.pos, "tasks", "is required and missing");
    let is_formula = match &root.value {
        Value::Map(entries) => entries.iter().any(|entry| &*entry.key == "spec"),
        _ => false,
    };
    match is_formula {
        true => problem.with_hint(
            "this looks like a formula, a template of convoy files: run it with `convoy run --formula FILE`",
        ),
        false => problem.with_hint("a list of at least one task with `id` and `prompt`"),
    }
}
