//! The built-in reviewer: an agent that may only read.

use std::sync::Arc;
use std::time::Duration;

use super::answer;
use super::prompt::{again, question};
use super::runner::{ReviewLog, ReviewReport, ReviewRequest, ReviewRunner, Verdict};
use crate::agent::{AgentAdapter, AgentOutcome, AgentReport, AgentRequest, AgentSink};
use crate::clock::Stopwatch;
use crate::process::Stream;
use crate::types::{BoxFuture, SessionId, Usage};

/// Most bytes of a diff that a reviewer is shown.
const MAX_DIFF: usize = 256 * 1024;

/// Lets an agent review. The agent works in the checkout of the base and may only read, which its program must be
/// able to enforce: an adapter without [`Capabilities::read_only`](crate::agent::Capabilities::read_only) reviews
/// nothing. Its verdict is the last JSON object in its answer that carries the request's nonce; an answer without
/// one is asked for once more.
pub struct AgentReviewer {
    adapter: Arc<dyn AgentAdapter>,
    model: Option<String>,
    grace: Duration,
}

impl std::fmt::Debug for AgentReviewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentReviewer")
            .field("adapter", &self.adapter.name())
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl AgentReviewer {
    /// A reviewer that runs agents of this adapter, with this model or the program's own choice. `grace` is the
    /// time between asking an agent to end and killing it.
    pub fn new(adapter: Arc<dyn AgentAdapter>, model: Option<String>, grace: Duration) -> Self {
        Self { adapter, model, grace }
    }

    async fn judge(&self, request: &ReviewRequest, usage: &mut Usage) -> Verdict {
        match self.judged(request, usage).await {
            Ok(verdict) => verdict,
            Err(reason) => Verdict::CouldNot(reason),
        }
    }

    async fn judged(&self, request: &ReviewRequest, usage: &mut Usage) -> Result<Verdict, String> {
        self.can_review()?;
        let watch = Stopwatch::start();
        let paths = request.diff.paths().await.map_err(|error| error.to_string())?;
        let diff = request.diff.text(MAX_DIFF).await.map_err(|error| error.to_string())?;
        let whole = question(request, &paths, &diff);
        let first = self.ask(request, whole.clone(), None, &watch, usage).await?;
        let trouble = match answer::read(&first.result_text, &request.nonce) {
            Ok(verdict) => return Ok(verdict),
            Err(trouble) => trouble,
        };
        let session = first.session.filter(|_| self.adapter.capabilities().resume);
        let again = again(&request.nonce, &trouble);
        // Who does not remember the first answer needs the whole question, and hears what was wrong, too.
        let prompt = if session.is_some() { again } else { format!("{whole}\n\n{again}") };
        let second = self.ask(request, prompt, session, &watch, usage).await?;
        answer::read(&second.result_text, &request.nonce)
            .map_err(|trouble| format!("the answer of the reviewer cannot be read, asked twice: {trouble}; what it printed is in its log"))
    }

    /// Looks whether the adapter can review at all.
    ///
    /// # Errors
    /// What it cannot do, and what the person can change.
    pub fn can_review(&self) -> Result<(), String> {
        let (name, can) = (self.adapter.name(), self.adapter.capabilities());
        if !can.read_only {
            return Err(format!(
                "adapter {name} cannot be kept from writing, so it cannot review: name another adapter in \
                 `reviewer_adapter`, add `read_only` to its profile (of one that is code of the host: to its \
                 capabilities), or give the engine a review runner"
            ));
        }
        if self.model.is_some() && !can.model {
            return Err(format!(
                "adapter {name} cannot be given a model: remove `reviewer_model`, or add `model` to its profile"
            ));
        }
        Ok(())
    }

    /// Runs the agent once and adds what that cost.
    async fn ask(
        &self,
        request: &ReviewRequest,
        prompt: String,
        session: Option<SessionId>,
        watch: &Stopwatch,
        usage: &mut Usage,
    ) -> Result<AgentReport, String> {
        let timeout = request.timeout.saturating_sub(watch.elapsed());
        if timeout.is_zero() {
            return Err(format!(
                "the reviewer had no answer within its limit of {} s",
                request.timeout.as_secs()
            ));
        }
        let agent_request = AgentRequest {
            prompt,
            cwd: request.checkout.clone(),
            env: request.env.clone(),
            model: self.model.clone(),
            session,
            read_only: true,
            timeout,
            idle: None,
            grace: self.grace,
            task: Some(request.task.clone()),
            attempt: None,
            worker: request.worker.clone(),
            cancel: request.cancel.clone(),
        };
        let report = self.adapter.execute(agent_request, &mut ToLog(&*request.log)).await;
        let report = report.after(request.cancel.is_cancelled());
        usage.add(&report.usage);
        match report.outcome {
            AgentOutcome::Succeeded => Ok(report),
            AgentOutcome::Failed(failure) => {
                Err(format!("the reviewer failed ({}): {}", failure.kind, failure.message))
            }
            AgentOutcome::Cancelled => Err("the review was stopped".to_owned()),
        }
    }
}

impl ReviewRunner for AgentReviewer {
    fn name(&self) -> &str {
        self.adapter.name()
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn review<'a>(&'a self, request: ReviewRequest) -> BoxFuture<'a, ReviewReport> {
        Box::pin(async move {
            let mut usage = Usage::default();
            let verdict = self.judge(&request, &mut usage).await;
            ReviewReport { verdict, usage }
        })
    }
}

struct ToLog<'a>(&'a dyn ReviewLog);

impl AgentSink for ToLog<'_> {
    fn started(&mut self, _pid: u32, _start_time: Option<u64>) {}

    fn output(&mut self, _stream: Stream, chunk: &[u8]) {
        self.0.output(chunk);
    }

    fn session(&mut self, _id: &SessionId) {}
}
