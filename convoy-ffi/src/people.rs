//! What people decide about a convoy that runs, here or in another process, or waits.

use std::ffi::c_char;

use convoy_core::engine::{Answer, Asked, Engine};
use convoy_core::error::Error;
use convoy_core::event::RequestKind;
use convoy_core::types::{ConvoyId, Oid, TaskId};
use serde_json::json;

use crate::engine::{EngineObject, convoy_engine, convoy_id, task_id, with_engine};
use crate::error::convoy_error;
use crate::json;
use crate::pointer::{self, Out};
use crate::run::limit;
use crate::status::convoy_status::{
    self, CONVOY_INTERNAL, CONVOY_INVALID_ARGUMENT, CONVOY_STATE, CONVOY_TIMED_OUT,
};
use crate::text::{self, convoy_string};

/// What a person wants.
enum Wish {
    /// Something of a convoy or of one of its tasks.
    Of(ConvoyId, RequestKind),
    /// That a commit is the work of a task.
    Accept { convoy: ConvoyId, task: TaskId, revision: String, reason: String },
}

impl Wish {
    async fn send(self, engine: Engine) -> Result<Asked, Error> {
        match self {
            Self::Of(convoy, kind) => engine.request(&convoy, kind).await,
            Self::Accept { convoy, task, revision, reason } => {
                engine.accept(&convoy, &task, &revision, &reason).await
            }
        }
    }
}

/// Sends a wish and waits for what becomes of it.
///
/// # Safety
/// `out` and `err` must be NULL or writable.
unsafe fn ask(
    engine: *const convoy_engine,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
    wish: impl FnOnce() -> Result<Wish, convoy_error>,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        let wish = wish()?;
        let asked = engine.ask(|engine| wish.send(engine))?;
        let answer = engine.within(asked.answer(), limit(timeout_ms));
        let told = match answer.ok_or_else(|| convoy_error::quiet(CONVOY_TIMED_OUT))?? {
            Answer::Granted => "granted",
            Answer::Waits => "waits",
            Answer::Refused { reason } => return Err(convoy_error::new(CONVOY_STATE, reason)),
            other => {
                let text = format!("the engine gave an answer that this interface does not know: {other:?}");
                return Err(convoy_error::new(CONVOY_INTERNAL, text));
            }
        };
        // SAFETY: the caller promises NULL or a place that may be written to.
        if let Ok(out) = unsafe { Out::new(out, "out") } {
            out.write(convoy_string::new(json::write(&json!({ "answer": told }))?));
        }
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// A wish about a whole convoy.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change.
unsafe fn of_convoy(convoy: *const c_char, len: usize, kind: RequestKind) -> Result<Wish, convoy_error> {
    // SAFETY: the caller promises NULL or readable bytes.
    Ok(Wish::Of(unsafe { convoy_id(convoy, len) }?, kind))
}

/// The task that a wish is about, and why.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change.
unsafe fn of_task(
    (convoy, convoy_len): (*const c_char, usize),
    (task, task_len): (*const c_char, usize),
    (reason, reason_len): (*const c_char, usize),
) -> Result<(ConvoyId, TaskId, String), convoy_error> {
    // SAFETY: the caller promises NULL or readable bytes.
    let (convoy, task, reason) = unsafe {
        (
            convoy_id(convoy, convoy_len)?,
            task_id(task, task_len)?,
            text::optional(reason, reason_len, "reason")?,
        )
    };
    Ok((convoy, task, reason.unwrap_or_default().to_owned()))
}

/// Asks whoever runs a convoy, in this process or another, to pause it: agents that run finish, and nothing starts.
/// (`convoy_run_pause` does the same for a run of this process, and never blocks.)
///
/// Sends the request, and waits for its answer for up to `timeout_ms` milliseconds (0: only looks; negative: for as
/// long as it takes, usually less than a second). With CONVOY_TIMED_OUT the request was sent, and is decided later.
/// A refusal is CONVOY_STATE: the message says why and what can be done. An event "request_refused" tells of it as well,
/// and of what was granted the event that follows from it.
///
/// `out` may be NULL. Otherwise it receives JSON: {"answer": "granted"} (it happened, or was so already) or {"answer":
/// "waits"} (nobody runs the convoy: the next engine that takes it up decides, and by what is stored now it will grant
/// it).
///
/// Waits for the disk, too.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
/// `timeout_ms` says.
/// Errors: CONVOY_STATE (it was refused, the convoy is over, or nobody runs it), CONVOY_NOT_FOUND, CONVOY_STORE,
/// CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` and `err` must be
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_pause(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { ask(engine, timeout_ms, out, err, || of_convoy(convoy, len, RequestKind::Pause)) }
}

/// Ends a pause. Otherwise as `convoy_engine_pause`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
/// `timeout_ms` says.
/// Errors: those of `convoy_engine_pause`.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` and `err` must be
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_unpause(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { ask(engine, timeout_ms, out, err, || of_convoy(convoy, len, RequestKind::Unpause)) }
}

/// Ends a convoy for good: nothing starts, agents that run are ended, their work is kept. One that nobody runs is
/// cancelled here, and that has happened when this returns. Otherwise as `convoy_engine_pause`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
/// `timeout_ms` says.
/// Errors: those of `convoy_engine_pause`.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` and `err` must be
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_cancel(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { ask(engine, timeout_ms, out, err, || of_convoy(convoy, len, RequestKind::Cancel)) }
}

/// Lets a task that waits for approval go on. `tree` is the tree that the person has seen, as the task has it in
/// `convoy_engine_status`: another one is not approved; NULL with a length of 0 = whichever waits. `reason` is for the
/// record; NULL with a length of 0 = none. Texts are UTF-8 and not kept.
///
/// For a convoy that nobody runs it is stored, and done by the next engine that takes it up (the answer "waits").
/// `timeout_ms` and `out` are as with `convoy_engine_pause`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
/// `timeout_ms` says.
/// Errors: those of `convoy_engine_pause`, and CONVOY_INVALID_ARGUMENT.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `out` and `err` must
/// be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_approve(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    tree: *const c_char,
    tree_len: usize,
    reason: *const c_char,
    reason_len: usize,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let wish = || {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, reason) =
            unsafe { of_task((convoy, convoy_len), (task, task_len), (reason, reason_len)) }?;
        // SAFETY: the caller promises NULL or readable bytes.
        let tree = unsafe { text::optional(tree, tree_len, "tree") }?.map(Oid::new).transpose();
        let tree = tree.map_err(|error| convoy_error::new(CONVOY_INVALID_ARGUMENT, error.to_string()))?;
        Ok(Wish::Of(convoy, RequestKind::Approve { task, tree, reason }))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { ask(engine, timeout_ms, out, err, wish) }
}

