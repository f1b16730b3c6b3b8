//! A crash before every single step of landing and publishing, then `convoy resume`: landed once, each time. And before
//! every step of `convoy prune`, then another one.
//!
//! A step is a system call that changes a file below the repository, of the engine or of a git that it called.
//! `tests/c/crash.c` stops the program at these calls and ends it, and all that it started, at the one that is wanted.
//! Before a step is after the one before it, and a run that comes to its end has none that was left out.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use convoy_tests::{ConvoyCmd, PATH, ScratchRepo};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    CONVOY, assert_landed_once, assert_nothing_left, convoy, convoy_file, count, events, names, run, task,
};
use crate::verify::{every_move_was_verified, verified};

/// What [`CRASH`] ends with after a crash.
const CRASHED: i32 = 86;

/// The compiled `tests/c/crash.c`.
static CRASH: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder");
    let program = folder.path().join("crash");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/crash.c");
    #[expect(clippy::disallowed_methods, reason = "a C program has to be compiled")]
    let compiled = Command::new("cc")
        .args(["-std=c99", "-O1", "-Wall", "-Wextra", "-pedantic", "-Werror", "-o"])
        .args([&program, &source])
        .env_clear()
        .env("PATH", PATH)
        .output()
        .expect("cc runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    (folder, program)
});

/// Crashes at a time: they wait for the disk much of the time.
const AT_ONCE: usize = 4;

/// What is different from case to case.
struct Case {
    /// Lines of the convoy file.
    head: &'static str,
    /// Arguments of the program.
    args: &'static [&'static str],
    /// Whether somebody commits to the branch while the agent works.
    moved: bool,
}

/// The call that ends before the step `at`, or by itself when there are fewer.
fn crashing(repo: &ScratchRepo, at: usize, args: &[&str]) -> ConvoyCmd {
    crashing_from(repo, &repo.beside("from"), at, args)
}

/// The same; `from`: what is touched when steps begin to count, `-`: all do.
fn crashing_from(repo: &ScratchRepo, from: &Path, at: usize, args: &[&str]) -> ConvoyCmd {
    ConvoyCmd::new(&CRASH.1, repo)
        .args([at.to_string()])
        .args([repo.root(), from, &repo.beside("steps"), Path::new(CONVOY)])
        .args(args.iter().copied())
}

/// The step that was the last one.
fn last_step(repo: &ScratchRepo) -> String {
    let steps = fs::read_to_string(repo.beside("steps")).expect("steps are written down");
    steps.lines().last().unwrap_or_default().to_owned()
}

/// Takes up what was cut off before a step.
fn resumed(repo: &ScratchRepo, args: &[&str], step: &str) {
    let outcome = convoy(repo, &[&["resume", "--json"], args].concat()).run();
    let ended = outcome.code == Some(2) && outcome.stderr.contains("nothing to resume");
    assert!(ended || outcome.code == Some(0), "before {step}: {outcome:?}");
}

/// The record is whole, and says that the work is done and on the branch.
fn assert_recorded(events: &[Value]) {
    let ids: Vec<u64> = events.iter().filter_map(|event| event["_event_id"].as_u64()).collect();
    assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    let ends: Vec<_> = events.iter().filter(|event| event["type"] == "convoy_finished").collect();
    assert_eq!((ends.len(), &ends[0]["status"]), (1, &"done".into()), "{ends:?}");
    let last = events
        .iter()
        .rfind(|event| ["branch_published", "publish_blocked"].map(Value::from).contains(&event["type"]));
    assert_eq!(last.map(|event| &event["type"]), Some(&"branch_published".into()));
}

/// A convoy of one task that makes, changes and deletes files. The steps count from the end of its agent.
fn prepared(case: &Case) -> (ScratchRepo, PathBuf) {
    let repo = ScratchRepo::new();
    for name in ["changed.txt", "deleted.txt"] {
        repo.write(name, "before\n");
    }
    repo.commit("More");
    let meanwhile = if case.moved {
        // Once: nobody is there when the work has to be repeated.
        let once = format!("unless-exists {}", repo.beside("from").display());
        let (begun, go) = (repo.fifo("begun"), repo.fifo("go"));
        format!("{once} count {} x\n{once} listen {}\n", begun.display(), go.display())
    } else {
        String::new()
    };
    let script = format!(
        "count {} one\n{meanwhile}append changed.txt after\nsh rm deleted.txt\nwrite new/new.txt new\ntouch {}",
        repo.beside("bought").display(),
        repo.beside("from").display()
    );
    let file = convoy_file(&repo, "crash", case.head, &task("one", "", &script));
    // What is the user's own, and in nobody's way.
    repo.write("README.md", "changed by a person\n");
    repo.write("untracked.txt", "of a person\n");
    (repo, file)
}

