//! The same work on repositories of every kind: how they store refs, objects and the index.

use super::publish::request;
use super::snapshot::request as snapshot_request;
use crate::git::testing::{Scratch, both_backends, options, try_git, write};
use crate::git::{Expected, GitError, MergeResult, PublishPlan, Published, RefUpdate, Repository};
use crate::types::Oid;

both_backends! {
    every_way_to_store_the_index_works,
    every_way_to_store_objects_and_refs_works,
    files_that_git_keeps_in_another_form_are_landed_in_it_and_checked_out_in_theirs,
    what_a_sparse_checkout_leaves_out_stays_out_and_lands,
    line_endings_that_git_would_warn_of_do_not_stop_a_snapshot,
    a_cherry_pick_that_was_resolved_but_not_concluded_is_unfinished_however_refs_are_stored,
    another_mark_is_another_handle_on_the_same_repository,
}

/// Makes a worktree, works in it, records, merges and publishes; the checkout must end clean, with the work.
async fn from_work_to_branch(s: &Scratch, name: &str) {
    let base = s.tip().await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect(name);
    write(&path, "dir/new", "1\n");
    write(&path, "a", "edited\n");
    let snapshot = s.repo.snapshot(&path, &snapshot_request(&base)).await.expect(name);
    let merged = s.repo.merge(&base, &snapshot.commit).await.expect(name);
    assert_eq!(merged, MergeResult::Clean { tree: snapshot.tree.clone() }, "{name}");
    let parents = [base.clone(), snapshot.commit];
    let landed = s.repo.commit_tree(&snapshot.tree, &parents, "land", None).await.expect(name);
    s.repo.sync_objects(&landed, &base).await.expect(name);
    let set = s.repo.update_ref("refs/x/landing", &landed, Expected::Absent, "land").await.expect(name);
    assert_eq!(set, RefUpdate::Done, "{name}");
    s.write("mine", "untracked");
    let plan = s.repo.plan_publish(&request(&base, &landed)).await.expect(name);
    let PublishPlan::Move(planned) = plan else { panic!("{name}: {plan:?}") };
    assert_eq!(s.repo.apply_publish(&planned, false).await.expect(name), Published::Done, "{name}");
    assert_eq!(s.repo.apply_publish(&planned, true).await.expect(name), Published::Done, "{name}");
    assert_eq!(s.git(&["status", "--porcelain"]).await, "?? mine", "{name}");
    assert_eq!((s.read("a").as_str(), s.read("dir/new").as_str()), ("edited\n", "1\n"), "{name}");
    s.repo.remove_worktree(&path).await.expect(name);
    assert_eq!(s.git(&["fsck", "--strict", "--no-dangling"]).await, "", "{name}");
}

async fn every_way_to_store_the_index_works() {
    let cases: [(&str, &[&[&str]]); 6] = [
        ("split index", &[&["config", "core.splitIndex", "true"], &["update-index", "--split-index"]]),
        ("version 4", &[&["update-index", "--index-version", "4"]]),
        ("untracked cache", &[&["config", "core.untrackedCache", "true"], &["status"]]),
        ("sparse index", &[&["sparse-checkout", "set", "--sparse-index", "dir"]]),
        ("settings of many files", &[&["config", "feature.manyFiles", "true"], &["status"]]),
        ("settings of each worktree", &[&["config", "extensions.worktreeConfig", "true"]]),
    ];
    for (name, prepare) in cases {
        let s = Scratch::new().await;
        s.git(&["config", "advice.sparseIndexExpanded", "false"]).await;
        s.write("a", "1\n").write("dir/x", "1\n").write("far/away/x", "1\n").commit("base").await;
        for args in prepare {
            s.git(args).await;
        }
        from_work_to_branch(&s, name).await;
    }
}

async fn every_way_to_store_objects_and_refs_works() {
    for (name, init) in [
        ("sha256", &["--object-format=sha256"][..]),
        ("tables of refs", &["--ref-format=reftable"]),
        ("shared", &["--shared=group"]),
    ] {
        let s = match Scratch::try_with(init).await {
            Some(s) => s,
            None if name == "tables of refs" => continue, // Older than 2.45.
            None => panic!("{name}"),
        };
        s.write("a", "1\n").commit("base").await;
        s.git(&["gc", "-q"]).await;
        from_work_to_branch(&s, name).await;
    }
}

