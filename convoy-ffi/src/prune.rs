//! Deleting what is kept of convoys that have ended.

use std::ffi::c_char;

use convoy_core::engine::PruneOptions;

use crate::engine::{EngineObject, convoy_engine, tell};
use crate::error::convoy_error;
use crate::json;
use crate::status::convoy_status;
use crate::text::{self, convoy_string};

/// Deletes convoys that have ended: their refs under `refs/convoy/` (with them the work of attempts that landed nowhere),
/// logs, events and everything else that is stored of them. What landed on a branch is not touched. `options` is a JSON
/// object (`options_len` bytes of UTF-8). Its members, of which one of the first three must be there; where more are, a
/// convoy must fulfil all of them:
/// "convoys" (list of ids): these, none of them where it is empty; not together with "all".
/// "older_than_ms" (number): those that ended at least so long ago.
/// "all" (boolean): every one that has ended. As with those that are named, open dead letters and disputes hold none back;
/// files of an attempt that are in no commit hold back all but those that are named.
/// "unpublished" (boolean): also those whose landed work is on no branch; nothing leads to it any more then.
/// "dry_run" (boolean): only tell what would be done.
///
/// `out` receives a JSON object:
/// "dry_run" (boolean): nothing was done, the rest says what would be.
/// "pruned" (list of objects): the convoys that are gone, the oldest first. Each has "convoy_id", "continued" (boolean: an
/// earlier call had begun it), "refs" and "files" (how many there were), "bytes" (what the files held) and "events" (how many);
/// where they are known "name", "status" and "finished_at"; and where it is so "unpublished" (the newest commit of its
/// landed work, which nothing but this id leads to) and "left" (paths that were left because they are not the engine's).
/// "kept" (list of objects): those that were asked for and are kept, the oldest first. Each has "convoy_id", "name" where it is
/// known, "reason" ("running", "unfinished", "unpublished", "open_for_people", "unreadable" or "failed"; later versions may
/// add others) and "detail" (the same for people, and what they can do).
/// "logs_removed" (list of objects; missing where it is empty): ended convoys whose logs were removed, while they are kept, each
/// with "convoy_id" and "bytes". That is done for "logs_quota_bytes" of the builder's options, so this function has none:
/// see `convoy_engine_last_retention`.
/// "database_bytes" (number): by how much the database is shorter.
/// What was cut off by a crash, or has "failed", cannot be used any more; the next call finishes it, whatever that asks for.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Waits for git and the disk.
/// Errors: CONVOY_BAD_JSON, CONVOY_INVALID_ARGUMENT (nothing says which convoys), CONVOY_NOT_FOUND (a named one is not there:
/// nothing is done then), CONVOY_STORE, CONVOY_CLOSED and the mistakes in the call. A single convoy that cannot be pruned is
/// no error, but "kept".
///
/// # Safety
/// `options` must be NULL or point to so many readable bytes that do not change during the call. `out` must be NULL or
/// writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_prune(
    engine: *const convoy_engine,
    options: *const c_char,
    options_len: usize,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = |engine: &EngineObject| {
        // SAFETY: the caller promises NULL or readable bytes.
        let options = unsafe { text::read(options, options_len, "options") }?;
        let options: PruneOptions = json::read(options, "options")?;
        engine.ask(|engine| async move { engine.prune(options).await })
    };
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, body) }
}

/// What the engine did last to keep to "keep_for_ms", "keep_convoys" and "logs_quota_bytes" of its builder's options, which is
/// done when it is built and whenever one of its convoys has ended. `out` receives a JSON object with the members of the answer
/// of `convoy_engine_prune`, or `null`: there are no such options, or nothing was done yet (with "create": false it is not when it is
/// built), or it could not be done the last time, which the log says.
///
/// Ownership: `out` is yours: free it with `convoy_string_free`. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_last_retention(
    engine: *const convoy_engine,
    out: *mut convoy_string,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises NULL or places that may be written to.
    unsafe { tell(engine, out, err, |engine: &EngineObject| Ok(engine.last_retention())) }
}
