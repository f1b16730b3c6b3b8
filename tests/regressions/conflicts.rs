//! Conflicts: who resolves them, where, and what happens when nobody does.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use convoy_core::agent::AgentOutcome;
use convoy_core::types::ConvoyStatus;
use convoy_tests::{Inline, ScratchRepo, last_word, write};
use tokio::sync::Barrier;

use crate::support::{landed, quoted, run, spec};

/// The files of a folder that hold conflict markers, sorted.
fn marked(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("<<<<<<<")))
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

/// What the agent does with the markers that it finds.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Resolves,
    LeavesThem,
}

/// Two of these tasks work at the same time on one line of `f.txt`, and on files of their own. Notes which files
/// held markers when one was called to resolve them.
fn rivals(does: Does, seen: Arc<Mutex<Vec<Vec<String>>>>) -> Arc<Inline> {
    let both_began = Arc::new(Barrier::new(2));
    Inline::waiting(move |request| {
        let (both_began, seen) = (both_began.clone(), seen.clone());
        async move {
            let (name, cwd) = (last_word(&request.prompt).to_owned(), &request.cwd);
            let markers = marked(cwd);
            if !markers.is_empty() {
                seen.lock().expect("no panic").push(markers);
                if does == Does::Resolves {
                    write(cwd, "f.txt", "both\n");
                }
                return AgentOutcome::Succeeded;
            }
            write(cwd, &format!("{name}.txt"), "own\n");
            if name != "c" {
                write(cwd, "f.txt", &format!("{name}\n"));
                both_began.wait().await;
            }
            AgentOutcome::Succeeded
        }
    })
}

#[tokio::test]
async fn a_conflict_is_resolved_in_the_tree_that_holds_it_and_checked_again() {
    let repo = ScratchRepo::new();
    repo.write("f.txt", "start\n");
    repo.commit("A file");
    let seen = Arc::default();
    let agent = rivals(Does::Resolves, Arc::clone(&seen));
    let gates = repo.beside("gates");
    let gate = quoted(&format!("cat f.txt >> {}", gates.display()));
    let task = |id| format!("  - {{id: {id}, prompt: change {id}, max_retries: 0, gates: [{gate}]}}\n");
    let ran = run(&repo, agent.clone(), &spec("concurrency: 2", &(task("a") + &task("b")))).await;
    ran.assert_done();
    assert_eq!(*seen.lock().expect("no panic"), [["f.txt"]], "exactly the file in conflict holds markers");

    let tree = repo.tree("main");
    assert_eq!(
        (tree["f.txt"].as_str(), tree["a.txt"].as_str(), tree["b.txt"].as_str()),
        ("both", "own", "own")
    );
    assert_eq!(landed(&repo, "main"), ["a", "b"]);
    let mut checked = repo.lines_beside("gates");
    checked.sort_unstable();
    assert_eq!(checked, ["a", "b", "both"], "the resolved tree is judged like any work");

    let loser = if ran.task("a").attempts == 2 { "a" } else { "b" };
    let met = ran.events_of(loser, "merge_conflict_detected");
    assert_eq!((met.len(), &met[0]["conflicting_files"]), (1, &serde_json::json!(["f.txt"])));
    let told = &met[0]["conflicts"][0];
    assert_eq!((&told["path"], &told["kind"]), (&"f.txt".into(), &"content".into()));
    for side in ["base", "ours", "theirs"] {
        let content =
            repo.git(["cat-file", "blob", told[side]["oid"].as_str().expect("there is such a side")]);
        assert!(!content.is_empty() && told[side]["mode"] == "100644", "{side}");
    }
    let prompts = agent.prompts(&format!("change {loser}"));
    assert_eq!(prompts.len(), 2);
    assert!(prompts[1].contains("f.txt") && prompts[1].ends_with(&prompts[0]), "{}", prompts[1]);
    // Its own work and what landed before are both part of the history.
    let parents =
        repo.git(["log", "-1", "--format=%p", ran.task(loser).commit.as_ref().expect("landed").as_str()]);
    assert_eq!(parents.split(' ').count(), 2);
    repo.assert_sound_and_clean();
}

#[tokio::test]
async fn markers_are_found_in_any_of_hundreds_of_files() {
    // More than the record lists one by one.
    let files: Vec<String> = (0..230).map(|n| format!("f{n:03}.txt")).collect();
    let repo = ScratchRepo::new();
    files.iter().for_each(|file| repo.write(file, "start\n"));
    repo.commit("Files");
    let (both_began, tries) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let (names, tried) = (files.clone(), tries.clone());
    let agent = Inline::waiting(move |request| {
        let (both_began, tried, names) = (both_began.clone(), tried.clone(), names.clone());
        async move {
            let (name, found) = (last_word(&request.prompt), marked(&request.cwd));
            if found.is_empty() {
                names.iter().for_each(|file| write(&request.cwd, file, name));
                both_began.wait().await;
            } else {
                // All but the last one at first.
                let left_out = usize::from(tried.fetch_add(1, Ordering::SeqCst) == 0);
                found.iter().rev().skip(left_out).for_each(|file| write(&request.cwd, file, "both\n"));
            }
            AgentOutcome::Succeeded
        }
    });
    let task = |id| format!("  - {{id: {id}, prompt: change {id}, max_retries: 0}}\n");
    let ran = run(&repo, agent, &spec("concurrency: 2", &(task("a") + &task("b")))).await;
    ran.assert_done();
    assert_eq!(tries.load(Ordering::SeqCst), 2, "the first try left markers");
    let tree = repo.git(["grep", "-c", "^both$", "main", "--", "f*.txt"]);
    assert_eq!(tree.lines().count(), files.len());
}

#[tokio::test]
async fn a_conflict_that_stays_fails_its_task_after_two_tries_and_no_other() {
    let repo = ScratchRepo::new();
    repo.write("f.txt", "start\n");
    repo.commit("A file");
    let seen = Arc::default();
    let agent = rivals(Does::LeavesThem, Arc::clone(&seen));
    let task = |id| format!("  - {{id: {id}, prompt: change {id}, max_retries: 3}}\n");
    let ran = run(&repo, agent, &spec("concurrency: 2", &(task("a") + &task("b") + &task("c")))).await;
    assert_eq!(ran.status(), ConvoyStatus::Failed);
    let (winner, loser) = if ran.task("a").failure.is_some() { ("b", "a") } else { ("a", "b") };
    assert_eq!(landed(&repo, "main"), [winner, "c"], "{}", ran.statuses());
    assert_eq!(ran.failed_with(loser), "merge-conflict");
    assert_eq!(*seen.lock().expect("no panic"), [["f.txt"], ["f.txt"]]);
    let failed = ran.events_of(loser, "merge_conflict_failed");
    assert_eq!((failed.len(), &failed[0]["attempts"]), (1, &serde_json::json!(2)));
    assert!(ran.events_of(loser, "merge_done").is_empty());
    assert_eq!(repo.tree("main")["f.txt"], winner, "nothing with markers lands");
    assert!(ran.outcome.view.published);
    repo.assert_sound_and_clean();
}
