//! Threads that hold the repository open.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{Handle, NotMine};

/// How many there are: one may wait for the disk while the other works.
const COUNT: usize = 2;

type Job = Box<dyn FnOnce(Option<&Handle<'_>>) + Send>;

/// The threads. They end when this is dropped, each after the job that it is at.
#[derive(Debug)]
pub(super) struct Threads {
    jobs: Sender<Job>,
}

impl Threads {
    /// Starts them, for the repository whose worktrees share this git directory.
    pub(super) fn start(common: PathBuf) -> std::io::Result<Self> {
        let (jobs, waiting) = channel::<Job>();
        let (waiting, common) = (Arc::new(Mutex::new(waiting)), Arc::new(common));
        for number in 1..=COUNT {
            let (waiting, common) = (Arc::clone(&waiting), Arc::clone(&common));
            let name = format!("convoy-git-{number}");
            std::thread::Builder::new().name(name).spawn(move || work(&waiting, &common))?;
        }
        Ok(Self { jobs })
    }

    /// Has a job done. `None` when it panicked, or when no thread is left.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Handle<'_>) -> Result<T, NotMine> + Send + 'static,
    ) -> Option<Result<T, NotMine>> {
        let (tell, told) = oneshot::channel();
        let job = move |handle: Option<&Handle<'_>>| {
            // Nobody may wait for it any more.
            let _ = tell.send(handle.ok_or(NotMine).and_then(job));
        };
        self.jobs.send(Box::new(job)).ok()?;
        told.await.ok()
    }
}

/// Does jobs until nobody can send any.
fn work(waiting: &Mutex<Receiver<Job>>, common: &Path) {
    let (mut open, linkless, kept) = (None, RefCell::default(), RefCell::default());
    loop {
        // The lock is free again as soon as a job was taken.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let repo = open.take().or_else(|| open_objects(common).ok());
        let handle = repo.as_ref().map(|repo| Handle { repo, common, linkless: &linkless, kept: &kept });
        if catch_unwind(AssertUnwindSafe(|| job(handle.as_ref()))).is_ok() {
            // After a panic nobody knows what state the handle is in.
            open = repo;
        }
    }
}

/// Opens the repository for its objects, with an empty configuration.
pub(in crate::git) fn open_objects(common: &Path) -> Result<git2::Repository, git2::Error> {
    let repo = git2::Repository::open_bare(common)?;
    repo.set_config(&git2::Config::new()?)?;
    Ok(repo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::Scratch;

    #[tokio::test]
    async fn a_job_that_panics_is_told_and_the_next_ones_are_done() {
        let s = Scratch::new().await;
        let one = s.commit("one").await;
        let threads = Threads::start(s.repo.common_dir().to_owned()).expect("starts");
        for _ in 0..4 {
            assert_eq!(threads.run(|_| -> Result<(), NotMine> { panic!("for the test") }).await, None);
        }
        let id = git2::Oid::from_str(one.as_str()).expect("an id");
        let found = threads.run(move |handle| Ok(handle.repo.find_commit(id)?.parent_count())).await;
        assert_eq!(found, Some(Ok(0)));
    }

    #[tokio::test]
    async fn jobs_are_done_at_once_and_one_nobody_waits_for_is_done_too() {
        let s = Scratch::new().await;
        let threads = Threads::start(s.repo.common_dir().to_owned()).expect("starts");
        let (tell, told) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let first = threads.run(move |_| {
            wait.recv().map_err(|_| NotMine)?;
            tell.send("first").map_err(|_| NotMine)
        });
        let mut first = Box::pin(first);
        // Sent, and then abandoned.
        assert!(futures_poll_once(first.as_mut()).await);
        drop(first);
        assert_eq!(threads.run(|_| Ok("second")).await, Some(Ok("second")), "the other thread does it");
        go.send(()).expect("somebody waits");
        let done = tokio::task::spawn_blocking(move || told.recv()).await.expect("no panic");
        assert_eq!(done, Ok("first"));
    }

    /// Polls a future once; whether it is still under way.
    async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending()))
            .await
    }

    #[tokio::test]
    async fn no_repository_is_no_answer() {
        let dir = tempfile::tempdir().expect("a folder");
        let threads = Threads::start(dir.path().to_owned()).expect("starts");
        assert_eq!(threads.run(|_| Ok(())).await, Some(Err(NotMine)));
    }
}
