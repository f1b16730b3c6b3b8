//! What the queue on a git repository does.

use super::*;
use crate::git::testing::{Scratch, both_backends};
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
    let request = PrepareRequest {
        integration_ref: "refs/x/l".into(),
        tip,
        work,
        message: "m".into(),
        strategy: MergeStrategy::Merge,
    };
    let error = GitMergeQueue::new(s.repo.clone()).prepare(&request).await.expect_err("no such commit");
    assert!(matches!(error, MergeError::Failed { .. }), "{error}");
}

/// Two commits of work on a base that has moved since: the tip, and the work.
async fn work_of_two(s: &Scratch) -> (Oid, Oid) {
    let base = s.write("a", "1\n").write("b", "1\n").commit("base").await;
    let tip = s.write("b", "2\n").commit("moved").await;
    s.git(&["checkout", "-q", base.as_str()]).await;
    s.write("a", "2\n").commit("first half").await;
    let work = s.write("new", "1\n").commit("second half\n\nwith a body").await;
    (tip, work)
}

const MESSAGE: &str = "Land it\n\nConvoy-Task: a task\nConvoy-Attempt: 1\n";

fn asks(tip: &Oid, work: &Oid, strategy: MergeStrategy) -> PrepareRequest {
    let (tip, work, message) = (tip.clone(), work.clone(), MESSAGE.to_owned());
    PrepareRequest { integration_ref: "refs/x/landing".into(), tip, work, message, strategy }
}

async fn prepared(queue: &GitMergeQueue, request: &PrepareRequest) -> Prepared {
    match queue.prepare(request).await.expect("prepares") {
        PrepareOutcome::Prepared(prepared) => prepared,
        other => panic!("{other:?}"),
    }
}

both_backends! {
    each_form_has_its_history_and_the_same_files,
    a_landing_that_is_cut_off_anywhere_happens_once_in_every_form,
    every_form_conflicts_alike_and_knows_when_there_is_nothing_to_land,
}

async fn each_form_has_its_history_and_the_same_files() {
    for (strategy, subjects) in [
        (MergeStrategy::Merge, "Land it"),
        (MergeStrategy::Squash, "Land it"),
        (MergeStrategy::Rebase, "second half\nfirst half"),
    ] {
        let s = Scratch::new().await;
        let (tip, work) = work_of_two(&s).await;
        let queue = GitMergeQueue::new(s.repo.clone());
        let made = prepared(&queue, &asks(&tip, &work, strategy)).await.commit;
        let new = format!("{tip}..{made}");
        assert_eq!(s.git(&["log", "--first-parent", "--format=%s", &new]).await, subjects);
        let parents = s.repo.commit_info(&made).await.expect("reads").parents;
        match strategy {
            MergeStrategy::Merge => assert_eq!(parents, [tip.clone(), work.clone()]),
            _ => assert!(!s.repo.is_ancestor(&work, &made).await.expect("tells")),
        }
        for (path, content) in [("a", "2\n"), ("b", "2\n"), ("new", "1\n")] {
            assert_eq!(s.show(&made, path).await, content, "{strategy:?}");
        }
        let trailers = s.git(&["log", "-1", "--format=%(trailers)", made.as_str()]).await;
        let named = format!("Convoy-Task: a task\nConvoy-Attempt: 1\nConvoy-Work: {work}");
        assert!(named.starts_with(trailers.trim()), "{strategy:?}: {trailers}");
        let is_merge = strategy == MergeStrategy::Merge;
        assert_eq!(trailers.contains("Convoy-Work"), !is_merge, "{strategy:?}: {trailers}");
        if strategy == MergeStrategy::Rebase {
            assert_eq!(s.git(&["log", "-2", "--format=%an", made.as_str()]).await, "A Person\nA Person");
            assert_eq!(s.git(&["log", "-2", "--format=%cn", made.as_str()]).await, "Convoy\nConvoy");
        }
    }
}

