//! What holds for every convoy, whatever happens to it, told from the events and open actions alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::build::fresh;
use super::world::Open;
use crate::event::{AttemptKind, ConvoyEvent, Event, TaskEvent, TaskSource};
use crate::plan::Plan;
use crate::spec::{Approve, OnExhausted};
use crate::state::{Judged, RunState, Stage, StageKind, view};
use crate::types::{AttemptNo, BreakerState, ConvoyStatus, FailureKind, Oid, TaskIx, TaskStatus, Timestamp};

/// What one attempt has recorded.
#[derive(Debug, Default)]
struct Attempt {
    started: u32,
    agent_ended: u32,
    landed: u32,
    done: u32,
}

/// A second state, made of the recorded events one by one, and what they count.
pub(crate) struct Watch {
    pub(super) state: RunState,
    attempts: HashMap<(TaskIx, AttemptNo), Attempt>,
    /// Every move from stage to stage that was seen.
    pub(super) moves: HashSet<(StageKind, StageKind)>,
    /// The adapters of which a place was asked for.
    pub(super) asked: HashSet<String>,
    /// Whether a person had final tasks taken up again.
    retried: bool,
    /// Who tried for a role since its breaker was half open.
    tries: HashMap<String, HashSet<TaskIx>>,
    /// Tasks whose agent was rested.
    blocked: HashSet<TaskIx>,
    /// What the convoy's gates said last, of which commit, since the start or the last retry.
    pub(super) gates: Option<(Oid, bool)>,
    /// Whether a gate of the newest round failed.
    pub(super) gate_failed: bool,
    /// Tasks that were added since to mend what the gates found.
    fixes: u32,
    /// Hooks that ran since, and whether they passed.
    pub(super) hooks: Vec<bool>,
    /// Whether the guard looked since, and found something.
    pub(super) guarded: Option<bool>,
}

impl Watch {
    /// The state that a log leads to.
    pub(crate) fn replayed(plan: &Arc<Plan>, log: &[(Timestamp, Event)]) -> Self {
        let state = fresh(plan);
        let mut watch = Self {
            state,
            attempts: HashMap::new(),
            moves: HashSet::new(),
            retried: false,
            asked: HashSet::new(),
            tries: HashMap::new(),
            blocked: HashSet::new(),
            gates: None,
            gate_failed: false,
            fixes: 0,
            hooks: Vec::new(),
            guarded: None,
        };
        for (time, event) in log {
            watch.event(event, *time);
        }
        watch
    }

    pub(crate) fn state(&self) -> &RunState {
        &self.state
    }

    /// Follows one event, and looks whether it may happen.
    pub(crate) fn event(&mut self, event: &Event, now: Timestamp) {
        let concerned = match event {
            Event::Task { task, id, event, attempt } => {
                assert_eq!(self.state.plan().id(*task), id);
                self.before_task(*task, event, now);
                self.count(*task, *attempt, event);
                vec![*task]
            }
            Event::Convoy(ConvoyEvent::Finished(_) | ConvoyEvent::Failed(_) | ConvoyEvent::Cancelled(_)) => {
                self.before_end(event);
                Vec::new()
            }
            Event::Convoy(ConvoyEvent::Retried { tasks, .. }) => {
                let ended = self.state.ended().expect("only what ended is taken up again");
                assert!(!tasks.is_empty() || ended.status != ConvoyStatus::Done);
                (self.retried, self.gates, self.fixes) = (true, None, 0);
                self.hooks.clear();
                self.guarded = None;
                tasks.clone()
            }
            Event::Convoy(ConvoyEvent::TasksAdded { source, .. }) => {
                assert!(
                    self.state.ended().is_none() && !self.state.is_cancelling(),
                    "nothing is added to what ends"
                );
                assert!(*source != TaskSource::Guard || self.guarded == Some(true), "there are findings");
                if *source == TaskSource::GateFix {
                    self.fixes += 1;
                    let found = self.gates.as_ref() == Some(&(self.state.tip().clone(), false));
                    assert!(found, "there is something to mend");
                    assert!(self.fixes <= self.state.plan().spec().gate_retries);
                }
                Vec::new()
            }
            Event::Convoy(event) => {
                self.at_the_end(event);
                Vec::new()
            }
            Event::Publish(_) => Vec::new(),
        };
        let kinds = |state: &RunState| -> Vec<StageKind> {
            concerned.iter().map(|ix| state.task(*ix).stage.kind()).collect()
        };
        self.follow_breakers(event);
        let before = kinds(&self.state);
        self.state.apply(event, now).expect("a legal event");
        self.moves.extend(before.into_iter().zip(kinds(&self.state)).filter(|(from, to)| from != to));
    }

