//! Agent programs: what they are given, and what counts as success.

use convoy_core::engine::EngineBuilder;
use convoy_core::types::ConvoyStatus;
use convoy_tests::{HastyClock, ScratchRepo, claude_on_path, engine, host_env, prompt};

use crate::support::{AGENT, Ran, landed, run_with, scripted};

/// Runs tasks with the scripted agent in the role of `claude`.
async fn as_claude(repo: &ScratchRepo, head: &str, tasks: &str) -> Ran {
    let spec = format!("name: test\nversion: 1\nadapter: claude-code\n{head}\ntasks:\n{tasks}");
    run_with(claude_engine(repo), &spec).await
}

/// A builder with the scripted agent in the role of `claude`.
pub(crate) fn claude_engine(repo: &ScratchRepo) -> EngineBuilder {
    let bin = claude_on_path(&repo.beside(""), AGENT).expect("a folder");
    let mut env = host_env(repo);
    env.insert("PATH".to_owned(), format!("{}:{}", bin.display(), convoy_tests::PATH));
    engine(repo).env(env)
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
async fn what_a_person_must_mend_is_tried_once_by_one_task_for_all() {
    let cases = [
        ("result-error Invalid API key · Please run /login", "auth", "log in"),
        ("err error: unknown option '--verbose'\nno-result\nexit 1", "contract", "adapters:"),
    ];
    for (script, kind, part) in cases {
        let repo = ScratchRepo::new();
        let task = |id: &str| format!("  - {{id: {id}, max_retries: 1, prompt: {}}}\n", prompt(script));
        let ran = as_claude(&repo, "", &format!("{}{}", task("a"), task("b"))).await;
        for (id, attempts) in [("a", 1), ("b", 0)] {
            let failure = ran.failure(id);
            assert_eq!(
                (ran.failed_with(id).as_str(), ran.task(id).attempts),
                (kind, attempts),
                "{failure:?}"
            );
            assert!(failure.message.contains(part), "{part}: {failure:?}");
            assert!(ran.task(id).dead_letter.is_some());
        }
    }
}

#[tokio::test]
async fn a_limit_of_the_provider_is_waited_out_in_the_same_session_without_a_retry() {
    let begin = 1_800_000_000_i64;
    let cases = [
        // The time that it names.
        (format!("rate-limit {}", begin + 120), "You've hit your limit", begin + 120),
        // It names none.
        ("say nothing".to_owned(), "API Error: 529 Overloaded", 0),
    ];
    for (limit, error, until) in cases {
        let repo = ScratchRepo::new();
        let (met, args) =
            (repo.beside("met").display().to_string(), repo.beside("args").display().to_string());
        let script = format!(
            "session s-7\nif-exists {met} record-args {args}\nif-exists {met} write a.txt made\n\
             unless-exists {met} {limit}\nunless-exists {met} result-error {error}\ntouch {met}"
        );
        let tasks = format!("  - {{id: a, max_retries: 0, prompt: {}}}\n", prompt(&script));
        let builder = claude_engine(&repo).clock(HastyClock::at(begin));
        let ran =
            run_with(builder, &format!("name: test\nversion: 1\nadapter: claude\ntasks:\n{tasks}")).await;
        ran.assert_done();
        let parked = ran.events_of("a", "task_parked");
        assert_eq!((parked.len(), &parked[0]["provider"]), (1, &"claude".into()), "{parked:?}");
        if until > 0 {
            assert_eq!(parked[0]["until"], convoy_core::types::Timestamp(until * 1000).to_string());
        }
        let done = ran.events_of("a", "task_assigned").pop().expect("a second attempt");
        assert!(done["timestamp"].as_str() >= parked[0]["until"].as_str(), "{done} {parked:?}");
        assert_eq!((ran.task("a").attempts, ran.events_of("a", "task_retried").len()), (2, 0));
        let args = repo.lines_beside("args");
        assert!(args.windows(2).any(|pair| pair == ["--resume", "s-7"]), "{args:?}");
        assert_eq!(repo.tree("main")["a.txt"], "made");
    }
}
