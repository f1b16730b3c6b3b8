//! How far the end of a convoy is.

use serde::Serialize;

use super::guard::GuardView;
use super::run::RunState;
use super::stage::Stage;
use crate::event::ConvoyEvent;
use crate::types::{ConvoyStatus, Oid, TaskIx, TaskStatus, Usage};

/// How far the end of a convoy is, since it was started or taken up by a retry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ending {
    /// How often the convoy's gates were run to their end; a retry does not start again from 0.
    pub rounds: u32,
    /// The round that began and of which the end is not recorded.
    pub round: Option<Round>,
    /// What the newest round said.
    pub verdict: Option<Verdict>,
    /// How many fixing tasks were added.
    pub fixes: u32,
    /// The newest of them.
    pub fix: Option<TaskIx>,
    /// The hook that began and of which the end is not recorded.
    pub hook: Option<u32>,
    /// How many hooks have ended.
    pub hooks: u32,
    /// Those of them that failed: what people call them.
    pub failed_hooks: Vec<String>,
    /// What the guard found.
    pub guard: Option<GuardView>,
    /// Whether its findings were handed to an agent.
    pub guard_task: bool,
    /// What agents of hooks consumed, since the convoy was started.
    pub usage: Usage,
}

/// A round of the convoy's gates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Its number, from 1.
    pub number: u32,
    /// What is judged.
    pub commit: Oid,
    /// The gates that did not pass so far.
    pub failed: Vec<FailedGate>,
}

/// What a round said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What was judged.
    pub commit: Oid,
    /// Whether all gates passed.
    pub passed: bool,
    /// Those that did not.
    pub failed: Vec<FailedGate>,
}

/// A gate of the convoy that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedGate {
    /// The command.
    pub gate: String,
    /// Its exit code, where there is one.
    pub exit_code: Option<i32>,
    /// The ends of its output.
    pub output: String,
}

/// What the convoy's gates said, as `status --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatesView {
    /// Whether all passed.
    pub passed: bool,
    /// How often they were run.
    pub round: u32,
    /// The merged result that they judged.
    pub commit: Oid,
    /// Those that did not pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

/// What the end of a convoy without open tasks needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndStage {
    /// Its gates judge the merged result.
    Gates,
    /// A task is added that mends what the gates found.
    Fix,
    /// The hook at this position runs.
    Hook(u32),
    /// The guard looks at the books.
    Guard,
    /// A task is added that gets what the guard found.
    GuardTask,
    /// Nothing: it is over.
    Over,
}

impl Ending {
    /// What follows when ended work is taken up again.
    pub(super) fn retried(&self) -> Self {
        Self { rounds: self.rounds, usage: self.usage, ..Self::default() }
    }

    /// Follows an event; says whether it can happen. One that cannot changes nothing.
    pub(super) fn apply(&mut self, event: &ConvoyEvent) -> bool {
        let can = match event {
            ConvoyEvent::GatesStarted { round, .. } => *round == self.rounds + 1,
            ConvoyEvent::Gate { round, .. } | ConvoyEvent::GatesFinished { round, .. } => {
                self.round.as_ref().is_some_and(|current| current.number == *round)
            }
            ConvoyEvent::HookStarted { index, .. } => *index == self.hooks,
            ConvoyEvent::HookPassed { index, .. } | ConvoyEvent::HookFailed { index, .. } => {
                self.hook == Some(*index)
            }
            ConvoyEvent::Guard { .. } => self.guard.is_none(),
            _ => false,
        };
        if can {
            self.follow(event);
        }
        can
    }

    fn follow(&mut self, event: &ConvoyEvent) {
        match event {
            ConvoyEvent::GatesStarted { round, commit } => {
                self.round = Some(Round { number: *round, commit: commit.clone(), failed: Vec::new() });
            }
            ConvoyEvent::Gate { gate, passed: false, exit_code, output, .. } => {
                if let Some(round) = &mut self.round {
                    let (gate, output) = (gate.clone(), output.clone());
                    round.failed.push(FailedGate { gate, exit_code: *exit_code, output });
                }
            }
            ConvoyEvent::GatesFinished { round, commit, passed } => {
                self.rounds = *round;
                let failed = self.round.take().map(|round| round.failed).unwrap_or_default();
                self.verdict = Some(Verdict { commit: commit.clone(), passed: *passed, failed });
            }
            ConvoyEvent::HookStarted { index, .. } => self.hook = Some(*index),
            ConvoyEvent::HookPassed { index, usage, .. } => self.hook_ended(*index, usage),
            ConvoyEvent::HookFailed { index, usage, hook, .. } => {
                self.failed_hooks.push(hook.clone());
                self.hook_ended(*index, usage);
            }
            ConvoyEvent::Guard { passed, warnings } => {
                self.guard = Some(GuardView { passed: *passed, warnings: warnings.clone() });
            }
            _ => {}
        }
    }

