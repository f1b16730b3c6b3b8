//! What a convoy and its tasks have consumed, against their budgets.

use std::time::Duration;

use serde::Serialize;

use super::run::RunState;
use super::stage::Stage;
use crate::event::TaskEvent;
use crate::spec::{Budget, HookType, OnExceeded};
use crate::types::{Measure, ReviewLevel, TaskId, TaskIx, Timestamp, Usage};

/// What was consumed since the start, or since a person took the convoy up again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spending {
    usage: Usage,
    /// Agents that did not say their tokens, or their cost.
    silent: (u32, u32),
    /// Running time of the engines before the one that runs now.
    before: Duration,
    /// When the engine that runs now took the convoy up.
    since: Timestamp,
    /// The limits that were reached, each said once. Going on after a pause for them grants as much again.
    exceeded: Vec<Measure>,
    /// What was used when a person went on: from there the budget counts anew.
    granted: Granted,
}

/// What was used of each measure when a person let a convoy go on that had paused for it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Granted {
    tokens: u64,
    cost: f64,
    time: Duration,
}

/// A limit of a budget, and how near it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BudgetView {
    /// What is limited.
    pub measure: Measure,
    /// The limit: tokens, dollars or seconds.
    pub limit: f64,
    /// What was used of it; absent while nobody has said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<f64>,
    /// Some agents did not say what they used: it is more than that.
    pub at_least: bool,
    /// Whether the limit was reached.
    pub exceeded: bool,
}

/// How many calls of agents there were, and how many of them did not say what they consumed. A sum that leaves somebody
/// out is too low: show it as `at least`, and as unknown where nobody said anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AgentCalls {
    /// All calls: of attempts, reviews (a panel is three), hooks and ratings. A call that was cut off counts.
    pub total: u32,
    /// Those that did not say how many tokens they consumed.
    pub without_tokens: u32,
    /// Those that did not say what they cost.
    pub without_cost: u32,
}

impl AgentCalls {
    /// One more call, which said this.
    pub(super) fn count(&mut self, usage: &Usage) {
        self.count_all(1, usage);
    }

    /// So many more calls, which said this together.
    fn count_all(&mut self, calls: u32, usage: &Usage) {
        self.total += calls;
        self.without_tokens += if usage.total_tokens().is_none() { calls } else { 0 };
        self.without_cost += if usage.cost_usd.is_none() { calls } else { 0 };
    }
}

impl Spending {
    pub(super) fn begun(now: Timestamp) -> Self {
        Self {
            usage: Usage::default(),
            silent: (0, 0),
            before: Duration::ZERO,
            since: now,
            exceeded: Vec::new(),
            granted: Granted::default(),
        }
    }

    /// An agent ended, and said this.
    pub(super) fn spend(&mut self, usage: &Usage) {
        self.usage.add(usage);
        self.silent.0 += u32::from(usage.total_tokens().is_none());
        self.silent.1 += u32::from(usage.cost_usd.is_none());
    }

    /// Another engine takes the convoy up; the last sign of the one before was at `last`.
    pub(super) fn resumed(&mut self, last: Timestamp, now: Timestamp) {
        (self.before, self.since) = (self.before.saturating_add(last.since(self.since)), now);
    }

    pub(super) fn exceeded(&mut self, measure: Measure) {
        if !self.exceeded.contains(&measure) {
            self.exceeded.push(measure);
        }
    }

    /// A person goes on after a pause: what was paused for is granted once more.
    fn go_on(&mut self, budget: &Budget, now: Timestamp) {
        if budget.on_exceeded != OnExceeded::Pause {
            return;
        }
        for measure in std::mem::take(&mut self.exceeded) {
            match measure {
                Measure::Tokens => self.granted.tokens = self.usage.total_tokens().unwrap_or(0),
                Measure::CostUsd => self.granted.cost = self.usage.cost_usd.map_or(0.0, f64::from),
                Measure::WallTime => self.granted.time = self.ran(now),
            }
        }
    }

    fn ran(&self, now: Timestamp) -> Duration {
        self.before.saturating_add(now.since(self.since))
    }
}

