//! A spec back to text.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::artifact::{canonical_inputs, canonical_outputs};
use super::built_in;
use super::guard::Guard;
use super::hook::{Hook, HookType};
use super::merge::Merge;
use super::model::{
    Budget, CircuitBreaker, CliProfile, Concurrency, EnvValue, FieldMap, OnExceeded, OnExhausted, OnFailure,
    OutputFormat, PromptVia, Spec, Task, UsageMode,
};
use super::review::{mode_text, write_settings};
use super::step::{OnStepFailure, Step};
use super::table::DEFAULTS;

/// A convoy file (in JSON, which is YAML) that decodes to the same spec: every value is written out, no
/// default is left. Two specs mean the same exactly when their canonical texts are equal. Fields that
/// are listed in [`Spec::unsupported`] are not in it.
pub fn canonical(spec: &Spec) -> String {
    let mut top = Map::new();
    let mut put = |key: &str, value: Value| top.insert(key.to_owned(), value);
    put("name", json!(spec.name));
    put("version", json!(spec.version));
    if let Some(description) = &spec.description {
        put("description", json!(description));
    }
    put(
        "concurrency",
        match spec.concurrency {
            Concurrency::Fixed(n) => json!(n),
            Concurrency::Auto => json!("auto"),
        },
    );
    put(
        "on_failure",
        match spec.on_failure {
            OnFailure::Continue => json!("continue"),
            OnFailure::Stop => json!("stop"),
        },
    );
    for (key, text) in [("adapter", &spec.adapter), ("branch", &spec.branch)] {
        if let Some(text) = text {
            put(key, json!(text));
        }
    }
    put("adapters", spec.adapters.iter().map(|(name, of)| (name.clone(), profile(of))).collect());
    let mut defaults = defaults(spec);
    write_settings(&spec.reviews, &mut defaults);
    if let Some(breaker) = &spec.circuit_breaker {
        defaults.insert("circuit_breaker".to_owned(), circuit_breaker(breaker));
    }
    put("defaults", Value::Object(defaults));
    if let Some(of) = &spec.budget {
        put("budget", budget(of));
    }
    put("gates", json!(spec.gates));
    put("gate_retries", json!(spec.gate_retries));
    put("guard", guard(&spec.guard));
    put("hooks", spec.hooks.iter().map(hook).collect());
    put("locks", json!(spec.locks));
    put("env", env(&spec.env));
    let worktree = &spec.worktree;
    put("worktree", json!({"setup": worktree.setup, "copy": worktree.copy, "keep": worktree.keep}));
    put("merge", merge(&spec.merge));
    put("tasks", spec.tasks.iter().map(task).collect());
    format!("{:#}\n", Value::Object(top))
}

fn merge(merge: &Merge) -> Value {
    let Merge { strategy, verify, batch } = merge;
    json!({"strategy": strategy.as_str(), "verify": verify, "batch": batch})
}

/// What the engine's own tasks are made of; the tasks of the file have all of it written out.
fn defaults(spec: &Spec) -> Map<String, Value> {
    let mut fields = match spec.task_defaults.as_deref().map(task) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.retain(|key, _| DEFAULTS.field(key).is_some());
    fields.insert("max_swarm_concurrency".to_owned(), json!(spec.max_swarm_concurrency));
    fields.insert("drift_threshold".to_owned(), json!(spec.drift_threshold));
    fields
}

fn guard(guard: &Guard) -> Value {
    let checks: Vec<&str> = guard.checks.iter().map(|check| check.as_str()).collect();
    let mut value = json!({"enabled": guard.enabled, "checks": checks});
    if let Some(agent) = &guard.agent {
        value["agent"] = json!(agent);
    }
    value
}

fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn env(env: &BTreeMap<String, EnvValue>) -> Value {
    let value = |value: &EnvValue| match value {
        EnvValue::Literal(text) => json!(text),
        EnvValue::FromEnv(name) => json!({"from_env": name}),
    };
    env.iter().map(|(name, of)| (name.clone(), value(of))).collect()
}

fn budget(budget: &Budget) -> Value {
    let pauses = budget.on_exceeded == OnExceeded::Pause;
    let mut value = json!({"on_exceeded": if pauses { "pause" } else { "stop" }});
    if let Some(tokens) = budget.tokens {
        value["tokens"] = json!(tokens);
    }
    if let Some(cost) = budget.cost_usd {
        value["cost_usd"] = json!(f64::from(cost));
    }
    if let Some(time) = budget.wall_time {
        value["wall_time"] = json!(millis(time));
    }
    value
}

fn circuit_breaker(breaker: &CircuitBreaker) -> Value {
    let cooldown = u64::try_from(breaker.cooldown.as_millis()).unwrap_or(u64::MAX);
    let mut value = json!({"threshold": breaker.threshold, "cooldown_ms": cooldown});
    if let Some(agent) = &breaker.fallback_agent {
        value["fallback_agent"] = json!(agent);
    }
    value
}