    fn hook_ended(&mut self, index: u32, usage: &Usage) {
        self.hook = None;
        self.hooks = index + 1;
        self.usage.add(usage);
    }
}

impl RunState {
    /// How far the end is.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// What the end needs next, once no task is open.
    pub fn end_stage(&self) -> EndStage {
        if !self.cancelling {
            match self.verdict() {
                None if self.is_judged() => return EndStage::Gates,
                Some(verdict) if !verdict.passed && self.may_fix() => return EndStage::Fix,
                None | Some(_) => {}
            }
            if self.has_hooks_left() {
                return EndStage::Hook(self.ending.hooks);
            }
        }
        let guard = &self.plan.spec().guard;
        let wanted = guard.agent.is_some() && !self.ending.guard_task;
        match &self.ending.guard {
            None if guard.enabled => EndStage::Guard,
            Some(found) if !found.passed && wanted && self.may_add() => EndStage::GuardTask,
            None | Some(_) => EndStage::Over,
        }
    }

    fn has_hooks_left(&self) -> bool {
        (self.ending.hooks as usize) < self.plan.spec().hooks.len()
    }

    /// Whether the convoy's gates have something to judge.
    fn is_judged(&self) -> bool {
        !self.plan.spec().gates.is_empty() && self.tip != self.started.base
    }

    /// What the convoy's gates said of the merged result as it is now.
    fn verdict(&self) -> Option<&Verdict> {
        self.ending.verdict.as_ref().filter(|verdict| verdict.commit == self.tip)
    }

    /// Whether failing gates are handed to one more task. One that did not succeed is not followed by another.
    fn may_fix(&self) -> bool {
        let spec = self.plan.spec();
        let done = |ix: TaskIx| matches!(self.task(ix).stage, Stage::Done);
        self.may_add() && self.ending.fixes < spec.gate_retries && self.ending.fix.is_none_or(done)
    }

    /// Whether the engine may add tasks of its own.
    fn may_add(&self) -> bool {
        let held = self.cancelling || self.stopped_by.is_some() || self.is_budget_used_up();
        !held && self.plan.spec().task_defaults.is_some()
    }

    /// The status that the convoy has once no task is open and its end is over. A cancel that came too late to
    /// end anything leaves it done.
    pub fn final_status(&self) -> ConvoyStatus {
        let done = self.tasks.iter().all(|task| task.stage.status() == TaskStatus::Done);
        let gates = self.verdict().map(|verdict| verdict.passed);
        let gates_passed = gates.unwrap_or(!self.is_judged());
        let hooks_passed = !self.has_hooks_left() && self.ending.failed_hooks.is_empty();
        match () {
            () if done && gates_passed && hooks_passed => ConvoyStatus::Done,
            () if self.cancelling => ConvoyStatus::Cancelled,
            () if !gates_passed => ConvoyStatus::GateFailed,
            () if !done => ConvoyStatus::Failed,
            () => ConvoyStatus::HookFailed,
        }
    }

    /// What the convoy's gates said last, for people.
    pub(super) fn gates_view(&self) -> Option<GatesView> {
        let verdict = self.ending.verdict.as_ref()?;
        let failed = verdict.failed.iter().map(|gate| gate.gate.clone()).collect();
        let commit = verdict.commit.clone();
        Some(GatesView { passed: verdict.passed, round: self.ending.rounds, commit, failed })
    }

    /// What the convoy itself does now, in words, when that is not what its tasks do.
    pub(super) fn stage_in_words(&self) -> Option<String> {
        if self.ended.is_some() {
            return None;
        }
        if self.paused && self.ending.round.is_none() && self.totals().open == 0 {
            return match self.end_stage() {
                EndStage::Gates => Some("its gates run when it is unpaused".to_owned()),
                EndStage::Hook(_) => Some("its hooks run when it is unpaused".to_owned()),
                _ => None,
            };
        }
        if let Some(hook) = self.ending.hook.and_then(|index| self.plan.spec().hooks.get(index as usize)) {
            return Some(format!("running its hook {}", hook.label()));
        }
        self.ending.round.as_ref().map(|round| format!("running its gates (round {})", round.number))
    }
}