impl Spending {
    fn limits(&self, budget: &Budget, now: Timestamp) -> Vec<BudgetView> {
        let limit = |measure, limit: Option<f64>, used, silent| {
            let (at_least, exceeded) = (silent > 0, self.exceeded.contains(&measure));
            limit.map(|limit| BudgetView { measure, limit, used, at_least, exceeded })
        };
        let tokens = self.usage.total_tokens().map(whole);
        let cost = self.usage.cost_usd.map(f64::from);
        let time = Some(self.ran(now).as_secs_f64());
        let granted = &self.granted;
        let limits = [
            limit(
                Measure::Tokens,
                budget.tokens.map(|n| whole(n.saturating_add(granted.tokens))),
                tokens,
                self.silent.0,
            ),
            limit(
                Measure::CostUsd,
                budget.cost_usd.map(|cost| f64::from(cost) + granted.cost),
                cost,
                self.silent.1,
            ),
            limit(Measure::WallTime, self.time_limit(budget).map(|time| time.as_secs_f64()), time, 0),
        ];
        limits.into_iter().flatten().collect()
    }

    fn ends(&self, budget: &Budget) -> Option<Timestamp> {
        let left = self.time_limit(budget)?.saturating_sub(self.before);
        (!self.exceeded.contains(&Measure::WallTime)).then(|| self.since.plus(left))
    }

    fn time_limit(&self, budget: &Budget) -> Option<Duration> {
        budget.wall_time.map(|time| time.saturating_add(self.granted.time))
    }

    fn stops(&self, budget: &Budget) -> bool {
        budget.on_exceeded == OnExceeded::Stop && !self.exceeded.is_empty()
    }
}

/// A limit that is reached, and was not said yet. What nobody has said is not reached.
fn reached(limits: Vec<BudgetView>) -> Option<BudgetView> {
    limits.into_iter().find(|of| !of.exceeded && of.used.is_some_and(|used| used >= of.limit))
}

/// What an agent used that ended, where the event says that one did. `before` is the stage that it met, `reviewing` the
/// review that was being made.
fn consumed<'a>(event: &'a TaskEvent, before: &Stage, reviewing: Option<ReviewLevel>) -> Option<&'a Usage> {
    match event {
        // Without a call of the agent there is nothing that it did not say.
        TaskEvent::AgentEnded { usage, .. } => {
            let called = matches!(before, Stage::Working { started: true, .. });
            Some(usage).filter(|usage| called || !usage.is_empty())
        }
        TaskEvent::Hook(hook) => {
            Some(&hook.usage).filter(|usage| asks_agents(hook.kind) || !usage.is_empty())
        }
        TaskEvent::DriftChecked(drift) => Some(&drift.usage).filter(|_| drift.asked),
        TaskEvent::ReviewVerdict(review) => {
            // Where nobody was asked there is nothing that was not said.
            Some(&review.usage).filter(|usage| reviewing.is_some() || !usage.is_empty())
        }
        _ => None,
    }
}

/// Members of a panel of reviewers.
const PANEL: u32 = 3;

/// How many calls of agents an event tells of.
fn calls_of(event: &TaskEvent, reviewing: Option<ReviewLevel>) -> u32 {
    match event {
        TaskEvent::ReviewVerdict(review)
            if review.passes.is_some() || reviewing == Some(ReviewLevel::Panel) =>
        {
            PANEL
        }
        _ => 1,
    }
}

/// Whether a hook of this type is an agent's, or a reviewer's.
pub(super) fn asks_agents(hook: HookType) -> bool {
    matches!(hook, HookType::Agent | HookType::Review)
}

impl RunState {
    /// Counts what an event of a task says of what was used. `met` is the stage that it met, and the review that was
    /// being made.
    pub(super) fn count_spending(
        &mut self,
        ix: TaskIx,
        event: &TaskEvent,
        met: (&Stage, Option<ReviewLevel>),
        time: Timestamp,
    ) {
        let (before, reviewing) = met;
        let begins = matches!(event, TaskEvent::Assigned { .. } | TaskEvent::Accepted { .. });
        let task = &mut self.tasks[ix.index()];
        if begins && task.spending.is_none() && self.plan.spec_of(ix).budget.is_some() {
            task.spending = Some(Box::new(Spending::begun(time)));
        }
        if let Some(usage) = consumed(event, before, reviewing) {
            self.spending.spend(usage);
            let calls = calls_of(event, reviewing);
            self.calls.count_all(calls, usage);
            task.calls.count_all(calls, usage);
            if let Some(spending) = &mut task.spending {
                spending.spend(usage);
            }
        }
    }

