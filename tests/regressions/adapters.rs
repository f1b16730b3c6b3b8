//! Agent programs: what they are given, and what counts as success.

use convoy_core::types::ConvoyStatus;
use convoy_tests::{ScratchRepo, claude_on_path, engine, host_env, prompt};

use crate::support::{AGENT, Ran, landed, run_with, scripted};

/// Runs tasks with the scripted agent in the role of `claude`.
async fn as_claude(repo: &ScratchRepo, head: &str, tasks: &str) -> Ran {
    let bin = claude_on_path(&repo.beside(""), AGENT).expect("a folder");
    let mut env = host_env(repo);
    env.insert("PATH".to_owned(), format!("{}:{}", bin.display(), convoy_tests::PATH));
    let spec = format!("name: test\nversion: 1\nadapter: claude-code\n{head}\ntasks:\n{tasks}");
    run_with(engine(repo).env(env), &spec).await
}

#[tokio::test]
async fn the_model_of_a_task_reaches_the_program() {
    for with_claude in [true, false] {
        let repo = ScratchRepo::new();
        let record = |id: &str| prompt(&format!("record-args {}", repo.beside(id).display()));
        let tasks = format!(
            "  - {{id: own, model: model-7, prompt: {}}}\n  - {{id: default, prompt: {}}}\n",
            record("own"),
            record("default")
        );
        let head = "defaults: {model: model-3}";
        let ran = match with_claude {
            true => as_claude(&repo, head, &tasks).await,
            false => run_with(engine(&repo), &scripted(head, &tasks)).await,
        };
        ran.assert_done();
        for (id, model) in [("own", "model-7"), ("default", "model-3")] {
            let args = repo.lines_beside(id);
            let at = args.iter().position(|arg| arg == "--model").unwrap_or_else(|| panic!("{args:?}"));
            assert_eq!(args[at + 1], model, "{args:?}");
            assert_eq!(args.iter().filter(|arg| arg.starts_with("--model")).count(), 1, "{args:?}");
            assert_eq!(ran.events_of(id, "task_started")[0]["model"], model);
        }
    }
}

#[tokio::test]
async fn an_error_in_the_result_fails_the_attempt_whatever_the_exit_code() {
    let script = prompt("write a.txt half\nresult-error the tests do not pass\nexit 0");
    for with_claude in [true, false] {
        let repo = ScratchRepo::new();
        let tasks = format!("  - {{id: a, max_retries: 0, prompt: {script}}}\n");
        let ran = match with_claude {
            true => as_claude(&repo, "", &tasks).await,
            false => run_with(engine(&repo), &scripted("", &tasks)).await,
        };
        assert_eq!((ran.status(), ran.failed_with("a").as_str()), (ConvoyStatus::Failed, "error"));
        let failure = ran.failure("a");
        assert!(
            failure.message.contains("the tests do not pass") && failure.exit_code == Some(0),
            "{failure:?}"
        );
        assert_eq!(landed(&repo, "main"), [""; 0]);
    }
}

#[tokio::test]
async fn a_program_that_says_nothing_at_its_end_has_failed() {
    let repo = ScratchRepo::new();
    let tasks = format!("  - {{id: a, max_retries: 0, prompt: {}}}\n", prompt("say done\nno-result"));
    let ran = as_claude(&repo, "", &tasks).await;
    assert_eq!(ran.failed_with("a"), "error");
    assert!(ran.failure("a").message.contains("finished"), "{:?}", ran.failure("a"));
}

#[tokio::test]
async fn a_retry_of_claude_continues_its_session_in_the_same_place() {
    let repo = ScratchRepo::new();
    let (count, args) =
        (repo.beside("count").display().to_string(), repo.beside("args").display().to_string());
    let script = format!(
        "session s-42\nsh pwd >> {args}-where\nunless-exists {count} record-args {args}-1\n\
         if-exists {count} record-args {args}-2\nfail-times 1 {count}\nwrite a.txt a"
    );
    let ran =
        as_claude(&repo, "", &format!("  - {{id: a, max_retries: 1, prompt: {}}}\n", prompt(&script))).await;
    ran.assert_done();
    let (first, second) = (repo.lines_beside("args-1"), repo.lines_beside("args-2"));
    for args in [&first, &second] {
        let has = |words: [&str; 2]| args.windows(2).any(|pair| pair == words);
        assert!(
            has(["--output-format", "stream-json"]) && args.contains(&"--verbose".to_owned()),
            "{args:?}"
        );
    }
    assert!(!first.contains(&"--resume".to_owned()), "{first:?}");
    assert!(second.windows(2).any(|pair| pair == ["--resume", "s-42"]), "{second:?}");
    let sessions: Vec<_> =
        ran.events_of("a", "task_started").iter().map(|event| event["session"].clone()).collect();
    assert_eq!(sessions, ["fresh", "continued"]);
    let places = repo.lines_beside("args-where");
    assert!(places.len() == 2 && places[0] == places[1], "{places:?}");
}

#[tokio::test]
async fn limits_of_the_provider_fail_the_attempt_and_what_a_person_must_mend_is_not_retried() {
    let cases = [
        (
            "rate-limit 4102444800\nresult-error You've hit your limit",
            "rate-limit",
            2,
            &["not supported yet", "2100-01-01T00:00:00"][..],
        ),
        ("result-error API Error: 529 Overloaded", "rate-limit", 2, &["overloaded", "not supported yet"]),
        ("result-error Invalid API key · Please run /login", "auth", 1, &["log in"]),
        ("err error: unknown option '--verbose'\nno-result\nexit 1", "contract", 1, &["adapters:"]),
    ];
    for (script, kind, attempts, parts) in cases {
        let repo = ScratchRepo::new();
        let tasks = format!("  - {{id: a, max_retries: 1, prompt: {}}}\n", prompt(script));
        let ran = as_claude(&repo, "", &tasks).await;
        let failure = ran.failure("a");
        assert_eq!((ran.failed_with("a").as_str(), ran.task("a").attempts), (kind, attempts), "{failure:?}");
        for part in parts {
            assert!(failure.message.contains(part), "{part}: {failure:?}");
        }
    }
}
