//! One turn: an input in, events and actions out.

use std::collections::BTreeMap;

use super::input::{Action, Input, Report, SnapshotReport, Stale};
use super::queues::Queues;
use crate::event::{AgentOutcome, ConvoyEvent, DriftResult, Event, Request, TaskEvent, Work};
use crate::state::{IllegalEvent, RunState, Stage};
use crate::types::{AdapterLimit, AttemptNo, Failure, FailureKind, Oid, TaskIx, Timestamp};

/// The decisions for one convoy.
#[derive(Debug, Clone)]
pub struct Scheduler {
    pub(super) state: RunState,
    pub(super) queues: Queues,
    /// What this engine allows of an adapter.
    pub(super) limits: BTreeMap<String, AdapterLimit>,
}

/// What a turn decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// What happened, already applied to the state. To be recorded first.
    pub events: Vec<Event>,
    /// What is to be done then.
    pub actions: Vec<Action>,
}

impl Turn {
    /// Adds what a further input of the same turn decided.
    pub fn extend(&mut self, other: Self) {
        self.events.extend(other.events);
        self.actions.extend(other.actions);
    }
}

impl Scheduler {
    /// The scheduler of a convoy in this state, within the limits that its newest engine had. Nothing is under way:
    /// the caller follows with [`Input::Begin`].
    pub fn new(state: RunState) -> Self {
        let limits = state.adapter_limits().clone();
        Self::within(state, limits)
    }

    /// The same within other limits of adapters. Attempts of an adapter with a limit wait for a place:
    /// [`Action::AskPlace`].
    pub fn within(state: RunState, limits: BTreeMap<String, AdapterLimit>) -> Self {
        let queues = Queues::new(&state, &limits);
        Self { state, queues, limits }
    }

