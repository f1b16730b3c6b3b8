use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use convoy_core::process::{Captured, Command, Limits, Status, Stopped, capture, survivors};
use convoy_tests::{ScratchRepo, adapter, claude_on_path, prompt};
use serde_json::Value;

use crate::AGENT;

/// Runs the agent in the repository with this script, as the engine would.
fn run(repo: &ScratchRepo, args: &[&str], script: &str, limits: &Limits) -> Captured {
    let quoted: Value = serde_json::from_str(&prompt(script)).expect("a prompt is one JSON string");
    start(repo, AGENT, args, quoted.as_str().expect("a prompt is one JSON string"), limits)
}

fn start(repo: &ScratchRepo, program: &str, args: &[&str], prompt: &str, limits: &Limits) -> Captured {
    let mut command = Command::new(program, repo.root()).args(args.iter().copied());
    command.env = repo.environment();
    command.stdin = prompt.as_bytes().to_vec();
    command.cookie = Some(cookie(repo));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let never = tokio_util::sync::CancellationToken::new();
    runtime.block_on(capture(command, limits, &never, 1 << 20)).expect("the agent runs")
}

fn cookie(repo: &ScratchRepo) -> String {
    repo.root().display().to_string()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the agent prints text")
}

#[test]
fn a_script_is_carried_out_line_by_line() {
    let repo = ScratchRepo::new();
    let count = repo.beside("count");
    let script = format!(
        "write src/a.txt first line\nappend src/a.txt second\nset-line src/a.txt 1 \"1st\"\nmkdir d\n\
         symlink a.txt src/link\nwrite gone.txt x\ndelete gone.txt\nwrite x y\nrename x z\nchmod 755 z\n\
         count {0} begin\nsay working\nerr careful\nsh echo from sh\ncommit \"Do it\"\nwrite later.txt left\ncount {0} end",
        count.display()
    );
    let got = run(&repo, &[], &script, &Limits::default());
    assert!(got.exit.success(), "{}", text(&got.stderr));
    assert_eq!((text(&got.stdout), text(&got.stderr)), ("working\nfrom sh\n", "careful\n"));
    assert_eq!(repo.files("HEAD"), ["README.md", "src/a.txt", "src/link", "z"]);
    assert_eq!(repo.tree("HEAD")["src/a.txt"], "1st\nsecond");
    assert!(repo.git(["ls-tree", "HEAD", "z"]).starts_with("100755"));
    assert_eq!(repo.log("HEAD"), ["Do it", "Begin"]);
    assert_eq!(repo.status(), ["?? later.txt"]);
    assert_eq!(fs::read_to_string(count).unwrap(), "begin\nend\n");
}

#[test]
fn a_wrong_script_is_refused_with_its_line() {
    let repo = ScratchRepo::new();
    for (script, expected) in [
        ("frobnicate", "`frobnicate`: no such command"),
        ("write", "a word is missing"),
        ("mkdir d e", "`e` is too much"),
        ("if-sunny say x", "no such command: if-sunny"),
        ("daemonize f loudly", "no such option"),
        ("sh exit 3", "ended with exit status: 3"),
        ("set-line README.md 9 x", "there is no such line"),
    ] {
        let got = run(&repo, &[], script, &Limits::default());
        assert_eq!(got.exit.status, Status::Code(64), "{script}");
        assert!(text(&got.stderr).contains(expected), "{script}: {}", text(&got.stderr));
    }
    let got = start(&repo, AGENT, &[], "no script here", &Limits::default());
    assert!(got.exit.status == Status::Code(64) && text(&got.stderr).contains("no ```script block"));
}

#[test]
fn it_fails_as_often_as_asked_and_looks_at_its_prompt() {
    let repo = ScratchRepo::new();
    let script = format!("fail-times 2 {}\nsay there", repo.beside("failed").display());
    let codes = [(); 3].map(|()| run(&repo, &[], &script, &Limits::default()).exit.status);
    assert_eq!(codes, [Status::Code(1), Status::Code(1), Status::Code(0)]);

    for (script, code) in [
        ("require-prompt Do this", 0),
        ("require-prompt Undo", 65),
        ("if-prompt \"Do this\" exit 3", 3),
        ("if-prompt Undo exit 3", 0),
        ("unless-prompt Undo exit 3", 3),
        ("require-file README.md scratch", 0),
        ("require-file README.md other", 65),
        ("if-exists README.md exit 4", 4),
        ("unless-exists README.md exit 4", 0),
        ("unless-conflict exit 5", 5),
        ("if-conflict exit 5", 0),
    ] {
        let got = run(&repo, &[], script, &Limits::default());
        assert_eq!(got.exit.status, Status::Code(code), "{script}: {}", text(&got.stderr));
    }
}

#[test]
fn conflicts_are_seen_and_resolved_with_both_sides() {
    let repo = ScratchRepo::new();
    repo.git(["switch", "--quiet", "--create", "side"]);
    repo.write("README.md", "theirs\n");
    repo.commit("Theirs");
    repo.git(["switch", "--quiet", "main"]);
    repo.write("README.md", "ours\n");
    repo.commit("Ours");
    assert!(!repo.try_git(["merge", "side"]).status.success());
    let got = run(&repo, &[], "if-conflict resolve\nunless-conflict commit Merge", &Limits::default());
    assert_eq!(text(&got.stdout), "resolved ./README.md\n");
    assert_eq!(repo.read("README.md"), "ours\ntheirs\n");
    assert_eq!(repo.git(["log", "-1", "--format=%s %p"]).split(' ').count(), 3);
    repo.assert_sound_and_clean();
}