    fn before_task(&self, ix: TaskIx, event: &TaskEvent, now: Timestamp) {
        let state = &self.state;
        let task = state.task(ix);
        match event {
            TaskEvent::Assigned { kind, agent, .. } => {
                let goes_on = matches!(kind, AttemptKind::Resolve | AttemptKind::Repeat);
                self.who(ix, agent, goes_on);
                assert_eq!(state.unmet(ix).count(), 0, "a start waits for its dependencies");
                let complete = state.inputs(ix).all(|(_, artifact)| artifact.is_some());
                assert!(complete || *kind == AttemptKind::Resolve, "a start waits for its inputs");
                let parked = state.parked_until(state.provider(ix)).is_some_and(|until| until > now);
                assert!(!parked, "nothing starts whose provider is parked");
                let broken = state.broken(ix).is_some() && task.stage.kind() == StageKind::Pending;
                assert!(!broken, "nothing starts whose adapter is known not to work");
                let used_up = state.is_budget_used_up() || state.is_task_budget_used_up(ix);
                assert!(goes_on || !used_up, "nothing new starts without a budget");
                let asks = state.plan().spec_of(ix).approve == Some(Approve::BeforeRun);
                assert!(!asks || task.run_approved, "a start waits for its approval");
                let held = state.is_paused() || state.is_cancelling() || state.is_interrupting();
                assert!(!held && state.ended().is_none(), "nothing starts while the convoy is held");
                assert!(state.stopped_by().is_none() || goes_on, "a stop lets nothing new start: {kind:?}");
            }
            TaskEvent::Retried { failure: Some(failure), retries, .. }
                if failure.kind == FailureKind::Drift =>
            {
                assert!(state.stopped_by().is_none(), "no retries after a stop");
                assert!(*retries == task.retries && !task.drifted, "one try of its own");
            }
            TaskEvent::Retried { failure: Some(failure), retries, escalated_to, .. } => {
                assert!(state.stopped_by().is_none(), "no retries after a stop");
                let refused = task.review.refused && failure.kind == FailureKind::ReviewBlocked;
                assert!(!refused, "an attempt that cannot be reviewed is not bought");
                let spec = self.state.plan().spec_of(ix);
                if escalated_to.is_some() {
                    assert_eq!((escalated_to, *retries), (&spec.escalate_to, task.retries));
                    assert!(!task.escalated && task.retries == spec.max_retries, "one last try");
                } else {
                    assert_eq!(*retries, task.retries + 1);
                    assert!(*retries <= spec.max_retries && !task.escalated);
                }
            }
            TaskEvent::Retried { failure: None, retries, .. } => assert_eq!(*retries, task.retries),
            TaskEvent::Parked { provider, until, failure } => {
                assert_eq!((provider.as_str(), &failure.kind), (state.provider(ix), &FailureKind::RateLimit));
                assert!(*until > now, "parked for nothing");
            }
            _ => self.before_result(ix, event),
        }
    }

