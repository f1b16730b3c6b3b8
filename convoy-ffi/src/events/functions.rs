//! What hosts call to read events.

use std::ffi::c_void;
use std::sync::Arc;

use super::queue::{Taken, Wake};
use crate::callback::UserData;
use crate::error::convoy_error;
use crate::pointer::Out;
use crate::run::{RunObject, convoy_run, limit, with_run};
use crate::status::convoy_status::{
    self, CONVOY_BAD_NUMBER, CONVOY_EMPTY, CONVOY_END, CONVOY_INTERNAL, CONVOY_TIMED_OUT,
};
use crate::text::convoy_string;

/// A function of the host that is called when there is something to read.
struct HostWake {
    user_data: UserData,
    wake: unsafe extern "C" fn(user_data: *mut c_void),
}

impl Wake for HostWake {
    fn wake(&self) {
        // SAFETY: the host gave the function for this data, which is not destroyed as long as `self` lives.
        unsafe { (self.wake)(self.user_data.get()) }
    }
}

/// Has `wake` called with `user_data` when there are events to read: once, and then again only after a call that reads
/// events has answered CONVOY_EMPTY (or CONVOY_TIMED_OUT). So, when woken: read until CONVOY_EMPTY or CONVOY_END. When
/// there are events already, it is called at once. It comes on a thread of the library, never twice at the same
/// time, with no lock held; it may call any function of the library, and should return soon: until then no further
/// events of this run are fetched. It must not throw or longjmp.
///
/// It takes the place of an earlier one; NULL for `wake` takes that away only. An earlier one that runs at this moment runs to
/// its end, and this does not wait for that: the new one is called after it. So a wake may replace itself, clear itself, and
/// free the run. `destroy`, unless it is NULL, is called exactly once with `user_data` when `wake` does not run and will not be
/// called any more: after it was replaced, after the run was freed, or when this call fails; on whichever thread lets go
/// of it last, which may be the one that makes this call.
///
/// Ownership: `user_data` belongs to the library from here on, also when this fails.
/// Threads: any, at once. Does not wait.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `wake` and `destroy` must be NULL or functions that may be called with `user_data` on any thread. `err` must be
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_set_wake(
    run: *const convoy_run,
    wake: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let user_data = UserData::new(user_data, destroy);
    let body = |run: &RunObject| {
        let wake = wake.map(|wake| Arc::new(HostWake { user_data, wake }) as Arc<dyn Wake>);
        run.watch().set_wake(wake);
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_run(run, err, body) }
}

/// Has the events of the run begin with the first stored one whose number ("_event_id") is above `event_id`, in the
/// place of the first event of this run: 0 gives all of the convoy, from its very start. To be called before any other
/// function about events.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: CONVOY_STATE when events are read already, and the mistakes in the call.
///
/// # Safety
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_events_after(
    run: *const convoy_run,
    event_id: u64,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_run(run, err, |run| run.watch_after(event_id)) }
}

/// The next event of the run, if there is one now. Never blocks. `out` receives a JSON object on one line. The first
/// call begins to fetch: from the first event of this run (start, resume, retry) on, so that nothing is missed by
/// reading late; for those of the convoy before it, `convoy_run_events_after`. So it mostly answers CONVOY_EMPTY, also
/// after the end of the run: until CONVOY_END there is more to come.
///
/// A stored event has "_event_id" (its number, rising), "timestamp", "type", "convoy_id", "task_id" and "worker_id" (null where it
/// concerns none), and members of its type: all types, when they come and what
/// they hold, stand in EVENTS.md (see the top of this header). Not stored, and without a number: "task_output" (a piece of what an agent
/// prints, free of secrets, with "task_id", "attempt_no" and "text"), "lagged" ("lost" pieces of such output of this
/// run went by because nobody read them, also before the first read; the log file has them, and stored events are never
/// lost), and last of all "run_ended": "ended" is "finished"
/// or "interrupted" (with the "status" of the convoy and "warnings", as those of `convoy_run_wait`) or "failed" (with "error": "status", "kind",
/// "message"; the convoy can be resumed). "unread", if it is there, says why events before it could not be read.
///
/// CONVOY_EMPTY: none now. CONVOY_END: none any more, "run_ended" was read. Both make no error object.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; each gets other events. Does not wait.
/// Errors: CONVOY_EMPTY and CONVOY_END (without an error object), and the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_next_event(
    run: *const convoy_run,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { read(run, out, err, |run| Ok(run.watch().queue().take(1)), one) }
}

