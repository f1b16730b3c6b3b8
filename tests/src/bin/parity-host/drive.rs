//! The program of a job: calls of an engine and its runs, one after the other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use convoy_core::engine::{Answer, Asked, Engine, EngineBuilder, Outcome, Retention, RunEvent};
use convoy_core::error::{Error, ErrorKind};
use convoy_core::event::{EventRecord, RequestKind, RunOptions};
use convoy_core::spec::Concurrency;
use convoy_core::types::{AttemptNo, ConvoyId, TaskId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::adapter::Scripted;
use crate::code;
use crate::job::{Fault, Job, OptionWords, Rule, Shared, Words, say, text};
use crate::parts::{Judge, Queue};

/// The number that `convoy.h` has for a kind of error.
fn status(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::InvalidArgument => 100,
        ErrorKind::InvalidSpec => 101,
        ErrorKind::Unsupported => 102,
        ErrorKind::Repository => 103,
        ErrorKind::NotFound => 104,
        ErrorKind::NothingToResume => 105,
        ErrorKind::Busy => 106,
        ErrorKind::State => 107,
        ErrorKind::Agent => 108,
        ErrorKind::Store => 109,
        ErrorKind::Closed => 110,
        _ => 902,
    }
}

struct Drive {
    engine: Engine,
    shared: Arc<Shared>,
    convoy: String,
    options: OptionWords,
    rules: Vec<Option<Rule>>,
    /// The convoy, once it is known.
    id: Option<ConvoyId>,
    shut_down: bool,
}

pub(crate) async fn run(job: &Path) -> Result<(), Fault> {
    let mut job = Job::read(job)?;
    let shared = Arc::new(Shared::new(&mut job));
    let engine = engine(&job, &shared).await?;
    let Job { convoy, options, on, main, .. } = job;
    let rules = on.into_iter().map(Some).collect();
    let mut drive = Drive { engine, shared, convoy, options, rules, id: None, shut_down: false };
    for words in &main {
        drive.call(words).await;
    }
    drive.engine.shutdown().await;
    say(&json!({ "end": true }));
    Ok(())
}

async fn engine(job: &Job, shared: &Arc<Shared>) -> Result<Engine, Error> {
    let grace = Duration::from_millis(job.engine.grace_ms);
    let mut builder = Engine::builder(&job.repository).env(job.engine.env.clone()).grace(grace);
    builder = job.engine.secrets.iter().fold(builder, EngineBuilder::secret);
    if let Some(actor) = &job.engine.actor {
        builder = builder.actor(actor);
    }
    builder = builder.retention(Retention { keep_convoys: job.engine.keep_convoys, ..Retention::default() });
    for description in job.adapters.clone() {
        builder = builder.adapter(Arc::new(Scripted { description, shared: shared.clone() }));
    }
    if let Some(description) = job.reviewer.clone() {
        builder = builder.review_runner(Arc::new(Judge { description, shared: shared.clone() }));
    }
    if job.queue {
        builder = builder.merge_queue(Arc::new(Queue(shared.clone())));
    }
    code::register(builder, job, shared).build().await
}

fn told<T: Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
}

fn argument(error: &impl ToString) -> Error {
    Error::new(ErrorKind::InvalidArgument, error.to_string())
}

impl Drive {
    /// Makes one call and says what became of it.
    async fn call(&mut self, words: &Words) {
        let mut line = json!({ "did": words });
        if text(words, 0) == "open" {
            // Before, as it may be the last thing that this process does.
            say(&line);
            self.shared.open.send_modify(|open| open.push(text(words, 1).to_owned()));
            return;
        }
        let done = match text(words, 0) {
            "start" | "resume" | "retry" | "publish" => self.follow(words).await,
            "pause" | "unpause" | "cancel" | "interrupt" => self.ask_run(words),
            "shutdown" => {
                self.engine.shutdown().await;
                self.shut_down = true;
                Ok(Value::Null)
            }
            "list" => self.engine.list().await.and_then(|list| told(&list)),
            "log" | "export" | "prune" | "retention" => self.keep(words).await,
            _ => self.ask_engine(words).await,
        };
        match done {
            Ok(value) => line["told"] = value,
            Err(error) => {
                line["failed"] = json!({ "status": status(error.kind()), "message": error.to_string() });
            }
        }
        say(&line);
    }

