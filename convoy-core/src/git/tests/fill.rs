//! How a new worktree gets its files.

use std::os::unix::fs::PermissionsExt as _;

use crate::git::testing::{Scratch, options, try_git};
use crate::git::{Backend, Repository};

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
    let (program, told) = (s.outside().join("git"), s.outside().join("told"));
    let script = format!("#!/bin/sh\nGIT_TRACE2_EVENT='{}' exec git \"$@\"\n", told.display());
    std::fs::write(&program, script).expect("writes");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let mut by_git = options();
    (by_git.program, by_git.backend) = (Some(program), Backend::Reference);
    let repo = Repository::open(&s.root, by_git).await.expect("opens");
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
