use std::path::{Path, PathBuf};

both_isolations! {
    what_only_a_submodule_has_is_refused_and_what_others_have_is_recorded,
    what_nested_submodules_have_counts,
    what_is_left_out_or_ignored_is_no_work_in_a_submodule,
    a_history_that_is_not_whole_reaches_nothing_and_nothing_is_fetched,
}

use super::snapshot::request;
use crate::git::testing::{Scratch, both_isolations, sh};
use crate::git::{GitError, SnapshotRequest};
use crate::types::Oid;

const INIT: &str = "git -c protocol.file.allow=always submodule --quiet update --init --recursive\n";

/// A repository with a submodule `lib ü`, whose remote is `library` beside it and has one more commit; in that a submodule
/// `inner`, whose remote is `nested`.
async fn start() -> (Scratch, Oid) {
    let s = Scratch::new().await;
    let script = "
        add() { git -C $1 -c protocol.file.allow=always submodule --quiet add \"$2\" \"$3\"; }
        for name in nested library; do
            git init -q -b main $name; echo 1 > $name/a; echo '*.o' > $name/.gitignore
            git -C $name add .; git -C $name commit -qm 1
        done
        add library \"$PWD/nested\" inner; git -C library commit -qm inner
        git init -q -b main 'the repo'; cd 'the repo'; add . \"$PWD/../library\" 'lib ü'; git commit -qm base; cd ..
        echo 2 > library/a; git -C library commit -qam 2";
    sh(&s.outside(), script).await;
    let base = s.tip().await;
    (s, base)
}

/// What a snapshot says of the submodules in a new worktree where this was done, else what it links to.
async fn told(s: &Scratch, base: &Oid, number: usize, script: &str) -> Result<String, String> {
    let path = s.outside().join(format!("wt-{number}"));
    s.repo.add_worktree(&path, base).await.expect("makes");
    sh(&path, script).await;
    let told = snapshot(s, &path, &request(base)).await;
    assert!(stand_ins(s).is_empty(), "{script}");
    told
}

async fn snapshot(s: &Scratch, path: &Path, request: &SnapshotRequest) -> Result<String, String> {
    match s.repo.snapshot(path, request).await {
        Ok(found) => Ok(s.git(&["rev-parse", &format!("{}:lib ü", found.commit)]).await),
        Err(error @ GitError::SubmoduleWork { .. }) => Err(error.to_string()),
        Err(other) => panic!("{other}"),
    }
}

/// What is left of git directories that stood for those of submodules.
fn stand_ins(s: &Scratch) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(s.root.join(".git/worktrees")).expect("lists");
    let stand_in =
        |entry: std::io::Result<std::fs::DirEntry>| entry.expect("reads").path().join("submodule.snapshot");
    entries.map(stand_in).filter(|path| path.exists()).collect()
}

async fn what_only_a_submodule_has_is_refused_and_what_others_have_is_recorded() {
    let (s, base) = start().await;
    let commit = "cd 'lib ü'; echo x >> a; git commit -qam mine\n";
    let git_dir = "dir=$(git -C 'lib ü' rev-parse --absolute-git-dir)\n";
    let (bare, dirty, alone) = (
        "is not initialised and has files",
        "has files that are not committed",
        "which is on no remote-tracking",
    );
    let cases = [
        ("", ""),
        ("mkdir 'lib ü/deep'", ""),
        ("rmdir 'lib ü'; mkdir 'lib ü'", ""),
        ("mkdir 'lib ü/deep'; echo x > 'lib ü/deep/new'; echo x > top", bare),
        (INIT, ""),
        (&format!("{INIT}touch -d 2001-01-01 'lib ü/a'; touch 'lib ü/a.o'"), ""),
        (&format!("{INIT}echo x > 'lib ü/new'; echo x > top"), dirty),
        (&format!("{INIT}echo x >> 'lib ü/a'"), dirty),
        (&format!("{INIT}echo x >> 'lib ü/a'; git -C 'lib ü' add a"), dirty),
        (&format!("{INIT}rm 'lib ü/a'"), dirty),
        (&format!("{INIT}cd 'lib ü'; git update-index --assume-unchanged a; echo x >> a"), dirty),
        (&format!("{INIT}cd 'lib ü'; git update-index --skip-worktree a; echo x >> a"), dirty),
        (&format!("{INIT}git init -q 'lib ü/new'"), dirty),
        (&format!("{INIT}{commit}"), alone),
        (&format!("{INIT}{commit}cd ..; git add 'lib ü'; git commit -qm mine"), alone),
        (&format!("{INIT}{commit}git push -q origin HEAD:refs/heads/mine-$$"), ""),
        (&format!("{INIT}cd 'lib ü'; git checkout -q origin/main"), ""),
        (
            &format!(
                "{INIT}cd 'lib ü'; git tag here origin/main; git branch -qrd origin/main; git checkout -q here"
            ),
            "",
        ),
        (&format!("{INIT}{git_dir}echo x > \"$dir/index\""), ""),
        (&format!("{INIT}{git_dir}echo x > \"$dir/index\"; echo x > 'lib ü/a'"), dirty),
        (
            &format!("{INIT}{git_dir}rm -r \"$dir/objects\"; mkdir \"$dir/objects\""),
            "cannot be read as a repository",
        ),
        (&format!("{INIT}rm 'lib ü/.git'"), bare),
        (&format!("{INIT}echo 'gitdir: nowhere' > 'lib ü/.git'"), bare),
    ];
    for (number, (script, says)) in cases.into_iter().enumerate() {
        let found = told(&s, &base, number, script).await;
        match &found {
            Ok(id) if says.is_empty() => {
                let folder = s.outside().join(format!("wt-{number}"));
                let at = sh(&folder, "git -C 'lib ü' rev-parse HEAD").await;
                let is_one = folder.join("lib ü/.git").exists();
                assert_eq!(*id, if is_one { at } else { s.git(&["rev-parse", ":lib ü"]).await }, "{script}");
            }
            Err(said) if !says.is_empty() => {
                assert!(said.contains(&format!("lib ü {says}")) || said.contains(says), "{script}: {said}")
            }
            other => panic!("{script}: {other:?}"),
        }
    }
}

