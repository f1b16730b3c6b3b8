//! Which backend answers.

use crate::git::testing::{Scratch, options, try_git};
use crate::git::{Backend, Expected, GitError, Head, MergeResult, RefEdit, RefUpdate, Repository};
use crate::types::Oid;

/// Every question that the fast backend answers about an ordinary repository.
async fn ask_everything(s: &Scratch, repo: &Repository) {
    let tip = s.tip().await;
    assert_eq!(repo.resolve("HEAD").await.expect("resolves"), Some(tip.clone()));
    assert_eq!(repo.resolve("refs/heads/main").await.expect("resolves"), Some(tip.clone()));
    assert_eq!(repo.resolve(tip.as_str()).await.expect("resolves"), Some(tip.clone()));
    assert_eq!(repo.ref_value("refs/heads/main").await.expect("reads"), Some(tip.clone()));
    assert_eq!(repo.ref_value("refs/heads/absent").await.expect("reads"), None);
    let first = Oid::new(s.git(&["rev-list", "--max-parents=0", "HEAD"]).await).expect("an id");
    assert!(repo.is_ancestor(&first, &tip).await.expect("tells"));
    assert!(!repo.is_ancestor(&tip, &first).await.expect("tells"));
    let tree = Oid::new(s.git(&["rev-parse", "HEAD^{tree}"]).await).expect("an id");
    assert_eq!(repo.tree_of(&tip).await.expect("reads"), tree);
    assert_eq!(repo.merge_base(&first, &tip).await.expect("tells"), Some(first.clone()));
    assert_eq!(repo.commit_info(&tip).await.expect("reads").parents, std::slice::from_ref(&first));
    let changed = repo.changed_between(&first, &tip).await.expect("tells");
    assert_eq!(changed.iter().map(|c| (c.path.as_str(), c.lines)).collect::<Vec<_>>(), [("a", Some((1, 1)))]);
    let (_, blob) = repo.entries_at(&tip, &["a", "absent"]).await.expect("reads")["a"].clone();
    assert_eq!(repo.blob(&blob, 2).await.expect("reads"), b"2\n");
    assert!(matches!(repo.blob(&blob, 1).await, Err(GitError::TooMuch { max: 1, .. })));
    assert_eq!(repo.file_at(&tip, "a", 1).await.expect("reads").as_deref(), Some(&b"2"[..]));
    assert_eq!(repo.tree_links(&tip).await.expect("lists").len(), 1);
    assert_eq!(repo.conflict_markers(&tree, &["a", "link"]).await.expect("looks"), [""; 0]);
    assert!(repo.list_refs("refs").await.expect("lists").contains(&("refs/heads/main".into(), tip.clone())));
    assert_eq!(repo.symbolic_target("HEAD").await.expect("reads").as_deref(), Some("refs/heads/main"));
    assert_eq!(repo.symbolic_target("refs/heads/main").await.expect("reads"), None);
    let head = Head::Branch { name: "refs/heads/main".into(), tip: Some(tip.clone()) };
    assert_eq!(repo.head().await.expect("reads"), head);
}

/// Everything that the fast backend writes to an ordinary repository. The ref is one that nobody has used.
async fn write_everything(s: &Scratch, repo: &Repository, name: &str) {
    let (tip, name) = (s.tip().await, format!("refs/x/{name}"));
    let blob = repo.write_blob(name.as_bytes()).await.expect("writes");
    assert_eq!(repo.blob(&blob, 100).await.expect("reads"), name.as_bytes());
    let tree = repo.tree_of(&tip).await.expect("reads");
    let parent = std::slice::from_ref(&tip);
    let one = repo.commit_tree(&tree, parent, &format!("one on {name}"), None).await.expect("writes");
    let other = repo.commit_tree(&repo.empty_tree(), parent, "other", None).await.expect("writes");
    assert_eq!(
        repo.merge(&one, &other).await.expect("merges"),
        MergeResult::Clean { tree: repo.empty_tree() }
    );
    repo.sync_objects(&one, &tip).await.expect("syncs");
    let set = repo.update_ref(&name, &one, Expected::Absent, "why").await.expect("sets");
    assert_eq!(set, RefUpdate::Done);
    let set = repo.update_ref(&name, &other, Expected::At(tip), "why").await.expect("looks");
    assert_eq!(set, RefUpdate::Moved { now: Some(one) });
}

