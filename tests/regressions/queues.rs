//! A merge queue that answers wrongly: nothing is done that did not land, and nobody asks for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use convoy_core::agent::AgentOutcome;
use convoy_core::error::ErrorKind;
use convoy_core::event::RunOptions;
use convoy_core::git::{GitOptions, Repository};
use convoy_core::merge::{
    Advance, GitMergeQueue, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled,
};
use convoy_core::types::{BoxFuture, ConvoyStatus, Oid};
use convoy_tests::{Inline, ScratchRepo, engine, host_env, write};

use crate::support::{landed, run_with, spec};

/// What is wrong with the answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    NoSuchCommit,
    TheTip,
    TheWork,
    NotOnTheTip,
    NoTrailers,
    EmptyWithoutTheWork,
    NothingToLand,
    ConflictWithoutPaths,
    ConflictOutside,
    ConflictWithoutTree,
    ConflictInACommit,
    ConflictWithTheWork,
    MovedNothing,
    AdvancedNothing,
    SettledNothing,
}

#[derive(Debug)]
struct Liar {
    wrong: Wrong,
    git: Repository,
    inner: GitMergeQueue,
    advances: AtomicU32,
}

fn conflict(tree: Oid, paths: &[&str], onto: &Oid) -> PrepareOutcome {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    PrepareOutcome::Conflict { tree, paths, onto: onto.clone() }
}

impl Liar {
    async fn on(repo: &ScratchRepo, wrong: Wrong) -> Arc<Self> {
        let mut options = GitOptions::default();
        options.env = host_env(repo);
        let git = Repository::open(repo.root(), options).await.expect("a repository");
        Arc::new(Self { wrong, inner: GitMergeQueue::new(git.clone()), git, advances: AtomicU32::new(0) })
    }

    async fn answer(&self, request: &PrepareRequest) -> PrepareOutcome {
        let PrepareRequest { integration_ref, tip, work, message, .. } = request;
        let tree = |of: Oid| async move { self.git.tree_of(&of).await.expect("a tree") };
        let commit = |tree: Oid, parents: Vec<Oid>, message: String| async move {
            self.git.commit_tree(&tree, &parents, &message, None).await.expect("a commit")
        };
        let (work_tree, both) = (tree(work.clone()).await, vec![tip.clone(), work.clone()]);
        let commit = match self.wrong {
            Wrong::NoSuchCommit => Oid::new("7".repeat(40)).expect("an id"),
            Wrong::TheTip => tip.clone(),
            Wrong::TheWork => work.clone(),
            Wrong::NotOnTheTip => commit(work_tree, Vec::new(), message.clone()).await,
            Wrong::NoTrailers => commit(work_tree, both, "Land it".to_owned()).await,
            Wrong::EmptyWithoutTheWork => {
                commit(tree(tip.clone()).await, vec![tip.clone()], message.clone()).await
            }
            Wrong::NothingToLand => return PrepareOutcome::NothingToLand,
            Wrong::ConflictWithoutPaths => return conflict(work_tree, &[], tip),
            Wrong::ConflictOutside => return conflict(work_tree, &["a.txt", "x/../../a.txt"], tip),
            Wrong::ConflictWithoutTree => {
                return conflict(Oid::new("7".repeat(40)).expect("an id"), &["a.txt"], tip);
            }
            Wrong::ConflictInACommit => return conflict(work.clone(), &["a.txt"], tip),
            Wrong::ConflictWithTheWork => return conflict(work_tree, &["a.txt"], work),
            _ => return self.inner.prepare(request).await.expect("prepared"),
        };
        let (onto, integration_ref) = (tip.clone(), integration_ref.clone());
        PrepareOutcome::Prepared(Prepared { commit, onto, integration_ref })
    }
}

