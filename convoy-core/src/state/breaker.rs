//! Circuit breakers: agents (roles) that keep failing are rested.
//!
//! Closed, a breaker counts the tasks that its role was exhausted on, in a row. Open, the role starts nothing.
//! Once the cool-down has passed, the next task of the role is the probe, and the others wait for its end: a
//! probe that is done closes the breaker, one that exhausts the role opens it again. Whoever began before the
//! breaker opened says nothing about it any more.

use std::collections::BTreeMap;

use super::run::RunState;
use super::stage::Stage;
use crate::event::TaskEvent;
use crate::types::{BreakerState, TaskIx, Timestamp};

/// The breakers of a convoy by role; a role without one has not failed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Breakers(BTreeMap<String, Breaker>);

#[derive(Debug, Clone, PartialEq)]
struct Breaker {
    state: BreakerState,
    /// Exhausted tasks in a row.
    exhausted: u32,
    /// When it opened.
    since: Timestamp,
    /// The one task that may try.
    probe: Option<TaskIx>,
    /// How the probe ended: whether the role works.
    works: Option<bool>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, exhausted: 0, since: Timestamp(0), probe: None, works: None }
    }
}

/// Who makes the next attempt of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// This role. Its breaker is closed, or this is its probe.
    Role(String),
    /// This role, whatever its breaker says: it goes on with an attempt that was admitted, or with its work.
    GoesOn(String),
    /// This role, because the breaker of the other one is open.
    Fallback {
        /// Who is rested.
        original: String,
        /// Who takes the task.
        fallback: String,
    },
    /// Nobody before the probe of this role has ended.
    Wait(String),
    /// Nobody: the breaker of this role is open, and no other role can take the task.
    Rested(String),
}

/// What a breaker is to do, by what it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerDue {
    /// Open, for the first time or again.
    Trip,
    /// Close.
    Close,
}

impl Breakers {
    fn of(&mut self, role: &str) -> &mut Breaker {
        self.0.entry(role.to_owned()).or_default()
    }

    /// A breaker opened, was given a probe, or closed.
    pub(super) fn moved(&mut self, role: &str, state: BreakerState, now: Timestamp) {
        let since = if state == BreakerState::Open { now } else { self.of(role).since };
        *self.of(role) = Breaker { state, since, ..Breaker::default() };
    }

    /// Gives up the probes that a task is, but that of `role`: whoever works on it now says nothing about the others.
    pub(super) fn release(&mut self, ix: TaskIx, role: Option<&str>) {
        for (other, breaker) in &mut self.0 {
            if role != Some(other) && breaker.probe == Some(ix) {
                breaker.probe = None;
            }
        }
    }

    /// Keeps what an event of a task says about the role that made its newest attempt.
    pub(super) fn note(&mut self, ix: TaskIx, role: &str, event: &TaskEvent) {
        if matches!(event, TaskEvent::Assigned { .. }) {
            self.release(ix, Some(role));
        }
        let breaker = self.of(role);
        let is_probe = breaker.probe == Some(ix);
        let works = match event {
            TaskEvent::Assigned { .. } => {
                if breaker.state == BreakerState::HalfOpen {
                    breaker.probe = breaker.probe.or(Some(ix));
                }
                return;
            }
            TaskEvent::Done { .. } => true,
            TaskEvent::Failed { failure, .. } if failure.kind.is_retried() => false,
            // Counted once, where the last try is this role's own.
            TaskEvent::Retried { escalated_to: Some(other), .. } if other != role => false,
            // These say nothing about the role; somebody else may try.
            TaskEvent::Failed { .. }
            | TaskEvent::Skipped { .. }
            | TaskEvent::Cancelled {}
            | TaskEvent::Parked { .. } => {
                if is_probe {
                    breaker.probe = None;
                }
                return;
            }
            _ => return,
        };
        match breaker.state {
            BreakerState::Closed => breaker.exhausted = if works { 0 } else { breaker.exhausted + 1 },
            BreakerState::HalfOpen if is_probe => breaker.works = Some(works),
            BreakerState::HalfOpen | BreakerState::Open => {}
        }
    }

    /// A person takes the convoy up again: everybody has another chance.
    pub(super) fn forgive(&mut self) {
        self.0.clear();
    }
}

