//! The engine object, and what starts a run.

use std::ffi::c_char;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use convoy_core::engine::{Engine, PruneReport, Run};
use convoy_core::error::Error;
use convoy_core::event::RunOptions;
use convoy_core::types::{ConvoyId, TaskId};
use serde::Serialize;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::courier::Courier;
use crate::error::convoy_error;
use crate::guard::Poison;
use crate::handle::{self, Handle};
use crate::pointer::Out;
use crate::run::{RunObject, convoy_run};
use crate::status::convoy_status::{self, CONVOY_INVALID_ARGUMENT, CONVOY_UNSUPPORTED};
use crate::text::{self, convoy_string};
use crate::{guard, json};

/// An engine for one repository, with threads of its own. Made by `convoy_engine_build`, freed with
/// `convoy_engine_free`. Every function of it may be called from several threads at once.
#[expect(non_camel_case_types, reason = "the C name, so that one search finds both sides")]
#[derive(Debug)]
pub struct convoy_engine {
    _opaque: (),
}

impl Handle for convoy_engine {
    type Object = EngineObject;
}

/// What is behind an engine.
#[derive(Debug)]
pub struct EngineObject {
    // First, so that its runs are interrupted before `end` fires.
    engine: Engine,
    end: DropGuard,
    courier: Arc<Courier>,
    poison: Poison,
}

impl EngineObject {
    /// `end` is cancelled when the engine is shut down or freed: what it then waits for of the host has no other limit.
    pub(crate) fn new(engine: Engine, end: CancellationToken, courier: Arc<Courier>) -> Self {
        Self { engine, end: end.drop_guard(), courier, poison: Poison::default() }
    }

    fn shutdown(&self) {
        let interrupts = self.engine.shutdown();
        let end = async { self.end.token().cancel() };
        // In this order: what is stopped without an interrupt would be an error of its run.
        pollster::block_on(async { tokio::join!(biased; interrupts, end) });
    }

    /// What a question to the engine comes to; the calling thread waits.
    pub(crate) fn ask<T, F>(&self, question: impl FnOnce(Engine) -> F) -> Result<T, convoy_error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        pollster::block_on(question(self.engine.clone())).map_err(convoy_error::from)
    }

    /// What a future comes to within a limit; the calling thread waits.
    pub(crate) fn within<T>(&self, future: impl Future<Output = T>, limit: Option<Duration>) -> Option<T> {
        self.courier.wait(future, limit)
    }

    /// What the engine did last to keep to its retention.
    pub(crate) fn last_retention(&self) -> Option<PruneReport> {
        self.engine.last_retention()
    }

    fn handle_of(&self, run: Run) -> *mut convoy_run {
        handle::insert(Arc::new(RunObject::new(run, self.courier.clone(), self.poison.clone())))
    }
}

