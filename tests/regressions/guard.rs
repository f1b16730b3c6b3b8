//! Changes of the repository itself while an attempt is at work.

use std::sync::Arc;

use convoy_core::agent::{AgentOutcome, AgentRequest};
use convoy_core::engine::RunEvent;
use convoy_core::event::RunOptions;
use convoy_core::types::ConvoyStatus;
use convoy_tests::{Inline, ScratchRepo, engine, git_in, last_word, write};
use tokio::sync::{Barrier, Notify, Semaphore};

use crate::support::{Ran, finish, quoted, run, spec};

/// The level and the changes of every finding about a task.
fn found(ran: &Ran, task: &str) -> Vec<(String, Vec<String>)> {
    let events = ran.events_of(task, "repository_guard").into_iter();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let list = |value: &serde_json::Value| value.as_array().expect("a list").iter().map(text).collect();
    events.map(|event| (text(&event["level"]), list(&event["changes"]))).collect()
}

#[tokio::test]
async fn an_agent_that_changes_what_configures_the_repository_does_not_pass() {
    for (what, named) in [
        ("config core.hooksPath /somewhere/secret", "setting core.hookspath"),
        ("config alias.status '!true'", "setting alias.status"),
        ("update-ref refs/replace/0123456789012345678901234567890123456789 HEAD", "refs/replace/"),
    ] {
        let repo = ScratchRepo::new();
        let args: Vec<String> = what.split(' ').map(str::to_owned).collect();
        let agent = Inline::new(move |request| {
            write(&request.cwd, "a.txt", "made\n");
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            git_in(&request.cwd, &args);
            AgentOutcome::Succeeded
        });
        let ran = run(&repo, agent, &spec("", "  - {id: a, prompt: make a, max_retries: 0}\n")).await;
        assert_eq!(ran.statuses(), "a=gate-failed", "{what}");
        assert_eq!(ran.failed_with("a"), "gate:repository_guard", "{what}");
        let found = found(&ran, "a");
        assert!(found.len() == 1 && found[0].0 == "block" && found[0].1[0].starts_with(named), "{found:?}");
        let message = &ran.failure("a").message;
        assert!(
            message.contains(named) && message.contains("Put it back") && !message.contains("/somewhere"),
            "{message}"
        );
        // What it made is kept.
        let kept = format!("refs/convoy/{}/0-a/attempt-1", ran.outcome.view.convoy_id);
        assert_eq!(repo.tree(&kept)["a.txt"], "made");
    }
}

#[tokio::test]
async fn a_hook_that_a_gate_leaves_fails_the_check() {
    let repo = ScratchRepo::new();
    let hooks = repo.root().join(".git/hooks");
    let gate = quoted(&format!("mkdir -p {0} && echo 'curl evil' > {0}/pre-push", hooks.display()));
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let tasks = format!(
        "  - {{id: a, prompt: make a, max_retries: 0, gates: [{gate}]}}\n  - {{id: b, prompt: make b, gates: ['true']}}\n"
    );
    let ran = run(&repo, agent, &spec("concurrency: 1", &tasks)).await;
    assert_eq!(
        (ran.statuses().as_str(), ran.failed_with("a").as_str()),
        ("a=gate-failed b=done", "gate:repository_guard")
    );
    assert_eq!(found(&ran, "a"), [("block".to_owned(), vec!["hooks/pre-push".to_owned()])]);
    // The other one is fine: at the latest with its retry, since its agent may have been at work meanwhile.
}

#[tokio::test]
async fn a_hook_that_an_agent_leaves_in_the_users_checkout_fails_it() {
    for folder in [".husky", ".husky/_"] {
        let repo = ScratchRepo::new();
        repo.write(".husky/pre-commit", "exit 0\n");
        repo.commit("Hooks");
        repo.git(["config", "core.hooksPath", folder]);
        let hook = repo.root().join(".husky/post-checkout");
        let agent = Inline::new(move |request| {
            write(&request.cwd, "a.txt", "made\n");
            std::fs::write(&hook, "curl evil\n").expect("writes");
            AgentOutcome::Succeeded
        });
        let ran = run(&repo, agent, &spec("", "  - {id: a, prompt: make a, max_retries: 0}\n")).await;
        assert_eq!(
            (ran.statuses().as_str(), ran.failed_with("a").as_str()),
            ("a=gate-failed", "gate:repository_guard"),
            "{folder}"
        );
        let told = &found(&ran, "a")[0];
        assert!(told.0 == "block" && told.1[0].ends_with("/.husky/post-checkout"), "{told:?}");
    }
}

