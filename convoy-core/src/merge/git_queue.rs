//! Landing on a git repository.

use super::queue::{Advance, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled};
use crate::git::{Expected, GitError, MergeResult, RefEdit, RefUpdate, Repository};
use crate::types::{BoxFuture, Oid};

/// Lands on a ref of a git repository.
///
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
        let PrepareRequest { integration_ref, tip, work, message } = request;
        if repository.is_ancestor(work, tip).await? {
            return Ok(PrepareOutcome::NothingToLand);
        }
        let tree = match repository.merge(tip, work).await? {
            MergeResult::Clean { tree } => tree,
            MergeResult::Conflicted { tree, paths, .. } => {
                return Ok(PrepareOutcome::Conflict { tree, paths, onto: tip.clone() });
            }
        };
        let commit = repository.commit_tree(&tree, &[tip.clone(), work.clone()], message, None).await?;
        repository.sync_objects(&commit, tip).await?;
        let (onto, integration_ref) = (tip.clone(), integration_ref.clone());
        Ok(PrepareOutcome::Prepared(Prepared { commit, onto, integration_ref }))
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
mod tests {
    use super::*;
    use crate::git::testing::Scratch;
    use crate::merge::conformance;

    #[tokio::test]
    async fn the_git_queue_keeps_the_contract() {
        for format in ["sha1", "sha256"] {
            let s = Scratch::with(&[&format!("--object-format={format}")]).await;
            conformance(&s.repo, &GitMergeQueue::new(s.repo.clone())).await;
        }
    }

    #[tokio::test]
    async fn a_commit_that_a_power_cut_took_has_not_landed() {
        let s = Scratch::new().await;
        let onto = s.commit("base").await;
        let integration_ref = "refs/x/landing".to_owned();
        s.git(&["update-ref", &integration_ref, onto.as_str()]).await;
        let lost = Prepared { commit: Oid::new("7".repeat(40)).expect("valid"), onto, integration_ref };
        let queue = GitMergeQueue::new(s.repo.clone());
        assert_eq!(queue.settle(&lost).await.expect("settles"), Settled::NotLanded);
    }

    #[tokio::test]
    async fn a_failure_of_git_is_neither_a_conflict_nor_a_landing() {
        let s = Scratch::new().await;
        let tip = s.commit("base").await;
        let work = Oid::new("7".repeat(40)).expect("valid");
        let request = PrepareRequest { integration_ref: "refs/x/l".into(), tip, work, message: "m".into() };
        let error = GitMergeQueue::new(s.repo.clone()).prepare(&request).await.expect_err("no such commit");
        assert!(matches!(error, MergeError::Failed { .. }), "{error}");
    }
}
