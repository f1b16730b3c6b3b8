//! Pruning one convoy after the other, step by step.

use std::sync::Arc;

use super::super::builder::prepare_state_dir;
use super::super::driver::store_error;
use super::super::git_open_error;
use super::super::host::Parts;
use super::super::launch::{end_survivors, holder};
use super::super::query::is_alive;
use super::choose::{Chosen, Conditions, Half, Kept, changed, judge, refs_left, refs_of};
use super::files::{self, Place, Size};
use super::unlock::remove_locks;
use super::{KeepReason, KeptConvoy, PruneReport, PrunedConvoy};
use crate::attempt::Dirs;
use crate::error::{Error, ErrorKind};
use crate::secret::Redactor;
use crate::store::{ConvoySummary, Holder, Lease, NdjsonExport, StoreError};
use crate::types::{ConvoyId, Oid};

/// The folders of a convoy beside its worktrees, each with those of the other convoys.
const FOLDERS: [&str; 2] = ["logs", "inject"];

/// What is done once it is recorded that a convoy is being pruned, in this order. Each can be done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Its refs, as long as the record could still tell of them.
    Refs,
    /// Its worktrees, and slots that nobody uses.
    Worktrees,
    /// Its files.
    Files,
    /// Its lines in files that it shares with others.
    Lines,
    /// What the store has; afterwards nothing is left.
    Rows,
}

impl Step {
    pub(super) const ALL: [Self; 5] = [Self::Refs, Self::Worktrees, Self::Files, Self::Lines, Self::Rows];
}

/// One convoy on its way.
pub(super) struct Pruner<'a> {
    parts: &'a Parts,
    lease: Lease,
    conditions: Conditions,
    /// The refs that were looked at before it was decided; `None`: that was done before a crash.
    seen: Option<Vec<(String, Oid)>>,
    pub(super) pruned: PrunedConvoy,
}

/// Prunes those that were begun before and those that may go, the oldest first. What fails is told, and the others go on.
pub(super) async fn prune_all(
    parts: &Arc<Parts>,
    half: Vec<Half>,
    mut stored: Vec<ConvoySummary>,
    conditions: Conditions,
) -> Result<PruneReport, Error> {
    let mut report = PruneReport { dry_run: conditions.dry_run, ..PruneReport::default() };
    if half.is_empty() && stored.is_empty() {
        return Ok(report);
    }
    let redactor = Redactor::with_values(parts.secrets.iter().cloned());
    if !conditions.dry_run {
        prepare_state_dir(parts)?;
    }
    stored.sort_by_key(|line| line.finished_at.unwrap_or(line.created_at));
    let half =
        half.into_iter().map(|half| (half.convoy, None, Conditions { changed: half.named, ..conditions }));
    let whole = stored.into_iter().map(|line| (line.id.clone(), Some(line), conditions));
    for (id, line, conditions) in half.chain(whole) {
        let pruned = empty(&id, line.as_ref());
        let name = pruned.name.clone();
        let done = if conditions.dry_run {
            look(parts, pruned, conditions).await
        } else {
            prune_one(parts, pruned, conditions, holder()).await
        };
        match done {
            Ok(Ok(mut pruned)) => {
                pruned.left.iter_mut().for_each(|text| *text = redactor.clean(text));
                tracing::info!(convoy = %id, dry_run = conditions.dry_run, "pruned");
                report.pruned.push(pruned);
            }
            Ok(Err((reason, detail))) => {
                let detail = redactor.clean(&detail);
                report.kept.push(KeptConvoy { convoy_id: id, name, reason, detail });
            }
            Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
            Err(error) => {
                let detail = redactor.clean(&error.chain());
                tracing::warn!(convoy = %id, "it could not be pruned: {detail}");
                report.kept.push(KeptConvoy { convoy_id: id, name, reason: KeepReason::Failed, detail });
            }
        }
    }
    Ok(report)
}

/// Makes the database shorter by what was pruned. Not where nobody asked for it: the first time it is written anew,
/// while which others that write to it wait.
pub(super) async fn give_space_back(parts: &Parts, report: &mut PruneReport) {
    if !report.dry_run && report.pruned.iter().any(|pruned| pruned.events > 0 || pruned.continued) {
        report.database_bytes = parts.store.give_space_back().await.unwrap_or_else(|error| {
            // The convoys are gone; later ones use the space.
            tracing::warn!("the space of what was pruned could not be given back: {error}");
            0
        });
    }
}

