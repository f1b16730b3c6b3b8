//! `kill -9` of the program, then `convoy resume` at once: the same tree, each task once, nothing bought again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use convoy_tests::{ConvoyCmd, Outcome, PATH, ScratchRepo};
use serde_json::Value;

use crate::support::{
    assert_landed_once, assert_nothing_left, convoy, convoy_file, count, events, run, status, task,
};

/// The tasks of the large convoy: dependencies, a retry, a gate that fails first, a conflict.
const TASKS: [&str; 12] =
    ["base", "left", "right", "a", "b", "c", "retry", "gate", "commits", "d", "e", "last"];

/// Those of them whose agents are called once in an undisturbed run.
const ONCE: [&str; 8] = ["base", "a", "b", "c", "commits", "d", "e", "last"];

/// What two tasks of a conflict do: their own word, or that of both if the other's is there already.
fn side(own: &str, other: &str) -> String {
    format!("sh if grep -q '{other}' both.txt; then echo both > both.txt; else echo {own} > both.txt; fi")
}

fn large(repo: &ScratchRepo) -> PathBuf {
    large_with(repo, "concurrency: 4")
}

/// The same in worktrees with a git directory of their own.
fn separate(repo: &ScratchRepo) -> PathBuf {
    large_with(repo, "concurrency: 4\nworktree: {isolation: separate}")
}

fn large_with(repo: &ScratchRepo, head: &str) -> PathBuf {
    repo.write("both.txt", "neither\n");
    repo.commit("More");
    let (failed, gated) = (repo.beside("failed"), repo.beside("gated"));
    let plain = |id: &str| format!("write {id}.txt {id}");
    let gate = format!(
        "unless-exists {0} write gate.txt bad\nif-exists {0} write gate.txt good\ntouch {0}",
        gated.display()
    );
    let tasks = TASKS.map(|id| {
        let (fields, script) = match id {
            "left" => (String::new(), side("left", "right")),
            "right" => (String::new(), side("right", "left")),
            "a" | "b" => ("depends_on: [base]".into(), plain(id)),
            "c" => ("depends_on: [a, b]".into(), "append a.txt more\nwrite c.txt c".into()),
            "retry" => (String::new(), format!("fail-times 1 {}\nwrite retry.txt r", failed.display())),
            "gate" => ("gates: [grep -q good gate.txt]".into(), gate.clone()),
            "commits" => (String::new(), "write d/commits.txt x\ncommit Mine\nappend d/commits.txt y".into()),
            "last" => (format!("depends_on: [{}]", TASKS[..11].join(", ")), plain(id)),
            _ => (String::new(), plain(id)),
        };
        task(id, &fields, &format!("count {} {id}\n{script}", repo.beside("bought").display()))
    });
    convoy_file(repo, "large", head, &tasks.concat())
}

