//! Agents that are scripts.

use std::sync::Arc;
use std::time::Duration;

use convoy_core::agent::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use convoy_core::process::{COOKIE, Stream, start_time};
use convoy_core::types::{BoxFuture, Failure, FailureKind, SessionId};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::answers;
use crate::job::{Description, Shared};
use crate::steps::{Call, Ending, Telling};

pub(crate) struct Scripted {
    pub(crate) description: Description,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn asked(name: &str, request: &AgentRequest) -> Value {
    let mut env = request.env.clone();
    env.insert(COOKIE.to_owned(), request.worker.to_string());
    let mut value = json!({
        "adapter": name, "prompt": request.prompt, "cwd": request.cwd, "env": env,
        "task": request.task, "attempt": request.attempt, "worker_id": request.worker,
        "timeout_ms": millis(request.timeout), "grace_ms": millis(request.grace), "read_only": request.read_only,
    });
    let more = [
        ("model", request.model.as_ref().map(|model| json!(model))),
        ("session", request.session.as_ref().map(|session| json!(session))),
        ("idle_ms", request.idle.map(|idle| json!(millis(idle)))),
    ];
    for (name, given) in more.into_iter().filter_map(|(name, given)| Some((name, given?))) {
        value[name] = given;
    }
    value
}

/// Tells the engine.
struct Told<'a> {
    sink: &'a mut dyn AgentSink,
}

impl Telling for Told<'_> {
    fn output(&mut self, stream: Stream, text: &str) {
        self.sink.output(stream, text.as_bytes());
    }

    fn session(&mut self, id: &str) {
        self.sink.session(&SessionId::new(id).expect("scripts have valid sessions"));
    }

    fn started(&mut self) {
        let pid = std::process::id();
        self.sink.started(pid, start_time(pid));
    }
}

/// A report of what ended in time.
fn report(ending: Ending) -> AgentReport {
    match ending {
        Ending::Answer(value) => {
            answers::agent(&value).unwrap_or_else(|fault| answers::failed(fault.to_string()))
        }
        Ending::Raised(message) => answers::failed(message),
        Ending::Failed { message, kind } => {
            let kind = kind.parse().unwrap_or(FailureKind::Error);
            AgentReport::failed(Failure::new(kind, message))
        }
        Ending::Nonsense(value) => {
            answers::failed(format!("Nonsense: the answer {value} is none: it has no such outcome"))
        }
    }
}

/// Completes with the reason for which a run has to stop.
async fn must_stop(request: &AgentRequest) -> Option<Failure> {
    let end = Instant::now() + request.timeout;
    tokio::select! {
        biased;
        () = request.cancel.cancelled() => None,
        () = sleep_until(end) => Some(Failure::new(
            FailureKind::Timeout,
            format!("the agent did not end within {} s", request.timeout.as_secs_f64()),
        )),
    }
}

impl AgentAdapter for Scripted {
    fn name(&self) -> &str {
        &self.description.name
    }

    fn account(&self) -> Option<&str> {
        self.description.account.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        let has = |name: &str| self.description.capabilities.get(name) == Some(&true);
        let mut can = Capabilities::none();
        (can.resume, can.model, can.read_only) = (has("resume"), has("model"), has("read_only"));
        (can.usage, can.cost, can.mcp) = (has("usage"), has("cost"), has("mcp"));
        can
    }

    fn probe<'a>(&'a self, _context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(async { Ok(Probe::available(None)) })
    }

    fn execute<'a>(
        &'a self,
        request: AgentRequest,
        sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            if request.cancel.is_cancelled() {
                return AgentReport::ended(AgentOutcome::Cancelled);
            }
            let value = asked(self.name(), &request);
            let script = self.shared.asked("execute", Some(request.worker.as_str()), &value);
            let stop = CancellationToken::new();
            let call = Call { shared: &self.shared, kind: "execute", request: &value, stop: stop.clone() };
            let mut told = Told { sink };
            let mut work = std::pin::pin!(call.follow(&script, &mut told));
            let why = tokio::select! {
                biased;
                ending = &mut work => return report(ending),
                why = must_stop(&request) => why,
            };
            stop.cancel();
            // What it still says of itself counts; how it ended is said already.
            let known = tokio::select! {
                biased;
                Ending::Answer(value) = &mut work => report(Ending::Answer(value)),
                () = sleep(request.grace) => AgentReport::ended(AgentOutcome::Cancelled),
            };
            match why {
                Some(failure) => AgentReport { outcome: AgentOutcome::Failed(failure), ..known },
                None => known,
            }
        })
    }
}