/// Refuses a task that waits for approval: it fails. Otherwise as `convoy_engine_approve`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
/// `timeout_ms` says.
/// Errors: those of `convoy_engine_approve`.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `out` and `err` must
/// be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_reject(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    reason: *const c_char,
    reason_len: usize,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let wish = || {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, reason) =
            unsafe { of_task((convoy, convoy_len), (task, task_len), (reason, reason_len)) }?;
        Ok(Wish::Of(convoy, RequestKind::Reject { task, reason }))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { ask(engine, timeout_ms, out, err, wish) }
}

/// Skips a task that is not finished, and what depends on it. What works on it is ended; its work is kept. Otherwise
/// as `convoy_engine_approve`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
/// `timeout_ms` says.
/// Errors: those of `convoy_engine_approve`.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `out` and `err` must
/// be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_skip(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    reason: *const c_char,
    reason_len: usize,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let wish = || {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, reason) =
            unsafe { of_task((convoy, convoy_len), (task, task_len), (reason, reason_len)) }?;
        Ok(Wish::Of(convoy, RequestKind::Skip { task, reason }))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { ask(engine, timeout_ms, out, err, wish) }
}

/// Takes a person's commit as the work of a task: it is checked and landed like an agent's. `revision` is whatever git
/// takes for a commit.
///
/// Possible while the task waits and what it depends on is done: for its turn or a retry, for an approval, or for the
/// resolution of its conflict. It is refused while the task is worked on, checked or landed, and once it has ended, a
/// failed one, too: when the convoy is over, `convoy_engine_retry` takes such a task up again.
///
/// Otherwise as `convoy_engine_approve`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; from a callback only with a `timeout_ms` of 0. Waits for the disk, and for the answer as
/// `timeout_ms` says.
/// Errors: those of `convoy_engine_approve`, and CONVOY_REPOSITORY (the commit has no history in common with the
/// convoy's work).
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `out` and `err` must
/// be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_accept(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    revision: *const c_char,
    revision_len: usize,
    reason: *const c_char,
    reason_len: usize,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let wish = || {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, reason) =
            unsafe { of_task((convoy, convoy_len), (task, task_len), (reason, reason_len)) }?;
        // SAFETY: the caller promises NULL or readable bytes.
        let revision = unsafe { text::read(revision, revision_len, "revision") }?.to_owned();
        Ok(Wish::Accept { convoy, task, revision, reason })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { ask(engine, timeout_ms, out, err, wish) }
}

