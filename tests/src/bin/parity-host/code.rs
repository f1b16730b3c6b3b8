//! Gates, prompt sources and hooks that are scripts.

use std::sync::Arc;

use convoy_core::attempt::{Answer, GateCall, HookCall, PromptCall, PromptPart};
use convoy_core::engine::EngineBuilder;
use convoy_core::spec::Task;
use convoy_core::types::AttemptNo;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::adapter::millis;
use crate::answers;
use crate::job::{Job, Shared};
use crate::steps::{Call, Ending, Silent};

/// Registers what a job names.
pub(crate) fn register(mut builder: EngineBuilder, job: &Job, shared: &Arc<Shared>) -> EngineBuilder {
    for name in &job.gates {
        let code = Code { name: name.clone(), shared: shared.clone() };
        builder = builder.gate(name, move |call| {
            let code = code.clone();
            async move { code.verdict("gate", gate(&call), call.stop).await }
        });
    }
    for name in &job.prompts {
        let code = Code { name: name.clone(), shared: shared.clone() };
        builder = builder.prompt(name, move |call| {
            let code = code.clone();
            async move { code.part(prompt(&call), call.stop).await }
        });
    }
    for name in &job.hooks {
        let code = Code { name: name.clone(), shared: shared.clone() };
        builder = builder.hook(name, move |call| {
            let code = code.clone();
            async move { code.verdict("hook", hook(&call), call.stop).await }
        });
    }
    builder
}

#[derive(Clone)]
struct Code {
    name: String,
    shared: Arc<Shared>,
}

impl Code {
    async fn ask(&self, kind: &str, mut request: Value, stop: CancellationToken) -> Ending {
        request["kind"] = json!(kind);
        request["name"] = json!(self.name);
        let script = self.shared.asked(kind, None, &request);
        let call = Call { shared: &self.shared, kind, request: &request, stop };
        call.follow(&script, &mut Silent).await
    }

    async fn verdict(&self, kind: &str, request: Value, stop: CancellationToken) -> Answer {
        match self.ask(kind, request, stop).await {
            Ending::Answer(value) => {
                answers::verdict(&value).unwrap_or_else(|fault| Answer::Fail(fault.to_string()))
            }
            Ending::Raised(message) | Ending::Failed { message, .. } => Answer::Fail(message),
            Ending::Nonsense(value) => Answer::Fail(no_answer(&value)),
        }
    }

    async fn part(&self, request: Value, stop: CancellationToken) -> Result<PromptPart, String> {
        match self.ask("prompt", request, stop).await {
            Ending::Answer(value) => answers::part(&value).map_err(|fault| fault.to_string()),
            Ending::Raised(message) | Ending::Failed { message, .. } => Err(message),
            Ending::Nonsense(value) => Err(no_answer(&value)),
        }
    }
}

fn no_answer(value: &Value) -> String {
    format!("Nonsense: the answer {value} is none: it has no such outcome")
}

fn of_task(mut request: Value, task: &Task, attempt: AttemptNo, agent: &str) -> Value {
    request["task"] = json!(task.id);
    request["prompt"] = json!(task.prompt);
    request["agent"] = json!(agent);
    request["attempt_no"] = json!(attempt);
    request["timeout_ms"] = json!(millis(task.gate_timeout));
    request
}

fn gate(call: &GateCall) -> Value {
    let request = json!({
        "convoy_id": call.convoy, "worktree": call.worktree, "base": call.base, "commit": call.commit,
        "tree": call.tree, "changed_files": call.changed_files, "diff": call.diff.text,
        "diff_truncated": call.diff.truncated,
    });
    of_task(request, &call.task, call.attempt, &call.task.agent)
}

fn prompt(call: &PromptCall) -> Value {
    let mut request = json!({ "convoy_id": call.convoy, "worktree": call.worktree });
    if let Some(feedback) = &call.feedback {
        request["feedback"] = json!(feedback);
    }
    of_task(request, &call.task, call.attempt, &call.agent)
}

fn hook(call: &HookCall) -> Value {
    let request = json!({ "convoy_id": call.convoy, "worktree": call.worktree, "on": call.on });
    match &call.task {
        Some((task, attempt)) => of_task(request, task, *attempt, &task.agent),
        None => request,
    }
}