async fn history() -> Scratch {
    let s = Scratch::new().await;
    s.write("a", "1\n").link("link", "a").commit("one").await;
    s.write("a", "2\n").commit("two").await;
    s
}

#[tokio::test]
async fn an_ordinary_repository_is_answered_for_without_a_program() {
    let s = history().await;
    let before = s.repo.programs_started();
    ask_everything(&s, &s.repo).await;
    write_everything(&s, &s.repo, "one").await;
    assert_eq!(s.repo.programs_started(), before);
    // Nor is one needed once refs and objects are packed, under the open handles.
    s.git(&["gc", "-q", "--prune=now"]).await;
    ask_everything(&s, &s.repo).await;
    write_everything(&s, &s.repo, "two").await;
    assert_eq!(s.repo.programs_started(), before);
}

#[tokio::test]
async fn whoever_wants_the_git_program_gets_it() {
    let s = history().await;
    let mut reference = options();
    reference.backend = Backend::Reference;
    let repo = Repository::open(&s.root, reference).await.expect("opens");
    let before = repo.programs_started();
    ask_everything(&s, &repo).await;
    write_everything(&s, &repo, "three").await;
    assert!(repo.programs_started() >= before + 30);
}

#[tokio::test]
async fn what_is_spelt_otherwise_or_missing_is_left_to_the_git_program() {
    let s = history().await;
    let tip = s.tip().await;
    let before = s.repo.programs_started();
    for rev in ["main", "HEAD~0", "@", &tip.as_str()[..12]] {
        assert_eq!(s.repo.resolve(rev).await.expect("resolves"), Some(tip.clone()), "{rev}");
    }
    let missing = Oid::new("1".repeat(40)).expect("valid");
    assert_eq!(s.repo.resolve(missing.as_str()).await.expect("resolves"), None);
    s.repo.tree_of(&missing).await.expect_err("there is no such commit");
    assert_eq!(s.repo.programs_started(), before + 6);
}

#[tokio::test]
async fn history_that_is_not_what_commits_say_is_left_to_the_git_program() {
    let s = history().await;
    let (first, tip) = (s.git(&["rev-parse", "HEAD~1"]).await, s.tip().await);
    let first = Oid::new(first).expect("an id");
    s.write(".git/info/grafts", &format!("{tip}\n"));
    assert!(!s.repo.is_ancestor(&first, &tip).await.expect("tells"), "git believes the graft");
    s.remove(".git/info/grafts");
    let shallow = s.outside().join("shallow");
    let url = format!("file://{}", s.root.display());
    s.git(&["clone", "-q", "--depth=1", &url, shallow.to_str().expect("UTF-8")]).await;
    let repo = Repository::open(&shallow, options()).await.expect("opens");
    let before = repo.programs_started();
    repo.is_ancestor(&first, &tip).await.expect_err("the first commit is not there");
    assert_eq!(repo.programs_started(), before + 1);
}

#[tokio::test]
async fn a_repository_that_borrows_objects_or_keeps_refs_in_tables_is_left_to_the_git_program() {
    let s = history().await;
    let borrowing = s.outside().join("borrowing");
    s.git(&["clone", "-q", "--shared", ".", borrowing.to_str().expect("UTF-8")]).await;
    assert!(Repository::open(&borrowing, options()).await.expect("opens").fast().is_none());
    assert!(s.repo.fast().is_some());
    if try_git(&s.root, &["refs", "migrate", "--ref-format=reftable"]).await.0 {
        let before = s.repo.programs_started();
        let tip = s.tip().await;
        assert_eq!(s.repo.resolve("refs/heads/main").await.expect("resolves"), Some(tip), "under way");
        assert!(s.repo.programs_started() > before);
    }
}

