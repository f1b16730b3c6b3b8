//! Many tasks at once.

use std::fs;

use convoy_tests::ScratchRepo;

use crate::support::{
    assert_landed_once, assert_nothing_left, convoy_file, count, events, run, status, task,
};

/// Whether agents commit what they did.
#[derive(Clone, Copy)]
enum Commits {
    No,
    Yes,
    /// Some do, some do not, some do so with half of it.
    Mixed,
}

fn script(number: usize, commits: Commits) -> String {
    let write = format!("write d{}/f{number}.txt text {number}", number % 7);
    let extra = format!("write extra/f{number}.txt more {number}");
    match (commits, number % 3) {
        (Commits::No, _) | (Commits::Mixed, 0) => format!("{write}\n{extra}"),
        (Commits::Yes, _) | (Commits::Mixed, 1) => format!("{write}\n{extra}\ncommit Do {number}"),
        (Commits::Mixed, _) => format!("{write}\ncommit Do half of {number}\n{extra}"),
    }
}

fn every_file_lands(tasks: usize, head: &str, commits: Commits) {
    let repo = ScratchRepo::new();
    let list: String = (0..tasks).map(|n| task(&format!("t{n}"), "", &script(n, commits))).collect();
    let file = convoy_file(&repo, "load", head, &list);
    let outcome = run(&repo, &file).run().expect_code(0);
    assert_eq!(outcome.stderr, "");
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
    for n in 0..tasks {
        assert_eq!(repo.read(&format!("d{}/f{n}.txt", n % 7)), format!("text {n}\n"));
        assert_eq!(repo.read(&format!("extra/f{n}.txt")), format!("more {n}\n"));
    }
    assert_eq!(repo.files("main").len(), 2 * tasks + 1);
    assert_landed_once(&repo, (0..tasks).map(|n| format!("t{n}")));
    let status = status(&repo);
    assert_eq!((&status["status"], &status["published"]), (&"done".into(), &true.into()));
    assert_eq!(status["totals"]["done"], tasks);
    let events = events(&repo);
    assert_eq!((count(&events, "task_started"), count(&events, "merge_done")), (tasks, tasks));
    let convoy = status["convoy_id"].as_str().expect("an id");
    let kept = repo.refs(&format!("refs/convoy/{convoy}/")).len();
    assert_eq!(kept, tasks + 2, "each attempt's work, the integration ref and its fence");
    let logs = fs::read_dir(repo.root().join(".convoy/logs").join(convoy)).expect("logs").count();
    assert_eq!(logs, tasks + 1, "a folder for each task, and what git ignores");
}

#[test]
fn fifty_tasks_eight_at_once_whose_agents_commit() {
    every_file_lands(50, "concurrency: 8", Commits::Yes);
}

#[test]
fn fifty_tasks_as_many_as_may_whose_agents_do_not_commit() {
    every_file_lands(50, "concurrency: auto", Commits::No);
}

#[test]
fn two_hundred_tasks_eight_at_once_whose_agents_do_not_commit() {
    every_file_lands(200, "concurrency: 8", Commits::No);
}

#[test]
fn two_hundred_tasks_as_many_as_may_whose_agents_do_as_they_like() {
    every_file_lands(200, "concurrency: auto\ndefaults: {max_swarm_concurrency: 24}", Commits::Mixed);
}
