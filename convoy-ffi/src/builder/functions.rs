//! The functions of the builder.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::{mem, ptr};

use tokio_util::sync::CancellationToken;

use super::{BuilderObject, Options, Parts};
use crate::adapter::{HostAdapter, convoy_agent_adapter};
use crate::callback::{Table, UserData, read_table};
use crate::courier::Courier;
use crate::engine::{EngineObject, convoy_engine};
use crate::error::convoy_error;
use crate::handle::{self, Handle};
use crate::host_code::{HostPart, Kind, convoy_host_code};
use crate::log::HostLog;
use crate::merger::{HostQueue, convoy_merge_queue};
use crate::pointer::Out;
use crate::reviewer::{HostReviewer, convoy_review_runner};
use crate::status::convoy_status::{self, CONVOY_INVALID_ARGUMENT};
use crate::{guard, json, text};

/// An engine before it exists: what it is to have is set here. Made by `convoy_engine_builder_new`, freed with
/// `convoy_engine_builder_free`. One call at a time.
#[expect(non_camel_case_types, reason = "the C name, so that one search finds both sides")]
#[derive(Debug)]
pub struct convoy_engine_builder {
    _opaque: (),
}

impl Handle for convoy_engine_builder {
    type Object = BuilderObject;
}

/// Begins to build an engine for the git repository that the path `repository` is in (`len` bytes of UTF-8, not kept).
/// Nothing is looked at yet.
///
/// `out` receives the builder.
///
/// Ownership: `out` is yours: free it with `convoy_engine_builder_free`. Nothing that goes in is kept.
/// Threads: any, at once. Does not wait.
/// Errors: CONVOY_NULL_ARGUMENT, CONVOY_BAD_UTF8, CONVOY_BAD_LENGTH, CONVOY_INVALID_ARGUMENT (an empty path),
/// CONVOY_FORKED.
///
/// # Safety
/// `repository` must be NULL or point to `len` readable bytes that do not change during the call. `out` must be NULL
/// or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_new(
    repository: *const c_char,
    len: usize,
    out: *mut *mut convoy_engine_builder,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        handle::must_be_own_process()?;
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let repository = unsafe { text::read(repository, len, "repository") }?.to_owned();
        if repository.is_empty() {
            let message = "`repository` is empty: pass the path of a folder in the repository";
            return Err(convoy_error::new(CONVOY_INVALID_ARGUMENT, message));
        }
        out.write(handle::insert(Arc::new(BuilderObject::new(repository))));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Frees a builder, with the adapters that no engine has taken over. NULL is fine, as is one that was freed already.
///
/// Ownership: the builder is gone, and what it holds is destroyed.
/// Threads: any, where no other uses the builder. Does not wait.
/// Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn convoy_engine_builder_free(builder: *mut convoy_engine_builder) {
    guard::quietly(|| drop(handle::remove(builder)));
}

