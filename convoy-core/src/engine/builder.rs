//! Building an engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::Dispatch;

use super::accept::limit_of_nobody;
use super::asked::clean_text;
use super::driver::store_error;
use super::host::{Host, Parts};
use super::prune::{Retained, Retention, retain, unlock};
use super::{Engine, git_open_error};
use crate::agent::{AgentAdapter, Places, Registry, canonical_name};
use crate::attempt::{Answer, GateCall, HookCall, HostCode, PromptCall, PromptPart, Publications};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind};
use crate::git::{Backend, GitOptions, Repository};
use crate::merge::MergeQueue;
use crate::review::ReviewRunner;
use crate::secret::{Redactor, SHORTEST_VALUE};
use crate::store::Store;
use crate::types::AdapterLimit;

/// Name of the state directory beside the main worktree.
const STATE_DIR: &str = ".convoy";

/// Everything that a host may set before an engine exists. The library reads no environment, home or
/// working directory of its own accord: what agents and git are to have is passed here.
pub struct EngineBuilder {
    repository: PathBuf,
    state_dir: Option<PathBuf>,
    env: BTreeMap<String, String>,
    secrets: Vec<String>,
    registry: Registry,
    queue: Option<Arc<dyn MergeQueue>>,
    reviewer: Option<Arc<dyn ReviewRunner>>,
    host: HostCode,
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    actor: String,
    grace: Duration,
    git: Option<PathBuf>,
    git_backend: Backend,
    /// Limits of adapters, and whether convoy files may define them.
    limits: BTreeMap<String, (AdapterLimit, bool)>,
    log: Option<Dispatch>,
    pub(super) retention: Retention,
}

impl std::fmt::Debug for EngineBuilder {
    /// Without the values of the environment, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("repository", &self.repository)
            .field("state_dir", &self.state_dir)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("adapters", &self.registry)
            .field("host", &self.host)
            .field("git_backend", &self.git_backend)
            .finish_non_exhaustive()
    }
}

impl EngineBuilder {
    pub(super) fn new(repository: PathBuf) -> Self {
        Self {
            repository,
            state_dir: None,
            env: BTreeMap::new(),
            secrets: Vec::new(),
            registry: Registry::built_in(),
            queue: None,
            reviewer: None,
            host: HostCode::default(),
            store: None,
            clock: Arc::new(SystemClock),
            actor: "host".to_owned(),
            grace: Duration::from_secs(5),
            git: None,
            git_backend: Backend::default(),
            limits: BTreeMap::new(),
            log: None,
            retention: Retention::default(),
        }
    }

