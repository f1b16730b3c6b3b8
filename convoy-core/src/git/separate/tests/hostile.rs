//! Git directories that somebody made unfit on purpose: the files are recorded all the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

both_backends! {
    the_files_are_recorded_as_one_commit_and_nothing_else_comes_over,
    commits_whose_content_is_not_what_their_ids_say_never_come_over,
    what_git_itself_would_not_take_does_not_come_over,
    objects_that_are_there_are_never_replaced,
    many_commits_come_over_as_a_pack_and_stay_when_the_worktree_goes,
    what_is_borrowed_is_not_collected_as_garbage_and_cleaning_up_there_takes_nothing_here,
    a_mark_that_was_taken_away_costs_commits_and_no_files,
    of_an_index_in_parts_only_the_part_that_it_names_is_read,
}

use tokio_util::sync::CancellationToken;

use super::{Ground, ground};
use crate::git::testing::{Scratch, both_backends, env, remove_git, try_git, write};
use crate::process::{Command, Limits, capture};
use crate::types::{Isolation, Oid};

/// Another repository of the user's, with a commit.
async fn another() -> (Scratch, Oid) {
    let other = Scratch::new().await;
    let id = other.write("secret", "of another repository\n").commit("elsewhere").await;
    (other, id)
}

fn object(folder: &Path, id: &str) -> PathBuf {
    folder.join(".git/objects").join(&id[..2]).join(&id[2..])
}

/// What is done to the git directory, given that of another repository and a commit in it, and the worktree's own commit.
type Damage = fn(&Path, &Path, &str, &str);

fn damages() -> Vec<(&'static str, Damage)> {
    vec![
        ("removed", |at, _, _, _| remove_git(at)),
        ("a link to another", |at, other, _, _| {
            remove_git(at);
            symlink(other.join(".git"), at.join(".git")).expect("links");
        }),
        ("a file that names another", |at, other, _, _| {
            remove_git(at);
            write(at, ".git", &format!("gitdir: {}\n", other.join(".git").display()));
        }),
        ("a link to its own", |at, _, _, _| {
            fs::rename(at.join(".git"), at.join("moved.tmp")).expect("moves");
            symlink("moved.tmp", at.join(".git")).expect("links");
        }),
        ("an empty folder", |at, _, _, _| {
            remove_git(at);
            fs::create_dir(at.join(".git")).expect("makes");
        }),
        ("a pipe for HEAD", |at, _, _, _| {
            fs::remove_file(at.join(".git/HEAD")).expect("removes");
            pipe(&at.join(".git/HEAD"));
        }),
        ("a link for HEAD", |at, other, _, _| {
            fs::remove_file(at.join(".git/HEAD")).expect("removes");
            symlink(other.join(".git/HEAD"), at.join(".git/HEAD")).expect("links");
        }),
        ("a name that leads out", |at, _, _, _| write(at, ".git/HEAD", "ref: refs/heads/../../../x\n")),
        ("no name of a branch", |at, _, _, _| write(at, ".git/HEAD", "ref: config\n")),
        ("a circle of names", |at, _, _, _| {
            write(at, ".git/HEAD", "ref: refs/heads/x\n");
            write(at, ".git/refs/heads/x", "ref: refs/heads/x\n");
        }),
        ("no id", |at, _, _, _| write(at, ".git/HEAD", "0123\n")),
        ("a file for the branches", |at, _, _, _| {
            fs::remove_dir_all(at.join(".git/refs/heads")).expect("removes");
            write(at, ".git/refs/heads", "");
        }),
        ("a file for the packs", |at, _, _, _| {
            fs::remove_dir_all(at.join(".git/objects/pack")).expect("removes");
            write(at, ".git/objects/pack", "");
        }),
    ]
}

