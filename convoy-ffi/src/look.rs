//! Looking at what is stored. All of it may be called from several threads at once, and waits for the disk.

use std::ffi::c_char;
use std::path::Path;

use convoy_core::engine::Engine;
use convoy_core::error::Error;
use convoy_core::event::EventRecord;
use convoy_core::types::{AttemptNo, ConvoyId, TaskId};
use serde::Serialize;

use crate::engine::{EngineObject, convoy_engine, convoy_id, task_id, tell, with_engine};
use crate::error::convoy_error;
use crate::events;
use crate::pointer::Out;
use crate::status::convoy_status::{self, CONVOY_UNSUPPORTED};
use crate::text::{self, convoy_string};

/// Asks something about one convoy, and writes the answer as JSON.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change; `out` and `err` must be NULL or writable.
unsafe fn look<T: Serialize, F: Future<Output = Result<T, Error>>>(
    engine: *const convoy_engine,
    (convoy, len): (*const c_char, usize),
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
    question: impl FnOnce(Engine, ConvoyId) -> F,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let convoy = unsafe { convoy_id(convoy, len) }?;
        engine.ask(|engine| question(engine, convoy))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// An attempt at a task, from its three arguments; 0 stands for the newest.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change.
unsafe fn attempt_of(
    (convoy, convoy_len): (*const c_char, usize),
    (task, task_len): (*const c_char, usize),
    attempt: u32,
) -> Result<(ConvoyId, TaskId, Option<AttemptNo>), convoy_error> {
    // SAFETY: the caller promises NULL or readable bytes.
    let (convoy, task) = unsafe { (convoy_id(convoy, convoy_len)?, task_id(task, task_len)?) };
    Ok((convoy, task, (attempt > 0).then_some(AttemptNo(attempt))))
}

/// The path of a log, which has to be text.
fn log_text(path: &Path) -> Result<&str, convoy_error> {
    text::of_path(path, "the log").map_err(|why| convoy_error::new(CONVOY_UNSUPPORTED, why))
}

/// Writes a text or bytes that a question gives.
///
/// # Safety
/// `out` and `err` must be NULL or writable.
unsafe fn give(
    engine: *const convoy_engine,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
    body: impl FnOnce(&EngineObject) -> Result<convoy_string, convoy_error>,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        out.write(body(engine)?);
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// All convoys of the store, the newest first. `out` receives a JSON list, to be freed with `convoy_string_free`; each
/// has "id", "name", "status", "branch", "branch_ref", "published", "unfinished" (it can be resumed), "created_at",
/// "finished_at" and "totals". The "status" is "running" until the convoy has ended, also after a crash: whether somebody
/// runs it says `convoy_engine_is_running`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_list(
    engine: *const convoy_engine,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| engine.ask(|engine| async move { engine.list().await });
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// A convoy as it is now. `out` receives a JSON object, to be freed with `convoy_string_free`: "convoy_id", "name", "status"
/// ("pending", "running", "paused", "done", "failed", "gate-failed", "hook-failed" or "cancelled"), "branch", "branch_ref",
/// "integration_ref" (where everything that landed is in any case), "published" (boolean: the branch has all of that),
/// "created_at", "totals" (how many tasks have which fate), "agent_calls" and "tasks" (list of objects, in the order of the
/// file), and where there is one "finished_at", "stage" (what the convoy itself does at its end), "publish_blocked" (why the
/// branch is not moved), "tokens", "cost_usd", "budget" and others.
/// Each of the tasks has "id", "status" ("pending", "assigned", "running", "checking", "queued", "awaiting-approval", "done",
/// "failed", "timed-out", "gate-failed", "wait-for-input", "parked", "hook-failed", "review-blocked", "disputed", "skipped" or
/// "cancelled"), "attempts" (a number), "phase" and "agent_calls", and where there is one "commit" (that landed), "failure",
/// "waiting_for", "tree" (that waits for approval), "dead_letter" and "dispute" (ids), "artifacts", "tokens", "cost_usd" and
/// others.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_status(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let question = |engine: Engine, convoy: ConvoyId| async move { engine.status(&convoy).await };
    // SAFETY: the caller promises what is asked for.
    unsafe { look(engine, (convoy, len), out, err, question) }
}

/// Whether a live engine, of this process or another, runs a convoy: `out` receives 1 or 0.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_is_running(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    out: *mut i32,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or a place that may be written to, and NULL or readable bytes.
        let (out, convoy) = unsafe { (Out::new(out, "out")?, convoy_id(convoy, len)?) };
        out.write(engine.ask(|engine| async move { engine.is_running(&convoy).await })?.into());
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Up to `max` stored events of a convoy with a number ("_event_id") above `after`; 0 begins at its start. `out`
/// receives a JSON list; an empty one where there are no more, or `max` is 0. The events look as those of `convoy_run_next_event`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. Of a convoy that is not there, there are no
/// events.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_events(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    after: u64,
    max: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let convoy = unsafe { convoy_id(convoy, len) }?;
        let events = engine.ask(|engine| async move { engine.events(&convoy, after, max).await })?;
        Ok(convoy_string::new(events::list(events.iter().map(EventRecord::to_flat_text).collect())))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { give(engine, out, err, body) }
}

