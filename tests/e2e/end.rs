//! `kill -9` of the program at the end of a convoy, then `convoy resume` at once.

use std::fs;

use convoy_tests::{ConvoyCmd, ScratchRepo};

use crate::kill::killed_at;
use crate::support::{
    assert_landed_once, assert_nothing_left, convoy, convoy_file, count, events, run, task,
};

/// Runs the program until it is killed by what it runs, which waits for its process id in the fifo.
fn killed(command: ConvoyCmd, fifo: &std::path::Path) {
    let running = command.spawn();
    fs::write(fifo, running.id().to_string()).expect("somebody reads it");
    assert_eq!(running.wait_unread().signal, Some(9));
}

#[test]
fn kills_in_every_stage_of_the_end_change_nothing() {
    let repo = ScratchRepo::new();
    let fifo = repo.fifo("pid");
    // Once for each merged result that it judges.
    let kills = format!(
        "if mkdir '{0}'-$(git rev-parse HEAD) 2>/dev/null; then kill -9 $(cat '{0}'); exec tail -f /dev/null; fi",
        fifo.display()
    );
    // The fixing task finds its script in what the gate printed; its first attempt is cut off, too.
    let cut = format!(
        "if mkdir {0}-fix 2>/dev/null; then kill -9 $(cat {0}); exec tail -f /dev/null; fi",
        fifo.display()
    );
    let mended = format!("printf '```script\\nsh {cut}\\nwrite mended.txt m\\n```\\n'; test -f mended.txt");
    let gates = serde_json::to_string(&[kills, mended]).expect("JSON");
    let bought = format!("count {} one\nwrite one.txt 1", repo.beside("bought").display());
    let told = repo.beside("told");
    let hook = format!(
        "if mkdir '{0}'-hook 2>/dev/null; then kill -9 $(cat '{0}'); exec tail -f /dev/null; fi; echo told >> '{1}'",
        fifo.display(),
        told.display()
    );
    let hook = serde_json::Value::from(hook);
    let head = format!("gates: {gates}\ngate_retries: 1\nhooks: [{{type: command, command: {hook}}}]");
    let file = convoy_file(&repo, "gates", &head, &task("one", "", &bought));

    killed(run(&repo, &file), &fifo);
    let resume = || convoy(&repo, &["resume", "--json"]);
    for _ in ["the fixing task", "the gates on what it made", "the hook"] {
        killed(resume(), &fifo);
    }
    assert!(
        killed_at(&repo, resume(), "worktree list --porcelain", 1, true),
        "the guard looks at the worktrees"
    );
    resume().run().expect_code(0);
    assert_eq!(repo.files("main"), ["README.md", "mended.txt", "one.txt"]);
    assert_landed_once(&repo, ["convoy-gate-fix-1", "one"]);
    assert_eq!(repo.lines_beside("bought"), ["one"], "nothing is bought again");
    assert_eq!(repo.lines_beside("told"), ["told"]);
    let events = events(&repo);
    assert_eq!((count(&events, "convoy_gates_started"), count(&events, "convoy_gates_finished")), (4, 2));
    assert_eq!((count(&events, "post_convoy_hook_passed"), count(&events, "convoy_guard")), (1, 1));
    repo.assert_sound_and_clean();
    assert_nothing_left(&repo);
}
