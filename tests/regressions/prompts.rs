//! What agents are sent.

use std::sync::Arc;

use convoy_core::agent::AgentOutcome;
use convoy_core::event::RunOptions;
use convoy_core::store::{MemoryStore, Store};
use convoy_tests::{Inline, ScratchRepo, engine, prompt, write};

use crate::support::{finish, quoted, run_with, scripted, spec};

#[tokio::test]
async fn each_retry_is_told_of_the_last_failure_only_and_the_stored_prompt_never_grows() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, "a.txt", "a\n");
        AgentOutcome::Succeeded
    });
    let count = repo.beside("count").display().to_string();
    // Fails twice, each time with another word.
    let gate = format!("echo x >> {count}; n=$(wc -l < {count}); echo \"verdict-$n\" '```'; test $n -gt 2");
    let text = "First line of the task.\n\nThe whole of it, to its ```end```.";
    let tasks =
        format!("  - {{id: a, prompt: {}, max_retries: 2, gates: [{}]}}\n", quoted(text), quoted(&gate));
    let store = MemoryStore::new();
    let engine =
        engine(&repo).adapter(agent.clone()).store(Arc::new(store.clone())).build().await.expect("built");
    let run = engine.start(&spec("", &tasks), RunOptions::default()).await.expect("started");
    let stored = store.load(run.id()).await.expect("stored").spec_text;
    finish(&engine, &run).await.assert_done();

    let prompts = agent.prompts(text);
    assert_eq!(prompts.len(), 3, "every prompt ends with the whole task");
    assert!(!prompts[0].contains("verdict") && !prompts[0].contains("Attempt"), "{}", prompts[0]);
    for (at, told, untold) in [(1, "verdict-1", "verdict-2"), (2, "verdict-2", "verdict-1")] {
        let prompt = &prompts[at];
        assert!(prompt.contains(told) && !prompt.contains(untold), "{prompt}");
        assert_eq!(prompt.matches("failed (gate:").count(), 1, "{prompt}");
        assert!(prompt.ends_with(&prompts[0]), "{prompt}");
        // What the gate printed cannot end the fence that it stands in.
        let (fenced, _) = prompt.split_once(&prompts[0]).expect("it ends with it");
        assert!(fenced.contains("````feedback\n") && fenced.trim_end().ends_with("\n````"), "{fenced}");
    }
    assert_eq!(store.load(run.id()).await.expect("stored").spec_text, stored);
    assert!(stored.contains(&quoted(text)), "{stored}");
    let asked: Vec<u64> = finish(&engine, &run)
        .await
        .events_of("a", "task_started")
        .iter()
        .map(|event| event["prompt_bytes"].as_u64().expect("a number"))
        .collect();
    assert_eq!(asked, prompts.iter().map(|prompt| prompt.len() as u64).collect::<Vec<_>>());
    engine.shutdown().await;
}

#[tokio::test]
async fn a_prompt_of_a_mebibyte_arrives_byte_for_byte() {
    let repo = ScratchRepo::new();
    let got = repo.beside("got");
    let script: String =
        serde_json::from_str(&prompt(&format!("record-prompt {}", got.display()))).expect("a string");
    let line = "Ein Satz mit ümläuten, 日本 und \"Zeichen\"; nichts davon darf fehlen.\n";
    let text = format!("{}{script}", line.repeat((1 << 20) / line.len() + 1));
    let tasks = format!("  - {{id: a, prompt: {}}}\n", quoted(&text));
    let ran = run_with(engine(&repo), &scripted("", &tasks)).await;
    ran.assert_done();
    let got = std::fs::read_to_string(got).expect("what the agent got");
    assert!(got.len() > 1 << 20 && got.ends_with(&text), "{} bytes of {}", got.len(), text.len());
    assert_eq!(ran.events_of("a", "task_started")[0]["prompt_bytes"], got.len());
}
