//! From how a program ended and what it said to a report.

use super::adapter::{AgentOutcome, AgentReport, AgentRequest};
use super::dialect::{Reader, last_bytes};
use crate::process::{Exit, ProcessError, Status, Stopped};
use crate::types::{Failure, FailureKind};

/// How much of the output of a failed program is kept with the failure.
const OUTPUT_TAIL: usize = 4 * 1024;

/// The report of a program that ended. `errors` is the end of its error output.
///
/// Success needs all of: the document that ends the run was seen, where the program has one; no
/// failure was declared; exit code 0, or ended by us because it did not exit after that document.
pub(super) fn report(
    name: &str,
    request: &AgentRequest,
    exit: &Exit,
    reader: Reader,
    errors: &str,
) -> AgentReport {
    let text = reader.text();
    // Where there is no error output, the program may have explained itself in plain text.
    let said = if errors.trim().is_empty() { &text } else { errors };
    let outcome = outcome(name, request, exit, &reader, said);
    let exit_code = match exit.status {
        Status::Code(code) => Some(code),
        Status::Signal(_) => None,
    };
    let outcome = match outcome {
        AgentOutcome::Failed(mut failure) => {
            failure.exit_code = exit_code;
            failure.output_tail = last_bytes(said, OUTPUT_TAIL).to_owned();
            AgentOutcome::Failed(failure)
        }
        other => other,
    };
    let facts = reader.facts;
    AgentReport {
        outcome,
        exit_code,
        session: facts.session,
        usage: facts.usage,
        result_text: facts.result.unwrap_or(text),
    }
}

fn outcome(name: &str, request: &AgentRequest, exit: &Exit, reader: &Reader, said: &str) -> AgentOutcome {
    let (facts, dialect) = (&reader.facts, reader.dialect());
    if !facts.finished {
        match exit.stopped {
            Some(Stopped::Cancelled) => return AgentOutcome::Cancelled,
            Some(Stopped::Deadline) => {
                let message = format!("{name} was ended at its time limit of {}", seconds(request.timeout));
                return failed(FailureKind::Timeout, message);
            }
            Some(Stopped::Idle) => {
                let idle = seconds(request.idle.unwrap_or_default());
                return failed(
                    FailureKind::Idle,
                    format!("{name} was ended because it printed nothing for {idle}"),
                );
            }
            Some(Stopped::AfterEnd) | None => {}
        }
    }
    if let Some(failure) = &facts.failure {
        return AgentOutcome::Failed(failure.clone());
    }
    if exit.stopped.is_none() && exit.status != Status::Code(0) {
        return dialect.explain(exit.status, said).map_or_else(
            || failed(FailureKind::Error, format!("{name} ended with {}", exit.status)),
            AgentOutcome::Failed,
        );
    }
    if dialect.needs_end() && !facts.finished {
        let message = format!("{name} ended without the message that says it is finished");
        let message = reader.left_out().map_or(message.clone(), |left_out| format!("{message}; {left_out}"));
        let explained = dialect.explain(exit.status, said);
        return explained.map_or_else(|| failed(FailureKind::Error, message), AgentOutcome::Failed);
    }
    AgentOutcome::Succeeded
}

/// The report of a program that could not be started or followed.
pub(super) fn not_run(name: &str, error: &ProcessError) -> AgentReport {
    let kind = match error {
        ProcessError::NotStarted { .. } => return AgentReport::ended(AgentOutcome::Cancelled),
        ProcessError::NotFound { .. }
        | ProcessError::NotExecutable { .. }
        | ProcessError::NoInterpreter { .. }
        | ProcessError::BadFormat { .. } => FailureKind::NotInstalled,
        // A prompt that is too long for an argument says nothing about other tasks.
        _ => FailureKind::Error,
    };
    AgentReport::failed(Failure::new(kind, format!("adapter {name}: {error}")))
}

fn failed(kind: FailureKind, message: String) -> AgentOutcome {
    AgentOutcome::Failed(Failure::new(kind, message))
}

fn seconds(duration: std::time::Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (seconds, 0) if seconds > 0 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        (seconds, 0) => format!("{seconds} s"),
        _ => format!("{} ms", duration.as_millis()),
    }
}
