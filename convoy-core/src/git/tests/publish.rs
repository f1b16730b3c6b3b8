use std::os::unix::fs::PermissionsExt;

both_backends! {
    the_checkout_follows_and_everything_else_of_the_person_stays,
    whatever_is_in_the_way_is_named_and_nothing_moves_until_it_is_gone,
    a_file_behind_a_link_is_none_of_the_checkout,
    ignored_files_in_the_way_are_never_overwritten,
    what_is_staged_or_written_just_as_it_lands_is_taken_over,
    a_branch_that_went_on_is_merged_or_the_conflict_is_told,
    a_deleted_or_rewritten_branch_is_never_overwritten,
    a_branch_that_is_checked_out_nowhere_moves_alone,
    a_linked_worktree_that_has_the_branch_follows,
    a_branch_that_moved_between_plan_and_apply_is_planned_anew,
    a_worktree_in_the_middle_of_something_blocks,
    locks_of_other_programs_block_and_files_already_written_are_put_back,
    no_hook_runs_and_none_can_stop_it,
    submodules_are_left_alone_and_files_outside_a_sparse_checkout_stay_away,
}

use crate::git::testing::{Scratch, both_backends, options, try_git, write};
use crate::git::{BlockReason, Blocked, PublishMove, PublishPlan, PublishRequest, Published, Repository};
use crate::types::Oid;

pub(super) const MAIN: &str = "refs/heads/main";

/// A repository whose `main` is at the first commit, and a second one that nothing has checked out.
pub(super) async fn start() -> (Scratch, Oid, Oid) {
    let s = Scratch::new().await;
    s.write(".gitignore", "*.tmp\n").write("stays", "1\n").write("changes", "1\n").write("goes/deep", "1\n");
    s.write("run", "1\n")
        .write("turns into folder", "1\n")
        .write("was folder/x", "1\n")
        .write("old", "name\n");
    let from = s.commit("base").await;
    s.write("changes", "2\n")
        .remove("goes/deep")
        .executable("run")
        .remove("turns into folder")
        .remove("was folder/x");
    std::fs::remove_dir_all(s.root.join("was folder")).expect("removes");
    s.write("turns into folder/x", "1\n")
        .write("was folder", "1\n")
        .rename("old", "ü\nnew")
        .link("link", "run");
    let to = s.write("new/dir/file", "1\n").commit("target").await;
    s.git(&["reset", "-q", "--hard", from.as_str()]).await;
    (s, from, to)
}

pub(super) fn request(known: &Oid, target: &Oid) -> PublishRequest {
    let message = "Merge what landed".to_owned();
    PublishRequest { branch: MAIN.into(), target: target.clone(), known: known.clone(), message }
}

