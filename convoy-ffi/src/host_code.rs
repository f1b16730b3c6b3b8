//! Gates, prompt sources and hooks that are code of the host.

use std::ffi::{c_char, c_void};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use convoy_core::attempt::{Answer, GateCall, HookCall, PromptCall, PromptPart};
use convoy_core::engine::EngineBuilder;
use convoy_core::spec::Task;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::callback::{Begin, Code, Table, UserData, required};
use crate::completion::{Ask, Ended, Expects, Limits, Reply};
use crate::courier::Courier;
use crate::error::convoy_error;
use crate::status::convoy_status::CONVOY_INVALID_ARGUMENT;
use crate::text;

/// A gate, a prompt source or a hook that is code of the program. Filled in by the program, all other bytes zero, and
/// copied by `convoy_engine_builder_add_gate`, `_add_prompt_source` or `_add_hook`. Its functions come as those of
/// `convoy_agent_adapter` do, and what is said there of threads holds here.
///
/// The answer of a gate and of a hook is JSON: {"outcome": "pass"} or {"outcome": "fail", "reason": TEXT} (one line, and
/// more after it where that helps; of a gate the next attempt is told). That of a prompt source: {"part": "nothing"},
/// {"part": "instructions", "text": TEXT} (the program's own words) or {"part": "data", "text": TEXT} (text from
/// elsewhere, which the agent is told to take as data); at most 1 MiB. A rejected completion has failed for the reason
/// that is given, which the events tell. Secrets in texts are redacted.
///
/// There is a time limit, the `gate_timeout` of the task, after which it has failed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct convoy_host_code {
    /// `sizeof(convoy_host_code)`.
    pub struct_size: usize,
    /// Comes back as the first argument of every function. May be used on any thread.
    pub user_data: *mut c_void,
    /// NULL, or called exactly once, as that of `convoy_agent_adapter`.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// Begins to judge, to give a text, or to run. `request` is JSON on one line, `len` bytes and a NUL, and gone when
    /// this returns: "kind" ("gate", "prompt" or "hook"), "name", "convoy_id", "worktree" (the folder) and, except for a
    /// hook at the end of a convoy, "task" (the id), "prompt" (of the task), "agent" (the role), "attempt_no" and
    /// "timeout_ms".
    /// A gate has also "base", "commit" and "tree" (object ids: what the work began with, and the work), "changed_files",
    /// "diff" (text, redacted, at most 1 MiB) and "diff_truncated" (boolean); its worktree holds the files of the work,
    /// and what it edits there is undone.
    /// A prompt source may have "feedback": what failed in the attempt before ("failure_type", "message", ...).
    /// A hook has "on" ("pre_task", "post_task" or "post_convoy"); what one of a task edits is part of the work.
    /// Later versions may add members.
    pub call: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// NULL, or says that the answer is no longer needed: the run stops, or the time is over. Comes at most once for a
    /// number, and after `call` has returned for it.
    pub cancel: Option<unsafe extern "C" fn(user_data: *mut c_void, completion_id: u64)>,
}

// SAFETY: `#[repr(C)]`, plain data for which zero is a value, and it begins with the members of the head.
unsafe impl Table for convoy_host_code {
    const FIRST_SIZE: usize = size_of::<Self>();
}

/// What the code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Gate,
    Prompt,
    Hook,
}

/// Code as it was registered; the threads for it come when an engine is built.
#[derive(Debug)]
pub(crate) struct HostPart {
    kind: Kind,
    name: String,
    code: Arc<Code>,
    call: Begin,
}

impl HostPart {
    pub(crate) fn new(
        kind: Kind,
        name: &str,
        table: &convoy_host_code,
        user_data: UserData,
    ) -> Result<Self, convoy_error> {
        let code = Arc::new(Code::new(user_data, table.cancel));
        if name.is_empty() {
            let message = "`name` is empty: pass the name that convoy files give";
            return Err(convoy_error::new(CONVOY_INVALID_ARGUMENT, message));
        }
        Ok(Self { kind, name: name.to_owned(), code, call: required(table.call, "code", "call")? })
    }

