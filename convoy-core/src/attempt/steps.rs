//! The steps of an attempt: one after the other in one worktree and, where the adapter can, one session.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::call::{Ask, Called, Desk, call, killed};
use super::context::Context;
use super::prompt::{StepPrompt, render_step};
use super::setup::ShellRun;
use super::work::{ChosenSession, Observer, WorkRequest, Worked, attempt_prompt, millis, send};
use crate::agent::{AgentOutcome, AgentReport};
use crate::gate::GateOutcome;
use crate::spec::{Condition, OnStepFailure, Step, Task};
use crate::types::{Failure, FailureKind, SessionId, StepStatus, Usage};

/// A step about to be worked on.
#[derive(Debug, Clone)]
pub struct StepStart {
    /// Its id, else its number, from 1.
    pub step: String,
    /// Its position, from 0.
    pub index: u32,
    /// How many steps the task has.
    pub of: u32,
    /// Which retry of the step it is.
    pub retry: u32,
    /// `fresh`, `continued`, or `fresh: ` and why.
    pub session: String,
    /// What failed at the try before.
    pub failure: Option<Failure>,
}

/// A step that is over, or was skipped.
#[derive(Debug, Clone)]
pub struct StepEnd {
    /// Its id, else its number, from 1.
    pub step: String,
    /// Its position, from 0.
    pub index: u32,
    /// How it ended.
    pub status: StepStatus,
    /// The exit code that conditions of later steps see.
    pub exit_code: i32,
    /// Retries of the step that were used.
    pub retries: u32,
    /// How long its agent ran.
    pub duration_ms: u64,
    /// What failed.
    pub failure: Option<Failure>,
}

/// What the steps of an attempt need to go on.
pub(super) struct Steps<'a> {
    context: &'a Context,
    request: &'a WorkRequest,
    desk: &'a Desk,
    cancel: &'a CancellationToken,
    /// The session to continue, and what is said of it.
    session: Option<SessionId>,
    session_note: String,
    task: &'a Task,
    /// The step that was asked first, led by the task's prompt.
    led: Option<u32>,
    /// Running time of all agents so far.
    spent: Duration,
    usage: Usage,
    /// Exit codes of the steps before, by id.
    codes: HashMap<&'a str, i32>,
    /// The newest report of an agent.
    last: Option<AgentReport>,
    killed: Option<String>,
}

/// How a step ended that was not skipped.
enum Over {
    Passed,
    Failed(Failure),
    /// The whole attempt was stopped.
    Stopped,
}

impl<'a> Steps<'a> {
    pub(super) fn new(
        context: &'a Context,
        request: &'a WorkRequest,
        desk: &'a Desk,
        (session, session_note): ChosenSession,
        cancel: &'a CancellationToken,
    ) -> Self {
        Self {
            context,
            request,
            desk,
            cancel,
            session,
            session_note,
            task: &desk.task,
            led: None,
            spent: Duration::ZERO,
            usage: Usage::default(),
            codes: HashMap::new(),
            last: None,
            killed: None,
        }
    }