fn empty(convoy: &ConvoyId, line: Option<&ConvoySummary>) -> PrunedConvoy {
    PrunedConvoy {
        convoy_id: convoy.clone(),
        name: line.map(|line| line.name.clone()),
        status: line.map(|line| line.status),
        finished_at: line.and_then(|line| line.finished_at),
        continued: line.is_none(),
        refs: 0,
        files: 0,
        bytes: 0,
        events: 0,
        unpublished: None,
        left: Vec::new(),
    }
}

/// Tells what would be done.
async fn look(
    parts: &Parts,
    mut pruned: PrunedConvoy,
    conditions: Conditions,
) -> Result<Result<PrunedConvoy, Kept>, Error> {
    let convoy = pruned.convoy_id.clone();
    match parts.store.holder(&convoy).await {
        Ok(Some(holder)) if is_alive(parts, &holder) => return Ok(Err(is_held(&holder))),
        Err(StoreError::Pruned { .. }) => return Ok(Err(is_gone())),
        holder => drop(holder.map_err(store_error)?),
    }
    if pruned.continued {
        match refs_left(parts, &convoy, conditions).await? {
            Ok(refs) => pruned.refs = refs.len() as u64,
            Err(text) => return Ok(Err((KeepReason::Failed, text))),
        }
    } else {
        match judge(parts, &convoy, conditions).await? {
            Err(kept) => return Ok(Err(kept)),
            Ok(Chosen { refs, unpublished, events }) => {
                (pruned.refs, pruned.unpublished, pruned.events) = (refs.len() as u64, unpublished, events);
            }
        }
    }
    let mut size = Size::default();
    for folder in FOLDERS {
        if let Place::Folder(folder) = files::find(&parts.state_dir, &[folder, convoy.as_str()])? {
            size.add(files::measure(folder).await?);
        }
    }
    (pruned.files, pruned.bytes) = (size.files, size.bytes);
    Ok(Ok(pruned))
}

fn is_held(holder: &Holder) -> Kept {
    (KeepReason::Running, format!("process {} of this machine has it: let that end first", holder.pid))
}

fn is_gone() -> Kept {
    (KeepReason::Running, "another engine has just pruned it".to_owned())
}

/// Prunes a convoy if it may go, as this holder.
pub(super) async fn prune_one(
    parts: &Parts,
    pruned: PrunedConvoy,
    conditions: Conditions,
    holder: Holder,
) -> Result<Result<PrunedConvoy, Kept>, Error> {
    let mut pruner = match begin(parts, pruned, conditions, holder).await? {
        Ok(pruner) => pruner,
        Err(kept) => return Ok(Err(kept)),
    };
    for step in Step::ALL {
        if let Err(error) = pruner.step(step).await {
            // Why it failed matters more than that the lease stays.
            drop(parts.left.release(&*parts.store, &pruner.lease).await);
            let text = "it is pruned in part, and cannot be used any more; prune again to finish it";
            return Err(Error::new(error.kind(), text).because(error));
        }
    }
    Ok(Ok(pruner.pruned))
}

/// Takes the lease, looks whether the convoy may go, and records that it does.
pub(super) async fn begin(
    parts: &Parts,
    mut pruned: PrunedConvoy,
    conditions: Conditions,
    holder: Holder,
) -> Result<Result<Pruner<'_>, Kept>, Error> {
    let convoy = pruned.convoy_id.clone();
    let lease = match parts.store.acquire(&convoy, holder, &|holder| is_alive(parts, holder)).await {
        Err(StoreError::Held { holder, .. }) => return Ok(Err(is_held(&holder))),
        Err(StoreError::Pruned { .. }) => {
            return Ok(Err(is_gone()));
        }
        lease => lease.map_err(store_error)?,
    };
    let prepared = async {
        end_survivors(&convoy, parts.grace).await?;
        let prefix = Dirs::new(&parts.state_dir, convoy.clone()).refs();
        parts.repository.remove_ref_locks(&prefix).map_err(git_open_error)?;
        remove_locks(parts, &convoy).await?;
        let mut seen = None;
        if !pruned.continued {
            match judge(parts, &convoy, conditions).await? {
                Err(kept) => return Ok(Err(kept)),
                Ok(chosen) => {
                    pruned.unpublished = chosen.unpublished;
                    // Before it is recorded that it goes: whoever goes on must know what was looked at.
                    let noted = parts.repository.note_deletion(convoy.as_str(), &chosen.refs);
                    noted.map_err(git_open_error)?;
                    seen = Some(chosen.refs);
                }
            }
        }
        parts.store.begin_pruning(&lease, parts.clock.now()).await.map_err(store_error)?;
        Ok(Ok(seen))
    };
    let prepared: Result<Result<_, Kept>, Error> = prepared.await;
    let kept = match prepared {
        Ok(Ok(seen)) => return Ok(Ok(Pruner { parts, lease, conditions, seen, pruned })),
        Ok(Err(kept)) => Ok(Err(kept)),
        Err(error) => Err(error),
    };
    // Why it is not pruned matters more than that the lease stays.
    drop(parts.left.release(&*parts.store, &lease).await);
    kept
}

