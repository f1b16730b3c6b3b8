//! What a crash leaves at each moment of a publish, and that the next one completes it.

use super::publish::{MAIN, apply, plan, published_cleanly, start};
use crate::git::publish::dead_lock;
use crate::git::testing::{Scratch, both_backends};
use crate::git::{BlockReason, Published, StaleLock, remove_stale_lock};
use crate::types::Oid;

both_backends! {
    a_crash_at_any_moment_is_completed,
    what_a_person_did_after_the_crash_is_still_in_the_way,
    files_that_filters_change_on_the_way_are_recognised,
    without_recovering_files_that_look_landed_are_in_the_way,
}

/// Writes the files of a commit without telling index or branch, as a publish that is killed does.
async fn files_of(s: &Scratch, from: &Oid, to: &Oid) {
    s.git(&["read-tree", "--index-output=.git/index.other", "-m", "-u", from.as_str(), to.as_str()]).await;
    s.remove(".git/index.other");
}

async fn cleared(s: &Scratch) {
    let lock = s.root.join(".git/index.lock");
    assert_eq!(remove_stale_lock(&lock).expect("looks"), StaleLock::Removed);
}

async fn a_crash_at_any_moment_is_completed() {
    for moment in ["lock", "some files", "torn file", "all files", "branch", "index", "end"] {
        let (s, from, to) = start().await;
        s.write("stays", "edited\n").write("mine.tmp", "1");
        let planned = plan(&s.repo, &from, &to).await;
        s.write(".git/index.publish", "torn")
            .write(".git/index.publish.lock", "")
            .write(".git/index.adopt", "torn");
        match moment {
            "lock" => {}
            "some files" => {
                std::fs::remove_dir_all(s.root.join("goes")).expect("removes");
                s.write("new/dir/file", "1\n").remove("changes").remove("turns into folder");
            }
            "torn file" => drop(s.write("new/dir/file", "").write("changes", "2")),
            "all files" => files_of(&s, &from, &to).await,
            "branch" => {
                files_of(&s, &from, &to).await;
                s.git(&["update-ref", MAIN, to.as_str()]).await;
            }
            _ => {
                s.git(&["read-tree", "-m", "-u", from.as_str(), to.as_str()]).await;
                s.git(&["update-ref", MAIN, to.as_str()]).await;
            }
        }
        if moment != "end" {
            s.write(".git/index.lock", &dead_lock());
            let held = apply(&s, &planned, true).await;
            assert!(
                matches!(&held, Published::Blocked(b) if matches!(b.reason, BlockReason::Locked { .. })),
                "{held:?}"
            );
            cleared(&s).await;
        } else {
            s.remove(".git/index.publish").remove(".git/index.publish.lock").remove(".git/index.adopt");
        }
        for again in [false, true] {
            assert_eq!(apply(&s, &planned, true).await, Published::Done, "{moment} {again}");
            assert_eq!(s.git(&["status", "--porcelain"]).await, " M stays", "{moment} {again}");
            assert_eq!((s.read("stays").as_str(), s.read("mine.tmp").as_str()), ("edited\n", "1"));
        }
        s.git(&["checkout", "-q", "stays"]).await;
        published_cleanly(&s, &to).await;
    }
}

async fn what_a_person_did_after_the_crash_is_still_in_the_way() {
    for branch_moved in [false, true] {
        let (s, from, to) = start().await;
        let planned = plan(&s.repo, &from, &to).await;
        files_of(&s, &from, &to).await;
        if branch_moved {
            s.git(&["update-ref", MAIN, to.as_str()]).await;
        }
        s.write("changes", "mine, quite different\n").write("new/dir/file", "mine\n");
        let Published::Blocked(found) = apply(&s, &planned, true).await else { panic!("not blocked") };
        assert_eq!(found.reason, BlockReason::InTheWay);
        assert_eq!(found.paths, ["changes", "new/dir/file"]);
        assert_eq!(s.read("changes"), "mine, quite different\n");
        s.write("changes", "1\n").remove("new/dir/file");
        assert_eq!(apply(&s, &planned, true).await, Published::Done);
        published_cleanly(&s, &to).await;
    }
}

async fn files_that_filters_change_on_the_way_are_recognised() {
    let s = Scratch::new().await;
    s.git(&["config", "filter.upper.smudge", "tr a-z A-Z"]).await;
    s.git(&["config", "filter.upper.clean", "tr A-Z a-z"]).await;
    let from = s.write(".gitattributes", "*.up filter=upper\n*.txt text eol=crlf\n").commit("base").await;
    let to =
        s.write("a.up", "text\n").write("b.txt", "1\n2\n").write("c.up", "more\n").commit("target").await;
    s.git(&["reset", "-q", "--hard", from.as_str()]).await;
    let planned = plan(&s.repo, &from, &to).await;
    s.write("a.up", "TEXT\n").write("b.txt", "1\r\n2").write("c.up", "MO");
    assert_eq!(apply(&s, &planned, true).await, Published::Done);
    published_cleanly(&s, &to).await;
    assert_eq!((s.read("b.txt").as_str(), s.read("c.up").as_str()), ("1\r\n2\r\n", "MORE\n"));
}

async fn without_recovering_files_that_look_landed_are_in_the_way() {
    let (s, from, to) = start().await;
    let planned = plan(&s.repo, &from, &to).await;
    s.write("new/dir/file", "1\n");
    let Published::Blocked(found) = apply(&s, &planned, false).await else { panic!("not blocked") };
    assert_eq!((found.reason, found.paths), (BlockReason::InTheWay, vec!["new/dir/file".to_owned()]));
}
