//! Secrets: what is not sent, and that nothing is found anywhere afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::{Engine, Run, RunEvent};
use convoy_core::error::ErrorKind;
use convoy_core::event::RunOptions;
use convoy_core::types::{ConvoyStatus, Failure, FailureKind};
use convoy_tests::{Inline, ScratchRepo, engine, host_env, last_word, prompt, write};

use crate::support::{AGENT, Ran, finish, landed, quoted, spec, start};

/// In two parts, so that no scanner takes this file for a leak.
const TOKEN: &str = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ012345");

/// Looks like nothing: only that it is taken from the environment makes it a secret.
const VALUE: &str = "correct horse battery staple";

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Fails when a secret stands in any file of the state directory, in an event or in what people are shown.
async fn assert_nothing_leaked(engine: &Engine, ran: &Ran, secrets: &[&str]) {
    let files = files(engine.state_dir());
    for name in ["convoy.db", "convoy-events.ndjson", "convoys.ndjson"] {
        assert!(files.iter().any(|path| path.ends_with(name)), "{name} is not among {files:?}");
    }
    let letters = engine.dead_letters(&ran.outcome.view.convoy_id).await.expect("letters");
    let events = ran.events.iter().map(|record| record.to_flat_json().to_string());
    let shown = events.chain([format!("{:?}", ran.outcome), format!("{letters:?}")]).map(String::into_bytes);
    let stored = files.iter().map(|path| fs::read(path).expect("a file"));
    let all: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|path| path.display().to_string())
        .zip(stored)
        .chain(shown.map(|bytes| ("an event or a view".to_owned(), bytes)))
        .collect();
    for (place, bytes) in &all {
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in {place}: {}", String::from_utf8_lossy(bytes));
        }
    }
}

#[tokio::test]
async fn a_prompt_with_a_secret_is_not_sent_and_one_about_secrets_is() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, last_word(&request.prompt), "made\n");
        AgentOutcome::Succeeded
    });
    let tasks = format!(
        "  - {{id: leak, prompt: \"Log in with {TOKEN} and make leak\", max_retries: 3}}\n  \
         - {{id: child, prompt: make child, depends_on: [leak]}}\n  \
         - {{id: about, prompt: \"Add Bearer authentication with an API_KEY and a password to about\"}}\n"
    );
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let ran = start(&engine, &spec("", &tasks)).await;
    assert_eq!(
        (ran.status(), ran.statuses().as_str()),
        (ConvoyStatus::Failed, "leak=failed child=skipped about=done")
    );
    assert_eq!(ran.failed_with("leak"), "secret-in-prompt");
    assert!(ran.failure("leak").message.contains("from_env"), "{:?}", ran.failure("leak"));
    assert!(ran.events_of("leak", "task_started").is_empty(), "it is not sent even once");
    let asked: Vec<String> = agent.requests().into_iter().map(|request| request.prompt).collect();
    assert!(asked.len() == 1 && asked[0].contains("Bearer authentication"), "{asked:?}");
    assert_eq!(landed(&repo, "main"), ["about"]);
    assert!(ran.task("leak").dead_letter.is_some());
    assert_nothing_leaked(&engine, &ran, &[TOKEN]).await;

    let refused = spec(&format!("env: {{KEY: {TOKEN}}}"), "  - {id: a, prompt: p}\n");
    let refused = engine.start(&refused, RunOptions::default()).await.expect_err("a literal secret");
    assert_eq!(refused.kind(), ErrorKind::InvalidSpec);
    let text = format!("{refused:?} {:?}", refused.details());
    assert!(text.contains("from_env") && !text.contains(TOKEN), "{text}");
    assert_eq!(engine.list().await.expect("a list").len(), 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_variable_that_the_host_lacks_is_refused_before_anything_runs() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|_| AgentOutcome::Failed(Failure::new(FailureKind::Error, "broken")));
    let tasks =
        "  - {id: a, prompt: p, max_retries: 0}\n  - {id: b, prompt: p, env: {X: {from_env: HOST_VALUE}}}\n";
    let built = |env| engine(&repo).adapter(agent.clone()).env(env).build();
    let without = host_env(&repo);
    let mut with = without.clone();
    with.insert("HOST_VALUE".to_owned(), VALUE.to_owned());

    let lacking = built(without).await.expect("an engine");
    let refused = lacking.start(&spec("", tasks), RunOptions::default()).await.expect_err("it lacks one");
    assert!(
        refused.kind() == ErrorKind::InvalidArgument && refused.to_string().contains("HOST_VALUE"),
        "{refused}"
    );
    assert!(lacking.list().await.expect("a list").is_empty());
    let having = built(with).await.expect("an engine");
    let ran = start(&having, &spec("", tasks)).await;
    let given = agent.requests()[1].env.get("X").cloned();
    assert_eq!((ran.status(), given.as_deref()), (ConvoyStatus::Failed, Some(VALUE)));
    having.shutdown().await;
    let convoy = ran.outcome.view.convoy_id;
    let refused = lacking.retry(&convoy, &[]).await.expect_err("it lacks one still");
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{refused}");
    lacking.shutdown().await;
}

