//! The plug-in trait for agent programs, and what goes in and out of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::AgentError;
use crate::process::Stream;
use crate::secret::Redactor;
use crate::types::{AttemptNo, BoxFuture, Failure, FailureKind, SessionId, TaskId, Usage, WorkerId};

/// Runs agents of one kind. Shared by all tasks that name it, so it must hold no state of one run.
///
/// # What the caller guarantees
/// - [`execute`](Self::execute) and [`probe`](Self::probe) are polled within a tokio runtime that has
///   its time and I/O drivers enabled.
/// - The prompt of a request was scanned for secrets; its `cwd` exists and belongs to this run alone;
///   its `env` is complete.
/// - A session is passed only to the adapter and in the directory it comes from, and only if
///   [`Capabilities::resume`] is set; a model only if [`Capabilities::model`] is; `read_only` only if
///   [`Capabilities::read_only`] is.
///
/// # What an implementation guarantees
/// - When `execute` completes, nothing it started is left: no process, no thread, no open pipe. Every
///   process it starts has `CONVOY_ATTEMPT` set to the request's worker id, so that it is found even
///   when the engine is killed.
/// - It ends within the request's `timeout` plus twice its `grace`, and within twice its `grace` when
///   the request is cancelled. Dropping the future ends what it started, too.
/// - It never reads the environment, home or working directory of the host: the request is all there is.
/// - What it cannot do as asked (a session, a model or `read_only` it does not know) it refuses with a
///   failure; it never does something else instead.
/// - A number that the program did not report is absent in the report, never zero.
/// - An exit code alone is not trusted: a run that says it failed has failed.
/// - It never panics, whatever the program prints, and its memory is bounded, however much that is.
///
/// [`conformance`](super::conformance) checks what of this a test can check.
pub trait AgentAdapter: Send + Sync {
    /// The name that tasks use, in lower case. Does not change.
    fn name(&self) -> &str;

    /// The account it runs under, where several adapters use one program with different ones. Sessions
    /// and rate limits belong to adapter and account together.
    fn account(&self) -> Option<&str> {
        None
    }

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Looks whether the agent can be run at all, without running one.
    ///
    /// # Errors
    /// [`AgentError`] that says what a person must do to make it available.
    fn probe<'a>(&'a self, context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>>;

    /// Runs an agent to its end. Every way in which that can end is a report.
    fn execute<'a>(
        &'a self,
        request: AgentRequest,
        sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport>;
}

/// What an adapter can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Sessions can be continued.
    pub resume: bool,
    /// A model can be chosen.
    pub model: bool,
    /// A run that may only read can be enforced by the program itself.
    pub read_only: bool,
    /// It reports tokens.
    pub usage: bool,
    /// It reports money.
    pub cost: bool,
    /// It can be given an MCP configuration file.
    pub mcp: bool,
}

impl Capabilities {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }
}

/// What a probe needs.
#[derive(Debug, Clone)]
pub struct ProbeContext {
    /// The complete environment, as agents would get it.
    pub env: BTreeMap<String, String>,
    /// An existing directory to probe in; nothing in it is changed.
    pub cwd: PathBuf,
    /// The longest a probe may take.
    pub timeout: Duration,
    /// Ends the probe.
    pub cancel: CancellationToken,
}

/// What a probe found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// What the program says about its version, one line.
    pub version: Option<String>,
}

impl Probe {
    /// Available, with what it says about its version.
    pub fn available(version: Option<String>) -> Self {
        Self { version }
    }
}

/// One run of an agent.
#[derive(Clone)]
pub struct AgentRequest {
    /// The whole text that the agent gets.
    pub prompt: String,
    /// The directory it works in.
    pub cwd: PathBuf,
    /// Its complete environment. Variables that would make it believe it runs inside another agent, or
    /// that point git elsewhere, are taken out by the adapter.
    pub env: BTreeMap<String, String>,
    /// The model, in the program's own words; `None` = the program's default.
    pub model: Option<String>,
    /// The session to continue; `None` = a new one.
    pub session: Option<SessionId>,
    /// Whether it may only read.
    pub read_only: bool,
    /// The longest it may run.
    pub timeout: Duration,
    /// The longest it may be silent; `None` = as long as it likes.
    pub idle: Option<Duration>,
    /// The time between asking it to end and killing it.
    pub grace: Duration,
    /// The task it works for; `None` where it works for the whole convoy (a hook at its end).
    pub task: Option<TaskId>,
    /// The attempt at that task; `None` there too, and where it judges the work of one.
    pub attempt: Option<AttemptNo>,
    /// Marks everything it starts.
    pub worker: WorkerId,
    /// Ends it.
    pub cancel: CancellationToken,
}

impl std::fmt::Debug for AgentRequest {
    /// Names the variables but not their values, and the prompt's size but not its text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentRequest")
            .field("worker", &self.worker)
            .field("prompt_bytes", &self.prompt.len())
            .field("cwd", &self.cwd)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("model", &self.model)
            .field("session", &self.session)
            .field("read_only", &self.read_only)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Hears of a run while it goes on. Called on the task that runs the agent: it must not block.
pub trait AgentSink: Send {
    /// The program was started. `start_time` as in [`crate::process::start_time`]: with `pid` it names
    /// the process for good.
    fn started(&mut self, pid: u32, start_time: Option<u64>);