    /// Where the engine keeps its database, logs and worktrees. Default: `.convoy` beside the main worktree,
    /// or in the git directory of a bare repository. It is kept out of `git status` by `info/exclude`.
    #[must_use]
    pub fn state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(dir.into());
        self
    }

    /// The whole environment of agents, gates and git. Default: empty, which is rarely enough: programs
    /// are looked up in its `PATH`.
    #[must_use]
    pub fn env(mut self, env: BTreeMap<String, String>) -> Self {
        self.env = env;
        self
    }

    /// A value that must never be stored, logged or shown, wherever it turns up.
    #[must_use]
    pub fn secret(mut self, value: impl Into<String>) -> Self {
        self.secrets.push(value.into());
        self
    }

    /// An agent adapter, registered under its own name; takes the place of a built-in one of that name.
    #[must_use]
    pub fn adapter(mut self, adapter: Arc<dyn AgentAdapter>) -> Self {
        self.registry.insert(adapter);
        self
    }

    /// Limits how much of one adapter is used at once, over all convoys that this engine runs. Other engines, also of
    /// other processes, have limits of their own. A second limit of one adapter takes the place of the first.
    ///
    /// What [`max_concurrent`](AdapterLimit::max_concurrent) counts are attempts: the agent of a task with everything
    /// that belongs to its attempt, from before its worktree is made until the agent has ended. Steps and hooks before
    /// the agent run within it, as do retries and the resolution of conflicts, which are attempts. Not counted are the
    /// short calls that judge finished work: reviews (limited by `max_concurrent_reviews` of the convoy file), ratings of
    /// drift, and agents of hooks after the work and at the end of a convoy.
    ///
    /// [`stagger`](AdapterLimit::stagger) holds for every start of the program, whatever it is called for.
    ///
    /// A task that waits for a place uses neither one of the convoy's `concurrency` nor its locks; others overtake it.
    /// Convoys get places in the order in which they asked, each for the task that stands first in its own order; a
    /// place is free again when the attempt's agent has ended, however it ended.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use convoy_core::engine::Engine;
    /// use convoy_core::types::AdapterLimit;
    ///
    /// let limit = AdapterLimit::max_concurrent(2).stagger(Duration::from_secs(3));
    /// let builder = Engine::builder("/path/to/repository").adapter_limit("claude", limit);
    /// # drop(builder);
    /// ```
    ///
    /// [`build`](Self::build) refuses a limit of 0, and an adapter that is neither built in nor given to
    /// [`adapter`](Self::adapter).
    #[must_use]
    pub fn adapter_limit(mut self, name: impl AsRef<str>, limit: AdapterLimit) -> Self {
        self.limits.insert(canonical_name(name.as_ref()).to_owned(), (limit, false));
        self
    }

    /// As [`adapter_limit`](Self::adapter_limit), also for an adapter that convoy files define under `adapters:`. This
    /// engine then begins and resumes only convoys that have the adapter.
    #[must_use]
    pub fn profile_limit(mut self, name: impl AsRef<str>, limit: AdapterLimit) -> Self {
        self.limits.insert(canonical_name(name.as_ref()).to_owned(), (limit, true));
        self
    }

    /// Where work lands. Default: [`crate::merge::GitMergeQueue`].
    #[must_use]
    pub fn merge_queue(mut self, queue: Arc<dyn MergeQueue>) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Who reviews work. Default: [`crate::review::AgentReviewer`], with the adapter and model of the convoy file.
    #[must_use]
    pub fn review_runner(mut self, reviewer: Arc<dyn ReviewRunner>) -> Self {
        self.reviewer = Some(reviewer);
        self
    }

    /// A gate in code, for tasks that name it in `host_gates`. It is asked after the task's commands, in a worktree with
    /// the files of the work, and has the task's `gate_timeout`. It may be asked twice about the same work when the
    /// engine is stopped meanwhile; one that passed is not asked again about the same tree.
    ///
    /// Code that panics has failed, as has code that takes too long: nothing happens to the engine. (A panic is also
    /// told to the panic hook of the process, as everywhere.) It runs on a thread of its own and may block it; what
    /// still blocks a moment after [`GateCall::stop`] was cancelled is left behind, and keeps its thread.
    ///
    /// ```no_run
    /// use convoy_core::attempt::Answer;
    /// use convoy_core::engine::Engine;
    ///
    /// # async fn example() -> Result<(), convoy_core::error::Error> {
    /// let engine = Engine::builder("/path/to/repository")
    ///     .gate("small-files", |call| async move {
    ///         let is_large = |path: &&String| {
    ///             std::fs::metadata(call.worktree.join(path)).is_ok_and(|file| file.len() > 100_000)
    ///         };
    ///         match call.changed_files.iter().find(is_large) {
    ///             Some(path) => Answer::fail(format!("{path} is larger than 100 kB")),
    ///             None => Answer::Pass,
    ///         }
    ///     })
    ///     .build()
    ///     .await?;
    /// let spec = "{name: n, version: 1, tasks: [{id: a, prompt: p, host_gates: [small-files]}]}";
    /// let run = engine.start(spec, Default::default()).await?;
    /// # drop(run); Ok(()) }
    /// ```
    #[must_use]
    pub fn gate<F>(
        mut self,
        name: impl Into<String>,
        gate: impl Fn(GateCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.host.gate(name, gate);
        self
    }

    /// A prompt source in code, for tasks that name it in `host_prompts`. It is asked in every attempt, when the worktree
    /// is set up; what it gives stands before the prompt of the task, and is looked through for secrets with it. An
    /// error is a failure of the attempt, which is retried as any other. Limits and panics are as with
    /// [`gate`](Self::gate).
    ///
    /// ```no_run
    /// use convoy_core::attempt::PromptPart;
    /// use convoy_core::engine::Engine;
    ///
    /// let builder = Engine::builder("/path/to/repository").prompt("style-guide", |call| async move {
    ///     match std::fs::read_to_string(call.worktree.join("STYLE.md")) {
    ///         Ok(text) => Ok(PromptPart::Data(text)),
    ///         Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(PromptPart::Nothing),
    ///         Err(error) => Err(error.to_string()),
    ///     }
    /// });
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn prompt<F>(
        mut self,
        name: impl Into<String>,
        prompt: impl Fn(PromptCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<PromptPart, String>> + Send + 'static,
    {
        self.host.prompt(name, prompt);
        self
    }

    /// A hook in code, for hooks of type `host` that name it. Where it fails, the task is `hook-failed`. As any hook, it
    /// runs again where a crash cut it off. Limits and panics are as with [`gate`](Self::gate).
    ///
    /// ```no_run
    /// use convoy_core::attempt::Answer;
    /// use convoy_core::engine::Engine;
    ///
    /// let builder = Engine::builder("/path/to/repository").hook("format", |call| async move {
    ///     // Written before the work is taken, it becomes part of it.
    ///     Answer::from(std::fs::write(call.worktree.join("BUILD"), "1\n"))
    /// });
    /// let spec = "{name: n, version: 1, tasks: [{id: a, prompt: p, hooks: [{type: host, name: format}]}]}";
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn hook<F>(
        mut self,
        name: impl Into<String>,
        hook: impl Fn(HookCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.host.hook(name, hook);
        self
    }

    /// Where convoys are recorded. Default: SQLite in the state directory.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The source of time. Default: the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Who acts, for the record; without secrets and control characters, at most 4 KiB of it. Default: `host`.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = actor.into();
        self
    }

    /// The time between asking a program to end and killing it. Default: 5 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The git program. Default: `git`, from the `PATH` of the environment.
    #[must_use]
    pub fn git(mut self, program: impl Into<PathBuf>) -> Self {
        self.git = Some(program.into());
        self
    }

    /// Who does git's work: this process as far as it can, or always the git program. Default: [`Backend::Auto`].
    #[must_use]
    pub fn git_backend(mut self, backend: Backend) -> Self {
        self.git_backend = backend;
        self
    }

    /// Who hears what this engine tells through `tracing`, on its own threads: spans around the segments of attempts and
    /// of recovery (`work`, `check`, `land`, `publish`, `recovery` …, with `convoy`, `task` and `attempt`), and what a person
    /// who embeds the engine should know (warnings), may want to know (info) and everything that is recorded (debug).
    /// No secret is in it. Code of the host that runs on those threads tells it there, too.
    ///
    /// Default: as on other threads, whatever the process has installed.
    #[must_use]
    pub fn log_to(mut self, log: Dispatch) -> Self {
        self.log = Some(log);
        self
    }

    /// Opens the repository and the store. What is missing of the state directory is made when a convoy begins.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a platform or plug-in that this version cannot use,
    /// [`ErrorKind::InvalidArgument`] for a limit that cannot be and for a secret that is too short, [`ErrorKind::Repository`] and [`ErrorKind::Store`].
    pub async fn build(self) -> Result<Engine, Error> {
        match self.open(true).await? {
            Some(engine) => Ok(engine),
            None => Err(Error::new(ErrorKind::Internal, "the store was not opened")),
        }
    }

    /// As [`build`](Self::build), but `None` when nothing is stored there yet. For hosts that only look.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub async fn open_existing(self) -> Result<Option<Engine>, Error> {
        self.open(false).await
    }

    async fn open(self, create: bool) -> Result<Option<Engine>, Error> {
        if cfg!(windows) {
            return Err(Error::new(ErrorKind::Unsupported, "not supported yet: Windows; use Linux or macOS"));
        }
        self.check_limits()?;
        self.check_secrets()?;
        let host = Host::spawn(self.log.clone())?;
        let opening = host.runtime().spawn(async move {
            let parts = self.open_parts(create).await?.map(Arc::new);
            if let Some(parts) = parts.as_ref().filter(|_| create) {
                unlock(parts).await;
                retain(parts).await;
            }
            Ok(parts)
        });
        let parts = opening.await.map_err(|_| Error::new(ErrorKind::Closed, "the engine is shut down"))??;
        Ok(parts.map(|parts| Engine::new(host, parts)))
    }

    fn check_limits(&self) -> Result<(), Error> {
        for (name, (limit, of_files)) in &self.limits {
            if limit.max_concurrent == Some(0) {
                let text = format!("at most 0 attempts of adapter {name} would let none work; use 1 or more");
                return Err(Error::new(ErrorKind::InvalidArgument, text));
            }
            if !of_files {
                self.registry.get(name).map_err(|error| limit_of_nobody(&error))?;
            }
        }
        Ok(())
    }

    fn check_secrets(&self) -> Result<(), Error> {
        let short = |value: &String| value.len() < SHORTEST_VALUE;
        let Some(at) = self.secrets.iter().position(short) else { return Ok(()) };
        let text = format!(
            "secret {} of {} has fewer than {SHORTEST_VALUE} bytes, and could not be told from other text: it is no secret, \
             or was not read",
            at + 1,
            self.secrets.len()
        );
        Err(Error::new(ErrorKind::InvalidArgument, text))
    }

    async fn open_parts(self, create: bool) -> Result<Option<Parts>, Error> {
        let options = GitOptions {
            program: self.git.clone(),
            env: self.env.clone(),
            backend: self.git_backend,
            ..GitOptions::default()
        };
        let repository = Repository::open(&self.repository, options).await.map_err(git_open_error)?;
        let state_dir = self.state_dir.clone().unwrap_or_else(|| default_state_dir(&repository));
        let state_dir = std::path::absolute(&state_dir).map_err(|error| {
            Error::new(ErrorKind::Store, "the state directory has no absolute path").because(error)
        })?;
        if !create && self.store.is_none() && !state_dir.join("convoy.db").exists() {
            return Ok(None);
        }
        let owns_store = self.store.is_none();
        let actor = clean_text(&self.actor, &Redactor::with_values(self.secrets.iter().cloned()));
        let store = match self.store {
            Some(store) => store,
            None => open_store(&state_dir)?,
        };
        let of_files = self.limits.iter().filter(|(_, (_, of_files))| *of_files);
        let limited_profiles = of_files.map(|(name, _)| name.clone()).collect();
        let limits = self.limits.into_iter().map(|(name, (limit, _))| (name, limit)).collect();
        Ok(Some(Parts {
            places: Arc::new(Places::new(limits, self.clock.clone())),
            limited_profiles,
            repository,
            store,
            clock: self.clock,
            registry: self.registry,
            queue: self.queue,
            reviewer: self.reviewer,
            host: Arc::new(self.host),
            secrets: self.secrets.into(),
            env: Arc::new(self.env),
            state_dir,
            actor,
            grace: self.grace,
            left: Arc::default(),
            publications: Publications::default(),
            retained: Retained::new(self.retention),
            owns_store,
        }))
    }
}

fn default_state_dir(repository: &Repository) -> PathBuf {
    match repository.main_worktree() {
        Some(worktree) => worktree.join(STATE_DIR),
        None => repository.common_dir().join("convoy"),
    }
}

/// The state directory as a path inside the user's checkout, when it is there and not in a git directory.
fn folder_in_checkout(repository: &Repository, state_dir: &Path) -> Option<String> {
    let (checkout, dir) = (repository.main_worktree()?.canonicalize().ok()?, state_dir.canonicalize().ok()?);
    let inside = dir.strip_prefix(&checkout).ok()?.to_str()?.to_owned();
    let in_git = dir.starts_with(repository.common_dir()) || inside.is_empty();
    (!in_git).then_some(inside)
}

#[cfg(feature = "sqlite")]
fn open_store(state_dir: &Path) -> Result<Arc<dyn Store>, Error> {
    let store = crate::store::LateStore::open(state_dir.join("convoy.db")).map_err(store_error)?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "sqlite"))]
fn open_store(_state_dir: &Path) -> Result<Arc<dyn Store>, Error> {
    let text = "this build has no SQLite store; pass one to the builder or enable the feature `sqlite`";
    Err(Error::new(ErrorKind::Unsupported, text))
}

/// Makes the state directory where it is missing, and keeps it out of `git status`.
pub(super) fn prepare_state_dir(parts: &Parts) -> Result<(), Error> {
    make_private_dir(&parts.state_dir)?;
    parts.repository.use_worktrees_again(&parts.state_dir, "slots", "worktrees").map_err(git_open_error)?;
    match folder_in_checkout(&parts.repository, &parts.state_dir) {
        Some(folder) => parts.repository.exclude_from_status(&folder).map_err(git_open_error),
        None => Ok(()),
    }
}

/// Logs and prompts are nobody else's business.
fn make_private_dir(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| {
        let text =
            format!("the state directory {} cannot be made; check its parent's permissions", dir.display());
        Error::new(ErrorKind::Store, text).because(error)
    })
}