/// As `convoy_run_next_event`, but waits for an event for up to `timeout_ms` milliseconds (for as long as it takes, if
/// that is negative), and answers CONVOY_TIMED_OUT when none came. Not from a callback.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once, but no callback; each gets other events. Waits as `timeout_ms` says.
/// Errors: CONVOY_TIMED_OUT and CONVOY_END (without an error object), and the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_wait_event(
    run: *const convoy_run,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let take = |run: &RunObject| Ok(run.watch().queue().wait(1, limit(timeout_ms)));
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { read_timed(run, out, err, take, one) }
}

/// The next events of the run that are there now, at most `max`, as a JSON list with at least one: as
/// `convoy_run_next_event` otherwise, and with far fewer calls where there are many.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once; each gets other events. Does not wait.
/// Errors: CONVOY_BAD_NUMBER (`max` is 0), and those of `convoy_run_next_event`.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_next_events(
    run: *const convoy_run,
    max: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let take = |run: &RunObject| {
        not_zero(max)?;
        Ok(run.watch().queue().take(max))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { read(run, out, err, take, list) }
}

/// As `convoy_run_next_events`, but waits for the first event as `convoy_run_wait_event` does.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once, but no callback; each gets other events. Waits as `timeout_ms` says.
/// Errors: CONVOY_BAD_NUMBER (`max` is 0), and those of `convoy_run_wait_event`.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_wait_events(
    run: *const convoy_run,
    max: usize,
    timeout_ms: i64,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let take = |run: &RunObject| {
        not_zero(max)?;
        Ok(run.watch().queue().wait(max, limit(timeout_ms)))
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { read_timed(run, out, err, take, list) }
}

/// A file descriptor that can be read from (poll, select, epoll, kqueue) as long as there are events to read, and after
/// the end. It is for polling only: do not read from it, write to it or close it. It belongs to the run and is closed
/// when the run is freed. `out` receives it, the same at every call.
///
/// Ownership: the descriptor belongs to the run.
/// Threads: any, at once. Does not wait.
/// Errors: CONVOY_INTERNAL when the system has no more descriptors, and the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_run_event_fd(
    run: *const convoy_run,
    out: *mut i32,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |run: &RunObject| {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        let descriptor = run.watch().queue().descriptor().map_err(|error| {
            let message = format!("no file descriptor can be made; check the system's limits: {error}");
            convoy_error::new(CONVOY_INTERNAL, message)
        })?;
        out.write(descriptor);
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_run(run, err, body) }
}

fn not_zero(max: usize) -> Result<(), convoy_error> {
    if max == 0 {
        return Err(convoy_error::new(CONVOY_BAD_NUMBER, "`max` is 0: ask for at least one event"));
    }
    Ok(())
}

fn one(events: Vec<String>) -> String {
    events.into_iter().next().unwrap_or_default()
}

/// A JSON list of these texts.
pub(crate) fn list(events: Vec<String>) -> String {
    // Each with what stands before it, the end, and the NUL that is added when it is handed out.
    let length = events.iter().map(|event| event.len() + 1).sum::<usize>() + 2;
    let mut text = String::with_capacity(length);
    text.push('[');
    for (n, event) in events.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(event);
    }
    text.push(']');
    text
}

type Take<'a> = &'a dyn Fn(&RunObject) -> Result<Taken, convoy_error>;

/// # Safety
/// `out` and `err` must be NULL or writable.
unsafe fn read(
    run: *const convoy_run,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
    take: impl Fn(&RunObject) -> Result<Taken, convoy_error>,
    form: fn(Vec<String>) -> String,
) -> convoy_status {
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { read_or(run, out, err, &take, form, CONVOY_EMPTY) }
}

/// # Safety
/// `out` and `err` must be NULL or writable.
unsafe fn read_timed(
    run: *const convoy_run,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
    take: impl Fn(&RunObject) -> Result<Taken, convoy_error>,
    form: fn(Vec<String>) -> String,
) -> convoy_status {
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { read_or(run, out, err, &take, form, CONVOY_TIMED_OUT) }
}

/// # Safety
/// `out` and `err` must be NULL or writable.
unsafe fn read_or(
    run: *const convoy_run,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
    take: Take<'_>,
    form: fn(Vec<String>) -> String,
    nothing: convoy_status,
) -> convoy_status {
    let body = |run: &RunObject| {
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        match take(run)? {
            Taken::Events(events) => out.write(convoy_string::new(form(events))),
            Taken::Empty => return Err(convoy_error::quiet(nothing)),
            Taken::End => return Err(convoy_error::quiet(CONVOY_END)),
        }
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { with_run(run, err, body) }
}
