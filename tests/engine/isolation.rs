//! Worktrees with a git directory of their own, in whole convoys.

use std::path::Path;

use convoy_core::agent::AgentOutcome;
use convoy_core::engine::{Ended, RunEvent};
use convoy_core::event::{RequestKind, RunOptions};
use convoy_core::types::{ConvoyStatus, Failure, FailureKind, TaskStatus};
use convoy_tests::{Inline, ScratchRepo, engine, git_in, last_word, write};

fn spec(isolation: &str, rest: &str) -> String {
    format!("name: test\nversion: 1\nadapter: inline\nworktree: {{isolation: {isolation}}}\n{rest}")
}

/// Leaves traces wherever git lets it, and a commit.
fn careless(at: &Path, name: &str) {
    write(at, "left", "1\n");
    for call in [
        &["switch", "-qc", name][..],
        &["config", "core.hooksPath", "/nowhere"],
        &["config", "user.name", "Somebody"],
        &["stash", "-q", "-u"],
        &["tag", "mine"],
    ] {
        git_in(at, call);
    }
    write(at, &format!("{name}.txt"), "work\n");
    git_in(at, &["add", "-A"]);
    git_in(at, &["commit", "-qm", name]);
}

#[tokio::test]
async fn what_an_agent_does_with_git_reaches_the_repository_from_linked_worktrees_only() {
    for (isolation, status) in [("separate", TaskStatus::Done), ("linked", TaskStatus::GateFailed)] {
        let repo = ScratchRepo::new();
        let before = (repo.refs("refs/heads"), repo.read(".git/config"));
        let agent = Inline::new(|request| {
            careless(&request.cwd, last_word(&request.prompt));
            AgentOutcome::Succeeded
        });
        let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
        let text = spec(
            isolation,
            "defaults: {max_retries: 0, gates: ['git diff --quiet HEAD', 'test \"$(git config user.name)\" != Somebody']}\n\
             tasks:\n  - {id: a, prompt: make a}\n",
        );
        let outcome = engine.start(&text, RunOptions::default()).await.expect("started").wait().await;
        let view = outcome.expect("an outcome").view;
        assert_eq!(view.tasks[0].status, status, "{isolation}: {view:#?}");
        engine.shutdown().await;
        let own = isolation == "separate";
        assert_eq!((repo.read(".git/config") == before.1, repo.refs("refs/tags").is_empty()), (own, own));
        assert_eq!(repo.refs("refs/heads").keys().eq(before.0.keys()), own);
        assert_eq!(repo.files("main").contains(&"a.txt".to_owned()), own);
        if own {
            assert!(!repo.files("main").contains(&"left".to_owned()), "what it stashed is no work");
            repo.assert_sound_and_clean();
        }
    }
}

