//! The built-in `claude` on replayed transcripts.

use std::path::{Path, PathBuf};

use super::*;
use crate::agent::{CliAdapter, ProbeContext};
use crate::types::{Cost, Usage};

const SESSION: &str = "0f6c2b1e-1111-4222-8333-944445555666";

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/agent/testdata")
}

/// A request to the impersonator, which replays `transcript` and notes its call in `notes`.
fn replay(notes: &Path, transcript: &str, more: &[(&str, &str)]) -> AgentRequest {
    let mut request = request(notes, 0);
    let data = testdata();
    let transcript = data.join("claude").join(format!("{transcript}.jsonl"));
    let path = format!("{}:/usr/bin:/bin", data.join("bin").display());
    let vars = [
        ("PATH", path.as_str()),
        ("REPLAY_NOTES", notes.to_str().expect("UTF-8")),
        ("REPLAY_STDOUT", transcript.to_str().expect("UTF-8")),
    ];
    for (name, value) in vars.iter().chain(more) {
        request.env.insert((*name).to_owned(), (*value).to_owned());
    }
    request
}

fn usage(input: u64, cached: u64, written: u64, output: u64, dollars: Option<f64>) -> Usage {
    Usage {
        input: Some(input),
        cached_input: Some(cached),
        cache_write: Some(written),
        output: Some(output),
        cost_usd: dollars.map(Cost::from),
    }
}

#[tokio::test]
async fn each_transcript_gives_its_report() {
    use FailureKind as K;
    let full = usage(12, 6789, 1011, 345, Some(0.0123));
    // Transcript, exit code, kind of failure, text of the report or part of the failure's message, usage.
    let cases: [(&str, &str, Option<K>, &str, Usage); 18] = [
        ("success", "0", None, "Added a.txt.", full),
        ("noise", "0", None, "Added a.txt.", full),
        ("empty-result", "0", None, "Added a.txt.", full),
        ("minimal", "0", None, "ok", Usage::default()),
        ("question-after-work", "0", None, "Added a.txt. Anything else?", full),
        ("success", "1", Some(K::Error), "exit code 1", full),
        ("error-in-result", "0", Some(K::Error), "500 internal", usage(0, 0, 0, 0, Some(0.0))),
        ("max-turns", "1", Some(K::TurnLimit), "30 turns", full),
        ("during-execution", "0", Some(K::Error), "no space left", full),
        (
            "rate-limited",
            "1",
            Some(K::RateLimit),
            "(five_hour) is used up until 2026-03-25T14:00:00.000Z. It said",
            usage(0, 0, 0, 0, Some(0.0)),
        ),
        ("overloaded", "1", Some(K::RateLimit), "overloaded", usage(0, 0, 0, 0, Some(0.0))),
        ("logged-out", "1", Some(K::Auth), "log in", usage(0, 0, 0, 0, Some(0.0))),
        ("question", "0", Some(K::NeedsInput), "Which database shall I use?", full),
        ("refused", "0", Some(K::Refused), "refused", full),
        (
            "cut-short",
            "0",
            Some(K::Error),
            "without the message that says it is finished",
            usage(7, 220, 27, 70, None),
        ),
        ("cut-short", "137", Some(K::Error), "exit code 137", usage(7, 220, 27, 70, None)),
        ("subagent", "1", Some(K::Error), "exit code 1", usage(8, 0, 0, 15, None)),
        ("nothing", "0", Some(K::Error), "without the message that says it is finished", Usage::default()),
    ];
    for (transcript, exit, wanted, part, usage) in cases {
        let notes = tempfile::tempdir().expect("a folder");
        let request = replay(notes.path(), transcript, &[("REPLAY_EXIT", exit)]);
        let (report, heard) = execute(&CliAdapter::claude(), request).await;
        let case = format!("{transcript}, exit code {exit}: {report:?}");
        assert_eq!(kind(&report), wanted, "{case}");
        let text = if wanted.is_some() { &failure(&report).message } else { &report.result_text };
        assert!(text.contains(part) && (wanted.is_some() || text == part), "{case}");
        assert_eq!(report.usage, usage, "{case}");
        assert_eq!(report.exit_code, exit.parse().ok(), "{case}");
        let silent = ["nothing", "minimal"].contains(&transcript);
        let session = (!silent).then(|| SessionId::new(SESSION).expect("valid"));
        assert_eq!(report.session, session, "{case}");
        assert_eq!(heard.sessions, session.iter().map(ToString::to_string).collect::<Vec<_>>(), "{case}");
    }
}

