use crate::git::testing::{Scratch, options};
use crate::git::{Expected, GitError, RefEdit, RefUpdate, Repository};

const REF: &str = "refs/x/y";

#[tokio::test]
async fn a_ref_moves_only_from_what_is_expected() {
    let s = Scratch::new().await;
    let (one, two) = (s.commit("one").await, s.commit("two").await);
    let update = async |new, expected| s.repo.update_ref(REF, new, expected, "why\nnot").await.expect("runs");
    let moved = |now: Option<&_>| RefUpdate::Moved { now: now.cloned() };
    assert_eq!(update(&one, Expected::At(two.clone())).await, moved(None));
    assert_eq!(update(&one, Expected::Absent).await, RefUpdate::Done);
    assert_eq!(update(&two, Expected::Absent).await, moved(Some(&one)));
    assert_eq!(update(&one, Expected::At(two.clone())).await, moved(Some(&one)));
    assert_eq!(update(&two, Expected::At(one.clone())).await, RefUpdate::Done);
    assert_eq!(s.repo.list_refs("refs/x").await.expect("lists"), [(REF.to_owned(), two.clone())]);
    assert_eq!(s.repo.delete_ref(REF, Expected::At(one.clone())).await.expect("runs"), moved(Some(&two)));
    assert_eq!(s.repo.delete_ref(REF, Expected::At(two.clone())).await.expect("runs"), RefUpdate::Done);
    assert_eq!(s.repo.delete_ref(REF, Expected::At(two)).await.expect("runs"), moved(None));
    assert_eq!(s.repo.delete_ref(REF, Expected::Any).await.expect("runs"), RefUpdate::Done);
    assert_eq!(s.repo.list_refs("refs/x/").await.expect("lists"), []);
}

#[tokio::test]
async fn several_refs_change_together_or_not_at_all() {
    let s = Scratch::new().await;
    let one = s.commit("one").await;
    let edit = |name: &str, expected| RefEdit { name: name.into(), new: Some(one.clone()), expected };
    let edits = [edit("refs/x/a", Expected::Absent), edit("refs/x/b", Expected::At(one.clone()))];
    assert_eq!(s.repo.update_refs(&edits, "why").await.expect("runs"), RefUpdate::Moved { now: None });
    assert_eq!(s.repo.list_refs("refs/x").await.expect("lists"), []);
    let edits = [edit("refs/x/a", Expected::Absent), edit("refs/x/b", Expected::Any)];
    assert_eq!(s.repo.update_refs(&edits, "why").await.expect("runs"), RefUpdate::Done);
    assert_eq!(s.repo.list_refs("refs/x").await.expect("lists").len(), 2);
}

#[tokio::test]
async fn of_many_at_once_exactly_one_wins() {
    let s = Scratch::new().await;
    let base = s.commit("base").await;
    let mut waiting = options();
    waiting.lock_wait = std::time::Duration::from_secs(5);
    let repo = Repository::open(&s.root, waiting).await.expect("opens");
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (repo, tree) = (repo.clone(), repo.tree_of(&base).await.expect("tree"));
        let new = repo
            .commit_tree(&tree, std::slice::from_ref(&base), &format!("{n}"), None)
            .await
            .expect("writes");
        tries.spawn(async move { repo.update_ref(REF, &new, Expected::Absent, "race").await.expect("runs") });
    }
    let done = tries.join_all().await.into_iter().filter(|r| *r == RefUpdate::Done).count();
    assert_eq!(done, 1);
}

#[tokio::test]
async fn a_lock_that_another_program_keeps_is_an_error_that_names_it() {
    let s = Scratch::new().await;
    let one = s.commit("one").await;
    s.write(".git/refs/heads/main.lock", "");
    let error = s.repo.update_ref("refs/heads/main", &one, Expected::Any, "x").await.expect_err("locked");
    let lock = s.root.join(".git/refs/heads/main.lock");
    assert!(matches!(&error, GitError::Locked { path } if *path == lock), "{error}");
    assert!(lock.exists(), "it is not ours to remove");
}

#[tokio::test]
async fn branch_names_are_checked_and_completed() {
    let s = Scratch::new().await;
    for (name, full) in
        [("main", "refs/heads/main"), ("refs/heads/a/b", "refs/heads/a/b"), ("ü", "refs/heads/ü")]
    {
        assert_eq!(s.repo.check_branch_name(name).await.expect("valid"), full);
    }
    for bad in ["", "-x", "a b", "a..b", "HEAD", "x.lock", "@{-1}", "a~1", "refs/heads/", "a\nb", "a\0b"] {
        let error = s.repo.check_branch_name(bad).await.expect_err(bad);
        assert!(matches!(error, GitError::InvalidBranch { .. }), "{bad}: {error}");
    }
}

#[tokio::test]
async fn relations_between_commits_are_told() {
    let s = Scratch::new().await;
    let (one, two) = (s.commit("one").await, s.commit("two").await);
    s.git(&["checkout", "-q", "--orphan", "other"]).await;
    let other = s.commit("other").await;
    let ancestor = async |a, b| s.repo.is_ancestor(a, b).await.expect("tells");
    assert!(ancestor(&one, &two).await && ancestor(&one, &one).await);
    assert!(!ancestor(&two, &one).await && !ancestor(&one, &other).await);
    assert_eq!(s.repo.merge_base(&one, &two).await.expect("tells"), Some(one.clone()));
    assert_eq!(s.repo.merge_base(&one, &other).await.expect("tells"), None);
    s.repo.sync_objects(&two, &one).await.expect("syncs");
    let info = s.repo.commit_info(&two).await.expect("reads");
    assert_eq!((info.parents, info.message.as_str()), (vec![one], "two\n"));
}

#[tokio::test]
async fn objects_are_what_they_are_whatever_stands_in_for_them() {
    let s = Scratch::new().await;
    let one = s.write("a", "true\n").commit("one").await;
    let two = s.write("a", "false\n").commit("two").await;
    let tree = s.repo.tree_of(&one).await.expect("tree");
    s.git(&["replace", one.as_str(), two.as_str()]).await;
    assert_eq!(s.repo.tree_of(&one).await.expect("tree"), tree);
}