fn task(task: &Task) -> Value {
    let mut value = json!({
        "id": task.id,
        "prompt": task.prompt,
        "agent": task.agent,
        "timeout": millis(task.timeout),
        "max_retries": task.max_retries,
        "retry": {
            "backoff": millis(task.retry.backoff),
            "max_backoff": millis(task.retry.max_backoff),
            "jitter": task.retry.jitter,
        },
        "on_exhausted": match task.on_exhausted {
            OnExhausted::Dlq => "dlq",
            OnExhausted::Skip => "skip",
            OnExhausted::Stop => "stop",
        },
        "gates": task.gates,
        "host_gates": task.host_gates,
        "host_prompts": task.host_prompts,
        "gate_timeout": task.gate_timeout.as_secs_f64(),
        "built_in_gates": built_in::canonical(&task.built_in_gates),
        "review": mode_text(task.review),
        "description": task.description,
        "depends_on": task.depends_on,
        "files": task.files,
        "outputs": canonical_outputs(&task.outputs),
        "inputs": canonical_inputs(&task.inputs),
        "priority": task.priority,
        "locks": task.locks,
        "env": env(&task.env),
        "detect_drift": task.detect_drift,
        "steps": task.steps.iter().map(step).collect::<Vec<_>>(),
        "on_step_failure": match task.on_step_failure {
            OnStepFailure::Stop => "stop",
            OnStepFailure::Continue => "continue",
        },
        "hooks": task.hooks.iter().map(hook).collect::<Vec<_>>(),
    });
    if let Some(of) = &task.budget {
        value["budget"] = budget(of);
    }
    if let Some(approve) = task.approve {
        value["approve"] = json!(approve);
    }
    let texts = [("adapter", &task.adapter), ("model", &task.model), ("escalate_to", &task.escalate_to)];
    for (key, text) in texts {
        if let Some(text) = text {
            value[key] = json!(text);
        }
    }
    value
}

fn step(step: &Step) -> Value {
    let mut value = json!({"prompt": step.prompt, "gates": step.gates, "max_retries": step.max_retries});
    if let Some(id) = &step.id {
        value["id"] = json!(id);
    }
    if let Some(of) = &step.condition {
        let mut condition = Map::new();
        condition.extend(of.step.as_ref().map(|step| ("step".to_owned(), json!(step))));
        condition.extend(of.exit_code.map(|code| ("exitCode".to_owned(), json!(code))));
        let file = of.file_exists.as_ref();
        condition.extend(file.map(|path| ("fileExists".to_owned(), json!({"path": path}))));
        value["if"] = Value::Object(condition);
    }
    value
}

fn hook(hook: &Hook) -> Value {
    let mut value = json!({"type": hook.kind.as_str(), "on": hook.on.as_str()});
    match hook.kind {
        HookType::Command | HookType::Validate | HookType::Guard => value["command"] = json!(hook.text),
        HookType::Agent => value["prompt"] = json!(hook.text),
        HookType::Review | HookType::Host => {}
    }
    if let Some(name) = &hook.name {
        value["name"] = json!(name);
    }
    value
}

fn profile(profile: &CliProfile) -> Value {
    let mut value = json!({
        "command": profile.command,
        "prompt": match profile.prompt {
            PromptVia::Stdin => "stdin",
            PromptVia::Arg => "arg",
        },
        "output": match profile.output {
            OutputFormat::Text => "text",
            OutputFormat::Json => "json",
            OutputFormat::Jsonl => "jsonl",
        },
        "env": env(&profile.env),
    });
    let lists = [
        ("resume", &profile.resume),
        ("model", &profile.model),
        ("read_only", &profile.read_only),
        ("mcp_config", &profile.mcp_config),
        ("probe", &profile.probe),
    ];
    for (key, list) in lists {
        if let Some(list) = list {
            value[key] = json!(list);
        }
    }
    if let Some(account) = &profile.account {
        value["account"] = json!(account);
    }
    // With plain text output there is nothing to point into, and `fields` may not be written.
    if profile.output != OutputFormat::Text {
        value["fields"] = fields(&profile.fields);
    }
    value
}

fn fields(fields: &FieldMap) -> Value {
    let mut value = json!({"usage": match fields.usage {
        UsageMode::Final => "final",
        UsageMode::Running => "running",
        UsageMode::Sum => "sum",
    }});
    let pointers = [
        ("result", &fields.result),
        ("session", &fields.session),
        ("error", &fields.error),
        ("input_tokens", &fields.input_tokens),
        ("output_tokens", &fields.output_tokens),
        ("cost_usd", &fields.cost_usd),
    ];
    for (key, pointer) in pointers {
        if let Some(pointer) = pointer {
            value[key] = json!(pointer);
        }
    }
    if let Some(terminal) = &fields.terminal {
        value["terminal"] = json!(format!("{}={}", terminal.pointer, terminal.value));
    }
    value
}
