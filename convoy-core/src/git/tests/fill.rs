//! How a new worktree gets its files.

use std::os::unix::fs::PermissionsExt as _;

use crate::git::testing::{Scratch, options, try_git};
use crate::git::{Backend, GitError, Repository};

/// A repository whose calls of git are told in a file.
async fn told(s: &Scratch, backend: Backend) -> (Repository, std::path::PathBuf) {
    let (program, told) = (s.outside().join("git"), s.outside().join("told"));
    let script = format!("#!/bin/sh\nGIT_TRACE2_EVENT='{}' exec git \"$@\"\n", told.display());
    std::fs::write(&program, script).expect("writes");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let mut by_git = options();
    (by_git.program, by_git.backend) = (Some(program), backend);
    (Repository::open(&s.root, by_git).await.expect("opens"), told)
}

#[tokio::test]
async fn git_writes_many_files_in_many_processes_and_filters_them_all_the_same() {
    let s = Scratch::new().await;
    s.git(&["config", "filter.x.smudge", "sed s/stored/shown/"]).await;
    s.git(&["config", "filter.x.clean", "sed s/shown/stored/"]).await;
    s.write(".gitattributes", "*.x filter=x\n");
    for number in 0..150 {
        s.write(&format!("d{}/f{number}", number % 7), &format!("{number}\n"));
        s.write(&format!("d{}/f{number}.x", number % 7), &format!("stored {number}\n"));
    }
    let base = s.commit("many").await;
    let (repo, told) = told(&s, Backend::Reference).await;
    let path = s.outside().join("wt");
    repo.add_worktree(&path, &base).await.expect("makes");
    let told = std::fs::read_to_string(&told).expect("git told");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(told.contains("\"checkout--worker\""), cores > 1, "{cores} cores");
    assert_eq!(try_git(&path, &["status", "--porcelain"]).await, (true, String::new()));
    for number in [0, 74, 149] {
        let read = |name: String| std::fs::read_to_string(path.join(name)).expect("reads");
        assert_eq!(read(format!("d{}/f{number}", number % 7)), format!("{number}\n"));
        assert_eq!(read(format!("d{}/f{number}.x", number % 7)), format!("shown {number}\n"));
    }
}

#[tokio::test]
async fn where_too_little_would_be_left_free_no_worktree_is_filled_and_not_by_git_either() {
    for backend in [Backend::Auto, Backend::Reference] {
        let s = Scratch::new().await;
        s.write("a", "1\n").write("b", &"b".repeat(1 << 20));
        let base = s.commit("base").await;
        let (repo, told) = told(&s, backend).await;
        let path = s.outside().join("wt");
        repo.inner.disk.leaves(u64::MAX);
        let full = repo.add_worktree(&path, &base).await.expect_err("too little is free");
        assert!(matches!(full, GitError::DiskFull { .. }), "{full}");
        assert!(full.to_string().contains("are kept free"), "{full}");
        let calls = std::fs::read_to_string(&told).expect("git told");
        assert!(calls.contains("rev-parse") && !calls.contains("read-tree"), "{backend:?}");
        assert!(!path.exists());
        assert_eq!(repo.list_worktrees().await.expect("lists").len(), 1);
        repo.inner.disk.leaves(0);
        repo.add_worktree(&path, &base).await.expect("makes");
        assert_eq!(try_git(&path, &["status", "--porcelain"]).await, (true, String::new()));
        assert_eq!(std::fs::metadata(path.join("b")).expect("there").len(), 1 << 20);
    }
}
