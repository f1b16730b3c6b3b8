//! What a valid convoy file becomes.

use std::time::Duration;

use convoy_core::plan::check;
use convoy_core::spec::{
    Concurrency, EnvValue, OnExhausted, OnFailure, OutputFormat, PromptVia, UsageMode, decode, decode_bytes,
};

const FULL: &str = r#"
name: everything
version: 1
description: all built fields
concurrency: auto
on_failure: stop
adapter: claude-code
branch: feat/x
x-mine: {free: [1, 2]}
env: {PORT: 3000, KEY: {from_env: MY_KEY}}
locks: {db: 2}
worktree: {setup: [npm ci], copy: [./.env]}
adapters:
  mine:
    command: [mine, run, "{{prompt}}"]
    prompt: arg
    resume: [mine, resume, "{{session}}", "{{prompt}}"]
    model: [--model, "{{model}}"]
    read_only: [--sandbox, read-only]
    mcp_config: [--mcp, "{{file}}"]
    output: jsonl
    fields: {result: /result, terminal: /type=result, usage: sum}
    env: {A: b}
    account: work
    probe: [mine, --version]
defaults:
  agent: writer
  model: big
  timeout: 10m
  max_retries: "2"
  retry: {backoff: 1s}
  on_exhausted: skip
  gates: [cargo test]
  gate_timeout: 60
  max_swarm_concurrency: 4
tasks:
  - id: a
    prompt: |
      do it
  - id: b
    prompt: and this
    agent: 5
    adapter: mine
    model: small
    timeout: 500ms
    max_retries: 0
    retry: {max_backoff: 1m, jitter: false}
    on_exhausted: stop
    gates: []
    gate_timeout: 1.5
    description: second
    depends_on: [a]
    files: [/src, ./docs/, 'lib\x', "src"]
    priority: -3
    locks: [db]
    env: {B: "1"}
"#;