    /// Runs them. The last one that ran decides how the attempt ends; one that fails for good ends it, unless later
    /// steps are to run all the same. Without any that ran there is nothing that failed.
    pub(super) async fn run(mut self, observer: &mut dyn Observer) -> Worked {
        let mut outcome = AgentOutcome::Succeeded;
        for (index, step) in self.task.steps.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let name = step.id.clone().unwrap_or_else(|| (u64::from(index) + 1).to_string());
            if !self.is_wanted(step.condition.as_ref()) {
                self.note(step, 0);
                observer.step_finished(StepEnd {
                    step: name,
                    index,
                    status: StepStatus::Skipped,
                    exit_code: 0,
                    retries: 0,
                    duration_ms: 0,
                    failure: None,
                });
                continue;
            }
            let over = self.one(step, index, name, observer).await;
            outcome = match over {
                Over::Passed => AgentOutcome::Succeeded,
                Over::Stopped => AgentOutcome::Cancelled,
                Over::Failed(failure) => {
                    let goes_on = self.task.on_step_failure == OnStepFailure::Continue;
                    let ends = !goes_on || ends_attempt(&failure.kind);
                    outcome = AgentOutcome::Failed(failure);
                    if ends {
                        break;
                    }
                    continue;
                }
            };
            if outcome == AgentOutcome::Cancelled {
                break;
            }
        }
        self.worked(outcome)
    }

    fn worked(self, outcome: AgentOutcome) -> Worked {
        let last = self.last.unwrap_or_else(|| AgentReport::ended(AgentOutcome::Succeeded));
        let killed = match &outcome {
            AgentOutcome::Succeeded => None,
            AgentOutcome::Failed(_) | AgentOutcome::Cancelled => self.killed,
        };
        let report = AgentReport { outcome, usage: self.usage, ..last };
        Worked { report, duration_ms: millis(self.spent), killed }
    }

    fn note(&mut self, step: &'a Step, code: i32) {
        if let Some(id) = &step.id {
            self.codes.insert(id, code);
        }
    }

    fn is_wanted(&self, condition: Option<&Condition>) -> bool {
        let Some(condition) = condition else { return true };
        let code = condition.step.as_ref().map(|id| self.codes.get(id.as_str()));
        let by_code = match (code, condition.exit_code) {
            // No earlier step is called so.
            (Some(None), _) => false,
            (Some(Some(code)), Some(wanted)) => wanted.holds(*code),
            (Some(Some(_)), None) | (None, None) => true,
            // The check of the file refuses it: an exit code of nothing.
            (None, Some(_)) => false,
        };
        by_code && condition.file_exists.as_ref().is_none_or(|path| exists_below(&self.desk.worktree, path))
    }

    /// One step, with its retries.
    async fn one(&mut self, step: &'a Step, index: u32, name: String, observer: &mut dyn Observer) -> Over {
        let (mut retries, mut before, begun) = (0, None, self.spent);
        let over = loop {
            let of = Try { step, index, name: &name, retry: retries, before: before.take() };
            match self.try_once(of, observer).await {
                Over::Failed(failure) if retries < step.max_retries && !ends_attempt(&failure.kind) => {
                    retries += 1;
                    before = Some(failure);
                }
                over => break over,
            }
        };
        let (status, exit_code, failure) = match &over {
            Over::Passed => (StepStatus::Passed, 0, None),
            Over::Failed(failure) => {
                let code = failure.exit_code.or(self.last.as_ref().and_then(|report| report.exit_code));
                (StepStatus::Failed, code.filter(|code| *code != 0).unwrap_or(1), Some(failure.clone()))
            }
            // The attempt is over, and repeated from its start.
            Over::Stopped => return over,
        };
        self.note(step, exit_code);
        let duration_ms = millis(self.spent.saturating_sub(begun));
        observer.step_finished(StepEnd {
            step: name,
            index,
            status,
            exit_code,
            retries,
            duration_ms,
            failure,
        });
        over
    }

    async fn try_once(&mut self, of: Try<'_>, observer: &mut dyn Observer) -> Over {
        let left = self.task.timeout.saturating_sub(self.spent);
        if left.is_zero() {
            let text = "the time limit of the task was used up by the steps before";
            return Over::Failed(Failure::new(FailureKind::Timeout, text));
        }
        let title = title(&of, self.task.steps.len());
        let prompt = self.prompt(&of);
        if let Err(failure) = send(self.context, self.request, &prompt, Some(&title)) {
            return Over::Failed(failure);
        }
        if self.last.is_none() {
            observer.started(self.desk.started(self.context, self.request, &prompt, &self.session_note));
        }
        observer.step_started(StepStart {
            step: of.name.to_owned(),
            index: of.index,
            of: u32::try_from(self.task.steps.len()).unwrap_or(u32::MAX),
            retry: of.retry,
            session: self.session_note.clone(),
            failure: of.before,
        });
        let session = self.session.take();
        let ask = Ask { prompt, session, timeout: left, title: Some(title) };
        let Called { report, elapsed } =
            call(self.context, self.request, self.desk, ask, self.cancel, observer).await;
        self.spent += elapsed;
        self.usage.add(&report.usage);
        self.killed = killed(&report.outcome);
        self.led.get_or_insert(of.index);
        self.next_session(&report);
        let outcome = report.outcome.clone();
        self.last = Some(report);
        match outcome {
            AgentOutcome::Succeeded => self.gates(of.step, of.name).await,
            AgentOutcome::Failed(failure) => Over::Failed(failure),
            AgentOutcome::Cancelled => Over::Stopped,
        }
    }

    fn next_session(&mut self, report: &AgentReport) {
        let (session, note) = match &report.session {
            Some(id) if self.desk.adapter.capabilities().resume => (Some(id.clone()), "continued"),
            Some(_) => (None, "fresh: the adapter cannot continue a session"),
            None => (None, "fresh: the step before left no session"),
        };
        (self.session, self.session_note) = (session, note.to_owned());
    }

    /// The first prompt that is sent is led by the task's, and so is a retry of it; what an agent knows from the
    /// session is not told again.
    fn prompt(&self, of: &Try<'_>) -> String {
        let first = self.led.is_none_or(|led| led == of.index);
        let lead = first.then(|| {
            attempt_prompt(self.context, self.request, self.desk, Some(&of.step.prompt), self.led.is_none())
        });
        let agent = self.session.is_none().then_some(self.request.agent.as_str());
        let step = StepPrompt { text: &of.step.prompt, lead, agent, before: of.before.as_ref() };
        render_step(self.task, step)
    }

    async fn gates(&self, step: &Step, name: &str) -> Over {
        if !step.gates.is_empty() {
            // The call is over: what git runs from now on is nothing that the agent chose. Its branches stay, since
            // the next step goes on with them.
            let settled =
                self.context.repository.settle_worktree(&self.desk.worktree, &self.request.base).await;
            if let Err(error) = settled {
                let doing = "cannot put right the worktree for the gates of a step";
                return Over::Failed(self.context.failure(FailureKind::Worktree, doing, &error));
            }
        }
        for gate in &step.gates {
            let run = ShellRun {
                task: self.request.task,
                attempt: self.request.attempt,
                worktree: &self.desk.worktree,
                env: &self.desk.gate_env,
                command: gate,
            };
            let (end, output) = match run.run(self.context, self.cancel).await {
                Ok((GateOutcome::Ended(end), output)) => (end, output),
                Ok((GateOutcome::Cancelled, _)) => return Over::Stopped,
                Err(failure) => return Over::Failed(failure),
            };
            if !end.passed {
                let gate = self.context.redactor.clean(gate);
                let text = format!("gate `{gate}` of step {name} did not pass: {}", end.how);
                let mut failure = Failure::new(FailureKind::Gate(gate), text);
                (failure.exit_code, failure.output_tail) = (end.exit_code, output);
                return Over::Failed(failure);
            }
        }
        Over::Passed
    }
}