/// Sets the options of the engine, all of them at once: `options` is a JSON object (`len` bytes of UTF-8, not kept)
/// with these members, all optional:
/// "env" (object of texts): the whole environment of agents, gates and git. The library reads none of its own accord,
/// so without a "PATH" few programs are found: it is this "PATH" that counts, not that of the process.
/// "state_dir" (text): where database, logs and worktrees are kept; else `.convoy` beside the main worktree.
/// "secrets" (list of texts of 4 bytes or more): values that must never be stored, logged or shown.
/// "actor" (text): who acts, for the record; else "host".
/// "grace_ms" (number): the time between asking a program to end and killing it; else 5000.
/// "git" (text): the git program; else "git", from the PATH of "env" (without one, from the folders that the system
/// has for that case).
/// "git_backend": "auto" (the default: what this process is certain to do as git would it does itself) or "reference" (the
/// git program does everything). The results are the same.
/// "store": "sqlite" (the default) or "memory": the record of convoys is not kept when the engine is freed. What else they leave
/// stays: refs below `refs/convoy/CONVOY/`, and their logs in the state directory (`logs/CONVOY/`). No other engine knows of
/// them, so that `convoy_engine_prune` of this one, before it is freed, is the way to have them deleted; later they are yours to
/// delete, with `git update-ref -d` and as files.
/// "adapter_limits" (object): by the name of an adapter, how much of it is used at once, over all convoys of this engine:
/// an object with "max_concurrent" (attempts that work at once, from 1) and "stagger_ms" (the time between two starts),
/// both optional. `convoy_engine_build` refuses names of adapters that are not there.
/// "profile_limits" (object): the same, also for adapters that convoy files define under `adapters:`; the engine then
/// begins and resumes only convoys that have them.
/// "keep_for_ms" (number): convoys that ended longer ago are pruned when the engine is built, unless "create" is false, and
/// whenever one of its convoys has ended, as `convoy_engine_prune` does it by "older_than_ms"; else they are kept.
/// "keep_convoys" (number): the same for those that ended before so many others.
/// "logs_quota_bytes" (number): while the logs of all convoys have more bytes, those of ended ones are removed, the oldest
/// first. What is done about these three is told to the log, and by `convoy_engine_last_retention`.
/// "create" (boolean): false = fail with CONVOY_NOT_FOUND when nothing is stored there yet; else true.
///
/// Ownership: nothing changes hands. Nothing that goes in is kept.
/// Threads: one call at a time on one builder. Does not wait.
/// Errors: CONVOY_BAD_JSON for anything else, CONVOY_INVALID_ARGUMENT for a variable that no program can be given and for an
/// empty "state_dir",
/// CONVOY_USED_UP when the engine is built, and the mistakes in the call.
///
/// # Safety
/// `options` must be NULL or point to `len` readable bytes that do not change during the call. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_set_options(
    builder: *const convoy_engine_builder,
    options: *const c_char,
    len: usize,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        let builder = handle::find(builder, "builder")?;
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let options = unsafe { text::read(options, len, "options") }?;
        let options: Options = json::read(options, "options")?;
        json::must_be_an_environment(&options.env)?;
        options.must_name_a_folder()?;
        builder.change(|parts| mem::replace(&mut parts.options, options))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Registers code of the program: the structure that holds it, and a text that says what it is, with its name.
///
/// # Safety
/// As for `convoy_engine_builder_add_adapter`.
unsafe fn register<T: Table, P, D>(
    builder: *const convoy_engine_builder,
    (table, argument): (*const T, &str),
    (text, len, said): (*const c_char, usize, &str),
    err: *mut *mut convoy_error,
    make: impl FnOnce(&str, &T, UserData) -> Result<P, convoy_error>,
    put: impl FnOnce(&mut Parts, P) -> D,
) -> convoy_status {
    let body = || {
        // First of all, so that the user data is destroyed whatever else is wrong.
        // SAFETY: the caller promises NULL or a structure of the size that it says.
        let (table, user_data) = unsafe { read_table(table, argument) }?;
        let builder = handle::find(builder, "builder")?;
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let text = unsafe { text::read(text, len, said) }?;
        let part = make(text, &table, user_data)?;
        builder.change(|parts| put(parts, part))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Gives the engine an agent that is code of the program. Tasks name it by `adapter:`; it takes the place of one of the same
/// name. The structure is copied; its `user_data` belongs to the library from here on, also when this fails: `destroy`
/// is called exactly once. (Only if `struct_size` is impossible there is nothing that could be called.)
///
/// `description` is a JSON object (`len` bytes of UTF-8, not kept): "name" (lower-case letters, digits, `-`, `_`, `.`)
/// and, optional, "account" (sessions and rate limits belong to name and account together) and "capabilities", an
/// object of booleans that are false where they are not given: "resume" (sessions can be continued), "model" (a model
/// can be chosen), "read_only" (a run that may only read can be enforced), "usage" (it reports tokens), "cost" (it
/// reports money), "mcp". What an adapter cannot do it is not asked for.
///
/// Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
/// Texts are not kept.
/// Threads: one call at a time on one builder. Does not wait.
/// Errors: CONVOY_BAD_STRUCT, CONVOY_BAD_JSON, CONVOY_INVALID_ARGUMENT (the name), CONVOY_USED_UP, and the mistakes in
/// the call.
///
/// # Safety
/// `description` must be NULL or point to `len` readable bytes that do not change during the call. `adapter` must be
/// NULL or point to a structure of the size that it says, whose functions are as described there and may be called
/// on any thread. `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_add_adapter(
    builder: *const convoy_engine_builder,
    description: *const c_char,
    len: usize,
    adapter: *const convoy_agent_adapter,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe {
        let said = (description, len, "description");
        register(builder, (adapter, "adapter"), said, err, HostAdapter::new, |parts, adapter| {
            parts.adapters.push(adapter);
        })
    }
}

/// Has the program's own code review work, in the place of the reviewing agent, wherever the convoy file asks for a
/// review. `description` is a JSON object: "name", which events show, and, optional, "model". It takes the place of an
/// earlier one. Otherwise as `convoy_engine_builder_add_adapter`.
///
/// Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
/// Texts are not kept.
/// Threads: one call at a time on one builder. Does not wait.
/// Errors: those of `convoy_engine_builder_add_adapter`.
///
/// # Safety
/// `description` must be NULL or point to `len` readable bytes that do not change during the call. `runner` must be
/// NULL or point to a structure of the size that it says, whose functions are as described there and may be called
/// on any thread. `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_set_review_runner(
    builder: *const convoy_engine_builder,
    description: *const c_char,
    len: usize,
    runner: *const convoy_review_runner,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe {
        let said = (description, len, "description");
        register(builder, (runner, "runner"), said, err, HostReviewer::new, |parts, runner| {
            parts.reviewer.replace(runner)
        })
    }
}

