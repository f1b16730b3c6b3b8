use std::time::Duration;

use crate::git::testing::{Scratch, both_backends, options};
use crate::git::{Expected, GitError, RefEdit, RefUpdate, Repository};

both_backends! {
    a_ref_moves_only_from_what_is_expected,
    several_refs_change_together_or_not_at_all,
    of_many_at_once_exactly_one_wins,
    a_lock_that_another_program_keeps_is_waited_for_and_then_an_error_that_names_it,
    a_lock_that_is_given_back_in_time_is_no_error,
    branch_names_are_checked_and_completed,
    relations_between_commits_are_told,
    objects_are_what_they_are_whatever_stands_in_for_them,
}

const REF: &str = "refs/x/y";

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

async fn a_lock_that_another_program_keeps_is_waited_for_and_then_an_error_that_names_it() {
    let s = Scratch::new().await;
    let one = s.commit("one").await;
    for name in ["refs/x/packed", "refs/heads/packed"] {
        s.git(&["update-ref", name, one.as_str()]).await;
    }
    s.git(&["pack-refs", "--all"]).await;
    let wait = Duration::from_millis(60);
    let mut waiting = options();
    waiting.lock_wait = wait;
    let repo = Repository::open(&s.root, waiting).await.expect("opens");
    for (name, deletes, lock) in [
        ("refs/heads/main", false, "refs/heads/main.lock"),
        ("refs/x/packed", false, "refs/x/packed.lock"),
        ("refs/x/new", false, "refs/x/new.lock"),
        ("refs/x/packed", true, "packed-refs.lock"),
        ("refs/heads/packed", true, "packed-refs.lock"),
    ] {
        let lock = s.root.join(".git").join(lock);
        std::fs::create_dir_all(lock.parent().expect("it has one")).expect("creates");
        std::fs::write(&lock, "").expect("writes");
        let start = tokio::time::Instant::now();
        let update = match deletes {
            true => repo.delete_ref(name, Expected::Any).await,
            false => repo.update_ref(name, &one, Expected::Any, "x").await,
        };
        let error = update.expect_err("it is locked");
        assert!(matches!(&error, GitError::Locked { path } if *path == lock), "{name}: {error}");
        assert!(start.elapsed() >= wait, "{name}: it may be given back any moment");
        assert!(lock.exists(), "it is not ours to remove");
        std::fs::remove_file(&lock).expect("removes");
    }
}

async fn a_lock_that_is_given_back_in_time_is_no_error() {
    let s = Scratch::new().await;
    let one = s.commit("one").await;
    let mut waiting = options();
    waiting.lock_wait = Duration::from_secs(60);
    let repo = Repository::open(&s.root, waiting).await.expect("opens");
    let lock = s.root.join(".git/refs/x/y.lock");
    s.write(".git/refs/x/y.lock", "");
    let mut update = Box::pin(repo.update_ref(REF, &one, Expected::Any, "x"));
    // So long that it was looked at, however slow the machine is it is not done by then.
    let early = tokio::time::timeout(Duration::from_millis(50), &mut update).await;
    early.expect_err("somebody has the lock");
    std::fs::remove_file(&lock).expect("removes");
    assert_eq!(update.await.expect("it is free"), RefUpdate::Done);
    assert_eq!(s.repo.ref_value(REF).await.expect("reads"), Some(one));
}

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

async fn objects_are_what_they_are_whatever_stands_in_for_them() {
    let s = Scratch::new().await;
    let one = s.write("a", "true\n").commit("one").await;
    let two = s.write("a", "false\n").commit("two").await;
    let tree = s.repo.tree_of(&one).await.expect("tree");
    s.git(&["replace", one.as_str(), two.as_str()]).await;
    assert_eq!(s.repo.tree_of(&one).await.expect("tree"), tree);
}
