//! Landing on a git repository.

use super::queue::{
    Advance, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled, WORK_TRAILER,
};
use crate::git::{Expected, GitError, MergeResult, RefEdit, RefUpdate, Repository};
use crate::types::{BoxFuture, MergeStrategy, Oid};

/// Lands on a ref of a git repository.
///
/// # Forms
/// All forms end in the same tree, that of the merge, and conflict alike. A rebase of work that is no line of commits,
/// or whose commits do not lead to that tree one by one, is one commit, as a squash. The last commit of a squash or
/// rebase has the trailer `Convoy-Work` with the id of the work, by which it is found again.
///
/// # Leases
/// The greatest lease number seen is kept beside the ref, in `<ref>-fence`, and changes in one transaction with
/// it. Both are written durably; a landing costs one flush per new object and ref.
#[derive(Debug, Clone)]
pub struct GitMergeQueue {
    repository: Repository,
}

impl GitMergeQueue {
    /// Lands on refs of this repository.
    pub fn new(repository: Repository) -> Self {
        Self { repository }
    }

    async fn try_prepare(&self, request: &PrepareRequest) -> Result<PrepareOutcome, GitError> {
        let repository = &self.repository;
        let PrepareRequest { tip, work, .. } = request;
        if repository.is_ancestor(work, tip).await? || self.landed_before(request).await? {
            return Ok(PrepareOutcome::NothingToLand);
        }
        let tree = match repository.merge(tip, work).await? {
            MergeResult::Clean { tree } => tree,
            MergeResult::Conflicted { tree, paths, .. } => {
                return Ok(PrepareOutcome::Conflict { tree, paths, onto: tip.clone() });
            }
        };
        let Some(commit) = self.landing(request, &tree).await? else {
            return Ok(PrepareOutcome::NothingToLand);
        };
        repository.sync_objects(&commit, tip).await?;
        let (onto, integration_ref) = (tip.clone(), request.integration_ref.clone());
        Ok(PrepareOutcome::Prepared(Prepared { commit, onto, integration_ref }))
    }

    /// Whether the tip holds a landing of this very commit, in a form that does not have it among its ancestors.
    async fn landed_before(&self, request: &PrepareRequest) -> Result<bool, GitError> {
        let PrepareRequest { tip, work, strategy, .. } = request;
        if *strategy == MergeStrategy::Merge {
            return Ok(false);
        }
        let Some(base) = self.repository.merge_base(tip, work).await? else { return Ok(false) };
        let found = self.repository.commit_with_trailer(tip, &base, WORK_TRAILER, work.as_str()).await?;
        Ok(found.is_some())
    }

    /// Writes the landing of work that merges to this tree; `None` when it changes nothing.
    async fn landing(&self, request: &PrepareRequest, tree: &Oid) -> Result<Option<Oid>, GitError> {
        let PrepareRequest { tip, work, message, strategy, .. } = request;
        let repository = &self.repository;
        if *strategy == MergeStrategy::Merge {
            return repository.commit_landing(tree, &[tip.clone(), work.clone()], message).await.map(Some);
        }
        if repository.tree_of(tip).await? == *tree {
            return Ok(None);
        }
        // The work itself is no ancestor of its landing, so the landing names it.
        let message = format!("{}\n{WORK_TRAILER}: {work}\n", message.trim_end());
        if *strategy == MergeStrategy::Rebase {
            let trailers = message.trim_end().rsplit_once("\n\n").map_or("", |(_, last)| last);
            if let Some(commit) = repository.replay(tip, work, tree, trailers).await? {
                return Ok(Some(commit));
            }
        }
        repository.commit_landing(tree, std::slice::from_ref(tip), &message).await.map(Some)
    }

    async fn try_advance(&self, prepared: &Prepared, fence: u64) -> Result<Result<Advance, u64>, GitError> {
        let repository = &self.repository;
        let fence_ref = format!("{}-fence", prepared.integration_ref);
        let seen = self.fence(&fence_ref).await?;
        if let Some((_, newer)) = &seen
            && *newer > fence
        {
            return Ok(Err(*newer));
        }
        let mut edits = vec![RefEdit {
            name: prepared.integration_ref.clone(),
            new: Some(prepared.commit.clone()),
            expected: Expected::At(prepared.onto.clone()),
        }];
        if seen.as_ref().is_none_or(|(_, number)| *number != fence) {
            let new = repository.write_blob(fence.to_string().as_bytes()).await?;
            let expected = seen.map_or(Expected::Absent, |(blob, _)| Expected::At(blob));
            edits.push(RefEdit { name: fence_ref.clone(), new: Some(new), expected });
        }
        if repository.update_refs(&edits, "land").await? == RefUpdate::Done {
            return Ok(Ok(Advance::Advanced));
        }
        if let Some((_, newer)) = self.fence(&fence_ref).await?
            && newer > fence
        {
            return Ok(Err(newer));
        }
        let now = repository.resolve(&prepared.integration_ref).await?;
        match &now {
            Some(tip) if repository.is_ancestor(&prepared.commit, tip).await? => Ok(Ok(Advance::Advanced)),
            _ => Ok(Ok(Advance::Moved { now })),
        }
    }

    /// The greatest lease number seen, and the object that holds it.
    async fn fence(&self, name: &str) -> Result<Option<(Oid, u64)>, GitError> {
        let Some(blob) = self.repository.ref_value(name).await? else { return Ok(None) };
        let text = self.repository.blob(&blob, 64).await?;
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        let unknown = || GitError::NotFound { what: format!("a lease number in {name}") };
        Ok(Some((blob, number.ok_or_else(unknown)?)))
    }

    async fn try_settle(&self, prepared: &Prepared) -> Result<Settled, GitError> {
        let repository = &self.repository;
        let Some(tip) = repository.resolve(&prepared.integration_ref).await? else {
            return Ok(Settled::NotLanded);
        };
        // A power cut may have taken a commit that had not landed.
        let there = repository.resolve(prepared.commit.as_str()).await?.is_some();
        let landed = there && repository.is_ancestor(&prepared.commit, &tip).await?;
        Ok(if landed { Settled::Landed } else { Settled::NotLanded })
    }
}

fn failed(action: &'static str) -> impl FnOnce(GitError) -> MergeError {
    move |error| MergeError::Failed { action, source: Box::new(error) }
}

impl MergeQueue for GitMergeQueue {
    fn lands_as(&self, _strategy: MergeStrategy) -> bool {
        true
    }

    fn prepare<'a>(
        &'a self,
        request: &'a PrepareRequest,
    ) -> BoxFuture<'a, Result<PrepareOutcome, MergeError>> {
        Box::pin(async { self.try_prepare(request).await.map_err(failed("prepare the landing")) })
    }

    fn advance<'a>(
        &'a self,
        prepared: &'a Prepared,
        fence: u64,
    ) -> BoxFuture<'a, Result<Advance, MergeError>> {
        Box::pin(async move {
            let advanced =
                self.try_advance(prepared, fence).await.map_err(failed("land the prepared commit"))?;
            advanced.map_err(|newer| MergeError::Fenced { held: fence, newer })
        })
    }

    fn settle<'a>(&'a self, prepared: &'a Prepared) -> BoxFuture<'a, Result<Settled, MergeError>> {
        Box::pin(async {
            self.try_settle(prepared).await.map_err(failed("look whether the prepared commit landed"))
        })
    }
}

#[cfg(test)]
mod power;
#[cfg(test)]
mod tests;