async fn what_nested_submodules_have_counts() {
    let (s, base) = start().await;
    let push = "git push -q origin HEAD:refs/heads/mine-$$";
    let inner = "cd 'lib ü/inner'; echo x >> a; git commit -qam mine\n";
    let around = "cd ..; git add inner; git commit -qm inner\n";
    let cases = [
        ("echo x > 'lib ü/inner/new'".to_owned(), "lib ü/inner has files that are not committed"),
        (inner.to_owned(), "lib ü has files that are not committed"),
        (format!("{inner}{around}"), "lib ü is at "),
        (format!("{inner}{around}{push}"), "lib ü/inner is at "),
        (format!("{inner}{push}\n{around}{push}"), ""),
        (
            "cd 'lib ü'; git submodule --quiet deinit inner; echo x > inner/new".to_owned(),
            "lib ü/inner is not initialised",
        ),
    ];
    for (number, (script, says)) in cases.into_iter().enumerate() {
        let found = told(&s, &base, number, &format!("{INIT}{script}")).await;
        match found {
            Ok(_) => assert_eq!(says, "", "{script}"),
            Err(said) => assert!(!says.is_empty() && said.contains(says), "{script}: {said}"),
        }
    }
}

async fn what_is_left_out_or_ignored_is_no_work_in_a_submodule() {
    let (s, base) = start().await;
    s.write(".git/info/exclude", "*.made\n");
    let ignore = s.repo.ignore_rules().await.expect("reads");
    let request = SnapshotRequest { ignore, exclude: vec!["lib ü/copied".into()], ..request(&base) };
    for (number, init) in ["", INIT].into_iter().enumerate() {
        let path = s.outside().join(format!("wt-{number}"));
        s.repo.add_worktree(&path, &base).await.expect("makes");
        sh(&path, &format!("{init}mkdir 'lib ü/copied'; echo x > 'lib ü/copied/file'")).await;
        snapshot(&s, &path, &request).await.expect("is left out");
        sh(&path, "echo x > 'lib ü/a.made'").await;
        assert_eq!(
            snapshot(&s, &path, &request).await.is_ok(),
            !init.is_empty(),
            "no repository, nothing ignored"
        );
        sh(&path, "echo x > 'lib ü/other'").await;
        snapshot(&s, &path, &request).await.expect_err("is neither");
    }
}

async fn a_history_that_is_not_whole_reaches_nothing_and_nothing_is_fetched() {
    let (s, base) = start().await;
    let (path, mark) = (s.outside().join("wt"), s.outside().join("ran"));
    s.repo.add_worktree(&path, &base).await.expect("makes");
    let lose = "lose() { rm \"$(git rev-parse --git-dir)/objects/$(echo $1 | cut -c1-2)/$(echo $1 | cut -c3-)\"; }\n";
    sh(&path, &format!("{INIT}cd 'lib ü'; git checkout -q --orphan mine; git commit -qm mine")).await;
    sh(&path.join("lib ü"), &format!("{lose}lose $(git rev-parse origin/main^)")).await;
    snapshot(&s, &path, &request(&base)).await.expect_err("nobody else has it");
    // What is missing a person's git fetches.
    let script = format!(
        "{lose}lose $(git rev-parse origin/main); git config core.repositoryFormatVersion 1
        git config extensions.partialClone origin; git config remote.origin.promisor true
        git config protocol.ext.allow always; git config remote.origin.url \"ext::touch {}\"",
        mark.display()
    );
    sh(&path.join("lib ü"), &script).await;
    snapshot(&s, &path, &request(&base)).await.expect_err("nobody else has it");
    assert!(!mark.exists(), "what the submodule says was run");
    sh(&path.join("lib ü"), "git rev-list HEAD --not --remotes || true").await;
    assert!(mark.exists(), "else this test would find nothing");
}
