//! Worktrees that are used again, held against new ones.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fast_isolations! {
    a_slot_is_as_a_new_worktree_whatever_was_done_in_it,
    a_slot_without_its_git_file_or_entry_is_made_anew,
    a_path_gets_the_slot_that_it_had_if_that_is_free,
    a_removal_that_a_crash_cut_short_is_finished,
    what_another_process_uses_or_left_behind_is_left_alone,
    on_a_full_disk_what_nobody_needs_goes_and_nothing_else,
    one_slot_that_cannot_be_told_of_keeps_no_other,
    idle_slots_stay_as_long_as_one_is_used,
    a_slot_put_aside_keeps_its_files_and_gives_its_place_free,
    many_are_taken_and_given_back_at_once,
    only_ignored_files_that_are_to_stay_do_and_only_for_their_owner,
    what_stays_gives_way_to_the_commit_and_is_no_work_of_the_next_task,
    a_state_is_noted_until_something_of_it_goes,
    what_is_made_elsewhere_is_told,
}

use super::plain::cases;
use super::snapshot::request;
use crate::git::testing::{Scratch, fast_isolations, git_dir, options, remove_git, try_git, write};
use crate::git::{GitError, IgnoreRules, Keep, Repository};
use crate::types::Oid;

/// A repository whose worktrees are used again, and two of its commits, which differ in many ways.
pub(super) async fn start() -> (Scratch, Oid, Oid) {
    let s = Scratch::new().await;
    s.write("a", "1\n").write("run", "#!/bin/sh\n").write("dir/x", "x\n").write("dir/deep/y", "y\n");
    s.write("ü b\n", "odd\n").write("empty", "").write(".gitignore", "*.o\n/made/\n").write("Case", "1\n");
    s.executable("run").link("link", "dir/x");
    let base = s.commit("base").await;
    s.git(&["rm", "-q", "-r", "dir", "empty", "link", "Case"]).await;
    s.write("dir", "a file now\n").write("empty/in", "a folder now\n").write("link", "no link\n");
    s.write("case", "1\n").link("a2", "a").executable("a");
    let other = s.commit("other").await;
    s.repo.use_worktrees_again(&s.outside(), "slots", "worktrees").expect("finds");
    (s, base, other)
}

pub(super) fn named(s: &Scratch, name: &str) -> PathBuf {
    s.outside().join("worktrees/convoy").join(name)
}

/// What is compared of a path: its mode, how many names it has, and its content or target.
type Found = (u32, u64, Vec<u8>);

/// A folder and every path below it but git's own.
pub(super) fn everything(root: &Path) -> BTreeMap<PathBuf, Found> {
    let mode = std::fs::metadata(root).expect("there").permissions().mode();
    let mut all = BTreeMap::from([(PathBuf::new(), (mode, 1, Vec::new()))]);
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("reads").path();
            if path == root.join(".git") {
                continue;
            }
            let about = std::fs::symlink_metadata(&path).expect("there");
            let content = if about.is_symlink() {
                std::fs::read_link(&path).expect("reads").into_os_string().into_encoded_bytes()
            } else if about.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                std::fs::read(&path).expect("reads")
            };
            let name = path.strip_prefix(root).expect("below").to_owned();
            let names = if about.is_dir() { 1 } else { about.nlink() };
            all.insert(name, (about.permissions().mode(), names, content));
        }
    }
    all
}

/// What git keeps of a worktree: the names, and the content of those that are text.
async fn kept_of_git(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(git_dir(path).await).expect("lists").map(|entry| entry.expect("reads"));
    let name = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let text = |entry: &std::fs::DirEntry| match entry.file_name() == "index" || entry.file_name() == "gitdir"
    {
        true => Vec::new(),
        false => std::fs::read(entry.path()).unwrap_or_default(),
    };
    entries.map(|entry| (name(&entry), text(&entry))).collect()
}

