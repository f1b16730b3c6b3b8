//! Waiting for a worktree to be given back, where the disk has no room for one more.
//!
//! Only making a worktree waits. What is put into one that is made already (the files of a conflict, the work of an
//! attempt that was cut off) and finds no room stops the engine, and is repeated when the convoy is resumed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::log::Log;
use crate::git::{GitError, Keep};
use crate::types::Oid;

type Tell = Arc<dyn Fn(SpaceReport) + Send + Sync>;

/// What is told of those who find no room.
#[derive(Debug)]
pub enum SpaceReport {
    /// One more waits.
    Wanted(Waiting),
    /// The one that was told to try again is done with that: it waits on, or it waits no more.
    Tried(Option<Waiting>),
}

/// One that waits. Where it is dropped, the one that waits is stopped.
pub struct Waiting {
    told: oneshot::Sender<Told>,
    tell: Tell,
}

/// What one that waits is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// To try again.
    TryAgain(Turn),
    /// That nobody is there who could give a worktree back.
    NoHope,
}

impl Waiting {
    pub(crate) fn new(tell: Tell) -> (Self, oneshot::Receiver<Told>) {
        let (told, hears) = oneshot::channel();
        (Self { told, tell }, hears)
    }

    /// Whether it waits no more.
    pub(crate) fn is_over(&self) -> bool {
        self.told.is_closed()
    }

    /// Tells it to try again. What came of it is told, also where it was stopped.
    pub(crate) fn try_again(self) {
        let turn = Turn(Some(self.tell));
        drop(self.told.send(Told::TryAgain(turn)));
    }