/// Has work land by the program's own code, in the place of the git merge queue. It takes the place of an earlier one.
/// Otherwise as `convoy_engine_builder_add_adapter`.
///
/// Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
/// Texts are not kept.
/// Threads: one call at a time on one builder. Does not wait.
/// Errors: CONVOY_BAD_STRUCT, CONVOY_USED_UP, and the mistakes in the call.
///
/// # Safety
/// `queue` must be NULL or point to a structure of the size that it says, whose functions are as described there and
/// may be called on any thread. `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_set_merge_queue(
    builder: *const convoy_engine_builder,
    queue: *const convoy_merge_queue,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let make = |_: &str, table: &_, user_data| HostQueue::new(table, user_data);
    let nothing = (ptr::null(), 0, "");
    // SAFETY: the caller promises what is asked for.
    unsafe {
        register(builder, (queue, "queue"), nothing, err, make, |parts, queue| parts.queue.replace(queue))
    }
}

/// # Safety
/// As for `convoy_engine_builder_add_gate`.
unsafe fn add_code(
    builder: *const convoy_engine_builder,
    kind: Kind,
    (name, len): (*const c_char, usize),
    code: *const convoy_host_code,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let make = |name: &str, table: &_, user_data| HostPart::new(kind, name, table, user_data);
    // SAFETY: the caller promises what is asked for.
    unsafe {
        register(builder, (code, "code"), (name, len, "name"), err, make, |parts, part| parts.code.push(part))
    }
}

/// Adds a gate that is code of the program, for tasks that name it in `host_gates`: it judges work after the task's own
/// commands, and before it lands. `name` is `len` bytes of UTF-8, not kept; one that was there is replaced.
///
/// The structure is copied; its `user_data` belongs to the library from here on, also when this fails, as with
/// `convoy_engine_builder_add_adapter`.
///
/// Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
/// Texts are not kept.
/// Threads: one call at a time on one builder. Does not wait.
/// Errors: CONVOY_BAD_STRUCT, CONVOY_INVALID_ARGUMENT (no name), CONVOY_USED_UP, and the mistakes in the call.
///
/// # Safety
/// `name` must be NULL or point to `len` readable bytes that do not change during the call. `code` must be NULL or point
/// to a structure of the size that it says, whose functions are as described there and may be called on any thread.
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_add_gate(
    builder: *const convoy_engine_builder,
    name: *const c_char,
    len: usize,
    code: *const convoy_host_code,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { add_code(builder, Kind::Gate, (name, len), code, err) }
}

/// Adds a prompt source that is code of the program, for tasks that name it in `host_prompts`: it is asked in every attempt,
/// and what it gives stands before the prompt of the task. Otherwise as `convoy_engine_builder_add_gate`.
///
/// Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
/// Texts are not kept.
/// Threads: one call at a time on one builder. Does not wait.
/// Errors: those of `convoy_engine_builder_add_gate`.
///
/// # Safety
/// `name` must be NULL or point to `len` readable bytes that do not change during the call. `code` must be NULL or point
/// to a structure of the size that it says, whose functions are as described there and may be called on any thread.
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_add_prompt_source(
    builder: *const convoy_engine_builder,
    name: *const c_char,
    len: usize,
    code: *const convoy_host_code,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { add_code(builder, Kind::Prompt, (name, len), code, err) }
}

