//! Waiting for a worktree to be given back, where the disk has no room for one more.

use std::path::Path;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::warm;
use crate::git::GitError;
use crate::types::Oid;

/// Told `true` when something has ended that may have given a worktree back, and `false` when nothing is under way that
/// could.
pub type Waiting = oneshot::Sender<bool>;

/// The way to whoever knows what is under way.
pub struct Space(Box<dyn Fn(Waiting) + Send + Sync>);

impl Space {
    /// `tell` hears of everybody who waits. It must not block.
    pub fn new(tell: impl Fn(Waiting) + Send + Sync + 'static) -> Self {
        Self(Box::new(tell))
    }

    /// Waits until something has ended, now that there was no room.
    ///
    /// # Errors
    /// The one that it is given, when nothing is under way that could give a worktree back, or it is asked to stop.
    async fn wait(&self, cancel: &CancellationToken, full: GitError) -> Result<(), GitError> {
        let (tell, told) = oneshot::channel();
        (self.0)(tell);
        tracing::warn!(error = %full, "waiting until another task gives its worktree back");
        // Nobody listens any more: the engine ends.
        let again = cancel.run_until_cancelled(told).await.is_some_and(|told| told.unwrap_or(false));
        if again { Ok(()) } else { Err(full) }
    }
}

impl Context {
    /// Makes a worktree; where the disk has no room for it, again whenever something else has ended.
    pub(super) async fn add_worktree(
        &self,
        path: &Path,
        commit: &Oid,
        wanted: Option<u32>,
        cancel: &CancellationToken,
    ) -> Result<Option<u32>, GitError> {
        let keep = warm::keep(self);
        loop {
            match self.repository.add_worktree_in(path, commit, wanted, keep.as_ref()).await {
                Err(error) if error.is_disk_full() => self.space.wait(cancel, error).await?,
                made => return made,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_goes_on_when_it_is_told_to_and_fails_otherwise() {
        let full = || GitError::DiskFull { path: "/x".into(), detail: "full".to_owned() };
        let goes_on = async |space: Space, cancel: &CancellationToken| {
            let waited = space.wait(cancel, full()).await;
            assert!(waited.is_ok() || matches!(waited, Err(GitError::DiskFull { .. })));
            waited.is_ok()
        };
        let never = CancellationToken::new();
        assert!(goes_on(Space::new(|waiting| waiting.send(true).expect("somebody waits")), &never).await);
        assert!(!goes_on(Space::new(|waiting| waiting.send(false).expect("somebody waits")), &never).await);
        assert!(!goes_on(Space::new(drop), &never).await);
        let (stopped, kept) = (CancellationToken::new(), std::sync::Mutex::new(Vec::new()));
        let stop = stopped.clone();
        let space = Space::new(move |waiting| {
            kept.lock().expect("no panic").push(waiting);
            stop.cancel();
        });
        assert!(!goes_on(space, &stopped).await);
    }
}
