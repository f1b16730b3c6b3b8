//! What a convoy has consumed, against its budget.

use std::time::Duration;

use serde::Serialize;

use super::run::RunState;
use crate::spec::{Budget, OnExceeded};
use crate::types::{Measure, Timestamp, Usage};

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
    /// The limits that were reached. Each is said once; a pause for it is waved through by going on.
    exceeded: Vec<Measure>,
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

impl Spending {
    pub(super) fn begun(now: Timestamp) -> Self {
        Self {
            usage: Usage::default(),
            silent: (0, 0),
            before: Duration::ZERO,
            since: now,
            exceeded: Vec::new(),
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

    fn ran(&self, now: Timestamp) -> Duration {
        self.before.saturating_add(now.since(self.since))
    }
}

impl RunState {
    /// The limits of the convoy's budget at this time.
    pub fn budget(&self, now: Timestamp) -> Vec<BudgetView> {
        let Some(budget) = &self.plan.spec().budget else { return Vec::new() };
        let spent = &self.spending;
        let limit = |measure, limit: Option<f64>, used, silent| {
            let (at_least, exceeded) = (silent > 0, spent.exceeded.contains(&measure));
            limit.map(|limit| BudgetView { measure, limit, used, at_least, exceeded })
        };
        let tokens = spent.usage.total_tokens().map(whole);
        let cost = spent.usage.cost_usd.map(f64::from);
        let time = Some(spent.ran(now).as_secs_f64());
        let limits = [
            limit(Measure::Tokens, budget.tokens.map(whole), tokens, spent.silent.0),
            limit(Measure::CostUsd, budget.cost_usd.map(f64::from), cost, spent.silent.1),
            limit(Measure::WallTime, budget.wall_time.map(|time| time.as_secs_f64()), time, 0),
        ];
        limits.into_iter().flatten().collect()
    }

    /// A limit that is reached now, and was not said yet. What nobody has said is not reached.
    pub fn over_budget(&self, now: Timestamp) -> Option<BudgetView> {
        let mut limits = self.budget(now).into_iter();
        limits.find(|of| !of.exceeded && of.used.is_some_and(|used| used >= of.limit))
    }

    /// Whether a limit was reached that lets nothing new start.
    pub fn is_budget_used_up(&self) -> bool {
        let stops = |budget: &Budget| budget.on_exceeded == OnExceeded::Stop;
        self.plan.spec().budget.as_ref().is_some_and(stops) && !self.spending.exceeded.is_empty()
    }

    /// When the limit of the running time is reached, unless it was.
    pub fn budget_ends(&self) -> Option<Timestamp> {
        let limit = self.plan.spec().budget.as_ref()?.wall_time?;
        let left = limit.saturating_sub(self.spending.before);
        (!self.spending.exceeded.contains(&Measure::WallTime)).then(|| self.spending.since.plus(left))
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits stay below 2^53, and a sum above is above them")]
fn whole(n: u64) -> f64 {
    n as f64
}
