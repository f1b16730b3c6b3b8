//! The run object.

use std::ffi::c_char;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use convoy_core::engine::Run;
use convoy_core::event::RequestKind;

use crate::courier::Courier;
use crate::error::convoy_error;
use crate::events::Watch;
use crate::guard::{self, Poison};
use crate::handle::{self, Handle};
use crate::json;
use crate::pointer::Out;
use crate::status::convoy_status::{self, CONVOY_STATE, CONVOY_TIMED_OUT};
use crate::text::{self, convoy_string};

/// A run of a convoy in this process: from start, resume, retry or publish to its end. Freed with `convoy_run_free`.
/// Every function of it may be called from several threads at once.
#[expect(non_camel_case_types, reason = "the C name, so that one search finds both sides")]
#[derive(Debug)]
pub struct convoy_run {
    _opaque: (),
}

impl Handle for convoy_run {
    type Object = RunObject;
}

/// What is behind a run.
#[derive(Debug)]
pub struct RunObject {
    run: Run,
    courier: Arc<Courier>,
    poison: Poison,
    /// The number of the last event that is not to be seen.
    after: AtomicU64,
    /// There once somebody asks for events.
    watch: OnceLock<Watch>,
}

impl RunObject {
    pub(crate) fn new(run: Run, courier: Arc<Courier>, poison: Poison) -> Self {
        let after = AtomicU64::new(run.first_seq().saturating_sub(1));
        Self { run, courier, poison, after, watch: OnceLock::new() }
    }

    /// Its events, fetched from now on.
    pub(crate) fn watch(&self) -> &Watch {
        let after = || self.after.load(Ordering::Acquire);
        self.watch.get_or_init(|| Watch::begin(&self.run, after(), self.courier.clone()))
    }

    /// Has its events begin behind another one than the first of this run.
    pub(crate) fn watch_after(&self, event: u64) -> Result<(), convoy_error> {
        if self.watch.get().is_some() {
            let message =
                "events of this run are read already: say where they begin before the first is read";
            return Err(convoy_error::new(CONVOY_STATE, message));
        }
        self.after.store(event, Ordering::Release);
        Ok(())
    }
}

/// Milliseconds as a limit; negative ones are none.
pub(crate) fn limit(timeout_ms: i64) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// Runs `body` with the run of a handle.
///
/// # Safety
/// `err` must be NULL or writable.
pub(crate) unsafe fn with_run(
    run: *const convoy_run,
    err: *mut *mut convoy_error,
    body: impl FnOnce(&RunObject) -> Result<(), convoy_error>,
) -> convoy_status {
    let body = || {
        let run = handle::find(run, "run")?;
        run.poison.guard(|| body(&run))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// # Safety
/// `err` must be NULL or writable.
unsafe fn request(
    run: *const convoy_run,
    err: *mut *mut convoy_error,
    kind: impl FnOnce() -> Result<RequestKind, convoy_error>,
) -> convoy_status {
    let body = |run: &RunObject| Ok(run.run.request(kind()?)?);
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_run(run, err, body) }
}

/// Frees a run. One that has not ended is interrupted, which can be resumed later; this does not wait for it. Whoever
/// waits for its events on another thread is answered CONVOY_END. It can be resumed once `convoy_engine_is_running`
/// says 0; to wait for that, interrupt it, `convoy_run_wait`, and free it then. Where the process ends before, programs of its
/// agents go on working, as `convoy_engine_free` says. NULL is fine, as is a run that was
/// freed already, and a call from any callback.
///
/// Ownership: the run is gone.
/// Threads: any, also a callback. Does not wait.
/// Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn convoy_run_free(run: *mut convoy_run) {
    guard::quietly(|| {
        let Some(run) = handle::remove(run) else { return };
        if let Some(watch) = run.watch.get() {
            watch.end();
        }
    });
}

/// The id of the convoy: `out` receives it.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_id(
    run: *const convoy_run,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |run: &RunObject| {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        out.write(convoy_string::new(run.run.id().to_string()));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_run(run, err, body) }
}

/// The number ("_event_id") of the event with which this run began: `out` receives it. Events of the convoy from
/// earlier runs are those of `convoy_engine_events` with a lower number.
///
/// Ownership: the number is a copy.
/// Threads: any, at once. Does not wait.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_first_event_id(
    run: *const convoy_run,
    out: *mut u64,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |run: &RunObject| {
        // SAFETY: the caller promises NULL or a place that may be written to.
        unsafe { Out::new(out, "out") }?.write(run.run.first_seq());
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_run(run, err, body) }
}

/// Waits for the end of the run for up to `timeout_ms` milliseconds (0: only looks; negative: for as long as it takes),
/// and answers CONVOY_TIMED_OUT when that is not long enough. Events are read independently of it. May be called
/// more than once, and gives the same each time. Not from a callback, except with 0.
///
/// `out` may be NULL. Otherwise it receives JSON, to be freed with `convoy_string_free`: "ended" ("finished", or
/// "interrupted": it can be resumed), "view" (the convoy, as `convoy_engine_status` gives it) and "warnings" (a list of
/// texts: what is odd about the convoy file, such as a key that is ignored, and what went wrong beside the convoy, such as
/// a branch that could not be moved to what landed).
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; from a callback only with 0. Waits as `timeout_ms` says.
/// Errors: CONVOY_TIMED_OUT (without an error object); where the engine had to stop without an end CONVOY_STORE,
/// CONVOY_REPOSITORY (git failed, or work could not land), CONVOY_BUSY (another engine has taken the convoy over),
/// CONVOY_CLOSED or CONVOY_INTERNAL, and the convoy can be resumed; the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_wait(
    run: *const convoy_run,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |run: &RunObject| {
        let waited = run.courier.wait(run.run.wait(), limit(timeout_ms));
        let outcome = waited.ok_or_else(|| convoy_error::quiet(CONVOY_TIMED_OUT))??;
        // SAFETY: the caller promises NULL or a place that may be written to.
        if let Ok(out) = unsafe { Out::new(out, "out") } {
            out.write(convoy_string::new(json::outcome(&outcome).to_string()));
        }
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_run(run, err, body) }
}

/// Asks the run to pause: agents that run finish, and nothing starts. It follows soon, and events tell of it; asking a
/// run that has ended does nothing. Never blocks.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_pause(
    run: *const convoy_run,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { request(run, err, || Ok(RequestKind::Pause)) }
}

/// Ends a pause. Otherwise as `convoy_run_pause`.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_unpause(
    run: *const convoy_run,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { request(run, err, || Ok(RequestKind::Unpause)) }
}

/// Asks the run to end for good: nothing starts, agents that run are ended, their work is kept. It cannot be resumed
/// (though `convoy_engine_retry` takes its tasks up again). Otherwise as `convoy_run_pause`.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_cancel(
    run: *const convoy_run,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { request(run, err, || Ok(RequestKind::Cancel)) }
}

/// Asks the run to stop so that it can be resumed. `reason` is for the record: `len` bytes of UTF-8, not kept; NULL
/// with a length of 0 stands for none. Otherwise as `convoy_run_pause`.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `reason` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_interrupt(
    run: *const convoy_run,
    reason: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let kind = || {
        // SAFETY: the caller promises NULL or readable bytes.
        let reason = unsafe { text::optional(reason, len, "reason") }?;
        Ok(RequestKind::Interrupt { reason: reason.unwrap_or("the program asked for it").to_owned() })
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { request(run, err, kind) }
}