    /// Begins a run and reads its events to the end.
    async fn follow(&mut self, words: &Words) -> Result<Value, Error> {
        let run = match text(words, 0) {
            "start" => {
                let options = RunOptions {
                    concurrency: self.options.concurrency.map(Concurrency::Fixed),
                    adapter: self.options.adapter.clone(),
                    branch: self.options.branch.clone(),
                    ..RunOptions::default()
                };
                self.engine.start(&self.convoy, options).await?
            }
            "resume" => self.engine.resume(None).await?,
            "retry" => self.engine.retry(&self.id()?, &tasks(words)?).await?,
            _ => self.engine.publish(&self.id()?).await?,
        };
        self.id = Some(run.id().clone());
        *self.shared.run.lock().expect("nobody panics with it") = Some(run.clone());
        let mut events = run.subscribe(run.first_seq().saturating_sub(1));
        while let Some(event) = events.next().await? {
            let event = flat(run.id(), &event);
            say(&event);
            self.react(&event).await;
            if self.shut_down {
                return Ok(Value::Null);
            }
        }
        let ended = run.wait().await;
        say(&last(run.id(), &ended));
        let outcome = ended?;
        let mut value = told(&outcome)?;
        value["warnings"] = json!(warnings(&outcome));
        value.as_object_mut().map(|members| members.remove("file_warnings"));
        Ok(value)
    }

    /// Does what the first rule says that fits the event.
    async fn react(&mut self, event: &Value) {
        let fits = |rule: &Rule| {
            event["type"] == rule.kind.as_str()
                && rule.task.as_ref().is_none_or(|task| event["task_id"] == task.as_str())
        };
        let rule = self.rules.iter_mut().find(|rule| rule.as_ref().is_some_and(fits)).and_then(Option::take);
        for words in rule.map(|rule| rule.then).unwrap_or_default() {
            Box::pin(self.call(&words)).await;
        }
    }

    fn id(&self) -> Result<ConvoyId, Error> {
        self.id.clone().ok_or_else(|| Error::new(ErrorKind::State, "no convoy is known"))
    }

    fn ask_run(&self, words: &Words) -> Result<Value, Error> {
        self.shared.ask_run(text(words, 0), text(words, 1)).map(|()| Value::Null)
    }

