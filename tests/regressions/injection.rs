//! Tasks that are added to a convoy while it runs.

use std::sync::Arc;

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::RunEvent;
use convoy_core::event::RunOptions;
use convoy_tests::{Inline, ScratchRepo, engine, last_word, write};
use tokio::sync::Notify;

use crate::support::{finish, landed, spec};

#[tokio::test]
async fn an_injected_task_runs_and_its_file_is_kept() {
    let repo = ScratchRepo::new();
    let added = Arc::new(Notify::new());
    let seen = added.clone();
    let agent = Inline::waiting(move |request| {
        let seen = seen.clone();
        async move {
            let name = last_word(&request.prompt).to_owned();
            if name == "first" {
                seen.notified().await;
            }
            write(&request.cwd, &name, "made\n");
            AgentOutcome::Succeeded
        }
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let options = RunOptions { inject_file: true, ..RunOptions::default() };
    let run = engine.start(&spec("", "  - {id: a, prompt: make first}\n"), options).await.expect("started");
    let folder = engine.state_dir().join("inject").join(run.id().as_str());
    let text = "tasks:\n- id: b\n  prompt: make second\n  agent: developer\n  depends_on: [a]\n";
    std::fs::create_dir_all(&folder).expect("the folder");
    std::fs::write(folder.join("inject.yml"), text).expect("written");
    let mut watcher = run.subscribe(0);
    while let Some(event) = watcher.next().await.expect("the store can be read") {
        if let RunEvent::Recorded(record) = event {
            assert_ne!(record.event.type_name(), "injection_refused", "{record:?}");
            if record.event.type_name() == "tasks_added" {
                break;
            }
        }
    }
    added.notify_one();
    let ran = finish(&engine, &run).await;
    assert_eq!(ran.statuses(), "a=done b=done");
    assert_eq!(landed(&repo, "main"), ["a", "b"]);
    let files: Vec<_> =
        std::fs::read_dir(&folder).expect("listed").map(|entry| entry.expect("an entry")).collect();
    let [kept] = files.as_slice() else { panic!("{files:?}") };
    assert!(kept.file_name().to_string_lossy().starts_with("taken-"), "{kept:?}");
    assert_eq!(std::fs::read_to_string(kept.path()).expect("kept"), text);
    engine.shutdown().await;
}
