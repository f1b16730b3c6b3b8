//! The state of one convoy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::breaker::Breakers;
use super::budget::{AgentCalls, Spending};
use super::ending::Ending;
use super::parking::Parking;
use super::publish::Publish;
use super::stage::{Stage, TaskState};
use super::verify::Verification;
use crate::event::{End, Started};
use crate::plan::Plan;
use crate::spec::{Concurrency, Input};
use crate::types::{
    AdapterLimit, Artifact, ConvoyId, ConvoyStatus, MOST_ARTIFACTS, Oid, TaskIx, Timestamp, Totals, Usage,
};

/// The state of one convoy: what its events say. Two states made of the same events are equal.
#[derive(Debug, Clone)]
pub struct RunState {
    pub(super) plan: Arc<Plan>,
    pub(super) convoy: ConvoyId,
    pub(super) created_at: Timestamp,
    pub(super) started: Started,
    pub(super) paused: bool,
    pub(super) cancelling: bool,
    pub(super) interrupting: bool,
    pub(super) stopped_by: Option<TaskIx>,
    pub(super) ended: Option<End>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) tasks: Vec<TaskState>,
    pub(super) tip: Oid,
    pub(super) next_order: u64,
    pub(super) publish: Publish,
    pub(super) swarm: Option<u32>,
    pub(super) injected: u32,
    pub(super) idempotency_keys: BTreeSet<String>,
    pub(super) parking: Parking,
    pub(super) breakers: Breakers,
    pub(super) spending: Spending,
    pub(super) calls: AgentCalls,
    pub(super) adapter_limits: BTreeMap<String, AdapterLimit>,
    /// Artifacts that are stored.
    pub(super) artifacts_held: u32,
    /// When the newest event was recorded.
    pub(super) last_time: Timestamp,
    pub(super) review_tokens: u64,
    pub(super) ending: Ending,
    pub(super) verification: Verification,
}

impl PartialEq for RunState {
    /// Equal when the same events made them. The plan is not compared: the same events make the same one.
    fn eq(&self, other: &Self) -> bool {
        self.convoy == other.convoy
            && self.created_at == other.created_at
            && self.started == other.started
            && (self.paused, self.cancelling, self.interrupting, self.stopped_by)
                == (other.paused, other.cancelling, other.interrupting, other.stopped_by)
            && self.ended == other.ended
            && self.finished_at == other.finished_at
            && self.tasks == other.tasks
            && self.tip == other.tip
            && self.next_order == other.next_order
            && self.publish == other.publish
            && self.swarm == other.swarm
            && self.injected == other.injected
            && self.idempotency_keys == other.idempotency_keys
            && self.parking == other.parking
            && self.breakers == other.breakers
            && self.spending == other.spending
            && self.calls == other.calls
            && self.adapter_limits == other.adapter_limits
            && self.artifacts_held == other.artifacts_held
            && self.last_time == other.last_time
            && self.review_tokens == other.review_tokens
            && self.ending == other.ending
            && self.verification == other.verification
    }
}

impl RunState {
    /// The state right after `convoy_started`, the first event of every convoy.
    pub fn new(plan: Arc<Plan>, convoy: ConvoyId, created_at: Timestamp, started: Started) -> Self {
        let tip = started.base.clone();
        let tasks = plan.indices().map(|_| TaskState::new()).collect();
        let adapter_limits = started.adapter_limits.clone();
        let publish = Publish { tip: tip.clone(), known: tip.clone(), moving: None, blocked: None };
        Self {
            plan,
            convoy,
            created_at,
            started,
            paused: false,
            cancelling: false,
            interrupting: false,
            stopped_by: None,
            ended: None,
            finished_at: None,
            tasks,
            tip,
            next_order: 0,
            publish,
            swarm: None,
            injected: 0,
            idempotency_keys: BTreeSet::new(),
            parking: Parking::default(),
            breakers: Breakers::default(),
            spending: Spending::begun(created_at),
            calls: AgentCalls::default(),
            adapter_limits,
            artifacts_held: 0,
            last_time: created_at,
            review_tokens: 0,
            ending: Ending::default(),
            verification: Verification::new(),
        }
    }

    /// The plan; it grows when tasks are added.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The id of the convoy.
    pub fn convoy(&self) -> &ConvoyId {
        &self.convoy
    }

    /// When it was started first.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// What it started from.
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// One task.
    ///
    /// # Panics
    /// When the position is not of this convoy.
    pub fn task(&self, ix: TaskIx) -> &TaskState {
        &self.tasks[ix.index()]
    }

    /// Newest commit of the integration ref.
    pub fn tip(&self) -> &Oid {
        &self.tip
    }

    /// How far the user's branch has followed.
    pub fn publish(&self) -> &Publish {
        &self.publish
    }