    /// The state.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// When this wants an [`Input::Tick`] although nothing happens.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let budget = self.state.budget_ends().into_iter().chain(self.queues.next_budget_end()).min();
        let next = || budget.into_iter().chain(self.queues.next_time(&self.state)).min();
        let over = self.state.ended().is_some() || self.state.is_cancelling() || self.state.is_interrupting();
        match (over, self.is_held()) {
            (true, _) => None,
            // A pause takes time, too.
            (false, true) => budget,
            (false, false) => next(),
        }
    }

    /// Decides what follows from one input. The same scheduler, input and time always give the same
    /// turn.
    ///
    /// # Errors
    /// [`IllegalEvent`] when the input contradicts the state; the caller must stop and reload the
    /// convoy, since the state may hold a part of the turn.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<Turn, IllegalEvent> {
        self.handle_all(vec![input], now)
    }

    /// The same for inputs that came together. What people asked while nobody ran the convoy, which follows on
    /// [`Input::Begin`], is decided before anything starts.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub fn handle_all(&mut self, inputs: Vec<Input>, now: Timestamp) -> Result<Turn, IllegalEvent> {
        let mut turn = Turn::default();
        let mut inputs = inputs.into_iter().peekable();
        let mut begins = false;
        while let Some(input) = inputs.next() {
            begins |= matches!(input, Input::Begin { .. });
            self.take_in(input, now, &mut turn)?;
            begins &= matches!(inputs.peek(), Some(Input::Request(_)));
            if !begins {
                self.pump(now, &mut turn)?;
                let may_start = !self.is_held() && self.queues.slots_used() < self.state.slot_limit();
                self.queues.settle_places(may_start, &mut turn.actions);
            }
        }
        Ok(turn)
    }

    /// Why a request would be refused by an engine that takes the convoy up now, after those that wait already.
    /// The same rules as those of [`handle`](Self::handle).
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub fn refusal_of(
        mut self,
        waiting: Vec<Request>,
        request: Request,
        now: Timestamp,
    ) -> Result<Option<String>, IllegalEvent> {
        let mut turn = Turn::default();
        self.begin(true, None, now, &mut turn)?;
        for earlier in waiting {
            self.request(earlier, now, &mut turn)?;
        }
        let before = turn.events.len();
        self.request(request, now, &mut turn)?;
        Ok(turn.events.into_iter().skip(before).find_map(|event| match event {
            Event::Convoy(
                ConvoyEvent::RequestRefused { reason, .. } | ConvoyEvent::InjectionRefused { reason, .. },
            ) => Some(reason),
            _ => None,
        }))
    }

    fn take_in(&mut self, input: Input, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        match input {
            Input::Begin { resumed } => self.begin(resumed, None, now, turn),
            Input::BeginToCancel { actor } => self.begin(true, Some(actor), now, turn),
            Input::Tick => Ok(()),
            Input::Worker { task, attempt, report } => {
                // Answers of attempts that are over change nothing any more.
                let _: Result<(), Stale> = self.worker(task, attempt, report, now, turn)?;
                Ok(())
            }
            Input::Publish(report) => self.publish_report(report, now, turn),
            Input::Verify { run, report } => self.verify_report(run, report, now, turn),
            Input::End(report) => self.end_report(report, now, turn),
            Input::Place { adapter } => {
                self.queues.place_came(&adapter);
                Ok(())
            }
            Input::Request(request) => self.request(request, now, turn),
            Input::Retry { tasks, actor } => self.retry(&tasks, actor, now, turn),
        }
    }

    /// Applies an event and keeps the queues in step.
    pub(super) fn emit(&mut self, event: Event, now: Timestamp, turn: &mut Turn) -> Result<(), IllegalEvent> {
        let before = match &event {
            Event::Task { task, .. } if task.index() < self.state.plan().len() => {
                Some((*task, self.state.task(*task).stage.kind()))
            }
            Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => None,
        };
        let probing = before.and_then(|(task, _)| self.probes_for(task));
        self.state.apply(&event, now)?;
        if let Some((task, from)) = before {
            self.queues.moved(&self.state, task, from);
            self.queues.spends(&self.state, task);
        }
        match (&event, probing) {
            (
                Event::Convoy(
                    ConvoyEvent::BreakerTripped { agent, .. } | ConvoyEvent::BreakerClosed { agent, .. },
                ),
                _,
            ) => self.queues.probe_over(agent),
            (_, Some((task, agent))) if self.state.probe(&agent) != Some(task) => {
                self.queues.probe_over(&agent);
            }
            _ => {}
        }
        if let Event::Task { task, event: TaskEvent::Parked { until, .. }, .. } = &event {
            self.queues.park(*task, *until);
        }
        turn.events.push(event);
        Ok(())
    }

    /// The role that a task is the probe of.
    fn probes_for(&self, task: TaskIx) -> Option<(TaskIx, String)> {
        let agent = self.state.task(task).agent.as_ref()?;
        (self.state.probe(agent) == Some(task)).then(|| (task, agent.clone()))
    }

    /// Applies an event of a task's newest attempt.
    pub(super) fn emit_task(
        &mut self,
        task: TaskIx,
        event: TaskEvent,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let id = self.state.plan().id(task).clone();
        let mut attempt = self.state.task(task).attempt();
        if let TaskEvent::Assigned { .. } | TaskEvent::Accepted { .. } = event {
            attempt = Some(AttemptNo(attempt.map_or(0, |a| a.0) + 1));
        }
        self.emit(Event::Task { task, id, attempt, event }, now, turn)
    }

    fn worker(
        &mut self,
        task: TaskIx,
        attempt: AttemptNo,
        report: Report,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Result<(), Stale>, IllegalEvent> {
        let known = task.index() < self.state.plan().len();
        if !known || self.state.task(task).attempt() != Some(attempt) {
            return Ok(Err(Stale));
        }
        if matches!(report, Report::Checked(_) | Report::CheckStopped) && !self.queues.checking.remove(&task)
        {
            return Ok(Err(Stale));
        }
        let stage = self.state.task(task).stage.clone();
        let report = match told(report, &stage) {
            Ok(event) => return self.emit_task(task, event, now, turn).map(Ok),
            Err(report) => *report,
        };
        match (report, stage) {
            (Report::Started(s), Stage::Working { started: false, .. }) => {
                let event = TaskEvent::Started {
                    adapter: s.adapter,
                    account: s.account,
                    model: s.model,
                    worktree: s.worktree,
                    slot: s.slot,
                    prompt_bytes: s.prompt_bytes,
                    session: s.session,
                };
                self.emit_task(task, event, now, turn)?;
            }
            (Report::AgentEnded(end), Stage::Working { .. }) => self.agent_ended(task, end, now, turn)?,
            (Report::SnapshotStopped, Stage::Snapshotting { .. }) => {
                // While the engine ends, the tree stays as it stands; the next engine takes it.
                if !self.state.is_interrupting() {
                    self.take_tree(task, turn);
                }
            }
            (Report::Snapshot(report), Stage::Snapshotting { .. }) => {
                self.snapshot(task, report, now, turn)?;
            }
            (Report::Drift(drift), Stage::Checking { .. }) => self.drift(task, drift, now, turn)?,
            (Report::CheckStopped, Stage::Checking { .. }) => {
                if !self.end_early(task, now, turn)? {
                    self.queues.check_again(task);
                }
            }
            (Report::Checked(None), Stage::Checking { work }) => self.passed(task, &work, now, turn)?,
            (Report::Checked(Some(failure)), Stage::Checking { .. }) => {
                self.failed(task, failure, now, turn)?;
            }
            (Report::Prepared(report), Stage::Queued { prepared: None, .. }) => {
                self.prepare_report(task, report, now, turn)?;
            }
            (Report::Advanced(report), Stage::Queued { prepared: Some(prepared), .. }) => {
                self.advance_report(task, report, prepared, now, turn)?;
            }
            _ => return Ok(Err(Stale)),
        }
        Ok(Ok(()))
    }

    fn snapshot(
        &mut self,
        task: TaskIx,
        report: SnapshotReport,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let none = |failure| TaskEvent::Snapshot { work: None, rebased: false, files_changed: None, failure };
        let event = match report {
            SnapshotReport::Taken { work, rebased, files_changed, artifacts, unfit } => {
                let failure = self.store_artifacts(task, artifacts, now, turn)?.or(unfit);
                TaskEvent::Snapshot { work: Some(work), rebased, files_changed, failure }
            }
            SnapshotReport::NoWorktree => none(None),
            SnapshotReport::Failed(failure) => none(Some(failure)),
        };
        self.emit_task(task, event, now, turn)?;
        match self.state.task(task).stage.clone() {
            Stage::Checking { .. } => self.end_early(task, now, turn).map(drop),
            Stage::Settling { outcome } => self.settle(task, outcome, now, turn),
            _ => Ok(()),
        }
    }

    /// Decides what follows once the tree of an attempt without success is kept.
    pub(super) fn settle(
        &mut self,
        task: TaskIx,
        outcome: AgentOutcome,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        if self.end_early(task, now, turn)? {
            return Ok(());
        }
        let gone = || Failure::new(FailureKind::Worktree, "the worktree of the finished agent is gone");
        match outcome {
            AgentOutcome::Failed { failure } => self.failed(task, failure, now, turn),
            AgentOutcome::Succeeded => self.failed(task, gone(), now, turn),
            AgentOutcome::Interrupted | AgentOutcome::Cancelled => {
                let retries = self.state.task(task).retries;
                let previous_status = self.state.task(task).stage.status();
                let event = TaskEvent::Retried {
                    previous_status,
                    failure: None,
                    not_before: now,
                    retries,
                    escalated_to: None,
                };
                self.emit_task(task, event, now, turn)
            }
        }
    }

    fn drift(
        &mut self,
        task: TaskIx,
        drift: DriftResult,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let DriftResult { threshold, explanation, .. } = drift.clone();
        let score = drift.score.filter(|_| drift.drifted);
        self.emit_task(task, TaskEvent::DriftChecked(drift), now, turn)?;
        match score {
            Some(score) => {
                let event = TaskEvent::DriftDetected { score, threshold, explanation };
                self.emit_task(task, event, now, turn)
            }
            None => Ok(()),
        }
    }

    fn passed(
        &mut self,
        task: TaskIx,
        work: &Work,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        if self.end_early(task, now, turn)? {
            return Ok(());
        }
        if work.changed {
            if self.needs_approval(task, work) {
                return self.ask_approval(task, Some(work), now, turn);
            }
            let commit = work.commit.clone();
            return self.emit_task(task, TaskEvent::Queued { commit }, now, turn);
        }
        self.done(task, None, now, turn)
    }

    pub(super) fn done(
        &mut self,
        task: TaskIx,
        commit: Option<Oid>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let state = self.state.task(task);
        let event = TaskEvent::Done {
            no_changes: commit.is_none(),
            commit,
            exit_code: state.exit_code.unwrap_or(0),
            retries: state.retries,
        };
        self.emit_task(task, event, now, turn)?;
        self.move_breaker(task, now, turn)
    }
}

