//! What every [`MergeQueue`] must do, as tests that any implementation can run.

use super::queue::{Advance, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled};
use crate::git::{Expected, RefUpdate, Repository};
use crate::types::{MergeStrategy, Oid};

/// Checks the whole contract of an implementation that lands on refs of this repository. Makes commits there
/// and refs under `refs/conformance/`; an empty scratch repository is the right one.
///
/// # Panics
/// When the contract is broken, saying where.
pub async fn conformance(repository: &Repository, queue: &dyn MergeQueue) {
    Case::start(repository, queue, "merge").await.lands_as_a_merge_commit().await;
    Case::start(repository, queue, "order").await.one_lands_and_the_other_is_told().await;
    Case::start(repository, queue, "race").await.of_many_at_once_exactly_one_lands().await;
    Case::start(repository, queue, "conflict").await.a_conflict_is_told_and_changes_nothing().await;
    Case::start(repository, queue, "nothing").await.what_is_reached_already_is_nothing_to_land().await;
    Case::start(repository, queue, "fence").await.a_smaller_lease_number_is_refused().await;
    Case::start(repository, queue, "train").await.several_on_top_of_each_other_land_at_once().await;
    Case::start(repository, queue, "gone").await.a_ref_that_is_gone_is_not_made_again().await;
}

/// One case, on a ref of its own.
struct Case<'a> {
    repository: &'a Repository,
    queue: &'a dyn MergeQueue,
    name: String,
    base: Oid,
}

impl<'a> Case<'a> {
    async fn start(repository: &'a Repository, queue: &'a dyn MergeQueue, case: &str) -> Self {
        let base = repository.sample_commit(&[], &[("base", "1\n"), ("both", "1\n")], "base").await;
        let name = format!("refs/conformance/{case}");
        let set =
            repository.update_ref(&name, &base, Expected::Any, "start").await.expect("the ref can be set");
        assert_eq!(set, RefUpdate::Done);
        Self { repository, queue, name, base }
    }

    /// A commit on `parent` that writes files.
    async fn work(&self, parent: &Oid, files: &[(&str, &str)]) -> Oid {
        let mut all = vec![("base", "1\n")];
        if !files.iter().any(|(name, _)| *name == "both") {
            all.push(("both", "1\n"));
        }
        all.extend(files);
        self.repository.sample_commit(std::slice::from_ref(parent), &all, "work").await
    }

    async fn tip(&self) -> Oid {
        self.repository.resolve(&self.name).await.expect("resolves").expect("the ref is there")
    }

    async fn prepare(&self, work: &Oid) -> PrepareOutcome {
        let tip = self.tip().await;
        self.prepare_onto(tip, work).await
    }

    async fn prepare_onto(&self, tip: Oid, work: &Oid) -> PrepareOutcome {
        let message = "Land it\n\nTask: some task\nAttempt: 1\n".to_owned();
        let integration_ref = self.name.clone();
        let (work, strategy) = (work.clone(), MergeStrategy::Merge);
        let request = PrepareRequest { integration_ref, tip, work, message, strategy };
        self.queue.prepare(&request).await.expect("preparing works")
    }

    async fn prepared(&self, work: &Oid) -> Prepared {
        match self.prepare(work).await {
            PrepareOutcome::Prepared(prepared) => prepared,
            other => panic!("{}: expected a landing commit, got {other:?}", self.name),
        }
    }

    async fn advance(&self, prepared: &Prepared, fence: u64) -> Advance {
        self.queue.advance(prepared, fence).await.expect("advancing works")
    }

    async fn settle(&self, prepared: &Prepared) -> Settled {
        self.queue.settle(prepared).await.expect("settling works")
    }

    async fn lands_as_a_merge_commit(&self) {
        let work = self.work(&self.base, &[("new", "1\n")]).await;
        let prepared = self.prepared(&work).await;
        assert_eq!(self.tip().await, self.base, "preparing must not move the ref");
        assert_eq!(self.settle(&prepared).await, Settled::NotLanded);
        let info = self.repository.commit_info(&prepared.commit).await.expect("the landing commit is there");
        assert_eq!(info.parents, [self.base.clone(), work], "the parents are the tip and the work");
        assert_eq!(info.trailers().len(), 2, "the message is kept, trailers included: {:?}", info.message);
        assert_eq!(self.advance(&prepared, 1).await, Advance::Advanced);
        assert_eq!(
            (self.tip().await, self.settle(&prepared).await),
            (prepared.commit.clone(), Settled::Landed)
        );
        assert_eq!(self.advance(&prepared, 1).await, Advance::Advanced, "advancing may be repeated");
        assert_eq!(self.tip().await, prepared.commit);
        let next = self.prepared(&self.work(&self.base, &[("next", "1\n")]).await).await;
        assert_eq!(self.advance(&next, 1).await, Advance::Advanced);
        assert_eq!(self.settle(&prepared).await, Settled::Landed, "it stays landed under later ones");
        assert_eq!(
            self.advance(&prepared, 1).await,
            Advance::Advanced,
            "and repeating does not take them back"
        );
        assert_eq!(self.tip().await, next.commit);
    }

