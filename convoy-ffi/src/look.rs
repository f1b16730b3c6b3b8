//! Looking at what is stored. All of it may be called from several threads at once, and waits for the disk.

use std::ffi::c_char;

use convoy_core::event::EventRecord;
use convoy_core::types::AttemptNo;

use crate::engine::{EngineObject, convoy_engine, convoy_id, task_id, tell, with_engine};
use crate::error::convoy_error;
use crate::pointer::Out;
use crate::status::convoy_status;
use crate::text::{self, convoy_string};

/// All convoys of the store, the newest first. `out` receives a JSON list, to be freed with `convoy_string_free`; each
/// has "id", "name", "status", "branch", "branch_ref", "published", "unfinished" (it can be resumed), "created_at",
/// "finished_at" and "totals".
///
/// Fails with CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
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

/// A convoy as it is now. `out` receives the JSON object that `convoy status --json` prints, to be freed with
/// `convoy_string_free`: "convoy_id", "name", "status", "branch", "published", "totals", "tasks" (each with "id",
/// "status", "attempts", and where there is one "commit", "failure", "waiting_for", "dead_letter", ...) and others.
///
/// Fails with CONVOY_NOT_FOUND, CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
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
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let convoy = unsafe { convoy_id(convoy, len) }?;
        engine.ask(|engine| async move { engine.status(&convoy).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// Whether a live engine, of this process or another, runs a convoy: `out` receives 1 or 0. Fails as
/// `convoy_engine_status`.
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
/// receives a JSON list, to be freed with `convoy_string_free`; an empty one where there are no more. The events look
/// as those of `convoy_run_next_event`. Fails as `convoy_engine_status`.
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
        Ok(events.iter().map(EventRecord::to_flat_json).collect::<Vec<_>>())
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// The dead letters of a convoy: tasks that were given up, in the order in which that was. `out` receives a JSON list,
/// to be freed with `convoy_string_free`; each has "dlq_id", "task", "agent", "failure_type", "attempts", "error",
/// "open" and, once closed, "resolution". To try such tasks again: `convoy_engine_retry`. Fails as
/// `convoy_engine_status`.
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
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let convoy = unsafe { convoy_id(convoy, len) }?;
        engine.ask(|engine| async move { engine.dead_letters(&convoy).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// The disputes of a convoy, about work that reviewers block again and again, in the order in which they were opened. `out`
/// receives a JSON list, to be freed with `convoy_string_free`. Fails as `convoy_engine_status`.
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
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let convoy = unsafe { convoy_id(convoy, len) }?;
        engine.ask(|engine| async move { engine.disputes(&convoy).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// One attempt at a task with everything that is known of it: its prompt as it was sent, the end of its log, what its
/// work changed and how that was judged, and how to check the work out. `attempt` counts from 1; 0 is the newest.
/// `out` receives the JSON object that `convoy show --json` prints, to be freed with `convoy_string_free`. Fails as
/// `convoy_engine_status`.
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
        let (convoy, task) = unsafe { (convoy_id(convoy, convoy_len)?, task_id(task, task_len)?) };
        let attempt = (attempt > 0).then_some(AttemptNo(attempt));
        engine.ask(|engine| async move { engine.attempt(&convoy, &task, attempt).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// The path of the log file of an attempt (0: the newest). What setup and gates printed stands beside it. `out`
/// receives the path, to be freed with `convoy_string_free`. Fails as `convoy_engine_status`.
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
        // SAFETY: the caller promises NULL or a place that may be written to, and NULL or readable bytes.
        let (out, convoy, task) =
            unsafe { (Out::new(out, "out")?, convoy_id(convoy, convoy_len)?, task_id(task, task_len)?) };
        let attempt = (attempt > 0).then_some(AttemptNo(attempt));
        let path = engine.ask(|engine| async move { engine.log_path(&convoy, &task, attempt).await })?;
        out.write(convoy_string::new(path.to_string_lossy().into_owned()));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// What an artifact of a task holds, as other tasks get it, free of secrets. Unlike other texts it may be any bytes:
/// `out` receives them with their number (and a NUL after them), to be freed with `convoy_string_free`. Fails with
/// CONVOY_REPOSITORY when the repository no longer has it, and as `convoy_engine_status`.
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
        // SAFETY: the caller promises NULL or a place that may be written to, and NULL or readable bytes.
        let (out, convoy, task, name) = unsafe {
            (
                Out::new(out, "out")?,
                convoy_id(convoy, convoy_len)?,
                task_id(task, task_len)?,
                text::read(name, name_len, "name")?,
            )
        };
        let bytes = engine.ask(|engine| async move { engine.artifact(&convoy, &task, name).await })?;
        out.write(convoy_string::of_bytes(bytes));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}