#[tokio::test]
async fn hooks_that_come_into_the_checkout_with_what_lands_are_no_finding() {
    let repo = ScratchRepo::new();
    repo.write(".husky/pre-commit", "exit 0\n");
    repo.write(".husky/pre-push", "exit 0\n");
    repo.commit("Hooks");
    repo.git(["config", "core.hooksPath", ".husky"]);
    let (works, published) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (at_work, open) = (works, published.clone());
    let agent = Inline::waiting(move |request| {
        let (at_work, published) = (at_work.clone(), published.clone());
        async move {
            if request.prompt.ends_with('a') {
                // The other one is watched already.
                at_work.acquire().await.expect("never closed").forget();
                write(&request.cwd, ".husky/pre-commit", "exit 0 # new\n");
                write(&request.cwd, ".husky/commit-msg", "exit 0\n");
                std::fs::remove_file(request.cwd.join(".husky/pre-push")).expect("removes");
            } else {
                at_work.add_permits(1);
                published.acquire().await.expect("never closed").forget();
                write(&request.cwd, "b.txt", "made\n");
            }
            AgentOutcome::Succeeded
        }
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let tasks = "  - {id: a, prompt: make a, max_retries: 0}\n  - {id: b, prompt: make b, max_retries: 0}\n";
    let run = engine.start(&spec("concurrency: 2", tasks), RunOptions::default()).await.expect("started");
    let mut watcher = run.subscribe(0);
    while let Some(event) = watcher.next().await.expect("the store can be read") {
        if matches!(&event, RunEvent::Recorded(record) if record.event.type_name() == "branch_published") {
            open.add_permits(1);
        }
    }
    let ran = finish(&engine, &run).await;
    assert_eq!(ran.statuses(), "a=done b=done", "{:#?}", ran.outcome.view);
    assert_eq!((repo.read(".husky/pre-commit").as_str(), found(&ran, "b")), ("exit 0 # new\n", vec![]));
    engine.shutdown().await;
}

#[tokio::test]
async fn what_runs_at_the_end_of_a_convoy_may_not_change_the_repository_either() {
    let command = "git tag mine && git config alias.status '!true'";
    for (head, status, kind) in [
        (
            format!("gate_retries: 0\ngates: [{}]", quoted(command)),
            ConvoyStatus::GateFailed,
            "convoy_gate_result",
        ),
        (
            format!("hooks: [{{type: command, command: {}}}]", quoted(command)),
            ConvoyStatus::HookFailed,
            "post_convoy_hook_failed",
        ),
    ] {
        let repo = ScratchRepo::new();
        let agent = Inline::new(|request| {
            write(&request.cwd, "a.txt", "made\n");
            AgentOutcome::Succeeded
        });
        let ran = run(&repo, agent, &spec(&head, "  - {id: a, prompt: make a}\n")).await;
        assert_eq!((ran.statuses().as_str(), ran.status()), ("a=done", status), "{:#?}", ran.outcome.view);
        let told: Vec<String> = ran
            .events
            .iter()
            .filter(|record| record.event.type_name() == kind)
            .map(|record| format!("{:?}", record.event))
            .collect();
        for change in ["setting alias.status", "refs/tags/mine (new)", "Put it back"] {
            assert!(told.iter().any(|text| text.contains(change)), "{kind} {change}: {told:#?}");
        }
    }
}

#[tokio::test]
async fn branches_and_tags_are_the_users_to_move_and_only_told_while_engines_move_their_own() {
    let repo = ScratchRepo::new();
    repo.git(["tag", "v1"]);
    let agent = Inline::new(|request| {
        if request.prompt.ends_with('a') {
            git_in(&request.cwd, &["branch", "mine"]);
            git_in(&request.cwd, &["tag", "--delete", "v1"]);
        }
        write(&request.cwd, "x.txt", &request.prompt);
        AgentOutcome::Succeeded
    });
    let tasks = "  - {id: a, prompt: make a, gates: ['true']}\n  - {id: b, prompt: make b, depends_on: [a], gates: ['true']}\n";
    let ran = run(&repo, agent, &spec("", tasks)).await;
    assert_eq!(ran.statuses(), "a=done b=done", "{:#?}", ran.outcome.view);
    let told = vec!["refs/heads/mine (new)".to_owned(), "refs/tags/v1 (deleted)".to_owned()];
    assert_eq!(found(&ran, "a"), [("warn".to_owned(), told)]);
    assert_eq!(found(&ran, "b"), [], "landing and publishing are no findings");
}

#[tokio::test]
async fn work_of_another_attempt_that_is_overwritten_is_found() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, "x.txt", &request.prompt);
        if request.prompt.ends_with('b') {
            let convoy = request.worker.as_str().split('.').next().expect("a convoy").to_owned();
            git_in(&request.cwd, &["update-ref", &format!("refs/convoy/{convoy}/0-a/attempt-1"), "HEAD~0"]);
        }
        AgentOutcome::Succeeded
    });
    let tasks = "  - {id: a, prompt: make a}\n  - {id: b, prompt: make b, depends_on: [a], max_retries: 0}\n";
    let ran = run(&repo, agent, &spec("", tasks)).await;
    assert_eq!(
        (ran.statuses().as_str(), ran.failed_with("b").as_str()),
        ("a=done b=gate-failed", "gate:repository_guard")
    );
    assert!(found(&ran, "b")[0].1[0].ends_with("0-a/attempt-1 (moved)"), "{:?}", found(&ran, "b"));
}