/// One try at a step.
struct Try<'a> {
    step: &'a Step,
    index: u32,
    name: &'a str,
    retry: u32,
    /// What failed at the try before.
    before: Option<Failure>,
}

fn title(of: &Try<'_>, steps: usize) -> String {
    let again = if of.retry > 0 { format!(", retry {}", of.retry) } else { String::new() };
    format!("step {} of {steps}: {}{again}", u64::from(of.index) + 1, of.name)
}

/// Whether a failure cannot be helped by a further call within the attempt.
fn ends_attempt(kind: &FailureKind) -> bool {
    !kind.is_retried() || matches!(kind, FailureKind::RateLimit | FailureKind::Timeout)
}

/// Whether a path leads to something in a folder, and not out of it.
fn exists_below(root: &Path, path: &str) -> bool {
    let (Ok(root), Ok(target)) = (root.canonicalize(), root.join(path).canonicalize()) else { return false };
    target.starts_with(&root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_exists_only_below_its_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("dir")).expect("made");
        std::fs::write(root.join("dir/file"), "").expect("written");
        std::fs::write(folder.path().join("outside"), "").expect("written");
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, root.join(name)).expect("a link");
        link("dir", "in");
        link("..", "up");
        link("../outside", "out");
        link("nowhere", "broken");
        let cases = [
            ("dir", true),
            ("dir/file", true),
            ("in/file", true),
            ("missing", false),
            ("broken", false),
            ("out", false),
            ("up/outside", false),
            ("up/root/dir/file", true),
            ("../outside", false),
        ];
        for (path, wanted) in cases {
            assert_eq!(exists_below(&root, path), wanted, "{path}");
        }
    }

    #[test]
    fn only_what_another_call_may_mend_is_tried_again_within_an_attempt() {
        let again =
            [FailureKind::Error, FailureKind::Gate("x".into()), FailureKind::Idle, FailureKind::TurnLimit];
        assert!(again.iter().all(|kind| !ends_attempt(kind)));
        let over = [
            FailureKind::Timeout,
            FailureKind::RateLimit,
            FailureKind::Auth,
            FailureKind::Contract,
            FailureKind::SecretInPrompt,
        ];
        assert!(over.iter().all(ends_attempt));
    }
}