pub(super) async fn plan(repo: &Repository, known: &Oid, target: &Oid) -> PublishMove {
    match repo.plan_publish(&request(known, target)).await.expect("plans") {
        PublishPlan::Move(planned) => planned,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn apply(s: &Scratch, planned: &PublishMove, recover: bool) -> Published {
    s.repo.apply_publish(planned, recover).await.expect("applies")
}

async fn blocked(s: &Scratch, known: &Oid, target: &Oid) -> Blocked {
    match s.repo.plan_publish(&request(known, target)).await.expect("plans") {
        PublishPlan::Blocked(blocked) => blocked,
        PublishPlan::Move(planned) => match apply(s, &planned, false).await {
            Published::Blocked(blocked) => blocked,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Everything of a person that must not change: files, index, branch.
async fn state(s: &Scratch) -> (String, String, String, String) {
    let all = ["status", "--porcelain", "-z", "--ignored", "-uall", "--branch"];
    let index = s.git(&["ls-files", "-s", "-z"]).await;
    (s.git(&all).await, index, s.git(&["diff"]).await, s.git(&["for-each-ref"]).await)
}

pub(super) async fn published_cleanly(s: &Scratch, to: &Oid) {
    assert_eq!(s.git(&["symbolic-ref", "HEAD"]).await, MAIN);
    assert_eq!(s.tip().await, *to);
    assert_eq!(s.git(&["status", "--porcelain"]).await, "");
    let left = std::fs::read_dir(s.root.join(".git")).expect("lists");
    let left: Vec<_> = left.map(|e| e.expect("entry").file_name().into_string().expect("utf-8")).collect();
    assert!(!left.iter().any(|name| name.starts_with("index.")), "{left:?}");
}

async fn the_checkout_follows_and_everything_else_of_the_person_stays() {
    let (s, from, to) = start().await;
    s.write("stays", "edited\n").write("mine", "untracked").write("x.tmp", "ignored").write("staged", "1\n");
    s.git(&["add", "staged"]).await;
    let planned = plan(&s.repo, &from, &to).await;
    let expected = PublishMove {
        branch: MAIN.into(),
        from,
        to: to.clone(),
        checkout: Some(s.root.clone()),
        lock: Some(s.root.join(".git/index.lock")),
    };
    assert_eq!(planned, expected);
    assert_eq!(apply(&s, &planned, false).await, Published::Done);
    assert_eq!(s.git(&["status", "--porcelain"]).await, "A  staged\n M stays\n?? mine");
    assert_eq!(
        (s.read("stays"), s.read("mine"), s.read("x.tmp")),
        ("edited\n".into(), "untracked".into(), "ignored".into())
    );
    assert_eq!(s.git(&["diff", "--name-only", to.as_str()]).await, "staged\nstays");
    assert!(std::fs::metadata(s.root.join("run")).expect("there").permissions().mode() & 0o100 != 0);
    assert!(!s.root.join("goes").exists() && s.root.join("link").is_symlink());
    assert!(s.git(&["reflog", "-1", "HEAD"]).await.ends_with("publish"));
    let request = request(&expected.from, &to);
    let again = s.repo.plan_publish(&request).await.expect("plans");
    assert_eq!(again, PublishPlan::UpToDate { tip: to });
}

const ASSUME: [&str; 3] = ["update-index", "--assume-unchanged", "changes"];

/// Makes the index look as if it had been written long after the files: what is as it says needs no second look.
fn age_index(s: &Scratch) {
    let index = std::fs::File::options().write(true).open(s.root.join(".git/index")).expect("opens");
    let later = std::time::Duration::from_secs(10);
    let now = index.metadata().expect("is there").modified().expect("has a time");
    index.set_modified(now + later).expect("sets");
}

#[tokio::test]
async fn where_nothing_is_in_the_way_git_only_writes() {
    let (s, from, to) = start().await;
    s.write("mine", "untracked").write("stays", "edited\n");
    age_index(&s);
    let before = s.repo.programs_started();
    assert_eq!(apply(&s, &plan(&s.repo, &from, &to).await, false).await, Published::Done);
    assert_eq!(s.repo.programs_started() - before, 2, "one for the files, one for the branch");
    assert_eq!(s.git(&["status", "--porcelain"]).await, " M stays\n?? mine");
}

async fn whatever_is_in_the_way_is_named_and_nothing_moves_until_it_is_gone() {
    type Put = fn(&Scratch) -> &Scratch;
    let cases: [(&str, Put, &[&str], &[&str]); 13] = [
        ("local change", |s| s.write("changes", "mine\n"), &[], &["changes"]),
        ("same size and tick", |s| s.write("changes", "9\n"), &[], &["changes"]),
        ("local deletion", |s| s.remove("changes"), &[], &["changes"]),
        ("local mode", |s| s.executable("changes"), &[], &["changes"]),
        ("change of what goes", |s| s.write("goes/deep", "mine\n"), &[], &["goes/deep"]),
        ("staged change", |s| s.write("changes", "mine\n"), &["add", "changes"], &["changes"]),
        ("untracked", |s| s.write("new/dir/file", "mine\n"), &[], &["new/dir/file"]),
        ("file for folder", |s| s.write("new/dir", "mine\n"), &[], &["new/dir"]),
        ("link for folder", |s| s.link("new", "run"), &[], &["new"]),
        ("folder for file", |s| s.write("link/x.tmp", "mine\n"), &[], &["link/x.tmp"]),
        ("rest in a folder that goes", |s| s.write("was folder/y.tmp", "mine\n"), &[], &["was folder/y.tmp"]),
        ("announced", |s| s.write("link", "mine\n"), &["add", "-N", "link"], &["link"]),
        ("said never to change", |s| s.write("changes", "mine\n"), &ASSUME, &["changes"]),
    ];
    for (name, put, git, paths) in cases {
        let (s, from, to) = start().await;
        // The git program looks for itself what the fast way tells by the index alone, where that is old enough.
        let is_aged = s.repo.fast().is_some() && name != "same size and tick";
        if is_aged {
            age_index(&s);
        }
        put(&s);
        if !git.is_empty() {
            s.git(git).await;
        }
        let before = state(&s).await;
        if is_aged {
            age_index(&s);
        }
        let found = blocked(&s, &from, &to).await;
        assert_eq!(
            (&found.reason, &found.paths[..]),
            (&BlockReason::InTheWay, &paths.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()[..]),
            "{name}"
        );
        assert!(found.to_string().contains(paths[0]), "{found}");
        assert_eq!(state(&s).await, before, "{name}");
        s.git(&["reset", "-q"]).await;
        s.git(&["update-index", "--no-assume-unchanged", "changes"]).await;
        s.git(&["stash", "-q", "-a"]).await;
        assert_eq!(apply(&s, &plan(&s.repo, &from, &to).await, false).await, Published::Done, "{name}");
        published_cleanly(&s, &to).await;
    }
}

async fn a_file_behind_a_link_is_none_of_the_checkout() {
    let (s, from, to) = start().await;
    s.rename("goes", "gone").link("goes", "gone");
    age_index(&s);
    let found = blocked(&s, &from, &to).await;
    assert_eq!((found.reason, found.paths), (BlockReason::InTheWay, vec!["goes/deep".to_owned()]));
    assert!(s.root.join("goes").is_symlink() && s.root.join("gone/deep").exists());
}

async fn ignored_files_in_the_way_are_never_overwritten() {
    let (s, from, _) = start().await;
    s.write("kept.tmp", "landed\n").git(&["add", "-f", "kept.tmp"]).await;
    s.git(&["commit", "-q", "-m", "tracks an ignored file"]).await;
    let to = s.tip().await;
    s.git(&["reset", "-q", "--hard", from.as_str()]).await;
    s.write("kept.tmp", "mine");
    let found = blocked(&s, &from, &to).await;
    assert_eq!((found.reason, found.paths), (BlockReason::InTheWay, vec!["kept.tmp".to_owned()]));
    assert_eq!((s.read("kept.tmp").as_str(), s.tip().await), ("mine", from));
}

async fn what_is_staged_or_written_just_as_it_lands_is_taken_over() {
    let (s, from, to) = start().await;
    s.write("changes", "2\n").git(&["add", "changes"]).await;
    assert_eq!(apply(&s, &plan(&s.repo, &from, &to).await, false).await, Published::Done);
    published_cleanly(&s, &to).await;
}

async fn a_branch_that_went_on_is_merged_or_the_conflict_is_told() {
    let (s, from, to) = start().await;
    let mine = s.write("mine", "1\n").commit("mine").await;
    let planned = plan(&s.repo, &from, &to).await;
    assert_eq!((&planned.from, s.tip().await), (&mine, mine.clone()));
    assert_eq!(apply(&s, &planned, false).await, Published::Done);
    let info = s.repo.commit_info(&planned.to).await.expect("reads");
    assert_eq!((info.parents, info.message.as_str()), (vec![mine, to], "Merge what landed\n"));
    published_cleanly(&s, &planned.to).await;
    assert_eq!((s.read("mine"), s.read("changes")), ("1\n".into(), "2\n".into()));

    let (s, from, to) = start().await;
    let mine = s.write("changes", "3\n").commit("mine").await;
    let found = blocked(&s, &from, &to).await;
    assert_eq!((found.reason, found.paths), (BlockReason::Conflict, vec!["changes".to_owned()]));
    assert_eq!(s.tip().await, mine);
}

async fn a_deleted_or_rewritten_branch_is_never_overwritten() {
    let (s, from, to) = start().await;
    s.git(&["commit", "-q", "--amend", "-m", "rewritten"]).await;
    assert_eq!(blocked(&s, &from, &to).await, Blocked { reason: BlockReason::Rewritten, paths: vec![] });
    s.git(&["checkout", "-q", "--detach"]).await;
    s.git(&["branch", "-q", "-D", "main"]).await;
    assert_eq!(blocked(&s, &from, &to).await, Blocked { reason: BlockReason::Deleted, paths: vec![] });
    assert_eq!(s.repo.resolve(MAIN).await.expect("resolves"), None);
}

async fn a_branch_that_is_checked_out_nowhere_moves_alone() {
    for elsewhere in [&["switch", "-q", "-c", "other"][..], &["checkout", "-q", "--detach"]] {
        let (s, from, to) = start().await;
        s.git(elsewhere).await;
        s.write("changes", "mine\n");
        let before = s.git(&["status", "--porcelain", "-z"]).await;
        let planned = plan(&s.repo, &from, &to).await;
        assert_eq!((&planned.checkout, &planned.lock), (&None, &None));
        assert_eq!(apply(&s, &planned, false).await, Published::Done);
        assert_eq!(apply(&s, &planned, true).await, Published::Done);
        assert_eq!(s.repo.resolve(MAIN).await.expect("resolves"), Some(to));
        assert_eq!((s.tip().await, s.git(&["status", "--porcelain", "-z"]).await), (from, before));
    }
    let (s, from, to) = start().await;
    s.git(&["branch", "-q", "target", to.as_str()]).await;
    let bare = s.outside().join("bare.git");
    s.git(&["clone", "-q", "--bare", ".", bare.to_str().expect("utf-8")]).await;
    let repo = Repository::open(&bare, options()).await.expect("opens");
    let planned = plan(&repo, &from, &to).await;
    assert_eq!(repo.apply_publish(&planned, false).await.expect("applies"), Published::Done);
    assert_eq!(repo.resolve(MAIN).await.expect("resolves"), Some(to));
}

async fn a_linked_worktree_that_has_the_branch_follows() {
    let (s, from, to) = start().await;
    s.git(&["switch", "-q", "-c", "other"]).await;
    let linked = s.outside().join("linked ü");
    s.git(&["worktree", "add", "-q", linked.to_str().expect("utf-8"), "main"]).await;
    let planned = plan(&s.repo, &from, &to).await;
    assert_eq!(planned.checkout, Some(linked.clone()));
    assert_eq!(apply(&s, &planned, false).await, Published::Done);
    assert_eq!(try_git(&linked, &["status", "--porcelain"]).await.1, "");
    assert_eq!(try_git(&linked, &["rev-parse", "HEAD"]).await.1, to.as_str());
    assert_eq!(s.git(&["status", "--porcelain"]).await, "");
}

async fn a_branch_that_moved_between_plan_and_apply_is_planned_anew() {
    for step in ["commit", "switch", "delete", "detach", "checkout"] {
        let (s, from, to) = start().await;
        if step == "checkout" {
            s.git(&["switch", "-q", "-c", "other"]).await;
        }
        let planned = plan(&s.repo, &from, &to).await;
        match step {
            "commit" => drop(s.commit("mine").await),
            "switch" => drop(s.git(&["switch", "-q", "-c", "other"]).await),
            "detach" => drop(s.git(&["checkout", "-q", "--detach"]).await),
            "checkout" => drop(s.git(&["switch", "-q", "main"]).await),
            _ => {
                s.git(&["checkout", "-q", "--detach"]).await;
                s.git(&["branch", "-q", "-D", "main"]).await;
            }
        }
        let before = state(&s).await;
        for recover in [false, true] {
            assert_eq!(apply(&s, &planned, recover).await, Published::Moved, "{step}");
            assert_eq!(state(&s).await, before, "{step}");
        }
    }
}

async fn a_worktree_in_the_middle_of_something_blocks() {
    for operation in ["merge", "rebase", "bisect", "several"] {
        let (s, from, to) = start().await;
        s.git(&["switch", "-q", "-c", "other"]).await;
        s.write("stays", "other\n").commit("other").await;
        s.git(&["switch", "-q", "main"]).await;
        s.write("stays", "mine\n").commit("mine").await;
        match operation {
            "merge" => drop(try_git(&s.root, &["merge", "other"]).await),
            "rebase" => drop(try_git(&s.root, &["rebase", "other"]).await),
            "bisect" => drop(s.git(&["bisect", "start", "main", from.as_str()]).await),
            _ => drop(s.git(&["worktree", "add", "-q", "-f", "../second", "main"]).await),
        }
        let before = state(&s).await;
        let found = blocked(&s, &from, &to).await;
        match &found.reason {
            BlockReason::Unfinished { operation: told, .. } => assert_eq!(*told, operation),
            BlockReason::SeveralCheckouts => assert_eq!((operation, found.paths.len()), ("several", 2)),
            other => panic!("{operation}: {other:?}"),
        }
        assert_eq!(found.paths.is_empty(), matches!(operation, "rebase" | "bisect"), "{found}");
        assert_eq!(state(&s).await, before, "{operation}");
    }
}

async fn locks_of_other_programs_block_and_files_already_written_are_put_back() {
    for lock in [".git/index.lock", ".git/refs/heads/main.lock"] {
        let (s, from, to) = start().await;
        s.write("stays", "edited\n");
        let before = state(&s).await;
        let planned = plan(&s.repo, &from, &to).await;
        s.write(lock, "");
        let found = match apply(&s, &planned, false).await {
            Published::Blocked(found) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(found.reason, BlockReason::Locked { lock: s.root.join(lock) });
        s.remove(lock);
        assert_eq!(state(&s).await, before, "{lock}");
        assert_eq!(apply(&s, &planned, false).await, Published::Done);
        s.git(&["checkout", "-q", "stays"]).await;
        published_cleanly(&s, &to).await;
    }
}

async fn no_hook_runs_and_none_can_stop_it() {
    let (s, from, to) = start().await;
    for hook in
        ["post-checkout", "reference-transaction", "post-index-change", "pre-commit", "post-merge", "update"]
    {
        s.write(&format!(".git/hooks/{hook}"), "#!/bin/sh\necho ran >> ran.tmp\nexit 1\n");
        s.executable(&format!(".git/hooks/{hook}"));
    }
    assert_eq!(apply(&s, &plan(&s.repo, &from, &to).await, false).await, Published::Done);
    assert!(!s.root.join("ran.tmp").exists());
    std::fs::remove_dir_all(s.root.join(".git/hooks")).expect("removes");
    published_cleanly(&s, &to).await;
}

async fn submodules_are_left_alone_and_files_outside_a_sparse_checkout_stay_away() {
    let s = Scratch::new().await;
    let one = s.write("in/a", "1\n").write("out/b", "1\n").commit("x").await;
    let link = async |oid: &Oid| {
        drop(s.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{oid},sub")]).await)
    };
    link(&one).await;
    s.git(&["commit", "-q", "-m", "base"]).await;
    let from = s.tip().await;
    s.write("in/a", "2\n").write("out/b", "2\n").git(&["add", "in", "out"]).await;
    link(&from).await;
    s.git(&["commit", "-q", "-m", "target"]).await;
    let to = s.tip().await;
    s.git(&["reset", "-q", "--hard", from.as_str()]).await;
    s.git(&["sparse-checkout", "set", "--no-cone", "/in/", "/sub/"]).await;
    write(&s.root, "sub/dirty", "mine");
    assert!(try_git(&s.root.join("sub"), &["init", "-q"]).await.0);
    assert_eq!(apply(&s, &plan(&s.repo, &from, &to).await, false).await, Published::Done);
    assert_eq!((s.tip().await, s.read("in/a"), s.read("sub/dirty")), (to, "2\n".into(), "mine".into()));
    assert!(!s.root.join("out").exists());
    assert_eq!(s.git(&["diff", "--cached", "--name-only"]).await, "");
}
