//! Agents that are code of the host.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use convoy_core::agent::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use convoy_core::process::{COOKIE, start_time};
use convoy_core::types::{BoxFuture, Failure, FailureKind};
use serde::Deserialize;
use serde_json::json;

use crate::callback::{Table, UserData, required};
use crate::completion::{Ask, Ended, Expects, Limits, Live, Plug, Reply, Why};
use crate::courier::Courier;
use crate::error::convoy_error;
use crate::json;
use crate::status::convoy_status::CONVOY_INVALID_ARGUMENT;

/// An agent that is code of the program. Filled in by the program, all other bytes zero, and copied by
/// `convoy_engine_builder_add_adapter`.
///
/// The functions come on threads of the library, several at a time (one for each agent that runs), with no lock
/// held. They should return soon: do the work on a thread or event loop of your own, and answer with
/// `convoy_completion_resolve` or `convoy_completion_reject`. One that does not return keeps a thread, and nothing
/// else waits for it. They may call any function of the library. They must not throw or longjmp.
///
/// The answer of an agent is JSON: `{"outcome": "succeeded" | "failed" | "cancelled"}` and, all optional: "failure"
/// (exactly where it failed: {"message": TEXT, "failure_type": "error" (the default) | "refused" | "turn-limit" |
/// "needs-input" | "auth" | "rate-limit" ..., "output_tail": TEXT, "retry_at": RFC 3339 time}), "exit_code", "session"
/// (to be continued a next time), "usage" ({"input", "cached_input", "cache_write", "output": tokens, "cost_usd"}; a
/// number that is not known is left out), "result_text" (the end of what the agent said; 64 KiB are kept).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct convoy_agent_adapter {
    /// `sizeof(convoy_agent_adapter)`.
    pub struct_size: usize,
    /// Comes back as the first argument of every function. May be used on any thread.
    pub user_data: *mut c_void,
    /// NULL, or called exactly once, when no other function of this structure runs or will be called any more:
    /// after the engine is freed and its runs have ended, or when the adapter was refused.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// Begins to run an agent. `request` is JSON on one line, `len` bytes and a NUL, and gone when this returns:
    /// "adapter" (the name), "prompt" (the whole text that the agent gets), "cwd" (the folder it works in, its own), "env" (its
    /// complete environment, an object), "worker_id" (marks what it starts), "timeout_ms" (the longest it may run),
    /// "grace_ms" (the time to end it after that), "read_only" (boolean), and where there is one "model", "session"
    /// (to be continued) and "idle_ms" (the longest it may be silent). Later versions may add members.
    pub execute: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// NULL, or asks to end the agent soon: it was cancelled, took too long, or the engine ends. Comes at most once
    /// for a number, and after `execute` has returned for it. Answer still, with the outcome "cancelled"; after
    /// "grace_ms" the engine waits no longer.
    pub cancel: Option<unsafe extern "C" fn(user_data: *mut c_void, completion_id: u64)>,
}

// SAFETY: `#[repr(C)]`, plain data for which zero is a value, and it begins with the members of the head.
unsafe impl Table for convoy_agent_adapter {
    const FIRST_SIZE: usize = size_of::<Self>();
}

/// What a host says of its adapter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    account: Option<String>,
    #[serde(default)]
    capabilities: CapabilitiesText,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CapabilitiesText {
    resume: bool,
    model: bool,
    read_only: bool,
    usage: bool,
    cost: bool,
    mcp: bool,
}

/// The functions.
#[derive(Debug)]
struct Functions {
    user_data: UserData,
    execute: unsafe extern "C" fn(*mut c_void, *const c_char, usize, u64),
    cancel: Option<unsafe extern "C" fn(*mut c_void, u64)>,
}

impl Plug for Functions {
    fn begin(&self, _expects: &Expects, request: &str, id: u64) {
        // The NUL is for C readers; it is not part of the text.
        let len = request.len().saturating_sub(1);
        // SAFETY: the host gave the function for this data, which is not destroyed as long as `self` lives; the
        // request is readable during the call.
        unsafe { (self.execute)(self.user_data.get(), request.as_ptr().cast(), len, id) }
    }

    fn cancel(&self, id: u64) {
        if let Some(cancel) = self.cancel {
            // SAFETY: as above.
            unsafe { cancel(self.user_data.get(), id) }
        }
    }
}

/// An adapter as it was registered; the threads for it come when an engine is built.
#[derive(Debug)]
pub(crate) struct HostAdapter {
    description: DescriptionParts,
    functions: Functions,
}

#[derive(Debug)]
struct DescriptionParts {
    name: String,
    account: Option<String>,
    capabilities: Capabilities,
}

