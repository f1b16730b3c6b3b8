//! Worktrees that are used again right after the last look at their files.

use std::fs::{Permissions, hard_link};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fast_isolations! {
    a_slot_that_rests_is_not_looked_at_but_for_what_could_have_changed_unseen,
    a_slot_that_rests_keeps_no_folder_that_was_emptied_and_loses_no_file_beside_what_stays,
    a_slot_has_no_permissions_and_no_hard_links_of_the_task_before,
}

use super::pool::{everything, keeping, named, start};
use super::snapshot::request;
use crate::git::Keep;
use crate::git::testing::{fast_isolations, try_git, write};

async fn a_slot_that_rests_is_not_looked_at_but_for_what_could_have_changed_unseen() {
    let hour = Duration::from_secs(3600);
    // What was done in it when it was given back; whether the change is found.
    let none = Duration::ZERO;
    for (case, ahead, behind, rests, finds) in [
        ("at once", hour, none, true, false),
        ("a second later", none, Duration::from_secs(1), true, true),
        ("after other work", hour, none, false, true),
    ] {
        let (s, base, other) = start().await;
        let path = named(&s, "0-t");
        s.repo.add_worktree(&path, &base).await.expect("makes");
        let slot = s.repo.folder_of(&path).await.expect("finds");
        s.repo.snapshot(&path, &request(&base)).await.expect("looks");
        s.repo.inner.sheets.looked(&slot, ahead, behind);
        for name in ["a", "run"] {
            // Written within the tick of the clock in which it was looked at, or not.
            s.repo.inner.sheets.trust(&slot, name, name == "a");
            write(&slot, name, "since then\n");
        }
        let given_back = match rests {
            true => s.repo.remove_resting_worktree(&path).await,
            false => s.repo.remove_worktree(&path).await,
        };
        given_back.expect("gives back");
        s.repo.add_worktree(&path, &base).await.expect("brings");
        let content = |name: &str| std::fs::read_to_string(slot.join(name)).expect("reads");
        assert_eq!(content("a") == "1\n", finds, "{case}");
        assert_eq!(content("run"), "#!/bin/sh\n", "{case}");
        // What was said of it holds until it is used.
        s.repo.remove_worktree(&path).await.expect("gives back");
        s.repo.add_worktree(&path, &other).await.expect("brings");
        assert_eq!(content("a"), "1\n", "{case}");
    }
}

async fn a_slot_that_rests_keeps_no_folder_that_was_emptied_and_loses_no_file_beside_what_stays() {
    let with_made: fn(&Path) = |path| {
        for name in ["pkg/src", "pkg/sub/deep", "pkg/made/x.o"] {
            write(path, name, "made\n");
        }
    };
    let emptied: fn(&Path) = |path| {
        for gone in ["dir/x", "dir/deep/y", "g/g"] {
            std::fs::remove_file(path.join(gone)).expect("removes");
        }
        std::fs::create_dir_all(path.join("h/h")).expect("makes");
    };
    for (case, edit) in [("beside what stays", with_made), ("emptied", emptied)] {
        let (s, base, other) = start().await;
        let owner = Keep { covers: Arc::new(|path: &str| path == "pkg/made/x.o"), ..keeping("convoy") };
        let (first, second) = (named(&s, "0-first"), named(&s, "1-second"));
        s.repo.add_worktree_in(&first, &base, None, Some(&owner)).await.expect("makes");
        let slot = s.repo.folder_of(&first).await.expect("finds");
        write(&first, "g/g", "added\n");
        assert!(try_git(&first, &["add", "g/g"]).await.0);
        edit(&first);
        let work = s.repo.snapshot(&first, &request(&base)).await.expect("looks").commit;
        s.repo.inner.sheets.looked(&slot, Duration::from_secs(3600), Duration::ZERO);
        s.repo.remove_resting_worktree(&first).await.expect("gives back");
        s.repo.add_worktree_in(&second, &work, None, Some(&owner)).await.expect("brings");
        assert_eq!(s.repo.folder_of(&second).await.expect("finds"), slot, "{case}: it is the same one");
        let mut found = everything(&slot);
        let stays = ["pkg/made/x.o", "pkg/made"].map(|path| found.remove(Path::new(path)).is_some());
        assert_eq!(stays, [case != "emptied"; 2], "{case}");
        let fresh = s.outside().join("fresh");
        s.git(&["worktree", "add", "-q", "--detach", fresh.to_str().expect("UTF-8"), work.as_str()]).await;
        assert_eq!(found, everything(&fresh), "{case}");
        assert_eq!(try_git(&slot, &["status", "--porcelain"]).await, (true, String::new()), "{case}");
        s.repo.remove_resting_worktree(&second).await.expect("gives back");
        s.repo.add_worktree(&second, &other).await.expect("brings");
        let status = try_git(&slot, &["status", "--porcelain", "--ignored"]).await;
        assert_eq!(status, (true, String::new()), "{case}");
    }
}

async fn a_slot_has_no_permissions_and_no_hard_links_of_the_task_before() {
    let chmod = |path: &Path, name: &str, mode| {
        std::fs::set_permissions(path.join(name), Permissions::from_mode(mode)).expect("may");
    };
    let link = |path: &Path, from: &str, to: &Path| hard_link(path.join(from), to).expect("links");
    type Edit<'a> = (&'a str, &'a dyn Fn(&Path));
    let edits: [Edit<'_>; 9] = [
        ("a file that nobody may write", &|path| chmod(path, "a", 0o400)),
        ("a program for one user", &|path| chmod(path, "run", 0o4700)),
        ("a folder that nobody may write", &|path| chmod(path, "dir", 0o500)),
        ("a folder of a folder", &|path| chmod(path, "dir/deep", 0o777)),
        ("the root", &|path| chmod(path, "", 0o2700)),
        ("a twin that is recorded", &|path| link(path, "a", &path.join("twin"))),
        ("a twin beside the worktree", &|path| link(path, "a", &path.with_file_name("twin"))),
        ("a twin that git ignores", &|path| link(path, "a", &path.join("twin.o"))),
        ("new ones", &|path| {
            write(path, "new/one", "new\n");
            write(path, "dir/new", "new\n");
            ["new", "new/one", "dir/new"].iter().for_each(|name| chmod(path, name, 0o700));
        }),
    ];
    for ((case, edit), rests) in edits.iter().flat_map(|edit| [(edit, false), (edit, true)]) {
        let (s, base, _) = start().await;
        let (first, second) = (named(&s, "0-first"), named(&s, "1-second"));
        s.repo.add_worktree(&first, &base).await.expect("makes");
        let slot = s.repo.folder_of(&first).await.expect("finds");
        write(&slot, "dir/x", "changed\n");
        edit(&slot);
        let work = s.repo.snapshot(&first, &request(&base)).await.expect("looks").commit;
        // What gates do is undone.
        write(&slot, "empty", "changed\n");
        s.repo.restore_tracked(&first, &work).await.expect("puts back");
        if rests {
            s.repo.remove_resting_worktree(&first).await.expect("gives back");
        } else {
            s.repo.remove_worktree(&first).await.expect("gives back");
        }
        s.repo.add_worktree(&second, &work).await.expect("brings");
        assert_eq!(s.repo.folder_of(&second).await.expect("finds"), slot, "{case}: it is the same place");
        let fresh = s.outside().join("fresh");
        s.git(&["worktree", "add", "-q", "--detach", fresh.to_str().expect("UTF-8"), work.as_str()]).await;
        assert_eq!(everything(&slot), everything(&fresh), "{case}");
    }
}
