//! Calls that need no repository: help, checks, plans.

use std::process::Stdio;

use crate::place::Place;

const GOOD: &str = "name: x\nversion: 1\ntasks:\n  - {id: a, prompt: p}\n";

#[test]
fn help_and_version_are_answers_and_mistakes_go_to_standard_error() {
    let place = Place::new();
    let (code, out, err) = place.run(&["--version"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("convoy 0."), "{out}");
    let (code, out, err) = place.run(&["--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for command in ["run", "resume", "retry", "status", "check", "schema", "dlq", "publish", "demo"] {
        assert!(out.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {out}");
    }
    for arguments in [&["fly"][..], &["run"], &[], &["status", "--nonsense"]] {
        let (code, out, err) = place.run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains("Usage"), "{arguments:?}: {err}");
    }
}

#[test]
fn a_check_answers_by_its_exit_code() {
    let place = Place::new();
    place.write("good.yml", GOOD);
    place.write("bad.yml", "name: x\nversion: 1\ntasks: 3\n");
    assert_eq!(place.run(&["check", "good.yml"]), (0, "good.yml: ok\n".into(), String::new()));
    let (code, out, err) = place.run(&["check", "bad.yml"]);
    assert_eq!((code, err.as_str()), (2, ""));
    assert!(out.starts_with("bad.yml:3:8: error: tasks: "), "{out}");
    let (code, out, err) = place.run(&["check", "absent.yml", "--json"]);
    assert_eq!(code, 2);
    assert!(
        out.starts_with(r#"{"type":"error","kind":"invalid_argument","message":"cannot read absent.yml"#),
        "{out}"
    );
    assert!(err.starts_with("convoy: cannot read absent.yml"), "{err}");
}

#[test]
fn a_dry_run_and_a_refused_run_create_nothing() {
    let place = Place::new();
    place.write("good.yml", GOOD);
    place.write("unbuilt.yml", &format!("{GOOD}worktree: {{sparse: [src]}}\n"));
    let (code, out, err) = place.run(&["run", "good.yml", "--dry-run", "--concurrency", "3"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("x: 1 task in 1 phase, at most 3 agents at once"), "{out}");
    for arguments in [&["run", "unbuilt.yml"][..], &["run", "--dry-run", "unbuilt.yml"]] {
        let (code, out, err) = place.run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(
            err.starts_with("unbuilt.yml:5:12: error: worktree.sparse: not supported yet: worktree.sparse\n"),
            "{err}"
        );
    }
    assert_eq!(place.files("."), ["good.yml", "unbuilt.yml"]);
}

#[test]
fn a_folder_that_does_not_exist_is_bad_usage() {
    let place = Place::new();
    for arguments in [&["status", "--repo", "absent"][..], &["--repo", "absent", "list"]] {
        let (code, _, err) = place.run(arguments);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(err.contains("absent is no folder"), "{err}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut child =
        place.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