async fn a_slot_is_as_a_new_worktree_whatever_was_done_in_it() {
    let all = || cases().into_iter();
    for ((case, _, edit, commands), rests) in all().zip([false; 99]).chain(all().zip([true; 99])) {
        let (s, base, other) = start().await;
        let (first, second) = (named(&s, "0-first"), named(&s, "1-second"));
        s.repo.add_worktree(&first, &base).await.expect("makes");
        let slot = s.repo.folder_of(&first).await.expect("finds");
        let before = std::fs::metadata(slot.join("run")).expect("there").modified().expect("a time");
        edit(&first);
        for command in commands {
            // Some of them have nothing to do here.
            try_git(&first, command).await;
        }
        let git_dir = git_dir(&first).await;
        // Some of them leave nothing that can be recorded.
        let rests = rests && s.repo.snapshot(&first, &request(&base)).await.is_ok();
        for junk in ["MERGE_HEAD", "refs/worktree/x", "logs/HEAD", "config.worktree", "index.lock"] {
            write(&git_dir, junk, "junk\n");
        }
        let given_back = match rests {
            true => s.repo.remove_resting_worktree(&first).await,
            false => s.repo.remove_worktree(&first).await,
        };
        given_back.expect("gives back");
        assert!(std::fs::symlink_metadata(&first).is_err(), "{case}");
        s.repo.add_worktree(&second, &other).await.expect("brings");
        assert_eq!(s.repo.folder_of(&second).await.expect("finds"), slot, "{case}: it is the same one");
        let fresh = s.outside().join("fresh");
        s.git(&["worktree", "add", "-q", "--detach", fresh.to_str().expect("UTF-8"), other.as_str()]).await;
        assert_eq!(everything(&slot), everything(&fresh), "{case}");
        assert_eq!(
            try_git(&slot, &["status", "--porcelain", "--ignored"]).await,
            (true, String::new()),
            "{case}"
        );
        assert_eq!(try_git(&slot, &["rev-parse", "HEAD"]).await.1, other.as_str(), "{case}");
        let unused = named(&s, "2-unused");
        s.repo.add_worktree(&unused, &other).await.expect("makes");
        assert_eq!(kept_of_git(&second).await, kept_of_git(&unused).await, "{case}");
        if case == "nothing" {
            let after = std::fs::metadata(slot.join("run")).expect("there").modified().expect("a time");
            assert_eq!(after, before, "what is the same is not written again");
        }
    }
}

async fn a_slot_without_its_git_file_or_entry_is_made_anew() {
    let damage: [fn(&Path, &Path); 4] = [
        |slot, _| remove_git(slot),
        |slot, _| {
            remove_git(slot);
            write(slot, ".git", "gitdir: /nowhere\n");
        },
        |_, git_dir| std::fs::remove_dir_all(git_dir).expect("removes"),
        |slot, _| std::fs::remove_dir_all(slot).expect("removes"),
    ];
    for damage in damage {
        let (s, base, other) = start().await;
        let path = named(&s, "0-t");
        s.repo.add_worktree(&path, &base).await.expect("makes");
        let slot = s.repo.folder_of(&path).await.expect("finds");
        let git_dir = git_dir(&path).await;
        damage(&slot, &git_dir);
        s.repo.remove_worktree(&path).await.expect("gives back");
        s.repo.add_worktree(&path, &other).await.expect("makes");
        assert_eq!(try_git(&path, &["status", "--porcelain", "--ignored"]).await, (true, String::new()));
        assert_eq!(try_git(&path, &["rev-parse", "HEAD"]).await.1, other.as_str());
    }
}