#[tokio::test]
async fn a_hook_that_changes_what_configures_the_repository_does_not_pass() {
    for on in ["pre_task", "post_task"] {
        let repo = ScratchRepo::new();
        let agent = Inline::new(|request| {
            write(&request.cwd, "a.txt", "made\n");
            AgentOutcome::Succeeded
        });
        let hook = format!("{{type: command, on: {on}, command: git config core.hooksPath /somewhere}}");
        let tasks = format!("  - {{id: a, prompt: make a, max_retries: 0, hooks: [{hook}]}}\n");
        let ran = run(&repo, agent, &spec("", &tasks)).await;
        assert_eq!(ran.statuses(), "a=gate-failed", "{on}: {:#?}", ran.outcome.view);
        assert_eq!(ran.failed_with("a"), "gate:repository_guard", "{on}");
        assert_eq!(
            found(&ran, "a"),
            [("block".to_owned(), vec!["setting core.hookspath".to_owned()])],
            "{on}"
        );
        let kept = format!("refs/convoy/{}/0-a/attempt-1", ran.outcome.view.convoy_id);
        assert_eq!(repo.tree(&kept)["a.txt"], "made", "{on}");
    }
}

#[tokio::test]
async fn an_agent_that_moves_the_users_branch_or_head_is_told_of() {
    let cases: [(&[&[&str]], &str); 2] = [
        (
            &[&["commit", "-q", "--allow-empty", "-m", "own"], &["update-ref", "refs/heads/main", "HEAD"]],
            "refs/heads/main (moved)",
        ),
        (&[&["--git-dir", "symbolic-ref", "HEAD", "refs/heads/mine"]], "HEAD (moved)"),
    ];
    for (commands, told) in cases {
        let repo = ScratchRepo::new();
        repo.git(["branch", "mine"]);
        let git_dir = format!("--git-dir={}", repo.root().join(".git").display());
        let agent = Inline::new(move |request| {
            for command in commands {
                let args: Vec<&str> = command
                    .iter()
                    .map(|arg| if arg.starts_with("--git-dir") { &git_dir } else { *arg })
                    .collect();
                git_in(&request.cwd, &args);
            }
            AgentOutcome::Succeeded
        });
        let ran = run(&repo, agent, &spec("", "  - {id: a, prompt: make a}\n")).await;
        assert_eq!(found(&ran, "a"), [("warn".to_owned(), vec![told.to_owned()])], "{told}");
    }
}

#[tokio::test]
async fn no_work_is_lost_to_what_an_attempt_before_made_git_ignore() {
    for stops in [false, true] {
        let repo = ScratchRepo::new();
        let (exclude, reached) = (repo.root().join(".git/info/exclude"), Arc::new(Notify::new()));
        let tell = reached.clone();
        let agent = Inline::waiting(move |request: AgentRequest| {
            let (exclude, tell) = (exclude.clone(), tell.clone());
            async move {
                let is_first = last_word(&request.prompt) == "a";
                if is_first {
                    std::fs::write(exclude, "*\n").expect("writes");
                } else if stops {
                    tell.notify_one();
                    std::future::pending::<()>().await;
                }
                write(&request.cwd, if is_first { "a.txt" } else { "b.txt" }, "made\n");
                AgentOutcome::Succeeded
            }
        });
        let spec = spec(
            "concurrency: 1",
            "  - {id: a, prompt: make a, max_retries: 0}\n  - {id: b, prompt: make b}\n",
        );
        let ran = match stops {
            false => run(&repo, agent, &spec).await,
            true => {
                let one = engine(&repo).adapter(agent).build().await.expect("an engine");
                let begun = one.start(&spec, RunOptions::default()).await.expect("started");
                reached.notified().await;
                one.shutdown().await;
                drop(begun);
                let agent = Inline::new(|request| {
                    write(&request.cwd, "b.txt", "made\n");
                    AgentOutcome::Succeeded
                });
                let two = engine(&repo).adapter(agent).build().await.expect("an engine");
                let ran = finish(&two, &two.resume(None).await.expect("resumed")).await;
                two.shutdown().await;
                ran
            }
        };
        assert_eq!(ran.statuses(), "a=gate-failed b=done", "{stops}: {:#?}", ran.outcome.view);
        let kept = |task: &str| format!("refs/convoy/{}/{task}/attempt-1", ran.outcome.view.convoy_id);
        assert_eq!(repo.tree(&kept("0-a"))["a.txt"], "made", "{stops}");
        let attempt = ran.task("b").attempts;
        let of = format!("refs/convoy/{}/1-b/attempt-{attempt}", ran.outcome.view.convoy_id);
        assert_eq!(repo.tree(&of)["b.txt"], "made", "{stops}");
    }
}

