//! Files that are read and written in this process, held against what git does.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::snapshot::request;
use crate::git::testing::{Scratch, options, try_git, write};
use crate::git::{Backend, Repository, SnapshotRequest};
use crate::types::Oid;

/// A repository with files of every kind, the same one by the git program alone, and a worktree.
struct Bench {
    s: Scratch,
    reference: Repository,
    base: Oid,
    path: PathBuf,
}

async fn bench() -> Bench {
    let s = Scratch::new().await;
    s.write("a", "1\n").write("run", "#!/bin/sh\n").write("dir/x", "x\n").write("dir/deep/y", "y\n");
    s.write("ü b\n", "odd\n").write("empty", "").write(".gitignore", "*.o\n/made/\n");
    s.executable("run").link("link", "dir/x").link("dangling", "nowhere");
    let base = s.commit("base").await;
    let mut by_git = options();
    by_git.backend = Backend::Reference;
    let reference = Repository::open(&s.root, by_git).await.expect("opens");
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    Bench { s, reference, base, path }
}

impl Bench {
    async fn record(&self, repo: &Repository, exclude: &[&str]) -> Oid {
        let exclude = exclude.iter().map(PathBuf::from).collect();
        let wanted = SnapshotRequest { exclude, ..request(&self.base) };
        repo.snapshot(&self.path, &wanted).await.expect("records").tree
    }

    async fn git(&self, args: &[&str]) -> String {
        let (ok, said) = try_git(&self.path, args).await;
        assert!(ok, "git {args:?}: {said}");
        said
    }

