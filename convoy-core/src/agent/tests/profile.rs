//! Profiles of users' own programs, on shell scripts.

use std::sync::Arc;

use super::*;
use crate::agent::conformance::{self, Act, Subject};
use crate::agent::{AgentError, CliAdapter, ProbeContext};
use crate::spec::OutputFormat::{Json, Jsonl, Text};
use crate::spec::{CliProfile, EnvValue, FieldMap, OutputFormat, PromptVia, TerminalField, UsageMode};
use crate::types::{Cost, Usage};

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// A program that is this shell script.
fn shell(script: &str, output: OutputFormat, fields: FieldMap) -> CliProfile {
    CliProfile { command: strings(&["/bin/sh", "-c", script]), output, fields, ..CliProfile::default() }
}

fn adapter(profile: CliProfile) -> CliAdapter {
    CliAdapter::new("mine", profile).expect("a valid profile")
}

fn fields() -> FieldMap {
    let pointer = |text: &str| Some(text.to_owned());
    FieldMap {
        result: pointer("/result"),
        session: pointer("/id"),
        error: pointer("/error"),
        terminal: Some(TerminalField { pointer: "/type".to_owned(), value: "end".to_owned() }),
        input_tokens: pointer("/usage/in"),
        output_tokens: pointer("/usage/out"),
        cost_usd: pointer("/cost"),
        usage: UsageMode::Final,
    }
}

/// The outcome as one word, then session, text, input, output and millionths of a dollar.
fn summary(report: &AgentReport) -> String {
    let outcome = kind(report).map_or_else(|| "ok".to_owned(), |kind| kind.to_string());
    let session = report.session.as_ref().map_or("-", |session| session.as_str());
    let Usage { input, output, cost_usd, .. } = report.usage;
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let cost = number(cost_usd.map(|Cost(cost)| cost));
    format!("{outcome} {session} {:?} {} {} {cost}", report.result_text.trim(), number(input), number(output))
}

fn no_end() -> FieldMap {
    FieldMap { terminal: None, ..fields() }
}

fn no_result() -> FieldMap {
    FieldMap { result: None, ..no_end() }
}

fn running() -> FieldMap {
    FieldMap { usage: UsageMode::Running, ..fields() }
}

fn summed() -> FieldMap {
    FieldMap { usage: UsageMode::Sum, ..fields() }
}

const TURNS: &str = r#"echo '{"id":"s","usage":{"in":5,"out":1},"cost":0.5}'; echo '{"usage":{"in":7,"out":2}}'; echo '{"type":"end"}'"#;

