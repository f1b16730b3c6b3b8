//! `convoy prune`, and what runs keep of those before them.

use std::fs;

use convoy_tests::ScratchRepo;
use serde_json::Value;

use crate::support::{convoy, convoy_file, run, status, task};

/// Runs a convoy with one task to its end; its id.
fn ran(repo: &ScratchRepo, name: &str, fields: &str, script: &str, code: i32) -> String {
    let file = convoy_file(repo, name, "", &task("a", fields, script));
    run(repo, &file).run().expect_code(code);
    status(repo)["convoy_id"].as_str().expect("an id").to_owned()
}

fn list(repo: &ScratchRepo) -> Vec<String> {
    let text = convoy(repo, &["list", "--json"]).run().expect_code(0).stdout;
    let list: Value = serde_json::from_str(&text).expect("JSON");
    list.as_array()
        .expect("a list")
        .iter()
        .map(|line| line["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn prune_deletes_what_is_said_and_tells_it() {
    let repo = ScratchRepo::new();
    let first = ran(&repo, "first", "", "write one 1", 0);
    let letter = ran(&repo, "letter", "max_retries: 0", "write two 2\nexit 1", 1);
    let before = (repo.oid("main"), repo.refs("refs/convoy/"));

    let would = convoy(&repo, &["prune", "--older-than", "0s", "--dry-run"]).run().expect_code(0).stdout;
    assert!(would.starts_with(&format!("would prune {first} first (done, ended ")), "{would}");
    assert!(would.contains(&format!("kept {letter} letter: it has 1 open dead letter")), "{would}");
    let young = convoy(&repo, &["prune", "--older-than", "1h"]).run().expect_code(0).stdout;
    assert_eq!(young, "nothing to prune\n");
    assert_eq!((repo.oid("main"), repo.refs("refs/convoy/")), before);

    let text = convoy(&repo, &["prune", "--older-than", "0s", "--json"]).run().expect_code(0).stdout;
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&report["pruned"][0]["convoy_id"], &report["kept"][0]["reason"]),
        (&Value::from(&*first), &"open_for_people".into())
    );
    assert_eq!(list(&repo), std::slice::from_ref(&letter));
    for call in
        [&["show", "a", "--convoy", &first][..], &["status", &first], &["events", &first], &["retry", &first]]
    {
        let gone = convoy(&repo, call).run().expect_code(2).stderr;
        assert!(gone.contains(&format!("convoy {first} was pruned at ")), "{call:?}: {gone}");
    }
    for call in [&["prune", &first][..], &["prune", "convoy-00000000000000000000000000"], &["prune", "zz"]] {
        let refused = convoy(&repo, call).run().expect_code(2).stderr;
        assert!(refused.contains("was pruned at") || refused.contains("no convoy"), "{call:?}: {refused}");
    }
    // Named by the beginning of its id, and so said to be meant.
    let pruned = convoy(&repo, &["prune", &letter[..31]]).run().expect_code(0).stdout;
    assert!(pruned.starts_with(&format!("pruned {letter} letter (failed, ended ")), "{pruned}");
    assert_eq!((list(&repo).len(), repo.refs("refs/convoy/").len()), (0, 0));
    assert_eq!(convoy(&repo, &["prune", "--all"]).run().expect_code(0).stdout, "nothing to prune\n");
    assert_eq!(repo.oid("main"), before.0);
    repo.assert_sound_and_clean();
}

#[test]
fn what_is_kept_although_it_was_named_is_an_error() {
    let repo = ScratchRepo::new();
    repo.write("one", "local change");
    let id = ran(&repo, "unpublished", "", "write one 1", 5);
    let kept = convoy(&repo, &["prune", &id]).run().expect_code(2).stdout;
    assert!(kept.contains("what landed is on no branch"), "{kept}");
    convoy(&repo, &["prune", "--all"]).run().expect_code(0);
    assert_eq!(list(&repo), std::slice::from_ref(&id));
    let tip = repo.oid(&format!("refs/convoy/{id}/integration"));
    let pruned = convoy(&repo, &["prune", &id, "--unpublished"]).run().expect_code(0).stdout;
    assert!(pruned.contains(&format!("its landed work is on no branch: {tip}")), "{pruned}");
    assert_eq!(repo.read("one"), "local change");
}

#[test]
fn nothing_is_there_to_prune_where_nothing_was_run() {
    let repo = ScratchRepo::new();
    assert_eq!(convoy(&repo, &["prune", "--all"]).run().expect_code(0).stdout, "nothing to prune\n");
    convoy(&repo, &["prune", "01ab"]).run().expect_code(2);
    assert!(!repo.root().join(".convoy").exists());
}

#[test]
fn runs_keep_what_they_are_told_to_keep_and_tell_what_goes() {
    let repo = ScratchRepo::new();
    let first = ran(&repo, "first", "", "write one 1", 0);
    let second = ran(&repo, "second", "", "write two 2", 0);
    let logs = repo.root().join(".convoy/logs");
    fs::write(logs.join(&second).join("0-a/attempt-1.log"), "x".repeat(100_000)).expect("written");
    let file = convoy_file(&repo, "third", "", &task("a", "", "write three 3"));
    let keep = ["--keep-convoys", "2", "--logs-quota", "50K"];
    let said = run(&repo, &file).args(keep).run().expect_code(0).stderr;
    assert!(said.contains(&format!("pruned {first} first (done, ended ")), "{said}");
    assert!(list(&repo).len() == 2 && !list(&repo).contains(&first));
    let shown = convoy(&repo, &["show", "a", "--convoy", &second]).run().expect_code(0).stdout;
    assert_eq!(shown.matches("Logs of this convoy were removed at ").count(), 2, "{shown}");
    assert!(shown.contains("work: ") && !repo.refs(&format!("refs/convoy/{second}/")).is_empty());
}