    /// Another engine takes the convoy up at this time.
    pub(super) fn resume_spending(&mut self, now: Timestamp) {
        self.spending.resumed(self.last_time, now);
        for spending in self.tasks.iter_mut().filter_map(|task| task.spending.as_mut()) {
            spending.resumed(self.last_time, now);
        }
    }

    /// A person goes on after a pause: each budget that paused the convoy is granted once more from here.
    pub(super) fn grant_budgets(&mut self, now: Timestamp) {
        if let Some(budget) = &self.plan.spec().budget {
            self.spending.go_on(budget, now);
        }
        let plan = self.plan.clone();
        for (ix, task) in plan.indices().zip(&mut self.tasks) {
            if let (Some(spending), Some(budget)) = (&mut task.spending, &plan.spec_of(ix).budget) {
                spending.go_on(budget, now);
            }
        }
    }

    /// Keeps that a limit of the convoy's budget, or of a task's, was said to be reached. Says whether there is
    /// such a task.
    pub(super) fn exceed(&mut self, task: Option<&TaskId>, measure: Measure) -> bool {
        let spending = match task {
            None => Some(&mut self.spending),
            Some(id) => self.plan.find(id).and_then(|ix| self.tasks[ix.index()].spending.as_deref_mut()),
        };
        spending.map(|spending| spending.exceeded(measure)).is_some()
    }

    /// The limits of the convoy's budget at this time.
    pub fn budget(&self, now: Timestamp) -> Vec<BudgetView> {
        self.plan.spec().budget.as_ref().map(|of| self.spending.limits(of, now)).unwrap_or_default()
    }

    /// The limits of a task's own budget at this time. Its running time counts from its first attempt on.
    pub fn task_budget(&self, ix: TaskIx, now: Timestamp) -> Vec<BudgetView> {
        let Some(budget) = &self.plan.spec_of(ix).budget else { return Vec::new() };
        match &self.task(ix).spending {
            Some(spending) => spending.limits(budget, now),
            None => Spending::begun(now).limits(budget, now),
        }
    }

    /// A limit that is reached now, and was not said yet. What nobody has said is not reached.
    pub fn over_budget(&self, now: Timestamp) -> Option<BudgetView> {
        reached(self.budget(now))
    }

    /// As [`over_budget`](Self::over_budget), of a task's own budget.
    pub fn over_task_budget(&self, ix: TaskIx, now: Timestamp) -> Option<BudgetView> {
        reached(self.task_budget(ix, now))
    }

    /// Whether a limit was reached that lets nothing new start.
    pub fn is_budget_used_up(&self) -> bool {
        self.plan.spec().budget.as_ref().is_some_and(|budget| self.spending.stops(budget))
    }

    /// Whether a limit of its own was reached that lets the task not start again.
    pub fn is_task_budget_used_up(&self, ix: TaskIx) -> bool {
        let spending = self.task(ix).spending.as_ref();
        let budget = self.plan.spec_of(ix).budget.as_ref();
        spending.zip(budget).is_some_and(|(spending, budget)| spending.stops(budget))
    }

    /// When the limit of the running time is reached, unless it was.
    pub fn budget_ends(&self) -> Option<Timestamp> {
        self.spending.ends(self.plan.spec().budget.as_ref()?)
    }

    /// As [`budget_ends`](Self::budget_ends), of a task that was begun.
    pub fn task_budget_ends(&self, ix: TaskIx) -> Option<Timestamp> {
        self.task(ix).spending.as_ref()?.ends(self.plan.spec_of(ix).budget.as_ref()?)
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits stay below 2^53, and a sum above is above them")]
fn whole(n: u64) -> f64 {
    n as f64
}
