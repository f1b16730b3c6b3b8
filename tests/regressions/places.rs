//! Where agents work, and where the engine leaves files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use convoy_core::agent::AgentOutcome;
use convoy_core::types::ConvoyStatus;
use convoy_tests::{Inline, ScratchRepo, last_word, write};

use crate::support::{landed, quoted, run, spec};

fn writer() -> Arc<Inline> {
    Inline::new(|request| {
        write(&request.cwd, last_word(&request.prompt), "made\n");
        AgentOutcome::Succeeded
    })
}

#[tokio::test]
async fn any_printable_task_id_gets_a_worktree_of_its_own() {
    let long = "x".repeat(200);
    let wide = "日".repeat(200);
    let ids = [
        "../../x",
        "a b",
        "日本",
        ".lock",
        "CON",
        &long,
        &wide,
        "task",
        "Task",
        "TASK",
        "..",
        ".",
        "-rf",
        "a/b",
        "a.lock",
        "@{",
        "~^:?*[\\",
        "'\"$(x)",
        "é",
        "e\u{301}",
        "HEAD",
        ".git",
        "refs/heads/main",
    ];
    let repo = ScratchRepo::new();
    let agent = writer();
    let task = |(n, id): (usize, &&str)| format!("  - {{id: {}, prompt: make f{n}}}\n", quoted(id));
    let tasks: String = ids.iter().enumerate().map(task).collect();
    let ran = run(&repo, agent.clone(), &spec("concurrency: 4", &tasks)).await;
    ran.assert_done();
    let worktrees = repo.root().join(".convoy/worktrees").join(ran.outcome.view.convoy_id.as_str());
    let mut folded = BTreeSet::new();
    let slots = repo.root().join(".convoy/slots");
    for request in agent.requests() {
        assert_eq!(request.cwd.parent(), Some(slots.as_path()), "{}", request.cwd.display());
    }
    for event in ids.iter().flat_map(|id| ran.events_of(id, "task_started")) {
        let path = Path::new(event["worktree"].as_str().expect("a path"));
        assert_eq!(path.parent(), Some(worktrees.as_path()), "{}", path.display());
        let name = path.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
        assert!(name.is_ascii() && name.len() < 100, "{name} is no name for every file system");
        // Apart also where upper and lower case are one.
        assert!(folded.insert(name.to_lowercase()), "{name} is used twice");
    }
    assert_eq!(folded.len(), ids.len());
    let mut wanted: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    wanted.sort_unstable();
    assert_eq!(landed(&repo, "main"), wanted);
    assert_eq!(repo.files("main").len(), ids.len() + 1);
    repo.assert_sound_and_clean();
}

#[tokio::test]
async fn a_branch_that_is_another_name_moves_its_target_and_the_checkout_follows() {
    let repo = ScratchRepo::new();
    repo.git(["symbolic-ref", "refs/heads/second", "refs/heads/main"]);
    repo.git(["symbolic-ref", "refs/heads/alias", "refs/heads/second"]);
    let task = "  - {id: a, prompt: make a}\n";
    for name in ["alias", "refs/heads/alias"] {
        let ran = run(&repo, writer(), &spec(&format!("branch: {name}"), task)).await;
        ran.assert_done();
        assert_eq!(ran.branch_ref(), "refs/heads/main", "{name}");
        assert_eq!(repo.read("a"), "made\n");
        repo.assert_sound_and_clean();
    }
    assert_eq!(repo.read(".git/refs/heads/alias"), "ref: refs/heads/second\n", "it stays what it is");

    // It may lead to a branch that is still to be made, but not away from the branches.
    repo.git(["symbolic-ref", "refs/heads/early", "refs/heads/fresh"]);
    let ran = run(&repo, writer(), &spec("branch: early", "  - {id: b, prompt: make b}\n")).await;
    ran.assert_done();
    assert_eq!(repo.files("fresh"), ["README.md", "a", "b"]);
    repo.git(["symbolic-ref", "refs/heads/away", "refs/tags/away"]);
    let engine = convoy_tests::engine(&repo).adapter(writer()).build().await.expect("an engine");
    let refused = engine.start(&spec("branch: away", task), convoy_core::event::RunOptions::default()).await;
    let error = refused.expect_err("it is no branch");
    assert!(error.to_string().contains("refs/tags/away, which is no branch"), "{error}");
    engine.shutdown().await;
}