/// Runs it to the step, resumes it, and looks at everything; whether there was such a step.
fn crashed(case: &Case, at: usize) -> bool {
    let (repo, file) = prepared(case);
    let file = file.to_str().expect("UTF-8");
    let args = [&["run", "--json"], case.args, &[file]].concat();
    let running = crashing(&repo, at, &args).spawn();
    if case.moved {
        fs::read_to_string(repo.beside("begun")).expect("a sign of life");
        repo.write("of-a-person.txt", "committed meanwhile\n");
        repo.git(["add", "of-a-person.txt"]);
        repo.git(["commit", "--quiet", "-m", "Meanwhile"]);
        fs::write(repo.beside("go"), "go").expect("the agent listens");
    }
    let outcome = running.wait();
    let step = last_step(&repo);
    let over = outcome.code != Some(CRASHED);
    if over {
        outcome.expect_code(0);
    } else {
        resumed(&repo, case.args, &step);
    }
    let looked = std::panic::catch_unwind(|| assert_landed(&repo, case));
    assert!(looked.is_ok(), "before {step}: see above");
    !over
}

fn assert_landed(repo: &ScratchRepo, case: &Case) {
    let mut files = vec!["README.md", "changed.txt", "new/new.txt"];
    if case.moved {
        files.push("of-a-person.txt");
    }
    assert_eq!(repo.files("main"), files);
    assert_eq!(repo.tree("main")["changed.txt"], "before\nafter");
    assert_eq!(repo.git(["symbolic-ref", "HEAD"]), "refs/heads/main");
    repo.git(["fsck", "--strict", "--no-dangling"]);
    assert_eq!(repo.status(), [" M README.md", "?? untracked.txt"]);
    assert_eq!(repo.read("README.md"), "changed by a person\n");
    assert_nothing_left(repo);
    assert_landed_once(repo, ["one"]);
    assert_recorded(&events(repo));
}

/// Every step of a case, some at a time.
fn every_step(crashed: impl Fn(usize) -> bool + Sync) {
    let (next, all) = (AtomicUsize::new(1), AtomicUsize::new(usize::MAX));
    let wrong = Mutex::new(Vec::<usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at > all.load(Ordering::Relaxed) {
                        break;
                    }
                    // Whatever is wrong with one step, the others are looked at, too.
                    match std::panic::catch_unwind(AssertUnwindSafe(|| crashed(at))) {
                        Ok(true) => {}
                        Ok(false) => drop(all.fetch_min(at, Ordering::Relaxed)),
                        Err(_) => wrong.lock().expect("nobody panics with it").push(at),
                    }
                }
            });
        }
    });
    let all = all.into_inner();
    let wrong = wrong.into_inner().expect("nobody panicked with it");
    assert!(wrong.is_empty(), "of {all} steps see above for {wrong:?}");
    assert!(all > 30, "only {all} steps: what is counted?");
}

fn every_landing(case: &Case) {
    every_step(|at| crashed(case, at));
}

/// Runs two tasks that land with one move of the ref, to a step after they were verified together; as [`crashed`].
fn crashed_together(at: usize) -> bool {
    let repo = ScratchRepo::new();
    let (from, once, go) = (repo.beside("from"), repo.beside("once"), repo.fifo("go"));
    // The first, while it is verified alone, has the other one work, and has no answer before both have landed.
    let verify = format!(
        "if test -e first.txt && test -e other.txt; then touch '{}'; elif mkdir '{}' 2>/dev/null; then \
         echo > '{}'; exec tail -f /dev/null; fi",
        from.display(),
        once.display(),
        go.display()
    );
    let other = format!("listen {}\nwrite other.txt 1", go.display());
    let tasks = [task("first", "", "write first.txt 1"), task("other", "", &other)].concat();
    let file = verified(&repo, "concurrency: 2", 1, &verify, &tasks);
    let outcome = crashing(&repo, at, &["run", "--json", file.to_str().expect("UTF-8")]).run();
    let step = last_step(&repo);
    let over = outcome.code != Some(CRASHED);
    if over {
        outcome.expect_code(0);
    } else {
        resumed(&repo, &[], &step);
    }
    let looked = std::panic::catch_unwind(|| {
        assert_eq!(repo.files("main"), ["README.md", "first.txt", "other.txt"]);
        repo.assert_sound_and_clean();
        assert_nothing_left(&repo);
        assert_landed_once(&repo, ["first", "other"]);
        let events = events(&repo);
        assert_recorded(&events);
        every_move_was_verified(&repo, &events);
        assert_eq!(count(&events, "merge_done"), 2);
        // Whoever resumes may move it twice.
        let together = events.iter().filter(|event| !event["lands_with"].is_null()).count();
        assert!(together == 1 || !over, "they land together");
    });
    assert!(looked.is_ok(), "before {step}: see above");
    !over
}

