//! An agent in this process, and how to build an engine for a scratch repository.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};

use convoy_core::agent::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use convoy_core::engine::{Engine, EngineBuilder};
use convoy_core::types::{BoxFuture, SessionId};

use crate::ScratchRepo;

type Act = dyn Fn(AgentRequest) -> BoxFuture<'static, (AgentOutcome, String)> + Send + Sync;

/// The agent `inline`, which does what a closure says and remembers every request.
pub struct Inline {
    act: Box<Act>,
    remembers: bool,
    requests: Mutex<Vec<AgentRequest>>,
}

impl std::fmt::Debug for Inline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inline").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl Inline {
    /// An agent that does its work at once.
    pub fn new(act: impl Fn(&AgentRequest) -> AgentOutcome + Send + Sync + 'static) -> Arc<Self> {
        Self::waiting(move |request| std::future::ready(act(&request)))
    }

    /// An agent that does its work at once, and says something at the end.
    pub fn saying(
        act: impl Fn(&AgentRequest) -> (AgentOutcome, String) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let act = Box::new(move |request: AgentRequest| -> BoxFuture<'static, (AgentOutcome, String)> {
            Box::pin(std::future::ready(act(&request)))
        });
        Arc::new(Self { act, remembers: false, requests: Mutex::new(Vec::new()) })
    }

    /// An agent that may have to wait for something. It ends at once when it is cancelled.
    pub fn waiting<F>(act: impl Fn(AgentRequest) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = AgentOutcome> + Send + 'static,
    {
        let act = Box::new(move |request| -> BoxFuture<'static, (AgentOutcome, String)> {
            let done = act(request);
            Box::pin(async move { (done.await, String::new()) })
        });
        Arc::new(Self { act, remembers: false, requests: Mutex::new(Vec::new()) })
    }

    /// The same agent with sessions: what is not continued gets one of its own.
    ///
    /// # Panics
    /// When the agent is in use already.
    pub fn remembering(self: Arc<Self>) -> Arc<Self> {
        let agent = Arc::into_inner(self).expect("nobody uses it yet");
        Arc::new(Self { remembers: true, ..agent })
    }

    /// What it was asked so far, in order.
    ///
    /// # Panics
    /// When a test panicked while it held the list, which none does.
    pub fn requests(&self) -> Vec<AgentRequest> {
        self.requests.lock().expect("nobody panics while holding it").clone()
    }

    /// The prompts that end with this text, in order.
    pub fn prompts(&self, end: &str) -> Vec<String> {
        self.requests().into_iter().map(|request| request.prompt).filter(|text| text.ends_with(end)).collect()
    }
}

impl AgentAdapter for Inline {
    fn name(&self) -> &str {
        "inline"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.resume = self.remembers;
        capabilities
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
            let number = {
                let mut requests = self.requests.lock().expect("nobody panics while holding it");
                requests.push(request.clone());
                requests.len()
            };
            let cancel = request.cancel.clone();
            let own = || SessionId::new(format!("session-{number}")).ok();
            let session = request.session.clone().or_else(own).filter(|_| self.remembers);
            let (outcome, result_text) = tokio::select! {
                ended = (self.act)(request) => ended,
                () = cancel.cancelled() => (AgentOutcome::Cancelled, String::new()),
            };
            AgentReport { session, result_text, ..AgentReport::ended(outcome) }
        })
    }
}

/// The last word of a text: how the tests name a task to an [`Inline`] agent.
pub fn last_word(text: &str) -> &str {
    text.split_whitespace().next_back().unwrap_or_default()
}

/// Writes a file below a folder, with its folders.
///
/// # Panics
/// When it cannot be written.
pub fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    std::fs::write(path, text).expect("written");
}

/// The environment that an engine gets for a repository: nothing of this machine.
///
/// # Panics
/// When the temporary folder's path is no UTF-8.
pub fn host_env(repo: &ScratchRepo) -> BTreeMap<String, String> {
    let text = |value: std::ffi::OsString| value.into_string().expect("UTF-8");
    repo.environment().into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// A builder for a repository, with a hermetic environment.
pub fn engine(repo: &ScratchRepo) -> EngineBuilder {
    Engine::builder(repo.root()).env(host_env(repo))
}