/// Everything that a watcher sees of a run.
async fn watch(run: &Run) -> String {
    let (mut watcher, mut seen) = (run.subscribe(0), String::new());
    while let Some(event) = watcher.next().await.expect("the store can be read") {
        match event {
            RunEvent::Recorded(record) => seen.push_str(&record.to_flat_json().to_string()),
            RunEvent::Output { text, .. } => seen.push_str(&text),
            other => panic!("{other:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn a_secret_that_agents_and_gates_print_is_found_nowhere_and_every_record_is_there() {
    let repo = ScratchRepo::new();
    let file = repo.beside("token").display().to_string();
    fs::write(&file, format!("token: {TOKEN}\n")).expect("written");
    let print = format!("cat {file}; echo \"value: $X\"");
    let say = format!("sh {print}\nsh {{ {print}; }} >&2");
    let tasks = format!(
        "  - {{id: agent, prompt: {}, max_retries: 1}}\n  \
         - {{id: gate, prompt: {}, max_retries: 0, gates: [{}]}}\n  - {{id: fine, prompt: {}}}\n",
        prompt(&format!("{say}\nexit 3")),
        prompt("say done"),
        quoted(&format!("{print}; exit 1")),
        prompt(&say),
    );
    let head = format!(
        "name: test\nversion: 1\nadapter: plain\nenv: {{X: {{from_env: HOST_VALUE}}}}\n\
         adapters:\n  plain: {{command: [{}], output: text}}\ntasks:\n",
        quoted(AGENT)
    );
    let mut env = host_env(&repo);
    env.insert("HOST_VALUE".to_owned(), VALUE.to_owned());
    let engine = engine(&repo).env(env).build().await.expect("an engine");
    let run = engine.start(&(head + &tasks), RunOptions::default()).await.expect("started");
    let (ran, seen) = tokio::join!(finish(&engine, &run), watch(&run));

    assert_eq!(ran.statuses(), "agent=failed gate=gate-failed fine=done", "{:#?}", ran.outcome);
    assert_nothing_leaked(&engine, &ran, &[TOKEN, VALUE]).await;
    assert!(!seen.contains(TOKEN) && !seen.contains(VALUE), "{seen}");
    // The records are there, whole but for the secrets.
    let marks = ["token: [REDACTED:", "value: [REDACTED:"];
    let letters = engine.dead_letters(run.id()).await.expect("letters");
    assert_eq!(letters.len(), 2, "{letters:?}");
    let gate = ran.events_of("gate", "gate_result").remove(0).to_string();
    let log = engine.log_path(run.id(), &"fine".parse().expect("an id"), None).await.expect("a log");
    let log = fs::read_to_string(log).expect("a log");
    let tail = ran.failure("agent").output_tail.clone();
    for (text, what) in [(gate, "gate_result"), (log, "log"), (tail, "failure"), (seen, "watcher")] {
        for mark in marks {
            assert!(text.contains(mark), "{mark} is missing in the {what}: {text}");
        }
    }
    // The retry was told of the failure without the secret, so that it could be sent.
    assert_eq!(ran.events_of("agent", "task_started").len(), 2);
    engine.shutdown().await;
}