impl MergeQueue for Liar {
    fn prepare<'a>(
        &'a self,
        request: &'a PrepareRequest,
    ) -> BoxFuture<'a, Result<PrepareOutcome, MergeError>> {
        Box::pin(async { Ok(self.answer(request).await) })
    }

    fn advance<'a>(&'a self, prepared: &'a Prepared, _: u64) -> BoxFuture<'a, Result<Advance, MergeError>> {
        self.advances.fetch_add(1, Ordering::SeqCst);
        let answer = match self.wrong {
            Wrong::MovedNothing => Advance::Moved { now: Some(prepared.onto.clone()) },
            Wrong::SettledNothing => Advance::Moved { now: None },
            _ => Advance::Advanced,
        };
        Box::pin(async { Ok(answer) })
    }

    fn settle<'a>(&'a self, _: &'a Prepared) -> BoxFuture<'a, Result<Settled, MergeError>> {
        let landed = matches!(self.wrong, Wrong::SettledNothing | Wrong::AdvancedNothing);
        Box::pin(async move { Ok(if landed { Settled::Landed } else { Settled::NotLanded }) })
    }
}

fn writer() -> Arc<Inline> {
    Inline::new(|request| {
        write(&request.cwd, "a.txt", "a\n");
        AgentOutcome::Succeeded
    })
}

#[tokio::test]
async fn what_a_queue_prepares_is_looked_up_before_it_is_recorded() {
    let text = spec("", "  - {id: a, prompt: make a, max_retries: 0}\n");
    for (wrong, says) in [
        (Wrong::NoSuchCommit, "there is no commit 7777"),
        (Wrong::TheTip, "is no landing on"),
        (Wrong::TheWork, "lacks the trailer \"Convoy-Id: "),
        (Wrong::NotOnTheTip, "does not have the tip"),
        (Wrong::NoTrailers, "lacks the trailer \"Convoy-Id: "),
        (Wrong::EmptyWithoutTheWork, "has the files of the tip"),
        (Wrong::NothingToLand, "there is nothing to land, but the work"),
        (Wrong::ConflictWithoutPaths, "a conflict without paths"),
        (Wrong::ConflictOutside, "\"x/../../a.txt\", which no file can be called"),
        (Wrong::ConflictWithoutTree, "777 is no tree of the repository"),
        (Wrong::ConflictInACommit, "is no tree of the repository"),
        (Wrong::ConflictWithTheWork, "the tip to land on is"),
    ] {
        let repo = ScratchRepo::new();
        let queue = Liar::on(&repo, wrong).await;
        let ran = run_with(engine(&repo).adapter(writer()).merge_queue(queue), &text).await;
        assert_eq!((ran.status(), ran.statuses().as_str()), (ConvoyStatus::Failed, "a=failed"), "{wrong:?}");
        assert_eq!(ran.failed_with("a"), "merge-error", "{wrong:?}");
        assert!(ran.failure("a").message.contains(says), "{wrong:?}: {}", ran.failure("a").message);
        for kind in ["merge_prepared", "merge_done", "merge_conflict_detected", "task_done"] {
            assert!(ran.events_of("a", kind).is_empty(), "{wrong:?}: {kind}");
        }
        assert_eq!(landed(&repo, "main"), [""; 0], "{wrong:?}");
        repo.assert_sound_and_clean();
    }
}

#[tokio::test]
async fn a_queue_that_moves_nothing_is_asked_a_few_times_and_then_the_engine_stops_and_can_be_resumed() {
    let text = spec("", "  - {id: a, prompt: make a}\n");
    for wrong in [Wrong::MovedNothing, Wrong::AdvancedNothing, Wrong::SettledNothing] {
        let repo = ScratchRepo::new();
        let (agent, queue) = (writer(), Liar::on(&repo, wrong).await);
        let broken =
            engine(&repo).adapter(agent.clone()).merge_queue(queue.clone()).build().await.expect("an engine");
        let run = broken.start(&text, RunOptions::default()).await.expect("started");
        let error = run.wait().await.expect_err("nothing lands");
        assert_eq!(error.kind(), ErrorKind::Repository, "{wrong:?}: {error}");
        assert!(error.chain().contains("the ref is where it was"), "{wrong:?}: {}", error.chain());
        assert_eq!(queue.advances.load(Ordering::SeqCst), 3, "{wrong:?}");
        broken.shutdown().await;

        let mended = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
        let resumed = mended.resume(None).await.expect("resumed");
        crate::support::finish(&mended, &resumed).await.assert_done();
        assert_eq!((landed(&repo, "main"), agent.requests().len()), (vec!["a".to_owned()], 1), "{wrong:?}");
        mended.shutdown().await;
    }
}
