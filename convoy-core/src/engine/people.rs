//! A person's commit as the work of a task.

use std::sync::Arc;

use super::git_open_error;
use super::handle::Inner;
use super::request::{self, Sent};
use super::stored::load_from;
use crate::attempt::Dirs;
use crate::error::{Error, ErrorKind};
use crate::event::{RequestKind, Work};
use crate::git::{Expected, RefUpdate};
use crate::types::{ConvoyId, TaskId};

/// Keeps the commit by a ref of the task, and asks whoever runs the convoy to take it.
pub(super) async fn accept(
    inner: &Arc<Inner>,
    convoy: &ConvoyId,
    id: &TaskId,
    revision: &str,
    reason: String,
) -> Result<Sent, Error> {
    let parts = &inner.parts;
    let git = &parts.repository;
    let (loaded, _) = load_from(&*parts.store, convoy).await?;
    let missing = |text: String| Error::new(ErrorKind::NotFound, text);
    let plan = loaded.state.plan();
    let task = plan.find(id).ok_or_else(|| missing(format!("convoy {convoy} has no task {id}")))?;
    let commit = git.resolve(revision).await.map_err(git_open_error)?;
    let commit = commit.ok_or_else(|| missing(format!("{revision:?} is no commit of this repository")))?;
    let base = git.merge_base(loaded.state.tip(), &commit).await.map_err(git_open_error)?;
    let base = base.ok_or_else(|| {
        let text = format!("{revision} has no history in common with the convoy's work; rebase it first");
        Error::new(ErrorKind::Repository, text)
    })?;
    let tree = git.tree_of(&commit).await.map_err(git_open_error)?;
    let changed = tree != git.tree_of(&base).await.map_err(git_open_error)?;
    let kept_ref = Dirs::new(&parts.state_dir, convoy.clone()).accepted_ref(plan, task, &commit);
    let kept = git.update_ref(&kept_ref, &commit, Expected::Absent, "convoy: accepted").await;
    match kept.map_err(git_open_error)? {
        // The same commit was given before.
        RefUpdate::Done | RefUpdate::Moved { .. } => {}
    }
    let work = Work { commit, tree, base, changed, kept_ref };
    request::request(inner, convoy, RequestKind::Accept { task: id.clone(), work, reason }).await
}
