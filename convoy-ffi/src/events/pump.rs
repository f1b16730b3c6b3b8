//! Fetches the events of a run when somebody began to read them.

use std::sync::Arc;

use convoy_core::engine::{Outcome, Run, RunEvent, Subscription};
use convoy_core::error::Error;
use convoy_core::types::ConvoyId;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::queue::{Queue, Wake};
use super::waker::Waker;
use crate::courier::Courier;
use crate::status::convoy_status;

/// Events that are handed over at once, when so many are there.
const BATCH: usize = 256;

/// The watch of one run. Dropping it ends the fetching.
#[derive(Debug)]
pub(crate) struct Watch {
    queue: Arc<Queue>,
    fetching: Option<AbortHandle>,
    waker: Waker,
}

impl Watch {
    /// Begins to fetch the events of the convoy with a number above `after`.
    pub(crate) fn begin(run: &Run, after: u64, courier: Arc<Courier>) -> Self {
        let queue = Arc::new(Queue::new());
        let waker = Waker::new(queue.clone(), courier.clone());
        let pump = Pump { events: run.subscribe(after), run: run.clone(), waker: waker.clone() };
        let fetching = courier.run(pump.run());
        Self { queue, fetching, waker }
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Sets who is woken.
    pub(super) fn set_wake(&self, wake: Option<Arc<dyn Wake>>) {
        self.waker.set(wake);
    }

    /// Ends it; whoever waits for events is told.
    pub(crate) fn end(&self) {
        if let Some(fetching) = &self.fetching {
            fetching.abort();
        }
        self.queue.close();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

struct Pump {
    events: Subscription,
    run: Run,
    waker: Waker,
}

impl Pump {
    async fn run(mut self) {
        let mut unread = None;
        loop {
            match self.batch().await {
                Ok((events, over)) => {
                    if !events.is_empty() {
                        self.waker.put(events, false).await;
                    }
                    if over {
                        break;
                    }
                }
                Err(error) => {
                    unread = Some(error.chain());
                    break;
                }
            }
        }
        let end = end(self.run.id(), &self.run.wait().await, unread.as_deref());
        self.waker.put(vec![end.to_string()], true).await;
    }

    /// The next events: as many as are there without waiting, at least one or the end.
    async fn batch(&mut self) -> Result<(Vec<String>, bool), Error> {
        let mut events = Vec::new();
        while events.len() < BATCH {
            let next = std::pin::pin!(self.events.next());
            let next = if events.is_empty() {
                next.await
            } else {
                // `Subscription::next` gives up nothing when it is dropped before it is ready: what it read stands in
                // the subscription, and so does a page that was asked for, or it is asked for again.
                let Some(next) = ready(next).await else { break };
                next
            };
            match next? {
                Some(event) => events.push(text(self.run.id(), &event)),
                None => return Ok((events, true)),
            }
        }
        Ok((events, false))
    }
}

/// What a future gives when it is asked once.
async fn ready<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut future = Some(future);
    std::future::poll_fn(move |context| {
        let polled = future.take().map(|future| future.poll(context));
        std::task::Poll::Ready(match polled {
            Some(std::task::Poll::Ready(output)) => Some(output),
            Some(std::task::Poll::Pending) | None => None,
        })
    })
    .await
}

/// An event as one line of JSON.
fn text(convoy: &ConvoyId, event: &RunEvent) -> String {
    let live = match event {
        RunEvent::Recorded(record) => return record.to_flat_text(),
        RunEvent::Output { task, attempt, text } => json!({
            "type": "task_output", "convoy_id": convoy, "task_id": task, "attempt_no": attempt.0, "text": text,
        }),
        RunEvent::Lagged(lost) => json!({ "type": "lagged", "convoy_id": convoy, "lost": lost }),
        // Kinds that later versions of the core may add; a test of the header names those there are.
        _ => json!({ "type": "unknown", "convoy_id": convoy }),
    };
    live.to_string()
}

/// The last event of a run.
fn end(convoy: &ConvoyId, outcome: &Result<Outcome, Error>, unread: Option<&str>) -> Value {
    let mut end = match outcome {
        Ok(outcome) => json!({
            "type": "run_ended", "convoy_id": convoy, "ended": outcome.ended,
            "status": outcome.view.status, "warnings": crate::json::warnings(outcome),
        }),
        Err(error) => json!({
            "type": "run_ended", "convoy_id": convoy, "ended": "failed",
            "error": {
                "status": convoy_status::from(error.kind()) as i32,
                "kind": error.kind(),
                "message": error.chain(),
            },
        }),
    };
    if let Some(unread) = unread {
        end["unread"] = json!(unread);
    }
    end
}