/// Runs `body` with the engine of a handle.
///
/// # Safety
/// `err` must be NULL or writable.
pub(crate) unsafe fn with_engine(
    engine: *const convoy_engine,
    err: *mut *mut convoy_error,
    body: impl FnOnce(&EngineObject) -> Result<(), convoy_error>,
) -> convoy_status {
    let body = || {
        let engine = handle::find(engine, "engine")?;
        engine.poison.guard(|| body(&engine))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Runs `body` with the engine of a handle, and writes its answer as JSON.
///
/// # Safety
/// `out` and `err` must be NULL or writable.
pub(crate) unsafe fn tell<T: Serialize>(
    engine: *const convoy_engine,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
    body: impl FnOnce(&EngineObject) -> Result<T, convoy_error>,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        out.write(convoy_string::new(json::write(&body(engine)?)?));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// Runs `body` with the engine of a handle, and writes the handle of the run that it begins.
///
/// # Safety
/// `out` and `err` must be NULL or writable.
unsafe fn begin(
    engine: *const convoy_engine,
    out: *mut *mut convoy_run,
    err: *mut *mut convoy_error,
    body: impl FnOnce(&EngineObject) -> Result<Run, convoy_error>,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        out.write(engine.handle_of(body(engine)?));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// A convoy file and the options of its run.
///
/// # Safety
/// The texts must be NULL or point to so many readable bytes that do not change during `'a`.
unsafe fn spec_of<'a>(
    (spec, spec_len): (*const c_char, usize),
    (options, options_len): (*const c_char, usize),
) -> Result<(&'a str, RunOptions), convoy_error> {
    // SAFETY: the caller promises NULL or readable bytes.
    let (spec, options) =
        unsafe { (text::read(spec, spec_len, "spec")?, text::optional(options, options_len, "options")?) };
    Ok((spec, json::run_options(options)?))
}

/// The convoy that a text names.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change.
pub(crate) unsafe fn convoy_id(convoy: *const c_char, len: usize) -> Result<ConvoyId, convoy_error> {
    // SAFETY: the caller promises NULL or readable bytes.
    let text = unsafe { text::read(convoy, len, "convoy") }?;
    ConvoyId::new(text).map_err(|error| convoy_error::new(CONVOY_INVALID_ARGUMENT, error.to_string()))
}

/// The task that a text names.
///
/// # Safety
/// `task` must be NULL or point to `len` readable bytes that do not change.
pub(crate) unsafe fn task_id(task: *const c_char, len: usize) -> Result<TaskId, convoy_error> {
    // SAFETY: the caller promises NULL or readable bytes.
    let text = unsafe { text::read(task, len, "task") }?;
    TaskId::new(text).map_err(|error| convoy_error::new(CONVOY_INVALID_ARGUMENT, error.to_string()))
}

/// Frees an engine. Its runs are interrupted, which can be resumed later, and end by themselves soon after, if the process
/// goes on for so long; this does not wait for it (`convoy_engine_shutdown` does). Where the process ends first, programs of
/// agents go on working until `convoy_engine_resume` or `convoy_engine_cancel` of their convoy ends them: before the end of the
/// process, call `convoy_engine_shutdown`. Handles of its runs stay usable, to wait for that end and to read
/// their events, and must be freed too. Questions to code of the program that are open then are cancelled: what is not
/// answered within "grace_ms" (of the builder's options) is given up.
///
/// NULL is fine, as is an engine that was freed already, and a call from any callback.
///
/// Ownership: the engine is gone; handles of its runs stay yours.
/// Threads: any, also a callback. Does not wait.
/// Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn convoy_engine_free(engine: *mut convoy_engine) {
    guard::quietly(|| drop(handle::remove(engine)));
}

/// Interrupts every run of the engine, waits until they have ended, and closes the store: other calls on the engine
/// answer CONVOY_CLOSED afterwards, but for `convoy_engine_plan` and `convoy_engine_state_dir`, which need no store. What was interrupted can be resumed. Handles of its runs stay usable, and give the
/// result and every event as before. The engine must still be freed.
///
/// Waits for as long as agents, steps of a merge queue and others that are code of the program take to answer that they
/// are cancelled: not from a callback, and not from the only thread that could answer. There it returns, too, but only
/// when "grace_ms" (of the builder's options) are over and the engine has given them up.
///
/// Ownership: the engine stays yours to free.
/// Threads: any, at once; not a callback. Waits for what runs to end, and for the disk.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_shutdown(
    engine: *const convoy_engine,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        engine.shutdown();
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// The folder in which the engine keeps its database, logs and worktrees: `out` receives its path.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: CONVOY_UNSUPPORTED (the path is no UTF-8, so that it is no text) and the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_state_dir(
    engine: *const convoy_engine,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        let path = text::of_path(engine.engine.state_dir(), "the state directory")
            .map_err(|why| convoy_error::new(CONVOY_UNSUPPORTED, why))?;
        out.write(convoy_string::new(path.to_owned()));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_engine(engine, err, body) }
}

