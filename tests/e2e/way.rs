//! What a person has in the checkout stays as it is, whatever lands.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use convoy_tests::ScratchRepo;
use serde_json::Value;

use crate::support::{
    assert_landed_once, assert_nothing_left, convoy, convoy_file, names, run, status, task,
};

/// Every file of the checkout with its bytes, times and mode; the index, and where HEAD is.
fn everything(repo: &ScratchRepo) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    add_files(repo.root(), "", &mut all);
    all.insert("the index".into(), repo.git(["ls-files", "--stage"]));
    all.insert("HEAD".into(), format!("{} {}", repo.git(["symbolic-ref", "HEAD"]), repo.oid("HEAD")));
    all
}

fn add_files(folder: &Path, prefix: &str, all: &mut BTreeMap<String, String>) {
    for name in names(folder).into_iter().filter(|name| name != ".git" && name != ".convoy") {
        let path = folder.join(&name);
        let found = fs::symlink_metadata(&path).expect("a file");
        if found.is_dir() {
            add_files(&path, &format!("{prefix}{name}/"), all);
            continue;
        }
        let text = fs::read(&path).expect("readable").escape_ascii().to_string();
        let times =
            format!("{}.{} {}.{}", found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec());
        all.insert(format!("{prefix}{name}"), format!("{text} {times} {} {:o}", found.ino(), found.mode()));
    }
}

/// A repository with files to change and one that is ignored, and a convoy that changes one, makes one, and commits
/// one that is ignored: in one task, so that either all is published or nothing.
fn scene() -> (ScratchRepo, PathBuf) {
    let repo = ScratchRepo::new();
    repo.write("changes.txt", "one\ntwo\n");
    repo.write("stays.txt", "stays\n");
    repo.write(".gitignore", "*.log\n");
    repo.commit("More");
    let script =
        "set-line changes.txt 1 landed\nwrite dir/new.txt landed\nwrite out.log landed\ngit add -f out.log";
    let file = convoy_file(&repo, "way", "", &task("all", "", script));
    (repo, file)
}

fn assert_all_there(repo: &ScratchRepo) {
    let read = |path| repo.read(path);
    assert_eq!((read("changes.txt"), read("dir/new.txt")), ("landed\ntwo\n".into(), "landed\n".into()));
    assert_eq!(repo.read("out.log"), "landed\n");
    assert_landed_once(repo, ["all"]);
    assert_nothing_left(repo);
}

fn blocked(repo: &ScratchRepo) -> Value {
    let status = status(repo);
    assert_eq!((&status["status"], &status["published"]), (&"done".into(), &false.into()), "{status:#}");
    assert_eq!(status["totals"]["done"], 1);
    status
}

/// What is in the way, how it gets there, and how a person takes it away.
struct Obstacle {
    path: &'static str,
    put: fn(&ScratchRepo),
    clear: fn(&ScratchRepo),
}

const OBSTACLES: [Obstacle; 6] = [
    Obstacle {
        path: "changes.txt",
        put: |repo| repo.write("changes.txt", "one\ntwo\nmine\n"),
        clear: |repo| drop(repo.git(["checkout", "--quiet", "changes.txt"])),
    },
    Obstacle {
        path: "changes.txt",
        put: |repo| {
            repo.write("changes.txt", "mine\ntwo\n");
            repo.git(["add", "changes.txt"]);
        },
        clear: |repo| drop(repo.git(["reset", "--quiet", "--hard"])),
    },
    Obstacle {
        path: "dir/new.txt",
        put: |repo| repo.write("dir/new.txt", "mine\n"),
        clear: |repo| fs::remove_dir_all(repo.root().join("dir")).expect("removed"),
    },
    Obstacle {
        // A file where a folder has to be.
        path: "dir",
        put: |repo| repo.write("dir", "mine\n"),
        clear: |repo| fs::remove_file(repo.root().join("dir")).expect("removed"),
    },
    Obstacle {
        path: "out.log",
        put: |repo| repo.write("out.log", "mine\n"),
        clear: |repo| fs::rename(repo.root().join("out.log"), repo.beside("out.log")).expect("moved"),
    },
    Obstacle {
        // Nothing that git would add, and still the person's.
        path: "dir/new.txt/keep.log",
        put: |repo| repo.write("dir/new.txt/keep.log", "mine\n"),
        clear: |repo| fs::remove_dir_all(repo.root().join("dir")).expect("removed"),
    },
];

