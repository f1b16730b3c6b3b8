//! Whole runs: what they exit with, and what the other commands then say.

use std::process::Stdio;

use serde_json::Value;

use crate::place::{Place, ended, read_all};

#[test]
fn looking_at_a_repository_without_a_store_creates_nothing() {
    let place = Place::with_repo();
    let cases = [
        (&["list"][..], 0, "no convoy is stored here"),
        (&["status"], 2, "no convoy is stored here"),
        (&["events"], 2, "no convoy is stored here"),
        (&["logs", "a"], 2, "no convoy is stored here"),
        (&["artifact", "a", "plan"], 2, "no convoy is stored here"),
        (&["dlq", "list"], 2, "no convoy is stored here"),
        (&["retry"], 2, "no convoy is stored here"),
        (&["cancel"], 2, "no convoy is stored here"),
        (&["publish"], 2, "no convoy is stored here"),
        (&["resume"], 2, "nothing to resume"),
    ];
    for (arguments, code, text) in cases {
        let (got, out, err) = place.convoy(arguments);
        assert_eq!((got, out.as_str()), (code, ""), "{arguments:?}");
        assert!(err.contains(text), "{arguments:?}: {err}");
    }
    assert_eq!(place.convoy(&["list", "--json"]), (0, "[]\n".into(), String::new()));
    assert_eq!(place.files("repo"), [".git", "README"]);
    let folder = place.run(&["run", "convoy.yml", "--repo", "repo"]);
    assert_eq!(folder.0, 2, "{}", folder.2);
    assert_eq!(place.files("repo"), [".git", "README"]);
}