/// The tree of an undisturbed run.
fn undisturbed(make: fn(&ScratchRepo) -> PathBuf) -> String {
    let repo = ScratchRepo::new();
    let file = make(&repo);
    run(&repo, &file).run().expect_code(0);
    assert!(count(&events(&repo), "merge_conflict_detected") > 0, "nothing conflicts");
    repo.oid("main^{tree}")
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// How often each task's agent was called.
fn bought(repo: &ScratchRepo) -> BTreeMap<String, usize> {
    let mut bought = BTreeMap::new();
    for task in repo.lines_beside("bought") {
        *bought.entry(task).or_default() += 1;
    }
    bought
}

/// The tasks whose agent is recorded as having succeeded.
fn succeeded(events: &[Value]) -> Vec<&str> {
    let ends = events.iter().filter(|event| event["type"] == "task_agent_ended");
    let good = ends.filter(|event| event["result"]["outcome"] == "succeeded");
    good.map(|event| event["task_id"].as_str().expect("a task")).collect()
}

/// Fails when work that is recorded as done was bought once more, without a gate or a conflict that asks for it.
fn assert_nothing_bought_again(events: &[Value]) {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for event in events {
        let Some(task) = event["task_id"].as_str() else { continue };
        let outcome = event["result"]["outcome"].as_str();
        match (event["type"].as_str(), event["kind"].as_str()) {
            (Some("task_agent_ended"), _) => drop(last.insert(task, outcome.expect("an outcome"))),
            (Some("task_assigned"), Some("repeat")) => {
                assert_ne!(last.get(task), Some(&"succeeded"), "{task} was repeated: {event}");
            }
            _ => {}
        }
    }
}

/// The end of a convoy that was killed so often: all of it there, once, and nothing else.
fn assert_as_undisturbed(repo: &ScratchRepo, tasks: &[&str], tree: &str) {
    assert_eq!(repo.oid("main^{tree}"), tree, "{:?}", repo.files("main"));
    assert_landed_once(repo, tasks.iter().copied());
    repo.assert_sound_and_clean();
    assert_nothing_left(repo);
    assert_nothing_bought_again(&events(repo));
    let status = status(repo);
    assert_eq!((&status["status"], &status["published"]), (&"done".into(), &true.into()), "{status:#}");
}

/// What ended by itself, or was killed when all was over, is done.
fn is_over(repo: &ScratchRepo, outcome: Outcome) -> bool {
    match (outcome.code, outcome.signal) {
        (None, Some(9)) => false,
        // Killed in its last moment, the one before had recorded the end.
        (Some(2), _) => {
            assert!(outcome.stderr.contains("nothing to resume"), "{}", outcome.stderr);
            status(repo)["published"] == true
        }
        _ => {
            outcome.expect_code(0);
            true
        }
    }
}

/// Kills the program after some of its lines, up to so often, and lets the last one run to its end.
fn killed_at_random(seed: u64, most: usize, make: fn(&ScratchRepo) -> PathBuf) {
    let tree = undisturbed(large);
    let mut random = Random(seed);
    let repo = ScratchRepo::new();
    let mut command = run(&repo, &make(&repo));
    // Calls of agents whose success is on record, as it was when it was seen first.
    let mut paid: BTreeMap<String, usize> = BTreeMap::new();
    for kill in 0..=most {
        let mut running = command.spawn();
        // The first line says that there is a convoy.
        let lines = u64::from(kill == 0) + random.below(14);
        let lives = (0..lines).all(|_| running.wait_for_line("").is_some());
        if lives && kill < most {
            running.kill();
        }
        let outcome = if kill < most { running.wait_unread() } else { running.wait() };
        if is_over(&repo, outcome) {
            break;
        }
        let (events, calls) = (events(&repo), bought(&repo));
        for task in succeeded(&events).into_iter().filter(|task| ONCE.contains(task)) {
            paid.entry(task.to_owned()).or_insert(calls[task]);
        }
        command = convoy(&repo, &["resume", "--json"]);
        if random.below(3) == 0 {
            // A second time, before anything could be taken up.
            let next = std::mem::replace(&mut command, convoy(&repo, &["resume", "--json"])).spawn();
            next.kill();
            next.wait_unread();
        }
    }
    assert_as_undisturbed(&repo, &TASKS, &tree);
    let calls = bought(&repo);
    let again: Vec<_> = paid.iter().filter(|(task, paid)| calls[*task] != **paid).collect();
    assert!(again.is_empty(), "bought again: {again:?}, in the end {calls:?}");
}

#[test]
fn twelve_kills_at_random_moments_change_nothing() {
    killed_at_random(1, 12, large);
}

#[test]
fn twelve_kills_at_other_random_moments_change_nothing() {
    killed_at_random(2, 12, large);
}

#[test]
fn twelve_kills_change_nothing_where_worktrees_have_a_git_directory_of_their_own() {
    killed_at_random(3, 12, separate);
}

/// A smaller convoy for many runs: a conflict, and a task that waits for both sides and has a gate.
fn small(repo: &ScratchRepo) -> PathBuf {
    repo.write("both.txt", "neither\n");
    repo.commit("More");
    let tasks = [
        task("left", "", &side("left", "right")),
        task("right", "", &side("right", "left")),
        task("last", "depends_on: [left, right], gates: [test -f last.txt]", "write last.txt last"),
    ];
    convoy_file(repo, "small", "concurrency: 2", &tasks.concat())
}

/// A folder with a `git` that ends the engine before or after its `nth` call of this kind. Each time a new one: what
/// a dead engine had called may still run.
fn deadly_git(repo: &ScratchRepo, call: &str, nth: u64, before: bool) -> PathBuf {
    let taken = (1..).map(|n| repo.beside(&format!("bin-{n}"))).find(|folder| !folder.exists());
    let folder = taken.expect("there is always a next one");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("git");
    let script = DEADLY
        .replace("@PATH@", PATH)
        .replace("@HERE@", &folder.display().to_string())
        .replace("@CALL@", call)
        .replace("@NTH@", &nth.to_string())
        .replace("@FIRST@", if before { "end" } else { "" })
        .replace("@THEN@", if before { "" } else { "end" });
    fs::write(&path, script).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    folder
}

/// Its parent is the engine: agents call git by scripts of their own.
const DEADLY: &str = r#"#!/bin/sh
PATH=@PATH@
end() { case "$(cat /proc/$PPID/comm)" in convoy*) kill -9 $PPID ;; esac; }
case "$*" in --git-dir=*"@CALL@"*) ;; *) exec git "$@" ;; esac
echo >> "@HERE@/calls"
[ "$(wc -l < "@HERE@/calls")" -ge @NTH@ ] && mkdir "@HERE@/fired" 2> "@HERE@/errors" || exec git "$@"
@FIRST@
git "$@"
code=$?
@THEN@
exit $code
"#;

