//! A reviewer and a merge queue that are scripts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use convoy_core::merge::{
    Advance, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled,
};
use convoy_core::process::{COOKIE, Stream};
use convoy_core::review::{DiffError, ReviewLog, ReviewReport, ReviewRequest, ReviewRunner};
use convoy_core::types::BoxFuture;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::adapter::millis;
use crate::answers;
use crate::job::{Description, Fault, Shared};
use crate::steps::{Call, Ending, Silent, Telling};

pub(crate) struct Judge {
    pub(crate) description: Description,
    pub(crate) shared: Arc<Shared>,
}

async fn asked(request: &ReviewRequest) -> Result<Value, DiffError> {
    let paths = request.diff.paths().await?;
    let diff = request.diff.text(512 << 10).await?;
    let mut env = request.env.clone();
    env.insert(COOKIE.to_owned(), request.worker.to_string());
    Ok(json!({
        "task": request.task, "prompt": request.prompt, "level": request.level, "nonce": request.nonce,
        "base": request.base, "commit": request.commit, "paths": paths, "diff": diff.text,
        "diff_truncated": diff.truncated, "checkout": request.checkout, "env": env, "worker_id": request.worker,
        "timeout_ms": millis(request.timeout),
    }))
}

struct Log(Arc<dyn ReviewLog>);

impl Telling for Log {
    fn output(&mut self, _stream: Stream, text: &str) {
        self.0.output(text.as_bytes());
    }
}

fn report(ending: Ending) -> ReviewReport {
    match ending {
        Ending::Answer(value) => {
            answers::review(&value).unwrap_or_else(|fault| answers::could_not(fault.to_string()))
        }
        Ending::Raised(message) | Ending::Failed { message, .. } => answers::could_not(message),
        Ending::Nonsense(value) => {
            answers::could_not(format!("Nonsense: the answer {value} is none: it has no such verdict"))
        }
    }
}

impl ReviewRunner for Judge {
    fn name(&self) -> &str {
        &self.description.name
    }

    fn model(&self) -> Option<&str> {
        self.description.model.as_deref()
    }

    fn review<'a>(&'a self, request: ReviewRequest) -> BoxFuture<'a, ReviewReport> {
        Box::pin(async move {
            let value = match asked(&request).await {
                Ok(value) => value,
                Err(error) => return answers::could_not(error.to_string()),
            };
            if request.cancel.is_cancelled() {
                return answers::could_not("the review was stopped: Cancelled");
            }
            let script = self.shared.asked("review", Some(request.worker.as_str()), &value);
            let stop = CancellationToken::new();
            let call = Call { shared: &self.shared, kind: "review", request: &value, stop: stop.clone() };
            let mut log = Log(request.log.clone());
            let mut work = std::pin::pin!(call.follow(&script, &mut log));
            let grace = Duration::from_secs(1).min(request.timeout / 2);
            let why = tokio::select! {
                biased;
                ending = &mut work => return report(ending),
                () = request.cancel.cancelled() => "Cancelled",
                () = sleep(request.timeout - grace) => "Timeout",
            };
            stop.cancel();
            let stopped = answers::could_not(format!("the review was stopped: {why}"));
            tokio::select! {
                biased;
                Ending::Answer(value) = &mut work => ReviewReport { usage: report(Ending::Answer(value)).usage, ..stopped },
                () = sleep(grace) => stopped,
            }
        })
    }
}

pub(crate) struct Queue(pub(crate) Arc<Shared>);

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

/// As the merge queue says why it could not.
fn failed(action: &'static str, source: impl Into<Fault>) -> MergeError {
    MergeError::Failed { action, source: source.into() }
}

impl Queue {
    async fn ask(&self, kind: &str, request: Value, action: &'static str) -> Result<Value, MergeError> {
        let script = self.0.asked(kind, None, &request);
        let call = Call { shared: &self.0, kind, request: &request, stop: CancellationToken::new() };
        match call.follow(&script, &mut Silent).await {
            Ending::Answer(value) => Ok(value),
            Ending::Raised(message) | Ending::Failed { message, .. } => Err(failed(action, message)),
            Ending::Nonsense(value) => {
                Err(failed(action, format!("Nonsense: the answer {value} is none: it has no such outcome")))
            }
        }
    }
}

const PREPARE: &str = "prepare the landing in the program's merge queue";
const ADVANCE: &str = "land in the program's merge queue";
const SETTLE: &str = "ask the program's merge queue whether a landing happened";

impl MergeQueue for Queue {
    fn prepare<'a>(
        &'a self,
        request: &'a PrepareRequest,
    ) -> BoxFuture<'a, Result<PrepareOutcome, MergeError>> {
        Box::pin(async move {
            let value = json!({
                "integration_ref": request.integration_ref, "tip": request.tip, "work": request.work,
                "message": request.message,
            });
            let answer = self.ask("prepare", value, PREPARE).await?;
            answers::prepare(&answer, request).map_err(|fault| failed(PREPARE, fault))
        })
    }

    fn advance<'a>(
        &'a self,
        prepared: &'a Prepared,
        fence: u64,
    ) -> BoxFuture<'a, Result<Advance, MergeError>> {
        Box::pin(async move {
            let value = json!({
                "integration_ref": prepared.integration_ref, "commit": prepared.commit, "onto": prepared.onto,
                "fence": fence,
            });
            let answer = self.ask("advance", value, ADVANCE).await?;
            answers::advance(&answer, fence).map_err(|fault| failed(ADVANCE, fault))?
        })
    }

    fn settle<'a>(&'a self, prepared: &'a Prepared) -> BoxFuture<'a, Result<Settled, MergeError>> {
        Box::pin(async move {
            let value = json!({
                "integration_ref": prepared.integration_ref, "commit": prepared.commit, "onto": prepared.onto,
            });
            let answer = self.ask("settle", value, SETTLE).await?;
            answers::settle(&answer).map_err(|fault| failed(SETTLE, fault))
        })
    }
}