#[test]
fn as_claude_it_prints_that_programs_events() {
    let repo = ScratchRepo::new();
    let bin = claude_on_path(&repo.beside(""), AGENT).unwrap();
    let claude = bin.join("claude").display().to_string();
    let script =
        "```script\nsay hello\ntokens 12 3\ncost 0.5\nrate-limit 99\nresult-error limit reached\n```";
    let args = ["-p", "--output-format", "stream-json", "--verbose", "--model", "m1", "--resume", "s7"];
    let got = start(&repo, &claude, &args, script, &Limits::default());
    let events: Vec<Value> =
        text(&got.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["system", "assistant", "rate_limit_event", "result"]);
    assert_eq!((&events[0]["model"], &events[0]["session_id"]), (&"m1".into(), &"s7".into()));
    assert_eq!(events[1]["message"]["content"][0]["text"], "hello");
    assert_eq!(events[2]["rate_limit_info"]["resetsAt"], 99);
    let last = &events[3];
    assert_eq!((&last["is_error"], &last["result"]), (&true.into(), &"limit reached".into()));
    assert_eq!((&last["usage"]["input_tokens"], &last["total_cost_usd"]), (&12.into(), &0.5.into()));
    assert_eq!(got.exit.status, Status::Code(0));

    assert!(text(&start(&repo, &claude, &["--version"], "", &Limits::default()).stdout).starts_with("2."));
    assert!(text(&start(&repo, &claude, &["--help"], "", &Limits::default()).stdout).contains("--resume"));
    let silent = run(&repo, &["--claude"], "say x\nno-result\nexit 2", &Limits::default());
    assert!(silent.exit.status == Status::Code(2) && !text(&silent.stdout).contains("\"result\""));
}

#[test]
fn with_json_it_prints_the_fields_of_its_profile() {
    let repo = ScratchRepo::new();
    let got =
        run(&repo, &["--json", "--resume", "s1"], "say a\nsay b\ntokens 5 6\ncost 2", &Limits::default());
    let last: Value = serde_json::from_slice(&got.stdout).unwrap();
    for (at, value) in [("/result", "a\nb".into()), ("/session_id", "s1".into()), ("/usage/in", 5.into())] {
        assert_eq!(last.pointer(at), Some(&value), "{at}");
        assert!(adapter("/x/agent").contains(at));
    }
    let failed: Value =
        serde_json::from_slice(&run(&repo, &["--json"], "exit 1", &Limits::default()).stdout).unwrap();
    assert_eq!((&failed["is_error"], failed.get("usage")), (&true.into(), None));
}

#[test]
fn what_will_not_end_is_ended_and_nothing_is_left() {
    let repo = ScratchRepo::new();
    let limits = |deadline: Option<u64>| Limits {
        deadline: deadline.map(Duration::from_millis),
        idle: None,
        grace: Duration::from_millis(200),
    };
    let daemon = repo.beside("daemon").display().to_string();
    for (script, deadline, killed) in [
        ("hang".to_owned(), Some(300), false),
        ("ignore-term\nsay deaf\nhang".to_owned(), Some(500), true),
        (format!("daemonize {daemon} quiet\nsay alone"), None, false),
        (format!("daemonize {daemon} ignore-term\nsay alone"), None, true),
        (format!("daemonize {daemon} ignore-term\nignore-term\nhang"), Some(500), true),
        (format!("leave-behind {daemon} ignore-term\nsay behind"), None, true),
        ("linger".to_owned(), Some(300), false),
    ] {
        let _ = fs::remove_file(&daemon);
        let got = run(&repo, &["--claude"], &script, &limits(deadline));
        assert_eq!(got.exit.stopped, deadline.map(|_| Stopped::Deadline), "{script}: {}", text(&got.stderr));
        assert_eq!(got.exit.killed, killed, "{script}");
        assert_eq!(survivors(&cookie(&repo)), [], "{script}");
        if script.contains(&daemon) {
            let pid: u32 = fs::read_to_string(&daemon).unwrap().trim().parse().unwrap();
            assert!(pid > 1, "{script}");
        }
    }
}

#[test]
fn it_waits_for_others_floods_and_dies() {
    let repo = ScratchRepo::new();
    let fifo = repo.fifo("fifo");
    let script = format!("listen {}\nflood 300000\nflood 10 err\nkill-self", fifo.display());
    #[expect(clippy::disallowed_methods, reason = "somebody else writes")]
    let mut writer = std::process::Command::new("/bin/sh")
        .args(["-c", "exec cat > \"$0\""])
        .arg(&fifo)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(b"go").unwrap();
    let got = run(&repo, &[], &script, &Limits::default());
    assert_eq!((got.stdout.len(), got.stderr.len(), got.exit.status), (300_000, 10, Status::Signal(9)));
    writer.wait().unwrap();
}

#[test]
fn it_records_what_it_was_given() {
    let repo = ScratchRepo::new();
    let args = ["--model", "m", "--other"];
    let got = run(&repo, &args, "record-args args\nrecord-env env\nrecord-prompt prompt", &Limits::default());
    assert!(got.exit.success(), "{}", text(&got.stderr));
    assert!(repo.read("args").ends_with("\n--model\nm\n--other\n"));
    assert!(repo.read("env").contains(&format!("CONVOY_ATTEMPT={}\n", cookie(&repo))));
    assert!(repo.read("prompt").starts_with("Do this.\n"));
}