    /// Whether everything that landed is on the user's branch.
    pub fn is_published(&self) -> bool {
        self.publish.tip == self.tip && self.publish.moving.is_none()
    }

    /// Whether nothing new may start until it is unpaused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether a person cancelled it.
    pub fn is_cancelling(&self) -> bool {
        self.cancelling
    }

    /// Whether its engine is ending.
    pub fn is_interrupting(&self) -> bool {
        self.interrupting
    }

    /// The exhausted task that stopped it, the first of them: nothing that is pending starts, and nothing
    /// is retried any more. What was under way goes on, interrupted agents included.
    pub fn stopped_by(&self) -> Option<TaskIx> {
        self.stopped_by
    }

    /// How it ended, when it has.
    pub fn ended(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    /// When it ended.
    pub fn finished_at(&self) -> Option<Timestamp> {
        self.finished_at
    }

    /// The status.
    pub fn status(&self) -> ConvoyStatus {
        match &self.ended {
            Some(end) => end.status,
            None if self.paused => ConvoyStatus::Paused,
            None => ConvoyStatus::Running,
        }
    }

    /// Whether there is something to resume: it has not ended, or a publish is owed.
    pub fn is_unfinished(&self) -> bool {
        self.ended.is_none() || !self.is_published()
    }

    /// Most agents running at once.
    pub fn slot_limit(&self) -> u32 {
        let spec = self.plan.spec();
        match self.started.options.concurrency.unwrap_or(spec.concurrency) {
            Concurrency::Fixed(n) => n,
            Concurrency::Auto => spec.max_swarm_concurrency,
        }
    }

    /// Whether the number of agents follows what is ready.
    pub fn is_swarm(&self) -> bool {
        let wanted = self.started.options.concurrency.unwrap_or(self.plan.spec().concurrency);
        matches!(wanted, Concurrency::Auto)
    }

    /// The number of agents last announced for a swarm.
    pub fn swarm(&self) -> Option<u32> {
        self.swarm
    }

    /// What the newest engine allows of an adapter, where it limits one.
    pub fn adapter_limits(&self) -> &BTreeMap<String, AdapterLimit> {
        &self.adapter_limits
    }

    /// The adapter of a task's attempts; empty where there is none.
    pub fn adapter(&self, ix: TaskIx) -> &str {
        let adapter = self.plan.spec_of(ix).adapter.as_deref().or(self.started.adapter.as_deref());
        adapter.unwrap_or_default()
    }

    /// Tasks that were injected so far.
    pub fn injected(&self) -> u32 {
        self.injected
    }

    /// Whether a request with this key was carried out before.
    pub fn has_idempotency_key(&self, key: &str) -> bool {
        self.idempotency_keys.contains(key)
    }

    /// How many tasks have which fate.
    pub fn totals(&self) -> Totals {
        let unreviewed =
            self.tasks.iter().filter(|task| matches!(task.stage, Stage::Done) && task.review.unreviewed);
        let unreviewed = u32::try_from(unreviewed.count()).unwrap_or(u32::MAX);
        Totals { unreviewed, ..Totals::of(self.tasks.iter().map(|task| task.stage.status())) }
    }

    /// Tokens of all reviews so far, as far as they were reported.
    pub fn review_tokens(&self) -> u64 {
        self.review_tokens
    }

    /// What all attempts of all tasks consumed, reviews included, and the hooks at the end.
    pub fn usage(&self) -> Usage {
        let mut sum = self.ending.usage;
        for task in &self.tasks {
            sum.add(&task.usage);
        }
        sum
    }

    /// How many calls of agents that sum is made of, and how many said nothing.
    pub fn agent_calls(&self) -> AgentCalls {
        self.calls
    }

    /// Whether another artifact of a task may be stored.
    pub fn has_room_for_artifact(&self, ix: TaskIx, name: &str) -> bool {
        self.artifacts_held < MOST_ARTIFACTS || self.task(ix).holds_artifact(name)
    }

    /// What a task needs of others, each with the artifact as far as it is there.
    pub fn inputs(&self, ix: TaskIx) -> impl Iterator<Item = (&Input, Option<&Artifact>)> + '_ {
        self.plan.spec_of(ix).inputs.iter().map(|input| {
            let from = self.plan.find(&input.from).map(|from| self.task(from));
            (input, from.and_then(|from| from.artifact(&input.name)))
        })
    }

    /// The dependencies of a task that are not done.
    pub fn unmet(&self, ix: TaskIx) -> impl Iterator<Item = TaskIx> + '_ {
        let depends_on = self.plan.task(ix).depends_on.iter().copied();
        depends_on.filter(|dep| !matches!(self.task(*dep).stage, Stage::Done))
    }
}