    /// What is kept of a convoy: its log, its record, and whether it goes.
    async fn keep(&self, words: &Words) -> Result<Value, Error> {
        let (engine, convoy) = (&self.engine, self.id()?);
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|error| Error::new(ErrorKind::Store, error.to_string()))
        };
        match text(words, 0) {
            "log" => {
                let task = TaskId::new(text(words, 1)).map_err(|error| argument(&error))?;
                let path = engine.log_path(&convoy, &task, attempt_no(words)).await?;
                Ok(json!({ "path": path, "text": read(&path)? }))
            }
            "export" => {
                let path = format!("{}.ndjson", self.shared.repository);
                let count = engine.export(&convoy, Path::new(&path)).await?;
                let events: Result<Vec<Value>, _> =
                    read(Path::new(&path))?.lines().map(serde_json::from_str).collect();
                Ok(json!({ "count": count, "events": events.map_err(|error| argument(&error))? }))
            }
            "prune" => {
                let options = serde_json::from_value(words.get(1).cloned().unwrap_or_default());
                told(&engine.prune(options.map_err(|error| argument(&error))?).await?)
            }
            _ => told(&engine.last_retention()),
        }
    }

    async fn ask_engine(&self, words: &Words) -> Result<Value, Error> {
        let (engine, convoy) = (&self.engine, self.id()?);
        let arg = |at| text(words, at).replace("CONVOY", &convoy.as_str().replace("convoy-", ""));
        let (one, two, reason) = (arg(1), arg(2), arg(2));
        let task = TaskId::new(if one.is_empty() { "none" } else { &one }).map_err(|error| argument(&error));
        let request = match text(words, 0) {
            "status" => return told(&engine.status(&convoy).await?),
            "is_running" => return told(&engine.is_running(&convoy).await?),
            "dead_letters" => return told(&engine.dead_letters(&convoy).await?),
            "disputes" => return told(&engine.disputes(&convoy).await?),
            "events" => {
                let events = engine.events(&convoy, 0, 1000).await?;
                return told(&events.iter().map(EventRecord::to_flat_json).collect::<Vec<_>>());
            }
            "attempt" => {
                return told(&engine.attempt(&convoy, &task?, attempt_no(words)).await?);
            }
            "artifact" => {
                let bytes = engine.artifact(&convoy, &task?, &two).await?;
                return told(&String::from_utf8_lossy(&bytes));
            }
            "accept" => return answer(engine.accept(&convoy, &task?, &two, &arg(3)).await?).await,
            "inject" => {
                return told(&engine.inject(&convoy, one.as_bytes(), "parity", Some(&two)).await?);
            }
            "resolve_dead_letter" => return told(&engine.resolve_dead_letter(&convoy, &one, &two).await?),
            "resolve_dispute" => return told(&engine.resolve_dispute(&convoy, &one, &two).await?),
            "ask_pause" => RequestKind::Pause,
            "ask_unpause" => RequestKind::Unpause,
            "ask_cancel" => RequestKind::Cancel,
            "approve" => RequestKind::Approve { task: task?, tree: None, reason },
            "reject" => RequestKind::Reject { task: task?, reason },
            "skip" => RequestKind::Skip { task: task?, reason },
            other => return Err(Error::new(ErrorKind::InvalidArgument, format!("there is no call {other}"))),
        };
        answer(engine.request(&convoy, request).await?).await
    }
}

/// What became of a request, as the C interface tells it.
async fn answer(asked: Asked) -> Result<Value, Error> {
    match asked.answer().await? {
        Answer::Granted => Ok(json!("granted")),
        Answer::Waits => Ok(json!("waits")),
        Answer::Refused { reason } => Err(Error::new(ErrorKind::State, reason)),
        other => Err(Error::new(ErrorKind::Internal, format!("an answer that nobody knows: {other:?}"))),
    }
}

/// What has to be known of the end of a run beside its status: of the convoy file, then of the run.
fn warnings(outcome: &Outcome) -> Vec<&str> {
    outcome.file_warnings.iter().chain(&outcome.warnings).map(String::as_str).collect()
}

/// Which attempt is meant; 0 is the newest.
fn attempt_no(words: &Words) -> Option<AttemptNo> {
    let number = words.get(2).and_then(Value::as_u64).and_then(|no| u32::try_from(no).ok());
    number.filter(|no| *no > 0).map(AttemptNo)
}

fn tasks(words: &Words) -> Result<Vec<TaskId>, Error> {
    let given = words.get(1).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    given
        .iter()
        .filter_map(Value::as_str)
        .map(|id| TaskId::new(id).map_err(|error| argument(&error)))
        .collect()
}

/// An event as the C interface gives it.
fn flat(convoy: &ConvoyId, event: &RunEvent) -> Value {
    match event {
        RunEvent::Recorded(record) => record.to_flat_json(),
        RunEvent::Output { task, attempt, text } => json!({
            "type": "task_output", "convoy_id": convoy, "task_id": task, "attempt_no": attempt.0, "text": text,
        }),
        RunEvent::Lagged(lost) => json!({ "type": "lagged", "convoy_id": convoy, "lost": lost }),
        _ => json!({ "type": "unknown", "convoy_id": convoy }),
    }
}

/// The last event of a run, as the C interface gives it.
fn last(convoy: &ConvoyId, ended: &Result<Outcome, Error>) -> Value {
    match ended {
        Ok(outcome) => json!({
            "type": "run_ended", "convoy_id": convoy, "ended": outcome.ended,
            "status": outcome.view.status, "warnings": warnings(outcome),
        }),
        Err(error) => json!({
            "type": "run_ended", "convoy_id": convoy, "ended": "failed",
            "error": { "status": status(error.kind()), "kind": error.kind(), "message": error.chain() },
        }),
    }
}