/// A repository with a convoy that has ended, and a copy of it to begin with again.
struct Ended {
    repo: ScratchRepo,
    saved: PathBuf,
}

impl Ended {
    fn new() -> Self {
        let repo = ScratchRepo::new();
        let file = convoy_file(&repo, "ended", "", &task("one", "", "write one.txt 1"));
        run(&repo, &file).run().expect_code(0);
        repo.git(["branch", "of-a-person"]);
        repo.git(["pack-refs", "--all"]);
        // One that is not packed, too.
        let name = repo.refs("refs/convoy/").into_keys().next().expect("refs of the convoy");
        repo.git(["update-ref", &format!("{name}-more"), "main"]);
        repo.write("untracked.txt", "of a person\n");
        let saved = repo.beside("saved");
        copy(repo.root(), &saved);
        Self { repo, saved }
    }

    /// Prunes it to the step, and once more; as [`crashed`].
    fn crashed(&self, at: usize) -> bool {
        let repo = &self.repo;
        fs::remove_dir_all(repo.root()).expect("removed");
        copy(&self.saved, repo.root());
        let main = repo.oid("main");
        let outcome = crashing_from(repo, Path::new("-"), at, &["prune", "--all"]).run();
        let step = last_step(repo);
        let over = outcome.code != Some(CRASHED);
        if over {
            outcome.expect_code(0);
        } else {
            let outcome = convoy(repo, &["prune", "--all"]).run();
            assert!(outcome.code == Some(0), "before {step}: {outcome:?}");
        }
        let looked = std::panic::catch_unwind(|| {
            let kept: Vec<String> = repo.refs("").into_keys().collect();
            assert_eq!(kept, ["refs/heads/main", "refs/heads/of-a-person"]);
            assert_nothing_left(repo);
            assert_eq!(convoy(repo, &["list", "--json"]).run().expect_code(0).stdout.trim(), "[]");
            assert_eq!(names(&repo.root().join(".convoy/logs")), ["convoy-events.ndjson", "convoys.ndjson"]);
            // Everybody can delete and pack refs.
            repo.git(["branch", "--quiet", "-D", "of-a-person"]);
            repo.git(["pack-refs", "--all"]);
            assert_eq!(repo.oid("main"), main);
            assert_eq!(repo.status(), ["?? untracked.txt"]);
            repo.git(["fsck", "--strict", "--no-dangling"]);
        });
        assert!(looked.is_ok(), "before {step}: see above");
        !over
    }
}

/// Copies a folder with everything in it, times, too.
#[expect(clippy::disallowed_methods, reason = "the one program that copies everything as it is")]
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).env_clear().env("PATH", PATH).output();
    let copied = copied.expect("cp runs");
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
}

#[test]
fn a_crash_before_any_step_changes_nothing() {
    every_landing(&Case { head: "", args: &[], moved: false });
}

#[test]
fn a_crash_before_any_step_changes_nothing_where_the_branch_moved() {
    every_landing(&Case { head: "", args: &[], moved: true });
}

#[test]
fn a_crash_before_any_step_changes_nothing_where_git_does_everything() {
    every_landing(&Case { head: "", args: &["--git-backend", "reference"], moved: false });
}

#[test]
fn a_crash_before_any_step_changes_nothing_where_the_merged_tree_is_verified() {
    every_landing(&Case { head: "merge: {verify: [test -e new/new.txt]}", args: &[], moved: false });
}

#[test]
fn a_crash_before_any_step_changes_nothing_where_worktrees_have_a_git_directory_of_their_own() {
    every_landing(&Case { head: "worktree: {isolation: separate}", args: &[], moved: false });
}

#[test]
fn a_crash_before_any_step_changes_nothing_where_work_is_squashed_or_rebased() {
    // By turns: the steps are the same, only the commit that lands is another one.
    let forms = ["merge: {strategy: squash}", "merge: {strategy: rebase}"];
    let cases = forms.map(|head| Case { head, args: &[], moved: true });
    every_step(|at| crashed(&cases[at % cases.len()], at));
}

#[test]
fn a_crash_before_any_step_changes_nothing_where_two_land_together() {
    every_step(crashed_together);
}

#[test]
fn a_crash_before_any_step_of_pruning_is_made_good_by_the_next_prune() {
    // One of those that are not in use; the paths in it stay the same.
    let idle = Mutex::new(Vec::<Ended>::new());
    every_step(|at| {
        let ended = idle.lock().expect("nobody panics with it").pop().unwrap_or_else(Ended::new);
        let was = ended.crashed(at);
        idle.lock().expect("nobody panics with it").push(ended);
        was
    });
}
