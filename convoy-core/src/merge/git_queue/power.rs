//! What is left of a landing when the power is cut.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::git::Repository;
use crate::git::testing::power::{cut, files};
use crate::git::testing::{Scratch, options};
use crate::merge::{
    Advance, GitMergeQueue, MergeQueue as _, PrepareOutcome, PrepareRequest, Prepared, Settled,
};
use crate::types::{MergeStrategy, Oid};

struct Case {
    s: Scratch,
    git_dir: PathBuf,
    before: BTreeMap<PathBuf, Vec<u8>>,
    request: PrepareRequest,
}

/// Work that lies in objects which nobody has synced: the agent's git has just written them.
async fn case(strategy: MergeStrategy) -> Case {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").write("dir/b", "1\n").commit("base").await;
    let tip = s.write("dir/b", "2\n").commit("moved").await;
    s.git(&["update-ref", "refs/x/landing", tip.as_str()]).await;
    s.git(&["checkout", "-q", base.as_str()]).await;
    let git_dir = s.root.join(".git");
    let before = files(&git_dir);
    s.write("dir/new/c", "1\n").commit("one half").await;
    let work = s.write("a", "2\n").commit("other half").await;
    let message = "Land it\n\nTask: a\n".to_owned();
    let request = PrepareRequest { integration_ref: "refs/x/landing".into(), tip, work, message, strategy };
    Case { s, git_dir, before, request }
}

impl Case {
    /// A queue of an engine that was started after the cut.
    async fn queue(&self) -> GitMergeQueue {
        GitMergeQueue::new(Repository::open(&self.s.root, options()).await.expect("it still opens"))
    }

    async fn prepared(&self) -> Prepared {
        match self.queue().await.prepare(&self.request).await.expect("prepares") {
            PrepareOutcome::Prepared(prepared) => prepared,
            other => panic!("{other:?}"),
        }
    }

    /// The ref is whole, with the work or without it.
    async fn is_whole(&self, landed: bool) {
        self.s.git(&["rev-list", "--objects", "refs/x/landing"]).await;
        let landings =
            self.s.git(&["log", "--format=%(trailers:key=Task,valueonly)", "refs/x/landing"]).await;
        assert_eq!(landings.matches('a').count(), usize::from(landed), "{landings}");
        let new = self.s.git(&["ls-tree", "-r", "--name-only", "refs/x/landing", "dir/new"]).await;
        assert_eq!(new, if landed { "dir/new/c" } else { "" });
    }
}

const FORMS: [MergeStrategy; 3] = [MergeStrategy::Merge, MergeStrategy::Squash, MergeStrategy::Rebase];

#[tokio::test]
async fn a_prepared_landing_is_whole_after_a_power_cut_and_lands_then() {
    for strategy in FORMS {
        let case = case(strategy).await;
        let prepared = case.prepared().await;
        assert!(cut(&case.git_dir, &case.before) > 0, "nothing was lost: the test cuts nothing");
        case.is_whole(false).await;
        case.s.git(&["rev-list", "--objects", prepared.commit.as_str()]).await;
        let queue = case.queue().await;
        assert_eq!(queue.settle(&prepared).await.expect("settles"), Settled::NotLanded);
        assert_eq!(queue.advance(&prepared, 2).await.expect("advances"), Advance::Advanced);
        case.is_whole(true).await;
    }
}

#[tokio::test]
async fn a_landing_that_happened_has_happened_after_a_power_cut() {
    for strategy in FORMS {
        let case = case(strategy).await;
        let prepared = case.prepared().await;
        assert_eq!(case.queue().await.advance(&prepared, 1).await.expect("advances"), Advance::Advanced);
        assert!(cut(&case.git_dir, &case.before) > 0, "nothing was lost: the test cuts nothing");
        case.is_whole(true).await;
        let queue = case.queue().await;
        assert_eq!(queue.settle(&prepared).await.expect("settles"), Settled::Landed);
        assert_eq!(
            queue.advance(&prepared, 2).await.expect("advances"),
            Advance::Advanced,
            "it may be repeated"
        );
        case.is_whole(true).await;
    }
}

#[tokio::test]
async fn a_landing_that_was_not_prepared_to_the_end_is_not_there_after_a_power_cut() {
    let case = case(MergeStrategy::Merge).await;
    // As far as it goes before anything is synced.
    let (tip, work) = (case.request.tip.clone(), case.request.work.clone());
    let tree = case.s.repo.tree_of(&work).await.expect("reads");
    let commit = case.s.repo.commit_tree(&tree, &[tip.clone(), work], "Land it", None).await.expect("writes");
    assert!(cut(&case.git_dir, &case.before) > 0);
    let queue = case.queue().await;
    let prepared = Prepared { commit: commit.clone(), onto: tip, integration_ref: "refs/x/landing".into() };
    assert_eq!(queue.settle(&prepared).await.expect("settles"), Settled::NotLanded);
    case.is_whole(false).await;
    let found: Option<Oid> = case.s.repo.resolve(commit.as_str()).await.expect("resolves");
    assert_eq!(found, None, "nobody synced it");
}
