use crate::git::testing::{Scratch, both_backends};
use crate::types::Oid;

both_backends! {
    refs_are_deleted_together_or_not_at_all,
    packed_refs_go_too,
    what_a_symbolic_ref_or_a_link_leads_to_stays,
    a_commit_is_kept_by_any_branch_or_tag,
}

async fn list(s: &Scratch) -> Vec<(String, Oid)> {
    s.repo.list_refs("refs/convoy/a").await.expect("lists")
}

async fn refs_are_deleted_together_or_not_at_all() {
    let s = Scratch::new().await;
    let (one, two) = (s.commit("one").await, s.commit("two").await);
    for name in ["refs/convoy/a/integration", "refs/convoy/a/0-x/attempt-1", "refs/convoy/ab/integration"] {
        s.git(&["update-ref", "--create-reflog", name, one.as_str()]).await;
    }
    let seen = list(&s).await;
    assert_eq!(seen.len(), 2);
    // Moved, and deleted, meanwhile.
    s.git(&["update-ref", "refs/convoy/a/integration", two.as_str()]).await;
    assert_eq!(s.repo.delete_refs("a", &seen).await.expect("runs"), ["refs/convoy/a/integration"]);
    assert_eq!(list(&s).await.len(), 2);
    let seen = list(&s).await;
    s.git(&["update-ref", "-d", "refs/convoy/a/0-x/attempt-1"]).await;
    assert_eq!(s.repo.delete_refs("a", &seen).await.expect("runs"), ["refs/convoy/a/0-x/attempt-1"]);
    let seen = list(&s).await;
    assert!(s.repo.delete_refs("a", &seen).await.expect("runs").is_empty());
    assert!(list(&s).await.is_empty());
    assert!(s.repo.delete_refs("a", &[]).await.expect("nothing to do").is_empty());
    let all = s.repo.list_refs("refs/").await.expect("lists");
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["refs/convoy/ab/integration", "refs/heads/main"]);
}

async fn packed_refs_go_too() {
    let s = Scratch::new().await;
    let one = s.commit("one").await;
    for n in 0..20 {
        s.git(&["update-ref", &format!("refs/convoy/a/{n}-x/attempt-1"), one.as_str()]).await;
    }
    s.git(&["pack-refs", "--all"]).await;
    s.git(&["update-ref", "refs/convoy/a/integration", one.as_str()]).await;
    let seen = list(&s).await;
    assert_eq!(seen.len(), 21);
    assert!(s.repo.delete_refs("a", &seen).await.expect("runs").is_empty());
    assert!(list(&s).await.is_empty());
    assert_eq!(s.git(&["rev-parse", "refs/heads/main"]).await, one.as_str());
}

async fn what_a_symbolic_ref_or_a_link_leads_to_stays() {
    let s = Scratch::new().await;
    let one = s.commit("one").await;
    s.git(&["update-ref", "refs/convoy/a/integration", one.as_str()]).await;
    s.git(&["symbolic-ref", "refs/convoy/a/0-x/attempt-1", "refs/heads/main"]).await;
    let seen = list(&s).await;
    assert_eq!(seen.len(), 2);
    assert!(s.repo.delete_refs("a", &seen).await.expect("runs").is_empty());
    assert!(list(&s).await.is_empty());
    assert_eq!(s.git(&["rev-parse", "refs/heads/main"]).await, one.as_str());
    // A folder that is a link: of refs, of their logs.
    for (folder, leads_to, name) in [
        ("refs/convoy/b", "refs/heads", "refs/convoy/b/main"),
        ("logs/refs/convoy/c", "logs/refs/heads", "refs/convoy/c/main"),
        // The name of git's own folder is none that excuses it.
        ("refs/convoy/d/refs", "refs/heads", "refs/convoy/d/refs/main"),
    ] {
        let (folder, leads_to) = (s.repo.common_dir().join(folder), s.repo.common_dir().join(leads_to));
        std::fs::create_dir_all(folder.parent().expect("a folder")).expect("creates");
        std::os::unix::fs::symlink(leads_to, &folder).expect("links");
        let refused = s.repo.delete_refs("a", &[(name.to_owned(), one.clone())]).await.expect_err("refused");
        assert!(
            std::error::Error::source(&refused).is_some_and(|why| why.to_string().contains("it is a link"))
        );
        assert_eq!(s.git(&["rev-parse", "refs/heads/main"]).await, one.as_str());
        assert!(s.repo.common_dir().join("logs/refs/heads/main").exists());
    }
}

async fn a_commit_is_kept_by_any_branch_or_tag() {
    let s = Scratch::new().await;
    let (one, two) = (s.commit("one").await, s.commit("two").await);
    let on = async |commit| s.repo.is_on_a_branch(commit).await.expect("told");
    assert!(on(&one).await && on(&two).await);
    s.git(&["reset", "-q", "--hard", one.as_str()]).await;
    s.git(&["update-ref", "refs/convoy/a/integration", two.as_str()]).await;
    assert!(on(&one).await && !on(&two).await);
    for name in ["refs/heads/x", "refs/tags/x", "refs/remotes/origin/x"] {
        s.git(&["update-ref", name, two.as_str()]).await;
        assert!(on(&two).await, "{name}");
        s.git(&["update-ref", "-d", name]).await;
    }
    s.repo
        .is_on_a_branch(&Oid::new("1".repeat(40)).expect("an id"))
        .await
        .expect_err("there is no such commit");
}
