//! How much is kept of convoys that have ended, without being asked each time.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::builder::EngineBuilder;
use super::super::driver::store_error;
use super::super::host::Parts;
use super::super::launch::holder;
use super::super::query::is_alive;
use super::super::stored::load_from;
use super::choose::{Conditions, Half};
use super::files::{self, Place, Size};
use super::steps::prune_all;
use super::{PruneReport, RemovedLogs, millis};
use crate::attempt::Dirs;
use crate::error::Error;
use crate::secret::Redactor;
use crate::store::{ConvoySummary, StoreError};
use crate::types::{ConvoyId, Timestamp};

/// How much is kept of convoys that have ended. What is over a limit is pruned as if it were asked for by its age
/// ([`Engine::prune`](super::super::Engine::prune)): nothing goes that can be resumed, whose landed work is on no branch,
/// or that has open dead letters or disputes. Without a limit everything is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Convoys that ended longer ago are pruned; as JSON `keep_for_ms`, in milliseconds.
    #[serde(rename = "keep_for_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub keep_for: Option<Duration>,
    /// Convoys that ended before so many others are pruned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_convoys: Option<u32>,
    /// When the logs of all convoys together have more bytes, those of ended ones are removed, the oldest first, until
    /// they have not. The convoys themselves stay, with their work and events. Logs of a convoy that has not ended count,
    /// and are never cut: each has all that its attempt printed, so that one that runs may be over the quota alone. As JSON
    /// `logs_quota_bytes`.
    #[serde(rename = "logs_quota_bytes", skip_serializing_if = "Option::is_none")]
    pub logs_quota: Option<u64>,
}

impl EngineBuilder {
    /// How much is kept of convoys that have ended. Applied when the engine is built, but not by
    /// [`open_existing`](Self::open_existing), and whenever one of its convoys has ended; what was done then tell
    /// [`Engine::last_retention`](super::super::Engine::last_retention) and the log. What fails is tried again the next time. Default: everything is kept.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use convoy_core::engine::{Engine, Retention};
    ///
    /// let month = Duration::from_secs(30 * 24 * 60 * 60);
    /// let retention = Retention { keep_for: Some(month), logs_quota: Some(1 << 30), ..Retention::default() };
    /// let builder = Engine::builder("/path/to/repository").retention(retention);
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }
}

/// What an engine is to keep, and what it did about it last.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    rules: Retention,
    last: Mutex<Option<PruneReport>>,
}

impl Retained {
    pub(crate) fn new(rules: Retention) -> Self {
        Self { rules, last: Mutex::default() }
    }

    pub(crate) fn get(&self) -> Option<PruneReport> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps to what the host has set. What fails changes nothing for the convoys that are run, and is told to the log.
pub(in crate::engine) async fn apply(parts: &Arc<Parts>) {
    if parts.retained.rules == Retention::default() {
        return;
    }
    match keep_to(parts, &parts.retained.rules).await {
        Ok(report) => {
            for removed in &report.logs_removed {
                tracing::info!(convoy = %removed.convoy_id, bytes = removed.bytes, "its logs were removed to keep to the quota");
            }
            *parts.retained.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        }
        Err(error) => {
            // What was done the time before would look as if it were of this one.
            *parts.retained.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
            tracing::warn!(
                "what is to be pruned could not be: {}",
                Redactor::with_values(parts.secrets.iter().cloned()).clean(&error.chain())
            )
        }
    }
}

async fn keep_to(parts: &Arc<Parts>, rules: &Retention) -> Result<PruneReport, Error> {
    let mut report = PruneReport::default();
    if rules.keep_for.is_some() || rules.keep_convoys.is_some() {
        let prunings = parts.store.prunings().await.map_err(store_error)?;
        let half = prunings.into_iter().filter(|one| one.finished_at.is_none());
        let half = half.map(|one| Half { convoy: one.convoy, named: false }).collect();
        let stored = parts.store.list().await.map_err(store_error)?;
        let over = over_limit(stored, rules, parts.clock.now());
        let conditions =
            Conditions { open: false, aside: false, unpublished: false, changed: false, dry_run: false };
        report = prune_all(parts, half, over, conditions).await?;
    }
    if let Some(most) = rules.logs_quota {
        report.logs_removed = remove_logs(parts, most).await?;
    }
    Ok(report)
}

/// The ended convoys that are over a limit.
fn over_limit(mut stored: Vec<ConvoySummary>, rules: &Retention, now: Timestamp) -> Vec<ConvoySummary> {
    stored.retain(|line| line.status.is_final());
    stored.sort_by_key(|line| std::cmp::Reverse(line.finished_at));
    let is_over = |(number, line): &(usize, ConvoySummary)| {
        let is_old = |age| line.finished_at.is_some_and(|at| now.since(at) > age);
        rules.keep_convoys.is_some_and(|most| *number >= most as usize) || rules.keep_for.is_some_and(is_old)
    };
    stored.into_iter().enumerate().filter(is_over).map(|(_, line)| line).collect()
}

/// Removes logs of ended convoys until all have at most so many bytes.
async fn remove_logs(parts: &Parts, most: u64) -> Result<Vec<RemovedLogs>, Error> {
    let Place::Folder(logs) = files::find(&parts.state_dir, &["logs"])? else { return Ok(Vec::new()) };
    let names = list(&logs)?;
    let mut ended = parts.store.list().await.map_err(store_error)?;
    let (mut sizes, mut total) = (Vec::new(), 0);
    for convoy in names {
        let Size { bytes, .. } = files::measure(logs.join(convoy.as_str())).await?;
        total += bytes;
        sizes.push((convoy, bytes));
    }
    let mut removed = Vec::new();
    ended.retain(|line| line.status.is_final());
    ended.sort_by_key(|line| line.finished_at);
    for line in ended {
        let size = sizes.iter().find(|(convoy, _)| *convoy == line.id).map_or(0, |(_, bytes)| *bytes);
        if total <= most {
            break;
        }
        // What says that logs were removed has a few bytes itself.
        let bytes = if size > NOTE_BYTES { remove_logs_of(parts, &line.id).await? } else { 0 };
        if bytes > 0 {
            total = total.saturating_sub(bytes);
            removed.push(RemovedLogs { convoy_id: line.id, bytes });
        }
    }
    Ok(removed)
}

/// More than the note that takes the place of logs.
const NOTE_BYTES: u64 = 256;

/// The convoys that have a folder here.
fn list(logs: &Path) -> Result<Vec<ConvoyId>, Error> {
    let failed = |error| files::failed("list", logs, error);
    let mut convoys = Vec::new();
    for entry in fs::read_dir(logs).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            convoys.extend(entry.file_name().to_str().and_then(|name| ConvoyId::new(name).ok()));
        }
    }
    Ok(convoys)
}