/// What it is, format, pointers, script, and the summary of the report.
type Case = (&'static str, OutputFormat, fn() -> FieldMap, &'static str, &'static str);

const CASES: [Case; 19] = [
    ("plain text and exit code 0", Text, FieldMap::default, "echo hello", r#"ok - "hello" - - -"#),
    ("plain text and exit code 3", Text, FieldMap::default, "echo hello; exit 3", r#"error - "hello" - - -"#),
    (
        "a document over several lines",
        Json,
        fields,
        "printf '{\n\"type\": \"end\",\n\"id\": \"s\", \"result\": \"r\",\"usage\":{\"in\":1,\"out\":2},\"cost\":0.25}\n'",
        r#"ok s "r" 1 2 250000"#,
    ),
    (
        "a notice in front of the document",
        Json,
        no_end,
        r#"echo 'Update available'; echo '{"result":{"a":1}}'"#,
        r#"ok - "{\"a\":1}" - - -"#,
    ),
    ("no document where one ends the run", Json, fields, "echo oops", r#"error - "oops" - - -"#),
    (
        "a document with an error, exit code 0",
        Json,
        no_end,
        r#"echo '{"error":"bad","result":"r"}'"#,
        r#"error - "r" - - -"#,
    ),
    (
        "an error flag that is false",
        Json,
        no_end,
        r#"echo '{"error":false,"result":"r"}'"#,
        r#"ok - "r" - - -"#,
    ),
    (
        "lines, with text between them",
        Jsonl,
        fields,
        r#"echo hm; echo '{"id":"s"}'; echo '[1]'; echo '{"type":"end","result":"r","usage":{"in":1.0,"out":-2},"cost":"x"}'"#,
        r#"ok s "r" 1 - -"#,
    ),
    (
        "the last line without a line break",
        Jsonl,
        fields,
        r#"printf '{"type":"end","result":"r"}'"#,
        r#"ok - "r" - - -"#,
    ),
    (
        "an error that was overcome",
        Jsonl,
        fields,
        r#"echo '{"error":"again"}'; echo '{"type":"end","result":"r"}'"#,
        r#"ok - "r" - - -"#,
    ),
    (
        "an error in the end",
        Jsonl,
        fields,
        r#"echo '{"type":"end","error":true,"result":"r"}'"#,
        r#"error - "r" - - -"#,
    ),
    ("no end", Jsonl, fields, r#"echo '{"result":"r"}'"#, r#"error - "r" - - -"#),
    (
        "the end, then exit code 1",
        Jsonl,
        fields,
        r#"echo '{"type":"end","result":"r"}'; exit 1"#,
        r#"error - "r" - - -"#,
    ),
    ("no pointer to the text", Jsonl, no_result, r#"echo '{"a":1}'; echo b"#, r#"ok - "{\"a\":1}\nb" - - -"#),
    ("usage of the end only", Jsonl, fields, TURNS, r#"ok s "" - - -"#),
    ("usage as a running total", Jsonl, running, TURNS, r#"ok s "" 7 2 500000"#),
    ("usage as a sum", Jsonl, summed, TURNS, r#"ok s "" 12 3 500000"#),
    (
        "usage of the last that has any",
        Jsonl,
        no_end,
        r#"echo '{"usage":{"in":5}}'; echo '{"result":"r"}'"#,
        r#"ok - "r" 5 - -"#,
    ),
    (
        "a session id that is none",
        Jsonl,
        fields,
        r#"echo '{"id":"--x"}'; echo '{"type":"end"}'"#,
        r#"ok - "" - - -"#,
    ),
];

#[tokio::test]
async fn output_is_read_as_the_profile_says() {
    for (name, output, fields, script, wanted) in CASES {
        let folder = tempfile::tempdir().expect("a folder");
        let (report, _) = execute(&adapter(shell(script, output, fields())), request(folder.path(), 1)).await;
        assert_eq!(summary(&report), wanted, "{name}: {report:?}");
    }
}

#[tokio::test]
async fn one_document_ends_the_run_of_a_program_that_does_not_exit() {
    let folder = tempfile::tempdir().expect("a folder");
    let lingers = shell(r#"echo '{"type":"end","result":"r"}'; exec sleep 1000"#, Json, fields());
    let (report, _) = execute(&adapter(lingers), request(folder.path(), 10)).await;
    assert_eq!((kind(&report), report.result_text.as_str(), report.exit_code), (None, "r", None));
}

#[tokio::test]
async fn what_a_profile_cannot_do_is_refused_before_anything_is_started() {
    let profile = CliProfile {
        command: strings(&["/bin/echo", "{{prompt}}"]),
        prompt: PromptVia::Arg,
        ..CliProfile::default()
    };
    let missing = CliProfile {
        env: BTreeMap::from([("KEY".to_owned(), EnvValue::FromEnv("NOT_SET".to_owned()))]),
        ..profile.clone()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let plain = request(folder.path(), 2);
    let cases = [
        (&profile, AgentRequest { prompt: "x".repeat(128 * 1024), ..plain.clone() }, "use `prompt: stdin`"),
        (
            &profile,
            AgentRequest { model: Some("m".to_owned()), ..plain.clone() },
            "cannot be given the model \"m\"",
        ),
        (&profile, AgentRequest { session: SessionId::new("s").ok(), ..plain.clone() }, "no `resume`"),
        (&profile, AgentRequest { read_only: true, ..plain.clone() }, "cannot be kept from writing"),
        (&missing, plain.clone(), "NOT_SET from the environment, where it is not set"),
    ];
    for (profile, request, part) in cases {
        let (report, heard) = execute(&adapter(profile.clone()), request).await;
        let failure = failure(&report);
        assert_eq!((&failure.kind, heard.started), (&FailureKind::Contract, 0), "{part}");
        assert!(failure.message.contains(part) && failure.message.contains("mine"), "{}", failure.message);
    }
    let longest = AgentRequest { prompt: "x".repeat(128 * 1024 - 1), ..plain };
    let (report, heard) = execute(&adapter(profile), longest).await;
    assert_eq!((kind(&report), heard.bytes), (None, 128 * 1024));
}

#[tokio::test]
async fn a_session_a_model_and_the_environment_reach_the_program_as_arguments() {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = CliProfile {
        command: strings(&["/bin/false"]),
        resume: Some(strings(&["/bin/sh", "-c", "echo \"$0 $* $KEY\"; cat", "{{session}}"])),
        model: Some(strings(&["--model", "{{model}}"])),
        read_only: Some(strings(&["--no-write"])),
        env: BTreeMap::from([("KEY".to_owned(), EnvValue::FromEnv("TOKEN".to_owned()))]),
        ..CliProfile::default()
    };
    let mut request = request(folder.path(), 3);
    request.session = SessionId::new("$(id)").ok();
    request.model = Some("a b; {{session}}".to_owned());
    request.read_only = true;
    request.env.insert("TOKEN".to_owned(), "t0ken".to_owned());
    let (report, _) = execute(&adapter(profile), request).await;
    assert_eq!(report.result_text, "$(id) --model a b; {{session}} --no-write t0ken\nDo it.");
}

#[tokio::test]
async fn silence_and_the_time_limit_are_failures_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let hang = shell("echo a; exec sleep 1000", OutputFormat::Text, FieldMap::default());
    let soon = Duration::from_millis(300);
    let mut idle = request(folder.path(), 4);
    idle.idle = Some(soon);
    let (report, _) = execute(&adapter(hang.clone()), idle).await;
    assert_eq!((kind(&report), report.result_text.trim()), (Some(FailureKind::Idle), "a"));
    let mut timeout = request(folder.path(), 5);
    timeout.timeout = soon;
    let (report, _) = execute(&adapter(hang), timeout).await;
    assert_eq!(kind(&report), Some(FailureKind::Timeout));
    assert!(failure(&report).message.contains("time limit of 300 ms"), "{report:?}");
}

#[tokio::test]
async fn a_flood_of_output_is_read_in_bounded_memory() {
    let script = r#"head -c 100000000 /dev/zero | tr '\0' x; echo; yes '{"usage":{"in":1}}' | head -n 200000; echo '{"type":"end","result":"r"}'"#;
    let fields = FieldMap { usage: UsageMode::Sum, ..fields() };
    let folder = tempfile::tempdir().expect("a folder");
    let (report, heard) =
        execute(&adapter(shell(script, OutputFormat::Jsonl, fields)), request(folder.path(), 6)).await;
    assert_eq!((kind(&report), report.usage.input), (None, Some(200_000)));
    assert!(heard.bytes > 103_000_000);
    assert!(report.result_text == "r");
    let text = "yes line | head -c 50000000";
    let (report, _) =
        execute(&adapter(shell(text, OutputFormat::Text, FieldMap::default())), request(folder.path(), 7))
            .await;
    assert_eq!((kind(&report), report.result_text.len()), (None, 64 * 1024));
    let whole = shell("head -c 20000000 /dev/zero | tr '\\0' x", OutputFormat::Json, self::fields());
    let (report, _) = execute(&adapter(whole), request(folder.path(), 8)).await;
    assert!(failure(&report).message.contains("more than 16 MiB"), "{}", failure(&report).message);
}

#[tokio::test]
async fn probes_tell_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let context = ProbeContext {
        env: request(folder.path(), 9).env,
        cwd: folder.path().to_owned(),
        timeout: Duration::from_secs(60),
        cancel: CancellationToken::new(),
    };
    let probe = |probe: Option<&[&str]>, command: &str| CliProfile {
        command: strings(&[command]),
        probe: probe.map(strings),
        ..CliProfile::default()
    };
    assert!(adapter(probe(None, "sh")).probe(&context).await.is_ok());
    let version = adapter(probe(Some(&["/bin/sh", "-c", "echo; echo ' v1 '"]), "sh")).probe(&context).await;
    assert_eq!(version.expect("there").version.as_deref(), Some("v1"));
    for missing in
        [probe(None, "no-such-program"), probe(None, "/bin"), probe(Some(&["no-such-program"]), "sh")]
    {
        let error = adapter(missing).probe(&context).await.expect_err("missing");
        assert!(matches!(error, AgentError::NotInstalled { .. }), "{error}");
    }
    let error =
        adapter(probe(Some(&["/bin/sh", "-c", "echo no licence; exit 4"]), "sh")).probe(&context).await;
    let error = error.expect_err("fails").to_string();
    assert!(error.contains("exit code 4") && error.contains("no licence"), "{error}");
}

/// Shell scripts with the output of a command line agent.
struct Scripts(OutputFormat);

impl Subject for Scripts {
    fn adapter(&self, act: Act) -> Arc<dyn AgentAdapter> {
        let lines = self.0 == OutputFormat::Jsonl;
        let script = match act {
            Act::Echo if lines => r#"cat; echo; echo '{"type":"end","result":"r"}'"#,
            Act::Echo => "cat",
            Act::Fail if lines => r#"echo '{"type":"end","error":true}'"#,
            Act::Fail => "exit 1",
            Act::Hang => {
                "trap '' TERM; setsid sh -c 'setsid sleep 1000 & sleep 1000' & echo started; while :; do sleep 1000; done"
            }
        };
        let fields = if lines { fields() } else { FieldMap::default() };
        Arc::new(adapter(shell(script, self.0, fields)))
    }

    fn env(&self) -> BTreeMap<String, String> {
        request(std::path::Path::new("/"), 0).env
    }
}

#[tokio::test]
async fn profiles_pass_the_conformance_suite() {
    for output in [OutputFormat::Text, OutputFormat::Jsonl] {
        let folder = tempfile::tempdir().expect("a folder");
        conformance::check_all(&Scripts(output), folder.path()).await;
    }
}