impl HostAdapter {
    pub(crate) fn new(
        description: &str,
        table: &convoy_agent_adapter,
        user_data: UserData,
    ) -> Result<Self, convoy_error> {
        let execute = required(table.execute, "adapter", "execute")?;
        let Description { name, account, capabilities: given } = json::read(description, "description")?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(allowed) {
            let message = format!(
                "the adapter name {name:?} is not possible: use lower-case letters, digits, `-`, `_` and `.`"
            );
            return Err(convoy_error::new(CONVOY_INVALID_ARGUMENT, message));
        }
        let mut capabilities = Capabilities::none();
        capabilities.resume = given.resume;
        capabilities.model = given.model;
        capabilities.read_only = given.read_only;
        capabilities.usage = given.usage;
        capabilities.cost = given.cost;
        capabilities.mcp = given.mcp;
        Ok(Self {
            description: DescriptionParts { name, account, capabilities },
            functions: Functions { user_data, execute, cancel: table.cancel },
        })
    }

    /// The adapter, with threads for its functions.
    pub(crate) fn with(self, courier: Arc<Courier>) -> Arc<dyn AgentAdapter> {
        Arc::new(Adapter { description: self.description, functions: Arc::new(self.functions), courier })
    }
}

struct Adapter {
    description: DescriptionParts,
    functions: Arc<Functions>,
    courier: Arc<Courier>,
}

impl Adapter {
    fn request(&self, request: &AgentRequest) -> String {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut env = request.env.clone();
        env.insert(COOKIE.to_owned(), request.worker.to_string());
        let mut value = json!({
            "adapter": self.description.name,
            "prompt": request.prompt,
            "cwd": request.cwd,
            "env": env,
            "worker_id": request.worker,
            "timeout_ms": millis(request.timeout),
            "grace_ms": millis(request.grace),
            "read_only": request.read_only,
        });
        if let Some(model) = &request.model {
            value["model"] = json!(model);
        }
        if let Some(session) = &request.session {
            value["session"] = json!(session);
        }
        if let Some(idle) = request.idle {
            value["idle_ms"] = json!(millis(idle));
        }
        format!("{value}\0")
    }

    /// Why the adapter cannot do this, if so.
    fn refuses(&self, request: &AgentRequest) -> Option<AgentReport> {
        let can = self.description.capabilities;
        let asked = [
            (request.session.is_some() && !can.resume, "continue a session"),
            (request.model.is_some() && !can.model, "choose a model"),
            (request.read_only && !can.read_only, "run read-only"),
        ];
        let (_, what) = asked.iter().find(|(refused, _)| *refused)?;
        let message = format!("adapter {} cannot {what}", self.description.name);
        Some(AgentReport::failed(Failure::new(FailureKind::Contract, message)))
    }

    fn report(&self, ended: Ended, timeout: std::time::Duration) -> AgentReport {
        let failed = |kind, message: String| AgentReport::failed(Failure::new(kind, message));
        let name = &self.description.name;
        match ended {
            Ended::Resolved(Reply::Agent(report)) => report,
            Ended::Rejected(message) => failed(FailureKind::Error, message),
            Ended::Stopped(why, reply) => {
                let known = match reply {
                    Some(Reply::Agent(report)) => report,
                    _ => AgentReport::ended(AgentOutcome::Cancelled),
                };
                let outcome = match why {
                    Why::Cancelled => return known,
                    Why::Timeout => Failure::new(
                        FailureKind::Timeout,
                        format!("the agent did not end within {} s", timeout.as_secs_f64()),
                    ),
                    Why::Idle => Failure::new(FailureKind::Idle, "the agent was silent for too long"),
                };
                AgentReport { outcome: AgentOutcome::Failed(outcome), ..known }
            }
            Ended::Lost | Ended::Resolved(_) => {
                failed(FailureKind::Error, format!("adapter {name} can no longer be called"))
            }
        }
    }
}

impl AgentAdapter for Adapter {
    fn name(&self) -> &str {
        &self.description.name
    }

    fn account(&self) -> Option<&str> {
        self.description.account.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        self.description.capabilities
    }

    /// Code of the program is there.
    fn probe<'a>(&'a self, _context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(async { Ok(Probe::available(None)) })
    }

    fn execute<'a>(
        &'a self,
        request: AgentRequest,
        sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            if let Some(refusal) = self.refuses(&request) {
                return refusal;
            }
            let limits = Limits {
                timeout: Some(request.timeout),
                idle: request.idle,
                grace: request.grace,
                cancel: request.cancel.clone(),
            };
            let ask = Ask {
                courier: self.courier.clone(),
                plug: self.functions.clone(),
                expects: Expects::Agent,
                request: self.request(&request),
                limits,
            };
            let ended = ask.run(|live| match live {
                Live::Output(stream, bytes) => sink.output(stream, &bytes),
                Live::Session(session) => sink.session(&session),
                Live::Started(pid) => sink.started(pid, start_time(pid)),
            });
            self.report(ended.await, request.timeout)
        })
    }
}
