//! The example does what it says: it lands two files on a scratch repository.

use std::path::Path;
use std::process::{Command, Output};

#[expect(clippy::disallowed_methods, reason = "the test is about a program, on a repository it has to make")]
fn call(program: &str, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", folder);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.output().expect("the program runs")
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = call("git", folder, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn both_tasks_land_on_the_branch() {
    let folder = tempfile::tempdir().expect("a folder");
    let repo = folder.path();
    git(repo, &["init", "--quiet", "--template=", "--initial-branch=main"]);
    let identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"];
    git(repo, &[&identity[..], &["commit", "--quiet", "--allow-empty", "--message=first"]].concat());
    let output = call(env!("CARGO_BIN_EXE_convoy-embed-rust"), repo, &["."]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    // The examples in other languages print the same.
    assert_eq!(out, include_str!("../../embed-transcript.txt"), "{err}");
    assert_eq!(git(repo, &["ls-tree", "-r", "--name-only", "main"]), "one.txt\ntwo.txt\n");
    assert_eq!(git(repo, &["status", "--porcelain"]), "");
}

#[test]
fn a_folder_without_a_repository_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&[][..], &["."]] {
        let output = call(env!("CARGO_BIN_EXE_convoy-embed-rust"), folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(!output.stderr.is_empty());
    }
}
