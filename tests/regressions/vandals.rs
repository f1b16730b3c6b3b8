//! Agents that damage what they work in: their own task suffers, no other, and nothing of the user's.

use convoy_core::types::ConvoyStatus;
use convoy_tests::{ScratchRepo, engine, prompt};

use crate::support::{Ran, landed, quoted, run_with, scripted};

/// Runs `script` as the task `vandal`, then another task.
async fn with_vandal(repo: &ScratchRepo, script: &str) -> Ran {
    let tasks = format!(
        "  - {{id: vandal, prompt: {}}}\n  - {{id: other, prompt: {}}}\n",
        prompt(script),
        prompt("write other.txt made"),
    );
    run_with(engine(repo), &scripted("concurrency: 1\ndefaults: {max_retries: 0}", &tasks)).await
}

fn assert_other_landed(repo: &ScratchRepo, ran: &Ran, script: &str) {
    assert!(landed(repo, "main").contains(&"other".to_owned()), "{script}: {:#?}", ran.outcome.view);
    assert!(ran.outcome.view.published, "{script}: {:#?}", ran.outcome.view);
    assert_eq!(repo.status(), [""; 0], "{script}");
    assert_eq!(repo.read("README.md"), "scratch\n", "{script}");
}

#[tokio::test]
async fn work_in_a_damaged_worktree_is_lost_at_most_for_its_own_task() {
    let cases = [
        "sh rm -rf \"$PWD\"",
        "sh rm .git",
        "write .git garbage",
        "sh rm .git && ln -s /nowhere .git",
        "sh d=$PWD && cd / && rm -rf \"$d\" && ln -s / \"$d\"",
        "sh d=$PWD && cd / && rm -rf \"$d\" && echo file > \"$d\"",
        "sh echo garbage > \"$(git rev-parse --git-dir)/HEAD\"",
        "sh rm -rf \"$(git rev-parse --git-dir)\"",
        "sh rm \"$(git rev-parse --git-dir)/gitdir\"",
        "sh git worktree lock . && git worktree remove --force --force .",
        "sh chmod -R a-w . && chmod 0 README.md",
    ];
    for script in cases {
        let repo = ScratchRepo::new();
        let ran = with_vandal(&repo, script).await;
        assert_other_landed(&repo, &ran, script);
        assert!(ran.task("vandal").failure.is_some() || ran.status() == ConvoyStatus::Done, "{script}");
    }
}

#[tokio::test]
async fn work_that_git_would_keep_only_in_part_fails_its_task_and_its_files_are_kept() {
    let sides = "git commit -qm one && one=$(git rev-parse HEAD) && git checkout -q --detach HEAD~1 && echo two > v.txt && \
                 git add v.txt && git commit -qm two";
    let cases = [
        ("sh git init -q inner && cd inner && git commit -q --allow-empty -m inner".to_owned(), "inner"),
        (format!("sh git add v.txt && {sides} && ! git merge -q $one"), "merge"),
        (format!("sh git add v.txt && {sides} && git merge -q -s ours --no-commit $one"), "merge"),
    ];
    for (script, named) in cases {
        let repo = ScratchRepo::new();
        let ran = with_vandal(&repo, &format!("write v.txt v\n{script}")).await;
        assert_eq!(ran.statuses(), "vandal=failed other=done", "{script}: {:#?}", ran.outcome.view);
        assert_eq!(ran.failed_with("vandal"), "snapshot-error", "{script}");
        let message = &ran.failure("vandal").message;
        assert!(message.contains(named) && message.contains("its files are kept in"), "{message}");
        assert_eq!(landed(&repo, "main"), ["other"]);
        let aside = format!(".convoy/worktrees/{}/0-vandal.kept-1", ran.outcome.view.convoy_id);
        assert!(message.contains(&aside) && repo.root().join(&aside).join("v.txt").is_file(), "{message}");
        assert_eq!(repo.status(), [""; 0], "{script}");
    }
}

