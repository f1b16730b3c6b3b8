//! A merge queue that is code of the host.

use std::ffi::{c_char, c_void};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use convoy_core::merge::{
    Advance, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled,
};
use convoy_core::types::BoxFuture;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::callback::{Begin, Code, Table, UserData, required};
use crate::completion::{Ask, Ended, Expects, Limits, Reply};
use crate::courier::Courier;
use crate::error::convoy_error;

/// Where work lands, as code of the program, in the place of the git merge queue. Filled in by the program, all other
/// bytes zero, and copied by `convoy_engine_builder_set_merge_queue`. Its functions come as those of
/// `convoy_agent_adapter` do, and what is said there of threads holds here.
///
/// Landing has three steps, so that it happens exactly once whatever crashes: `prepare` makes the landing commit, which
/// nobody sees yet; the engine records it; `advance` moves the ref, and is asked again after a crash; where it did not
/// answer "advanced", `settle` says whether the ref has moved all the same. There is no time limit while the engine
/// lives: answer every call. When it is shut down or freed it waits for "grace_ms" more (an option of the builder), and
/// interrupts the convoy without an answer; when that is resumed, it asks again, as after a crash.
///
/// The engine looks up what was prepared, and that the ref has moved, in the repository of the engine; requests do not
/// name it, so keep what you need in `user_data`. What does not hold is an error that says so. A `prepare` that is
/// rejected or wrong fails the attempt ("merge-error"): its agent tries again while there are retries. An `advance` that
/// is rejected is asked once more, and then the run ends with CONVOY_REPOSITORY rather than guess; so it does when it
/// moves nothing, three times. What was prepared is landed when the convoy is resumed.
///
/// Requests are JSON on one line, `len` bytes and a NUL, and gone when the function returns.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct convoy_merge_queue {
    /// `sizeof(convoy_merge_queue)`.
    pub struct_size: usize,
    /// Comes back as the first argument of every function. May be used on any thread.
    pub user_data: *mut c_void,
    /// NULL, or called exactly once, as that of `convoy_agent_adapter`.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// Merges work onto the tip without touching files or refs, and writes the landing commit, with the parents tip and
    /// work, durably. Request: "integration_ref" (the full name of the ref), "tip" (the commit to land onto: where the
    /// ref is or, in a convoy with `merge.verify`, a landing commit on top of that, which has not landed), "work"
    /// (the commit that was checked), "message" (of the landing commit, whole). Answer: {"outcome": "prepared",
    /// "commit": OID} (a new commit, with the whole message), {"outcome": "nothing-to-land"} (the tip has the work already), or {"outcome": "conflict", "tree": OID
    /// (merged, with markers), "paths": [...]} (never empty). May be asked twice for the same.
    pub prepare: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// Moves the ref from "onto" to the landing commit by compare-and-swap, durably. Request: "integration_ref",
    /// "commit", "onto" (with `merge.verify` there may be several landing commits between them, which all land), "fence" (the number of the engine's lease on this convoy, which grows with every new holder: once a
    /// number has been seen for a ref, a smaller one is refused; keep it as durably as the ref). Answer: {"outcome": "advanced"} (also when the ref reaches the commit
    /// already), {"outcome": "moved", "now": OID or null} (the ref is elsewhere, and was not moved), {"outcome":
    /// "fenced", "newer": NUMBER} (nothing was moved; the run ends with CONVOY_BUSY).
    pub advance: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// Looks whether the ref reaches a prepared commit, which need not exist any more; changes nothing. Request:
    /// "integration_ref", "commit", "onto". Answer: {"outcome": "landed"} or {"outcome": "not-landed"}.
    pub settle: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// NULL, or asks for an end soon: the engine is shut down or freed. Comes at most once for a number, and after the
    /// function that began it has returned. Answer still, with what was done; a rejection is taken as no answer then.
    /// After "grace_ms" the engine waits no longer.
    pub cancel: Option<unsafe extern "C" fn(user_data: *mut c_void, completion_id: u64)>,
}

// SAFETY: `#[repr(C)]`, plain data for which zero is a value, and it begins with the members of the head.
unsafe impl Table for convoy_merge_queue {
    const FIRST_SIZE: usize = size_of::<Self>();
}