    /// The part of [`before_task`](Self::before_task) that concerns what comes of a task.
    fn before_result(&self, ix: TaskIx, event: &TaskEvent) {
        let state = &self.state;
        let task = state.task(ix);
        match event {
            TaskEvent::WaitingInput { .. } => {
                assert_eq!(state.unmet(ix).count(), 0, "an artifact may still come");
            }
            TaskEvent::ArtifactStored(artifact) => {
                assert!(state.has_room_for_artifact(ix, &artifact.name), "more than may be kept");
            }
            TaskEvent::ArtifactLimitReached { artifact_name } => {
                assert!(!state.has_room_for_artifact(ix, artifact_name), "there is room");
            }
            TaskEvent::Failed { failure, .. } if failure.kind == FailureKind::MissingInput => {
                let lacking = state.inputs(ix).any(|(_, artifact)| artifact.is_none());
                assert!(lacking && task.stage.status() == TaskStatus::WaitForInput, "nothing is missing");
            }
            TaskEvent::Failed { failure, .. } if task.stage.kind() == StageKind::Pending => {
                assert!(failure.kind.breaks_adapter() && state.broken(ix).is_some(), "untried: {failure:?}");
            }
            TaskEvent::Failed { failure, .. } => {
                let agents = task.stage.kind() == StageKind::Settling;
                assert!(!agents || failure.kind != FailureKind::RateLimit, "a rate limit fails nothing");
            }
            TaskEvent::Skipped { because, .. } => {
                let Some(root) = *because else {
                    let used_up = state.is_budget_used_up() || state.is_task_budget_used_up(ix);
                    let known = self.blocked.contains(&ix) || used_up;
                    return assert!(known || task.skip.is_some(), "a skip has a cause");
                };
                let kind = state.task(root).stage.kind();
                assert!(kind.is_final() && kind != StageKind::Done, "the cause is not done: {kind:?}");
            }
            TaskEvent::DisputeOpened(dispute) => {
                assert_eq!(dispute.panel_attempts, task.review.blocked_panels);
                assert_eq!(task.stage.status(), TaskStatus::Disputed);
            }
            TaskEvent::Prepared { .. } if state.plan().spec_of(ix).approve == Some(Approve::BeforeMerge) => {
                let Stage::Queued { work, .. } = &task.stage else { panic!("only queued work lands") };
                let judged = Judged { base: work.base.clone(), tree: work.tree.clone() };
                assert_eq!(task.approved, Some(judged), "what lands was approved");
            }
            TaskEvent::DeadLettered(letter) => {
                assert_ne!(self.state.plan().spec_of(ix).on_exhausted, OnExhausted::Skip);
                assert_eq!(letter.attempts, task.attempts);
            }
            _ => {}
        }
    }

    /// Whether an attempt is made by whoever may make it.
    fn who(&self, ix: TaskIx, agent: &str, goes_on: bool) {
        let (task, plan) = (self.state.task(ix), self.state.plan());
        let spec = plan.spec_of(ix);
        if goes_on {
            // Nobody did before, when a person gave the work.
            return assert_eq!(task.agent.as_deref().unwrap_or(&spec.agent), agent, "who goes on");
        }
        let own = if task.escalated { spec.escalate_to.as_ref() } else { Some(&spec.agent) };
        let own = own.expect("a role").as_str();
        let policy = plan.spec().circuit_breaker.as_ref();
        let fallback = policy.and_then(|policy| policy.fallback_agent.as_deref());
        let rested = self.state.breaker(own) == BreakerState::Open;
        let expected = if rested { fallback.expect("who else") } else { own };
        assert_eq!(agent, expected, "who makes the attempt");
        assert_ne!(self.state.breaker(agent), BreakerState::Open, "nobody is called who is rested");
        // While it is half open, one task after the other tries.
        let others = self.tries.get(agent).into_iter().flatten().filter(|other| **other != ix);
        let busy = others.map(|other| self.state.task(*other)).filter(|other| !other.stage.kind().is_final());
        let busy = busy.filter(|other| other.agent.as_deref() == Some(agent));
        assert_eq!(busy.count(), 0, "one probe");
    }