#[tokio::test]
async fn error_output_without_a_result_is_explained() {
    let cases = [
        ("error: unknown option '--verbose'", FailureKind::Contract, "update it"),
        ("Not logged in · Please run /login", FailureKind::Auth, "log in"),
        (
            "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons",
            FailureKind::Contract,
            "IS_SANDBOX",
        ),
        ("Segmentation fault", FailureKind::Error, "exit code 1"),
    ];
    for (stderr, wanted, part) in cases {
        let notes = tempfile::tempdir().expect("a folder");
        let request = replay(notes.path(), "nothing", &[("REPLAY_EXIT", "1"), ("REPLAY_STDERR", stderr)]);
        let (report, _) = execute(&CliAdapter::claude(), request).await;
        let failure = failure(&report);
        assert_eq!((&failure.kind, failure.exit_code), (&wanted, Some(1)), "{stderr}");
        assert!(failure.message.contains(part), "{}", failure.message);
        assert_eq!(failure.output_tail.trim(), stderr);
    }
}

#[tokio::test]
async fn it_is_called_as_asked() {
    let base = "-p --output-format stream-json --verbose --permission-mode bypassPermissions --disallowedTools AskUserQuestion";
    let session = SessionId::new(SESSION).expect("valid");
    let resume = format!("{base} --resume {SESSION}");
    let cases = [
        (None, None, false, base.to_owned()),
        (Some("opus"), None, false, format!("{base} --model opus")),
        (None, Some(session.clone()), false, resume.clone()),
        (
            Some("opus"),
            Some(session),
            true,
            format!(
                "{resume} --model opus --permission-mode default --disallowedTools Edit Write NotebookEdit"
            ),
        ),
    ];
    for (model, session, read_only, arguments) in cases {
        let notes = tempfile::tempdir().expect("a folder");
        let mut request = replay(notes.path(), "success", &[("CLAUDECODE", "1"), ("GIT_DIR", "/x")]);
        request.model = model.map(str::to_owned);
        request.session = session;
        request.read_only = read_only;
        request.prompt = "é --help\n".repeat(100_000);
        let (prompt, worker) = (request.prompt.clone(), request.worker.clone());
        let (report, _) = execute(&CliAdapter::claude(), request).await;
        assert_eq!(report.outcome, AgentOutcome::Succeeded);
        let read = |name: &str| std::fs::read_to_string(notes.path().join(name)).expect("noted");
        assert_eq!(read("arguments").lines().collect::<Vec<_>>().join(" "), arguments);
        assert!(read("prompt") == prompt, "the prompt of {} bytes arrives whole", prompt.len());
        let environment = read("environment");
        assert!(environment.contains(&format!("CONVOY_ATTEMPT={worker}")), "{environment}");
        assert!(!environment.contains("CLAUDECODE") && !environment.contains("GIT_DIR"), "{environment}");
    }
}

#[tokio::test]
async fn one_that_does_not_exit_after_its_result_is_ended_and_has_succeeded() {
    let notes = tempfile::tempdir().expect("a folder");
    let request = replay(notes.path(), "success", &[("REPLAY_LINGERS", "1")]);
    let (report, _) = execute(&CliAdapter::claude(), request).await;
    assert_eq!((report.outcome, report.exit_code), (AgentOutcome::Succeeded, None));
}

#[tokio::test]
async fn a_missing_program_is_not_installed_and_its_probe_says_so() {
    let notes = tempfile::tempdir().expect("a folder");
    let mut missing = replay(notes.path(), "success", &[]);
    missing.env.insert("PATH".to_owned(), "/nowhere".to_owned());
    let context = |request: &AgentRequest| ProbeContext {
        env: request.env.clone(),
        cwd: request.cwd.clone(),
        timeout: Duration::from_secs(60),
        cancel: CancellationToken::new(),
    };
    let claude = CliAdapter::claude();
    let error = claude.probe(&context(&missing)).await.expect_err("not there").to_string();
    assert!(error.contains("`claude` is not installed"), "{error}");
    let (report, heard) = execute(&claude, missing).await;
    assert_eq!((kind(&report), heard.started), (Some(FailureKind::NotInstalled), 0));
    let probe = claude.probe(&context(&replay(notes.path(), "success", &[]))).await.expect("there");
    assert_eq!(probe.version.as_deref(), Some("2.1.119 (Claude Code)"));
}
