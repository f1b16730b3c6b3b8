//! What may be pruned.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::super::git_open_error;
use super::super::host::Parts;
use super::super::stored::load_from;
use super::files::{self, Place};
use super::{KeepReason, PruneOptions};
use crate::attempt::Dirs;
use crate::error::Error;
use crate::git::KEPT_ASIDE;
use crate::state::RunState;
use crate::store::ConvoySummary;
use crate::types::{ConvoyId, Oid, Timestamp};

/// What must hold for a convoy that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions {
    /// Dead letters and disputes may be open.
    pub(super) open: bool,
    /// Files may go that are in no commit. Only of one that is named.
    pub(super) aside: bool,
    /// Landed work may be on no branch.
    pub(super) unpublished: bool,
    /// Refs may go that somebody changed or made since an earlier call looked at them, of a convoy that was pruned in
    /// part. Only for one that is named: whoever names it has looked at it.
    pub(super) changed: bool,
    /// Only look.
    pub(super) dry_run: bool,
}

impl PruneOptions {
    pub(super) fn conditions(&self) -> Conditions {
        let aside = self.convoys.is_some();
        let open = self.all || aside;
        Conditions { open, aside, unpublished: self.unpublished, changed: false, dry_run: self.dry_run }
    }

    /// What must hold for one that was pruned in part, which is gone on with whatever is asked for.
    pub(super) fn half(&self, convoy: ConvoyId) -> Half {
        let named = self.convoys.as_ref().is_some_and(|convoys| convoys.contains(&convoy));
        Half { convoy, named }
    }

    /// Whether this convoy is asked for.
    pub(super) fn wants(&self, line: &ConvoySummary, now: Timestamp) -> bool {
        let is_named = self.convoys.as_ref().is_none_or(|convoys| convoys.contains(&line.id));
        is_named && self.older_than.is_none_or(|age| line.finished_at.is_some_and(|at| now.since(at) >= age))
    }
}

/// A convoy that was pruned in part.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) convoy: ConvoyId,
    /// Whether it is this one that is asked for.
    pub(super) named: bool,
}

/// What a convoy that may go leaves.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its refs as they are now.
    pub(super) refs: Vec<(String, Oid)>,
    /// The newest commit of its landed work, where that is on no branch.
    pub(super) unpublished: Option<Oid>,
    /// Its events.
    pub(super) events: u64,
}

/// Why a convoy does not go.
pub(super) type Kept = (KeepReason, String);

/// Whether a convoy may go. Nobody else may run it meanwhile, unless it is only looked at.
pub(super) async fn judge(
    parts: &Parts,
    convoy: &ConvoyId,
    conditions: Conditions,
) -> Result<Result<Chosen, Kept>, Error> {
    let (loaded, stored) = match load_from(&*parts.store, convoy).await {
        Ok(loaded) => loaded,
        Err(error) => return Ok(Err((KeepReason::Unreadable, error.chain()))),
    };
    let state = loaded.state;
    if let Some(kept) = is_needed(&state, conditions) {
        return Ok(Err(kept));
    }
    if !conditions.aside
        && let Some(aside) = put_aside(parts, convoy)?
    {
        let text = format!(
            "work that could not be taken as a commit is in {}: take what is needed, or name the convoy to have it pruned all the same",
            aside.display()
        );
        return Ok(Err((KeepReason::OpenForPeople, text)));
    }
    let refs = refs_of(parts, convoy).await?;
    // By the record: somebody may have moved or deleted the ref.
    let (tip, mut unpublished) = (state.tip(), None);
    if *tip != state.started().base && !parts.repository.is_on_a_branch(tip).await.map_err(git_open_error)? {
        if !conditions.unpublished {
            let name = &state.started().integration_ref;
            let text = format!(
                "what landed is on no branch, only at {name}: publish it, merge it, or say that it may be lost"
            );
            return Ok(Err((KeepReason::Unpublished, text)));
        }
        unpublished = Some(tip.clone());
    }
    Ok(Ok(Chosen { refs, unpublished, events: stored.events.len() as u64 }))
}

/// Files of an attempt that are in no commit: the one copy of its work.
fn put_aside(parts: &Parts, convoy: &ConvoyId) -> Result<Option<PathBuf>, Error> {
    let Place::Folder(folder) = files::find(&parts.state_dir, &["worktrees", convoy.as_str()])? else {
        return Ok(None);
    };
    let entries = fs::read_dir(&folder).map_err(|error| files::failed("list", &folder, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| files::failed("list", &folder, error))?;
        if entry.file_name().to_string_lossy().contains(KEPT_ASIDE) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// What the record says against it.
fn is_needed(state: &RunState, conditions: Conditions) -> Option<Kept> {
    if state.ended().is_none() {
        let text = "it has not ended: resume it, or cancel it first";
        return Some((KeepReason::Unfinished, text.to_owned()));
    }
    if state.publish().moving.is_some() {
        let text = "its branch was being moved when its engine ended: resume it first";
        return Some((KeepReason::Unfinished, text.to_owned()));
    }
    let tasks = || state.plan().indices().map(|ix| state.task(ix));
    let letters = tasks().filter(|task| task.dead_letter.as_ref().is_some_and(|(_, open)| *open)).count();
    let disputes = tasks().filter(|task| task.review.dispute.as_ref().is_some_and(|(_, open)| *open)).count();
    if conditions.open || letters + disputes == 0 {
        return None;
    }
    let text = format!(
        "it has {letters} open dead letters and {disputes} open disputes: close them, or name it to have it pruned all the same"
    );
    Some((KeepReason::OpenForPeople, text))
}

/// The refs that are left of a convoy that was pruned in part, or what somebody made of one of them meanwhile. Those that
/// are gone are gone.
pub(super) async fn refs_left(
    parts: &Parts,
    convoy: &ConvoyId,
    conditions: Conditions,
) -> Result<Result<Vec<(String, Oid)>, String>, Error> {
    let left = refs_of(parts, convoy).await?;
    if conditions.changed || left.is_empty() {
        return Ok(Ok(left));
    }
    let noted = parts.repository.noted_deletion(convoy.as_str()).unwrap_or_default();
    let noted: BTreeMap<String, Oid> = noted.into_iter().collect();
    let other = left.iter().find(|(name, value)| noted.get(name) != Some(value));
    Ok(other.map_or(Ok(()), |(name, _)| Err(changed(name))).map(|()| left))
}

/// What is told of a ref that nobody has looked at as it is now.
pub(super) fn changed(name: &str) -> String {
    format!(
        "{name} was changed or made by somebody while its convoy was pruned: look at it, then name the convoy to have \
         it pruned all the same"
    )
}

/// The refs of a convoy.
pub(super) async fn refs_of(parts: &Parts, convoy: &ConvoyId) -> Result<Vec<(String, Oid)>, Error> {
    let prefix = Dirs::new(&parts.state_dir, convoy.clone()).refs();
    parts.repository.list_refs(&prefix).await.map_err(git_open_error)
}