    fn follow_breakers(&mut self, event: &Event) {
        match event {
            Event::Convoy(ConvoyEvent::BreakerHalfOpen { agent, .. }) => {
                self.tries.insert(agent.clone(), HashSet::new());
            }
            Event::Convoy(
                ConvoyEvent::BreakerTripped { agent, .. } | ConvoyEvent::BreakerClosed { agent, .. },
            ) => drop(self.tries.remove(agent)),
            Event::Convoy(ConvoyEvent::Retried { .. }) => self.tries.clear(),
            Event::Task { task, event: TaskEvent::Assigned { agent, kind, .. }, .. } => {
                let goes_on = matches!(kind, AttemptKind::Resolve | AttemptKind::Repeat);
                if let Some(tries) = self.tries.get_mut(agent).filter(|_| !goes_on) {
                    tries.insert(*task);
                }
            }
            // What it does later was admitted before.
            Event::Task { task, event: TaskEvent::Parked { .. }, .. } => {
                for tries in self.tries.values_mut() {
                    tries.remove(task);
                }
            }
            Event::Task { task, event: TaskEvent::BreakerBlocked { .. }, .. } => {
                self.blocked.insert(*task);
            }
            _ => {}
        }
    }

    fn count(&mut self, ix: TaskIx, attempt: Option<AttemptNo>, event: &TaskEvent) {
        let newest = self.state.task(ix).attempt();
        let by_hand = matches!(event, TaskEvent::Accepted { .. });
        if by_hand || matches!(event, TaskEvent::Assigned { .. }) {
            let number = attempt.expect("an attempt");
            assert_eq!(number.0, newest.map_or(1, |n| n.0 + 1), "attempts are numbered in order");
            let result = Attempt { agent_ended: u32::from(by_hand), ..Attempt::default() };
            let old = self.attempts.insert((ix, number), result);
            assert!(old.is_none());
            return;
        }
        assert_eq!(attempt, newest, "events belong to the newest attempt");
        let Some(seen) = attempt.and_then(|attempt| self.attempts.get_mut(&(ix, attempt))) else { return };
        match event {
            TaskEvent::Started { .. } => seen.started += 1,
            TaskEvent::AgentEnded { .. } => seen.agent_ended += 1,
            TaskEvent::Landed { .. } => seen.landed += 1,
            TaskEvent::Done { .. } => seen.done += 1,
            _ => {}
        }
        let once = [seen.started, seen.agent_ended, seen.landed, seen.done].iter().all(|n| *n <= 1);
        assert!(once, "{} happened twice to {ix:?} {attempt:?}: {seen:?}", event.type_name());
    }

    fn before_end(&self, event: &Event) {
        let totals = self.state.totals();
        assert_eq!(totals.open, 0, "every task is final at the end");
        let status = match event {
            Event::Convoy(ConvoyEvent::Finished(end)) => (end, ConvoyStatus::Done),
            Event::Convoy(ConvoyEvent::Cancelled(end)) => (end, ConvoyStatus::Cancelled),
            Event::Convoy(ConvoyEvent::Failed(end)) => (end, ConvoyStatus::Failed),
            _ => panic!("no end"),
        };
        let judged =
            !self.state.plan().spec().gates.is_empty() && *self.state.tip() != self.state.started().base;
        let verdict =
            self.gates.as_ref().filter(|(tip, _)| tip == self.state.tip()).map(|(_, passed)| *passed);
        assert!(!judged || verdict.is_some() || self.state.is_cancelling(), "what landed was judged");
        let passed = verdict.unwrap_or(!judged);
        let hooks = self.hooks.len() == self.state.plan().spec().hooks.len();
        assert!(hooks || self.state.is_cancelling(), "every hook ran");
        let hooks = hooks && !self.hooks.contains(&false);
        let done = totals.done == totals.total;
        let expected = match (done && passed && hooks, self.state.is_cancelling(), passed) {
            (true, ..) => (ConvoyStatus::Done, ConvoyStatus::Done),
            (false, true, _) => (ConvoyStatus::Cancelled, ConvoyStatus::Cancelled),
            (false, false, false) => (ConvoyStatus::GateFailed, ConvoyStatus::Failed),
            (false, false, true) if done => (ConvoyStatus::HookFailed, ConvoyStatus::Failed),
            (false, false, true) => (ConvoyStatus::Failed, ConvoyStatus::Failed),
        };
        assert_eq!((status.0.status, status.1, status.0.totals), (expected.0, expected.1, totals));
        let wanted = self.state.plan().spec().guard.enabled;
        assert_eq!(self.guarded.is_some(), wanted, "the guard looked");
        for (attempt, seen) in &self.attempts {
            assert_eq!(seen.agent_ended, 1, "every start has one result: {attempt:?} {seen:?}");
        }
        for ix in self.state.plan().indices() {
            self.task_at_end(ix);
        }
    }