/// A form of a file: the line of its attributes, settings, and its bytes outside and inside of git before and after.
struct Form {
    attributes: &'static str,
    settings: &'static [(&'static str, &'static str)],
    outside: [&'static [u8]; 2],
    inside: [&'static [u8]; 2],
}

const FORMS: [Form; 5] = [
    // As Git LFS does it: what is stored is another content, made and read by a program.
    Form {
        attributes: "file filter=other",
        settings: &[
            ("filter.other.clean", "tr a-z b-za"),
            ("filter.other.smudge", "tr b-za a-z"),
            ("filter.other.required", "true"),
        ],
        outside: [b"one\n", b"two\n"],
        inside: [b"pof\n", b"uxp\n"],
    },
    Form {
        attributes: "file text working-tree-encoding=UTF-16LE",
        settings: &[],
        outside: [b"1\0\n\0", b"2\0\n\0"],
        inside: [b"1\n", b"2\n"],
    },
    Form {
        attributes: "file text eol=crlf",
        settings: &[],
        outside: [b"1\r\n", b"2\r\n"],
        inside: [b"1\n", b"2\n"],
    },
    Form {
        attributes: "# none",
        settings: &[("core.autocrlf", "true")],
        outside: [b"1\r\n", b"2\r\n"],
        inside: [b"1\n", b"2\n"],
    },
    Form {
        attributes: "file ident",
        settings: &[],
        outside: [b"$Id$ 1\n", b"$Id$ 2\n"],
        inside: [b"$Id$ 1\n", b"$Id$ 2\n"],
    },
];

async fn files_that_git_keeps_in_another_form_are_landed_in_it_and_checked_out_in_theirs() {
    for form in &FORMS {
        let name = form.attributes;
        let s = Scratch::new().await;
        for (key, value) in form.settings {
            s.git(&["config", key, value]).await;
        }
        s.write(".gitattributes", &format!("{name}\n")).write("other", "1\n");
        std::fs::write(s.root.join("file"), form.outside[0]).expect(name);
        let base = s.commit("base").await;
        let stored = async |commit: &Oid| {
            let (_, blob) = s.repo.entries_at(commit, &["file"]).await.expect(name)["file"].clone();
            s.repo.blob(&blob, 100).await.expect(name)
        };
        assert_eq!(stored(&base).await, form.inside[0], "{name}: the test means another form");
        let repo = Repository::open(&s.root, options()).await.expect(name);
        let path = s.outside().join("wt");
        repo.add_worktree(&path, &base).await.expect(name);
        let is_ident = name.ends_with("ident");
        let found = std::fs::read(path.join("file")).expect(name);
        assert!(found == form.outside[0] || is_ident && found.starts_with(b"$Id: "), "{name}: {found:?}");
        std::fs::write(path.join("file"), form.outside[1]).expect(name);
        let snapshot = repo.snapshot(&path, &snapshot_request(&base)).await.expect(name);
        assert_eq!(stored(&snapshot.commit).await, form.inside[1], "{name}");
        let changed = repo.changed_paths(&base, &snapshot.commit).await.expect(name);
        let changed: Vec<&str> = changed.iter().map(|changed| changed.path.as_str()).collect();
        assert_eq!(changed, ["file"], "{name}: nothing else is touched");
        let parents = [base.clone(), snapshot.commit.clone()];
        let landed = repo.commit_tree(&snapshot.tree, &parents, "land", None).await.expect(name);
        let plan = repo.plan_publish(&request(&base, &landed)).await.expect(name);
        let PublishPlan::Move(planned) = plan else { panic!("{name}: {plan:?}") };
        assert_eq!(repo.apply_publish(&planned, false).await.expect(name), Published::Done, "{name}");
        let found = std::fs::read(s.root.join("file")).expect(name);
        assert!(found == form.outside[1] || is_ident && found.ends_with(b" 2\n"), "{name}: {found:?}");
        assert_eq!(s.git(&["status", "--porcelain"]).await, "", "{name}");
    }
}

async fn what_a_sparse_checkout_leaves_out_stays_out_and_lands() {
    for cone in ["--cone", "--no-cone"] {
        let s = Scratch::new().await;
        s.write("a", "1\n").write("dir/x", "1\n").write("far/x", "1\n").commit("base").await;
        let wanted = if cone == "--cone" { &["dir"][..] } else { &["/a", "/dir/"] };
        s.git(&[&["sparse-checkout", "set", cone][..], wanted].concat()).await;
        assert!(!s.root.join("far/x").exists(), "{cone}");
        from_work_to_branch(&s, cone).await;
        assert!(!s.root.join("far/x").exists(), "{cone}: it was left out");
        assert_eq!(s.show(&s.tip().await, "far/x").await, "1\n", "{cone}");
    }
}

async fn line_endings_that_git_would_warn_of_do_not_stop_a_snapshot() {
    let s = Scratch::new().await;
    s.write(".gitattributes", "* text=auto\n").write("a", "1\n").commit("base").await;
    s.git(&["config", "core.safecrlf", "true"]).await;
    s.git(&["config", "core.autocrlf", "input"]).await;
    let base = s.tip().await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    write(&path, "mixed", "1\r\n2\n");
    let snapshot = s.repo.snapshot(&path, &snapshot_request(&base)).await.expect("records");
    assert_eq!(s.show(&snapshot.commit, "mixed").await, "1\n2\n");
}

async fn a_cherry_pick_that_was_resolved_but_not_concluded_is_unfinished_however_refs_are_stored() {
    for init in [&[][..], &["--ref-format=reftable"]] {
        let Some(s) = Scratch::try_with(init).await else { continue };
        let base = s.write("a", "1\n").commit("base").await;
        let other = s.write("a", "2\n").commit("other").await;
        let path = s.outside().join("wt");
        s.repo.add_worktree(&path, &base).await.expect("makes");
        write(&path, "a", "3\n");
        assert!(try_git(&path, &["commit", "-q", "-a", "-m", "mine"]).await.0);
        assert!(!try_git(&path, &["cherry-pick", other.as_str()]).await.0);
        write(&path, "a", "4\n");
        assert!(try_git(&path, &["add", "a"]).await.0);
        let error = s.repo.snapshot(&path, &snapshot_request(&base)).await.expect_err("unfinished");
        assert!(matches!(&error, GitError::Unfinished { operation: "cherry-pick", .. }), "{error}");
    }
}

async fn another_mark_is_another_handle_on_the_same_repository() {
    let s = Scratch::new().await;
    s.git(&["config", "filter.tell.clean", "printenv CONVOY_ATTEMPT"]).await;
    let base: Oid = s.write(".gitattributes", "told filter=tell\n").commit("base").await;
    let path = s.outside().join("wt");
    s.repo.add_worktree(&path, &base).await.expect("makes");
    write(&path, "told", "x\n");
    let marked = s.repo.with_cookie("the mark");
    let snapshot = marked.snapshot(&path, &snapshot_request(&base)).await.expect("records");
    assert_eq!(s.show(&snapshot.commit, "told").await, "the mark\n");
}
