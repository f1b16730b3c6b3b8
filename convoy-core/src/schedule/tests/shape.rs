//! Random graphs of tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::build::{hook, leaving, planned, spec};
use crate::plan::Plan;
use crate::spec::{
    Approve, Budget, CircuitBreaker, Concurrency, Guard, Input, Merge, OnExceeded, OnExhausted, OnFailure,
    Spec, Task,
};
use crate::types::TaskId;

/// One task in few numbers, so that a failing case is short to read and to shrink.
#[derive(Debug, Clone)]
pub(crate) struct TaskShape {
    /// How far back in the order of the graph its dependencies stand, modulo what there is.
    depends_on: Vec<usize>,
    /// Bit n: holds lock n.
    locks: u8,
    priority: i64,
    max_retries: u32,
    on_exhausted: OnExhausted,
    escalates: bool,
    /// Which adapter, where it is not the convoy's; see [`adapter`].
    adapter: u8,
    approve: Option<Approve>,
    budget: Option<Budget>,
    /// How far back a task stands that works on the same files.
    overlaps: Option<usize>,
    /// How many artifacts it leaves.
    outputs: usize,
    /// Whether it needs the first artifact of each of its dependencies.
    needs: bool,
}

/// A spec in few numbers.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    tasks: Vec<TaskShape>,
    permits: Vec<u32>,
    concurrency: Concurrency,
    max_swarm: u32,
    on_failure: OnFailure,
    breaker: Option<CircuitBreaker>,
    budget: Option<Budget>,
    /// Whether gates judge the merged result, and how often a task may mend what they find.
    gates: Option<u32>,
    /// How many hooks run at the end, and whether the guard looks at the books.
    hooks: (usize, bool),
    /// The file lists tasks before what they depend on.
    reversed: bool,
}

fn task_shape() -> impl Strategy<Value = TaskShape> {
    let on_exhausted =
        prop_oneof![6 => Just(OnExhausted::Dlq), 3 => Just(OnExhausted::Skip), 1 => Just(OnExhausted::Stop)];
    let locks = prop_oneof![2 => Just(0_u8), 1 => 0_u8..8];
    let overlaps = prop_oneof![3 => Just(None), 1 => (0_usize..8).prop_map(Some)];
    let depends_on = prop::collection::vec(0_usize..8, 0..3);
    let (escalates, adapter) = (prop::bool::weighted(0.2), 0_u8..16);
    let approve = prop_oneof![12 => Just(None), 1 => Just(Some(Approve::BeforeRun)), 1 => Just(Some(Approve::BeforeMerge))];
    let artifacts = (prop_oneof![2 => Just(0_usize), 1 => 1_usize..3], any::<bool>());
    let who = (escalates, adapter, approve, budget(0.1));
    (depends_on, locks, -1_i64..=2, 0_u32..3, on_exhausted, who, overlaps, artifacts).prop_map(
        |(
            depends_on,
            locks,
            priority,
            max_retries,
            on_exhausted,
            (escalates, adapter, approve, budget),
            overlaps,
            artifacts,
        )| TaskShape {
            depends_on,
            locks,
            priority,
            max_retries,
            on_exhausted,
            escalates,
            adapter,
            approve,
            budget,
            overlaps,
            outputs: artifacts.0,
            needs: artifacts.1,
        },
    )
}

/// The adapters there are. Of some only so many attempts may work at once, as [`super::build::limits`] reads their names.
fn adapter(n: u8) -> Option<&'static str> {
    match n {
        1 => Some("adapter1"),
        2 | 3 => Some("adapter2"),
        4 => Some("most-1"),
        5 => Some("most-2-every-100"),
        6 => Some("most-9-every-300"),
        _ => None,
    }
}

/// A budget in so many of the cases.
fn budget(share: f64) -> impl Strategy<Value = Option<Budget>> {
    let budget = (prop::option::of(1_u64..30), prop::option::of(1_u64..60), any::<bool>());
    let budget = budget.prop_map(|(tokens, seconds, pauses)| {
        let on_exceeded = if pauses { OnExceeded::Pause } else { OnExceeded::Stop };
        // One that pauses is granted anew each time: a short one would pause without end while others wait for hours.
        let seconds = seconds.map(|seconds| if pauses { seconds * 3_600 } else { seconds });
        Budget { tokens, cost_usd: None, wall_time: seconds.map(Duration::from_secs), on_exceeded }
    });
    prop::option::weighted(share, budget)
}

