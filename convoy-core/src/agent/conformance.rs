//! A suite that every [`AgentAdapter`] must pass, for the tests of those who write one.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{AgentAdapter, AgentOutcome, AgentReport, AgentRequest, AgentSink};
use crate::process::{Stream, survivors, wait_gone};
use crate::types::{AttemptNo, ConvoyId, FailureKind, SessionId, TaskIx, WorkerId};

/// What the agent behind an adapter must do for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Read the whole prompt, print it, and succeed without reporting any usage.
    Echo,
    /// End with exit code 0 and say in its output that it failed; an agent whose output is plain text
    /// ends with exit code 1.
    Fail,
    /// Never end: ignore `TERM`, print nothing more, and leave a process behind that has left its group
    /// and session.
    Hang,
}

/// Makes the adapters under test.
pub trait Subject: Send + Sync {
    /// An adapter whose agent does this.
    fn adapter(&self, act: Act) -> Arc<dyn AgentAdapter>;

    /// The environment of the agents.
    fn env(&self) -> BTreeMap<String, String>;
}

/// Runs every check; `cwd` is an empty directory.
///
/// # Panics
/// On the first promise of [`AgentAdapter`] that is not kept, naming it.
pub async fn check_all(subject: &dyn Subject, cwd: &Path) {
    a_long_prompt_arrives_whole(subject, cwd).await;
    a_declared_failure_is_a_failure(subject, cwd).await;
    the_time_limit_ends_everything(subject, cwd).await;
    cancelling_ends_everything(subject, cwd).await;
    dropping_ends_everything(subject, cwd).await;
    a_cancelled_request_starts_nothing(subject, cwd).await;
    what_it_cannot_do_it_refuses(subject, cwd).await;
}

/// Notes what a run told, and cancels it when it has started if asked to.
#[derive(Default)]
struct Notes {
    started: Vec<u32>,
    output: Vec<u8>,
    cancel: Option<CancellationToken>,
}

impl AgentSink for Notes {
    fn started(&mut self, pid: u32, _start_time: Option<u64>) {
        self.started.push(pid);
    }

    fn output(&mut self, stream: Stream, chunk: &[u8]) {
        if stream == Stream::Stdout {
            self.output.extend_from_slice(chunk);
        }
        if let Some(cancel) = &self.cancel {
            cancel.cancel();
        }
    }

    fn session(&mut self, _id: &SessionId) {}
}

fn request(subject: &dyn Subject, cwd: &Path) -> AgentRequest {
    let unique = RandomState::new().build_hasher().finish();
    let convoy = ConvoyId::from_parts(0, u128::from(unique));
    AgentRequest {
        prompt: "conformance".to_owned(),
        cwd: cwd.to_owned(),
        env: subject.env(),
        model: None,
        session: None,
        read_only: false,
        timeout: Duration::from_secs(60),
        idle: None,
        grace: Duration::from_millis(100),
        task: None,
        attempt: Some(AttemptNo(1)),
        worker: WorkerId::of(&convoy, TaskIx(0), AttemptNo(1)),
        cancel: CancellationToken::new(),
    }
}

async fn run(subject: &dyn Subject, act: Act, request: AgentRequest, notes: &mut Notes) -> AgentReport {
    let worker = request.worker.clone();
    let report = subject.adapter(act).execute(request, notes).await;
    let left = survivors(worker.as_str());
    assert!(left.is_empty(), "{act:?}: processes are left when execute completes: {left:?}");
    report
}

async fn a_long_prompt_arrives_whole(subject: &dyn Subject, cwd: &Path) {
    let mut wanted = request(subject, cwd);
    wanted.prompt = "A line, 'quoted' \"twice\" $HOME é.\n".repeat(10_000);
    let (prompt, mut notes) = (wanted.prompt.clone(), Notes::default());
    let report = run(subject, Act::Echo, wanted, &mut notes).await;
    assert_eq!(report.outcome, AgentOutcome::Succeeded, "an agent that succeeds is reported so");
    assert_eq!(notes.started.len(), 1, "the sink hears once that the agent was started");
    let lines = String::from_utf8_lossy(&notes.output).matches("A line, ").count();
    assert_eq!(lines, prompt.lines().count(), "the agent gets the whole prompt, the sink all of its output");
    assert!(report.usage.is_empty(), "usage that is not reported is absent: {:?}", report.usage);
    assert!(report.result_text.len() <= 64 * 1024, "the text of the report is bounded");
}

