//! What people are shown of a convoy.

use std::collections::HashMap;

use serde::Serialize;

use super::breaker::Admission;
use super::budget::{AgentCalls, BudgetView};
use super::ending::GatesView;
use super::guard::GuardView;
use super::run::RunState;
use super::stage::Stage;
use super::verify::Verifying;
use crate::types::{
    ArtifactKind, ConvoyId, ConvoyStatus, Cost, Failure, Oid, TaskId, TaskIx, TaskStatus, Timestamp, Totals,
};

/// A convoy as `status --json` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvoyView {
    /// Its id.
    pub convoy_id: ConvoyId,
    /// The spec's name.
    pub name: String,
    /// Its status.
    pub status: ConvoyStatus,
    /// What the convoy itself does at its end: `running its gates (round 2)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The runs of `merge.verify` that are under way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verifying: Vec<Verifying>,
    /// What its gates said last of the merged result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gates: Option<GatesView>,
    /// The hooks at its end that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_hooks: Vec<String>,
    /// What its guard found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardView>,
    /// The user's branch, such as `main`.
    pub branch: String,
    /// Its full name, such as `refs/heads/main`.
    pub branch_ref: String,
    /// Whether everything that landed is on the user's branch.
    pub published: bool,
    /// Why it is not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_blocked: Option<String>,
    /// Paths that keep the branch from being moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths_in_the_way: Option<Vec<String>>,
    /// The integration ref, where everything that landed is in any case.
    pub integration_ref: String,
    /// When it was started first.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How many tasks have which fate.
    pub totals: Totals,
    /// Tokens of all calls of agents that said them; absent when none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Money of all calls of agents that said it; absent when none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// How many calls of agents there were, and how many are missing in these sums.
    pub agent_calls: AgentCalls,
    /// The limits of its budget, and how near they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budget: Vec<BudgetView>,
    /// The tasks in file order.
    pub tasks: Vec<TaskView>,
}

/// A task as `status --json` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
    /// Its status.
    pub status: TaskStatus,
    /// How often an agent was called for it.
    pub attempts: u32,
    /// Longest dependency path that leads to it, from 1.
    pub phase: u32,
    /// Its landing commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Oid>,
    /// Present and true when it is done without a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_changes: Option<bool>,
    /// How many files its newest work changed; absent when there is none, or it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<u64>,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// When its provider, whose limit it reached, can be asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
    /// Since when it waits, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// The tree that waits for approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<Oid>,
    /// Tokens of its attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Money of its attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// How many calls of agents there were, and how many are missing in these sums.
    pub agent_calls: AgentCalls,
    /// The limits of its own budget, and how near they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budget: Vec<BudgetView>,
    /// The artifacts that other tasks get.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactView>,
    /// Id of its open dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    /// Present and true when its work landed without the review that it was to get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreviewed: Option<bool>,
    /// Id of its open dispute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispute: Option<String>,
}

/// An artifact as `status --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArtifactView {
    /// Its name.
    pub name: String,
    /// What it is made of.
    #[serde(rename = "type")]
    pub kind: ArtifactKind,
    /// Its size in bytes.
    pub size: u64,
}

/// What people are shown of a convoy.
pub fn view(state: &RunState) -> ConvoyView {
    let usage = state.usage();
    let branch = &state.started.branch;
    let blocked = state.publish.blocked.as_ref().filter(|_| !state.is_published());
    let plan = state.plan();
    let taken = Taken::of(state);
    ConvoyView {
        convoy_id: state.convoy.clone(),
        name: state.started.name.clone(),
        status: state.status(),
        stage: state.stage_in_words(),
        verifying: state.verification().under_way().cloned().collect(),
        gates: state.gates_view(),
        failed_hooks: state.ending.failed_hooks.clone(),
        guard: state.ending.guard.clone(),
        branch: branch.strip_prefix("refs/heads/").unwrap_or(branch).to_owned(),
        branch_ref: branch.clone(),
        published: state.is_published(),
        publish_blocked: blocked.map(|b| b.reason.clone()),
        paths_in_the_way: blocked.filter(|b| !b.paths.is_empty()).map(|b| b.paths.clone()),
        integration_ref: state.started.integration_ref.clone(),
        created_at: state.created_at,
        finished_at: state.finished_at,
        totals: state.totals(),
        tokens: usage.total_tokens(),
        cost_usd: usage.cost_usd,
        agent_calls: state.agent_calls(),
        budget: state.budget(state.last_time),
        tasks: plan.indices().map(|ix| task_view(state, ix, &taken)).collect(),
    }
}

/// What the tasks that work hold, counted once for all that wait.
struct Taken<'a> {
    /// No slot is free.
    full: bool,
    /// Permits in use.
    locks: HashMap<&'a str, u32>,
    /// Attempts of each adapter.
    adapters: HashMap<&'a str, u32>,
}

impl<'a> Taken<'a> {
    fn of(state: &'a RunState) -> Self {
        let plan = state.plan();
        let works = |ix: &TaskIx| state.task(*ix).stage.kind().holds_slot();
        let (mut slots, mut locks, mut adapters) = (0, HashMap::new(), HashMap::new());
        for ix in plan.indices().filter(works) {
            slots += 1;
            let agent = matches!(state.task(ix).stage, Stage::Working { .. });
            *adapters.entry(state.adapter(ix)).or_default() += u32::from(agent);
            for lock in &plan.spec_of(ix).locks {
                *locks.entry(lock.as_str()).or_default() += 1;
            }
        }
        Self { full: slots >= state.slot_limit(), locks, adapters }
    }
}