    /// What git finds different in the worktree from its index, where it looks at the content.
    async fn differs(&self) -> String {
        self.git(&["update-index", "-q", "--really-refresh"]).await;
        self.git(&["diff-files", "--name-status"]).await
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

/// What somebody does in the worktree, and whether it can be recorded without the git program, but for a list of what is
/// ignored.
pub(super) type Case = (&'static str, bool, fn(&Path), &'static [&'static [&'static str]]);

pub(super) fn cases() -> Vec<Case> {
    vec![
        ("nothing", true, |_| {}, &[]),
        ("an edit", true, |p| write(p, "a", "2\n"), &[]),
        ("an edit of the same length", true, |p| write(p, "dir/x", "z\n"), &[]),
        ("a mode", true, |p| mode(&p.join("a"), 0o755), &[]),
        ("a mode taken", true, |p| mode(&p.join("run"), 0o600), &[]),
        ("a mode nobody records", true, |p| mode(&p.join("a"), 0o400), &[]),
        ("a file goes", true, |p| std::fs::remove_file(p.join("ü b\n")).expect("removes"), &[]),
        ("a folder goes", true, |p| std::fs::remove_dir_all(p.join("dir")).expect("removes"), &[]),
        ("everything goes", true, clear, &[]),
        ("new files", true, |p| write_all(p, &["n", "new/er/n", "dir/n", "made/n", "a.o", "dir/b.o"]), &[]),
        ("a link elsewhere", true, |p| relink(p, "link", "a"), &[]),
        ("a link for a file", true, |p| relink(p, "a", "run"), &[]),
        ("a file for a link", true, |p| replace(p, "link", "text\n"), &[]),
        ("a file for a folder", true, |p| replace(p, "dir", "file\n"), &[]),
        ("a link for a folder", true, |p| relink(p, "dir", "/"), &[]),
        ("a folder for a file", true, |p| folder(p, "a"), &[]),
        ("an ignored folder for a file", true, |p| folder(p, "empty"), &[]),
        ("staged and changed again", true, |p| write(p, "a", "3\n"), &[&["add", "-A"]]),
        ("added though ignored", true, |p| write(p, "x.o", "1\n"), &[&["add", "-f", "x.o"]]),
        ("taken from the index", true, |_| {}, &[&["rm", "-q", "--cached", "a", "dir/x"]]),
        ("named, not added", true, |p| write(p, "later", "1\n"), &[&["add", "-N", "later"]]),
        ("committed", true, |p| write(p, "a", "4\n"), &[&["commit", "-qam", "own"]]),
        ("renamed", true, |_| {}, &[&["mv", "dir", "other"], &["commit", "-qm", "moved"]]),
        (
            "told to be skipped",
            true,
            |p| write(p, "a", "5\n"),
            &[&["update-index", "--skip-worktree", "a", "run"]],
        ),
        ("line ends", false, |p| write(p, "a", "1\r\n"), &[]),
        ("attributes", false, |p| write(p, ".gitattributes", "*.txt text eol=crlf\n"), &[]),
        ("attributes below", false, |p| write(p, "later/.gitattributes", "a filter=x\n"), &[]),
        (
            "an index of another version",
            true,
            |p| write(p, "a", "6\n"),
            &[&["update-index", "--index-version=4"]],
        ),
        ("a split index", false, |p| write(p, "a", "7\n"), &[&["update-index", "--split-index"]]),
    ]
}

fn clear(path: &Path) {
    let entries = std::fs::read_dir(path).expect("lists").map(|entry| entry.expect("reads").path());
    for entry in entries.filter(|path| !path.ends_with(".git")) {
        if entry.is_dir() {
            std::fs::remove_dir_all(entry).expect("removes");
        } else {
            std::fs::remove_file(entry).expect("removes");
        }
    }
}

fn write_all(path: &Path, names: &[&str]) {
    names.iter().for_each(|name| write(path, name, "new\n"));
}

fn remove(path: &Path) {
    match std::fs::symlink_metadata(path).expect("there").is_dir() {
        true => std::fs::remove_dir_all(path).expect("removes"),
        false => std::fs::remove_file(path).expect("removes"),
    }
}

fn relink(path: &Path, name: &str, target: &str) {
    remove(&path.join(name));
    symlink(target, path.join(name)).expect("links");
}

fn replace(path: &Path, name: &str, text: &str) {
    remove(&path.join(name));
    write(path, name, text);
}

fn folder(path: &Path, name: &str) {
    remove(&path.join(name));
    write(path, &format!("{name}/in"), "in\n");
    write(path, &format!("{name}/in.o"), "ignored\n");
}

#[tokio::test]
async fn a_new_worktree_is_what_git_would_have_made() {
    let b = bench().await;
    assert_eq!(b.git(&["status", "--porcelain", "--ignored"]).await, "");
    assert_eq!(b.git(&["rev-parse", "HEAD"]).await, b.base.as_str());
    assert_eq!(b.git(&["write-tree"]).await, b.git(&["rev-parse", "HEAD^{tree}"]).await);
    assert_eq!(b.git(&["ls-files", "-s"]).await, b.s.git(&["ls-files", "-s"]).await);
    assert_eq!(std::fs::read_link(b.path.join("dangling")).expect("a link"), Path::new("nowhere"));
    assert_eq!(b.s.git(&["fsck", "--strict", "--connectivity-only"]).await, "");
    assert_eq!(b.record(&b.s.repo, &[]).await, b.s.repo.tree_of(&b.base).await.expect("reads"));
}

#[tokio::test]
async fn what_is_recorded_is_what_git_records() {
    for (name, is_fast, edit, commands) in cases() {
        let b = bench().await;
        edit(&b.path);
        for command in commands {
            b.git(command).await;
        }
        if name == "staged and changed again" {
            write(&b.path, "a", "4\n");
        }
        let (index, before) = (b.git(&["ls-files", "-s"]).await, b.s.repo.programs_started());
        let ours = b.record(&b.s.repo, &["new"]).await;
        let programs = b.s.repo.programs_started() - before;
        // By git alone it takes more than a dozen.
        assert_eq!(programs <= 7, is_fast, "{name}: {programs}");
        assert_eq!(b.git(&["ls-files", "-s"]).await, index, "{name}: the index stays");
        assert_eq!(ours, b.record(&b.reference, &["new"]).await, "{name}");
    }
}

#[tokio::test]
async fn files_of_the_work_are_put_back_and_told() {
    for (name, _, edit, _) in cases() {
        let b = bench().await;
        write(&b.path, "a", "work\n");
        write(&b.path, "added", "work\n");
        let work = b.s.repo.snapshot(&b.path, &request(&b.base)).await.expect("records");
        edit(&b.path);
        let ours = b.s.repo.restore_tracked(&b.path, &work.commit).await.expect("puts back");
        assert_eq!(b.s.repo.restore_tracked(&b.path, &work.commit).await.expect("looks"), [""; 0], "{name}");
        assert_eq!(
            b.reference.restore_tracked(&b.path, &work.commit).await.expect("looks"),
            [""; 0],
            "{name}"
        );
        // The same, done by git.
        edit(&b.path);
        let mut theirs = b.reference.restore_tracked(&b.path, &work.commit).await.expect("puts back");
        theirs.sort();
        assert_eq!(ours, theirs, "{name}");
    }
}

#[tokio::test]
async fn a_worktree_is_brought_to_any_tree_from_whatever_was_left() {
    for (name, _, edit, _) in cases() {
        let b = bench().await;
        b.s.git(&["rm", "-q", "-r", "dir", "empty", "link"]).await;
        b.s.write("dir", "a file now\n").write("empty/in", "a folder now\n").write("link", "no link\n");
        let other = b.s.commit("other").await;
        edit(&b.path);
        b.s.repo.reset_to_tree(&b.path, &other).await.expect("resets");
        let tree = b.s.repo.tree_of(&other).await.expect("reads");
        assert_eq!(b.git(&["write-tree"]).await, tree.as_str(), "{name}");
        assert_eq!(b.differs().await, "", "{name}");
        assert_eq!(b.git(&["rev-parse", "HEAD"]).await, b.base.as_str(), "HEAD stays");
    }
}

#[tokio::test]
async fn whatever_the_index_claims_the_content_counts() {
    let b = bench().await;
    // Changed, and the index told that this is how it always was.
    write(&b.path, "a", "2\n");
    let old = b.git(&["rev-parse", ":a"]).await;
    b.git(&["add", "a"]).await;
    b.git(&["update-index", "--cacheinfo", &format!("100644,{old},a")]).await;
    b.git(&["update-index", "--assume-unchanged", "a"]).await;
    let work = b.s.repo.snapshot(&b.path, &request(&b.base)).await.expect("records");
    assert_eq!(b.s.show(&work.commit, "a").await, "2\n");
}

#[tokio::test]
async fn nothing_outside_is_read_or_written_through_a_link_on_the_way() {
    let b = bench().await;
    let outside = b.s.outside().join("outside");
    write(&outside, "x", "precious\n");
    write(&outside, "deep/y", "precious\n");
    relink(&b.path, "dir", outside.to_str().expect("UTF-8"));
    b.s.repo.restore_tracked(&b.path, &b.base).await.expect("puts back");
    assert_eq!(std::fs::read_to_string(outside.join("x")).expect("reads"), "precious\n");
    assert_eq!(std::fs::read_to_string(outside.join("deep/y")).expect("reads"), "precious\n");
    assert_eq!(std::fs::read_to_string(b.path.join("dir/x")).expect("reads"), "x\n");
    assert!(!std::fs::symlink_metadata(b.path.join("dir")).expect("there").is_symlink());
}

#[tokio::test]
async fn settings_and_attributes_that_change_bytes_are_left_to_git() {
    // What is configured, what the attributes say, and what git makes of a file with one line.
    for (config, attributes, expected) in [
        (&["core.autocrlf", "true"][..], "", "one\r\n"),
        (&["core.eol", "crlf"][..], "* text\n", "one\r\n"),
        (&[][..], "a text eol=crlf\n", "one\r\n"),
        (&["filter.x.smudge", "sed s/one/two/"][..], "a filter=x\n", "two\n"),
        (&[][..], "[attr]odd working-tree-encoding=UTF-16LE\na odd\n", "one\n"),
    ] {
        let s = Scratch::new().await;
        s.write("a", "one\n").write(".gitattributes", attributes);
        let base = s.commit("base").await;
        if !config.is_empty() {
            s.git(&[&["config"], config].concat()).await;
        }
        let path = s.outside().join("wt");
        s.repo.add_worktree(&path, &base).await.expect("makes");
        let found = std::fs::read(path.join("a")).expect("reads");
        assert_eq!(String::from_utf8_lossy(&found), expected, "{config:?} {attributes}");
    }
}

#[tokio::test]
async fn a_tree_that_leads_out_or_holds_files_of_git_is_refused_as_git_refuses_it() {
    for names in [&["..", "evil"][..], &["sub", ".git", "config"], &["sub", ".GIT", "config"], &["git~1"]] {
        let b = bench().await;
        let mut id = b.s.repo.write_blob(b"evil\n").await.expect("writes");
        for (depth, name) in names.iter().rev().enumerate() {
            let kind = if depth == 0 { "100644 blob" } else { "040000 tree" };
            let entry = format!("{kind} {id}\t{name}\0");
            let tree = b.s.repo.ok(b.s.repo.call("mktree").arg("-z").stdin(entry)).await.expect("makes");
            id = tree.oid().expect("an id");
        }
        let commit = b.s.repo.commit_tree(&id, &[], "evil", None).await.expect("commits");
        let path = b.s.outside().join("evil-wt");
        b.s.repo.add_worktree(&path, &commit).await.expect_err("git refuses it");
        b.s.repo.reset_to_tree(&b.path, &id).await.expect_err("git refuses it");
        for place in ["evil", "evil-wt/sub/.git", "wt/sub/.git/config", "wt/git~1"] {
            assert!(!b.s.outside().join(place).exists(), "{names:?}: {place}");
        }
    }
}

#[tokio::test]
async fn what_lies_where_rules_are_read_holds_nobody() {
    let b = bench().await;
    let rules = b.s.root.join(".git/info/attributes");
    let _ = std::fs::remove_file(&rules);
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &rules, rustix::fs::FileType::Fifo, mode, 0).expect("a fifo");
    assert!(!b.s.repo.is_plain().await.expect("does not wait"));
    std::fs::remove_file(&rules).expect("removes");
    symlink("/dev/zero", &rules).expect("links");
    assert!(!b.s.repo.is_plain().await.expect("does not read on"));
    std::fs::remove_file(&rules).expect("removes");
    assert!(b.s.repo.is_plain().await.expect("asks"));
}

#[tokio::test]
async fn rules_that_are_ignored_themselves_count_for_what_is_recorded() {
    let b = bench().await;
    b.s.git(&["config", "filter.x.clean", "sed s/raw/clean/"]).await;
    write(&b.path, "new/.gitignore", ".gitattributes\n");
    write(&b.path, "new/.gitattributes", "y filter=x\n");
    write(&b.path, "new/y", "raw\n");
    let work = b.s.repo.snapshot(&b.path, &request(&b.base)).await.expect("records");
    assert_eq!(b.s.show(&work.commit, "new/y").await, "clean\n");
}

#[tokio::test]
async fn untracked_files_beside_those_of_a_tree_stay() {
    let b = bench().await;
    b.s.write("made/t", "of the tree\n");
    b.s.git(&["add", "-f", "made/t"]).await;
    let other = b.s.commit("other").await;
    write(&b.path, "made/local", "precious\n");
    b.s.repo.reset_to_tree(&b.path, &other).await.expect("resets");
    assert_eq!(std::fs::read_to_string(b.path.join("made/local")).expect("reads"), "precious\n");
    assert_eq!(std::fs::read_to_string(b.path.join("made/t")).expect("reads"), "of the tree\n");
}
