both_isolations! {
    files_that_were_recorded_are_whole_after_a_power_cut,
    commits_of_the_worktree_and_other_parents_are_whole_after_a_power_cut,
    what_came_over_or_was_packed_is_whole_after_a_power_cut,
    what_was_synced_is_not_synced_again_unless_it_was_written_again,
    content_that_is_in_a_pack_is_synced_once,
}

use std::path::{Path, PathBuf};

use super::request;
use crate::git::testing::power::{below, cut, files};
use crate::git::testing::{Scratch, both_isolations, is_separate, try_git, write};
use crate::git::{Snapshot, SnapshotRequest};
use crate::types::Oid;

async fn start() -> (Scratch, Oid, PathBuf) {
    let s = Scratch::new().await;
    let base = s.write("a", "1\n").write("dir/b", "1\n").commit("base").await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    (s, base, path)
}

/// Runs git as an agent would, whose git syncs nothing.
async fn agent(worktree: &Path, args: &[&str]) {
    let (ok, said) = try_git(worktree, &[&["-c", "core.fsync=none"], args].concat()).await;
    assert!(ok, "git {args:?}: {said}");
}

/// Records the worktree, cuts the power, and looks what is left.
async fn is_whole(
    s: &Scratch,
    before: std::collections::BTreeMap<PathBuf, Vec<u8>>,
    path: &Path,
    request: &SnapshotRequest,
) -> Snapshot {
    s.git(&[
        "hash-object",
        "-w",
        s.write("../stray", "nobody's\n").outside().join("stray").to_str().expect("is"),
    ])
    .await;
    let taken = s.repo.snapshot(path, request).await.expect("records");
    assert!(cut(&s.root.join(".git"), &before) > 0, "nothing was lost: the test cuts nothing");
    if s.repo.fast().is_some() {
        assert_eq!(s.git(&["rev-parse", &request.keep_ref]).await, taken.commit.as_str());
    }
    // What the git program itself syncs is not seen here: the ref is put back.
    s.git(&["update-ref", &request.keep_ref, taken.commit.as_str()]).await;
    s.git(&["rev-list", "--objects", &request.keep_ref]).await;
    s.git(&["fsck", "--full", "--strict"]).await;
    taken
}

async fn files_that_were_recorded_are_whole_after_a_power_cut() {
    let (s, base, path) = start().await;
    let before = files(&s.root.join(".git"));
    write(&path, "a", "2\n");
    write(&path, "new/folder/c", "1\n");
    let taken = is_whole(&s, before, &path, &request(&base)).await;
    assert_eq!(s.show(&taken.commit, "new/folder/c").await, "1\n");
}

async fn commits_of_the_worktree_and_other_parents_are_whole_after_a_power_cut() {
    let (s, base, path) = start().await;
    let before = files(&s.root.join(".git"));
    let other = s.write("of the other", "1\n").commit("other").await;
    s.git(&["reset", "-q", "--hard", base.as_str()]).await;
    write(&path, "a", "2\n");
    agent(&path, &["commit", "-q", "-a", "-m", "one"]).await;
    write(&path, "a", "3\n");
    agent(&path, &["commit", "-q", "-a", "-m", "two"]).await;
    write(&path, "dir/b", "2\n");
    let request = SnapshotRequest { extra_parents: vec![other], ..request(&base) };
    let taken = is_whole(&s, before, &path, &request).await;
    assert_eq!(s.git(&["show", &format!("{}~2:a", taken.commit)]).await, "2");
}

async fn what_came_over_or_was_packed_is_whole_after_a_power_cut() {
    let (s, base, path) = start().await;
    let before = files(&s.root.join(".git"));
    for name in 0..120 {
        write(&path, &format!("many/{name}"), &format!("{name}\n"));
    }
    agent(&path, &["add", "-A"]).await;
    agent(&path, &["commit", "-q", "-m", "many"]).await;
    agent(&path, &["repack", "-d", "-q"]).await;
    write(&path, "a", "2\n");
    let taken = is_whole(&s, before, &path, &request(&base)).await;
    let packs = std::fs::read_dir(s.root.join(".git/objects/pack")).expect("lists").count();
    assert!(packs > 0, "separate: {}: the test packs nothing", is_separate());
    assert_eq!(s.show(&taken.commit, "many/7").await, "7\n");
}

async fn what_was_synced_is_not_synced_again_unless_it_was_written_again() {
    let (s, base, path) = start().await;
    let store = s.root.join(".git/objects");
    write(&path, "a", "2\n");
    let Snapshot { commit, tree, .. } = s.repo.snapshot(&path, &request(&base)).await.expect("records");
    let file = |id: &Oid| store.join(&id.as_str()[..2]).join(&id.as_str()[2..]);
    let before = below(&store).len();
    let landing = s.repo.commit_tree(&tree, &[base.clone(), commit], "land", None).await.expect("writes");
    s.repo.sync_objects(&landing, &base).await.expect("syncs");
    let new = below(&store).split_off(before);
    let folder = file(&landing).parent().expect("has one").to_owned();
    let mut expected = vec![file(&landing), folder, store.clone()];
    expected[1..].sort();
    assert_eq!(new, expected);

    let aside = s.outside().join("aside");
    std::fs::copy(file(&tree), &aside).expect("copies");
    std::fs::remove_file(file(&tree)).expect("removes");
    std::fs::rename(&aside, file(&tree)).expect("renames");
    s.repo.sync_objects(&landing, &base).await.expect("syncs");
    assert!(below(&store).split_off(before + new.len()).contains(&file(&tree)));
}

async fn content_that_is_in_a_pack_is_synced_once() {
    let (s, _, _) = start().await;
    let store = s.root.join(".git/objects");
    let id = s.repo.write_blob(b"packed\n").await.expect("writes");
    s.git(&["update-ref", "refs/tags/kept", id.as_str()]).await;
    s.git(&["repack", "-a", "-d", "-q"]).await;
    let file = store.join(&id.as_str()[..2]).join(&id.as_str()[2..]);
    assert!(!file.exists());
    s.repo.write_blob(b"packed\n").await.expect("is there");
    let before = below(&store).len();
    s.repo.write_blob(b"packed\n").await.expect("is there");
    assert_eq!(below(&store).split_off(before), Vec::<std::path::PathBuf>::new());
    assert!(!file.exists());
}