#[tokio::test]
async fn a_branch_that_another_convoy_publishes_to_is_not_told() {
    let repo = ScratchRepo::new();
    let landed = repo.git(["commit-tree", "main^{tree}", "-p", "main", "-m", "landed"]).trim().to_owned();
    let strange = repo.git(["commit-tree", "main^{tree}", "-p", "main", "-m", "strange"]).trim().to_owned();
    repo.git(["update-ref", "refs/convoy/convoy-other/integration", &landed]);
    repo.git(["branch", "theirs", "main"]);
    repo.git(["branch", "somebodys", "main"]);
    let agent = Inline::new(move |request| {
        git_in(&request.cwd, &["branch", "-f", "theirs", &landed]);
        git_in(&request.cwd, &["branch", "-f", "somebodys", &strange]);
        write(&request.cwd, "x.txt", "x");
        AgentOutcome::Succeeded
    });
    let ran = run(&repo, agent, &spec("", "  - {id: a, prompt: make a}\n")).await;
    let wanted = vec!["refs/heads/somebodys (moved)".to_owned()];
    assert_eq!(found(&ran, "a"), [("warn".to_owned(), wanted)]);
}

#[tokio::test]
async fn hooks_that_another_convoy_of_the_engine_publishes_are_no_finding() {
    let repo = ScratchRepo::new();
    repo.write(".husky/pre-commit", "exit 0\n");
    repo.commit("Hooks");
    repo.git(["config", "core.hooksPath", ".husky"]);
    let meet = Arc::new((Barrier::new(2), Barrier::new(2)));
    let agent = {
        let meet = meet.clone();
        Inline::waiting(move |request| {
            let meet = meet.clone();
            async move {
                if last_word(&request.prompt) == "a" {
                    meet.0.wait().await;
                    meet.1.wait().await;
                    write(&request.cwd, "a.txt", "made\n");
                } else {
                    write(&request.cwd, ".husky/pre-commit", "exit 0 # new\n");
                }
                AgentOutcome::Succeeded
            }
        })
    };
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let start = async |name: &str| {
        let text = spec("", &format!("  - {{id: {name}, prompt: make {name}, max_retries: 0}}\n"));
        engine.start(&text, RunOptions::default()).await.expect("started")
    };
    let watched = start("a").await;
    meet.0.wait().await;
    let other = start("b").await;
    finish(&engine, &other).await.assert_done();
    assert_eq!(repo.read(".husky/pre-commit"), "exit 0 # new\n");
    meet.1.wait().await;
    let ran = finish(&engine, &watched).await;
    ran.assert_done();
    assert_eq!(found(&ran, "a"), []);
    engine.shutdown().await;
}

#[tokio::test]
async fn what_another_convoy_of_the_engine_publishes_by_a_merge_is_not_told() {
    let repo = ScratchRepo::new();
    let meet = || Arc::new((Barrier::new(2), Barrier::new(2)));
    let (a, b) = (meet(), meet());
    let agent = {
        let (a, b) = (a.clone(), b.clone());
        Inline::waiting(move |request| {
            let at = if last_word(&request.prompt) == "a" { a.clone() } else { b.clone() };
            async move {
                at.0.wait().await;
                at.1.wait().await;
                write(&request.cwd, last_word(&request.prompt), "made");
                AgentOutcome::Succeeded
            }
        })
    };
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let start = async |name: &str| {
        let text = spec("", &format!("  - {{id: {name}, prompt: make {name}}}\n"));
        engine.start(&text, RunOptions::default()).await.expect("started")
    };
    let other = start("b").await;
    b.0.wait().await;
    // The branch is no longer where that convoy began: it publishes by a merge.
    repo.write("mine", "mine\n");
    repo.commit("Mine");
    let run = start("a").await;
    a.0.wait().await;
    b.1.wait().await;
    let ran = finish(&engine, &other).await;
    ran.assert_done();
    let integration = repo.git(["rev-parse", &ran.outcome.view.integration_ref]);
    assert_ne!(repo.git(["rev-parse", "main"]), integration, "the branch holds a merge");
    a.1.wait().await;
    let ran = finish(&engine, &run).await;
    ran.assert_done();
    assert_eq!(found(&ran, "a"), []);
    engine.shutdown().await;
}