/// Adds a hook that is code of the program, for hooks of `type: host` that name it. Where it fails, the task is
/// "hook-failed". Otherwise as `convoy_engine_builder_add_gate`.
///
/// Ownership: the structure is copied, and its `user_data` belongs to the library from here on, also when this fails.
/// Texts are not kept.
/// Threads: one call at a time on one builder. Does not wait.
/// Errors: those of `convoy_engine_builder_add_gate`.
///
/// # Safety
/// `name` must be NULL or point to `len` readable bytes that do not change during the call. `code` must be NULL or point
/// to a structure of the size that it says, whose functions are as described there and may be called on any thread.
/// `err` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_add_hook(
    builder: *const convoy_engine_builder,
    name: *const c_char,
    len: usize,
    code: *const convoy_host_code,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // SAFETY: the caller promises what is asked for.
    unsafe { add_code(builder, Kind::Hook, (name, len), code, err) }
}

/// Has what the engine tells of itself handed to `log`, from `level` (one of convoy_log_level) up to CONVOY_LOG_ERROR. It
/// takes the place of an earlier one; NULL for `log` takes that away. Without it nothing is told.
///
/// `record` is JSON on one line, `len` bytes and a NUL, and gone when `log` returns: "level" ("error", "warn", ...; `level`
/// is its number), "target" (where in the engine), "message" and, where they are known, "convoy", "task", "attempt", "event"
/// (the type of what was recorded), "span" ("work", "check", "land", "publish", "recovery", ...) and others. Secrets are
/// redacted, as in events.
///
/// `log` comes on a thread of its own, which no other callback uses, one record at a time and in order, with no lock held; the engine never waits for it:
/// while 1024 records wait, others are lost, and a record says how many, also at the end. It may call any function of the library, and
/// must not throw or longjmp. `user_data` belongs to the library from here on, also when this fails: `destroy`, unless
/// it is NULL, is called exactly once, after the last record: when the engine is freed and its runs have ended.
///
/// Ownership: `user_data` belongs to the library from here on, also when this fails.
/// Threads: one call at a time on one builder. Does not wait.
/// Errors: CONVOY_BAD_NUMBER (`level`), CONVOY_USED_UP and the mistakes in the call.
///
/// # Safety
/// `log` and `destroy` must be NULL or functions that may be called with `user_data` on any thread. `err` must be NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_builder_set_log(
    builder: *const convoy_engine_builder,
    level: i32,
    log: Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, record: *const c_char, len: usize)>,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    err: *mut *mut convoy_error,
) -> convoy_status {
    // First of all, so that the user data is destroyed whatever else is wrong.
    let user_data = UserData::new(user_data, destroy);
    let body = || {
        let builder = handle::find(builder, "builder")?;
        let log = log.map(|log| HostLog::new(level, log, user_data)).transpose()?;
        builder.change(|parts| mem::replace(&mut parts.log, log))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Builds the engine: opens the repository and the store, if there is one yet (the state directory is made when the first
/// convoy starts), and starts the engine's threads. The builder is used up by this, also when it fails, and is still to be
/// freed. Several engines may be there for one repository, in one process or several; each convoy is run by one of them.
///
/// `out` receives the engine. Waits for git and the disk.
///
/// Ownership: `out` is yours: free it with `convoy_engine_free`. The builder is used up, and still yours to free.
/// Threads: one call at a time on one builder. Waits for git and the disk.
/// Errors: CONVOY_UNSUPPORTED (the platform), CONVOY_INVALID_ARGUMENT (a limit, or a secret that is too short),
/// CONVOY_REPOSITORY, CONVOY_STORE, CONVOY_NOT_FOUND (the option "create"), CONVOY_USED_UP, CONVOY_INTERNAL (no more
/// threads), and the mistakes in the call.
///
/// # Safety
/// `out` must be NULL or writable, and `err` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoy_engine_build(
    builder: *const convoy_engine_builder,
    out: *mut *mut convoy_engine,
    err: *mut *mut convoy_error,
) -> convoy_status {
    let body = || {
        let builder = handle::find(builder, "builder")?;
        // SAFETY: the caller promises NULL or a place that may be written to.
        let out = unsafe { Out::new(out, "out") }?;
        let parts = builder.take()?;
        let courier = Courier::spawn()?;
        let end = CancellationToken::new();
        let engine = pollster::block_on(parts.build(courier.clone(), end.clone()))?;
        out.write(handle::insert(Arc::new(EngineObject::new(engine, end, courier))));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}