fn task_view(state: &RunState, ix: TaskIx, taken: &Taken<'_>) -> TaskView {
    let task = state.task(ix);
    let reason = match &task.stage {
        Stage::Skipped { reason, .. } => Some(reason.clone()),
        _ => waiting_for(state, ix, taken),
    };
    let asked = match &task.stage {
        Stage::AwaitingApproval { work, asked_at } => Some((work.as_ref(), *asked_at)),
        _ => None,
    };
    TaskView {
        id: state.plan().id(ix).clone(),
        status: task.stage.status(),
        attempts: task.started,
        phase: state.plan().task(ix).phase,
        commit: task.commit.clone(),
        no_changes: task.no_changes.then_some(true),
        files_changed: task.files_changed,
        failure: task.failure.clone(),
        waiting_for: reason,
        parked_until: match &task.stage {
            Stage::Pending { parked: true, not_before, .. } => *not_before,
            _ => None,
        },
        waiting_since: asked.map(|(_, at)| at),
        tree: asked.and_then(|(work, _)| work.map(|work| work.tree.clone())),
        tokens: task.usage.total_tokens(),
        cost_usd: task.usage.cost_usd,
        agent_calls: task.calls,
        budget: state.task_budget(ix, state.last_time),
        artifacts: task
            .artifacts
            .iter()
            .map(|a| ArtifactView { name: a.name.clone(), kind: a.kind, size: a.size })
            .collect(),
        dead_letter: task.dead_letter.as_ref().filter(|(_, open)| *open).map(|(id, _)| id.clone()),
        unreviewed: (matches!(task.stage, Stage::Done) && task.review.unreviewed).then_some(true),
        dispute: task.review.dispute.as_ref().filter(|(_, open)| *open).map(|(id, _)| id.clone()),
    }
}

fn waiting_for(state: &RunState, ix: TaskIx, taken: &Taken<'_>) -> Option<String> {
    let plan = state.plan();
    match &state.task(ix).stage {
        Stage::Pending { not_before, .. } => {
            let unmet: Vec<&str> = state.unmet(ix).map(|dep| plan.id(dep).as_str()).collect();
            if let Stage::Pending { lacks_input: true, .. } = state.task(ix).stage
                && let Some((input, _)) = state.inputs(ix).find(|(_, artifact)| artifact.is_none())
            {
                return Some(format!("artifact {} of task {}", input.name, input.from));
            }
            if !unmet.is_empty() {
                return Some(format!("task {}", unmet.join(", ")));
            }
            if state.paused {
                return Some("the end of the pause".to_owned());
            }
            if let Some(parked) = parked(state, ix) {
                return Some(parked);
            }
            if let Admission::Wait(role) = state.admission(ix, state.last_time) {
                return Some(format!("the task that tries whether agent {role} works again"));
            }
            let at = not_before.filter(|_| state.task(ix).failure.is_some());
            let held = held_by(state, ix, taken).or_else(|| taken.full.then(|| "a free slot".to_owned()));
            let place =
                || not_before.is_none_or(|time| time <= state.last_time).then(|| place(state, ix, taken));
            held.or_else(|| place().flatten())
                .or_else(|| at.map(|time| format!("its retry, not before {time}")))
        }
        Stage::Conflicted => {
            let place = place(state, ix, taken).filter(|_| !taken.full);
            let free =
                || Some(format!("{}, to resolve a conflict", place.unwrap_or("a free slot".to_owned())));
            parked(state, ix).or_else(free)
        }
        Stage::AwaitingApproval { work: None, .. } => Some("approval, before it runs".to_owned()),
        Stage::AwaitingApproval { .. } => Some("approval, before it lands".to_owned()),
        Stage::Queued { prepared: None, aside, .. } if state.verifies() => {
            Some(state.waits_for_verify(ix, aside.is_some()))
        }
        Stage::Queued { .. } => Some("its turn to land".to_owned()),
        Stage::Checking { .. } => {
            state.task(ix).review.under_way.map(|level| format!("the verdict of its {level} review"))
        }
        _ => None,
    }
}

/// The provider that a task waits for.
fn parked(state: &RunState, ix: TaskIx) -> Option<String> {
    let provider = state.provider(ix);
    let until = state.parked_until(provider).filter(|until| *until > state.last_time)?;
    Some(format!("provider {provider}, parked until {until}"))
}

/// The lock or the overlapping task that keeps a task from starting.
fn held_by(state: &RunState, ix: TaskIx, taken: &Taken<'_>) -> Option<String> {
    let plan = state.plan();
    let spec = plan.spec();
    let lock = plan.spec_of(ix).locks.iter().find(|name| {
        let used = taken.locks.get(name.as_str()).copied().unwrap_or(0);
        used >= spec.locks.get(*name).copied().unwrap_or(1)
    });
    let mut overlaps = plan.task(ix).overlaps.iter();
    let overlap = overlaps.find(|other| state.task(**other).stage.kind().holds_slot());
    lock.map(|name| format!("lock {name}"))
        .or_else(|| overlap.map(|other| format!("task {}, which works on the same files", plan.id(*other))))
}

/// What a task waits for that nothing but the limit of its adapter keeps from starting.
fn place(state: &RunState, ix: TaskIx, taken: &Taken<'_>) -> Option<String> {
    let adapter = state.adapter(ix);
    let limit = state.adapter_limits().get(adapter)?;
    let at_work = taken.adapters.get(adapter).copied().unwrap_or(0);
    Some(match limit.max_concurrent {
        Some(most) if at_work >= most => format!("a place at {adapter} ({at_work} of {most})"),
        // Those that lack here work for other convoys.
        Some(most) => format!("a place at {adapter} ({most} for all convoys of the engine)"),
        None => format!("its turn to start at {adapter}"),
    })
}
