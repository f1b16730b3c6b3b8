//! `inject/<convoy>/inject.yml`: a file from which a run takes tasks, where it is switched on.
//!
//! The file is taken by a name of its own, `taking-ID.yml`, and asked for under that name: whatever becomes of the
//! engine, the tasks are added once. When it is recorded what became of them it is called `taken-ID.yml` or
//! `refused-ID.yml`. No file is ever deleted.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::asked::clean;
use super::host::Parts;
use super::inject::read;
use super::run::Live;
use crate::attempt::Context;
use crate::error::Error;
use crate::event::{ConvoyEvent, Event, Request, RequestKind};
use crate::plan::Plan;
use crate::secret::Redactor;
use crate::spec::MAX_BYTES;
use crate::store::StoreError;
use crate::types::ConvoyId;

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// Events read at once.
const PAGE: usize = 256;
/// Begins the name of every request from a file.
const KEY: &str = "inject-file:";

/// Why the folder cannot be looked at.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Request(#[from] Error),
}

/// The folder of one convoy.
struct InjectFile {
    parts: Arc<Parts>,
    convoy: ConvoyId,
    plan: Arc<Plan>,
    redactor: Redactor,
    folder: PathBuf,
    /// Size and time of a file that was there at the last look: it may still be written.
    growing: Option<(u64, i64, i64)>,
    /// Number of the last event that was looked at.
    seen: u64,
    /// What became of requests: whether their tasks were added.
    answers: HashMap<String, bool>,
}

/// Takes tasks from the folder of a convoy, where it is switched on, until the loop of the run has ended. Returns why
/// it could not at last.
pub(super) async fn take_files(
    parts: &Arc<Parts>,
    context: &Context,
    on: bool,
    live: &Live,
) -> Option<String> {
    if !on {
        return None;
    }
    let folder = parts.state_dir.join("inject").join(context.convoy.as_str());
    let files = InjectFile {
        parts: parts.clone(),
        convoy: context.convoy.clone(),
        plan: context.plan.clone(),
        redactor: context.redactor.clone(),
        folder,
        growing: None,
        seen: 0,
        answers: HashMap::new(),
    };
    files.watch(live).await
}

impl InjectFile {
    async fn watch(mut self, live: &Live) -> Option<String> {
        loop {
            // What cannot be looked at now is looked at again.
            drop(self.look(true).await);
            tokio::select! {
                () = live.ended() => break,
                () = self.parts.clock.sleep(EVERY) => {}
            }
        }
        // What the run did last.
        let trouble = self.look(false).await.err()?;
        let at = self.folder.display();
        Some(format!(
            "tasks may be waiting in {at}, which cannot be looked at: {trouble}; resume to try again"
        ))
    }

    async fn look(&mut self, more: bool) -> Result<(), Trouble> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        if more {
            self.take()?;
        }
        let taking = names(&self.folder, "taking-")?;
        if taking.is_empty() {
            return Ok(());
        }
        // In this order: a request leaves the inbox together with its event.
        let waiting: Vec<String> = self
            .parts
            .store
            .inbox(&self.convoy)
            .await?
            .into_iter()
            .filter_map(|e| key_of(e.request.kind))
            .collect();
        self.read_answers().await?;
        for id in taking {
            let key = format!("{KEY}{id}");
            match self.answers.get(&key) {
                Some(added) => self.rename(&id, if *added { "taken-" } else { "refused-" })?,
                None if waiting.contains(&key) || !more => {}
                None => self.ask(&id, key).await?,
            }
        }
        Ok(())
    }

    /// Takes the file, once it has not changed since the last look.
    fn take(&mut self) -> Result<(), Trouble> {
        let file = self.folder.join("inject.yml");
        let about = match fs::symlink_metadata(&file) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.growing = None;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let now = Some((about.size(), about.mtime(), about.mtime_nsec()));
        if self.growing != now {
            self.growing = now;
            return Ok(());
        }
        self.growing = None;
        let id = ulid::Ulid::generate().to_string().to_ascii_lowercase();
        fs::rename(&file, self.folder.join(format!("taking-{id}.yml")))?;
        self.settle()
    }

    /// Makes what was renamed durable: else the file could come back and be taken twice.
    fn settle(&self) -> Result<(), Trouble> {
        Ok(File::open(&self.folder)?.sync_all()?)
    }

    fn rename(&self, id: &str, to: &str) -> Result<(), Trouble> {
        let name = |state: &str| self.folder.join(format!("{state}{id}.yml"));
        fs::rename(name("taking-"), name(to))?;
        self.settle()
    }

    /// Asks for the tasks of a file, or for their refusal.
    async fn ask(&self, id: &str, key: String) -> Result<(), Trouble> {
        let path = self.folder.join(format!("taking-{id}.yml"));
        let (source, idempotency_key) = ("inject.yml".to_owned(), Some(key));
        let tasks = content(&path)
            .and_then(|bytes| read(&bytes, &self.plan, &self.redactor).map_err(|unfit| unfit.reason));
        let refused = |reason| {
            let (source, idempotency_key) = (source.clone(), idempotency_key.clone());
            clean(RequestKind::RefuseInjection { reason, source, idempotency_key }, &self.redactor)
        };
        let asked = tasks.and_then(|tasks| {
            let (source, idempotency_key) = (source.clone(), idempotency_key.clone());
            let kind = RequestKind::Inject { tasks, source, idempotency_key };
            clean(kind, &self.redactor).map_err(|error| error.to_string())
        });
        let kind = asked.or_else(refused)?;
        let request = Request::new(&*self.parts.actor, kind);
        self.parts.store.submit(&self.convoy, request, self.parts.clock.now()).await?;
        Ok(())
    }

    async fn read_answers(&mut self) -> Result<(), Trouble> {
        loop {
            let page = self.parts.store.read_from(Some(&self.convoy), self.seen, PAGE).await?;
            let Some(last) = page.last().map(|record| record.seq) else { return Ok(()) };
            for record in page {
                match record.event {
                    Event::Convoy(ConvoyEvent::TasksAdded { idempotency_key: Some(key), .. }) => {
                        self.answers.insert(key, true);
                    }
                    Event::Convoy(ConvoyEvent::InjectionRefused { idempotency_key: Some(key), .. }) => {
                        self.answers.entry(key).or_insert(false);
                    }
                    Event::Convoy(_) | Event::Task { .. } | Event::Publish(_) => {}
                }
            }
            self.seen = last;
        }
    }
}

/// The ids of files of this state, the oldest first.
fn names(folder: &Path, state: &str) -> Result<Vec<String>, Trouble> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix(state)?.strip_suffix(".yml"));
        ids.extend(id.map(str::to_owned));
    }
    ids.sort();
    Ok(ids)
}

fn key_of(kind: RequestKind) -> Option<String> {
    match kind {
        RequestKind::Inject { idempotency_key, .. }
        | RequestKind::RefuseInjection { idempotency_key, .. } => idempotency_key,
        _ => None,
    }
}

/// What a file holds, or why it is not read: a pipe must not be waited for, a link may lead anywhere.
fn content(path: &Path) -> Result<Vec<u8>, String> {
    let told = |error: io::Error| format!("the file cannot be read: {error}");
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let regular = fs::symlink_metadata(path).map_err(told)?.is_file();
    let file = regular.then(|| OpenOptions::new().read(true).custom_flags(flags).open(path));
    let Some(file) = file.transpose().map_err(told)? else { return Err("it is no regular file".to_owned()) };
    if !file.metadata().map_err(told)?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(told)?;
    Ok(bytes)
}
