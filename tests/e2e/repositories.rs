//! Repositories that are not the plain case, and what a refused run leaves of itself: nothing.

use std::fs;
use std::path::Path;

use convoy_tests::{ConvoyCmd, ScratchRepo};
use serde_json::Value;

use crate::support::{
    CONVOY, assert_landed_once, assert_nothing_left, convoy_file, landings, names, run, task,
};

/// Everything that the repository has: refs and the names in its folder and its git directory.
fn outline(repo: &ScratchRepo) -> (Vec<String>, Vec<String>, String, Vec<u8>) {
    let git = repo.root().join(".git");
    let refs = repo.git(["for-each-ref"]);
    let exclude = fs::read(git.join("info/exclude")).expect("git makes it");
    (names(repo.root()), names(&git), refs, exclude)
}

/// One task that makes `a.txt`; `head`: lines of the top level.
fn one_task(repo: &ScratchRepo, head: &str) -> std::path::PathBuf {
    convoy_file(repo, "one", head, &task("a", "", "write a.txt a"))
}

#[test]
fn a_refused_run_says_what_to_do_and_leaves_nothing() {
    type Make = fn() -> ScratchRepo;
    let unborn: Make = || ScratchRepo::empty("repo");
    let detached: Make = || {
        let repo = ScratchRepo::new();
        repo.git(["checkout", "--quiet", "--detach"]);
        repo
    };
    let cases = [
        ("no commit", unborn, "", "make a first commit"),
        ("no commit, a branch named", unborn, "branch: landed", "make a first commit"),
        ("on no branch", detached, "", "check one out, or set `branch:`"),
    ];
    for (what, make, head, says) in cases {
        let repo = make();
        let file = one_task(&repo, head);
        let before = outline(&repo);
        let outcome = run(&repo, &file).run().expect_code(2);
        assert!(outcome.stderr.contains(says), "{what}: {}", outcome.stderr);
        assert_eq!(outline(&repo), before, "{what}: something was left");
        // And it works once that is done.
        repo.git(["checkout", "--quiet", "-B", "main"]);
        repo.commit("Begin");
        run(&repo, &file).run().expect_code(0);
        let branch = if head.is_empty() { "main" } else { "landed" };
        assert_eq!(landings(&repo, branch), [("a".to_owned(), 1)].into(), "{what}");
    }
}

#[test]
fn without_a_branch_checked_out_work_lands_on_the_one_that_is_named() {
    let repo = ScratchRepo::new();
    repo.git(["branch", "landed"]);
    repo.git(["checkout", "--quiet", "--detach"]);
    let head = repo.oid("HEAD");
    run(&repo, &one_task(&repo, "branch: landed")).run().expect_code(0);
    assert_eq!(landings(&repo, "landed"), [("a".to_owned(), 1)].into());
    assert_eq!((repo.oid("HEAD"), repo.oid("main")), (head.clone(), head));
    assert!(!repo.try_git(["symbolic-ref", "HEAD"]).status.success(), "HEAD is still on no branch");
    assert!(!repo.root().join("a.txt").exists(), "the checkout is not on that branch");
    assert_nothing_left(&repo);
    repo.assert_sound_and_clean();
}

/// A call of the program in a bare clone beside the repository.
fn in_bare(repo: &ScratchRepo, bare: &Path, args: &[&str]) -> ConvoyCmd {
    ConvoyCmd::new(CONVOY, repo).args(args.iter().copied()).within(bare)
}

#[test]
fn in_a_bare_repository_work_lands_on_the_branch_that_is_named() {
    let repo = ScratchRepo::new();
    let bare = repo.beside("bare.git");
    let at = bare.to_str().expect("text");
    repo.git(["clone", "--quiet", "--bare", repo.root().to_str().expect("text"), at]);
    let git = |args: &[&str]| repo.git([&["--git-dir", at], args].concat());
    let before = (names(&bare), git(&["for-each-ref"]));

    let unnamed = one_task(&repo, "");
    let refused = in_bare(&repo, &bare, &["run", "--json"]).args([&unnamed]).run().expect_code(2);
    assert!(
        refused.stderr.contains("bare") && refused.stderr.contains("set `branch:`"),
        "{}",
        refused.stderr
    );
    assert_eq!((names(&bare), git(&["for-each-ref"])), before, "a refused run left something");

    let text = fs::read_to_string(&unnamed).expect("the file");
    let named = repo.beside("named.convoy.yml");
    fs::write(&named, format!("branch: main\n{text}")).expect("written");
    in_bare(&repo, &bare, &["run", "--json"]).args([&named]).run().expect_code(0);
    assert_eq!(git(&["ls-tree", "--name-only", "main"]), "README.md\na.txt");
    assert_eq!(
        git(&["log", "--format=%(trailers:key=Convoy-Task,valueonly,separator=)", "main"]).trim(),
        "a"
    );
    git(&["fsck", "--strict", "--no-dangling"]);
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
    // The record is inside the git directory, and nothing is beside it.
    assert!(bare.join("convoy/convoy.db").is_file());
    assert_eq!(names(&bare.join("convoy/worktrees")), [""; 0]);
    let status = in_bare(&repo, &bare, &["status", "--json"]).run().expect_code(0);
    let status: Value = serde_json::from_str(&status.stdout).expect("one object");
    assert_eq!((&status["status"], &status["published"]), (&"done".into(), &true.into()));
    assert!(!repo.beside(".convoy").exists() && !bare.join(".convoy").exists());
}

#[test]
fn a_submodule_stays_as_it_is_whatever_lands_beside_it() {
    let library = ScratchRepo::new();
    let repo = ScratchRepo::new();
    let url = library.root().to_str().expect("text");
    repo.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "lib"]);
    repo.commit("Add a library");
    let entry = || repo.git(["ls-tree", "HEAD", "lib", ".gitmodules"]);
    let before = (entry(), repo.read("lib/README.md"), repo.git(["-C", "lib", "rev-parse", "HEAD"]));
    let tasks = [
        task("apart", "", "write a.txt a"),
        task("after", "depends_on: [apart]", "write b.txt b\nset-line README.md 1 changed"),
        // What a submodule's folder holds in a worktree is nothing, and so it may stay.
        task("looks", "gates: [\"test -d lib && test -z \\\"$(ls lib)\\\"\"]", "write c.txt c"),
    ];
    run(&repo, &convoy_file(&repo, "submodule", "concurrency: 2", &tasks.concat())).run().expect_code(0);
    assert_landed_once(&repo, ["apart", "after", "looks"]);
    let after = (entry(), repo.read("lib/README.md"), repo.git(["-C", "lib", "rev-parse", "HEAD"]));
    assert_eq!(after, before);
    assert_eq!(repo.read("b.txt"), "b\n");
    repo.assert_sound_and_clean();
    assert_eq!(repo.worktrees().len(), 1);
}
