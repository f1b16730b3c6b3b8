//! `kill -9` of the program by a hook that it runs itself: the one moment between a finished agent and its work.

use convoy_tests::ScratchRepo;

use crate::support::{
    assert_landed_once, assert_nothing_left, convoy, convoy_file, count, events, run, task,
};

#[test]
fn a_program_killed_in_a_hook_after_the_agent_runs_the_hook_again_and_not_the_agent() {
    let repo = ScratchRepo::new();
    let (runs, killed) = (repo.beside("runs"), repo.beside("killed"));
    // The parent of a hook's shell is the engine.
    let command = format!(
        "echo hook >> {}; test -e a.txt || exit 1; test -e {1} || {{ touch {1}; kill -9 $PPID; sleep 1000; }}; echo more >> a.txt",
        runs.display(),
        killed.display()
    );
    let hooks = format!("hooks: [{{type: command, command: {}}}]", serde_json::Value::from(command));
    let script = format!("count {} agent\nwrite a.txt made", runs.display());
    let file = convoy_file(&repo, "hooks", "", &task("a", &hooks, &script));
    let outcome = run(&repo, &file).run();
    assert_eq!((outcome.code, outcome.signal), (None, Some(9)), "{}", outcome.stderr);
    convoy(&repo, &["resume"]).run().expect_code(0);
    assert_eq!(repo.lines_beside("runs"), ["agent", "hook", "hook"]);
    assert_eq!(repo.tree("main")["a.txt"], "made\nmore");
    let events = events(&repo);
    assert_eq!((count(&events, "task_started"), count(&events, "hook_result")), (1, 1));
    assert_landed_once(&repo, ["a"]);
    assert_nothing_left(&repo);
}
