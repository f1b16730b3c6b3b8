//! One call of an agent, its output on the way to log and watchers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::cut_off::Before;
use super::host::PromptPart;
use super::log::Log;
use super::work::{Observer, Started, WorkRequest};
use crate::agent::{AgentAdapter, AgentOutcome, AgentReport, AgentRequest, AgentSink};
use crate::clock::Stopwatch;
use crate::process::Stream;
use crate::secret::{Redactor, printable};
use crate::spec::Task;
use crate::types::{FailureKind, SessionId};

/// Where an attempt is worked on, and by whom.
pub(super) struct Desk {
    pub(super) adapter: Arc<dyn AgentAdapter>,
    /// The folder of its worktree: the slot, where worktrees are used again.
    pub(super) worktree: PathBuf,
    pub(super) slot: Option<u32>,
    /// The environment of the agent.
    pub(super) env: BTreeMap<String, String>,
    /// The environment of gates.
    pub(super) gate_env: BTreeMap<String, String>,
    /// The task, its inputs in its prompts.
    pub(super) task: Task,
    /// What it takes over from an attempt that was cut off.
    pub(super) before: Option<Before>,
    /// What the host's prompt sources add to its prompts.
    pub(super) host: Vec<(String, PromptPart)>,
}

impl Desk {
    /// How the agent is called.
    pub(super) fn started(
        &self,
        context: &Context,
        request: &WorkRequest,
        prompt: &str,
        session: &str,
    ) -> Started {
        Started {
            adapter: self.adapter.name().to_owned(),
            account: self.adapter.account().map(str::to_owned),
            model: context.plan.spec_of(request.task).model.clone(),
            worktree: context.dirs.worktree(&context.plan, request.task),
            slot: self.slot,
            prompt_bytes: prompt.len() as u64,
            session: session.to_owned(),
        }
    }
}

/// What an agent is asked.
pub(super) struct Ask {
    pub(super) prompt: String,
    pub(super) session: Option<SessionId>,
    /// The longest it may run.
    pub(super) timeout: Duration,
    /// A line before its output in the log.
    pub(super) title: Option<String>,
}

/// How it ended, and how long it ran.
pub(super) struct Called {
    pub(super) report: AgentReport,
    pub(super) elapsed: Duration,
}

/// The kind of a secret in a text that is about to be sent, in words; control characters hide none.
pub(super) fn secret_in(redactor: &Redactor, prompt: &str) -> Option<String> {
    let findings = redactor.scan(&printable(prompt));
    findings.first().map(|finding| finding.kind.to_string())
}

/// Calls the agent and waits for its end.
pub(super) async fn call(
    context: &Context,
    request: &WorkRequest,
    desk: &Desk,
    ask: Ask,
    cancel: &CancellationToken,
    observer: &mut dyn Observer,
) -> Called {
    let path = context.dirs.agent_log(&context.plan, request.task, request.attempt);
    let mut log = match Log::open(&path, &context.redactor) {
        Ok(log) => log,
        Err(error) => {
            let failure = context.failure(FailureKind::Worktree, "cannot open the log file", &error);
            return Called { report: AgentReport::failed(failure), elapsed: Duration::ZERO };
        }
    };
    if let Some(title) = &ask.title {
        log.title(title);
    }
    let mut sink = Recorder { log, observer };
    let watch = Stopwatch::start();
    let agent_request = AgentRequest {
        prompt: ask.prompt,
        cwd: desk.worktree.clone(),
        env: desk.env.clone(),
        model: context.plan.spec_of(request.task).model.clone(),
        session: ask.session,
        read_only: false,
        timeout: ask.timeout,
        idle: None,
        grace: context.grace,
        task: Some(context.plan.id(request.task).clone()),
        attempt: Some(request.attempt),
        worker: context.worker(request.task, request.attempt),
        cancel: cancel.clone(),
    };
    let report = desk.adapter.execute(agent_request, &mut sink).await;
    let elapsed = watch.elapsed();
    let (_, log_error) = sink.log.finish();
    let mut report = report.redacted(&context.redactor);
    if let (Some(error), AgentOutcome::Succeeded) = (log_error, &report.outcome) {
        let failure =
            context.failure(FailureKind::Error, "a part of the agent's log could not be written", &error);
        report.outcome = AgentOutcome::Failed(failure);
    }
    Called { report: report.after(cancel.is_cancelled()), elapsed }
}

/// Why an agent's processes were ended, when they were.
pub(super) fn killed(outcome: &AgentOutcome) -> Option<String> {
    let text = match outcome {
        AgentOutcome::Cancelled => "stopped",
        AgentOutcome::Failed(failure) if failure.kind == FailureKind::Timeout => "timeout",
        AgentOutcome::Failed(failure) if failure.kind == FailureKind::Idle => "idle",
        AgentOutcome::Failed(_) | AgentOutcome::Succeeded => return None,
    };
    Some(text.to_owned())
}

/// Passes on what an agent prints.
struct Recorder<'a> {
    log: Log,
    observer: &'a mut dyn Observer,
}

impl AgentSink for Recorder<'_> {
    fn started(&mut self, pid: u32, start_time: Option<u64>) {
        self.observer.spawned(pid, start_time.unwrap_or(0));
    }

    fn output(&mut self, _stream: Stream, chunk: &[u8]) {
        let clean = self.log.push(chunk);
        if !clean.is_empty() {
            self.observer.output(clean);
        }
    }

    fn session(&mut self, _id: &SessionId) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_hide_no_secret_from_the_last_look() {
        let redactor = Redactor::default();
        let token = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
        for text in [token.to_owned(), token.replace("abc", "abc\u{1b}[0m")] {
            assert!(secret_in(&redactor, &format!("Look with {text}")).is_some(), "{text:?}");
        }
        assert_eq!(secret_in(&redactor, "Look at \u{1b}[1mthis\u{1b}[0m"), None);
    }
}