#[test]
fn every_built_field_reaches_the_spec() {
    let checked = check(FULL);
    assert_eq!(checked.problems, []);
    let spec = checked.spec.expect("valid");
    assert_eq!((spec.name.as_str(), spec.version), ("everything", 1));
    assert_eq!(spec.description.as_deref(), Some("all built fields"));
    assert_eq!((spec.concurrency, spec.max_swarm_concurrency), (Concurrency::Auto, 4));
    assert_eq!(spec.on_failure, OnFailure::Stop);
    assert_eq!((spec.adapter.as_deref(), spec.branch.as_deref()), (Some("claude"), Some("feat/x")));
    assert_eq!(spec.env["PORT"], EnvValue::Literal("3000".into()));
    assert_eq!(spec.env["KEY"], EnvValue::FromEnv("MY_KEY".into()));
    assert_eq!(spec.locks["db"], 2);
    assert_eq!(
        (spec.worktree.setup.as_slice(), spec.worktree.copy.as_slice()),
        (&["npm ci".into()][..], &[".env".into()][..])
    );
    assert_eq!(spec.unsupported, []);

    let mine = &spec.adapters["mine"];
    assert_eq!(mine.command, ["mine", "run", "{{prompt}}"]);
    assert_eq!((mine.prompt, mine.output), (PromptVia::Arg, OutputFormat::Jsonl));
    assert_eq!(mine.resume.as_ref().map(Vec::len), Some(4));
    assert_eq!(mine.model.as_deref().map(<[String]>::len), Some(2));
    assert_eq!(mine.read_only.as_deref().map(<[String]>::len), Some(2));
    assert_eq!(mine.mcp_config.as_deref().map(<[String]>::len), Some(2));
    assert_eq!(mine.probe.as_deref().map(<[String]>::len), Some(2));
    assert_eq!((mine.account.as_deref(), mine.fields.usage), (Some("work"), UsageMode::Sum));
    assert_eq!(mine.fields.result.as_deref(), Some("/result"));
    assert_eq!(
        mine.fields.terminal.as_ref().map(|t| (t.pointer.as_str(), t.value.as_str())),
        Some(("/type", "result"))
    );
    assert_eq!(mine.env["A"], EnvValue::Literal("b".into()));

    let [a, b] = spec.tasks.as_slice() else { panic!("two tasks") };
    assert_eq!((a.id.as_str(), a.prompt.as_str(), a.agent.as_str()), ("a", "do it\n", "writer"));
    assert_eq!((a.adapter.as_deref(), a.model.as_deref()), (None, Some("big")));
    assert_eq!((a.timeout, a.max_retries), (Duration::from_secs(600), 2));
    assert_eq!(
        (a.retry.backoff, a.retry.max_backoff, a.retry.jitter),
        (Duration::from_secs(1), Duration::from_secs(300), true)
    );
    assert_eq!((a.on_exhausted, a.gate_timeout), (OnExhausted::Skip, Duration::from_secs(60)));
    assert_eq!(
        (a.gates.as_slice(), a.description.as_str(), a.priority),
        (&["cargo test".to_owned()][..], "a", 0)
    );

    assert_eq!(
        (b.agent.as_str(), b.adapter.as_deref(), b.model.as_deref()),
        ("5", Some("mine"), Some("small"))
    );
    assert_eq!((b.timeout, b.max_retries), (Duration::from_millis(500), 0));
    assert_eq!(
        (b.retry.backoff, b.retry.max_backoff, b.retry.jitter),
        (Duration::from_secs(1), Duration::from_secs(60), false)
    );
    assert_eq!((b.on_exhausted, b.gate_timeout), (OnExhausted::Stop, Duration::from_millis(1500)));
    assert!(b.gates.is_empty());
    assert_eq!((b.description.as_str(), b.priority), ("second", -3));
    assert_eq!(b.depends_on.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(b.files, ["src", "docs", "lib/x"]);
    assert_eq!((b.locks.as_slice(), &b.env["B"]), (&["db".to_owned()][..], &EnvValue::Literal("1".into())));
}

#[test]
fn the_smallest_file_has_all_defaults() {
    let decoded = decode("name: n\nversion: 1\ntasks: [{id: a, prompt: p}]\n");
    assert_eq!(decoded.problems, []);
    let spec = decoded.spec.expect("valid");
    assert_eq!(
        (spec.concurrency, spec.on_failure, spec.max_swarm_concurrency),
        (Concurrency::Fixed(1), OnFailure::Continue, 8)
    );
    assert_eq!((spec.adapter, spec.branch, spec.description), (None, None, None));
    let task = &spec.tasks[0];
    assert_eq!(
        (task.agent.as_str(), task.timeout, task.max_retries),
        ("developer", Duration::from_secs(1800), 1)
    );
    assert_eq!((task.gate_timeout, task.on_exhausted), (Duration::from_secs(300), OnExhausted::Dlq));
    assert_eq!(
        (task.retry.backoff, task.retry.max_backoff, task.retry.jitter),
        (Duration::ZERO, Duration::from_secs(300), true)
    );
}

#[test]
fn a_secret_in_env_is_an_error_told_without_it() {
    let text = |name: &str, value: &str| {
        format!(
            "name: n\nversion: 1\nenv: {{{name}: {value}, B: {{from_env: {name}}}}}\nadapters: {{m: {{command: [m], \
             env: {{{name}: {value}}}}}}}\ntasks: [{{id: a, prompt: p, env: {{{name}: {value}}}}}]\n"
        )
    };
    let token = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ012345");
    // By its own form, or by the name of the variable.
    for (name, value) in [("A", token), ("DB_PASSWORD", "hunter2hunter")] {
        let problems = decode(&text(name, value)).problems;
        let places: Vec<(u32, &str)> = problems.iter().map(|p| (p.line, p.path.as_str())).collect();
        let paths = [format!("env.{name}"), format!("adapters.m.env.{name}"), format!("tasks[0].env.{name}")];
        assert_eq!(places, [(3, paths[0].as_str()), (4, paths[1].as_str()), (5, paths[2].as_str())]);
        assert!(problems.iter().all(|p| p.is_error() && !p.to_string().contains(value)), "{problems:?}");
    }
    for (name, value) in [("A", "hunter2hunter"), ("NODE_ENV", "production"), ("TOKEN_TTL", "3600")] {
        assert_eq!(decode(&text(name, value)).problems, [], "{name}");
    }
}

#[test]
fn adapters_are_checked_as_a_whole() {
    let cases = [
        (
            "{command: [m, \"{{prompt}}\"]}",
            "adapters.m.command: may hold `{{prompt}}` only with `prompt: arg`",
        ),
        ("{command: [m], prompt: arg}", "adapters.m.command: must hold `{{prompt}}` with `prompt: arg`"),
        ("{command: [m], resume: [m, -c]}", "adapters.m.resume: must hold `{{session}}`"),
        ("{command: [m], model: [--model]}", "adapters.m.model: must hold `{{model}}`"),
        ("{command: [m], mcp_config: [--mcp]}", "adapters.m.mcp_config: must hold `{{file}}`"),
        ("{command: [m], fields: {result: /r}}", "adapters.m.fields: need JSON to point into"),
        ("{command: [\"\", x]}", "adapters.m.command: must start with a program"),
        ("{output: json}", "adapters.m.command: is required and missing"),
    ];
    for (profile, expected) in cases {
        let text = format!("name: n\nversion: 1\nadapters:\n  m: {profile}\ntasks: [{{id: a, prompt: p}}]\n");
        assert_refused(text.as_bytes(), &format!("error: {expected}"));
    }
}

fn assert_refused(bytes: &[u8], expected: &str) {
    let decoded = decode_bytes(bytes);
    let all: Vec<String> = decoded.problems.iter().map(ToString::to_string).collect();
    assert!(decoded.spec.is_none());
    assert!(all.iter().any(|p| p.contains(expected)), "{expected}\n{}", all.join("\n"));
}

#[test]
fn byte_order_marks_line_ends_directives_and_json_are_fine() {
    const GOOD: &str = "name: n\nversion: 1\ntasks:\n  - {id: a, prompt: p}\n";
    let json =
        r#"{"name": "n", "version": 1, "tasks": [{"id": "a", "prompt": "tab\t \u00e9 \ud83d\ude00 \/"}]}"#;
    let pretty = "{\n\t\"name\": \"n\",\n\t\"version\": 1,\n\t\"tasks\": [\n\t\t{\"id\": \"a\", \"prompt\": \"p\"}\n\t]\n}\n";
    let directive = format!("%YAML 1.2\n---\n{GOOD}...\n");
    for good in [GOOD, &format!("\u{feff}{GOOD}"), &GOOD.replace('\n', "\r\n"), &directive, json, pretty] {
        let decoded = decode_bytes(good.as_bytes());
        assert!(decoded.spec.is_some() && decoded.problems.is_empty(), "{good:?}: {:?}", decoded.problems);
    }
}

#[test]
fn files_that_are_no_convoy_file_are_refused_with_a_place() {
    let cases: [(&[u8], &str); 16] = [
        (b"", "1:1: error: the file is empty"),
        (b"# only a comment\n", "1:1: error: the file is empty"),
        (b"~", "1:1: error: the file is empty"),
        (b"just text", "1:1: error: must be a mapping, found the text \"just text\""),
        (b"- a\n", "1:1: error: must be a mapping, found a list"),
        (b"name: n\n---\nname: m\n", "2:1: error: a second document starts here"),
        (b"name: n\nname: m\n", "2:1: error: name: duplicate key \"name\", first written in line 1"),
        (
            b"tasks:\n  - id: a\n    id: b\n",
            "3:5: error: tasks[0].id: duplicate key \"id\", first written in line 2",
        ),
        (b"name: caf\xe9\n", "1:10: error: is not UTF-8 text: the byte 0xe9"),
        (b"a: b\r\n\xc3\xa9\xff", "2:2: error: is not UTF-8 text"),
        (b"\xff\xfen\0", "1:1: error: is UTF-16 text"),
        (b"name: [a\nb: c\n", "error: not valid YAML"),
        (b"name: \"a\n", "error: not valid YAML: unclosed quote"),
        (b"a: *nowhere\n", "1:4: error: this alias (*) names an anchor (&) that does not exist"),
        (b"tasks:\n\t- a\n", "error: a tab is used for indentation"),
        (b"? [a]\n: b\n", "error: a key must be text, found a list"),
    ];
    for (bytes, expected) in cases {
        assert_refused(bytes, expected);
    }
}

/// `a0: &a0 [x]`, then `n` anchors that each hold the one before `times` times.
fn anchors(n: usize, times: usize) -> String {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for i in 1..n {
        let before = vec![format!("*a{}", i - 1); times].join(", ");
        text.push_str(&format!("a{i}: &a{i} [{before}]\n"));
    }
    text
}

#[test]
fn files_made_to_exhaust_the_reader_are_refused() {
    let merges = format!(
        "a: &a {{{}}}\nb: [{}]\n",
        (0..2000).map(|i| format!("k{i}: 1, ")).collect::<String>(),
        "{<<: *a}, ".repeat(5000)
    );
    let deep_block: String = (0..3000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert_refused(anchors(40, 2).as_bytes(), "error: more than 4000000 values");
    assert_refused(merges.as_bytes(), "error: b[250].<<: merge keys bring in more than 500000 keys");
    assert_refused(anchors(200, 1).as_bytes(), "error: nested deeper than 100 levels");
    assert_refused("[".repeat(100_000).as_bytes(), "error: nested deeper than 100 levels");
    assert_refused(deep_block.as_bytes(), "error: nested deeper than 100 levels");
    assert_refused(&vec![b' '; 16 * 1024 * 1024 + 1], "1:1: error: has 16777217 bytes");
    assert_refused("a: &a [*a]\n".as_bytes(), "error: this alias (*) stands inside its own anchor (&)");
    let keys: String = (0..20_000).map(|i| format!("key{i}: 1\n")).collect();
    assert_refused(keys.as_bytes(), "10001:1: warning: and 10001 more warnings");
}
