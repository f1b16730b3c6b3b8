//! What hosts call to answer.

use std::ffi::c_char;

use convoy_core::process::Stream;
use convoy_core::types::SessionId;

use super::live::Live;
use super::reply::Expects;
use super::table::{self, Answer};
use crate::error::convoy_error;
use crate::status::convoy_status::{
    self, CONVOY_BAD_NUMBER, CONVOY_INVALID_ARGUMENT, CONVOY_NO_COMPLETION, CONVOY_STATE,
};
use crate::{guard, pointer, text};

/// Answers what the engine asked of the host's code under the number `completion_id`. `result` is the answer as JSON:
/// `len` bytes of UTF-8, not kept. Which members it has is said where the question is: `convoy_agent_adapter`,
/// `convoy_review_runner`, `convoy_merge_queue`, `convoy_host_code`.
///
/// Never blocks. From any thread, also from within the callback that was asked. A number is answered once: after
/// CONVOY_OK it is used up. With CONVOY_BAD_JSON, CONVOY_BAD_UTF8 and the like the question is still open.
/// CONVOY_NO_COMPLETION: it was answered before, or the engine no longer waits (it was cancelled and the time for
/// that is over, or the engine is gone): nothing is wrong, forget the number.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, also the callback that was asked. Does not wait.
/// Errors: CONVOY_NO_COMPLETION (nobody waits for this number), CONVOY_BAD_JSON (no such answer) and the mistakes in
/// the call.
///
/// # Safety
/// `result` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_completion_resolve(
    completion_id: u64,
    result: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        let pending = table::find(completion_id)?;
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let result = unsafe { text::read(result, len, "result") }?;
        let reply = pending.expects.read(result)?;
        table::answer(completion_id, Answer::Resolved(reply))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Answers that the host's code failed: `message` says what happened, for people (`len` bytes of UTF-8, not kept). An
/// agent has then failed with `failure_type` "error", and may be tried again; a reviewer came to no judgement; a
/// merge queue could not do the step; a gate or hook has failed, and a prompt source gave no text, for this reason. Otherwise as `convoy_completion_resolve`.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, also the callback that was asked. Does not wait.
/// Errors: those of `convoy_completion_resolve`, but for CONVOY_BAD_JSON.
///
/// # Safety
/// `message` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_completion_reject(
    completion_id: u64,
    message: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        table::find(completion_id)?;
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let message = unsafe { text::read(message, len, "message") }?;
        table::answer(completion_id, Answer::Rejected(message.to_owned()))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Hands over a piece of what the agent or reviewer prints. It goes, free of secrets, into a log of the attempt
/// (`convoy_engine_log_path`; each reviewer has one of its own beside it). That of an agent is also seen live, as an
/// event `task_output`; that of a reviewer is not. It also shows that the agent is alive, where the task has a limit on
/// silence. `stream` is 1 for standard output, 2 for standard error. `data` is any bytes, cut anywhere; not kept.
///
/// Only before the completion is answered. Pieces of one completion stay in order if they are handed over one after the
/// other.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any; one after the other for pieces whose order matters. Waits while more than 4 MiB of what it told wait to be
/// written to the log.
/// Errors: CONVOY_NO_COMPLETION as `convoy_completion_resolve`, CONVOY_BAD_NUMBER for another stream, and CONVOY_STATE
/// for a step of a merge queue, a gate, a prompt source or a hook, which print nothing.
///
/// # Safety
/// `data` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_completion_output(
    completion_id: u64,
    stream: i32,
    data: *const u8,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let data = unsafe { pointer::bytes(data, len, "data") }?;
        let stream = match stream {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            other => {
                let message = format!("`stream` is {other}: use 1 for standard output, 2 for standard error");
                return Err(convoy_error::new(CONVOY_BAD_NUMBER, message));
            }
        };
        tell(completion_id, Live::Output(stream, data.to_owned()))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Says which session the agent works in (`len` bytes of UTF-8, 1 to 512, not kept), so that a later attempt can continue it
/// even when this one is cut off. Without the capability "resume" of the adapter nothing follows from it. Otherwise as
/// `convoy_completion_output`.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any. Waits as `convoy_completion_output`.
/// Errors: CONVOY_INVALID_ARGUMENT (no possible session: it is empty, longer, begins with a dash or has control characters),
/// and those of `convoy_completion_output`.
///
/// # Safety
/// `session` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_completion_session(
    completion_id: u64,
    session: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let session = unsafe { text::read(session, len, "session") }?;
        let session = SessionId::new(session).map_err(|error| {
            // Without the text, which may be of any length.
            let (why, len) = (error.why, session.len());
            convoy_error::new(
                CONVOY_INVALID_ARGUMENT,
                format!("`session` is no session id: {why}; this one has {len} bytes"),
            )
        })?;
        tell(completion_id, Live::Session(session))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Says that the agent runs as the process `pid`, for the record. Give every process that you start the variables of
/// the request's "env": what bears its CONVOY_ATTEMPT is found and ended even after a crash of this process. Otherwise
/// as `convoy_completion_output`.
///
/// Ownership: nothing changes hands.
/// Threads: any. Waits as `convoy_completion_output`.
/// Errors: CONVOY_BAD_NUMBER (`pid` is 0), and those of `convoy_completion_output`.
///
/// # Safety
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_completion_started(
    completion_id: u64,
    pid: u32,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe {
        guard::call(err, || {
            if pid == 0 {
                return Err(convoy_error::new(CONVOY_BAD_NUMBER, "`pid` is 0, which is no process"));
            }
            tell(completion_id, Live::Started(pid))
        })
    }
}

fn tell(id: u64, live: Live) -> Result<(), convoy_error> {
    let pending = table::find(id)?;
    let fits = match (&pending.expects, &live) {
        (Expects::Agent, _) | (Expects::Review, Live::Output(..)) => true,
        (Expects::Review | Expects::Prepare(_) | Expects::Advance | Expects::Settle, _)
        | (Expects::Verdict | Expects::Part, _) => false,
    };
    if !fits {
        let message = format!("completion {id} is of a call that has no such thing to tell");
        return Err(convoy_error::new(CONVOY_STATE, message));
    }
    if pending.live.send(live) {
        return Ok(());
    }
    let message = format!("nothing waits for completion {id} any more; forget it");
    Err(convoy_error::new(CONVOY_NO_COMPLETION, message))
}