impl Pruner<'_> {
    pub(super) async fn step(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Refs => self.refs().await,
            Step::Worktrees => self.worktrees().await,
            Step::Files => self.files().await,
            Step::Lines => self.lines().await,
            Step::Rows => {
                let (parts, lease) = (self.parts, &self.lease);
                let events = parts.store.finish_pruning(lease, parts.clock.now()).await;
                self.pruned.events = events.map_err(store_error)?;
                Ok(())
            }
        }
    }

    async fn refs(&mut self) -> Result<(), Error> {
        let (parts, convoy) = (self.parts, &self.pruned.convoy_id);
        // What is started carries the name of the convoy, so that it is found when this process dies.
        let git = parts.repository.with_cookie(convoy.as_str());
        let refused = |text| Err(Error::new(ErrorKind::Repository, text));
        let seen = match self.seen.take() {
            Some(seen) => seen,
            None => match refs_left(parts, convoy, self.conditions).await? {
                Ok(seen) => {
                    // Whoever named the convoy has looked at them anew.
                    git.note_deletion(convoy.as_str(), &seen).map_err(git_open_error)?;
                    seen
                }
                Err(text) => return refused(text),
            },
        };
        let moved = git.delete_refs(convoy.as_str(), &seen).await.map_err(git_open_error)?;
        if let Some(name) = moved.first() {
            return refused(changed(name));
        }
        self.pruned.refs = seen.len() as u64;
        if let Some((name, _)) = refs_of(parts, convoy).await?.first() {
            return refused(changed(name));
        }
        git.forget_deletion(convoy.as_str()).map_err(git_open_error)
    }

    async fn worktrees(&mut self) -> Result<(), Error> {
        let git = self.parts.repository.with_cookie(self.pruned.convoy_id.as_str());
        let folder = match self.find("worktrees")? {
            Place::Nothing => None,
            Place::Other(path) => {
                self.leave(&path);
                None
            }
            Place::Folder(folder) => Some(folder),
        };
        if let Some(folder) = folder {
            let entries =
                std::fs::read_dir(&folder).map_err(|error| files::failed("list", &folder, error))?;
            for entry in entries {
                let entry = entry.map_err(|error| files::failed("list", &folder, error))?;
                git.remove_worktree(&entry.path()).await.map_err(git_open_error)?;
            }
            git.empty_trash(&folder).await.map_err(git_open_error)?;
            files::delete(&folder).await?;
        }
        git.drop_idle_worktrees().await.map_err(git_open_error)
    }

    async fn files(&mut self) -> Result<(), Error> {
        for folder in FOLDERS {
            match self.find(folder)? {
                Place::Nothing => {}
                Place::Other(path) => self.leave(&path),
                Place::Folder(folder) => {
                    let size = files::measure(folder.clone()).await?;
                    files::delete(&folder).await?;
                    self.pruned.files += size.files;
                    self.pruned.bytes += size.bytes;
                }
            }
        }
        Ok(())
    }

    async fn lines(&mut self) -> Result<(), Error> {
        let logs = match files::find(&self.parts.state_dir, &["logs"])? {
            Place::Folder(logs) => logs,
            Place::Nothing | Place::Other(_) => return Ok(()),
        };
        let convoy = self.pruned.convoy_id.clone();
        let shortened = files::on_files(move || {
            let removed = NdjsonExport::new(logs).remove(&convoy);
            removed.map_err(|error| Error::new(ErrorKind::Store, error.to_string()).because(error))
        });
        shortened.await.map(drop)
    }

    fn find(&self, folder: &str) -> Result<Place, Error> {
        files::find(&self.parts.state_dir, &[folder, self.pruned.convoy_id.as_str()])
    }

    fn leave(&mut self, path: &std::path::Path) {
        let path = path.display();
        self.pruned.left.push(format!("{path} is no folder of the engine, and was left as it is"));
    }
}
