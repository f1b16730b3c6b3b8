use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use convoy_tests::{ConvoyCmd, ScratchRepo};

#[test]
fn a_scratch_repository_is_hermetic_and_tells_what_it_holds() {
    let repo = ScratchRepo::new();
    let first = repo.oid("main");
    repo.write("a folder/ä.txt", "one\n");
    assert_eq!(repo.status().len(), 1);
    let second = repo.commit("Add a file");
    assert_ne!(first, second);
    assert_eq!(repo.log("main"), ["Add a file", "Begin"]);
    assert_eq!(repo.files("main"), ["README.md", "a folder/ä.txt"]);
    assert_eq!(repo.tree("main")["a folder/ä.txt"], "one");
    assert_eq!(
        repo.refs("refs/heads/").into_iter().collect::<Vec<_>>(),
        [("refs/heads/main".into(), second)]
    );
    assert_eq!(repo.worktrees(), [repo.root().canonicalize().unwrap()]);
    repo.assert_sound_and_clean();
    assert_eq!(
        repo.git(["config", "--list", "--show-scope"])
            .lines()
            .filter(|line| !line.starts_with("local"))
            .count(),
        0
    );

    repo.write("a folder/ä.txt", "two\n");
    assert!(catch_unwind(AssertUnwindSafe(|| repo.assert_sound_and_clean())).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| repo.git(["no-such-command"]))).is_err());
    assert!(!repo.try_git(["rev-parse", "--verify", "nowhere"]).status.success());
}

#[test]
fn the_program_under_test_gets_a_clean_environment_and_is_read_along() {
    let repo = ScratchRepo::empty("with blank");
    let shell = |text: &str| ConvoyCmd::new("/bin/sh", &repo).args(["-c", text]);
    let outcome = shell("pwd; env; echo no >&2; exit 5").env("EXTRA", "1").run().expect_code(5);
    assert!(
        outcome.stdout.contains("/with blank\n") && outcome.stdout.contains("EXTRA=1"),
        "{}",
        outcome.stdout
    );
    assert!(!outcome.stdout.contains("CARGO"), "{}", outcome.stdout);
    assert_eq!(outcome.stderr, "no\n");
    assert!(catch_unwind(|| outcome.expect_code(0)).is_err());

    let mut running = shell("echo one; exit 7").spawn();
    assert_eq!(running.wait_for_line("two"), None);
    assert_eq!(running.wait().expect_code(7).stdout, "one\n");

    let fifo = repo.fifo("fifo");
    let text = format!("trap 'echo caught; exit 130' INT; echo; echo ready; read x < '{}'", fifo.display());
    let mut running = shell(&text).spawn();
    assert_eq!(running.wait_for_line("ready").as_deref(), Some("ready"));
    running.interrupt();
    let outcome = running.wait().expect_code(130);
    assert_eq!(outcome.stdout, "\nready\ncaught\n");

    let mut running = shell("echo ready; exec cat /dev/zero >/dev/null").spawn();
    running.wait_for_line("ready");
    running.kill();
    assert_eq!(running.wait_unread().signal, Some(9));
}

#[test]
fn a_fifo_lets_a_test_wait_for_an_agent_without_sleeping() {
    let repo = ScratchRepo::new();
    let fifo = repo.fifo("news");
    let text = format!("echo done > '{}'", fifo.display());
    let running = ConvoyCmd::new("/bin/sh", &repo).args(["-c", &text]).spawn();
    assert_eq!(fs::read_to_string(&fifo).unwrap(), "done\n");
    running.wait().expect_code(0);
}
