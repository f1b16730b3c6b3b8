//! Attempts that are cut off: what their agents had made is there when their sessions go on, or they begin anew.

use convoy_core::engine::RunEvent;
use convoy_core::event::{RequestKind, RunOptions};
use convoy_tests::{HastyClock, ScratchRepo, prompt};

use crate::adapters::claude_engine;
use crate::support::{Ran, finish, kept, run_with};

/// When the clock begins, in seconds after 1970.
const BEGIN: i64 = 1_800_000_000;

fn spec(head: &str, tasks: &str) -> String {
    format!("name: test\nversion: 1\nadapter: claude\n{head}\ntasks:\n{tasks}")
}

/// The prompt of an attempt of the first task, `a`, as it was sent.
fn sent(repo: &ScratchRepo, ran: &Ran, attempt: u32) -> String {
    let path = format!(".convoy/logs/{}/0-a/attempt-{attempt}.prompt.md", ran.outcome.view.convoy_id);
    repo.read(&path)
}

fn sessions(ran: &Ran) -> Vec<String> {
    let started = ran.events_of("a", "task_started");
    started.iter().map(|event| event["session"].as_str().expect("said").to_owned()).collect()
}

/// An agent that makes something, meets a limit, and has nothing left to do when it is asked again.
fn limited(repo: &ScratchRepo) -> String {
    let met = repo.beside("met").display().to_string();
    format!(
        "session s-1\nif-exists {met} record-args {args}\nif-exists {met} sh git status --porcelain > {status}\n\
         if-exists {met} exit 0\nwrite work.txt made\ncommit Mine\nwrite more.txt made\n\
         rate-limit {until}\nresult-error You've hit your limit\ntouch {met}",
        args = repo.beside("args").display(),
        status = repo.beside("status").display(),
        until = BEGIN + 120,
    )
}

#[tokio::test]
async fn a_session_that_a_limit_cut_off_finds_its_files_when_it_goes_on() {
    for with_steps in [false, true] {
        let repo = ScratchRepo::new();
        let once = repo.beside("once").display().to_string();
        let first = format!("session s-1\nunless-exists {once} write first.txt made\ntouch {once}");
        let tasks = match with_steps {
            false => format!("  - {{id: a, max_retries: 0, prompt: {}}}\n", prompt(&limited(&repo))),
            true => format!(
                "  - {{id: a, max_retries: 0, prompt: Task., steps: [{{prompt: {}}}, {{prompt: {}}}]}}\n",
                prompt(&first),
                prompt(&limited(&repo))
            ),
        };
        let ran = run_with(claude_engine(&repo).clock(HastyClock::at(BEGIN)), &spec("", &tasks)).await;
        ran.assert_done();
        assert_eq!(ran.events_of("a", "task_done")[0]["no_changes"], false);
        let mut files = vec!["README.md", "first.txt", "more.txt", "work.txt"];
        files.retain(|file| with_steps || *file != "first.txt");
        assert_eq!(repo.files("main"), files);
        assert_eq!(sessions(&ran), ["fresh", "continued"]);
        assert!(repo.lines_beside("args").windows(2).any(|pair| pair == ["--resume", "s-1"]));
        let staged: Vec<String> = files[1..].iter().map(|file| format!("A  {file}")).collect();
        assert_eq!(repo.lines_beside("status"), staged, "all of it is there as staged changes");
        let text = sent(&repo, &ran, 2);
        assert_eq!(text.matches("You were cut off").count(), 1, "{text}");
        assert!(!text.contains("has moved meanwhile"), "{text}");
        repo.assert_sound_and_clean();
    }
}

#[tokio::test]
async fn work_that_was_put_back_is_judged_with_the_rest() {
    let repo = ScratchRepo::new();
    let tasks = format!(
        "  - {{id: a, max_retries: 0, files: [src/], built_in_gates: {{partition: true}}, prompt: {}}}\n",
        prompt(&limited(&repo))
    );
    let ran = run_with(claude_engine(&repo).clock(HastyClock::at(BEGIN)), &spec("", &tasks)).await;
    assert_eq!(ran.failed_with("a"), "gate:partition");
}

