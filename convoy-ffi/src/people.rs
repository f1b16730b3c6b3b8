//! What people decide about a convoy that runs, here or in another process, or waits.

use std::ffi::c_char;

use convoy_core::event::RequestKind;
use convoy_core::types::{ConvoyId, Oid};

use crate::engine::{EngineObject, convoy_engine, convoy_id, task_id, with_engine};
use crate::error::convoy_error;
use crate::pointer::{self, Out};
use crate::status::convoy_status::{self, CONVOY_INVALID_ARGUMENT};
use crate::text::{self, convoy_string};

fn ask(engine: &EngineObject, convoy: ConvoyId, kind: RequestKind) -> Result<(), convoy_error> {
    engine.ask(|engine| async move { engine.request(&convoy, kind).await.map(drop) })
}

/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change; `err` must be NULL or writable.
unsafe fn request(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
    kind: RequestKind,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let convoy = unsafe { convoy_id(convoy, len) }?;
        ask(engine, convoy, kind)
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Asks whoever runs a convoy, in this process or another, to pause it: agents that run finish, and nothing starts.
/// It follows soon, and events tell of it (`convoy_run_pause` does the same for a run of this process).
///
/// Waits for the disk. Fails with CONVOY_STATE (the convoy is over, or nobody runs it), CONVOY_NOT_FOUND,
/// CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. May be called from several threads at once.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_pause(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { request(engine, convoy, len, err, RequestKind::Pause) }
}

/// Ends a pause. Otherwise as `convoy_engine_pause`.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_unpause(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { request(engine, convoy, len, err, RequestKind::Unpause) }
}

/// Ends a convoy for good: nothing starts, agents that run are ended, their work is kept. One that nobody runs is
/// cancelled here, and that has happened when this returns. Otherwise as `convoy_engine_pause`.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_cancel(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { request(engine, convoy, len, err, RequestKind::Cancel) }
}

/// Lets a task that waits for approval go on. `tree` is the tree that the person has seen, as the task has it in
/// `convoy_engine_status`: another one is not approved; NULL with a length of 0 = whichever waits. `reason` is for the
/// record; NULL with a length of 0 = none. Texts are UTF-8 and not kept.
///
/// Whoever runs the convoy does it soon, and an event tells of it ("request_refused" says why not). For a convoy that
/// nobody runs it is stored, and done by the next engine that takes it up.
///
/// Waits for the disk. Fails with CONVOY_STATE (the convoy is over), CONVOY_NOT_FOUND, CONVOY_INVALID_ARGUMENT,
/// CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. May be called from several threads at once.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
/// writable.
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
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, tree, reason) = unsafe {
            (
                convoy_id(convoy, convoy_len)?,
                task_id(task, task_len)?,
                text::optional(tree, tree_len, "tree")?,
                text::optional(reason, reason_len, "reason")?,
            )
        };
        let tree = tree.map(Oid::new).transpose();
        let tree = tree.map_err(|error| convoy_error::new(CONVOY_INVALID_ARGUMENT, error.to_string()))?;
        let reason = reason.unwrap_or_default().to_owned();
        ask(engine, convoy, RequestKind::Approve { task, tree, reason })
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Refuses a task that waits for approval: it fails. Otherwise as `convoy_engine_approve`.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_reject(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    reason: *const c_char,
    reason_len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, reason) = unsafe {
            (
                convoy_id(convoy, convoy_len)?,
                task_id(task, task_len)?,
                text::optional(reason, reason_len, "reason")?,
            )
        };
        let reason = reason.unwrap_or_default().to_owned();
        ask(engine, convoy, RequestKind::Reject { task, reason })
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Skips a task that is not finished, and what depends on it. What works on it is ended; its work is kept. Otherwise
/// as `convoy_engine_approve`.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_skip(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    task: *const c_char,
    task_len: usize,
    reason: *const c_char,
    reason_len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, reason) = unsafe {
            (
                convoy_id(convoy, convoy_len)?,
                task_id(task, task_len)?,
                text::optional(reason, reason_len, "reason")?,
            )
        };
        let reason = reason.unwrap_or_default().to_owned();
        ask(engine, convoy, RequestKind::Skip { task, reason })
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Takes a person's commit as the work of a task that nobody works on: it is checked and landed like an agent's.
/// `revision` is whatever git takes for a commit. Fails with CONVOY_REPOSITORY, too, when the commit has no history
/// in common with the convoy's work. Otherwise as `convoy_engine_approve`.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during the call. `err` must be NULL or
/// writable.
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
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, task, revision, reason) = unsafe {
            (
                convoy_id(convoy, convoy_len)?,
                task_id(task, task_len)?,
                text::read(revision, revision_len, "revision")?,
                text::optional(reason, reason_len, "reason")?.unwrap_or_default(),
            )
        };
        engine.ask(|engine| async move { engine.accept(&convoy, &task, revision, reason).await.map(drop) })
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Asks whoever runs a convoy to add tasks. `tasks` is the text of an `inject.yml`, `source` says where it comes from,
/// for the record. `key` names the request: what is asked for twice under one key is added once; with NULL and a
/// length of 0 it gets a new one. `out`, unless it is NULL, receives the key, to be freed with `convoy_string_free`;
/// the event "tasks_added" or "injection_refused" that tells what became of it has the same.
///
/// Fails with CONVOY_INVALID_SPEC (the problems are in the details of the error) and otherwise as
/// `convoy_engine_approve`.
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

/// Closes a dead letter without trying its task again; `resolution` says why or how, for the record. Where an engine runs
/// the convoy it is asked to, and has not done it yet when this returns; where the convoy has ended it is done here.
///
/// Waits for the disk. Fails with CONVOY_NOT_FOUND, CONVOY_STATE (it is closed already, or the convoy has neither
/// ended nor an engine), CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. May be called from several threads
/// at once.
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
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, id, resolution) = unsafe {
            (
                convoy_id(convoy, convoy_len)?,
                text::read(dlq_id, dlq_id_len, "dlq_id")?,
                text::read(resolution, resolution_len, "resolution")?,
            )
        };
        engine.ask(|engine| async move { engine.resolve_dead_letter(&convoy, id, resolution).await })
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Closes a dispute. The task stays disputed until it is retried. Otherwise as `convoy_engine_resolve_dead_letter`.
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
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, id, resolution) = unsafe {
            (
                convoy_id(convoy, convoy_len)?,
                text::read(dispute_id, dispute_id_len, "dispute_id")?,
                text::read(resolution, resolution_len, "resolution")?,
            )
        };
        engine.ask(|engine| async move { engine.resolve_dispute(&convoy, id, resolution).await })
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}