async fn a_declared_failure_is_a_failure(subject: &dyn Subject, cwd: &Path) {
    let report = run(subject, Act::Fail, request(subject, cwd), &mut Notes::default()).await;
    let AgentOutcome::Failed(failure) = report.outcome else {
        panic!("a run that says it failed has failed, whatever its exit code: {:?}", report.outcome)
    };
    assert!(!failure.message.is_empty(), "a failure says what happened");
}

async fn the_time_limit_ends_everything(subject: &dyn Subject, cwd: &Path) {
    let mut wanted = request(subject, cwd);
    wanted.timeout = Duration::from_millis(500);
    let report = run(subject, Act::Hang, wanted, &mut Notes::default()).await;
    assert!(
        matches!(&report.outcome, AgentOutcome::Failed(failure) if failure.kind == FailureKind::Timeout),
        "the time limit is a timeout: {:?}",
        report.outcome
    );
}

async fn cancelling_ends_everything(subject: &dyn Subject, cwd: &Path) {
    let wanted = request(subject, cwd);
    let mut notes = Notes { cancel: Some(wanted.cancel.clone()), ..Notes::default() };
    let report = run(subject, Act::Hang, wanted, &mut notes).await;
    assert_eq!(report.outcome, AgentOutcome::Cancelled, "a cancelled run is reported as cancelled");
}

async fn dropping_ends_everything(subject: &dyn Subject, cwd: &Path) {
    let wanted = request(subject, cwd);
    let (worker, heard) = (wanted.worker.clone(), wanted.cancel.clone());
    let adapter = subject.adapter(Act::Hang);
    // The sink's signal is used only to learn that the agent printed something.
    let unheard = AgentRequest { cancel: CancellationToken::new(), ..wanted };
    let mut notes = Notes { cancel: Some(heard.clone()), ..Notes::default() };
    tokio::select! {
        report = adapter.execute(unheard, &mut notes) => panic!("the agent ended of itself: {report:?}"),
        () = heard.cancelled() => {}
    }
    let left = survivors(worker.as_str());
    assert!(wait_gone(&left, Duration::from_secs(10)).await, "dropping a run ends its processes: {left:?}");
}

async fn a_cancelled_request_starts_nothing(subject: &dyn Subject, cwd: &Path) {
    let wanted = request(subject, cwd);
    wanted.cancel.cancel();
    let mut notes = Notes::default();
    let report = run(subject, Act::Echo, wanted, &mut notes).await;
    assert_eq!(report.outcome, AgentOutcome::Cancelled, "a request that is cancelled before is reported so");
    assert!(notes.started.is_empty(), "a request that is cancelled before starts nothing");
}

async fn what_it_cannot_do_it_refuses(subject: &dyn Subject, cwd: &Path) {
    let can = subject.adapter(Act::Echo).capabilities();
    let plain = request(subject, cwd);
    let session = SessionId::new("s-1").ok();
    let asked = [
        (can.resume, "a session", AgentRequest { session, ..plain.clone() }),
        (can.model, "a model", AgentRequest { model: Some("m".to_owned()), ..plain.clone() }),
        (can.read_only, "read_only", AgentRequest { read_only: true, ..plain }),
    ];
    for (can, what, wanted) in asked {
        if can {
            continue;
        }
        let mut notes = Notes::default();
        let report = run(subject, Act::Echo, wanted, &mut notes).await;
        assert!(
            matches!(&report.outcome, AgentOutcome::Failed(failure) if failure.kind == FailureKind::Contract),
            "{what} that it cannot take is refused: {:?}",
            report.outcome
        );
        assert!(notes.started.is_empty(), "a refused request starts nothing");
    }
}
