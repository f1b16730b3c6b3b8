//! Who starts: filling slots, checks, landing, publishing.

use super::handle::{Scheduler, Turn};
use super::input::{Action, AgentEnd, CheckOrder, PublishOrder, SnapshotOrder, WorkOrder};
use crate::event::{AgentOutcome, AttemptKind, ConvoyEvent, Event, TaskEvent};
use crate::state::{IllegalEvent, Stage, TaskState};
use crate::types::{AttemptNo, TaskIx, Timestamp};

impl Scheduler {
    /// Whether no agent may start now.
    pub(super) fn is_held(&self) -> bool {
        let state = &self.state;
        state.is_paused() || state.is_cancelling() || state.is_interrupting() || state.ended().is_some()
    }

    /// Starts everything that can start now. Called at the end of every turn.
    pub(super) fn pump(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        if self.state.is_interrupting() || self.state.ended().is_some() && self.state.is_published() {
            return Ok(());
        }
        if self.state.verifies() {
            // What becomes of work that waits to land may make other work ready.
            self.train_next(now, turn)?;
        }
        self.queues.expire(&self.state, now);
        self.watch_budget(now, turn)?;
        if !self.is_held() {
            while let Some(task) = self.queues.take_ask(&self.state) {
                if !self.is_over_budget(task, now, turn)? {
                    self.ask_approval(task, None, now, turn)?;
                }
            }
            while self.queues.slots_used() < self.state.slot_limit() {
                let Some(task) = self.queues.take_start(&self.state, now) else { break };
                if self.is_over_budget(task, now, turn)?
                    || self.fails_at_start(task, now, turn)?
                    || self.lacks_input(task, now, turn)?
                {
                    self.queues.passed_over(task);
                } else if let Some(agent) = self.admit(task, now, turn)? {
                    self.start(task, agent, now, turn)?;
                } else {
                    self.queues.passed_over(task);
                }
            }
            self.announce_swarm(now, turn)?;
        }
        while self.queues.judged() < self.state.slot_limit() as usize {
            let Some(task) = self.queues.take_check(&self.state) else { break };
            self.check(task, turn);
        }
        if !self.state.verifies() {
            self.land_next(turn);
        }
        self.publish_next(turn);
        // A task that was added at the end is work like any other, and one stage may follow another at once.
        if self.end(now, turn)? { self.pump(now, turn) } else { Ok(()) }
    }

    /// Says how many agents a swarm has grown or shrunk to. One that has nothing to do for a moment is not
    /// worth a word.
    fn announce_swarm(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        if !self.state.is_swarm() {
            return Ok(());
        }
        let effective = self.queues.slots_used();
        if self.state.swarm() == Some(effective) || effective == 0 {
            return Ok(());
        }
        let event = ConvoyEvent::SwarmConcurrency {
            phase: self.queues.open_phase(),
            pending_count: self.queues.open(),
            effective_concurrency: effective,
        };
        self.emit(Event::Convoy(event), now, turn)
    }

    fn start(
        &mut self,
        task: TaskIx,
        agent: String,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let state = self.state.task(task);
        let kind = attempt_kind(state);
        let base = match &state.conflict {
            Some(conflict) => conflict.onto.clone(),
            None => self.state.tip().clone(),
        };
        self.queues.hold_place(&self.state, task);
        let event = TaskEvent::Assigned { kind, agent: agent.clone(), base: base.clone() };
        self.emit_task(task, event, now, turn)?;
        let state = self.state.task(task);
        turn.actions.push(Action::Work(Box::new(WorkOrder {
            task,
            attempt: AttemptNo(state.attempts),
            kind,
            agent,
            base,
            session: state.session.clone(),
            feedback: state.failure.clone(),
            failed_attempt: state.failed_attempt,
            cut_off: state.cut_off.clone(),
            conflict: state.conflict.clone(),
            inputs: self.prompt_inputs(task),
        })));
        Ok(())
    }

    pub(super) fn agent_ended(
        &mut self,
        task: TaskIx,
        end: AgentEnd,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let killed = end.killed;
        let event = TaskEvent::AgentEnded {
            outcome: end.outcome,
            exit_code: end.exit_code,
            session: end.session,
            usage: end.usage,
            duration_ms: end.duration_ms,
            summary: end.summary,
        };
        self.emit_task(task, event, now, turn)?;
        if let Some(reason) = killed {
            self.emit_task(task, TaskEvent::Killed { reason }, now, turn)?;
        }
        // While the engine ends, trees are left as they stand; the next engine takes them.
        if !self.state.is_interrupting() {
            self.take_tree(task, turn);
        }
        Ok(())
    }

    /// Asks for the tree of an attempt whose agent ended.
    pub(super) fn take_tree(&self, task: TaskIx, turn: &mut Turn) {
        let state = self.state.task(task);
        // What is to end early is only kept.
        let goes_on = !self.state.is_cancelling() && state.skip.is_none();
        if let Stage::Snapshotting { base, outcome } = &state.stage {
            turn.actions.push(Action::Snapshot(Box::new(SnapshotOrder {
                task,
                attempt: AttemptNo(state.attempts),
                base: base.clone(),
                succeeded: *outcome == AgentOutcome::Succeeded,
                hooks: *outcome == AgentOutcome::Succeeded && goes_on,
                conflict: state.conflict.clone(),
            })));
        }
    }

    fn check(&mut self, task: TaskIx, turn: &mut Turn) {
        let state = self.state.task(task);
        if let Stage::Checking { work } = &state.stage {
            let attempt = AttemptNo(state.attempts);
            turn.actions.push(Action::Check(Box::new(CheckOrder {
                task,
                attempt,
                work: work.clone(),
                passed: state.verdicts.of(work),
                reviewed: state.review.passed_by(work),
                review_tokens: self.state.review_tokens(),
                inputs: self.prompt_inputs(task),
                missing_files: self.missing_files(task),
                session: state.session.clone(),
                rated: state.rated.clone(),
            })));
            self.queues.checking.insert(task);
        }
    }

    fn publish_next(&mut self, turn: &mut Turn) {
        let publish = self.state.publish();
        let waits = publish.blocked.as_ref().is_some_and(|blocked| blocked.tip == *self.state.tip());
        let waits = waits && publish.moving.is_none() && !self.queues.publish_again;
        if self.queues.publishing || self.state.is_published() || waits {
            return;
        }
        self.queues.publishing = true;
        self.queues.publish_again = false;
        turn.actions.push(Action::Publish(match &publish.moving {
            Some(moving) => PublishOrder::Move { moving: moving.clone(), recover: true },
            None => PublishOrder::Plan { tip: self.state.tip().clone(), known: publish.known.clone() },
        }));
    }
}

fn attempt_kind(state: &TaskState) -> AttemptKind {
    if state.conflict.is_some() {
        AttemptKind::Resolve
    } else if state.attempts == 0 {
        AttemptKind::First
    } else if matches!(state.stage, Stage::Pending { repeats, parked, .. } if repeats || parked) {
        AttemptKind::Repeat
    } else {
        AttemptKind::Retry
    }
}