/// A merge queue as it was registered; the threads for it come when an engine is built.
#[derive(Debug)]
pub(crate) struct HostQueue {
    code: Arc<Code>,
    prepare: Begin,
    advance: Begin,
    settle: Begin,
}

impl HostQueue {
    pub(crate) fn new(table: &convoy_merge_queue, user_data: UserData) -> Result<Self, convoy_error> {
        Ok(Self {
            prepare: required(table.prepare, "queue", "prepare")?,
            advance: required(table.advance, "queue", "advance")?,
            settle: required(table.settle, "queue", "settle")?,
            code: Arc::new(Code::new(user_data, table.cancel)),
        })
    }

    /// The queue, with threads for its functions. `end`: when the engine ends, and how long it waits for answers then.
    pub(crate) fn with(
        self,
        courier: Arc<Courier>,
        end: (CancellationToken, Duration),
    ) -> Arc<dyn MergeQueue> {
        let limits = Limits { cancel: end.0, grace: end.1, ..Limits::default() };
        Arc::new(Queue { host: self, courier, limits })
    }
}

struct Queue {
    host: HostQueue,
    courier: Arc<Courier>,
    limits: Limits,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostMergeQueue")
    }
}

/// What the host said, as the cause of an error.
#[derive(Debug)]
struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

impl Queue {
    async fn ask(
        &self,
        expects: Expects,
        request: &Value,
        action: &'static str,
    ) -> Result<Reply, MergeError> {
        let ask = Ask {
            courier: self.courier.clone(),
            code: self.host.code.clone(),
            step: match expects {
                Expects::Prepare(_) => self.host.prepare,
                Expects::Advance => self.host.advance,
                // Nothing else is asked of a merge queue.
                _ => self.host.settle,
            },
            expects,
            request: format!("{request}\0"),
            limits: self.limits.clone(),
        };
        let said = match ask.run(drop).await {
            // What was done is done, also when it was to stop.
            Ended::Resolved(reply) | Ended::Stopped(_, Some(reply)) => return Ok(reply),
            Ended::Stopped(_, None) => return Err(MergeError::Stopped),
            Ended::Rejected(message) => message,
            Ended::Lost => "the merge queue can no longer be called".to_owned(),
        };
        Err(MergeError::Failed { action, source: Box::new(Said(said)) })
    }
}

fn odd<T>(action: &'static str) -> Result<T, MergeError> {
    let said = Said("the merge queue answered another question".to_owned());
    Err(MergeError::Failed { action, source: Box::new(said) })
}

impl MergeQueue for Queue {
    fn prepare<'a>(
        &'a self,
        request: &'a PrepareRequest,
    ) -> BoxFuture<'a, Result<PrepareOutcome, MergeError>> {
        Box::pin(async move {
            let action = "prepare the landing in the program's merge queue";
            let text = json!({
                "integration_ref": request.integration_ref,
                "tip": request.tip,
                "work": request.work,
                "message": request.message,
            });
            match self.ask(Expects::Prepare(request.clone()), &text, action).await? {
                Reply::Prepare(outcome) => Ok(outcome),
                _ => odd(action),
            }
        })
    }

    fn advance<'a>(
        &'a self,
        prepared: &'a Prepared,
        fence: u64,
    ) -> BoxFuture<'a, Result<Advance, MergeError>> {
        Box::pin(async move {
            let action = "land in the program's merge queue";
            let text = json!({
                "integration_ref": prepared.integration_ref,
                "commit": prepared.commit,
                "onto": prepared.onto,
                "fence": fence,
            });
            match self.ask(Expects::Advance, &text, action).await? {
                Reply::Advance(advance) => Ok(advance),
                Reply::Fenced(newer) => Err(MergeError::Fenced { held: fence, newer }),
                _ => odd(action),
            }
        })
    }

    fn settle<'a>(&'a self, prepared: &'a Prepared) -> BoxFuture<'a, Result<Settled, MergeError>> {
        Box::pin(async move {
            let action = "ask the program's merge queue whether a landing happened";
            let text = json!({
                "integration_ref": prepared.integration_ref,
                "commit": prepared.commit,
                "onto": prepared.onto,
            });
            match self.ask(Expects::Settle, &text, action).await? {
                Reply::Settle(settled) => Ok(settled),
                _ => odd(action),
            }
        })
    }
}