/// Ends the engine at a call of git; whether there was one.
pub(crate) fn killed_at(repo: &ScratchRepo, command: ConvoyCmd, call: &str, nth: u64, before: bool) -> bool {
    let bin = deadly_git(repo, call, nth, before);
    let outcome = command.first_in_path(&bin).run();
    let fired = bin.join("fired").exists();
    assert_eq!(outcome.signal, fired.then_some(9), "{call}, {nth}: {}", outcome.stderr);
    fired
}

/// The calls after which something has changed.
const CALLS: [&str; 9] = [
    " worktree add ",
    " read-tree --reset ",
    " commit-tree ",
    " update-ref -m snapshot ",
    " merge-tree ",
    " update-ref -m land ",
    " read-tree -m ",
    " update-ref -m publish ",
    " diff-tree ",
];

/// Kills a run before or after each of the calls, and what takes it up after or before the same.
fn killed_at_every_call(odd: bool) {
    let tree = undisturbed(small);
    for (index, call) in CALLS.into_iter().enumerate() {
        let repo = ScratchRepo::new();
        let file = small(&repo);
        let before = (index % 2 == 1) == odd;
        // Sometimes the first such call, sometimes a later one.
        // All of them are made where the git program does everything.
        let by_git = || run(&repo, &file).args(["--git-backend", "reference"]);
        assert!(killed_at(&repo, by_git(), call, 1 + index as u64 % 3, before), "{call}");
        let again = || convoy(&repo, &["resume", "--json", "--git-backend", "reference"]);
        if killed_at(&repo, again(), call, 1, !before) {
            again().run().expect_code(0);
        }
        assert_as_undisturbed(&repo, &["left", "right", "last"], &tree);
    }
}

#[test]
fn kills_before_and_after_every_second_call_of_git_change_nothing() {
    killed_at_every_call(true);
}

#[test]
fn kills_before_and_after_the_other_calls_of_git_change_nothing() {
    killed_at_every_call(false);
}

#[test]
fn a_convoy_that_runs_is_not_taken_up_and_another_runs_beside_it() {
    let repo = ScratchRepo::new();
    let (begun, go) = (repo.fifo("begun"), repo.fifo("go"));
    let waits = format!("count {} begun\nlisten {}\nwrite one.txt 1", begun.display(), go.display());
    let first = run(&repo, &convoy_file(&repo, "one", "", &task("same", "max_retries: 0", &waits))).spawn();
    assert_eq!(fs::read_to_string(begun).expect("a sign of life"), "begun\n");
    for command in ["resume", "retry"] {
        let refused = convoy(&repo, &[command]).run().expect_code(4);
        assert!(refused.stderr.contains("run"), "{}", refused.stderr);
    }
    let second = convoy_file(&repo, "two", "", &task("same", "", "write two.txt 2"));
    run(&repo, &second).run().expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "two.txt"]);
    fs::write(go, "go").expect("the agent listens");
    first.wait().expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "one.txt", "two.txt"]);
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
}
