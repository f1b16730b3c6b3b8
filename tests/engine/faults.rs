//! What goes wrong for one task, one folder or one moment, and must not go wrong for more.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convoy_core::agent::AgentOutcome;
use convoy_core::error::ErrorKind;
use convoy_core::event::RunOptions;
use convoy_core::git::{GitOptions, Repository};
use convoy_core::merge::{
    Advance, GitMergeQueue, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled,
};
use convoy_core::types::{BoxFuture, ConvoyStatus, TaskStatus};
use convoy_tests::{Inline, ScratchRepo, engine, host_env, last_word, write};
use tokio::sync::Barrier;

/// Lands nothing while it is broken.
#[derive(Debug)]
struct Breakable {
    inner: GitMergeQueue,
    broken: AtomicBool,
}

impl MergeQueue for Breakable {
    fn prepare<'a>(
        &'a self,
        request: &'a PrepareRequest,
    ) -> BoxFuture<'a, Result<PrepareOutcome, MergeError>> {
        self.inner.prepare(request)
    }

    fn advance<'a>(
        &'a self,
        prepared: &'a Prepared,
        fence: u64,
    ) -> BoxFuture<'a, Result<Advance, MergeError>> {
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(MergeError::Fenced { held: 1, newer: 2 }) });
        }
        self.inner.advance(prepared, fence)
    }

    fn settle<'a>(&'a self, prepared: &'a Prepared) -> BoxFuture<'a, Result<Settled, MergeError>> {
        self.inner.settle(prepared)
    }
}

#[tokio::test]
async fn an_engine_that_must_stop_records_how_the_other_agents_ended_and_resumes() {
    let repo = ScratchRepo::new();
    let mut options = GitOptions::default();
    options.env = host_env(&repo);
    let inner = GitMergeQueue::new(Repository::open(repo.root(), options).await.expect("a repository"));
    let queue = Arc::new(Breakable { inner, broken: AtomicBool::new(true) });
    let (both, waits) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(true)));
    let agent = {
        let waits = waits.clone();
        Inline::waiting(move |request| {
            let (both, waits) = (both.clone(), waits.load(Ordering::SeqCst));
            async move {
                let name = last_word(&request.prompt);
                write(&request.cwd, name, "made\n");
                if waits {
                    both.wait().await;
                }
                if waits && name == "b" {
                    std::future::pending::<()>().await;
                }
                AgentOutcome::Succeeded
            }
        })
    };
    let engine = engine(&repo).adapter(agent).merge_queue(queue.clone()).build().await.expect("an engine");
    let spec = "name: t\nversion: 1\nadapter: inline\nconcurrency: 2\ntasks:\n\
                - {id: a, prompt: make a}\n- {id: b, prompt: make b}\n";
    let run = engine.start(spec, RunOptions::default()).await.expect("started");
    let error = run.wait().await.expect_err("nothing can land");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    let events = engine.events(run.id(), 0, usize::MAX).await.expect("events");
    let ended = |id: &str| {
        let of = |r: &&convoy_core::event::EventRecord| r.task_id().is_some_and(|task| task.as_str() == id);
        events.iter().filter(of).filter(|r| r.event.type_name() == "task_agent_ended").count()
    };
    assert_eq!((ended("a"), ended("b")), (1, 1), "the end of every agent is recorded");

    // Whatever stopped it may have left the lock of the ref.
    let lock = format!(".git/refs/convoy/{}/integration.lock", run.id());
    repo.write(&lock, "");
    queue.broken.store(false, Ordering::SeqCst);
    waits.store(false, Ordering::SeqCst);
    let resumed = engine.resume(Some(run.id())).await.expect("resumed");
    let outcome = resumed.wait().await.expect("an outcome");
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    assert_eq!(outcome.view.tasks[0].attempts, 1, "the finished work was not bought again");
    repo.assert_sound_and_clean();
    engine.shutdown().await;
}

#[tokio::test]
async fn a_gate_that_destroys_its_worktree_fails_its_own_task_only() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, last_word(&request.prompt), "made\n");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let spec = "name: t\nversion: 1\nadapter: inline\ndefaults: {max_retries: 0}\ntasks:\n\
                - {id: a, prompt: make a, gates: ['rm -rf \"$PWD\"', 'true']}\n\
                - {id: b, prompt: make b, gates: ['test -f b']}\n";
    let run = engine.start(spec, RunOptions::default()).await.expect("started");
    let outcome = run.wait().await.expect("an outcome");
    let status: Vec<TaskStatus> = outcome.view.tasks.iter().map(|task| task.status).collect();
    assert_eq!(status, [TaskStatus::Failed, TaskStatus::Done], "{:#?}", outcome.view);
    assert!(outcome.view.published);
    repo.assert_sound_and_clean();
    engine.shutdown().await;
}

#[tokio::test]
async fn a_checkout_whose_path_cannot_be_recorded_blocks_publishing_and_says_so() {
    let repo = ScratchRepo::new();
    let folder = repo.beside("odd").join(OsStr::from_bytes(b"\xff"));
    let add = ["worktree", "add", "-q", "-b", "odd"].map(OsStr::new);
    repo.git(add.into_iter().chain([folder.as_os_str()]));
    let agent = Inline::new(|request| {
        write(&request.cwd, "made", "made\n");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let spec = "name: t\nversion: 1\nadapter: inline\nbranch: odd\ntasks:\n- {id: a, prompt: make}\n";
    let run = engine.start(spec, RunOptions::default()).await.expect("started");
    let view = run.wait().await.expect("an outcome").view;
    assert_eq!((view.status, view.published), (ConvoyStatus::Done, false), "{view:#?}");
    assert!(view.publish_blocked.as_ref().is_some_and(|why| why.contains("no UTF-8")), "{view:#?}");
    assert!(repo.files(&view.integration_ref).contains(&"made".to_owned()));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_refused_start_leaves_no_branch() {
    let repo = ScratchRepo::new();
    let engine = engine(&repo).build().await.expect("an engine");
    let spec = "name: t\nversion: 1\nbranch: fresh\ntasks:\n- {id: a, prompt: x, adapter: nowhere}\n";
    let error = engine.start(spec, RunOptions::default()).await.expect_err("no such agent");
    assert_eq!(error.kind(), ErrorKind::Agent, "{error}");
    assert!(repo.refs("refs/heads/fresh").is_empty());
    engine.shutdown().await;
}

/// Only root can make such files without help; for others the gate changes nothing and all is deleted.
#[tokio::test]
async fn files_that_cannot_be_deleted_stop_nothing_and_are_told_of() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, last_word(&request.prompt), "made\n");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let run = async |gate: &str| {
        let spec = format!(
            "name: t\nversion: 1\nadapter: inline\ntasks:\n- {{id: a, prompt: make a, gates: ['{gate}']}}\n\
             - {{id: b, depends_on: [a], prompt: make b}}\n"
        );
        let run = engine.start(&spec, RunOptions::default()).await.expect("started");
        run.wait().await.expect("an outcome")
    };
    let outcome = run("chattr +i a && touch \"$(git rev-parse --git-common-dir)/../immutable\"; true").await;
    assert_eq!(outcome.view.status, ConvoyStatus::Done, "{:#?}", outcome.view);
    let immutable = std::fs::remove_file(repo.root().join("immutable")).is_ok();
    assert_eq!(outcome.warnings.is_empty(), !immutable, "{:#?}", outcome.warnings);
    let freed = run("chattr -R -i ../..; true").await;
    assert_eq!(freed.view.status, ConvoyStatus::Done, "{:#?}", freed.view);
    repo.assert_sound_and_clean();
    engine.shutdown().await;
}
