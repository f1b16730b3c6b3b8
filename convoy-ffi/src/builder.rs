//! The engine builder.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use convoy_core::engine::{Engine, EngineBuilder};
use convoy_core::store::MemoryStore;
use serde::Deserialize;

use crate::adapter::{HostAdapter, convoy_agent_adapter};
use crate::callback::read_table;
use crate::courier::Courier;
use crate::engine::{EngineObject, convoy_engine};
use crate::error::convoy_error;
use crate::handle::{self, Handle};
use crate::merger::{HostQueue, convoy_merge_queue};
use crate::pointer::Out;
use crate::reviewer::{HostReviewer, convoy_review_runner};
use crate::status::convoy_status::{self, CONVOY_INVALID_ARGUMENT, CONVOY_NOT_FOUND, CONVOY_USED_UP};
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

/// What a builder holds; `None` once an engine was built.
#[derive(Debug)]
pub struct BuilderObject(Mutex<Option<Parts>>);

#[derive(Debug)]
struct Parts {
    repository: String,
    options: OptionsText,
    adapters: Vec<HostAdapter>,
    reviewer: Option<HostReviewer>,
    queue: Option<HostQueue>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct OptionsText {
    state_dir: Option<String>,
    env: BTreeMap<String, String>,
    secrets: Vec<String>,
    actor: Option<String>,
    grace_ms: Option<u64>,
    git: Option<String>,
    store: StoreText,
    create: Option<bool>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum StoreText {
    #[default]
    Sqlite,
    Memory,
}

impl BuilderObject {
    fn lock(&self) -> MutexGuard<'_, Option<Parts>> {
        // Parts are put in or taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) -> Result<(), convoy_error> {
        self.replace(change)
    }

    /// Changes the parts; what `change` took out of them is dropped when no lock is held, as it may call the host.
    fn replace<T>(&self, change: impl FnOnce(&mut Parts) -> T) -> Result<(), convoy_error> {
        let changed = self.lock().as_mut().map(change);
        changed.map(drop).ok_or_else(used_up)
    }
}

fn used_up() -> convoy_error {
    convoy_error::new(
        CONVOY_USED_UP,
        "an engine was built from this builder: make a new one for another engine",
    )
}

impl Parts {
    async fn build(self, courier: Arc<Courier>) -> Result<Engine, convoy_error> {
        let Self { repository, options, adapters, reviewer, queue } = self;
        let mut builder = Engine::builder(repository).env(options.env);
        builder = options.secrets.into_iter().fold(builder, EngineBuilder::secret);
        if let Some(dir) = options.state_dir {
            builder = builder.state_dir(dir);
        }
        if let Some(actor) = options.actor {
            builder = builder.actor(actor);
        }
        if let Some(grace) = options.grace_ms {
            builder = builder.grace(Duration::from_millis(grace));
        }
        if let Some(git) = options.git {
            builder = builder.git(git);
        }
        if let StoreText::Memory = options.store {
            builder = builder.store(Arc::new(MemoryStore::new()));
        }
        for adapter in adapters {
            builder = builder.adapter(adapter.with(courier.clone()));
        }
        if let Some(reviewer) = reviewer {
            builder = builder.review_runner(reviewer.with(courier.clone()));
        }
        if let Some(queue) = queue {
            builder = builder.merge_queue(queue.with(courier));
        }
        if options.create.unwrap_or(true) {
            return builder.build().await.map_err(convoy_error::from);
        }
        let existing = builder.open_existing().await?;
        existing.ok_or_else(|| convoy_error::new(CONVOY_NOT_FOUND, "no convoy was ever started here"))
    }
}

/// Begins to build an engine for the git repository that the path `repository` is in (`len` bytes of UTF-8, not kept).
/// Nothing is looked at yet.
///
/// `out` receives the builder, to be freed with `convoy_engine_builder_free`. Fails with CONVOY_NULL_ARGUMENT,
/// CONVOY_BAD_UTF8, CONVOY_BAD_LENGTH, CONVOY_INVALID_ARGUMENT (an empty path), CONVOY_FORKED.
/// May be called from any threads at once.
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
        let parts = Parts {
            repository,
            options: OptionsText::default(),
            adapters: Vec::new(),
            reviewer: None,
            queue: None,
        };
        out.write(handle::insert(Arc::new(BuilderObject(Mutex::new(Some(parts))))));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Frees a builder, with the adapters that no engine has taken over. NULL is fine, as is one that was freed already.
/// Cannot fail.
#[unsafe(no_mangle)]
pub extern "C" fn convoy_engine_builder_free(builder: *mut convoy_engine_builder) {
    guard::quietly(|| drop(handle::remove(builder)));
}

/// Sets the options of the engine, all of them at once: `options` is a JSON object (`len` bytes of UTF-8, not kept)
/// with these members, all optional:
/// "env" (object of texts): the whole environment of agents, gates and git. The library reads none of its own accord,
/// so without a "PATH" few programs are found.
/// "state_dir" (text): where database, logs and worktrees are kept; else `.convoy` beside the main worktree.
/// "secrets" (list of texts): values that must never be stored, logged or shown.
/// "actor" (text): who acts, for the record; else "host".
/// "grace_ms" (number): the time between asking a program to end and killing it; else 5000.
/// "git" (text): the git program; else "git", from the PATH of "env".
/// "store": "sqlite" (the default) or "memory" (nothing is kept when the engine is freed).
/// "create" (boolean): false = fail with CONVOY_NOT_FOUND when nothing is stored there yet; else true.
///
/// Fails with CONVOY_BAD_JSON for anything else, CONVOY_USED_UP when the engine is built, and the mistakes in the
/// call. One call at a time on one builder.
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
        let options = json::read(options, "options")?;
        builder.change(|parts| parts.options = options)
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
/// Fails with CONVOY_BAD_STRUCT, CONVOY_BAD_JSON, CONVOY_INVALID_ARGUMENT (the name), CONVOY_USED_UP, and the
/// mistakes in the call. One call at a time on one builder.
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
    let body = || {
        // First of all, so that the user data is destroyed whatever else is wrong.
        // SAFETY: the caller promises NULL or a structure of the size that it says.
        let (table, user_data) = unsafe { read_table(adapter, "adapter") }?;
        let builder = handle::find(builder, "builder")?;
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let description = unsafe { text::read(description, len, "description") }?;
        let adapter = HostAdapter::new(description, &table, user_data)?;
        builder.change(|parts| parts.adapters.push(adapter))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Has the program's own code review work, in the place of the reviewing agent, wherever the convoy file asks for a
/// review. `description` is a JSON object: "name", which events show, and, optional, "model". It takes the place of an
/// earlier one. Otherwise as `convoy_engine_builder_add_adapter`.
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
    let body = || {
        // First of all, so that the user data is destroyed whatever else is wrong.
        // SAFETY: the caller promises NULL or a structure of the size that it says.
        let (table, user_data) = unsafe { read_table(runner, "runner") }?;
        let builder = handle::find(builder, "builder")?;
        // SAFETY: the caller promises NULL or `len` readable bytes that do not change.
        let description = unsafe { text::read(description, len, "description") }?;
        let runner = HostReviewer::new(description, &table, user_data)?;
        builder.replace(|parts| parts.reviewer.replace(runner))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Has work land by the program's own code, in the place of the git merge queue. It takes the place of an earlier one.
/// Otherwise as `convoy_engine_builder_add_adapter`.
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
    let body = || {
        // First of all, so that the user data is destroyed whatever else is wrong.
        // SAFETY: the caller promises NULL or a structure of the size that it says.
        let (table, user_data) = unsafe { read_table(queue, "queue") }?;
        let builder = handle::find(builder, "builder")?;
        let queue = HostQueue::new(&table, user_data)?;
        builder.replace(|parts| parts.queue.replace(queue))
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}

/// Builds the engine: opens the repository and the store, and starts the engine's threads. The builder is used up by
/// this, also when it fails, and is still to be freed.
///
/// `out` receives the engine, to be freed with `convoy_engine_free`. Waits for git and the disk. Fails with
/// CONVOY_UNSUPPORTED (the platform), CONVOY_REPOSITORY, CONVOY_STORE, CONVOY_NOT_FOUND (the option "create"),
/// CONVOY_USED_UP, CONVOY_INTERNAL (no more threads), and the mistakes in the call. One call at a time on one builder.
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
        let parts = builder.lock().take().ok_or_else(used_up)?;
        let courier = Courier::spawn()?;
        let engine = pollster::block_on(parts.build(courier.clone()))?;
        out.write(handle::insert(Arc::new(EngineObject::new(engine, courier))));
        Ok(())
    };
    // SAFETY: the caller promises NULL or a place that may be written to.
    unsafe { guard::call(err, body) }
}
