//! Runs adapters on real processes that impersonate agent programs.

mod claude;
mod profile;
mod registry;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{AgentAdapter, AgentOutcome, AgentReport, AgentRequest, AgentSink};
use crate::process::Stream;
use crate::types::{AttemptNo, ConvoyId, Failure, FailureKind, SessionId, TaskIx, WorkerId};

/// What a sink heard.
#[derive(Debug, Default)]
struct Heard {
    started: usize,
    bytes: usize,
    sessions: Vec<String>,
}

impl AgentSink for Heard {
    fn started(&mut self, pid: u32, _start_time: Option<u64>) {
        assert!(pid > 1);
        self.started += 1;
    }

    fn output(&mut self, _stream: Stream, chunk: &[u8]) {
        self.bytes += chunk.len();
    }

    fn session(&mut self, id: &SessionId) {
        self.sessions.push(id.to_string());
    }
}

/// A request in a directory, with the system's programs on the path and nothing else.
fn request(cwd: &Path, index: u32) -> AgentRequest {
    let convoy = ConvoyId::from_parts(u64::from(std::process::id()), 7);
    AgentRequest {
        prompt: "Do it.".to_owned(),
        cwd: cwd.to_owned(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
        model: None,
        session: None,
        read_only: false,
        timeout: Duration::from_secs(120),
        idle: None,
        grace: Duration::from_millis(200),
        task: None,
        attempt: Some(AttemptNo(1)),
        worker: WorkerId::of(&convoy, TaskIx(index), AttemptNo(1)),
        cancel: CancellationToken::new(),
    }
}

async fn execute(adapter: &dyn AgentAdapter, request: AgentRequest) -> (AgentReport, Heard) {
    let mut heard = Heard::default();
    let report = adapter.execute(request, &mut heard).await;
    (report, heard)
}

fn failure(report: &AgentReport) -> &Failure {
    match &report.outcome {
        AgentOutcome::Failed(failure) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

fn kind(report: &AgentReport) -> Option<FailureKind> {
    match &report.outcome {
        AgentOutcome::Failed(failure) => Some(failure.kind.clone()),
        AgentOutcome::Succeeded => None,
        AgentOutcome::Cancelled => panic!("nobody cancelled"),
    }
}
