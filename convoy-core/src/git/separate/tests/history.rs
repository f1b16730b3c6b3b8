//! Which commits come over.

use std::path::PathBuf;

both_backends! {
    history_that_the_user_has_is_no_matter_of_what_git_would_say_of_it,
    commits_that_would_not_be_used_do_not_come_over,
}

use tokio_util::sync::CancellationToken;

use super::{Ground, ground};
use crate::git::SnapshotRequest;
use crate::git::testing::{both_backends, env, write};
use crate::git::tests::request;
use crate::process::{Command, Limits, capture};
use crate::types::{Isolation, Oid};

/// Writes an object of the user's that git would not take from elsewhere: a commit whose author has no space before
/// the date.
async fn old_commit(g: &Ground) -> Oid {
    let head = g.s.git(&["cat-file", "commit", "HEAD"]).await;
    let (first, rest) = head.split_once("\nauthor ").expect("has an author");
    let (_, rest) = rest.split_once('\n').expect("goes on");
    let text = format!("{first}\nparent {}\nauthor A U Thor <a@b>1 +0000\n{rest}\n", g.base);
    let args = ["hash-object", "--literally", "-t", "commit", "-w", "--stdin"];
    let mut command = Command::new("git", &g.s.root).args(args);
    command.env.extend(env().into_iter().map(|(name, value)| (name.into(), value.into())));
    command.stdin = text.into_bytes();
    let limits = Limits::default();
    let made = capture(command, &limits, &CancellationToken::new(), 1 << 10).await.expect("git starts");
    Oid::new(String::from_utf8(made.stdout).expect("text").trim()).expect("an id")
}

async fn history_that_the_user_has_is_no_matter_of_what_git_would_say_of_it() {
    let g = ground(Isolation::Separate).await;
    let old = old_commit(&g).await;
    g.s.git(&["update-ref", "refs/heads/old", old.as_str()]).await;
    g.s.git(&["tag", "-a", "-m", "x", "v1"]).await;
    write(&g.path, "a", "mine\n");
    g.git(&["commit", "-qam", "mine"]).await;
    g.git(&["merge", "-q", "--no-edit", "--no-ff", old.as_str()]).await;
    let mine = g.git(&["rev-parse", "HEAD"]).await;
    let found = g.take().await;
    assert!(!found.rebased);
    assert_eq!(found.commit.as_str(), mine);
    assert_eq!(g.repo.commit_info(&found.commit).await.expect("reads").parents[1], old);
}

async fn commits_that_would_not_be_used_do_not_come_over() {
    for orphan in [true, false] {
        let g = ground(Isolation::Separate).await;
        if orphan {
            g.git(&["checkout", "-q", "--orphan", "other"]).await;
        }
        write(&g.path, "secret", "in no other file\n");
        g.git(&["add", "-A"]).await;
        g.git(&["commit", "-qm", "mine"]).await;
        let mine = g.git(&["rev-parse", "HEAD"]).await;
        g.git(&["rm", "-q", "--cached", "secret"]).await;
        std::fs::remove_file(g.path.join("secret")).expect("removes");
        let secret = g.git(&["rev-parse", "HEAD:secret"]).await;
        let exclude = if orphan { Vec::new() } else { vec![PathBuf::from("secret")] };
        let found = g.repo.snapshot(&g.path, &SnapshotRequest { exclude, ..request(&g.base) }).await;
        let found = found.expect("records");
        assert!(found.rebased && !found.changed && found.commit == g.base, "{orphan}: {found:?}");
        assert!(!g.has(&mine).await && !g.has(&secret).await, "{orphan}");
    }
}