    fn task_at_end(&self, ix: TaskIx) {
        let task = self.state.task(ix);
        let newest = format!(".{}", task.attempts);
        let again = format!("{newest}-");
        let of_newest = |id: &str| id.ends_with(&newest) || id.contains(&again);
        let letter = task.dead_letter.as_ref().is_some_and(|(id, _)| of_newest(id));
        let dispute = task.review.dispute.as_ref().is_some_and(|(id, _)| id.ends_with(&newest));
        assert!(task.taken.is_empty(), "what was taken counts, or is gone");
        assert!(task.artifacts.len() <= self.state.plan().spec_of(ix).outputs.len());
        match &task.stage {
            Stage::Done => assert!(task.no_changes || task.commit.is_some()),
            Stage::Failed { status: TaskStatus::Disputed } => {
                assert!(dispute && !letter, "a disputed task has its entry, and no dead letter");
                assert!(task.review.blocked_panels >= 3, "three panels blocked it");
            }
            Stage::Failed { .. } => {
                let kind = task.failure.as_ref().map(|failure| &failure.kind);
                // One that a person took up again may end before another attempt is made.
                let untried = kind.is_some_and(|kind| {
                    kind.breaks_adapter()
                        || matches!(kind, FailureKind::ApprovalRefused | FailureKind::MissingInput)
                });
                assert!(!dispute || untried, "only three blocked panels make a dispute");
                let wanted = self.state.plan().spec_of(ix).on_exhausted != OnExhausted::Skip;
                assert_eq!(letter, wanted, "a given up task has a dead letter");
                assert_eq!(task.letter_due, !wanted);
                assert!(task.failure.is_some());
            }
            Stage::Skipped { because: Some(root), .. } => {
                let lost = self.state.task(*root).stage.kind() != StageKind::Done;
                assert!(lost || self.state.unmet(ix).next().is_some(), "a skip has a cause");
            }
            _ => {}
        }
        // Only a person who has a finished task done again can leave it behind its dependants.
        let lost = self.state.unmet(ix).next().filter(|_| !self.retried);
        let ran = matches!(task.stage, Stage::Done | Stage::Failed { .. });
        assert!(lost.is_none() || !ran, "{ix:?} ran without {lost:?}");
    }

    /// What holds after a whole turn.
    pub(super) fn turn(&self, live: &RunState, open: &[Open], now: Timestamp) {
        assert_eq!(&self.state, live, "the recorded events say what the live state says");
        let shown = view(live);
        assert_eq!(shown.tasks.len(), self.state.plan().len());
        let open_tasks = shown.tasks.iter().filter(|task| !task.status.is_final()).count();
        assert_eq!(shown.totals.open as usize, open_tasks);
        self.working(open);
        self.under_way(open);
        if !live.is_interrupting() {
            self.nothing_idles(open, now);
        }
    }

    /// The statuses of all tasks in file order.
    pub(crate) fn statuses(&self) -> Vec<TaskStatus> {
        self.state.plan().indices().map(|ix| self.state.task(ix).stage.status()).collect()
    }
}
