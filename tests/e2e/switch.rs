//! A person who goes on working with branches while a convoy runs.

use std::fs;

use convoy_tests::{Outcome, ScratchRepo};

use crate::support::{assert_landed_once, assert_nothing_left, convoy, convoy_file, run, status, task};

/// Runs a convoy of two tasks; `meanwhile` happens when the agent of the first is at work, before anything landed.
fn while_it_runs(repo: &ScratchRepo, meanwhile: impl FnOnce()) -> Outcome {
    let (begun, go) = (repo.fifo("begun"), repo.fifo("go"));
    let first = format!("count {} begun\nlisten {}\nwrite a.txt a", begun.display(), go.display());
    let tasks =
        [task("first", "max_retries: 0", &first), task("second", "depends_on: [first]", "write b.txt b")];
    let running = run(repo, &convoy_file(repo, "switch", "", &tasks.concat())).spawn();
    assert_eq!(fs::read_to_string(begun).expect("a sign of life"), "begun\n");
    meanwhile();
    fs::write(go, "go").expect("the agent listens");
    running.wait()
}

#[test]
fn a_branch_that_was_switched_away_from_gets_the_work_and_the_checkout_stays() {
    let repo = ScratchRepo::new();
    while_it_runs(&repo, || {
        repo.git(["switch", "--quiet", "--create", "mine"]);
        repo.write("mine.txt", "mine\n");
        repo.commit("Mine");
    })
    .expect_code(0);
    assert_eq!(repo.git(["symbolic-ref", "HEAD"]), "refs/heads/mine");
    assert_eq!(repo.files("HEAD"), ["README.md", "mine.txt"]);
    repo.assert_sound_and_clean();
    assert_eq!(repo.files("main"), ["README.md", "a.txt", "b.txt"]);
    assert_landed_once(&repo, ["first", "second"]);
    assert_nothing_left(&repo);
    repo.git(["switch", "--quiet", "main"]);
    assert_eq!((repo.read("a.txt"), repo.read("b.txt")), ("a\n".into(), "b\n".into()));
}

#[test]
fn commits_made_meanwhile_are_merged_and_stay_as_they_are() {
    let repo = ScratchRepo::new();
    let mut mine = String::new();
    while_it_runs(&repo, || {
        repo.write("mine.txt", "mine\n");
        mine = repo.commit("Mine");
    })
    .expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "a.txt", "b.txt", "mine.txt"]);
    repo.git(["merge-base", "--is-ancestor", &mine, "main"]);
    assert_landed_once(&repo, ["first", "second"]);
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
}

/// The convoy's own ref.
fn integration(repo: &ScratchRepo) -> String {
    let status = status(repo);
    assert_eq!((&status["status"], &status["published"]), (&"done".into(), &false.into()), "{status:#}");
    let name = status["integration_ref"].as_str().expect("a ref").to_owned();
    let files = repo.files(&name);
    assert!(["a.txt", "b.txt"].iter().all(|file| files.contains(&(*file).to_owned())), "{files:?}");
    name
}

#[test]
fn a_commit_that_conflicts_stays_and_the_work_is_kept_until_it_is_merged() {
    let repo = ScratchRepo::new();
    let mut mine = String::new();
    while_it_runs(&repo, || {
        repo.write("b.txt", "mine\n");
        mine = repo.commit("Mine");
    })
    .expect_code(5);
    repo.git(["merge-base", "--is-ancestor", &mine, "main"]);
    assert_eq!(repo.read("b.txt"), "mine\n");
    let before = repo.oid("main");
    repo.assert_sound_and_clean();
    let landed = integration(&repo);
    assert_eq!(status(&repo)["paths_in_the_way"], serde_json::json!(["b.txt"]));
    convoy(&repo, &["publish"]).run().expect_code(5);
    assert_eq!(repo.oid("main"), before);
    assert!(!repo.try_git(["merge", "--quiet", &landed]).status.success(), "it conflicts");
    repo.write("b.txt", "mine and b\n");
    let merged = repo.commit("Merge");
    convoy(&repo, &["publish"]).run().expect_code(0);
    assert_eq!(repo.oid("main"), merged);
    assert_nothing_left(&repo);
}

#[test]
fn a_deleted_branch_is_not_made_again() {
    let repo = ScratchRepo::new();
    let base = repo.oid("main");
    while_it_runs(&repo, || {
        repo.git(["switch", "--quiet", "--create", "mine"]);
        repo.git(["branch", "--quiet", "-D", "main"]);
    })
    .expect_code(5);
    assert_eq!(repo.refs("refs/heads/").into_keys().collect::<Vec<_>>(), ["refs/heads/mine"]);
    integration(&repo);
    convoy(&repo, &["publish"]).run().expect_code(5);
    repo.git(["branch", "main", &base]);
    convoy(&repo, &["publish"]).run().expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "a.txt", "b.txt"]);
    assert_landed_once(&repo, ["first", "second"]);
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
}

#[test]
fn a_rewritten_branch_is_not_overwritten() {
    let repo = ScratchRepo::new();
    while_it_runs(&repo, || {
        repo.write("README.md", "amended\n");
        repo.git(["commit", "--quiet", "--all", "--amend", "--message", "Amended"]);
    })
    .expect_code(5);
    assert_eq!((repo.log("main"), repo.read("README.md")), (vec!["Amended".to_owned()], "amended\n".into()));
    repo.assert_sound_and_clean();
    let landed = integration(&repo);
    convoy(&repo, &["publish"]).run().expect_code(5);
    assert_eq!(repo.log("main"), ["Amended"]);
    repo.git(["merge", "--quiet", "--allow-unrelated-histories", "--strategy-option=ours", &landed]);
    convoy(&repo, &["publish"]).run().expect_code(0);
    assert_nothing_left(&repo);
}