/// The event of a report that only tells something, in a stage where it may; else the report.
fn told(report: Report, stage: &Stage) -> Result<TaskEvent, Box<Report>> {
    Ok(match (report, stage) {
        (Report::Spawned { pid, start_time }, Stage::Working { .. }) => {
            TaskEvent::Spawned { pid, start_time }
        }
        (Report::ReviewStarted(review), Stage::Checking { .. }) => TaskEvent::ReviewStarted(review),
        (Report::ReviewVerdict(review), Stage::Checking { .. }) => TaskEvent::ReviewVerdict(review),
        (Report::StepStarted(step), Stage::Working { .. }) => TaskEvent::StepStarted(step),
        (Report::StepFinished(step), Stage::Working { .. }) => TaskEvent::StepFinished(step),
        (Report::Gate(result), Stage::Checking { .. }) => TaskEvent::Gate(result),
        (Report::BuiltInGate(result), Stage::Checking { .. }) => TaskEvent::BuiltInGate(result),
        (
            Report::Guard(found),
            Stage::Working { .. } | Stage::Snapshotting { .. } | Stage::Checking { .. },
        ) => TaskEvent::Guard(found),
        (Report::Hook(hook), Stage::Working { .. } | Stage::Snapshotting { .. } | Stage::Checking { .. }) => {
            TaskEvent::Hook(hook)
        }
        (report, _) => return Err(Box::new(report)),
    })
}
