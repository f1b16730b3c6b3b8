use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

both_isolations! {
    what_cannot_be_read_is_an_error_and_not_passed_over,
}

use super::snapshot::request;
use crate::git::testing::{Scratch, both_isolations, is_separate, options, sh};
use crate::git::{GitError, GitOptions, Repository};
use crate::types::Isolation;

/// A git whom permissions hinder, also where the test is run by root.
fn hindered(folder: &Path) -> std::path::PathBuf {
    let program = folder.join("hindered-git");
    let without = "setpriv --bounding-set=-dac_override,-dac_read_search";
    let script = format!("#!/bin/sh\n[ $(id -u) -ne 0 ] || exec {without} git \"$@\"\nexec git \"$@\"\n");
    std::fs::write(&program, script).expect("writes");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    program
}

async fn what_cannot_be_read_is_an_error_and_not_passed_over() {
    let s = Scratch::new().await;
    let base =
        s.write("d/f", "1\n").write("top", "1\n").write(".gitignore", "ignored\n").commit("base").await;
    let program = Some(hindered(&s.outside()));
    let repo = Repository::open(&s.root, GitOptions { program, ..options() }).await.expect("opens");
    let repo = repo.with_isolation(if is_separate() { Isolation::Separate } else { Isolation::Linked });
    let cases = [
        ("mkdir ignored; echo x > ignored/f; chmod 000 ignored; echo 2 > top", ""),
        ("mkdir lock; echo x > lock/f; chmod 000 lock; echo 2 > top", "'lock/': Permission denied"),
        ("mkdir lock; echo x > lock/f; chmod 300 lock", "'lock/': Permission denied"),
        ("echo x > d/new; chmod 300 d", "'d/': Permission denied"),
        ("echo x > d/f; chmod 000 d", "Permission denied"),
        ("echo x > 'top: Permission denied'; echo x > d/f", ""),
    ];
    for (number, (script, says)) in cases.into_iter().enumerate() {
        let path = s.outside().join(format!("wt-{number}"));
        repo.add_worktree(&path, &base).await.expect("makes");
        sh(&path, script).await;
        let found = repo.snapshot(&path, &request(&base)).await;
        match found {
            Ok(found) => assert!(says.is_empty() && found.changed, "{script}"),
            Err(error @ GitError::Unreadable { .. }) => {
                assert!(!says.is_empty() && error.to_string().contains(says), "{script}: {error}");
                assert!(path.join("top").exists());
            }
            Err(other) => panic!("{script}: {other}"),
        }
        sh(&path, "chmod -R u+rwx .").await;
    }
}