/// Whoever is cut off after a step begins again with what was recorded before it: the prepared commit, or nothing.
async fn a_landing_that_is_cut_off_anywhere_happens_once_in_every_form() {
    for strategy in [MergeStrategy::Merge, MergeStrategy::Squash, MergeStrategy::Rebase] {
        for cut in 0..4 {
            let s = Scratch::new().await;
            let (tip, work) = work_of_two(&s).await;
            s.git(&["update-ref", "refs/x/landing", tip.as_str()]).await;
            let request = asks(&tip, &work, strategy);
            let first = GitMergeQueue::new(s.repo.clone());
            let mut recorded = None;
            if cut >= 1 {
                let made = prepared(&first, &request).await;
                recorded = (cut >= 2).then_some(made);
            }
            if let (3.., Some(made)) = (cut, &recorded) {
                assert_eq!(first.advance(made, 1).await.expect("advances"), Advance::Advanced);
            }
            // The next engine, with what the record has.
            let next = GitMergeQueue::new(s.repo.clone());
            let made = match recorded {
                Some(made) => {
                    let landed = if cut == 3 { Settled::Landed } else { Settled::NotLanded };
                    assert_eq!(next.settle(&made).await.expect("settles"), landed, "{strategy:?}, {cut}");
                    made
                }
                None => prepared(&next, &request).await,
            };
            assert_eq!(next.advance(&made, 2).await.expect("advances"), Advance::Advanced);
            assert_eq!(next.settle(&made).await.expect("settles"), Settled::Landed);
            let landings =
                s.git(&["log", "--format=%(trailers:key=Convoy-Task,valueonly)", "refs/x/landing"]).await;
            assert_eq!(landings.split_whitespace().collect::<Vec<_>>(), ["a", "task"], "{strategy:?}, {cut}");
            // Somebody who lost the record altogether finds that it has landed, also under later work.
            let before = s.repo.tree_of(&tip).await.expect("reads");
            for later in [false, true] {
                if later {
                    let other = s.repo.commit_tree(&before, &[tip_of(&s).await], "x", None).await;
                    s.git(&["update-ref", "refs/x/landing", other.expect("writes").as_str()]).await;
                }
                let again = next.prepare(&asks(&tip_of(&s).await, &work, strategy)).await.expect("prepares");
                assert_eq!(again, PrepareOutcome::NothingToLand, "{strategy:?}, {cut}, later: {later}");
            }
        }
    }
}

async fn tip_of(s: &Scratch) -> Oid {
    s.repo.resolve("refs/x/landing").await.expect("resolves").expect("there")
}

async fn every_form_conflicts_alike_and_knows_when_there_is_nothing_to_land() {
    for strategy in [MergeStrategy::Merge, MergeStrategy::Squash, MergeStrategy::Rebase] {
        let s = Scratch::new().await;
        let base = s.write("a", "1\n").commit("base").await;
        let ours = s.write("a", "ours\n").commit("ours").await;
        s.git(&["checkout", "-q", base.as_str()]).await;
        let theirs = s.write("a", "theirs\n").commit("theirs").await;
        let same = s.write("a", "ours\n").commit("and back").await;
        let queue = GitMergeQueue::new(s.repo.clone());
        let outcome = queue.prepare(&asks(&ours, &theirs, strategy)).await.expect("prepares");
        assert!(matches!(&outcome, PrepareOutcome::Conflict { paths, .. } if paths == &["a"]), "{outcome:?}");
        let nothing = queue.prepare(&asks(&theirs, &base, strategy)).await.expect("prepares");
        assert_eq!(nothing, PrepareOutcome::NothingToLand);
        // The same change was made twice: a merge records that, the other forms have nothing to say.
        let outcome = queue.prepare(&asks(&ours, &same, strategy)).await.expect("prepares");
        let is_merge = strategy == MergeStrategy::Merge;
        assert_eq!(matches!(outcome, PrepareOutcome::Prepared(_)), is_merge, "{outcome:?}");
        // Work with a merge in it is no line.
        s.git(&["checkout", "-q", base.as_str()]).await;
        s.write("one", "1\n").commit("one").await;
        s.git(&["merge", "-q", "--no-edit", "-s", "ours", ours.as_str()]).await;
        let merged = s.write("two", "2\n").commit("two").await;
        let made = prepared(&queue, &asks(&theirs, &merged, strategy)).await;
        let parents = s.repo.commit_info(&made.commit).await.expect("reads").parents;
        assert_eq!(parents.len(), if is_merge { 2 } else { 1 });
        let message = s.git(&["log", "-1", "--format=%s", made.commit.as_str()]).await;
        assert_eq!(message, "Land it");
    }
}
