//! Agents that tell something while they work.

use std::sync::Arc;

use convoy_core::agent::{
    AgentAdapter, AgentError, AgentReport, AgentRequest, AgentSink, Capabilities, Probe, ProbeContext,
};
use convoy_core::types::BoxFuture;

/// What such an agent does.
pub(crate) trait Tells: Send + Sync {
    fn work<'a>(&'a self, request: AgentRequest, sink: &'a mut dyn AgentSink) -> BoxFuture<'a, AgentReport>;
}

/// An adapter of the name `inline`.
pub(crate) struct Telling<T>(T);

impl<T: Tells> Telling<T> {
    pub(crate) fn new(agent: T) -> Arc<Self> {
        Arc::new(Self(agent))
    }
}

impl<T: Tells> AgentAdapter for Telling<T> {
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
        sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport> {
        self.0.work(request, sink)
    }
}
