//! An agent in this process, and how to build an engine for a scratch repository.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use convoy_core::agent::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use convoy_core::engine::{Engine, EngineBuilder};
use convoy_core::types::BoxFuture;
use convoy_tests::ScratchRepo;

type Act = dyn Fn(&AgentRequest) -> AgentOutcome + Send + Sync;

/// An agent that does what a closure says. Remembers every request.
pub(crate) struct Inline {
    act: Box<Act>,
    pub(crate) requests: Mutex<Vec<AgentRequest>>,
}

impl Inline {
    pub(crate) fn new(act: impl Fn(&AgentRequest) -> AgentOutcome + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { act: Box::new(act), requests: Mutex::new(Vec::new()) })
    }
}

impl AgentAdapter for Inline {
    fn name(&self) -> &str {
        "inline"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
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
            let outcome = (self.act)(&request);
            self.requests.lock().expect("no test panics while holding it").push(request);
            AgentReport::ended(outcome)
        })
    }
}

/// Writes a file below a folder.
pub(crate) fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    std::fs::write(path, text).expect("written");
}

/// A builder for a repository, with a hermetic environment.
pub(crate) fn engine(repo: &ScratchRepo, agent: Arc<Inline>) -> EngineBuilder {
    let env: BTreeMap<String, String> = repo
        .environment()
        .into_iter()
        .map(|(name, value)| (name.into_string().expect("UTF-8"), value.into_string().expect("UTF-8")))
        .collect();
    Engine::builder(repo.root()).env(env).adapter(agent)
}
