//! Agents and gates that print a lot, and gates that hang.

use std::fs;

use convoy_tests::{ScratchRepo, claude_on_path};

use crate::support::{AGENT, assert_nothing_left, convoy_file, events, run, status, task};

const GIB: u64 = 1 << 30;

/// The most memory that a process ever had, in KiB. `None` where the system does not tell.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[test]
fn a_gibibyte_of_output_is_in_the_log_and_never_in_memory() {
    let repo = ScratchRepo::new();
    let (printed, go) = (repo.fifo("printed"), repo.fifo("go"));
    let script = format!(
        "flood {}\nflood {} err\ncount {} printed\nlisten {}\nwrite a.txt a",
        GIB / 4 * 3,
        GIB / 4,
        printed.display(),
        go.display()
    );
    // A real program's format: every line may be an event.
    let bin = claude_on_path(&repo.beside(""), AGENT).expect("a link");
    let file = convoy_file(&repo, "output", "", &task("loud", "adapter: claude, max_retries: 0", &script));
    let running = run(&repo, &file).first_in_path(&bin).spawn();
    assert_eq!(fs::read_to_string(printed).expect("a sign of life"), "printed\n");
    let most = peak(running.id());
    fs::write(go, "go").expect("the agent listens");
    running.wait().expect_code(0);
    #[cfg(target_os = "linux")]
    assert!(most.expect("Linux tells") < 64 * 1024, "{most:?} KiB");
    assert_eq!(repo.read("a.txt"), "a\n");
    let convoy = status(&repo)["convoy_id"].as_str().expect("an id").to_owned();
    let log = repo.root().join(".convoy/logs").join(convoy).join("0-loud/attempt-1.log");
    let size = fs::metadata(log).expect("a log").len();
    // Beside its first and its last event.
    assert!((GIB..GIB + 4096).contains(&size), "{size}");
    let database = fs::metadata(repo.root().join(".convoy/convoy.db")).expect("a store").len();
    assert!(database < 1 << 20, "{database}");
    assert_nothing_left(&repo);
}

#[test]
fn a_loud_gate_passes_and_one_that_hangs_is_ended() {
    let repo = ScratchRepo::new();
    let loud = "gates: [\"head -c 10485760 /dev/zero | tr '\\\\0' x\", \"head -c 10485760 /dev/zero >&2\"]";
    // The second is deaf, and has a child that holds the pipes.
    let hangs = "max_retries: 0, gate_timeout: 1, gates: [\"sleep 600\"]";
    let deaf = "max_retries: 0, gate_timeout: 1, gates: [\"trap '' TERM; sleep 600 & sleep 600; sleep 600\"]";
    let tasks = [
        task("loud", loud, "write loud.txt x"),
        task("hangs", hangs, "write hangs.txt x"),
        task("deaf", deaf, "write deaf.txt x"),
    ];
    run(&repo, &convoy_file(&repo, "gates", "concurrency: 3", &tasks.concat())).run().expect_code(1);
    assert_eq!(repo.files("main"), ["README.md", "loud.txt"]);
    let status = status(&repo);
    let task = |n: usize, field: &str| status["tasks"][n][field].clone();
    assert_eq!([0, 1, 2].map(|n| task(n, "status")), ["done", "gate-failed", "gate-failed"]);
    for n in [1, 2] {
        let failure = task(n, "failure");
        assert!(failure["failure_type"].as_str().is_some_and(|kind| kind.starts_with("gate:")), "{failure}");
    }
    let results = events(&repo).into_iter().filter(|event| event["type"] == "gate_result");
    let passed: Vec<_> = results.map(|event| event["passed"].clone()).collect();
    assert_eq!(passed.iter().filter(|passed| **passed == true).count(), 2, "{passed:?}");
    let convoy = status["convoy_id"].as_str().expect("an id");
    let log = repo.root().join(".convoy/logs").join(convoy).join("0-loud/attempt-1.check.log");
    assert!(fs::metadata(log).expect("a log").len() >= 2 * 10_485_760);
    assert_nothing_left(&repo);
    repo.assert_sound_and_clean();
}
