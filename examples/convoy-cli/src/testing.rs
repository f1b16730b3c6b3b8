//! What the unit tests need: records, views, captured output.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use convoy_core::event::{ConvoyEvent, Event, EventRecord, PublishEvent, RunOptions, Started, TaskEvent};
use convoy_core::state::{AgentCalls, ConvoyView, TaskView};
use convoy_core::types::{
    AttemptNo, ConvoyId, ConvoyStatus, Oid, TaskId, TaskIx, TaskStatus, Timestamp, Totals,
};

use crate::app::App;
use crate::args::PlaceArgs;
use crate::host::Host;
use crate::output::Out;

pub(crate) fn oid(digit: char) -> Oid {
    Oid::new(digit.to_string().repeat(40)).expect("valid")
}

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("valid")
}

fn record(seq: u64, millis: i64, event: Event) -> EventRecord {
    EventRecord { seq, time: Timestamp(millis), convoy: ConvoyId::from_parts(1, 1), event }
}

pub(crate) fn convoy_record(seq: u64, millis: i64, event: ConvoyEvent) -> EventRecord {
    record(seq, millis, Event::Convoy(event))
}

pub(crate) fn publish_record(seq: u64, millis: i64, event: PublishEvent) -> EventRecord {
    record(seq, millis, Event::Publish(event))
}

/// The task's position is that of its first letter in the alphabet.
pub(crate) fn task_record(
    seq: u64,
    task: &str,
    attempt: Option<u32>,
    millis: i64,
    event: TaskEvent,
) -> EventRecord {
    let position = task.bytes().next().map_or(0, |letter| u32::from(letter.wrapping_sub(b'a')));
    let event = Event::Task { task: TaskIx(position), id: id(task), attempt: attempt.map(AttemptNo), event };
    record(seq, millis, event)
}

pub(crate) fn started(tasks: u32) -> Started {
    Started {
        name: "demo".into(),
        spec_digest: "d".into(),
        options: RunOptions::default(),
        adapter: None,
        providers: std::collections::BTreeMap::new(),
        adapter_limits: std::collections::BTreeMap::new(),
        branch: "refs/heads/main".into(),
        base: oid('a'),
        integration_ref: "refs/convoy/x/integration".into(),
        inactive: Vec::new(),
        tasks,
        engine_version: "0".into(),
        event_format: 1,
    }
}

/// A convoy that is done and published, with these tasks.
pub(crate) fn view(tasks: &[(&str, TaskStatus)]) -> ConvoyView {
    let tasks: Vec<TaskView> = tasks
        .iter()
        .map(|(name, status)| TaskView {
            id: id(name),
            status: *status,
            attempts: 1,
            phase: 1,
            commit: None,
            no_changes: None,
            files_changed: None,
            failure: None,
            waiting_for: None,
            parked_until: None,
            waiting_since: None,
            tree: None,
            tokens: None,
            cost_usd: None,
            agent_calls: AgentCalls::default(),
            budget: Vec::new(),
            artifacts: Vec::new(),
            dead_letter: None,
            unreviewed: None,
            dispute: None,
        })
        .collect();
    ConvoyView {
        convoy_id: ConvoyId::from_parts(1, 1),
        name: "demo".into(),
        status: ConvoyStatus::Done,
        branch: "main".into(),
        branch_ref: "refs/heads/main".into(),
        stage: None,
        gates: None,
        failed_hooks: Vec::new(),
        verifying: Vec::new(),
        guard: None,
        published: true,
        publish_blocked: None,
        paths_in_the_way: None,
        integration_ref: "refs/convoy/x/integration".into(),
        created_at: Timestamp(0),
        finished_at: None,
        totals: Totals::of(tasks.iter().map(|task| task.status)),
        tokens: None,
        cost_usd: None,
        agent_calls: AgentCalls::default(),
        budget: Vec::new(),
        tasks,
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was written.
pub(crate) struct Captured {
    stdout: Sink,
    stderr: Sink,
}

impl Captured {
    pub(crate) fn out() -> (Out, Self) {
        let captured = Self { stdout: Sink::default(), stderr: Sink::default() };
        let out = Out::new(Box::new(captured.stdout.clone()), Box::new(captured.stderr.clone()), false);
        (out, captured)
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }
}

struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

/// An output on which every write fails.
pub(crate) fn failing(kind: io::ErrorKind) -> Out {
    Out::new(Box::new(Failing(kind)), Box::new(Sink::default()), false)
}

/// A folder of a test's own to type commands in.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("written");
    }

    /// The program as if called in the folder, with an environment that has only a `PATH`.
    pub(crate) fn app(&self) -> (App, Captured) {
        let (out, captured) = Captured::out();
        let path = ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
        let folder = self.0.path().to_owned();
        let host = Host { program: "convoy".into(), cwd: folder.clone(), env: [path].into(), temp: folder };
        (App::new(host, PlaceArgs::default(), out), captured)
    }
}