async fn a_path_gets_the_slot_that_it_had_if_that_is_free() {
    let (s, base, other) = start().await;
    let paths = ["0-a", "1-b", "2-c"].map(|name| named(&s, name));
    let mut slots = Vec::new();
    for path in &paths {
        s.repo.add_worktree(path, &base).await.expect("makes");
        slots.push(s.repo.folder_of(path).await.expect("finds"));
    }
    assert_eq!(slots.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    for path in &paths {
        s.repo.remove_worktree(path).await.expect("gives back");
    }
    for number in [1, 0, 2] {
        s.repo.add_worktree(&paths[number], &other).await.expect("makes");
        assert_eq!(s.repo.folder_of(&paths[number]).await.expect("finds"), slots[number]);
    }
    assert!(s.repo.add_worktree(&paths[0], &base).await.is_err(), "it is in the way");
    for path in &paths {
        s.repo.remove_worktree(path).await.expect("gives back");
    }
    let wanted = s.repo.add_worktree_in(&paths[0], &base, Some(3), None).await.expect("makes");
    assert_eq!(wanted, Some(3), "the one that is wanted goes before the one that it had");
    let taken = s.repo.add_worktree_in(&paths[1], &base, Some(3), None).await.expect("makes");
    assert_eq!(taken, Some(2), "it is not free");
}

async fn a_removal_that_a_crash_cut_short_is_finished() {
    let (s, base, _) = start().await;
    let path = named(&s, "0-t");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    let slot = s.repo.folder_of(&path).await.expect("finds");
    // The next process finds the link, which leads nowhere.
    let next = Repository::open(&s.root, options()).await.expect("opens");
    next.use_worktrees_again(&s.outside(), "slots", "worktrees").expect("finds");
    std::fs::remove_dir_all(&slot).expect("removes");
    next.add_worktree(&path, &base).await.expect("makes");
    assert_eq!(try_git(&path, &["status", "--porcelain", "--ignored"]).await, (true, String::new()));
}

async fn what_another_process_uses_or_left_behind_is_left_alone() {
    let (s, base, other) = start().await;
    let another = Repository::open(&s.root, options()).await.expect("opens");
    another.use_worktrees_again(&s.outside(), "slots", "worktrees").expect("finds");
    let (mine, theirs) = (named(&s, "0-mine"), named(&s, "1-theirs"));
    another.add_worktree(&theirs, &base).await.expect("makes");
    write(&theirs, "work", "precious\n");
    s.repo.add_worktree(&mine, &base).await.expect("makes");
    let slot = s.repo.folder_of(&mine).await.expect("finds");
    assert_ne!(s.repo.folder_of(&theirs).await.expect("finds"), slot);
    // It ends; what it left is still in use, what it did not need is gone.
    let unused = named(&s, "4-unused");
    another.add_worktree(&unused, &base).await.expect("makes");
    let gone = another.folder_of(&unused).await.expect("finds");
    another.remove_worktree(&unused).await.expect("gives back");
    another.leave_worktrees().await.expect("leaves");
    assert!(!gone.exists());
    s.repo.remove_worktree(&mine).await.expect("gives back");
    let next = [named(&s, "2-next"), named(&s, "3-next")];
    for path in &next {
        s.repo.add_worktree(path, &other).await.expect("makes");
        assert!(!path.join("work").exists());
    }
    assert_eq!(std::fs::read_to_string(theirs.join("work")).expect("reads"), "precious\n");
    // Once somebody took what it left, its place is free.
    s.repo.remove_worktree(&theirs).await.expect("removes");
    for path in &next {
        s.repo.remove_worktree(path).await.expect("gives back");
    }
    s.repo.drop_idle_worktrees().await.expect("deletes");
    assert_eq!(s.repo.list_worktrees().await.expect("lists").len(), 1, "the main one");
    assert!(!s.outside().join("slots").exists(), "nothing is left");
}

async fn idle_slots_stay_as_long_as_one_is_used() {
    let (s, base, _) = start().await;
    let (used, idle) = (named(&s, "0-used"), named(&s, "1-idle"));
    for path in [&used, &idle] {
        s.repo.add_worktree(path, &base).await.expect("makes");
    }
    let slot = s.repo.folder_of(&idle).await.expect("finds");
    s.repo.remove_worktree(&idle).await.expect("gives back");
    s.repo.drop_idle_worktrees().await.expect("looks");
    assert!(slot.exists());
    s.repo.remove_worktree(&used).await.expect("gives back");
    s.repo.drop_idle_worktrees().await.expect("deletes");
    assert!(!slot.exists());
    s.repo.add_worktree(&used, &base).await.expect("makes");
    assert_eq!(try_git(&used, &["status", "--porcelain", "--ignored"]).await, (true, String::new()));
}

async fn a_slot_put_aside_keeps_its_files_and_gives_its_place_free() {
    let (s, base, _) = start().await;
    let path = named(&s, "0-t");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    write(&path, "work", "precious\n");
    let aside = s.repo.move_worktree_aside(&path).await.expect("moves");
    assert_eq!(std::fs::read_to_string(aside.join("work")).expect("reads"), "precious\n");
    assert_eq!(try_git(&aside, &["status", "--porcelain"]).await.1, "?? work");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    assert!(!path.join("work").exists());
    s.repo.remove_worktree(&path).await.expect("gives back");
    s.repo.drop_idle_worktrees().await.expect("deletes");
    assert!(aside.join("work").exists());
}

async fn many_are_taken_and_given_back_at_once() {
    let (s, base, other) = start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (repo, path) = (s.repo.clone(), named(&s, &format!("{number}-t")));
        let (base, other) = (base.clone(), other.clone());
        tasks.spawn(async move {
            for round in 0..4 {
                let commit = if round % 2 == 0 { &base } else { &other };
                repo.add_worktree(&path, commit).await.expect("makes");
                write(&path, &format!("of-{number}"), "1\n");
                let others = std::fs::read_dir(&path).expect("lists").map(|entry| entry.expect("reads"));
                let foreign =
                    others.filter(|entry| entry.file_name().to_string_lossy().starts_with("of-")).count();
                assert_eq!(foreign, 1);
                repo.remove_worktree(&path).await.expect("gives back");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic");
    }
    s.repo.drop_idle_worktrees().await.expect("deletes");
    assert_eq!(s.repo.list_worktrees().await.expect("lists").len(), 1);
}

async fn on_a_full_disk_what_nobody_needs_goes_and_nothing_else() {
    let (s, base, other) = start().await;
    let [left, first, second, third] =
        ["0-left", "2-first", "3-second", "4-third"].map(|name| named(&s, name));
    let idle = ["1-a", "1-b", "1-c"].map(|name| named(&s, name));
    {
        // A process that is gone left work that nobody took, slots that it did not use, and one half deleted.
        let gone = Repository::open(&s.root, options()).await.expect("opens");
        gone.use_worktrees_again(&s.outside(), "slots", "worktrees").expect("finds");
        for path in std::iter::once(&left).chain(&idle) {
            gone.add_worktree(path, &base).await.expect("makes");
        }
        write(&left, "work", "precious\n");
        for path in &idle {
            gone.remove_worktree(path).await.expect("gives back");
        }
    }
    let slots = s.outside().join("slots");
    write(&slots, ".trash-1-1/x", "x\n");
    write(left.parent().expect("has one"), ".trash-old-1/x", "x\n");
    write(left.parent().expect("has one"), "0-t.kept-1/x", "precious\n");
    let folders = || {
        let entries = std::fs::read_dir(&slots).expect("lists").map(|entry| entry.expect("reads").path());
        entries.filter(|path| path.is_dir()).count()
    };
    assert_eq!(folders(), 5);
    // One that is not full deletes nothing.
    s.repo.add_worktree(&first, &base).await.expect("makes");
    assert_eq!(folders(), 5);
    s.repo.inner.disk.holds(3);
    s.repo.add_worktree(&second, &base).await.expect("makes room");
    write(&first, "work", "precious\n");
    assert_eq!(folders(), 3, "those in use");
    assert!(!left.with_file_name(".trash-old-1").exists());
    let files = || {
        let mut files = everything(&slots);
        // A lock that is held stays.
        files.retain(|path, _| path.extension().is_none_or(|end| end != "lock"));
        files
    };
    let before = (files(), s.repo.list_worktrees().await.expect("lists"));
    let full = s.repo.add_worktree(&third, &base).await.expect_err("there is no room");
    assert!(matches!(full, GitError::DiskFull { .. }), "{full}");
    let text = full.to_string();
    assert!(
        text.contains("free space")
            && text.contains(third.parent().expect("has one").to_str().expect("UTF-8")),
        "{text}"
    );
    assert_eq!((files(), s.repo.list_worktrees().await.expect("lists")), before);
    assert!(std::fs::symlink_metadata(&third).is_err(), "nothing half made stays");
    for path in [&left, &first, &left.with_file_name("0-t.kept-1")] {
        let kept = path.join(if path.ends_with("0-t.kept-1") { "x" } else { "work" });
        assert_eq!(std::fs::read_to_string(kept).expect("stays"), "precious\n");
    }
    // As soon as one is given back there is room.
    s.repo.remove_worktree(&second).await.expect("gives back");
    s.repo.add_worktree(&third, &other).await.expect("brings");
    assert_eq!(try_git(&third, &["status", "--porcelain"]).await, (true, String::new()));
}

async fn one_slot_that_cannot_be_told_of_keeps_no_other() {
    let (s, base, _) = start().await;
    let [one, two] = ["1-one", "2-two"].map(|name| named(&s, name));
    for path in [&one, &two] {
        s.repo.add_worktree(path, &base).await.expect("makes");
    }
    let slots = s.outside().join("slots");
    let places: Vec<_> = [&one, &two].map(|path| std::fs::read_link(path).expect("a slot")).into();
    // No lock can be there.
    write(&slots, "7.lock/x", "x\n");
    s.repo.remove_worktree(&one).await.expect("gives back");
    s.repo.make_room().await;
    assert!(!places[0].exists() && places[1].exists());
    s.repo.remove_worktree(&two).await.expect("gives back");
    s.repo.drop_idle_worktrees().await.expect_err("says so");
    assert!(!places[1].exists());
    assert_eq!(s.repo.list_worktrees().await.expect("lists").len(), 1);
}

/// Keeps `made`, `warm.o` and `loose`, of which git ignores the first two.
pub(super) fn keeping(owner: &str) -> Keep {
    let covers = |path: &str| path.starts_with("made/") || path == "warm.o" || path == "loose";
    Keep { owner: owner.to_owned(), covers: Arc::new(covers), ignore: IgnoreRules::default() }
}

async fn only_ignored_files_that_are_to_stay_do_and_only_for_their_owner() {
    let kept = ["made", "made/deep", "made/deep/a", "made/link", "warm.o"];
    for (owner, next, stays) in [
        (Some("one"), Some("one"), true),
        (Some("one"), Some("two"), false),
        (Some("one"), None, false),
        (None, Some("one"), false),
    ] {
        let (s, base, other) = start().await;
        let (first, second) = (named(&s, "0-first"), named(&s, "1-second"));
        let with = |owner: Option<&str>| owner.map(keeping);
        s.repo.add_worktree_in(&first, &base, None, with(owner).as_ref()).await.expect("makes");
        write(&first, "made/deep/a", "warm\n");
        write(&first, "warm.o", "warm\n");
        std::os::unix::fs::symlink("/nowhere", first.join("made/link")).expect("links");
        // Not to stay: because git does not ignore it, because nobody asked, because it is a repository.
        for cold in ["loose", "cold.o", "made.txt", "sub/x.o"] {
            write(&first, cold, "cold\n");
        }
        s.git(&["init", "-q", first.join("made/repo").to_str().expect("UTF-8")]).await;
        s.repo.remove_worktree(&first).await.expect("gives back");
        s.repo.add_worktree_in(&second, &other, None, with(next).as_ref()).await.expect("brings");
        let fresh = s.outside().join("fresh");
        s.git(&["worktree", "add", "-q", "--detach", fresh.to_str().expect("UTF-8"), other.as_str()]).await;
        let slot = s.repo.folder_of(&second).await.expect("finds");
        let mut found = everything(&slot);
        let stayed: Vec<PathBuf> =
            kept.iter().map(PathBuf::from).filter(|path| found.remove(path).is_some()).collect();
        assert_eq!(stayed.len(), if stays { kept.len() } else { 0 }, "{owner:?} {next:?}: {stayed:?}");
        assert_eq!(found, everything(&fresh), "{owner:?} {next:?}");
        assert_eq!(try_git(&slot, &["status", "--porcelain"]).await, (true, String::new()));
    }
}

async fn what_stays_gives_way_to_the_commit_and_is_no_work_of_the_next_task() {
    for (rules, stays) in [("*.o\n/made/\n", true), ("*.o\n", false)] {
        let (s, base, _) = start().await;
        s.write(".gitignore", rules).write("made/deep", "a file\n").write("warm.o/in", "a folder\n");
        s.write("made/same", "tracked\n");
        s.git(&["add", "-f", "made", "warm.o"]).await;
        let tracked = s.commit("has these places").await;
        let (first, second) = (named(&s, "0-first"), named(&s, "1-second"));
        s.repo.add_worktree_in(&first, &base, None, Some(&keeping("one"))).await.expect("makes");
        for path in ["made/deep/a", "made/same", "made/free", "warm.o"] {
            write(&first, path, "warm\n");
        }
        s.repo.remove_worktree(&first).await.expect("gives back");
        s.repo.add_worktree_in(&second, &tracked, None, Some(&keeping("one"))).await.expect("brings");
        assert_eq!(try_git(&second, &["status", "--porcelain"]).await, (true, String::new()), "{rules:?}");
        assert_eq!(second.join("made/free").exists(), stays, "{rules:?}");
    }
}

async fn a_state_is_noted_until_something_of_it_goes() {
    let (s, base, other) = start().await;
    let path = named(&s, "0-t");
    let again = async |keep: Option<Keep>| {
        s.repo.remove_worktree(&path).await.expect("gives back");
        s.repo.add_worktree_in(&path, &other, None, keep.as_ref()).await.expect("brings");
        s.repo.prepared(&path).await.expect("known")
    };
    s.repo.add_worktree_in(&path, &base, None, Some(&keeping("one"))).await.expect("makes");
    assert_eq!(s.repo.prepared(&path).await.expect("known"), None);
    s.repo.note_prepared(&path, "ready".into()).await.expect("notes");
    assert_eq!(again(Some(keeping("one"))).await.as_deref(), Some("ready"));
    assert_eq!(again(Some(keeping("two"))).await, None);
    s.repo.note_prepared(&path, "ready".into()).await.expect("notes");
    assert_eq!(again(None).await, None);
    assert_eq!(again(Some(keeping("two"))).await, None);
    s.repo.note_prepared(&path, "ready".into()).await.expect("notes");
    remove_git(&path);
    assert_eq!(again(Some(keeping("two"))).await, None, "it was made anew");
}

async fn what_is_made_elsewhere_is_told() {
    for (case, made, only) in [
        ("nothing", "", true),
        ("what stays", "made/x", true),
        ("a copy", "copied/x", true),
        ("ignored, and goes", "cold.o", false),
        ("not ignored", "loose", false),
        ("a tracked file", "a", false),
    ] {
        let (s, base, _) = start().await;
        let path = named(&s, "0-t");
        s.repo.add_worktree(&path, &base).await.expect("makes");
        if !made.is_empty() {
            write(&path, made, "changed\n");
        }
        let found = s.repo.holds_only_kept(&path, &keeping("one"), &["copied".into()]).await;
        assert_eq!(found.expect("looks"), only, "{case}");
    }
}