/// Puts something where worktrees belong.
type PutThere = fn(&Path);

#[tokio::test]
async fn without_a_worktree_the_task_fails_and_no_agent_is_called_anywhere() {
    let in_the_way: [(&str, PutThere); 2] = [
        ("a file", |path| fs::write(path, "mine").expect("written")),
        ("a link to nowhere", |path| std::os::unix::fs::symlink("/nowhere/at/all", path).expect("a link")),
    ];
    for (what, make) in in_the_way {
        let repo = ScratchRepo::new();
        fs::create_dir(repo.root().join(".convoy")).expect("a folder");
        make(&repo.root().join(".convoy/worktrees"));
        let agent = writer();
        let tasks =
            "  - {id: a, prompt: make a, max_retries: 1}\n  - {id: b, prompt: make b, depends_on: [a]}\n";
        let ran = run(&repo, agent.clone(), &spec("", tasks)).await;
        assert_eq!(
            (ran.status(), ran.statuses().as_str()),
            (ConvoyStatus::Failed, "a=failed b=skipped"),
            "{what}"
        );
        assert_eq!(ran.failed_with("a"), "worktree-error", "{what}");
        assert_eq!(ran.events_of("a", "task_assigned").len(), 2, "{what}: it is retried");
        assert!(agent.requests().is_empty(), "{what}: an agent was called");
        assert!(!repo.root().join("a").exists(), "{what}: an agent worked in the user's checkout");
        repo.assert_sound_and_clean();
    }
}

#[tokio::test]
async fn a_setup_that_fails_calls_no_agent() {
    let repo = ScratchRepo::new();
    let agent = writer();
    let head = "worktree: {setup: [echo the reason >&2; exit 7]}\ndefaults: {max_retries: 0}";
    let ran = run(&repo, agent.clone(), &spec(head, "  - {id: a, prompt: make a}\n")).await;
    let failure = ran.failure("a");
    assert_eq!((ran.failed_with("a").as_str(), failure.exit_code), ("worktree-error", Some(7)));
    assert!(failure.output_tail.contains("the reason"), "{failure:?}");
    assert!(agent.requests().is_empty());
    repo.assert_sound_and_clean();
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn the_engine_leaves_no_file_outside_of_its_state_directory() {
    let repo = ScratchRepo::new();
    repo.write(".gitignore", "target\n");
    repo.commit("Ignore");
    let here = Path::new(".");
    let (cwd, beside) = (names(here), names(&repo.beside("")));
    // A task that fails, for the files of dead letters, and one that is retried.
    let tasks = "  - {id: a, prompt: make a}\n  - {id: bad, prompt: make bad, gates: [exit 1]}\n";
    let ran = run(&repo, writer(), &spec("", tasks)).await;
    assert_eq!(ran.statuses(), "a=done bad=gate-failed");
    assert_eq!(
        names(repo.root()),
        [".convoy", ".git", ".gitignore", "README.md", "a"].map(String::from).into()
    );
    assert_eq!((repo.status(), repo.read(".gitignore")), (Vec::new(), "target\n".to_owned()));
    assert_eq!((names(here), names(&repo.beside(""))), (cwd, beside));
    assert_eq!(names(&repo.beside("home")), BTreeSet::new(), "nothing in the home");
    assert_eq!(repo.worktrees().len(), 1);
    let mode = fs::metadata(repo.root().join(".convoy")).expect("the state directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "it is nobody else's business");
}