/// Removes the logs of a convoy that nobody runs; how many bytes that were.
async fn remove_logs_of(parts: &Parts, convoy: &ConvoyId) -> Result<u64, Error> {
    // A retry would write new ones meanwhile.
    let lease = match parts.store.acquire(convoy, holder(), &|holder| is_alive(parts, holder)).await {
        Err(StoreError::Held { .. } | StoreError::Pruned { .. }) => return Ok(0),
        lease => lease.map_err(store_error)?,
    };
    let removed = remove_held(parts, convoy).await;
    // Why it failed matters more than that the lease stays.
    drop(parts.left.release(&*parts.store, &lease).await);
    removed
}

async fn remove_held(parts: &Parts, convoy: &ConvoyId) -> Result<u64, Error> {
    let Ok((loaded, _)) = load_from(&*parts.store, convoy).await else { return Ok(0) };
    if loaded.state.ended().is_none() {
        return Ok(0);
    }
    let Place::Folder(folder) = files::find(&parts.state_dir, &["logs", convoy.as_str()])? else {
        return Ok(0);
    };
    let dirs = Dirs::new(&parts.state_dir, convoy.clone());
    // What git ignored when the convoy began is no log: a retry goes by it.
    let (note, ignored) = (dirs.logs_removed(), dirs.ignored());
    let entries: Vec<PathBuf> = fs::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|error| files::failed("list", &folder, error))?;
    let logs: Vec<&PathBuf> = entries.iter().filter(|path| ![&note, &ignored].contains(path)).collect();
    if logs.is_empty() {
        return Ok(0);
    }
    // First, so that it is never a riddle where they are.
    write_note(&note, parts.clock.now()).map_err(|error| files::failed("write", &note, error))?;
    let before = files::measure(folder.clone()).await?;
    for path in logs {
        files::delete(path).await?;
    }
    let after = files::measure(folder).await?;
    Ok(before.bytes.saturating_sub(after.bytes))
}

/// Writes the note anew; a link in its place is not followed.
fn write_note(path: &Path, now: Timestamp) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "Logs of this convoy were removed at {now}, to keep all logs within their quota.")
}

#[cfg(test)]
mod tests {
    use super::super::tests::Place;
    use super::*;

    #[tokio::test]
    async fn what_was_done_before_is_not_given_for_what_failed() {
        let place = Place::new().await;
        let retention = Retention { keep_convoys: Some(1), ..Retention::default() };
        let engine = place.builder().retention(retention).build().await.expect("an engine");
        assert!(engine.last_retention().is_some(), "done when it was built");
        let parts = engine.parts().clone();
        engine.shutdown().await;
        // The store is closed.
        apply(&parts).await;
        assert_eq!(parts.retained.get(), None);
    }
}
