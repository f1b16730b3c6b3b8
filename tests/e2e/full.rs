//! A disk that is full. Without the right to mount a small one, a limit on the size of files stands in for it: every
//! write beyond it fails, in the engine, in git and in agents alike.

use std::path::Path;

use convoy_tests::{ConvoyCmd, Outcome, ScratchRepo};

use crate::support::{
    CONVOY, assert_landed_once, assert_nothing_left, convoy, convoy_file, count, events, run, status, task,
};

/// `convoy run` where no file may grow beyond this many blocks, of 512 bytes in most shells. Its output is read from
/// a pipe, which has no size.
fn run_within(blocks: u32, repo: &ScratchRepo, file: &Path) -> Outcome {
    // The signal that goes with the limit would end the program: on a full disk there is none.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let shell = ConvoyCmd::new("/bin/sh", repo).args(["-c", &script, CONVOY, "run", "--json"]);
    shell.args([file]).spawn().wait()
}

const TASKS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[test]
fn a_store_that_is_full_stops_the_engine_and_the_convoy_is_resumed_with_more_space() {
    // Too small for the first event, in the middle, and near the end of what the convoy needs.
    for blocks in [40, 250, 400, 600] {
        let repo = ScratchRepo::new();
        let tasks: String = TASKS.iter().map(|id| task(id, "", &format!("write {id}.txt {id}"))).collect();
        let file = convoy_file(&repo, "full", "concurrency: 2", &tasks);
        let before = repo.oid("main");
        let outcome = run_within(blocks, &repo, &file).expect_code(3);
        let says = &outcome.stderr;
        assert!(says.contains("the store failed") && says.contains("free disk space"), "{blocks}: {says}");
        assert_eq!(repo.oid("main"), before, "{blocks}: it was not done, and published");
        repo.assert_sound_and_clean();
        if blocks == 40 {
            convoy(&repo, &["resume"]).run().expect_code(2);
            run(&repo, &file).run().expect_code(0);
        } else {
            assert_eq!(status(&repo)["status"], "running", "{blocks}");
            convoy(&repo, &["resume"]).run().expect_code(0);
        }
        assert_landed_once(&repo, TASKS);
        assert_eq!(count(&events(&repo), "task_done"), TASKS.len(), "{blocks}");
        assert_eq!(repo.files("main").len(), TASKS.len() + 1);
        assert_nothing_left(&repo);
        repo.assert_sound_and_clean();
    }
}

#[test]
fn a_log_or_a_worktree_that_finds_no_space_fails_its_task_and_says_so() {
    let repo = ScratchRepo::new();
    repo.write("big.txt", &"0123456789abcde\n".repeat(1 << 17));
    repo.commit("Something big");
    let file = convoy_file(&repo, "worktree", "", &task("a", "max_retries: 0", "write a.txt a"));
    // Twice as much in some shells, and still less than the file.
    run_within(2_000, &repo, &file).expect_code(1);
    let failed = status(&repo)["tasks"][0].clone();
    assert_eq!(failed["failure"]["failure_type"], "worktree-error", "{failed:#}");
    // Where git writes with several processes it puts the name in quotes.
    let said = failed.to_string().replace('\'', "");
    assert!(said.contains("unable to write file big.txt"), "{failed:#}");
    convoy(&repo, &["retry"]).run().expect_code(0);
    assert_landed_once(&repo, ["a"]);

    let repo = ScratchRepo::new();
    let loud = task("loud", "max_retries: 0", "flood 3000000\nwrite a.txt a");
    run_within(2_000, &repo, &convoy_file(&repo, "log", "", &loud)).expect_code(1);
    let failed = status(&repo)["tasks"][0].clone();
    assert!(failed.to_string().contains("log could not be written"), "{failed:#}");
    convoy(&repo, &["retry"]).run().expect_code(0);
    assert_landed_once(&repo, ["loud"]);
    assert_nothing_left(&repo);
}

#[test]
fn more_worktrees_than_there_is_room_for_are_had_one_after_the_other() {
    let repo = ScratchRepo::new();
    // `.ci/run` mounts a disk of 100 MiB: beside the file and its object there is room for two worktrees, not for four.
    let mut random = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random.to_be_bytes()[0]
    });
    std::fs::write(repo.root().join("big"), bytes.take(20 << 20).collect::<Vec<u8>>()).expect("writes");
    repo.commit("Something big");
    let tasks: String = TASKS.iter().map(|id| task(id, "", &format!("write {id}.txt {id}"))).collect();
    let file = convoy_file(&repo, "room", "concurrency: 4", &tasks);
    run(&repo, &file).run().expect_code(0);
    assert_landed_once(&repo, TASKS);
    assert_nothing_left(&repo);
    repo.assert_sound_and_clean();
}
