//! A convoy that has ended and has many events.
//!
//! It is made from one that was really run, with an agent that is code of this program: the events of its attempt stand
//! there again and again, as those of attempts that were interrupted. So they are events as there are, in a log that
//! an engine takes for its own.

use std::sync::Arc;

use convoy_core::agent::{
    AgentAdapter, AgentError, AgentOutcome as Ended, AgentReport, AgentRequest, AgentSink, Capabilities,
    Probe, ProbeContext,
};
use convoy_core::engine::Engine;
use convoy_core::event::{AgentOutcome, AttemptKind, Event, EventRecord, RunOptions, TaskEvent};
use convoy_core::store::{Batch, Holder, NewConvoy, SqliteStore, Store, StoredConvoy};
use convoy_core::types::{AttemptNo, BoxFuture, ConvoyId, TaskStatus, Timestamp};

use crate::Outcome;
use crate::place::Place;

const SPEC: &str =
    "{name: events, version: 1, adapter: scribe, tasks: [{id: write, prompt: Write the file}]}";

/// Events of one transaction when they are written.
const TURN: usize = 5_000;

/// The convoy.
pub(crate) struct Record {
    pub(crate) convoy: ConvoyId,
    /// How many events it has, and how long they are as JSON, all together.
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// Makes a convoy with at least so many events.
pub(crate) fn make(place: &Place, events: usize) -> Outcome<Record> {
    pollster::block_on(async {
        let engine = Engine::builder(place.repository()).env(place.env().clone());
        let engine = engine.adapter(Arc::new(Scribe)).build().await?;
        let run = engine.start(SPEC, RunOptions::default()).await?;
        let outcome = run.wait().await?;
        if !outcome.view.published {
            return Err(format!("the convoy to begin with ended {}", outcome.view.status).into());
        }
        let file = engine.state_dir().join("convoy.db");
        engine.shutdown().await;
        let store = SqliteStore::open(file)?;
        let stored = store.load(run.id()).await?;
        let convoy = ConvoyId::from_parts(1, 1);
        let written = write(&store, &convoy, &stored, repeated(&stored.events, events)).await;
        store.shutdown().await;
        let (events, bytes) = written?;
        Ok(Record { convoy, events, bytes })
    })
}

/// The events of a convoy with one task, with more attempts before the first.
fn repeated(events: &[EventRecord], wanted: usize) -> Vec<(Event, Timestamp)> {
    let is_attempt = |event: &Event| matches!(event, Event::Task { attempt: Some(_), .. });
    let begin = events.iter().position(|record| is_attempt(&record.event)).unwrap_or(events.len());
    let is_end = |event: &Event| matches!(event, Event::Task { event: TaskEvent::Snapshot { .. }, .. });
    let end = events.iter().position(|record| is_end(&record.event)).unwrap_or(begin);
    let (mut all, mut attempt) = (Vec::with_capacity(wanted), 1);
    all.extend(events[..begin].iter().map(|record| (record.event.clone(), record.time)));
    while all.len() + (events.len() - begin) < wanted {
        for record in &events[begin..=end] {
            all.push((of_attempt(&record.event, attempt, true), record.time));
        }
        let ended = &events[end];
        if let Event::Task { task, id, .. } = &ended.event {
            let event = TaskEvent::Retried {
                previous_status: TaskStatus::Failed,
                failure: None,
                not_before: ended.time,
                retries: 0,
                escalated_to: None,
            };
            let (id, attempt) = (id.clone(), Some(AttemptNo(attempt)));
            all.push((Event::Task { task: *task, id, attempt, event }, ended.time));
        }
        attempt += 1;
    }
    all.extend(events[begin..].iter().map(|record| (of_attempt(&record.event, attempt, false), record.time)));
    all
}

/// The event as one of another attempt.
fn of_attempt(event: &Event, number: u32, interrupted: bool) -> Event {
    let mut event = event.clone();
    if let Event::Task { attempt: Some(attempt), event, .. } = &mut event {
        *attempt = AttemptNo(number);
        match event {
            TaskEvent::AgentEnded { outcome, .. } if interrupted => *outcome = AgentOutcome::Interrupted,
            TaskEvent::Assigned { kind, .. } if number > 1 => *kind = AttemptKind::Repeat,
            _ => {}
        }
    }
    event
}

/// Stores them as another convoy. Answers how many there are and how long.
async fn write(
    store: &SqliteStore,
    convoy: &ConvoyId,
    like: &StoredConvoy,
    events: Vec<(Event, Timestamp)>,
) -> Outcome<(usize, usize)> {
    let count = events.len();
    let mut events = events.into_iter();
    let (first, created_at) = events.next().ok_or("the convoy to begin with has no events")?;
    let new = NewConvoy {
        id: convoy.clone(),
        name: "events".to_owned(),
        spec_text: like.spec_text.clone(),
        event_format: convoy_core::event::EVENT_FORMAT,
        created_at,
        holder: Holder { engine: "events".to_owned(), pid: 0, start_time: 0, boot: String::new() },
        first,
    };
    let (lease, mut at) = store.create(new).await?;
    while events.len() > 0 {
        let turn: Vec<_> = events.by_ref().take(TURN).collect();
        let time = turn.first().map(|(_, time)| *time);
        let events = turn.into_iter().map(|(event, _)| event).collect();
        at = store.append(&lease, at.last_seq, Batch { time, events, consumed: Vec::new() }).await?;
    }
    store.release(&lease).await?;
    let read = store.read_from(Some(convoy), 0, usize::MAX).await?;
    Ok((count, read.iter().map(|record| record.to_flat_json().to_string().len()).sum()))
}

/// The agent: writes a file.
struct Scribe;

impl AgentAdapter for Scribe {
    fn name(&self) -> &str {
        "scribe"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }

    fn probe<'a>(&'a self, _: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(async { Ok(Probe::available(None)) })
    }

    fn execute<'a>(&'a self, request: AgentRequest, _: &'a mut dyn AgentSink) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            match std::fs::write(request.cwd.join("file.txt"), &request.prompt) {
                Ok(()) => {
                    let mut report = AgentReport::ended(Ended::Succeeded);
                    report.result_text =
                        "The file is written, and everything that was asked for is in it.".to_owned();
                    report
                }
                Err(error) => AgentReport::failed(convoy_core::types::Failure::new(
                    convoy_core::types::FailureKind::Error,
                    error.to_string(),
                )),
            }
        })
    }
}
