//! Specs and states made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{EVENT_FORMAT, RunOptions, Started};
use crate::plan::{Plan, plan};
use crate::spec::{
    Concurrency, Guard, Hook, HookMoment, HookType, Input, OnExhausted, OnFailure, OnStepFailure, Output,
    Retry, Spec, Task, Worktree,
};
use crate::state::RunState;
use crate::types::{AdapterLimit, Artifact, ArtifactKind, ConvoyId, Oid, TaskId, Timestamp};

/// A task that depends on nothing and is tried once.
pub(crate) fn task(id: &str) -> Task {
    Task {
        id: TaskId::new(id).expect("valid"),
        prompt: format!("do {id}"),
        agent: "developer".into(),
        adapter: None,
        model: None,
        timeout: Duration::from_secs(60),
        max_retries: 0,
        retry: Retry { backoff: Duration::from_secs(2), max_backoff: Duration::from_secs(30), jitter: false },
        on_exhausted: OnExhausted::Dlq,
        escalate_to: None,
        gates: Vec::new(),
        host_gates: Vec::new(),
        host_prompts: Vec::new(),
        gate_timeout: Duration::from_secs(60),
        built_in_gates: crate::spec::BuiltInGates::default(),
        review: crate::spec::ReviewMode::None,
        description: id.into(),
        depends_on: Vec::new(),
        files: Vec::new(),
        outputs: Vec::new(),
        inputs: Vec::new(),
        priority: 0,
        locks: Vec::new(),
        env: BTreeMap::new(),
        detect_drift: false,
        steps: Vec::new(),
        on_step_failure: OnStepFailure::Stop,
        hooks: Vec::new(),
        approve: None,
        budget: None,
    }
}

/// A task that depends on others.
pub(crate) fn after(id: &str, depends_on: &[&str]) -> Task {
    let depends_on = depends_on.iter().map(|id| TaskId::new(id).expect("valid")).collect();
    Task { depends_on, ..task(id) }
}

/// A task that leaves artifacts with these names.
pub(crate) fn leaving(id: &str, names: &[&str]) -> Task {
    let output = |name: &&str| Output {
        name: (*name).to_owned(),
        kind: ArtifactKind::Summary,
        path: None,
        description: None,
    };
    Task { outputs: names.iter().map(output).collect(), ..task(id) }
}

/// A task that needs artifacts: each the task and the name.
pub(crate) fn needing(id: &str, inputs: &[(&str, &str)]) -> Task {
    let ids: Vec<&str> = inputs.iter().map(|(from, _)| *from).collect();
    let input = |(from, name): &(&str, &str)| Input {
        from: TaskId::new(from).expect("valid"),
        name: (*name).to_owned(),
        as_: (*name).to_owned(),
    };
    Task { inputs: inputs.iter().map(input).collect(), ..after(id, &ids) }
}

/// What a task leaves when it leaves all that it must; `n` tells the objects apart.
pub(crate) fn artifacts(task: &Task, n: u64) -> Vec<Artifact> {
    let one = |(at, output): (usize, &Output)| Artifact {
        name: output.name.clone(),
        kind: output.kind,
        size: 1,
        oid: oid((1 << 60) + n * 1000 + at as u64),
        no_file: false,
    };
    task.outputs.iter().enumerate().map(one).collect()
}

/// A spec of these tasks that lets four agents work at once and goes on after a failure.
pub(crate) fn spec(tasks: Vec<Task>) -> Spec {
    Spec {
        name: "test".into(),
        version: 1,
        description: None,
        concurrency: Concurrency::Fixed(4),
        on_failure: OnFailure::Continue,
        adapter: None,
        adapters: BTreeMap::new(),
        branch: None,
        max_swarm_concurrency: 8,
        budget: None,
        circuit_breaker: None,
        drift_threshold: 0.8,
        tasks,
        locks: BTreeMap::new(),
        env: BTreeMap::new(),
        worktree: Worktree::default(),
        merge: crate::spec::Merge::default(),
        reviews: crate::spec::ReviewSettings::default(),
        gates: Vec::new(),
        gate_retries: 0,
        hooks: Vec::new(),
        guard: Guard::default(),
        task_defaults: Some(Box::new(task("convoy"))),
        unsupported: Vec::new(),
    }
}

/// A shell command at the end.
pub(crate) fn hook(name: &str) -> Hook {
    Hook { kind: HookType::Command, name: Some(name.into()), text: "true".into(), on: HookMoment::PostConvoy }
}

/// The plan of a spec that is known to be valid.
pub(crate) fn planned(spec: Spec) -> Arc<Plan> {
    Arc::new(plan(Arc::new(spec)).expect("a valid spec"))
}

/// Object id number `n`.
pub(crate) fn oid(n: u64) -> Oid {
    Oid::new(format!("{n:040x}")).expect("valid")
}

/// When every test convoy starts.
pub(crate) const START: Timestamp = Timestamp(1_000_000);

/// The state right after the start.
pub(crate) fn fresh(plan: &Arc<Plan>) -> RunState {
    let started = Started {
        name: plan.spec().name.clone(),
        spec_digest: "0".into(),
        options: RunOptions::default(),
        adapter: None,
        providers: BTreeMap::new(),
        adapter_limits: limits(plan),
        branch: "refs/heads/main".into(),
        base: oid(1),
        integration_ref: "refs/convoy/test/integration".into(),
        inactive: Vec::new(),
        tasks: u32::try_from(plan.len()).expect("few tasks"),
        engine_version: "0".into(),
        event_format: EVENT_FORMAT,
    };
    RunState::new(plan.clone(), ConvoyId::from_parts(1, 2), START, started)
}

/// The limits of the adapters that a plan names: `most-2-every-100` has two places and a stagger of 100 ms.
pub(crate) fn limits(plan: &Plan) -> BTreeMap<String, AdapterLimit> {
    let limit = |name: &str| {
        let (most, every) = name.strip_prefix("most-")?.split_once("-every-").unwrap_or((&name[5..], "0"));
        let every = Duration::from_millis(every.parse().expect("milliseconds"));
        Some(AdapterLimit::max_concurrent(most.parse().expect("a number")).stagger(every))
    };
    let named = plan.spec().tasks.iter().filter_map(|task| task.adapter.as_deref());
    named.filter_map(|name| Some((name.to_owned(), limit(name)?))).collect()
}