/// The same to commits and objects.
fn damages_of_objects() -> Vec<(&'static str, Damage)> {
    vec![
        ("a commit that is nowhere", |at, _, _, _| write(at, ".git/HEAD", &format!("{}\n", "12".repeat(20)))),
        ("a commit of another, by way of its objects", |at, other, theirs, _| {
            write(at, ".git/HEAD", &format!("{theirs}\n"));
            let store = other.join(".git/objects").display().to_string();
            write(at, ".git/objects/info/alternates", &format!("{store}\n"));
        }),
        ("another's objects in the place of its own", |at, other, theirs, _| {
            write(at, ".git/HEAD", &format!("{theirs}\n"));
            fs::remove_dir_all(at.join(".git/objects")).expect("removes");
            symlink(other.join(".git/objects"), at.join(".git/objects")).expect("links");
        }),
        ("a commit with other content", |at, _, _, mine| {
            put_object(&object(at, mine), b"commit 0\0");
        }),
        ("a commit that is garbage", |at, _, _, mine| replace(&object(at, mine), b"garbage")),
        ("a folder for a commit", |at, _, _, mine| {
            fs::remove_file(object(at, mine)).expect("removes");
            fs::create_dir(object(at, mine)).expect("makes");
        }),
        ("a pipe for a commit", |at, _, _, mine| {
            fs::remove_file(object(at, mine)).expect("removes");
            pipe(&object(at, mine));
        }),
        ("pipes for a pack", |at, _, _, mine| {
            fs::remove_file(object(at, mine)).expect("removes");
            for end in ["idx", "pack"] {
                pipe(&at.join(format!(".git/objects/pack/pack-{}.{end}", "12".repeat(20))));
            }
        }),
        ("another's objects in the place of some", |at, other, theirs, _| {
            write(at, ".git/HEAD", &format!("{theirs}\n"));
            let some = object(at, theirs).parent().expect("has one").to_owned();
            drop(fs::remove_dir_all(&some));
            symlink(object(other, theirs).parent().expect("has one"), some).expect("links");
        }),
        ("HEAD is a file's content", |at, _, _, _| {
            // Of the base.
            write(at, ".git/HEAD", "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d\n");
        }),
    ]
}

pub(super) fn pipe(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("makes a pipe");
}

fn replace(path: &Path, content: &[u8]) {
    fs::remove_file(path).expect("removes");
    fs::write(path, content).expect("writes");
}