#[tokio::test]
async fn what_can_be_saved_from_an_odd_worktree_lands() {
    let cases = [
        "sh touch \"$(git rev-parse --git-dir)/index.lock\" \"$(git rev-parse --git-dir)/HEAD.lock\"\nwrite v.txt v",
        "sh rm \"$(git rev-parse --git-dir)/index\"\nwrite v.txt v",
        "sh git update-index --assume-unchanged README.md\nwrite v.txt v",
        "sh git checkout -q -b mine\ncommit One\nwrite v.txt v",
        "sh echo x > README.md && git stash -q && git checkout -q --orphan fresh\nwrite v.txt v\ncommit Alone",
        "write v.txt v\nsh git gc -q; git worktree prune; git pack-refs --all",
        "write v.txt v\nsh mkfifo pipe",
        "sh printf x > \"$(printf 'v.txt')\"; printf y > \"$(printf 'new\\nline')\"",
    ];
    for script in cases {
        let repo = ScratchRepo::new();
        let ran = with_vandal(&repo, script).await;
        assert_eq!(ran.statuses(), "vandal=done other=done", "{script}: {:#?}", ran.outcome.view);
        assert!(repo.files(&ran.outcome.view.integration_ref).contains(&"v.txt".to_owned()), "{script}");
    }
}

#[tokio::test]
async fn a_repository_that_an_agent_configures_anew_fails_that_agent_and_nobody_else() {
    let script = "write v.txt v\nsh git config core.bare true; git config core.worktree /nowhere; \
                  git config core.hooksPath /nowhere";
    let repo = ScratchRepo::new();
    let ran = with_vandal(&repo, script).await;
    assert_eq!(ran.statuses(), "vandal=gate-failed other=done", "{:#?}", ran.outcome.view);
    assert_eq!(ran.failed_with("vandal"), "gate:repository_guard");
    assert!(repo.files(&ran.outcome.view.integration_ref).contains(&"other.txt".to_owned()));
}

#[tokio::test]
async fn a_history_that_cannot_be_read_fails_its_task_and_nobody_else() {
    let broken = "write v.txt v\nsh git add -A; tree=$(git write-tree); base=$(git rev-parse HEAD); \
                  bad=$(printf 'tree 1111111111111111111111111111111111111111\\nparent %s\\nauthor a <a@b> 1 +0000\\n\
                  committer a <a@b> 1 +0000\\n\\nx\\n' $base | git hash-object --literally -t commit -w --stdin); \
                  git update-ref HEAD $(git -c user.name=a -c user.email=a@b.invalid commit-tree -p $bad -m fine $tree)";
    let repo = ScratchRepo::new();
    let ran = with_vandal(&repo, broken).await;
    assert_eq!(ran.statuses(), "vandal=failed other=done", "{:#?}", ran.outcome.view);
    assert_eq!(ran.failed_with("vandal"), "merge-error");
    assert_eq!(landed(&repo, "main"), ["other"]);
}

#[tokio::test]
async fn an_integration_ref_that_somebody_deletes_or_moves_ends_in_no_loop() {
    let all = "git for-each-ref --format='%(refname)' refs/convoy";
    let cases = [
        format!("write v.txt v\nsh {all} | xargs -n1 git update-ref -d"),
        format!("write v.txt v\ncommit Own\nsh {all} | grep integration$ | xargs -I@ git update-ref @ HEAD"),
    ];
    for script in cases {
        let repo = ScratchRepo::new();
        let ran = with_vandal(&repo, &script).await;
        assert_other_landed(&repo, &ran, &script);
        repo.assert_sound_and_clean();
    }
}

#[tokio::test]
async fn files_that_are_hidden_from_git_are_part_of_the_work_and_put_back_after_a_gate() {
    let repo = ScratchRepo::new();
    repo.write("check.sh", "exit 1\n");
    repo.commit("a check");
    let hide = "git update-index --skip-worktree README.md check.sh";
    let edit = format!("sh {hide}\nwrite README.md mine");
    let gate = quoted(&format!("{hide} && echo exit 0 > check.sh"));
    let tasks = format!(
        "  - {{id: vandal, prompt: {}}}\n  - {{id: forged, prompt: {}, gates: [{gate}, sh check.sh]}}\n",
        prompt(&edit),
        prompt("write other.txt made"),
    );
    let ran = run_with(engine(&repo), &scripted("concurrency: 1\ndefaults: {max_retries: 0}", &tasks)).await;
    assert_eq!(ran.statuses(), "vandal=done forged=gate-failed", "{:#?}", ran.outcome.view);
    assert_eq!(repo.tree(&ran.outcome.view.integration_ref)["README.md"].trim_end(), "mine");
    assert!(ran.failure("forged").message.contains("sh check.sh"), "{:?}", ran.failure("forged"));
}