    /// A piece of what it prints, unredacted, cut anywhere.
    fn output(&mut self, stream: Stream, chunk: &[u8]);

    /// The session became known, or changed.
    fn session(&mut self, id: &SessionId);
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentOutcome {
    /// The agent says that it did the task. What it did is not judged here.
    Succeeded,
    /// It did not; its time limit is such a failure, too.
    Failed(Failure),
    /// The request was cancelled before the agent had finished.
    Cancelled,
}

/// What is known about a run that ended. Its texts come from the program as they are: see
/// [`redacted`](Self::redacted).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentReport {
    /// How it ended.
    pub outcome: AgentOutcome,
    /// The exit code of the program, where it had one.
    pub exit_code: Option<i32>,
    /// The session to continue a next time; `None` = start afresh.
    pub session: Option<SessionId>,
    /// What it consumed, as far as it was reported. After a run that was cut short it is what was
    /// reported until then.
    pub usage: Usage,
    /// The end of what the agent said, at most 64 KiB, for summaries.
    pub result_text: String,
}

/// Longest message of a failure, in bytes. It stands in events, in dead letters and in the next prompt.
const MOST_MESSAGE: usize = 8 * 1024;

/// Longest end of the output that a failure tells, in bytes.
const MOST_TAIL: usize = 16 * 1024;

impl AgentReport {
    /// A report of a run that never began.
    pub fn failed(failure: Failure) -> Self {
        Self::ended(AgentOutcome::Failed(failure))
    }

    /// A report of a run of which nothing but its outcome is known.
    pub fn ended(outcome: AgentOutcome) -> Self {
        Self { outcome, exit_code: None, session: None, usage: Usage::default(), result_text: String::new() }
    }

    /// What it comes to for an attempt that was asked to stop, or was not. Whoever is asked to stop may be killed by
    /// somebody else meanwhile, or fail on its way out: what it failed at is not the task. An agent that calls itself
    /// cancelled though nobody asked for that has failed: beginning anew at once would go on for ever.
    #[must_use]
    pub fn after(mut self, asked_to_stop: bool) -> Self {
        self.outcome = match self.outcome {
            AgentOutcome::Failed(_) if asked_to_stop => AgentOutcome::Cancelled,
            AgentOutcome::Cancelled if !asked_to_stop => {
                let text = "the agent ended as cancelled, though nobody had cancelled it";
                AgentOutcome::Failed(Failure::new(FailureKind::Error, text))
            }
            as_it_says => as_it_says,
        };
        self
    }

    /// The report with every text free of secrets and control characters and of a bounded length, fit to be stored and
    /// shown.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        self.result_text = redactor.clean(&self.result_text);
        if let AgentOutcome::Failed(failure) = &mut self.outcome {
            failure.message = redactor.clean_bounded(&failure.message, MOST_MESSAGE);
            failure.output_tail = redactor.clean_bounded(&failure.output_tail, MOST_TAIL);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_any_length_is_told_in_a_bounded_one() {
        let mut failure = Failure::new(FailureKind::Error, "m".repeat(10 << 20));
        failure.output_tail = "t".repeat(10 << 20);
        let report = AgentReport::failed(failure).redacted(&Redactor::default());
        let AgentOutcome::Failed(failure) = report.outcome else { panic!("failed") };
        assert!(failure.message.len() <= MOST_MESSAGE + 8 && failure.message.starts_with("mm"));
        assert!(failure.output_tail.len() <= MOST_TAIL + 8 && failure.output_tail.ends_with("[…]"));
    }

    #[test]
    fn a_redacted_report_has_no_secret_and_no_control_character_in_any_text() {
        let dirty = "x ghp_0123456789abcdefghijABCDEFGHIJ012345 \u{1b}[31mhunter2\u{7}";
        let mut failure = Failure::new(FailureKind::Error, dirty);
        failure.output_tail = dirty.to_owned();
        let mut report = AgentReport::failed(failure);
        report.result_text = dirty.to_owned();
        let report = report.redacted(&Redactor::with_values(["hunter2".to_owned()].into_iter()));
        let clean = "x [REDACTED:github-token] [REDACTED:registered]\u{fffd}";
        let AgentOutcome::Failed(failure) = report.outcome else { panic!("a failure stays one") };
        assert_eq!([&report.result_text, &failure.message, &failure.output_tail], [clean; 3]);
    }

    #[test]
    fn only_who_is_asked_to_stop_is_cancelled() {
        let failed = || AgentOutcome::Failed(Failure::new(FailureKind::Auth, "no key"));
        let cases = [
            (AgentOutcome::Succeeded, false, "succeeded"),
            (AgentOutcome::Succeeded, true, "succeeded"),
            (failed(), false, "no key"),
            (failed(), true, "cancelled"),
            (AgentOutcome::Cancelled, true, "cancelled"),
            (AgentOutcome::Cancelled, false, "the agent ended as cancelled, though nobody had cancelled it"),
        ];
        for (outcome, asked, expected) in cases {
            let case = format!("{outcome:?}, asked: {asked}");
            let came_to = match AgentReport::ended(outcome).after(asked).outcome {
                AgentOutcome::Succeeded => "succeeded".to_owned(),
                AgentOutcome::Cancelled => "cancelled".to_owned(),
                AgentOutcome::Failed(failure) => failure.message,
            };
            assert_eq!(came_to, expected, "{case}");
        }
    }
}