/// Writes what git reads as an object of this content, whatever its name says.
fn put_object(path: &Path, content: &[u8]) {
    // Stored, not made smaller (RFC 1950, RFC 1951).
    let length = u16::try_from(content.len()).expect("short");
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in content {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    let sum = (b << 16 | a).to_be_bytes();
    let head = [&[0x78, 0x01, 0x01][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    replace(path, &[&head[..], content, &sum].concat());
}

pub(super) async fn at_work() -> (Ground, String) {
    let g = ground(Isolation::Separate).await;
    write(&g.path, "committed", "work\n");
    g.git(&["add", "-A"]).await;
    g.git(&["commit", "-qm", "mine"]).await;
    let mine = g.git(&["rev-parse", "HEAD"]).await;
    write(&g.path, "a", "edited\n");
    (g, mine)
}

async fn the_files_are_recorded_as_one_commit_and_nothing_else_comes_over() {
    for (case, damage) in damages().into_iter().chain(damages_of_objects()) {
        let (other, theirs) = another().await;
        let (g, mine) = at_work().await;
        let before = g.users().await;
        let theirs_before = other.git(&["for-each-ref"]).await;
        damage(&g.path, &other.root, theirs.as_str(), &mine);
        let found = g.take().await;
        let paths = g.repo.changed_paths(&g.base, &found.commit).await.expect("changes").len();
        assert_eq!(paths, 2, "{case}: both files, and no other");
        let parents = g.repo.commit_info(&found.commit).await.expect("reads").parents;
        assert_eq!(parents, std::slice::from_ref(&g.base), "{case}");
        assert!(!g.has(theirs.as_str()).await && !g.has(&mine).await, "{case}");
        g.s.git(&["update-ref", "-d", "refs/keep/separate"]).await;
        assert_eq!(g.users().await, before, "{case}");
        assert_eq!(other.git(&["for-each-ref"]).await, theirs_before, "{case}");
        assert_eq!(other.git(&["status", "--porcelain"]).await, "", "{case}");
        // Whoever looks there finds a repository, and not the one around it.
        assert_eq!(
            g.git(&["rev-parse", "--absolute-git-dir"]).await,
            g.path.join(".git").display().to_string()
        );
        g.s.git(&["fsck", "--strict"]).await;
    }
}

async fn commits_whose_content_is_not_what_their_ids_say_never_come_over() {
    // The commit is fine; what it reaches is not.
    for (case, what, content) in [
        ("a tree of other content", "HEAD^{tree}", Some(&b"tree 0\0"[..])),
        ("a file of other content", "HEAD:committed", Some(b"blob 2\x002\n")),
        ("no tree", "HEAD^{tree}", None),
        ("no file", "HEAD:committed", None),
    ] {
        let (g, mine) = at_work().await;
        let id = g.git(&["rev-parse", what]).await;
        let path = object(&g.path, &id);
        match content {
            Some(content) => put_object(&path, content),
            None => fs::remove_file(path).expect("removes"),
        }
        let found = g.take().await;
        assert!(found.rebased, "{case}");
        assert_eq!(g.s.show(&found.commit, "committed").await, "work\n", "{case}");
        assert!(!g.has(&mine).await, "{case}");
        g.s.git(&["fsck", "--strict"]).await;
    }
}

async fn what_git_itself_would_not_take_does_not_come_over() {
    let (g, _) = at_work().await;
    let blob = g.git(&["rev-parse", "HEAD:committed"]).await;
    let line = format!("100644 blob {blob}\t.git\n");
    let mut command = Command::new("git", &g.path).args(["mktree"]);
    command.env.extend(env().into_iter().map(|(name, value)| (name.into(), value.into())));
    command.stdin = line.into_bytes();
    let limits = Limits::default();
    let made = capture(command, &limits, &CancellationToken::new(), 1 << 10).await.expect("git starts");
    let tree = String::from_utf8(made.stdout).expect("text").trim().to_owned();
    let commit = g.git(&["commit-tree", "-p", "HEAD", "-m", "evil", &tree]).await;
    write(&g.path, ".git/HEAD", &format!("{commit}\n"));
    let found = g.take().await;
    assert!(found.rebased && !g.has(&commit).await && !g.has(&tree).await);
}

async fn objects_that_are_there_are_never_replaced() {
    let (g, _) = at_work().await;
    let blob = g.s.git(&["rev-parse", "HEAD:a"]).await;
    let path = object(&g.path, &blob);
    fs::create_dir_all(path.parent().expect("has one")).expect("makes");
    fs::write(&path, "").expect("writes");
    put_object(&path, b"blob 5\0evil\n");
    g.take().await;
    assert_eq!(g.s.git(&["show", &blob]).await, "1");
}

async fn many_commits_come_over_as_a_pack_and_stay_when_the_worktree_goes() {
    let g = ground(Isolation::Separate).await;
    for number in 0..40 {
        write(&g.path, &format!("dir/{number}"), &format!("{number}\n"));
        g.git(&["add", "-A"]).await;
        g.git(&["commit", "-qm", &number.to_string()]).await;
    }
    g.git(&["gc", "-q"]).await;
    let found = g.take().await;
    assert!(!found.rebased && found.changed);
    g.repo.remove_worktree(&g.path).await.expect("removes");
    assert_eq!(g.s.git(&["rev-list", "--count", &format!("{}..{}", g.base, found.commit)]).await, "40");
    g.s.git(&["fsck", "--strict"]).await;
}

async fn what_is_borrowed_is_not_collected_as_garbage_and_cleaning_up_there_takes_nothing_here() {
    let g = ground(Isolation::Separate).await;
    // The user rewrites all of the branch, so that nothing but the worktree needs the base.
    g.s.git(&["commit", "-q", "--amend", "-m", "rewritten"]).await;
    g.s.git(&["reflog", "expire", "--expire=now", "--all"]).await;
    g.s.git(&["gc", "-q", "--prune=now"]).await;
    g.git(&["fsck", "--connectivity-only", "HEAD"]).await;
    write(&g.path, "a", "2\n");
    g.git(&["commit", "-qam", "mine"]).await;
    g.git(&["gc", "-q", "--prune=now"]).await;
    let found = g.take().await;
    assert!(!found.rebased);
    g.s.git(&["fsck", "--strict"]).await;
    assert!(try_git(&g.s.root, &["show", &format!("{}:dir/x", found.commit)]).await.0);
}

async fn a_mark_that_was_taken_away_costs_commits_and_no_files() {
    let (g, _) = at_work().await;
    fs::remove_file(g.s.root.join(".git/worktrees/separate/convoy-separate")).expect("removes");
    let found = g.take().await;
    assert_eq!(g.s.show(&found.commit, "committed").await, "work\n");
    assert_eq!(g.s.show(&found.commit, "a").await, "edited\n");
}

async fn of_an_index_in_parts_only_the_part_that_it_names_is_read() {
    let (g, _) = at_work().await;
    g.git(&["update-index", "--split-index"]).await;
    write(&g.path, "staged.tmp", "ignored, but staged\n");
    g.git(&["add", "-f", "staged.tmp"]).await;
    // Longer than anybody has the room for, where it takes any.
    for n in 0..20 {
        let part = fs::File::create(g.path.join(format!(".git/sharedindex.{n:040x}"))).expect("makes");
        part.set_len(200 << 20).expect("grows");
    }
    let found = g.take().await;
    assert_eq!(g.s.show(&found.commit, "staged.tmp").await, "ignored, but staged\n");
    let entry = g.s.root.join(".git/worktrees/separate");
    let parts = fs::read_dir(entry).expect("lists").filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("sharedindex."))
    });
    assert_eq!(parts.count(), 1);
}