/// Writes every event of a convoy that is recorded now to the new file `path` (mode 0600): one JSON object a line, in
/// order, each as `convoy_engine_events` gives it. `out`, unless it is NULL, receives their number. A file that could not
/// be written whole is removed. This, or `convoy_engine_events`, is how to get at the record: the database is no file to
/// open.
///
/// Ownership: the file is yours. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_NOT_FOUND, CONVOY_INVALID_ARGUMENT (the file is there already, or cannot be made), CONVOY_STORE (also
/// when it cannot be written), CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// `convoy` and `path` must be NULL or point to so many readable bytes that do not change during the call. `out` and
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_export(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    path: *const c_char,
    path_len: usize,
    out: *mut u64,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, path) = unsafe { (convoy_id(convoy, convoy_len)?, text::read(path, path_len, "path")?) };
        let events = engine.ask(|engine| async move { engine.export(&convoy, Path::new(path)).await })?;
        // SAFETY: the caller promises NULL or a place that may be written to.
        if let Ok(out) = unsafe { Out::new(out, "out") } {
            out.write(events);
        }
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// The dead letters of a convoy: tasks that were given up, in the order in which that was. `out` receives a JSON list,
/// to be freed with `convoy_string_free`; each has "dlq_id", "task", "agent", "failure_type", "attempts", "error",
/// "open" and, once closed, "resolution". To try such tasks again: `convoy_engine_retry`. Fails as
/// `convoy_engine_status`.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_dead_letters(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let question = |engine: Engine, convoy: ConvoyId| async move { engine.dead_letters(&convoy).await };
    // SAFETY: the caller promises what is asked for.
    unsafe { look(engine, (convoy, len), out, err, question) }
}

/// The disputes of a convoy, about work that reviewers block again and again, in the order in which they were opened.
/// `out` receives a JSON list; each has "dispute_id", "task", "agent", "panel_attempts" (panels that blocked the work),
/// "reasons" (why the last one did), "opened_at", "open" (boolean) and, once closed, "resolved_by" and "resolution".
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_disputes(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let question = |engine: Engine, convoy: ConvoyId| async move { engine.disputes(&convoy).await };
    // SAFETY: the caller promises what is asked for.
    unsafe { look(engine, (convoy, len), out, err, question) }
}

/// One attempt at a task with everything that is known of it: its prompt as it was sent, the end of its log, what its
/// work changed and how that was judged, and how to check the work out. `attempt` counts from 1; 0 is the newest. `out`
/// receives a JSON object: "convoy_id", "task", "attempt" (its number), "attempts" (how many there are), "worker_id", "outcome"
/// ("open", "done", "failed", "interrupted", "parked", "conflict", "skipped" or "cancelled"; with "failed" come "status" and
/// "retried", with "parked" "until", with "skipped" "reason"), "task_status" (of the task now), "began_at", "events" (list: all
/// that is recorded of it, verdicts among it), and where there is one "ended_at", "failure", "usage", "work" (its commit),
/// "files_changed", "landed_as", "checkout" (list: the command that checks the work out), "prompt" and "log" (objects with
/// "path", "text" and "omitted", the bytes that are left out), "logs_removed" (why there are none any more), "other_logs" (list of
/// paths: what setup, gates and reviewers printed), "diff" (object: "text", "truncated") and "diff_missing" (why there is none).
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for git and the disk.
/// Errors: CONVOY_NOT_FOUND, CONVOY_UNSUPPORTED (as `convoy_engine_log_path`), CONVOY_STORE, CONVOY_CLOSED and the mistakes in
/// the call.
///
/// # Safety
/// `convoy` and `task` must be NULL or point to so many readable bytes that do not change during the call. `out` must
/// be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_attempt(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    attempt: u32,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, attempt) = unsafe { attempt_of((convoy, convoy_len), (task, task_len), attempt) }?;
        let view = engine.ask(|engine| async move { engine.attempt(&convoy, &task, attempt).await })?;
        let texts = view.prompt.iter().chain(&view.log).map(|text| &text.path);
        texts.chain(&view.other_logs).try_for_each(|path| log_text(path).map(drop))?;
        Ok(view)
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// The path of the log file of an attempt (0: the newest). What setup and gates printed stands beside it. `out`
/// receives the path.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for the disk.
/// Errors: CONVOY_NOT_FOUND, CONVOY_UNSUPPORTED (the path is no UTF-8, so that it is no text), CONVOY_STORE, CONVOY_CLOSED and
/// the mistakes in the call.
///
/// # Safety
/// `convoy` and `task` must be NULL or point to so many readable bytes that do not change during the call. `out` must
/// be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_log_path(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    attempt: u32,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, attempt) = unsafe { attempt_of((convoy, convoy_len), (task, task_len), attempt) }?;
        let path = engine.ask(|engine| async move { engine.log_path(&convoy, &task, attempt).await })?;
        Ok(convoy_string::new(log_text(&path)?.to_owned()))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { give(engine, out, err, body) }
}

/// What an artifact of a task holds, as other tasks get it, free of secrets. Unlike other texts it may be any bytes:
/// `out` receives them with their number (and a NUL after them).
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for git and the disk.
/// Errors: CONVOY_REPOSITORY (the repository no longer has it), CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the
/// mistakes in the call.
///
/// # Safety
/// `convoy`, `task` and `name` must be NULL or point to so many readable bytes that do not change during the call.
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_artifact(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    name: *const c_char,
    name_len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, name) = unsafe {
            (convoy_id(convoy, convoy_len)?, task_id(task, task_len)?, text::read(name, name_len, "name")?)
        };
        let bytes = engine.ask(|engine| async move { engine.artifact(&convoy, &task, name).await })?;
        Ok(convoy_string::of_bytes(bytes))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { give(engine, out, err, body) }
}
