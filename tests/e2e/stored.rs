//! A convoy is what was started, whatever becomes of its file.

use std::fs;

use convoy_tests::ScratchRepo;

use crate::support::{assert_landed_once, assert_nothing_left, convoy, convoy_file, run, task};

#[test]
fn a_resumed_convoy_is_the_one_that_was_started() {
    for gone in [false, true] {
        let repo = ScratchRepo::new();
        let tasks = [
            task("first", "", "write first.txt x"),
            task("second", "depends_on: [first], approve: before_run", "write second.txt as-started"),
        ];
        let file = convoy_file(&repo, "stored", "", &tasks.concat());
        let mut running = run(&repo, &file).spawn();
        assert!(running.wait_for_line("task_done").is_some());
        running.interrupt();
        running.wait().expect_code(130);
        if gone {
            fs::remove_file(&file).expect("removed");
        } else {
            let text = fs::read_to_string(&file).expect("a file").replace("as-started", "changed");
            fs::write(&file, text + &task("third", "", "write third.txt x")).expect("written");
        }
        convoy(&repo, &["approve", "second"]).run().expect_code(0);
        convoy(&repo, &["resume"]).run().expect_code(0);
        assert_eq!(repo.read("second.txt"), "as-started\n");
        assert_landed_once(&repo, ["first", "second"]);
        // A file is no convoy: nobody resumes one with another spec by mistake.
        let refused = convoy(&repo, &["resume", file.to_str().expect("UTF-8")]).run();
        assert!(refused.code != Some(0) && refused.stderr.contains("no convoy"), "{refused:?}");
        assert_nothing_left(&repo);
    }
}