#[tokio::test]
async fn a_conflict_is_resolved_and_committed_in_a_worktree_of_its_own() {
    let repo = ScratchRepo::new();
    repo.write("shared.txt", "base\n");
    repo.commit("Begin");
    let both = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let agent = Inline::waiting(move |request| {
        let both = both.clone();
        async move {
            let path = request.cwd.join("shared.txt");
            let text = std::fs::read_to_string(&path).expect("reads");
            if text.contains("<<<<<<<") {
                write(&request.cwd, "shared.txt", "a and b\n");
            } else {
                both.wait().await;
                write(&request.cwd, "shared.txt", &format!("{}\n", last_word(&request.prompt)));
            }
            git_in(&request.cwd, &["commit", "-qam", "by the agent"]);
            AgentOutcome::Succeeded
        }
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let text = spec(
        "separate",
        "concurrency: 2\ntasks:\n  - {id: a, prompt: make a}\n  - {id: b, prompt: make b}\n",
    );
    let outcome = engine.start(&text, RunOptions::default()).await.expect("started").wait().await;
    let view = outcome.expect("an outcome").view;
    assert_eq!(view.status, ConvoyStatus::Done, "{view:#?}");
    engine.shutdown().await;
    assert_eq!(repo.read("shared.txt"), "a and b\n");
    repo.assert_sound_and_clean();
}

/// A convoy in which tasks follow each other, commit or not, and go through gates that set off from the base.
const SEVERAL: &str = "concurrency: 2\nmerge: {verify: [test -e a.txt]}\n\
    defaults: {gates: ['git diff --quiet --cached HEAD'], retry: {backoff: 0s}}\ntasks:\n\
    \x20 - {id: a, prompt: make a}\n\
    \x20 - {id: b, prompt: make b, depends_on: [a]}\n\
    \x20 - {id: c, prompt: make c, depends_on: [a]}\n\
    \x20 - {id: d, prompt: make d, depends_on: [b, c], gates: ['test -e b.txt && test -e c.txt']}\n";

/// Runs [`SEVERAL`] and gives what landed. Each agent fails once.
async fn several(isolation: &str) -> std::collections::BTreeMap<String, String> {
    let repo = ScratchRepo::new();
    repo.write("shared.txt", "begin\n");
    repo.commit("Begin");
    let once = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let agent = Inline::new(move |request| {
        let name = last_word(&request.prompt);
        write(&request.cwd, &format!("{name}.txt"), name);
        if name != "b" {
            git_in(&request.cwd, &["add", "-A"]);
            git_in(&request.cwd, &["commit", "-qm", name]);
            write(&request.cwd, &format!("more/{name}.txt"), name);
        }
        if once.lock().expect("nobody panicked").insert(name.to_owned()) {
            return AgentOutcome::Failed(Failure::new(FailureKind::Error, "tries again"));
        }
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let run = engine.start(&spec(isolation, SEVERAL), RunOptions::default()).await.expect("started");
    let view = run.wait().await.expect("an outcome").view;
    assert_eq!(view.status, ConvoyStatus::Done, "{isolation}: {view:#?}");
    engine.shutdown().await;
    repo.assert_sound_and_clean();
    repo.tree("main")
}

#[tokio::test]
async fn a_convoy_lands_the_same_tree_either_way() {
    let (linked, separate) = (several("linked").await, several("separate").await);
    assert!(linked.contains_key("d.txt") && linked.contains_key("more/c.txt"), "{linked:?}");
    assert_eq!(linked, separate);
}

/// Tries to move the user's branch, the convoy's own and its kept work, and to have something run for the user.
fn hostile(at: &Path, evil: &str) {
    write(at, "evil.txt", evil);
    git_in(at, &["add", "-A"]);
    git_in(at, &["commit", "-qm", evil]);
    let replacement = format!("refs/replace/{}", "12".repeat(20));
    for name in ["refs/heads/main", "refs/heads/evil", "refs/convoy/evil", &replacement] {
        git_in(at, &["update-ref", name, "HEAD"]);
    }
    for (key, value) in [
        ("core.fsmonitor", evil),
        ("core.hooksPath", "/evil"),
        ("core.pager", evil),
        ("include.path", "/evil"),
        ("filter.evil.clean", evil),
        ("user.name", "Evil"),
    ] {
        git_in(at, &["config", key, value]);
    }
    let hooks = at.join(".git/hooks");
    for hook in ["post-checkout", "post-merge", "reference-transaction", "pre-commit"] {
        write(&hooks, hook, &format!("#!/bin/sh\n{evil}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(hooks.join(hook), mode).expect("chmod");
    }
    write(&at.join(".git"), "info/attributes", "* filter=evil\n");
}

#[tokio::test]
async fn a_hostile_agent_changes_nothing_of_the_repository_and_nothing_that_it_left_runs() {
    let repo = ScratchRepo::new();
    let ran = repo.beside("ran");
    let evil = format!("touch '{}'", ran.display());
    let config = repo.read(".git/config");
    let hooks = || std::fs::read_dir(repo.root().join(".git/hooks")).map_or(0, Iterator::count);
    let before = hooks();
    let agent = Inline::new(move |request| {
        hostile(&request.cwd, &evil);
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    // The name that it gave its own commit would make the first gate pass.
    let text = spec(
        "separate",
        "defaults: {max_retries: 0}\ntasks:\n  - {id: fooled, prompt: make it, gates: ['git diff --quiet main HEAD']}\n\
         \x20 - {id: fine, prompt: make it, gates: ['git status', 'git add -A', 'test \"$(git config user.name)\" != Evil']}\n",
    );
    let outcome = engine.start(&text, RunOptions::default()).await.expect("started").wait().await;
    let view = outcome.expect("an outcome").view;
    let status: Vec<_> = view.tasks.iter().map(|task| task.status).collect();
    assert_eq!(status, [TaskStatus::GateFailed, TaskStatus::Done], "{view:#?}");
    engine.shutdown().await;
    assert!(!ran.exists(), "something that the agent left ran");
    assert_eq!((repo.read(".git/config"), hooks()), (config, before));
    let names: Vec<String> = repo.refs("refs").into_keys().collect();
    let is_known = |name: &String| {
        name == "refs/heads/main" || name.starts_with(&format!("refs/convoy/{}/", view.convoy_id))
    };
    assert!(names.iter().all(is_known), "{names:?}");
    assert_eq!(repo.files("main"), ["README.md", "evil.txt"], "the work, and nothing else");
    repo.assert_sound_and_clean();
}

#[tokio::test]
async fn what_is_left_of_an_interrupted_agent_is_kept_and_the_convoy_goes_on() {
    let repo = ScratchRepo::new();
    let first = std::sync::atomic::AtomicBool::new(true);
    let agent = Inline::waiting(move |request| {
        let first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        async move {
            write(&request.cwd, "half.txt", "half\n");
            git_in(&request.cwd, &["switch", "-qc", "mine"]);
            git_in(&request.cwd, &["add", "-A"]);
            git_in(&request.cwd, &["commit", "-qm", "Half of it"]);
            if first {
                request.cancel.cancelled().await;
                return AgentOutcome::Failed(Failure::new(FailureKind::Error, "ended with signal 9"));
            }
            write(&request.cwd, "whole.txt", "whole\n");
            AgentOutcome::Succeeded
        }
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let text = spec("separate", "tasks:\n  - {id: t, prompt: make it, max_retries: 0}\n");
    let run = engine.start(&text, RunOptions::default()).await.expect("started");
    let mut events = run.subscribe(0);
    while let Some(event) = events.next().await.expect("an event") {
        if matches!(event, RunEvent::Recorded(record) if record.event.type_name() == "task_started") {
            run.request(RequestKind::Interrupt { reason: "test".to_owned() }).expect("asked");
        }
    }
    assert_eq!(run.wait().await.expect("an outcome").ended, Ended::Interrupted);
    let resumed = engine.resume(None).await.expect("resumed").wait().await.expect("an outcome");
    assert_eq!(resumed.view.status, ConvoyStatus::Done, "{:#?}", resumed.view);
    engine.shutdown().await;
    assert_eq!((repo.read("half.txt").as_str(), repo.read("whole.txt").as_str()), ("half\n", "whole\n"));
    assert!(!repo.refs("refs/heads").contains_key("refs/heads/mine"));
    repo.assert_sound_and_clean();
}

#[tokio::test]
async fn a_partial_clone_is_refused_before_anything_begins() {
    let repo = ScratchRepo::new();
    repo.git(["config", "remote.origin.url", "/nowhere"]);
    repo.git(["config", "remote.origin.promisor", "true"]);
    let agent = Inline::new(|_| AgentOutcome::Succeeded);
    let engine = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    let text = spec("separate", "tasks:\n  - {id: t, prompt: make it}\n");
    let error = engine.start(&text, RunOptions::default()).await.map(drop).expect_err("refused");
    assert!(error.to_string().contains("partial clone"), "{error}");
    assert!(agent.requests().is_empty() && repo.refs("refs/convoy").is_empty());
    engine.shutdown().await;
}

#[tokio::test]
async fn a_git_directory_that_was_made_unfit_ends_no_other_task_and_its_files_are_recorded() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        let name = last_word(&request.prompt);
        write(&request.cwd, &format!("{name}.txt"), name);
        let branches = request.cwd.join(".git/refs/heads");
        std::fs::remove_dir_all(&branches).expect("removes");
        std::fs::write(branches, "").expect("writes");
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let text = spec(
        "separate",
        "tasks:\n  - {id: a, prompt: make a, hooks: [{type: command, command: git status, on: post_task}]}\n\
         \x20 - {id: b, prompt: make b, depends_on: [a]}\n",
    );
    let outcome = engine.start(&text, RunOptions::default()).await.expect("started").wait().await;
    let view = outcome.expect("an outcome").view;
    assert_eq!(view.status, ConvoyStatus::Done, "{view:#?}");
    engine.shutdown().await;
    assert_eq!(repo.files("main"), ["README.md", "a.txt", "b.txt"]);
    repo.assert_sound_and_clean();
}

#[tokio::test]
async fn gates_of_a_step_run_nothing_that_its_agent_left_and_see_no_object_replaced() {
    let repo = ScratchRepo::new();
    let ran = repo.beside("ran");
    let evil = format!("touch '{}'", ran.display());
    let agent = Inline::new(move |request| {
        write(&request.cwd, "work.txt", "work\n");
        git_in(&request.cwd, &["add", "-A"]);
        git_in(&request.cwd, &["commit", "-q", "--allow-empty", "-m", "Work"]);
        git_in(&request.cwd, &["switch", "-qC", "mine"]);
        git_in(&request.cwd, &["replace", "-f", "HEAD", "HEAD~1"]);
        git_in(&request.cwd, &["config", "core.fsmonitor", &evil]);
        AgentOutcome::Succeeded
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let text = spec(
        "separate",
        "defaults: {max_retries: 0}\ntasks:\n  - id: t\n    prompt: make it\n    steps:\n\
         \x20     - {prompt: first, gates: ['git status', 'git show HEAD:work.txt']}\n\
         \x20     - {prompt: second, gates: ['git rev-parse mine']}\n",
    );
    let outcome = engine.start(&text, RunOptions::default()).await.expect("started").wait().await;
    let view = outcome.expect("an outcome").view;
    assert_eq!(view.status, ConvoyStatus::Done, "{view:#?}");
    engine.shutdown().await;
    assert!(!ran.exists(), "something that the agent left ran");
    repo.assert_sound_and_clean();
}