/// What `convoy_engine_start` would run, without starting or storing anything (a dry run). Arguments are those of
/// `convoy_engine_start`. It looks at nothing but its arguments.
///
/// `out` receives JSON, to be freed with `convoy_string_free`: "name", "concurrency" (a number or "auto"), "branch"
/// (null: the one that is checked out), "phases" (a number) and "tasks", in the order of the file, each with "id",
/// "phase" (from 1), "agent", "adapter" (or null), "depends_on", "overlaps" (tasks that are not run at the same time),
/// "files" and "gates"; and "warnings" (texts: what is odd about the file but does not refuse it, an unknown key for
/// example).
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: CONVOY_INVALID_SPEC (with the problems, as `convoy_engine_start`), CONVOY_UNSUPPORTED, CONVOY_BAD_JSON (the
/// options) and the mistakes in the call.
///
/// # Safety
/// `spec` and `options` must be NULL or point to so many readable bytes that do not change during the call. `out`
/// must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_plan(
    engine: *const convoy_engine,
    spec: *const c_char,
    spec_len: usize,
    options: *const c_char,
    options_len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (spec, options) = unsafe { spec_of((spec, spec_len), (options, options_len)) }?;
        let plan =
            engine.ask(|engine| async move { engine.plan(spec, &options).await.map(|p| (p, options)) })?;
        // That there is a plan says that there is no error among them.
        let problems = convoy_core::plan::check(spec).problems;
        Ok(json::plan(&plan.0, &plan.1, &problems))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// Records a convoy and starts it. `spec` is the text of the convoy file, in YAML or JSON: its fields, their defaults
/// and what they mean stand in REFERENCE.md (see the top of this header). `options` is NULL with a
/// length of 0, or a JSON object with these members, all optional: "concurrency" (a number or "auto"), "adapter" and
/// "branch" (instead of the file's), "max_injected" (tasks that may be added while it runs), "inject_file" (boolean:
/// take tasks from a file, too). Both are UTF-8 and not kept.
///
/// A branch that does not exist is made, from HEAD. Tasks for which neither the file nor "adapter" names one get the
/// first adapter that can be used: the built-in ones, then the others in the order of their names.
///
/// What it leaves in the repository: the state directory, with a line in `.git/info/exclude` that hides it from `git
/// status` if it lies in a checkout, and refs below `refs/convoy/`, which keep what landed and what every attempt made.
///
/// `out` receives the run. Waits for git and the disk, not for agents.
///
/// Ownership: `out` is yours: free it with `convoy_run_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for git and the disk, not for agents.
/// Errors: CONVOY_INVALID_SPEC (the details of the error list the problems, as `convoy_check_spec` does),
/// CONVOY_INVALID_ARGUMENT (a "concurrency" that there cannot be), CONVOY_UNSUPPORTED (the file names a gate, prompt source or
/// hook of the program that the engine does not have, for example), CONVOY_REPOSITORY (no commit, no branch to land on, or no
/// possible name of one), CONVOY_AGENT (a program that the file
/// names is not there, or it asks for reviews that nobody can make), CONVOY_STORE (also when the state directory cannot
/// be made), CONVOY_CLOSED, CONVOY_BAD_JSON (the options) and the mistakes in the call. Nothing is started then.
///
/// # Safety
/// `spec` and `options` must be NULL or point to so many readable bytes that do not change during the call. `out`
/// must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_start(
    engine: *const convoy_engine,
    spec: *const c_char,
    spec_len: usize,
    options: *const c_char,
    options_len: usize,
    out: *mut *mut convoy_run,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (spec, options) = unsafe { spec_of((spec, spec_len), (options, options_len)) }?;
        engine.ask(|engine| async move { engine.start(spec, options).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { begin(engine, out, err, body) }
}

/// Takes up a convoy that was interrupted, crashed, or is still to be published: the one that `convoy` names, or the
/// newest that nobody runs when it is NULL with a length of 0. (To resume several: `convoy_engine_list`, "unfinished".)
///
/// `out` receives the run. Waits for git and the disk.
///
/// Ownership: `out` is yours: free it with `convoy_run_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for git and the disk.
/// Errors: CONVOY_NOTHING_TO_RESUME, CONVOY_NOT_FOUND, CONVOY_BUSY (a live engine runs it), CONVOY_AGENT (an adapter
/// that a task needs is not there; nothing is changed then), CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_resume(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    out: *mut *mut convoy_run,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        let newest = convoy.is_null() && len == 0;
        // SAFETY: the caller promises NULL or readable bytes.
        let convoy = if newest { None } else { Some(unsafe { convoy_id(convoy, len) }?) };
        engine.ask(|engine| async move { engine.resume(convoy.as_ref()).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { begin(engine, out, err, body) }
}

/// Takes tasks of a convoy that has ended up again. `tasks` is a JSON list of their ids (also of done ones, which are
/// done once more on top), or NULL with a length of 0 for all that are not done; those that were skipped because of
/// them come along. Their dead letters are closed by it.
///
/// `out` receives the run. Waits for git and the disk.
///
/// Ownership: `out` is yours: free it with `convoy_run_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for git and the disk.
/// Errors: CONVOY_STATE (the convoy has not ended), CONVOY_NOT_FOUND, CONVOY_BUSY, CONVOY_STORE, CONVOY_CLOSED,
/// CONVOY_BAD_JSON and the mistakes in the call.
///
/// # Safety
/// `convoy` and `tasks` must be NULL or point to so many readable bytes that do not change during the call. `out` must
/// be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_retry(
    engine: *const convoy_engine,
    convoy: *const c_char,
    convoy_len: usize,
    tasks: *const c_char,
    tasks_len: usize,
    out: *mut *mut convoy_run,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let (convoy, tasks) =
            unsafe { (convoy_id(convoy, convoy_len)?, text::optional(tasks, tasks_len, "tasks")?) };
        let tasks: Vec<TaskId> = tasks.map_or(Ok(Vec::new()), |tasks| json::read_list(tasks, "tasks"))?;
        engine.ask(|engine| async move { engine.retry(&convoy, &tasks).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { begin(engine, out, err, body) }
}

/// Tries again to publish what a convoy that has ended landed. The run ends when the branch has moved, or is blocked as
/// before. `out` receives the run.
///
/// Ownership: `out` is yours: free it with `convoy_run_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for git and the disk.
/// Errors: those of `convoy_engine_retry`.
///
/// # Safety
/// `convoy` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_publish(
    engine: *const convoy_engine,
    convoy: *const c_char,
    len: usize,
    out: *mut *mut convoy_run,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let convoy = unsafe { convoy_id(convoy, len) }?;
        engine.ask(|engine| async move { engine.publish(&convoy).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { begin(engine, out, err, body) }
}
