//! Programs that do not end, and programs that print much.

use convoy_core::process::survivors;
use convoy_tests::{ScratchRepo, engine, prompt};

use crate::support::{landed, quoted, run_with, scripted};

#[tokio::test]
async fn a_time_limit_ends_an_agent_that_ignores_it_and_everything_it_started() {
    let repo = ScratchRepo::new();
    let daemon = repo.beside("daemon");
    let script = format!("daemonize {} ignore-term\nwrite a.txt half\nignore-term\nhang", daemon.display());
    let tasks = format!("  - {{id: a, timeout: 1s, max_retries: 0, prompt: {}}}\n", prompt(&script));
    let ran = run_with(engine(&repo), &scripted("", &tasks)).await;
    assert_eq!((ran.statuses().as_str(), ran.failed_with("a").as_str()), ("a=timed-out", "timeout"));
    assert_eq!(ran.events_of("a", "worker_killed")[0]["reason"], "timeout");
    assert!(daemon.exists(), "the grandchild was started");
    assert_eq!(survivors(ran.outcome.view.convoy_id.as_str()), []);
    // What it had done is kept for a person.
    let kept = format!("refs/convoy/{}/0-a/attempt-1", ran.outcome.view.convoy_id);
    assert_eq!(repo.tree(&kept)["a.txt"], "half");
}

#[tokio::test]
async fn a_gate_may_print_as_much_as_it_likes_but_not_hang() {
    let repo = ScratchRepo::new();
    let much = quoted("head -c 10485760 /dev/zero | tr '\\0' x; echo; echo the end");
    let hangs = quoted("trap '' TERM; (trap '' TERM; sleep 1000) & wait; sleep 1000");
    let tasks = format!(
        "  - {{id: much, prompt: {script}, gates: [{much}]}}\n  \
         - {{id: hangs, prompt: {script}, gates: [{hangs}], gate_timeout: 1, max_retries: 0}}\n",
        script = prompt("say done")
    );
    let ran = run_with(engine(&repo), &scripted("", &tasks)).await;
    assert_eq!(ran.statuses(), "much=done hangs=gate-failed");
    let result = &ran.events_of("much", "gate_result")[0];
    let output = result["output"].as_str().expect("a text");
    assert!(output.ends_with("the end\n") && output.len() < 64 * 1024, "{} bytes", output.len());
    let log = format!(".convoy/logs/{}/0-much/attempt-1.check.log", ran.outcome.view.convoy_id);
    let log = std::fs::metadata(repo.root().join(log)).expect("the log");
    assert!(log.len() > 10 << 20, "the log file has all of it: {} bytes", log.len());
    assert!(ran.failure("hangs").message.contains("1 s"), "{:?}", ran.failure("hangs"));
    assert_eq!(survivors(ran.outcome.view.convoy_id.as_str()), []);
    assert_eq!(landed(&repo, "main"), [""; 0], "there was nothing to land");
}