/// Asks whoever runs a convoy to add tasks. `tasks` is the text of an `inject.yml`, `source` says where it comes from,
/// for the record. `key` names the request: what is asked for twice under one key is added once; with NULL and a length
/// of 0 it gets a new one. `out`, unless it is NULL, receives the key; the event "tasks_added" or "injection_refused"
/// that tells what became of it has the same.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk, not for whoever runs the convoy.
/// Errors: CONVOY_INVALID_SPEC (the problems are in the details of the error), CONVOY_STATE (the convoy is over),
/// CONVOY_NOT_FOUND, CONVOY_INVALID_ARGUMENT, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_inject(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    tasks: *const c_char,
    tasks_len: usize,
    source: *const c_char,
    source_len: usize,
    key: *const c_char,
    key_len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, tasks, source, key) = unsafe {
            (
                convoy_id(convoy, convoy_len)?,
                pointer::bytes(tasks.cast(), tasks_len, "tasks")?,
                text::read(source, source_len, "source")?,
                text::optional(key, key_len, "key")?,
            )
        };
        let key = engine.ask(|engine| async move { engine.inject(&convoy, tasks, source, key).await })?;
        // SAFETY: the caller promises NULL or a place that may be written to.
        if let Ok(out) = unsafe { Out::new(out, "out") } {
            out.write(convoy_string::new(key));
        }
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// What is closed, and why.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change; `err` must be NULL or writable.
unsafe fn close<F: Future<Output = Result<(), Error>>>(
    engine: *const convoy_engine,
    (convoy, convoy_len): (*const c_char, usize),
    (id, id_len, argument): (*const c_char, usize, &str),
    (resolution, resolution_len): (*const c_char, usize),
    err: *mut *mut convoy_error,
    close: impl FnOnce(Engine, ConvoyId, String, String) -> F,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, id, resolution) = unsafe {
            (
                convoy_id(convoy, convoy_len)?,
                text::read(id, id_len, argument)?.to_owned(),
                text::read(resolution, resolution_len, "resolution")?.to_owned(),
            )
        };
        engine.ask(|engine| close(engine, convoy, id, resolution))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Closes a dead letter without trying its task again; `resolution` says why or how, for the record. Where an engine runs
/// the convoy it is asked to, and has not done it yet when this returns; where the convoy has ended it is done here.
///
/// Waits for the disk.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_NOT_FOUND, CONVOY_STATE (it is closed already, or the convoy has neither ended nor an engine),
/// CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_resolve_dead_letter(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    dlq_id: *const c_char,
    dlq_id_len: usize,
    resolution: *const c_char,
    resolution_len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let (convoy, resolution) = ((convoy, convoy_len), (resolution, resolution_len));
    let by = |engine: Engine, convoy, id: String, resolution: String| async move {
        engine.resolve_dead_letter(&convoy, &id, &resolution).await
    };
    // SAFETY: the caller promises what is asked for.
    unsafe { close(engine, convoy, (dlq_id, dlq_id_len, "dlq_id"), resolution, err, by) }
}

/// Closes a dispute. The task stays disputed until it is retried. Otherwise as `convoy_engine_resolve_dead_letter`.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: those of `convoy_engine_resolve_dead_letter`.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_resolve_dispute(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    dispute_id: *const c_char,
    dispute_id_len: usize,
    resolution: *const c_char,
    resolution_len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let (convoy, resolution) = ((convoy, convoy_len), (resolution, resolution_len));
    let by = |engine: Engine, convoy, id: String, resolution: String| async move {
        engine.resolve_dispute(&convoy, &id, &resolution).await
    };
    // SAFETY: the caller promises what is asked for.
    unsafe { close(engine, convoy, (dispute_id, dispute_id_len, "dispute_id"), resolution, err, by) }
}