impl RunState {
    /// Every role with a breaker that has seen something.
    pub fn breakers(&self) -> Vec<String> {
        self.breakers.0.keys().cloned().collect()
    }

    /// The state of a role's breaker.
    pub fn breaker(&self, role: &str) -> BreakerState {
        self.breakers.0.get(role).map_or(BreakerState::Closed, |breaker| breaker.state)
    }

    /// The task that tries for a role now.
    pub fn probe(&self, role: &str) -> Option<TaskIx> {
        self.breakers.0.get(role).and_then(|breaker| breaker.probe)
    }

    /// What the breaker of a role has to do because of what it has seen.
    pub fn breaker_due(&self, role: &str) -> Option<BreakerDue> {
        let policy = self.plan.spec().circuit_breaker.as_ref()?;
        let breaker = self.breakers.0.get(role)?;
        match (breaker.state, breaker.works) {
            (BreakerState::Closed, _) if breaker.exhausted >= policy.threshold => Some(BreakerDue::Trip),
            (BreakerState::HalfOpen, Some(false)) => Some(BreakerDue::Trip),
            (BreakerState::HalfOpen, Some(true)) => Some(BreakerDue::Close),
            _ => None,
        }
    }

    /// The role that a task's next attempt is for, whoever makes it.
    pub fn role(&self, ix: TaskIx) -> &str {
        let spec = self.plan.spec_of(ix);
        spec.escalate_to.as_deref().filter(|_| self.task(ix).escalated).unwrap_or(&spec.agent)
    }

    /// When a role that is rested gets a task to try.
    pub fn rested_until(&self, role: &str) -> Option<Timestamp> {
        let policy = self.plan.spec().circuit_breaker.as_ref()?;
        let breaker = self.breakers.0.get(role).filter(|breaker| breaker.state == BreakerState::Open)?;
        Some(breaker.since.plus(policy.cooldown))
    }

    /// Who makes the next attempt of a task at this time.
    pub fn admission(&self, ix: TaskIx, now: Timestamp) -> Admission {
        let (task, spec) = (self.task(ix), self.plan.spec_of(ix));
        let own = match (&task.stage, &task.agent) {
            (Stage::Pending { repeats, parked, .. }, Some(agent)) if *repeats || *parked => {
                return Admission::GoesOn(agent.clone());
            }
            (Stage::Conflicted, Some(agent)) => return Admission::GoesOn(agent.clone()),
            // A person gave the work; a role that rests resolves its conflicts all the same.
            (Stage::Conflicted, None) => return Admission::GoesOn(spec.agent.clone()),
            _ => self.role(ix),
        };
        self.admission_of(ix, own.to_owned(), now)
    }

    /// Who works on a task that is for this role.
    pub fn admission_of(&self, ix: TaskIx, role: String, now: Timestamp) -> Admission {
        let fallback = self
            .plan
            .spec()
            .circuit_breaker
            .as_ref()
            .and_then(|policy| policy.fallback_agent.clone().filter(|fallback| *fallback != role));
        match (self.gate_of(ix, &role, now), fallback) {
            (Gate::Through, _) => Admission::Role(role),
            (Gate::Waits, _) => Admission::Wait(role),
            (Gate::Shut, None) => Admission::Rested(role),
            (Gate::Shut, Some(fallback)) => match self.gate_of(ix, &fallback, now) {
                Gate::Through => Admission::Fallback { original: role, fallback },
                Gate::Waits => Admission::Wait(fallback),
                Gate::Shut => Admission::Rested(role),
            },
        }
    }

    fn gate_of(&self, ix: TaskIx, role: &str, now: Timestamp) -> Gate {
        let (Some(policy), Some(breaker)) = (&self.plan.spec().circuit_breaker, self.breakers.0.get(role))
        else {
            return Gate::Through;
        };
        match breaker.state {
            BreakerState::Closed => Gate::Through,
            BreakerState::Open if now.since(breaker.since) >= policy.cooldown => Gate::Through,
            BreakerState::Open => Gate::Shut,
            BreakerState::HalfOpen if breaker.probe.is_none_or(|probe| probe == ix) => Gate::Through,
            BreakerState::HalfOpen => Gate::Waits,
        }
    }
}

/// What a breaker says to a task.
enum Gate {
    Through,
    Waits,
    Shut,
}
