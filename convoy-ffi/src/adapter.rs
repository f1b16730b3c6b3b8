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

use crate::callback::{Begin, Code, Table, UserData, required};
use crate::completion::{Ask, Ended, Expects, Limits, Live, Reply, Why};
use crate::courier::Courier;
use crate::error::convoy_error;
use crate::json;
use crate::status::convoy_status::CONVOY_INVALID_ARGUMENT;
use crate::text;

/// An agent that is code of the program. Filled in by the program, all other bytes zero, and copied by
/// `convoy_engine_builder_add_adapter`.
///
/// The functions come on threads of the library, several at a time (one for each agent that runs), with no lock
/// held. They should return soon: do the work on a thread or event loop of your own, and answer with
/// `convoy_completion_resolve` or `convoy_completion_reject`. One that does not return keeps a thread, and nothing
/// else waits for it; but where 512 of one engine have not returned, wake functions included, no other is called until
/// one does, and the log has a warning. They may call any function of the library. They must not throw or longjmp.
///
/// The answer of an agent is JSON: `{"outcome": "succeeded" | "failed" | "cancelled"}` ("cancelled" only when it was: an
/// agent that nobody cancelled has failed by it) and, all optional: "failure"
/// (exactly where it failed: {"message": TEXT, "failure_type": "error" (the default) | "refused" | "turn-limit" |
/// "needs-input" | "idle" | "timeout" (these may be tried again) | "rate-limit" (the task waits until "retry_at", or a
/// while) | "not-installed" | "auth" | "contract" (no task is given to this adapter any more), "output_tail": TEXT,
/// "retry_at": RFC 3339 time}; other types are the engine's, and refused), "exit_code", "session"
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
    /// complete environment, an object), "task" (the id; null where it works for the whole convoy), "attempt" (a number from
    /// 1; null there, and where it judges the work of another), "worker_id" (marks what it starts:
    /// CONVOY.TASK_INDEX.ATTEMPT for an attempt), "timeout_ms" (the longest it may run),
    /// "grace_ms" (the time to end it after that), "read_only" (boolean), and where there is one "model", "session"
    /// (to be continued) and "idle_ms" (the longest it may be silent). Later versions may add members.
    pub execute: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// NULL, or asks to end the agent soon: it was cancelled, took too long, or the engine ends. Comes at most once
    /// for a number, and after `execute` has returned for it. Answer still, with the outcome "cancelled": an answer counts as it
    /// says, so that "succeeded" of an agent that was cut off has its half of the work land. After "grace_ms" the engine waits
    /// no longer, and the agent counts as cancelled.
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
    #[serde(default, deserialize_with = "json::object")]
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

/// An adapter as it was registered; the threads for it come when an engine is built.
#[derive(Debug)]
pub(crate) struct HostAdapter {
    description: DescriptionParts,
    code: Arc<Code>,
    execute: Begin,
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
            code: Arc::new(Code::new(user_data, table.cancel)),
            execute,
        })
    }

    /// The adapter, with threads for its functions.
    pub(crate) fn with(self, courier: Arc<Courier>) -> Arc<dyn AgentAdapter> {
        Arc::new(Adapter { description: self.description, code: self.code, execute: self.execute, courier })
    }
}

struct Adapter {
    description: DescriptionParts,
    code: Arc<Code>,
    execute: Begin,
    courier: Arc<Courier>,
}

impl Adapter {
    fn request(&self, request: &AgentRequest, cwd: &str) -> String {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut env = request.env.clone();
        env.insert(COOKIE.to_owned(), request.worker.to_string());
        let mut value = json!({
            "adapter": self.description.name,
            "prompt": request.prompt,
            "cwd": cwd,
            "env": env,
            "task": request.task,
            "attempt": request.attempt,
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
            let cwd = match text::of_path(&request.cwd, "the folder to work in") {
                Ok(cwd) => cwd,
                Err(why) => return AgentReport::failed(Failure::new(FailureKind::Contract, why)),
            };
            let limits = Limits {
                timeout: Some(request.timeout),
                idle: request.idle,
                grace: request.grace,
                cancel: request.cancel.clone(),
            };
            let ask = Ask {
                courier: self.courier.clone(),
                code: self.code.clone(),
                step: self.execute,
                expects: Expects::Agent,
                request: self.request(&request, cwd),
                limits,
            };
            let mut told = None;
            let ended = ask.run(|live| match live {
                Live::Output(stream, bytes) => sink.output(stream, &bytes),
                Live::Session(session) => {
                    sink.session(&session);
                    told = Some(session);
                }
                Live::Started(pid) => sink.started(pid, start_time(pid)),
            });
            let mut report = self.report(ended.await, request.timeout);
            // One that was cut off has no more to say than that.
            report.session = report.session.or(told);
            report
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::time::Duration;

    use convoy_core::process::Stream;
    use convoy_core::types::{AttemptNo, ConvoyId, SessionId, TaskIx, WorkerId};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::completion::convoy_completion_session;
    use crate::status::convoy_status::CONVOY_OK;

    /// Tells its session, and never answers.
    unsafe extern "C" fn tell_session(_: *mut c_void, _: *const c_char, _: usize, id: u64) {
        let session = "s-7";
        // SAFETY: a constant text, and no error is wanted.
        let told =
            unsafe { convoy_completion_session(id, session.as_ptr().cast(), session.len(), ptr::null_mut()) };
        assert_eq!(told, CONVOY_OK);
    }

    /// Interrupts the agent as soon as its session is known.
    struct Interrupts(CancellationToken);

    impl AgentSink for Interrupts {
        fn started(&mut self, _: u32, _: Option<u64>) {}

        fn output(&mut self, _: Stream, _: &[u8]) {}

        fn session(&mut self, _: &SessionId) {
            self.0.cancel();
        }
    }

    #[test]
    fn a_session_that_was_told_outlives_an_interrupt_that_nobody_answers() {
        let table = convoy_agent_adapter {
            struct_size: size_of::<convoy_agent_adapter>(),
            user_data: ptr::null_mut(),
            destroy: None,
            execute: Some(tell_session),
            cancel: None,
        };
        let adapter = HostAdapter::new(r#"{"name":"x"}"#, &table, UserData::new(ptr::null_mut(), None));
        let adapter = adapter.expect("an adapter").with(Courier::spawn().expect("threads"));
        let cancel = CancellationToken::new();
        let convoy = ConvoyId::new("convoy-00000000000000000000000000").expect("an id");
        let request = AgentRequest {
            prompt: String::new(),
            cwd: "/".into(),
            env: std::collections::BTreeMap::new(),
            model: None,
            session: None,
            read_only: false,
            timeout: Duration::MAX,
            idle: None,
            grace: Duration::ZERO,
            task: None,
            attempt: None,
            worker: WorkerId::of(&convoy, TaskIx(0), AttemptNo(1)),
            cancel: cancel.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let report = runtime.block_on(adapter.execute(request, &mut Interrupts(cancel)));
        assert_eq!(report.outcome, AgentOutcome::Cancelled);
        assert_eq!(report.session.as_ref().map(SessionId::as_str), Some("s-7"));
    }
}