    async fn one_lands_and_the_other_is_told(&self) {
        let one = self.prepared(&self.work(&self.base, &[("one", "1\n")]).await).await;
        let work = self.work(&self.base, &[("two", "2\n")]).await;
        let two = self.prepared(&work).await;
        assert_eq!(self.advance(&one, 1).await, Advance::Advanced);
        assert_eq!(self.advance(&two, 1).await, Advance::Moved { now: Some(one.commit.clone()) });
        assert_eq!((self.tip().await, self.settle(&two).await), (one.commit, Settled::NotLanded));
        let again = self.prepared(&work).await;
        assert_eq!(self.advance(&again, 1).await, Advance::Advanced);
        let changes = self.repository.changed_between(&self.base, &again.commit).await.expect("changes");
        let paths: Vec<_> = changes.iter().map(|c| c.path.as_str()).collect();
        assert_eq!(paths, ["one", "two"], "both pieces of work are there");
    }

    async fn several_on_top_of_each_other_land_at_once(&self) {
        let one = self.prepared(&self.work(&self.base, &[("one", "1\n")]).await).await;
        let work = self.work(&self.base, &[("two", "2\n")]).await;
        let PrepareOutcome::Prepared(two) = self.prepare_onto(one.commit.clone(), &work).await else {
            panic!("{}: a landing commit on top of one that has not landed", self.name)
        };
        assert_eq!((&two.onto, self.tip().await), (&one.commit, self.base.clone()));
        let both = Prepared { onto: one.onto.clone(), ..two };
        assert_eq!(self.advance(&both, 1).await, Advance::Advanced);
        assert_eq!(self.tip().await, both.commit);
        assert_eq!((self.settle(&one).await, self.settle(&both).await), (Settled::Landed, Settled::Landed));
    }

    async fn of_many_at_once_exactly_one_lands(&self) {
        let mut all = Vec::new();
        for name in ["a", "b", "c", "d"] {
            all.push(self.prepared(&self.work(&self.base, &[(name, "1\n")]).await).await);
        }
        let (a, b, c, d) = tokio::join!(
            self.queue.advance(&all[0], 1),
            self.queue.advance(&all[1], 1),
            self.queue.advance(&all[2], 1),
            self.queue.advance(&all[3], 1),
        );
        // A medium that is busy may say so; what counts is what landed.
        let advanced = [a, b, c, d].into_iter().filter(|r| matches!(r, Ok(Advance::Advanced))).count();
        let mut landed = 0;
        for prepared in &all {
            landed += usize::from(self.settle(prepared).await == Settled::Landed);
        }
        assert_eq!((advanced, landed), (1, 1));
    }

    async fn a_conflict_is_told_and_changes_nothing(&self) {
        let ours = self.prepared(&self.work(&self.base, &[("both", "ours\n")]).await).await;
        assert_eq!(self.advance(&ours, 1).await, Advance::Advanced);
        let theirs = self.work(&self.base, &[("both", "theirs\n")]).await;
        let PrepareOutcome::Conflict { tree, paths, onto } = self.prepare(&theirs).await else {
            panic!("two changes of one line must conflict");
        };
        assert_eq!((paths.as_slice(), &onto), (&["both".to_owned()][..], &ours.commit));
        let marked = self.repository.conflict_markers(&tree, &paths).await.expect("the tree is there");
        assert_eq!(marked, ["both"], "the tree has the markers");
        assert_eq!(self.tip().await, ours.commit);
    }

    async fn what_is_reached_already_is_nothing_to_land(&self) {
        assert_eq!(self.prepare(&self.base).await, PrepareOutcome::NothingToLand);
        let work = self.work(&self.base, &[("new", "1\n")]).await;
        let prepared = self.prepared(&work).await;
        assert_eq!(self.advance(&prepared, 1).await, Advance::Advanced);
        assert_eq!(self.prepare(&work).await, PrepareOutcome::NothingToLand);
    }

    async fn a_smaller_lease_number_is_refused(&self) {
        let one = self.prepared(&self.work(&self.base, &[("one", "1\n")]).await).await;
        assert_eq!(self.advance(&one, 7).await, Advance::Advanced);
        let two = self.prepared(&self.work(&self.base, &[("two", "1\n")]).await).await;
        let refused = self.queue.advance(&two, 6).await;
        assert!(matches!(refused, Err(MergeError::Fenced { held: 6, newer: 7 })), "{refused:?}");
        assert_eq!((self.tip().await, self.settle(&two).await), (one.commit, Settled::NotLanded));
        assert_eq!(self.advance(&two, 8).await, Advance::Advanced);
    }

    async fn a_ref_that_is_gone_is_not_made_again(&self) {
        let prepared = self.prepared(&self.work(&self.base, &[("new", "1\n")]).await).await;
        let deleted = self.repository.delete_ref(&self.name, Expected::Any).await.expect("deletes");
        assert_eq!(deleted, RefUpdate::Done);
        assert_eq!(self.advance(&prepared, 1).await, Advance::Moved { now: None });
        assert_eq!(self.settle(&prepared).await, Settled::NotLanded);
        assert_eq!(self.repository.resolve(&self.name).await.expect("resolves"), None);
    }
}
