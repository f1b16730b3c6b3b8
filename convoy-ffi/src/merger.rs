//! A merge queue that is code of the host.

use std::ffi::{c_char, c_void};
use std::fmt;
use std::sync::Arc;

use convoy_core::merge::{
    Advance, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled,
};
use convoy_core::types::BoxFuture;
use serde_json::{Value, json};

use crate::callback::{Table, UserData, required};
use crate::completion::{Ask, Ended, Expects, Limits, Plug, Reply};
use crate::courier::Courier;
use crate::error::convoy_error;

/// Where work lands, as code of the program, in the place of the git merge queue. Filled in by the program, all other
/// bytes zero, and copied by `convoy_engine_builder_set_merge_queue`. Its functions come as those of
/// `convoy_agent_adapter` do, and what is said there of threads holds here.
///
/// Landing has three steps, so that it happens exactly once whatever crashes: `prepare` makes the landing commit, which
/// nobody sees yet; the engine records it; `advance` moves the ref; after a crash `settle` says whether that had
/// happened. A rejected completion means that the step could not be tried, or that nobody knows what became of
/// it: the engine then settles, or stops with an error rather than guess. There is no time limit: answer every call.
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
    /// work, durably. Request: "integration_ref" (the full name of the ref), "tip" (the commit to land onto), "work"
    /// (the commit that was checked), "message" (of the landing commit, whole). Answer: {"outcome": "prepared",
    /// "commit": OID}, {"outcome": "nothing-to-land"} (the tip reaches the work), or {"outcome": "conflict", "tree": OID
    /// (merged, with markers), "paths": [...]} (never empty). May be asked twice for the same.
    pub prepare: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// Moves the ref from "onto" to the landing commit by compare-and-swap, durably. Request: "integration_ref",
    /// "commit", "onto", "fence" (the number of the engine's lease, which grows with every new holder: once a number
    /// has been seen, a smaller one is refused). Answer: {"outcome": "advanced"} (also when the ref reaches the commit
    /// already), {"outcome": "moved", "now": OID or null} (the ref is elsewhere, and was not moved), {"outcome":
    /// "fenced", "newer": NUMBER} (nothing was moved; this engine stops).
    pub advance: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// Looks whether the ref reaches a prepared commit, which need not exist any more; changes nothing. Request:
    /// "integration_ref", "commit", "onto". Answer: {"outcome": "landed"} or {"outcome": "not-landed"}.
    pub settle: Option<
        unsafe extern "C" fn(user_data: *mut c_void, request: *const c_char, len: usize, completion_id: u64),
    >,
    /// NULL, or says that the answer is no longer needed, because the engine ends. Comes at most once for a number,
    /// and after the function that began it has returned.
    pub cancel: Option<unsafe extern "C" fn(user_data: *mut c_void, completion_id: u64)>,
}

// SAFETY: `#[repr(C)]`, plain data for which zero is a value, and it begins with the members of the head.
unsafe impl Table for convoy_merge_queue {
    const FIRST_SIZE: usize = size_of::<Self>();
}

type Step = unsafe extern "C" fn(*mut c_void, *const c_char, usize, u64);

#[derive(Debug)]
struct Functions {
    user_data: UserData,
    prepare: Step,
    advance: Step,
    settle: Step,
    cancel: Option<unsafe extern "C" fn(*mut c_void, u64)>,
}

impl Plug for Functions {
    fn begin(&self, expects: &Expects, request: &str, id: u64) {
        let step = match expects {
            Expects::Prepare(_) => self.prepare,
            Expects::Advance => self.advance,
            // Nothing else is asked of a merge queue.
            Expects::Settle | Expects::Agent | Expects::Review => self.settle,
        };
        // The NUL is for C readers; it is not part of the text.
        let len = request.len().saturating_sub(1);
        // SAFETY: the host gave the function for this data, which is not destroyed as long as `self` lives; the
        // request is readable during the call.
        unsafe { step(self.user_data.get(), request.as_ptr().cast(), len, id) }
    }

    fn cancel(&self, id: u64) {
        if let Some(cancel) = self.cancel {
            // SAFETY: as above.
            unsafe { cancel(self.user_data.get(), id) }
        }
    }
}

/// A merge queue as it was registered; the threads for it come when an engine is built.
#[derive(Debug)]
pub(crate) struct HostQueue(Functions);

impl HostQueue {
    pub(crate) fn new(table: &convoy_merge_queue, user_data: UserData) -> Result<Self, convoy_error> {
        Ok(Self(Functions {
            user_data,
            prepare: required(table.prepare, "queue", "prepare")?,
            advance: required(table.advance, "queue", "advance")?,
            settle: required(table.settle, "queue", "settle")?,
            cancel: table.cancel,
        }))
    }

    /// The queue, with threads for its functions.
    pub(crate) fn with(self, courier: Arc<Courier>) -> Arc<dyn MergeQueue> {
        Arc::new(Queue { functions: Arc::new(self.0), courier })
    }
}

struct Queue {
    functions: Arc<Functions>,
    courier: Arc<Courier>,
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
            plug: self.functions.clone(),
            expects,
            request: format!("{request}\0"),
            limits: Limits::default(),
        };
        let said = match ask.run(drop).await {
            Ended::Resolved(reply) => return Ok(reply),
            Ended::Rejected(message) => message,
            Ended::Stopped(..) | Ended::Lost => "the merge queue can no longer be called".to_owned(),
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
