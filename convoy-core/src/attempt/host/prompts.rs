//! What the host's prompt sources add to a prompt.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::calls::{PromptCall, PromptPart};
use super::run::{Ended, ask};
use crate::attempt::context::Context;
use crate::attempt::work::WorkRequest;
use crate::types::{Failure, FailureKind};

/// The longest text of one source, in bytes.
const MOST: usize = 1024 * 1024;

/// Asks the prompt sources of a task, one after the other, each within the task's `gate_timeout`. Gives what they add,
/// under their names.
pub(in crate::attempt) async fn prompt_parts(
    context: &Context,
    request: &WorkRequest,
    worktree: &Path,
    cancel: &CancellationToken,
) -> Result<Vec<(String, PromptPart)>, Failure> {
    let task = context.plan.spec_of(request.task);
    let mut parts = Vec::new();
    for name in &task.host_prompts {
        let call = |stop| PromptCall {
            convoy: context.convoy.clone(),
            task: task.clone(),
            attempt: request.attempt,
            agent: request.agent.clone(),
            worktree: worktree.to_owned(),
            feedback: request.feedback.clone(),
            stop,
        };
        let ended = match context.host.find_prompt(name) {
            Some(code) => ask(code, call, task.gate_timeout, context.grace, cancel).await,
            None => {
                let text = "the program that runs the convoy has registered no prompt source of this name";
                Ended::Answered(Err(text.to_owned()))
            }
        };
        let why = match ended {
            Ended::Answered(Ok(part)) => match size(&part) {
                0 => continue,
                1..=MOST => {
                    parts.push((name.clone(), part));
                    continue;
                }
                size => format!("it gave {size} bytes, and may give {MOST}"),
            },
            Ended::Answered(Err(reason)) => reason,
            Ended::Panicked(text) => format!("its code panicked: {text}"),
            Ended::TimedOut => format!("ended by its limit of {} s", task.gate_timeout.as_secs()),
            Ended::Stopped => "stopped".to_owned(),
        };
        return Err(failure(context, name, &why));
    }
    Ok(parts)
}

fn size(part: &PromptPart) -> usize {
    match part {
        PromptPart::Nothing => 0,
        PromptPart::Instructions(text) | PromptPart::Data(text) => text.len(),
    }
}

fn failure(context: &Context, name: &str, why: &str) -> Failure {
    let (line, more) = why.trim().split_once('\n').unwrap_or((why.trim(), ""));
    let line = super::run::short(line);
    let text = format!("prompt source `{name}` gave no text: {line}");
    let clean = |text: &str| context.redactor.clean(text);
    let output_tail = crate::attempt::last_bytes(clean(more), 4096);
    Failure { output_tail, ..Failure::new(FailureKind::Error, clean(&text)) }
}