#[test]
fn a_run_prints_each_event_as_json_and_the_result_last() {
    let place = Place::with_repo();
    place.spec(&[("a", "echo a > a", ""), ("b", "echo b > b", "depends_on: [a]")]);
    let (code, out, err) = place.convoy(&["run", "convoy.yml", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!(lines[0]["type"], "convoy_started");
    let (last, events) = lines.split_last().expect("lines");
    assert!(events.iter().all(|event| event["_event_id"].is_u64() && event["convoy_id"].is_string()));
    assert_eq!(events.iter().filter(|event| event["type"] == "task_done").count(), 2);
    assert_eq!(
        (&last["type"], &last["ended"], &last["exit_code"]),
        (&"result".into(), &"finished".into(), &0.into())
    );
    assert_eq!((&last["status"], &last["tasks"][1]["status"]), (&"done".into(), &"done".into()));
    let status = place.status();
    assert_eq!(status["totals"], last["totals"]);
    let (_, list, _) = place.convoy(&["list", "--json"]);
    let list: Value = serde_json::from_str(&list).expect("json");
    for said in [&status, last, &list[0]] {
        assert_eq!(
            (&said["branch"], &said["branch_ref"]),
            (&"main".into(), &"refs/heads/main".into()),
            "{said}"
        );
    }
    assert_eq!(place.read("repo/b"), "b\n");
    let (code, stored, _) = place.convoy(&["events", "--json"]);
    assert_eq!((code, stored.lines().count()), (0, events.len()));
    assert_eq!(place.convoy(&["resume"]).0, 2);
}

#[test]
fn a_failed_convoy_exits_with_1_and_its_task_can_be_taken_up_again() {
    let place = Place::with_repo();
    place.spec(&[
        ("bad", "printf 'no \\033[31mluck\\n' >&2\ntest -e $T/go\necho x > bad", ""),
        ("after", "echo x > after", "depends_on: [bad]"),
        ("good", "echo x > good", ""),
    ]);
    let (code, out, _) = place.convoy(&["run", "convoy.yml"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("failed: 1 of 3 tasks done, 1 failed, 1 skipped"), "{out}");
    assert!(out.contains("--repo repo retry convoy-"), "{out}");
    assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
    let (code, out, _) = place.convoy(&["status"]);
    assert!(code == 0 && out.contains("bad    failed   1 "), "{out}");
    let (code, out, _) = place.convoy(&["logs", "bad"]);
    assert_eq!((code, out.as_str()), (0, "no luck\n"));
    let (code, out, _) = place.convoy(&["dlq", "list", "--json"]);
    let letters: Value = serde_json::from_str(&out).expect("json");
    assert_eq!((code, &letters[0]["task"], &letters[0]["open"]), (0, &"bad".into(), &true.into()));
    place.write("go", "");
    let letter = letters[0]["dlq_id"].as_str().expect("an id");
    let (code, out, err) = place.convoy(&["dlq", "retry", letter]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(place.status()["totals"]["done"], 3);
    assert_eq!(place.in_repo(&["status", "--porcelain"]), "");
}

#[test]
fn an_artifact_is_listed_and_printed_as_it_is_for_a_program() {
    let place = Place::with_repo();
    let commands = "printf 'one\\n\\033[1mtwo\\n' > plan";
    place.spec(&[("a", commands, "outputs: [{name: plan, type: file}]")]);
    let (code, out, err) = place.convoy(&["run", "convoy.yml"]);
    assert_eq!(code, 0, "{out}{err}");
    let artifacts = &place.status()["tasks"][0]["artifacts"];
    assert_eq!(*artifacts, serde_json::json!([{"name": "plan", "type": "file", "size": 12}]));
    let (code, out, _) = place.convoy(&["artifact", "a", "plan"]);
    assert_eq!((code, out.as_str()), (0, "one\n\u{1b}[1mtwo\n"));
    let (code, out, err) = place.convoy(&["artifact", "a", "none"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("task a has no artifact none; it has plan"), "{err}");
}

#[test]
fn a_dead_letter_is_closed_by_hand() {
    let place = Place::with_repo();
    place.spec(&[("bad", "exit 3", "")]);
    assert_eq!(place.convoy(&["run", "convoy.yml"]).0, 1);
    let (_, out, _) = place.convoy(&["dlq", "list", "--json"]);
    let letters: Value = serde_json::from_str(&out).expect("json");
    let letter = letters[0]["dlq_id"].as_str().expect("an id");
    let (code, _, err) = place.convoy(&["dlq", "resolve", letter, "--reason", "done by hand"]);
    assert_eq!(code, 0, "{err}");
    let (_, out, _) = place.convoy(&["dlq", "list"]);
    assert!(out.contains("closed: done by hand"), "{out}");
    assert_eq!(place.convoy(&["dlq", "resolve", letter]).0, 2);
    assert_eq!(place.convoy(&["dlq", "retry"]).0, 2);
    assert_eq!(place.convoy(&["dlq", "resolve", "absent"]).0, 2);
    assert_eq!(place.convoy(&["retry", "--task", "absent"]).0, 2);
}

#[test]
fn what_cannot_be_published_exits_with_5_until_the_way_is_free() {
    let place = Place::with_repo();
    place.spec(&[("a", "echo theirs > new", "")]);
    place.write("repo/new", "mine\n");
    let (code, out, _) = place.convoy(&["run", "convoy.yml"]);
    assert_eq!(code, 5, "{out}");
    assert!(out.contains("in the way: new") && out.contains("--repo repo publish convoy-"), "{out}");
    let status = place.status();
    assert_eq!((&status["published"], &status["paths_in_the_way"][0]), (&false.into(), &"new".into()));
    assert_eq!((place.convoy(&["publish"]).0, place.read("repo/new").as_str()), (5, "mine\n"));
    std::fs::remove_file(place.path().join("repo/new")).expect("removed");
    let (code, out, err) = place.convoy(&["publish", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!((place.read("repo/new").as_str(), &place.status()["published"]), ("theirs\n", &true.into()));
}

#[test]
fn requests_reach_the_process_that_runs_the_convoy_and_a_second_engine_is_refused() {
    let place = Place::with_repo();
    place.pipe("up");
    place.spec(&[("a", "echo up > $T/up\nread line < $T/never", ""), ("b", "echo x > b", "depends_on: [a]")]);
    place.pipe("never");
    let running = place.start(&["--repo", "repo", "run", "convoy.yml"]);
    assert_eq!(read_all(place.open("up")), "up\n");
    let (code, _, err) = place.convoy(&["resume"]);
    assert_eq!(code, 4, "{err}");
    for part in ["`convoy status`", "`convoy pause`", "`convoy cancel`"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let (code, out, _) = place.convoy(&["status"]);
    assert!(code == 0 && out.contains("events convoy-") && !out.contains("no engine"), "{out}");
    let follower = place.start(&["--repo", "repo", "events", "--follow"]);
    for command in ["pause", "unpause", "cancel"] {
        assert_eq!(place.convoy(&[command]).0, 0, "{command}");
    }
    let (code, out, _) = ended(running);
    assert_eq!(code, 1, "{out}");
    for part in ["paused by ", "unpaused by ", "a: cancelled", "cancelled: 0 of 2 tasks done, 2 cancelled"] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let (code, out, _) = ended(follower);
    assert!(code == 0 && out.contains("ended: cancelled"), "{out}");
    assert_eq!(place.convoy(&["pause"]).0, 2);
}

/// Which of some variables the agent of the last run had.
fn had(place: &Place) -> [bool; 8] {
    let names = place.read("names");
    let has = |name: &str| names.lines().any(|line| line == name);
    ["PATH", "HOME", "LC_ALL", "GIVEN", "CONVOY_ATTEMPT", "OTHER", "CLAUDECODE", "GIT_AUTHOR_NAME"].map(has)
}

const WHOLE: [bool; 8] = [true, true, true, true, true, true, false, false];
const CLEAN: [bool; 8] = [true, true, true, true, true, false, false, false];

fn with_variables(place: &Place, arguments: &[&str]) -> std::process::Command {
    let mut command = place.command(&[&["--repo", "repo"], arguments].concat());
    command.env("OTHER", "1").env("NAMED", "n").env("CLAUDECODE", "1").env("LC_ALL", "C");
    command
}

#[test]
fn agents_get_the_whole_environment_or_a_clean_one_however_they_are_started() {
    let place = Place::with_repo();
    let names = "env | sed 's/=.*//' | sort > $T/names\ntest -e $T/go";
    place.spec(&[("a", names, "env: {GIVEN: {from_env: NAMED}}")]);
    let run = |arguments: &[&str], code| {
        let output = with_variables(&place, arguments).output().expect("runs");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
        had(&place)
    };
    assert_eq!(run(&["run", "convoy.yml"], 1), WHOLE);
    assert_eq!(run(&["run", "convoy.yml", "--clean-env"], 1), CLEAN);
    assert_eq!(run(&["retry"], 1), WHOLE);
    assert_eq!(run(&["retry", "--clean-env"], 1), CLEAN);
    assert_eq!(run(&["dlq", "retry"], 1), WHOLE);
    assert_eq!(run(&["dlq", "retry", "--clean-env"], 1), CLEAN);
}

#[test]
fn a_resumed_convoy_may_have_a_clean_environment() {
    let place = Place::with_repo();
    for pipe in ["up", "never"] {
        place.pipe(pipe);
    }
    let names = "env | sed 's/=.*//' | sort > $T/names\n\
                 test -e $T/go || { echo up > $T/up; read line < $T/never; }";
    place.spec(&[("a", names, "env: {GIVEN: {from_env: NAMED}}")]);
    let start = |arguments: &[&str]| {
        let mut command = with_variables(&place, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    };
    let running = start(&["run", "convoy.yml"]);
    assert_eq!(read_all(place.open("up")), "up\n");
    assert_eq!(had(&place), WHOLE);
    place.signal(&running, "-INT");
    assert_eq!(ended(running).0, 130);
    place.write("go", "");
    let (code, out, err) = ended(start(&["resume", "--clean-env"]));
    assert_eq!((code, had(&place)), (0, CLEAN), "{out}{err}");
}

#[test]
fn the_database_is_all_that_a_call_leaves_of_the_store() {
    let place = Place::with_repo();
    place.spec(&[("a", "test -e $T/go", "")]);
    let only_the_database = |what: &[&str]| {
        let files = place.files("repo/.convoy");
        let of_the_store: Vec<&String> = files.iter().filter(|name| name.starts_with("convoy.db")).collect();
        assert_eq!(of_the_store, ["convoy.db"], "{what:?}");
    };
    let calls = [
        (&["run", "convoy.yml"][..], 1),
        (&["status"], 0),
        (&["list"], 0),
        (&["events"], 0),
        (&["logs", "a"], 0),
        (&["status", "absent"], 2),
        (&["retry", "--task", "absent"], 2),
        (&["retry", "--clean-env"], 1),
        (&["resume"], 2),
        (&["publish"], 0),
        (&["dlq", "list"], 0),
        (&["cancel"], 2),
    ];
    for (call, code) in calls {
        let (got, out, err) = place.convoy(call);
        assert!(got == code || call == ["publish"], "{call:?}: {got} {out}{err}");
        only_the_database(call);
    }
}
