//! The demo, as the first thing a person sees.

use crate::place::Place;

#[test]
fn the_demo_lands_eight_tasks_and_shows_the_history_and_where_to_look() {
    let place = Place::new();
    let (code, out, err) = place.run(&["demo", "--repo", "repo"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for part in [
        "farewell: failed (error: ",
        "farewell: started (shell, attempt 2)",
        "conflicts with what landed meanwhile in MOTTO; an agent resolves it",
        "all 8 tasks are done",
        "everything that landed is on main",
        "the history of main:\n*   ",
        "Begin the demo",
        "\nlib/greeting.sh\n",
        "/repo status\n",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let status = place.status();
    assert_eq!((&status["status"], &status["published"]), (&"done".into(), &true.into()));
    let mut motto: Vec<String> = place.read("repo/MOTTO").lines().map(str::to_owned).collect();
    motto.sort();
    assert_eq!(motto, ["Many hands make light work.", "Many hands."]);
    assert_eq!(place.in_repo(&["status", "--porcelain"]), "");
    let (code, events, _) = place.convoy(&["events", "--json"]);
    let gate = events.lines().find(|line| line.contains(r#""type":"gate_result""#)).expect("a gate was run");
    assert!(code == 0 && gate.contains(r#""passed":true"#), "{gate}");
}

#[test]
fn the_demo_never_touches_a_folder_that_is_not_empty() {
    let place = Place::with_repo();
    let before = place.in_repo(&["for-each-ref"]);
    let (code, _, err) = place.run(&["demo", "--repo", "repo"]);
    assert_eq!(code, 2);
    assert!(err.contains("repo is not empty"), "{err}");
    assert_eq!(
        (place.in_repo(&["for-each-ref"]), place.files("repo")),
        (before, vec![".git".into(), "README".into()])
    );
}

#[test]
fn the_demo_makes_a_folder_of_its_own_and_keeps_it() {
    let place = Place::new();
    let output = place.command(&["demo"]).env("TMPDIR", place.path()).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let made = place.files(".");
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(made[0].starts_with("convoy-demo-"), "{made:?}");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        out.contains(&format!("a scratch repository: {}", place.path().join(&made[0]).display())),
        "{out}"
    );
}