/// Runs `a` until it hangs and `b` has landed, interrupts the convoy and resumes it.
async fn interrupted(repo: &ScratchRepo, makes: &str, other: &str) -> Ran {
    let (met, fifo) = (repo.beside("met").display().to_string(), repo.fifo("hangs"));
    let script = format!(
        "session s-1\nsay at work\nif-exists {met} record-args {args}\n\
         if-exists {met} if-prompt \"could not be kept as a commit\" write work.txt again\n\
         if-exists {met} if-prompt \"is kept as the git ref\" write work.txt again\n\
         if-exists {met} exit 0\n{makes}\ntouch {met}\ncount {fifo} hangs\nhang",
        args = repo.beside("args").display(),
        fifo = fifo.display(),
    );
    let task =
        |id: &str, script: &str| format!("  - {{id: {id}, max_retries: 0, prompt: {}}}\n", prompt(script));
    let text = spec("concurrency: 2", &format!("{}{}", task("a", &script), task("b", other)));
    let engine = claude_engine(repo).build().await.expect("an engine");
    let run = engine.start(&text, RunOptions::default()).await.expect("started");
    tokio::task::spawn_blocking(move || std::fs::read(fifo)).await.expect("a thread").expect("it hangs");
    let mut events = run.subscribe(0);
    while let Some(event) = events.next().await.expect("an event") {
        if matches!(&event, RunEvent::Recorded(record) if record.event.type_name() == "task_done") {
            run.request(RequestKind::Interrupt { reason: "test".to_owned() }).expect("asked");
        }
    }
    run.wait().await.expect("an outcome");
    let ran = finish(&engine, &engine.resume(None).await.expect("resumed")).await;
    engine.shutdown().await;
    ran
}

#[tokio::test]
async fn a_session_that_was_interrupted_goes_on_only_where_its_files_can_be() {
    let inner = "sh git init -q inner && cd inner && git -c user.name=a -c user.email=a@b.invalid commit -q \
                 --allow-empty -m inner";
    let cases = [
        // What `a` makes before it is interrupted, what `b` makes, why the session does not go on.
        ("write work.txt made", "say nothing to do", None, "on the commit that you began with"),
        ("write work.txt made", "write other.txt made", None, "has moved meanwhile"),
        ("write work.txt made", "write work.txt other", Some("conflicts with"), "/attempt-1`"),
        ("write work.txt made\nsymlink /etc out", "say nothing", Some("symbolic links"), "/attempt-1`"),
        (inner, "say nothing to do", Some("could not be kept as a commit"), ".kept-1"),
    ];
    for (makes, other, fresh, told) in cases {
        let repo = ScratchRepo::new();
        let ran = interrupted(&repo, makes, other).await;
        ran.assert_done();
        let (landed, continued) = (if fresh.is_none() { "made\n" } else { "again\n" }, fresh.is_none());
        assert_eq!(repo.tree("main")["work.txt"].trim_end(), landed.trim_end(), "{makes}");
        let (sessions, text) = (sessions(&ran), sent(&repo, &ran, 2));
        match fresh {
            None => assert_eq!(sessions, ["fresh", "continued"]),
            Some(why) => {
                assert!(sessions[1].starts_with("fresh: ") && sessions[1].contains(why), "{sessions:?}")
            }
        }
        assert_eq!(repo.lines_beside("args").contains(&"--resume".to_owned()), continued, "{makes}");
        assert!(text.contains(told) && text.contains("cut off"), "{told}: {text}");
        if makes != inner {
            assert!(kept(&repo).contains(&"0-a/attempt-1".to_owned()), "{:?}", kept(&repo));
        }
    }
}

#[tokio::test]
async fn feedback_names_the_attempt_that_failed_also_after_one_that_was_cut_off() {
    let repo = ScratchRepo::new();
    let (first, second) =
        (repo.beside("first").display().to_string(), repo.beside("second").display().to_string());
    let limited = format!("if-exists {first} unless-exists {second}");
    let script = format!(
        "session s-1\nif-exists {second} write good.txt good\n{limited} rate-limit {}\n\
         {limited} result-error You've hit your limit\nif-exists {first} touch {second}\n\
         write work.txt made\ntouch {first}",
        BEGIN + 120
    );
    let tasks =
        format!("  - {{id: a, max_retries: 1, gates: [test -e good.txt], prompt: {}}}\n", prompt(&script));
    let ran = run_with(claude_engine(&repo).clock(HastyClock::at(BEGIN)), &spec("", &tasks)).await;
    ran.assert_done();
    assert_eq!(ran.task("a").attempts, 3);
    let text = sent(&repo, &ran, 3);
    assert!(text.starts_with("Attempt 1 at this task failed (gate:"), "{text}");
    assert!(text.contains("/0-a/attempt-1`") && !text.contains("attempt-2"), "{text}");
}
