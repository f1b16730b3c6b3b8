//! Writing commits.

use super::error::GitError;
use super::fast::NewCommit;
use super::repository::{Identity, Repository};
use super::signing::not_signed;
use crate::types::Oid;

/// A commit to be written.
#[derive(Debug, Clone)]
pub(super) struct Draft<'a> {
    pub(super) tree: &'a Oid,
    pub(super) parents: &'a [Oid],
    /// A line end is added.
    pub(super) message: &'a str,
    pub(super) author: &'a Identity,
    /// When it was made, as it stands in a commit: seconds and a time zone. `None`: now.
    pub(super) authored: Option<&'a str>,
    pub(super) committer: &'a Identity,
    /// Whether it is signed where the repository asks for that.
    pub(super) sign: bool,
}

impl Repository {
    /// Writes a commit, its message ended by a line end, made by `identity` or else by whoever is configured. No hook
    /// runs, nothing is signed.
    pub async fn commit_tree(
        &self,
        tree: &Oid,
        parents: &[Oid],
        message: &str,
        identity: Option<&Identity>,
    ) -> Result<Oid, GitError> {
        let author = identity.unwrap_or(&self.inner.author);
        let committer = identity.unwrap_or(&self.inner.committer);
        self.write_draft(&Draft { tree, parents, message, author, authored: None, committer, sign: false })
            .await
    }

    /// Writes a commit for the history that people read: as [`commit_tree`](Self::commit_tree), made by whoever is
    /// configured, and signed where `commit.gpgSign` said so when the repository was opened, by the program and with
    /// the key that were configured then.
    ///
    /// # Errors
    /// [`GitError::NotSigned`] when the signing program fails.
    pub async fn commit_landing(&self, tree: &Oid, parents: &[Oid], message: &str) -> Result<Oid, GitError> {
        let (author, committer) = (&self.inner.author, &self.inner.committer);
        self.write_draft(&Draft { tree, parents, message, author, authored: None, committer, sign: true })
            .await
    }

    pub(super) async fn write_draft(&self, draft: &Draft<'_>) -> Result<Oid, GitError> {
        let message = format!("{}\n", draft.message.trim_end());
        let signing = self.inner.signing.as_ref().filter(|_| draft.sign);
        if signing.is_none()
            && let Some(id) = self.fast_commit(draft, &message).await?
        {
            return Ok(id);
        }
        let mut call = self.call("commit-tree");
        if let Some(signing) = signing {
            call = signing.configure(call).arg("-S");
        }
        call = call.arg(draft.tree.as_str());
        for parent in draft.parents {
            call = call.args(["-p", parent.as_str()]);
        }
        if let Some(authored) = draft.authored {
            call = call.env("GIT_AUTHOR_DATE", format!("@{authored}"));
        }
        let call = call
            .args(["-F", "-"])
            .env("GIT_AUTHOR_NAME", &draft.author.name)
            .env("GIT_AUTHOR_EMAIL", &draft.author.email)
            .env("GIT_COMMITTER_NAME", &draft.committer.name)
            .env("GIT_COMMITTER_EMAIL", &draft.committer.email);
        let answer = self.run(call.stdin(message)).await?;
        match signing {
            // Everything else that can go wrong ends with another code.
            Some(_) if answer.code == 1 => Err(not_signed(&answer)),
            _ => answer.success()?.oid(),
        }
    }

    /// The same in this process; `None` where git is to be asked.
    async fn fast_commit(&self, draft: &Draft<'_>, message: &str) -> Result<Option<Oid>, GitError> {
        let signature = |who, at| self.fast().and_then(|fast| fast.signature(who, at).ok());
        let signatures = signature(draft.author, draft.authored).zip(signature(draft.committer, None));
        let Some((author, committer)) = signatures else { return Ok(None) };
        let (tree, parents, message) = (draft.tree.clone(), draft.parents.to_vec(), message.to_owned());
        let new = NewCommit { tree, parents, author, committer, message };
        self.try_fast("commit-tree", move |at| at.write_commit(&new)).await
    }
}