/// Random specs of at most `most` tasks.
pub(crate) fn shapes(most: usize) -> impl Strategy<Value = Shape> {
    let tasks = prop::collection::vec(task_shape(), 0..=most);
    let permits = prop::collection::vec(1_u32..=3, 3);
    let concurrency =
        prop_oneof![4 => (1_u32..=5).prop_map(Concurrency::Fixed), 1 => Just(Concurrency::Auto)];
    let on_failure = prop_oneof![4 => Just(OnFailure::Continue), 1 => Just(OnFailure::Stop)];
    let breaker = (1_u32..=2, 0_u64..4, prop::option::weighted(0.75, Just("expert".to_owned())));
    let breaker = breaker.prop_map(|(threshold, seconds, fallback_agent)| CircuitBreaker {
        threshold,
        cooldown: Duration::from_secs(seconds),
        fallback_agent,
    });
    let breaker = prop::option::weighted(0.6, breaker);
    let gates = prop_oneof![1 => Just(None), 1 => (0_u32..3).prop_map(Some)];
    let hooks = (0_usize..3, any::<bool>());
    (
        tasks,
        permits,
        concurrency,
        1_u32..=8,
        on_failure,
        (breaker, budget(0.25)),
        (gates, hooks),
        any::<bool>(),
    )
        .prop_map(
            |(
                tasks,
                permits,
                concurrency,
                max_swarm,
                on_failure,
                (breaker, budget),
                (gates, hooks),
                reversed,
            )| Shape {
                tasks,
                permits,
                concurrency,
                max_swarm,
                on_failure,
                breaker,
                budget,
                gates,
                hooks,
                reversed,
            },
        )
}

impl Shape {
    /// The plan of the spec that this stands for.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        let mut tasks: Vec<Task> = (0..self.tasks.len()).map(|i| self.task(i)).collect();
        self.share_files(&mut tasks);
        if self.reversed {
            tasks.reverse();
        }
        let locks: BTreeMap<String, u32> =
            self.permits.iter().enumerate().map(|(i, n)| (format!("lock{i}"), *n)).collect();
        planned(Spec {
            concurrency: self.concurrency,
            max_swarm_concurrency: self.max_swarm,
            on_failure: self.on_failure,
            budget: self.budget.clone(),
            circuit_breaker: self.breaker.clone(),
            locks,
            gates: self.gates.map(|_| "npm test".to_owned()).into_iter().collect(),
            gate_retries: self.gates.unwrap_or(0),
            hooks: (0..self.hooks.0).map(|n| hook(&format!("hook{n}"))).collect(),
            merge: self.merge(),
            guard: Guard { enabled: self.hooks.1, agent: Some("keeper".into()), ..Guard::all() },
            ..spec(tasks)
        })
    }

    /// In some of the cases what lands is verified first.
    fn merge(&self) -> Merge {
        let verify = (self.max_swarm % 3 == 1).then(|| "npm test".to_owned()).into_iter().collect();
        Merge { verify, batch: self.permits[0], ..Merge::default() }
    }

    fn dependencies(&self, i: usize) -> Vec<usize> {
        let back = self.tasks[i].depends_on.iter().filter(|_| i > 0);
        let mut all: Vec<usize> = back.map(|back| i - 1 - back % i).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn task(&self, i: usize) -> Task {
        let shape = &self.tasks[i];
        let id = |i: usize| TaskId::new(format!("t{i}")).expect("valid");
        let names: Vec<String> = (0..shape.outputs).map(|n| format!("o{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let leaves = |dep: &usize| shape.needs && self.tasks[*dep].outputs > 0;
        let inputs = self.dependencies(i).into_iter().filter(leaves);
        Task {
            depends_on: self.dependencies(i).into_iter().map(id).collect(),
            locks: (0..3).filter(|n| shape.locks & (1 << n) != 0).map(|n| format!("lock{n}")).collect(),
            priority: shape.priority,
            max_retries: shape.max_retries,
            on_exhausted: shape.on_exhausted,
            adapter: adapter(shape.adapter).map(str::to_owned),
            model: (shape.adapter == 3).then(|| "large".to_owned()),
            approve: shape.approve,
            budget: shape.budget.clone(),
            escalate_to: shape.escalates.then(|| "expert".to_owned()),
            inputs: inputs
                .map(|dep| Input { from: id(dep), name: "o0".into(), as_: format!("from{dep}") })
                .collect(),
            ..leaving(&format!("t{i}"), &names)
        }
    }

    /// Lets tasks of different phases name the same file; within a phase the plan refuses that.
    fn share_files(&self, tasks: &mut [Task]) {
        let mut phases: Vec<usize> = Vec::new();
        for i in 0..self.tasks.len() {
            let before = self.dependencies(i).into_iter().map(|dep| phases[dep]).max().unwrap_or(0);
            phases.push(before + 1);
        }
        for (i, back) in self.tasks.iter().enumerate().filter_map(|(i, shape)| Some((i, shape.overlaps?))) {
            if let Some(other) = i.checked_sub(back + 1).filter(|other| phases[*other] != phases[i]) {
                tasks[i].files.push(format!("file{other}-{i}"));
                tasks[other].files.push(format!("file{other}-{i}"));
            }
        }
    }
}
