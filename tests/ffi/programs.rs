//! C programs that use the library as hosts do, and misuse it.

use std::fs;

use convoy_tests::ScratchRepo;

use crate::support::{c_program, cpp_program, printed, within};

#[test]
fn a_c_program_gets_a_status_for_everything_it_does_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    printed(c_program(folder.path(), "check_spec"), [""; 0]);
}

#[test]
fn a_c_program_is_told_the_same_problems_as_a_rust_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = c_program(folder.path(), "check_spec");
    let texts = [
        "name: c\ntasks:\n  - id: a\n    prompt: do it\n",
        "name: c\ntasks:\n  - id: a\n    promt: \"gr\u{fc}n \\\"quoted\\\"\"\n  - id: a\n    prompt: x\n    timeout: soon\n",
        "name: c\ntasks:\n  - id: a\n    prompt: x\n    depends_on: [b]\n",
        "]]]]\n",
        "",
    ];
    for text in texts {
        let file = folder.path().join("c.convoy.yml");
        fs::write(&file, text).expect("a file");
        let through_c: serde_json::Value = serde_json::from_str(&printed(&program, [&file])).expect("JSON");

        let checked = convoy_core::plan::check(text);
        assert_eq!(through_c["ok"], checked.is_ok(), "{text}");
        let expected: Vec<_> = checked
            .problems
            .iter()
            .map(|problem| {
                let mut expected = serde_json::json!({
                    "severity": if problem.is_error() { "error" } else { "warning" },
                    "line": problem.line,
                    "column": problem.column,
                    "path": problem.path,
                    "message": problem.message,
                });
                if let Some(hint) = &problem.hint {
                    expected["hint"] = hint.as_str().into();
                }
                expected
            })
            .collect();
        assert_eq!(through_c["problems"], serde_json::Value::Array(expected), "{text}");
    }
}

#[test]
fn a_c_program_runs_a_whole_convoy_with_an_agent_of_its_own() {
    let repo = ScratchRepo::new();
    let program = c_program(&repo.beside(""), "run_convoy");
    let events = within(&repo, &program, [repo.root()]);
    let landed =
        ["convoy_started", "task_agent_ended", "task_done", "merge_done", "convoy_finished", "run_ended"];
    for kind in landed {
        assert!(events.lines().any(|line| line == kind), "no {kind} in {events}");
    }
    assert_eq!(events.lines().last(), Some("run_ended"));
    for file in ["one.txt", "two.txt"] {
        assert_eq!(repo.git(["show", &format!("main:{file}")]), "written in C");
    }
}

#[test]
fn whatever_a_host_does_wrong_is_a_status_and_everything_is_let_go_once() {
    let repo = ScratchRepo::new();
    within(&repo, &c_program(&repo.beside(""), "misuse"), [repo.root()]);
}

#[test]
fn a_wake_is_called_with_no_lock_held_and_let_go_when_it_has_returned() {
    let repo = ScratchRepo::new();
    within(&repo, &c_program(&repo.beside(""), "wakes"), [repo.root()]);
}

#[test]
fn texts_that_are_too_long_and_paths_that_are_no_text_are_a_status() {
    let repo = ScratchRepo::new();
    within(&repo, &c_program(&repo.beside(""), "texts"), [repo.root()]);
}

#[test]
fn reviewers_merge_queues_gates_prompt_sources_and_hooks_can_be_c_code() {
    let repo = ScratchRepo::new();
    let asked = within(&repo, &c_program(&repo.beside(""), "hosts"), [repo.root()]);
    let expected = "prompt: style\nhook: stamp\nreview: block\nprompt: style\nhook: stamp\nreview: pass\n\
                    queue: prepare\nqueue: moved\nqueue: advance\ngate: judge\ngate: judge\n\
                    review: pass\nqueue: prepare\nqueue: advance\n";
    assert_eq!(asked, expected);
    for (file, text) in [("one.txt", "second"), ("two.txt", "second"), ("stamp.txt", "stamped")] {
        assert_eq!(repo.git(["show", &format!("main:{file}")]), text);
    }
    assert_eq!(repo.git(["log", "--format=%s", "--merges", "main"]), "Landed in C\nLanded in C");
}

#[test]
fn landings_that_nobody_answers_end_with_the_engine_and_happen_once() {
    let repo = ScratchRepo::new();
    let asked = within(&repo, &c_program(&repo.beside(""), "landings"), [repo.root()]);
    let expected = "prepare\n-- \"ended\":\"interrupted\"\n\
                    prepare\nadvance\n-- \"ended\":\"interrupted\"\n\
                    advance, is there\nprepare\nadvance\n-- \"done\":2\n\
                    -- \"status\":\"done\"\n";
    assert_eq!(asked, expected);
    assert_eq!(repo.git(["rev-list", "--count", "--merges", "main"]), "2");
    for file in ["one.txt", "two.txt"] {
        assert_eq!(repo.git(["show", &format!("main:{file}")]), "written once");
    }
}

#[test]
fn a_reader_gets_the_same_events_one_by_one_and_in_batches() {
    let repo = ScratchRepo::new();
    let seen = within(&repo, &c_program(&repo.beside(""), "run_convoy"), [repo.root()]);
    let refs = repo.git(["for-each-ref", "--format=%(refname)", "refs/convoy"]);
    let convoy = refs.split('/').nth(2).expect("a convoy keeps its work in refs of its own");
    let program = c_program(&repo.beside(""), "events_speed");
    let counts = within(&repo, &program, [repo.root().as_os_str(), convoy.as_ref()]);
    // All of them but the last, which is not stored.
    let stored = (seen.lines().count() - 1).to_string();
    for line in counts.lines() {
        assert_eq!(line.split(' ').nth(1), Some(stored.as_str()), "{counts}{seen}");
    }
    assert_eq!(counts.lines().count(), 2, "{counts}");
}

#[test]
fn a_host_in_cpp_gets_its_failures_as_exceptions_and_its_own_become_rejections() {
    let repo = ScratchRepo::new();
    within(&repo, &cpp_program(&repo.beside(""), "host"), [repo.root()]);
    assert_eq!(repo.git(["show", "main:cpp.txt"]), "written in C++");
}

/// The most that a process may grow, in KiB: memory that the allocator keeps is in it. What one run or engine would
/// forget, some hundreds of them add up to more.
const MOST_GROWTH: i64 = 4 * 1024;

#[test]
fn runs_and_engines_give_back_what_they_took() {
    let repo = ScratchRepo::new();
    let program = c_program(&repo.beside(""), "churn");
    let numbers = ["300", "20", "30"].map(AsRef::as_ref);
    let grown = within(&repo, &program, [&[repo.root().as_os_str()], &numbers[..]].concat());
    let numbers: Vec<i64> =
        grown.lines().filter_map(|line| line.split_whitespace().last()?.parse().ok()).collect();
    assert_eq!(numbers.len(), 3, "{grown}");
    assert!(numbers.iter().all(|grown| *grown < MOST_GROWTH), "{grown}");
}
