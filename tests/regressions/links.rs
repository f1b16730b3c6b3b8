//! Symbolic links that lead out of the tree, made before the agent is called.

use convoy_core::agent::AgentOutcome;
use convoy_tests::{Inline, ScratchRepo, write};

use crate::support::{run, spec};

#[tokio::test]
async fn no_agent_is_called_where_setup_or_a_hook_made_a_link_that_leads_out() {
    let setup = |command: &str| (format!("worktree: {{setup: ['{command}']}}"), String::new());
    let hook = |command: &str| {
        let hook = format!(", hooks: [{{type: command, on: pre_task, command: '{command}'}}]");
        (String::new(), hook)
    };
    let copied = ("worktree: {copy: [shared], setup: ['true']}".to_owned(), String::new());
    let cases = [
        (setup("ln -s /etc out"), true),
        (setup("mkdir d && ln -s ../.. d/up && ln -s d/up/x out"), true),
        (setup("ln -sf /etc/passwd README.md"), true),
        (hook("ln -s /etc out"), true),
        (setup("ln -s README.md within"), false),
        // What git ignores and what is copied is the user's own arrangement.
        (setup("ln -s /etc ignored"), false),
        (hook("mkdir -p ignored/bin && ln -s /bin/sh ignored/bin/python"), false),
        (copied, false),
    ];
    for ((head, hooks), refused) in cases {
        let repo = ScratchRepo::new();
        repo.write(".gitignore", "ignored\n");
        repo.commit("Ignore");
        std::os::unix::fs::symlink("/etc", repo.root().join("shared")).expect("a link");
        let agent = Inline::new(|request| {
            write(&request.cwd, "made.txt", "made\n");
            AgentOutcome::Succeeded
        });
        let tasks = format!("  - {{id: a, prompt: make it{hooks}}}\n");
        let ran = run(&repo, agent.clone(), &spec(&head, &tasks)).await;
        let called = agent.requests().len();
        if refused {
            assert_eq!((ran.statuses().as_str(), called), ("a=failed", 0), "{head}{hooks}");
            assert_eq!(ran.failed_with("a"), "symlink-escape");
            assert!(ran.failure("a").message.contains("let git ignore them"), "{:?}", ran.failure("a"));
        } else {
            assert_eq!((ran.statuses().as_str(), called), ("a=done", 1), "{head}{hooks}");
            let mut files = vec![".gitignore", "README.md", "made.txt", "within"];
            files.retain(|file| *file != "within" || head.contains("within"));
            assert_eq!(repo.files(&ran.outcome.view.integration_ref), files, "{head}{hooks}");
        }
    }
}
