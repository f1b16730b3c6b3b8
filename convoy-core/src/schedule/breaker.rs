//! Circuit breakers: when they open and close, and who takes a task instead.

use super::handle::{Scheduler, Turn};
use crate::event::{ConvoyEvent, Event, TaskEvent};
use crate::state::{Admission, BreakerDue, IllegalEvent};
use crate::types::{BreakerState, TaskIx, Timestamp};

impl Scheduler {
    /// Opens or closes the breaker of whoever made the newest attempt of a task, if that is due now.
    pub(super) fn move_breaker(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        match self.state.task(task).agent.clone() {
            Some(agent) => self.move_breaker_of(agent, now, turn),
            None => Ok(()),
        }
    }

    /// Does for every role what is due: the log may have been cut between a task's end and that.
    pub(super) fn move_breakers(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        self.state.breakers().into_iter().try_for_each(|agent| self.move_breaker_of(agent, now, turn))
    }

    fn move_breaker_of(
        &mut self,
        agent: String,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let event = match self.state.breaker_due(&agent) {
            Some(BreakerDue::Trip) => ConvoyEvent::BreakerTripped { agent, state: BreakerState::Open },
            Some(BreakerDue::Close) => ConvoyEvent::BreakerClosed { agent, state: BreakerState::Closed },
            None => return Ok(()),
        };
        self.emit(Event::Convoy(event), now, turn)
    }

    /// Whether a task can be given to this role: neither it nor who takes its tasks is rested.
    pub(super) fn works(&self, task: TaskIx, role: &str, now: Timestamp) -> bool {
        !matches!(self.state.admission_of(task, role.to_owned(), now), Admission::Rested(_))
    }

    /// The role that makes the next attempt of a task, after saying what its breaker has to do with it.
    /// `None`: nobody, the task was skipped.
    pub(super) fn admit(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<String>, IllegalEvent> {
        let role = match self.state.admission(task, now) {
            Admission::GoesOn(role) => return Ok(Some(role)),
            Admission::Role(role) => role,
            Admission::Fallback { original, fallback } => {
                let event = TaskEvent::BreakerFallback {
                    original_agent: original,
                    fallback_agent: fallback.clone(),
                    state: BreakerState::Open,
                };
                self.emit_task(task, event, now, turn)?;
                fallback
            }
            // The queues keep a task that has to wait from coming here.
            Admission::Wait(agent) | Admission::Rested(agent) => {
                let reason = format!("the circuit breaker of agent {agent} is open");
                let state = self.state.breaker(&agent);
                self.emit_task(task, TaskEvent::BreakerBlocked { agent, state }, now, turn)?;
                self.emit_task(task, TaskEvent::Skipped { reason, because: None }, now, turn)?;
                self.skip_dependants(task, now, turn)?;
                return Ok(None);
            }
        };
        // Whoever is let through although it was open comes after the cool-down: it is the probe.
        if self.state.breaker(&role) == BreakerState::Open {
            let event = ConvoyEvent::BreakerHalfOpen { agent: role.clone(), state: BreakerState::HalfOpen };
            self.emit(Event::Convoy(event), now, turn)?;
        }
        Ok(Some(role))
    }
}
