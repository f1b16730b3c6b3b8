//! Convoy files for the scripted agent, calls of the program, and what must be left of a run: nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use convoy_core::process::survivors;
use convoy_tests::{ConvoyCmd, ScratchRepo, adapter, prompt};
use serde_json::Value;

/// The program under test.
pub(crate) const CONVOY: &str = env!("CARGO_BIN_EXE_convoy-under-test");

/// The scripted agent.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_scripted-agent");

/// A call of the program in the repository.
pub(crate) fn convoy(repo: &ScratchRepo, args: &[&str]) -> ConvoyCmd {
    ConvoyCmd::new(CONVOY, repo).args(args.iter().copied())
}

/// `convoy run` of a file, its events as lines of JSON.
pub(crate) fn run(repo: &ScratchRepo, file: &Path) -> ConvoyCmd {
    convoy(repo, &["run", "--json"]).args([file.as_os_str()])
}

/// One task with this script. `fields`: more of its fields, as the inside of a YAML flow mapping.
pub(crate) fn task(id: &str, fields: &str, script: &str) -> String {
    let comma = if fields.is_empty() { "" } else { ", " };
    format!("  - {{id: {id}{comma}{fields}, prompt: {}}}\n", prompt(script))
}

/// Writes a convoy file beside the repository. `head`: lines of the top level.
pub(crate) fn convoy_file(repo: &ScratchRepo, name: &str, head: &str, tasks: &str) -> PathBuf {
    let adapters = adapter(AGENT);
    let path = repo.beside(&format!("{name}.convoy.yml"));
    let text = format!("name: {name}\nversion: 1\nadapter: scripted\n{head}\n{adapters}tasks:\n{tasks}");
    fs::write(&path, text).expect("a convoy file is written");
    path
}

/// The same with the agent `critic`, which may only read, as the reviewer.
pub(crate) fn reviewed_file(repo: &ScratchRepo, name: &str, head: &str, tasks: &str) -> PathBuf {
    let head = format!("defaults: {{reviewer_adapter: critic, retry: {{backoff: 0s}}}}\n{head}");
    let path = convoy_file(repo, name, &head, tasks);
    let critic = format!(
        "adapters:\n  critic:\n    command: [{}, --json]\n    read_only: [--only-read]\n    output: json\n    \
         fields: {{result: /result, terminal: /type=result}}\n",
        Value::from(AGENT)
    );
    let text = fs::read_to_string(&path).expect("it was written").replace("adapters:\n", &critic);
    fs::write(&path, text).expect("a convoy file is written");
    path
}

/// A task whose work is reviewed: it has more lines than pass by themselves. `review`: what the reviewer does.
pub(crate) fn reviewed_task(id: &str, fields: &str, review: &str) -> String {
    let lines = (1..=20).map(|n| format!("append {id}.txt line {n}\n")).collect::<String>();
    let text = format!("Do {id}.\n```script\n{lines}```\n```review\n{review}\n```\n");
    format!("  - {{id: {id}, {fields}, prompt: {}}}\n", Value::from(text))
}

/// `convoy status --json` of the newest convoy.
pub(crate) fn status(repo: &ScratchRepo) -> Value {
    let outcome = convoy(repo, &["status", "--json"]).run().expect_code(0);
    serde_json::from_str(&outcome.stdout).expect("one object")
}

/// The stored events of the newest convoy.
pub(crate) fn events(repo: &ScratchRepo) -> Vec<Value> {
    let outcome = convoy(repo, &["events", "--json"]).run().expect_code(0);
    outcome.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// How many events there are of a type.
pub(crate) fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["type"] == kind).count()
}

/// How many commits of a revision carry the trailer of each task.
pub(crate) fn landings(repo: &ScratchRepo, revision: &str) -> BTreeMap<String, usize> {
    let log = repo.git(["log", "--format=%(trailers:key=Convoy-Task,valueonly)", revision, "--"]);
    let mut counted = BTreeMap::new();
    for task in log.lines().filter(|line| !line.is_empty()) {
        *counted.entry(task.to_owned()).or_default() += 1;
    }
    counted
}

/// Fails unless each of these tasks landed exactly once, and nothing else.
#[track_caller]
pub(crate) fn assert_landed_once(repo: &ScratchRepo, tasks: impl IntoIterator<Item = impl Into<String>>) {
    let expected: BTreeMap<String, usize> = tasks.into_iter().map(|task| (task.into(), 1)).collect();
    assert_eq!(landings(repo, "main"), expected);
}

/// Fails unless nothing of any convoy runs, and only its refs, its record and its logs are there.
#[track_caller]
pub(crate) fn assert_nothing_left(repo: &ScratchRepo) {
    assert_eq!(repo.worktrees().len(), 1, "worktrees are left: {:?}", repo.worktrees());
    let worktrees = repo.root().join(".convoy/worktrees");
    assert_eq!(names(&worktrees), [""; 0], "folders of worktrees are left");
    let mut convoys = Vec::new();
    for name in repo.refs("").keys().filter(|name| !name.starts_with("refs/heads/")) {
        let convoy = name.strip_prefix("refs/convoy/").and_then(|rest| rest.split_once('/'));
        let (convoy, _) = convoy.unwrap_or_else(|| panic!("{name} is left"));
        convoys.push(convoy.to_owned());
    }
    convoys.dedup();
    for convoy in convoys {
        assert_eq!(survivors(&convoy), [], "processes are left");
    }
    let git = names(&repo.root().join(".git"));
    let known = [
        "COMMIT_EDITMSG",
        "HEAD",
        "ORIG_HEAD",
        "branches",
        "config",
        "description",
        "hooks",
        "index",
        "info",
    ];
    let more = ["config.worktree", "logs", "objects", "packed-refs", "refs", "reftable", "worktrees"];
    let known = [known.as_slice(), &more].concat();
    let strange: Vec<&String> = git.iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert_eq!(strange, [""; 0], "left in .git");
    let visible: Vec<String> = repo.status().into_iter().filter(|line| line.contains(".convoy")).collect();
    assert_eq!(visible, [""; 0], "the engine's own files are shown by git status");
}

/// The names in a folder, sorted; none when it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