#[test]
fn a_file_in_the_way_is_not_touched_and_publishing_waits_for_it() {
    for (index, Obstacle { path, put, clear }) in OBSTACLES.into_iter().enumerate() {
        let (repo, file) = scene();
        put(&repo);
        let before = everything(&repo);
        run(&repo, &file).run().expect_code(5);
        let status = blocked(&repo);
        assert_eq!(status["paths_in_the_way"], serde_json::json!([path]), "{status:#}");
        let landed = status["integration_ref"].as_str().expect("a ref");
        for kept in ["changes.txt", "dir/new.txt", "out.log"] {
            assert!(repo.files(landed).contains(&kept.to_owned()), "{path}: {kept} did not land");
        }
        convoy(&repo, &["publish"]).run().expect_code(5);
        assert_eq!(everything(&repo), before, "{path}: something of the person's changed");
        clear(&repo);
        // A convoy that still owes its publishing can be resumed as well.
        let again = if index % 2 == 0 { "publish" } else { "resume" };
        convoy(&repo, &[again]).run().expect_code(0);
        assert_all_there(&repo);
        repo.assert_sound_and_clean();
        convoy(&repo, &["publish"]).run().expect_code(0);
        convoy(&repo, &["resume"]).run().expect_code(2);
    }
}

#[test]
fn a_lock_of_another_program_is_never_removed() {
    let (repo, file) = scene();
    let lock = repo.root().join(".git/index.lock");
    fs::write(&lock, "another program's").expect("written");
    let before = everything(&repo);
    run(&repo, &file).run().expect_code(5);
    let status = blocked(&repo);
    let reason = status["publish_blocked"].as_str().expect("a reason");
    assert!(reason.contains("index.lock"), "{reason}");
    assert_eq!(everything(&repo), before);
    assert_eq!(fs::read_to_string(&lock).expect("still there"), "another program's");
    fs::remove_file(&lock).expect("removed");
    convoy(&repo, &["publish"]).run().expect_code(0);
    assert_all_there(&repo);
    repo.assert_sound_and_clean();
}

#[test]
fn what_is_in_nobodys_way_stays_and_blocks_nothing() {
    let (repo, file) = scene();
    repo.write("stays.txt", "mine\n");
    repo.write("dir/mine.txt", "mine\n");
    repo.write("staged.txt", "mine\n");
    repo.git(["add", "staged.txt"]);
    repo.write("other.log", "mine\n");
    let before = everything(&repo);
    run(&repo, &file).run().expect_code(0);
    assert_all_there(&repo);
    let after = everything(&repo);
    for path in ["stays.txt", "dir/mine.txt", "staged.txt", "other.log", "README.md"] {
        assert_eq!(after[path], before[path], "{path} changed");
    }
    assert_eq!(repo.status(), ["A  staged.txt", " M stays.txt", "?? dir/mine.txt"]);
}

#[test]
fn hooks_that_fail_neither_run_nor_hinder() {
    for by_configuration in [false, true] {
        let (repo, file) = scene();
        let folder = if by_configuration { repo.beside("hooks") } else { repo.root().join(".git/hooks") };
        let mark = repo.beside("a hook ran");
        fs::create_dir_all(&folder).expect("a folder");
        for hook in HOOKS {
            let path = folder.join(hook);
            let script = format!("#!/bin/sh\necho {hook} >> '{}'\nexit 1\n", mark.display());
            fs::write(&path, script).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        if by_configuration {
            repo.git(["config", "core.hooksPath", folder.to_str().expect("text")]);
        }
        run(&repo, &file).run().expect_code(0);
        assert_all_there(&repo);
        repo.assert_sound_and_clean();
        assert_eq!(repo.lines_beside("a hook ran"), [""; 0]);
    }
}

/// Hooks of what a person does with git, each of which the engine does in its own way.
const HOOKS: [&str; 6] =
    ["pre-commit", "commit-msg", "post-commit", "post-merge", "reference-transaction", "post-checkout"];