    /// Registers it, with threads for its functions.
    pub(crate) fn register(self, builder: EngineBuilder, courier: Arc<Courier>) -> EngineBuilder {
        let Self { kind, name, code, call } = self;
        let asker = Arc::new(Asker { name: name.clone(), code, call, courier });
        match kind {
            Kind::Gate => builder.gate(name, move |call| {
                let asker = asker.clone();
                async move { asker.verdict(gate_request(&call), call.stop).await }
            }),
            Kind::Hook => builder.hook(name, move |call| {
                let asker = asker.clone();
                async move { asker.verdict(hook_request(&call), call.stop).await }
            }),
            Kind::Prompt => builder.prompt(name, move |call| {
                let asker = asker.clone();
                async move { asker.part(prompt_request(&call), call.stop).await }
            }),
        }
    }
}

struct Asker {
    name: String,
    code: Arc<Code>,
    call: Begin,
    courier: Arc<Courier>,
}

impl Asker {
    async fn ask(
        &self,
        expects: Expects,
        request: Result<Value, String>,
        stop: CancellationToken,
    ) -> Result<Reply, String> {
        let mut request = request?;
        request["name"] = json!(self.name);
        let ask = Ask {
            courier: self.courier.clone(),
            code: self.code.clone(),
            step: self.call,
            expects,
            request: format!("{request}\0"),
            // The engine has the limits: it stops this, and lets go of it when the grace is over.
            limits: Limits { grace: Duration::MAX, cancel: stop, ..Limits::default() },
        };
        match ask.run(drop).await {
            Ended::Resolved(reply) => Ok(reply),
            Ended::Rejected(message) => Err(message),
            Ended::Stopped(..) | Ended::Lost => Err("the code can no longer be called".to_owned()),
        }
    }

    async fn verdict(&self, request: Result<Value, String>, stop: CancellationToken) -> Answer {
        match self.ask(Expects::Verdict, request, stop).await {
            Ok(Reply::Verdict(answer)) => answer,
            Ok(_) => Answer::fail("the code answered another question"),
            Err(reason) => Answer::Fail(reason),
        }
    }

    async fn part(
        &self,
        request: Result<Value, String>,
        stop: CancellationToken,
    ) -> Result<PromptPart, String> {
        match self.ask(Expects::Part, request, stop).await? {
            Reply::Part(part) => Ok(part),
            _ => Err("the code answered another question".to_owned()),
        }
    }
}

fn of_task(request: &mut Value, task: &Task, attempt: impl serde::Serialize) {
    request["task"] = json!(task.id);
    request["prompt"] = json!(task.prompt);
    request["agent"] = json!(task.agent);
    request["attempt_no"] = json!(attempt);
    request["timeout_ms"] = json!(u64::try_from(task.gate_timeout.as_millis()).unwrap_or(u64::MAX));
}

fn worktree(path: &Path) -> Result<&str, String> {
    text::of_path(path, "the worktree")
}

fn gate_request(call: &GateCall) -> Result<Value, String> {
    let mut request = json!({
        "kind": "gate",
        "convoy_id": call.convoy,
        "worktree": worktree(&call.worktree)?,
        "base": call.base,
        "commit": call.commit,
        "tree": call.tree,
        "changed_files": call.changed_files,
        "diff": call.diff.text,
        "diff_truncated": call.diff.truncated,
    });
    of_task(&mut request, &call.task, call.attempt);
    Ok(request)
}

fn prompt_request(call: &PromptCall) -> Result<Value, String> {
    let mut request = json!({
        "kind": "prompt",
        "convoy_id": call.convoy,
        "worktree": worktree(&call.worktree)?,
    });
    of_task(&mut request, &call.task, call.attempt);
    // The role that makes this attempt may be another than that of the task.
    request["agent"] = json!(call.agent);
    if let Some(feedback) = &call.feedback {
        request["feedback"] = json!(feedback);
    }
    Ok(request)
}

fn hook_request(call: &HookCall) -> Result<Value, String> {
    let mut request = json!({
        "kind": "hook",
        "convoy_id": call.convoy,
        "worktree": worktree(&call.worktree)?,
        "on": call.on,
    });
    if let Some((task, attempt)) = &call.task {
        of_task(&mut request, task, attempt);
    }
    Ok(request)
}