    /// Tells it that there is no hope.
    pub(crate) fn give_up(self) {
        drop(self.told.send(Told::NoHope));
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// The turn to try again, which ends when it is dropped.
pub(crate) struct Turn(Option<Tell>);

impl Turn {
    /// There was no room again.
    pub(crate) fn failed(mut self, waiting: Waiting) {
        if let Some(tell) = self.0.take() {
            tell(SpaceReport::Tried(Some(waiting)));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(SpaceReport::Tried(None));
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

/// Why there is no worktree.
#[derive(Debug)]
pub(super) enum NoWorktree {
    /// It was asked to stop while it waited for room.
    Stopped,
    /// git failed. Where it found no room, nobody is there who could give a worktree back.
    Failed(GitError),
}

impl NoWorktree {
    /// A segment that was stopped has this result.
    pub(super) fn or_stopped<T>(self, stopped: T) -> Result<T, GitError> {
        match self {
            Self::Stopped => Ok(stopped),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<GitError> for NoWorktree {
    fn from(error: GitError) -> Self {
        Self::Failed(error)
    }
}

/// The way to whoever knows what is under way.
pub struct Space(Tell);

impl Space {
    /// `tell` hears of everybody who waits. It must not block.
    pub fn new(tell: impl Fn(SpaceReport) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Waits for a turn to try again, now that there was no room, perhaps in an earlier turn.
    async fn wait(
        &self,
        turn: Option<Turn>,
        full: GitError,
        cancel: &CancellationToken,
    ) -> Result<Turn, NoWorktree> {
        let (waiting, hears) = Waiting::new(self.0.clone());
        match turn {
            Some(turn) => turn.failed(waiting),
            None => (self.0)(SpaceReport::Wanted(waiting)),
        }
        match cancel.run_until_cancelled(hears).await {
            Some(Ok(Told::TryAgain(turn))) => Ok(turn),
            Some(Ok(Told::NoHope)) => Err(NoWorktree::Failed(full)),
            // Nobody listens any more: the engine ends.
            None | Some(Err(_)) => Err(NoWorktree::Stopped),
        }
    }
}

/// A worktree to be made.
pub(super) struct Wanted<'a> {
    /// Where.
    pub(super) path: &'a Path,
    /// What is in it.
    pub(super) commit: &'a Oid,
    /// The slot that it is to have, if that is free.
    pub(super) slot: Option<u32>,
    /// What may stay in it of those before it: nothing in what is to judge.
    pub(super) keep: Option<&'a Keep>,
    /// The log that says so where it has to wait.
    pub(super) log: PathBuf,
}

impl Context {
    /// Makes a worktree and gives its slot; where the disk has no room for it, waits until it has.
    pub(super) async fn add_worktree(
        &self,
        wanted: Wanted<'_>,
        cancel: &CancellationToken,
    ) -> Result<Option<u32>, NoWorktree> {
        let Wanted { path, commit, slot, keep, log } = wanted;
        let mut turn = None;
        loop {
            let made = self.repository.add_worktree_in(path, commit, slot, keep).await;
            match made {
                Err(full) if full.is_disk_full() => {
                    if turn.is_none() {
                        tracing::warn!(error = %full, "waiting until another task gives its worktree back");
                        self.note(
                            &log,
                            &format!("waiting until another task gives its worktree back: {full}"),
                        );
                    }
                    turn = Some(self.space.wait(turn, full, cancel).await?);
                }
                made => {
                    if turn.is_some() && made.is_ok() {
                        self.note(&log, "there is room now");
                    }
                    return Ok(made?);
                }
            }
        }
    }

    /// Tells whoever reads a log why nothing goes on.
    fn note(&self, log: &Path, line: &str) {
        // On a full disk there may be no room for the line either.
        if let Ok(mut log) = Log::open(log, &self.redactor) {
            log.title(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn full() -> GitError {
        GitError::DiskFull { path: "/x".into(), detail: "full".to_owned() }
    }

    /// With what is told, and what is then done to the one that waits.
    fn space(answer: impl Fn(Waiting) + Send + Sync + 'static) -> (Space, mpsc::Receiver<&'static str>) {
        let (told, hears) = mpsc::channel();
        let space = Space::new(move |report| {
            let (what, waiting) = match report {
                SpaceReport::Wanted(waiting) => ("wanted", Some(waiting)),
                SpaceReport::Tried(Some(waiting)) => ("tried in vain", Some(waiting)),
                SpaceReport::Tried(None) => ("tried", None),
            };
            told.send(what).expect("somebody listens");
            waiting.into_iter().for_each(&answer);
        });
        (space, hears)
    }

    #[tokio::test]
    async fn who_waits_tries_again_when_it_is_told_to_and_says_what_came_of_it() {
        let (space, hears) = space(Waiting::try_again);
        let never = CancellationToken::new();
        let turn = space.wait(None, full(), &never).await.expect("goes on");
        let turn = space.wait(Some(turn), full(), &never).await.expect("goes on");
        assert_eq!(hears.try_iter().collect::<Vec<_>>(), ["wanted", "tried in vain"]);
        drop(turn);
        assert_eq!(hears.try_iter().collect::<Vec<_>>(), ["tried"]);
    }

    #[tokio::test]
    async fn being_stopped_is_told_from_having_no_hope() {
        let never = CancellationToken::new();
        let (hopeless, _hears) = space(Waiting::give_up);
        let ended = hopeless.wait(None, full(), &never).await;
        assert!(matches!(ended, Err(NoWorktree::Failed(GitError::DiskFull { .. }))), "{ended:?}");
        let (deaf, _hears) = space(drop);
        let ended = deaf.wait(None, full(), &never).await;
        assert!(matches!(ended, Err(NoWorktree::Stopped)), "{ended:?}");

        let (stopped, kept) = (CancellationToken::new(), std::sync::Mutex::new(Vec::new()));
        let stop = stopped.clone();
        let (stopping, _hears) = space(move |waiting| {
            kept.lock().expect("no panic").push(waiting);
            stop.cancel();
        });
        let ended = stopping.wait(None, full(), &stopped).await;
        assert!(matches!(ended, Err(NoWorktree::Stopped)), "{ended:?}");
    }

    #[tokio::test]
    async fn a_turn_that_nobody_takes_any_more_is_over() {
        let (tell, hears) = mpsc::channel();
        let (waiting, told) = Waiting::new(Arc::new(move |report| tell.send(report).expect("listens")));
        assert!(!waiting.is_over());
        drop(told);
        assert!(waiting.is_over());
        waiting.try_again();
        assert!(matches!(hears.try_recv(), Ok(SpaceReport::Tried(None))));
    }
}