#[tokio::test]
async fn a_commit_is_written_as_git_writes_it() {
    let s = history().await;
    let (tip, tree) = (s.tip().await, s.repo.empty_tree());
    let mut texts = Vec::new();
    for (backend, programs) in [(Backend::Auto, 0), (Backend::Reference, 1)] {
        let mut options = options();
        options.backend = backend;
        options.env.insert("TZ".into(), "Asia/Kolkata".into());
        options.env.insert("GIT_COMMITTER_NAME".into(), "Zoë B".into());
        let repo = Repository::open(&s.root, options).await.expect("opens");
        let before = repo.programs_started();
        let message = "subject\n\nbody\n\nKey: value\n\n\n";
        let id = repo.commit_tree(&tree, std::slice::from_ref(&tip), message, None).await.expect("writes");
        assert_eq!(repo.programs_started() - before, programs, "{backend:?}");
        let text = s.git(&["cat-file", "commit", id.as_str()]).await;
        // Only the second may differ.
        let time = |line: &str| match line
            .rsplit_once(' ')
            .and_then(|(front, zone)| Some((front.rsplit_once(' ')?, zone)))
        {
            Some(((who, _), zone)) if zone.starts_with('+') => format!("{who} {zone}"),
            _ => line.to_owned(),
        };
        texts.push(text.lines().map(time).collect::<Vec<_>>());
    }
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].contains(&"committer Zoë B <convoy@localhost> +0530".to_owned()), "{:?}", texts[0]);
}

#[tokio::test]
async fn a_ref_that_somebody_has_locked_is_waited_for_and_then_told() {
    let s = history().await;
    let tip = s.tip().await;
    s.write(".git/refs/x/y.lock", "");
    let before = s.repo.programs_started();
    let error = s.repo.update_ref("refs/x/y", &tip, Expected::Any, "x").await.expect_err("locked");
    let lock = s.root.join(".git/refs/x/y.lock");
    assert!(matches!(&error, GitError::Locked { path } if *path == lock), "{error}");
    assert!(lock.exists(), "it is not ours to remove");
    let edit = |name: &str| RefEdit { name: name.into(), new: Some(tip.clone()), expected: Expected::Any };
    let error = s.repo.update_refs(&[edit("refs/x/y"), edit("refs/x/a")], "x").await.expect_err("locked");
    assert!(matches!(error, GitError::Locked { .. }), "{error}");
    assert!(!s.root.join(".git/refs/x/a.lock").exists(), "what was locked is free again");
    assert_eq!(s.repo.list_refs("refs/x").await.expect("lists"), []);
    assert_eq!(s.repo.programs_started(), before);
}

#[tokio::test]
async fn refs_of_people_refs_with_logs_and_links_are_left_to_the_git_program() {
    let s = history().await;
    let tip = s.tip().await;
    s.git(&["update-ref", "--create-reflog", "-m", "first", "refs/x/logged", "HEAD~1"]).await;
    s.git(&["symbolic-ref", "refs/x/symbolic", "refs/heads/main"]).await;
    std::fs::create_dir(s.outside().join("elsewhere")).expect("creates");
    std::os::unix::fs::symlink(s.outside().join("elsewhere"), s.root.join(".git/refs/linked"))
        .expect("links");
    for name in ["refs/heads/new", "refs/tags/new", "refs/x/logged", "refs/x/symbolic", "refs/linked/new"] {
        let before = s.repo.programs_started();
        let set = s.repo.update_ref(name, &tip, Expected::Any, "second").await.expect("sets");
        assert_eq!((set, s.repo.programs_started() - before), (RefUpdate::Done, 1), "{name}");
    }
    let log = s.git(&["reflog", "show", "--format=%gs", "refs/x/logged"]).await;
    assert_eq!(log, "second\nfirst");
    s.repo
        .update_ref("refs/x/logged/below", &tip, Expected::Any, "x")
        .await
        .expect_err("a ref is in the way");
    s.repo.update_ref("refs/x", &tip, Expected::Any, "x").await.expect_err("refs are in the way");
    let missing = Oid::new("1".repeat(40)).expect("valid");
    s.repo.update_ref("refs/x/new", &missing, Expected::Any, "x").await.expect_err("there is no such object");
    s.git(&["config", "core.logAllRefUpdates", "always"]).await;
    let repo = Repository::open(&s.root, options()).await.expect("opens");
    let set = repo.update_ref("refs/x/also", &tip, Expected::Absent, "why").await.expect("sets");
    assert_eq!(
        (set, s.git(&["reflog", "show", "--format=%gs", "refs/x/also"]).await),
        (RefUpdate::Done, "why".into())
    );
}

#[tokio::test]
async fn attributes_that_a_person_wrote_down_still_count() {
    let s = history().await;
    let (first, tip) = (Oid::new(s.git(&["rev-parse", "HEAD~1"]).await).expect("an id"), s.tip().await);
    s.write(".git/info/attributes", "a binary\n");
    let changed = s.repo.changed_between(&first, &tip).await.expect("tells");
    assert_eq!(changed[0].lines, None);
}
