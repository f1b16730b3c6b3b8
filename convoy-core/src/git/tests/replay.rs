//! Work that is put onto another commit, commit by commit, as `git rebase` would.

use super::histories::lines;
use crate::git::testing::{Scratch, both_backends, try_git};
use crate::git::{GitError, MergeResult};
use crate::types::Oid;

both_backends! {
    a_line_of_commits_is_written_as_git_rebases_it,
    a_commit_that_changes_nothing_there_is_left_out,
    stand_ins_merge_as_a_named_base_does,
    a_commit_is_found_by_its_trailer,
}

/// Tree, author, time and subject of each commit after `from`, oldest first.
async fn commits(s: &Scratch, from: &Oid, to: &str) -> Vec<String> {
    let range = format!("{from}..{to}");
    let format = "--format=%T %an <%ae> %ad %s";
    let text = s.git(&["log", "--reverse", "--date=raw", "--first-parent", format, &range]).await;
    text.lines().map(str::to_owned).collect()
}

async fn a_line_of_commits_is_written_as_git_rebases_it() {
    let s = Scratch::new().await;
    let (mut same, mut left) = (0, 0);
    for (number, (tip, work)) in lines(&s, 4_000, 40).await.into_iter().enumerate() {
        let merged = match s.repo.merge(&tip, &work).await.expect("merges") {
            MergeResult::Clean { tree } => tree,
            MergeResult::Conflicted { .. } => continue,
        };
        if s.repo.tree_of(&tip).await.expect("reads") == merged {
            continue;
        }
        let replayed = s.repo.replay(&tip, &work, &merged, "Key: value").await.expect("replays");
        let args = ["rebase", "-q", "--no-fork-point", "--reapply-cherry-picks", "--empty=drop"];
        s.git(&["checkout", "-q", "-f", "--detach", work.as_str()]).await;
        let (rebased, _) = try_git(&s.root, &[&args[..], &[tip.as_str()]].concat()).await;
        let is_same = rebased && s.git(&["rev-parse", "HEAD^{tree}"]).await == merged.as_str();
        let wanted = commits(&s, &tip, "HEAD").await;
        if !rebased {
            s.git(&["rebase", "--abort"]).await;
        }
        assert_eq!(replayed.is_some(), is_same, "case {number}: git says {wanted:?}");
        let Some(replayed) = replayed else {
            left += 1;
            continue;
        };
        assert_eq!(commits(&s, &tip, replayed.as_str()).await, wanted, "case {number}");
        let info = s.repo.commit_info(&replayed).await.expect("reads");
        assert_eq!(info.trailers(), [("Key".to_owned(), "value".to_owned())], "case {number}");
        same += 1;
    }
    assert!(same >= 10, "{same} of 40 could be compared, {left} were no line");
}

async fn a_commit_that_changes_nothing_there_is_left_out() {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").commit("base").await;
    let tip = s.write("a", "2\n").commit("tip").await;
    s.git(&["checkout", "-q", base.as_str()]).await;
    s.write("b", "1\n").commit("kept").await;
    s.commit("empty from the start").await;
    let work = s.write("a", "2\n").commit("there already").await;
    let MergeResult::Clean { tree } = s.repo.merge(&tip, &work).await.expect("merges") else { panic!() };
    let made = s.repo.replay(&tip, &work, &tree, "Key: value").await.expect("replays").expect("a line");
    let subjects: Vec<_> = commits(&s, &tip, made.as_str()).await;
    assert!(subjects[0].ends_with(" kept") && subjects[1].ends_with(" empty from the start"), "{subjects:?}");
    assert_eq!(subjects.len(), 2);
    let info = s.repo.commit_info(&made).await.expect("reads");
    assert_eq!(info.message, "empty from the start\n\nKey: value\n");
    // What speaks as the last lines do is no line of commits.
    s.git(&["commit", "-q", "--allow-empty", "-m", "x\n\nkey: forged"]).await;
    let forged = s.tip().await;
    assert_eq!(s.repo.replay(&tip, &forged, &tree, "Key: value").await.expect("replays"), None);
    // Nor does it end with another tree than the one that was judged.
    let other = s.repo.tree_of(&base).await.expect("reads");
    assert_eq!(s.repo.replay(&tip, &work, &other, "Key: value").await.expect("replays"), None);
}

async fn stand_ins_merge_as_a_named_base_does() {
    let s = Scratch::new().await;
    for (number, (tip, work)) in lines(&s, 5_000, 15).await.into_iter().enumerate() {
        let parent = s.repo.commit_info(&work).await.expect("reads").parents[0].clone();
        let named = s.repo.merge_by_git(Some(&parent), &tip, &work).await.expect("merges");
        let stood_in = s.repo.merge_stand_ins(&parent, &tip, &work).await.expect("merges");
        match (named, stood_in) {
            (MergeResult::Clean { tree: one }, MergeResult::Clean { tree: other }) => {
                assert_eq!(one, other, "case {number}");
            }
            // The markers name the commits.
            (MergeResult::Conflicted { .. }, MergeResult::Conflicted { .. }) => {}
            other => panic!("case {number}: {other:?}"),
        }
    }
}

async fn a_commit_is_found_by_its_trailer() {
    let s = Scratch::new().await;
    let base = s.commit("base").await;
    let found = s.commit("one\n\nWork: abc\nOther: x").await;
    s.commit("two\n\nit says\nWork: abd\nin its text\n\nWork: abcd").await;
    let tip = s.commit("three").await;
    let look = async |known: &Oid, value: &str| s.repo.commit_with_trailer(&tip, known, "Work", value).await;
    assert_eq!(look(&base, "abc").await.expect("looks"), Some(found.clone()));
    for absent in ["abd", "ab", "bc"] {
        assert_eq!(look(&base, absent).await.expect("looks"), None, "{absent}");
    }
    assert_eq!(look(&found, "abc").await.expect("looks"), None, "it is known already");
    let missing = Oid::new("1".repeat(40)).expect("valid");
    assert!(matches!(look(&missing, "abc").await, Err(GitError::Failed { .. })));
}
