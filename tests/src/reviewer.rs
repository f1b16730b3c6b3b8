//! A reviewing agent in this process.

use std::sync::{Arc, Mutex};

use convoy_core::agent::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use convoy_core::types::{BoxFuture, Usage};
use serde_json::json;

type Answer = dyn Fn(&AgentRequest) -> String + Send + Sync;

/// The agent `critic`, which may only read, answers what a closure says, and remembers every request. Each answer
/// costs ten tokens.
pub struct Critic {
    answer: Box<Answer>,
    requests: Mutex<Vec<AgentRequest>>,
}

impl Critic {
    /// A reviewer with these answers.
    pub fn new(answer: impl Fn(&AgentRequest) -> String + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), requests: Mutex::default() })
    }

    /// What it was asked so far, in order.
    ///
    /// # Panics
    /// When a test panicked while it held the list, which none does.
    pub fn requests(&self) -> Vec<AgentRequest> {
        self.requests.lock().expect("nobody panics while holding it").clone()
    }
}

/// The answer with this verdict that a request asks for.
///
/// # Panics
/// When the request is no review.
pub fn verdict(request: &AgentRequest, verdict: &str, feedback: &str) -> String {
    let form = request.prompt.lines().rev().find_map(|line| line.strip_prefix("{\"nonce\": \""));
    let nonce = form.and_then(|rest| rest.split('"').next()).expect("the prompt asks for a verdict");
    json!({"nonce": nonce, "verdict": verdict, "feedback": feedback}).to_string()
}

impl AgentAdapter for Critic {
    fn name(&self) -> &str {
        "critic"
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::none();
        (can.read_only, can.usage) = (true, true);
        can
    }

    fn probe<'a>(&'a self, _context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(async { Ok(Probe::available(None)) })
    }

    fn execute<'a>(
        &'a self,
        request: AgentRequest,
        _sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            self.requests.lock().expect("nobody panics while holding it").push(request.clone());
            let mut report = AgentReport::ended(AgentOutcome::Succeeded);
            report.result_text = (self.answer)(&request);
            report.usage = Usage { output: Some(10), ..Usage::default() };
            report
        })
    }
}
