use crate::git::testing::{Scratch, both_backends, options, try_git};
use crate::git::{GitError, Head, Identity, ObjectFormat, Repository};

both_backends! {
    an_empty_repository_opens_and_has_a_branch_without_a_commit,
    it_opens_from_a_subfolder_a_linked_worktree_and_the_git_directory,
    a_bare_repository_has_no_main_worktree_and_its_worktrees_say_so_too,
    a_git_directory_elsewhere_does_not_hide_the_files,
    where_the_files_of_the_main_worktree_are_is_never_guessed,
    longer_object_ids_work,
    what_cannot_be_used_is_refused_with_the_reason,
    a_git_that_is_missing_or_too_old_is_refused,
    commits_are_made_by_who_is_configured_else_by_the_fallback,
}

async fn an_empty_repository_opens_and_has_a_branch_without_a_commit() {
    let s = Scratch::new().await;
    assert_eq!(
        s.repo.head().await.expect("head"),
        Head::Branch { name: "refs/heads/main".into(), tip: None }
    );
    assert_eq!(s.repo.main_worktree(), Some(s.root.as_path()));
    assert_eq!(
        (s.repo.git_dir(), s.repo.common_dir()),
        (s.root.join(".git").as_path(), s.root.join(".git").as_path())
    );
    assert_eq!(s.repo.resolve("HEAD").await.expect("resolves"), None);
    assert_eq!(s.repo.resolve("-n").await.expect("resolves"), None);
}

async fn it_opens_from_a_subfolder_a_linked_worktree_and_the_git_directory() {
    let s = Scratch::new().await;
    s.write("sub folder/x", "1\n").commit("one").await;
    s.git(&["worktree", "add", "-q", "-b", "side", "../linked ü"]).await;
    let linked = s.outside().join("linked ü");
    for (path, branch) in
        [(s.root.join("sub folder"), "main"), (linked.clone(), "side"), (s.root.join(".git"), "main")]
    {
        let repo = Repository::open(&path, options()).await.expect("opens");
        assert_eq!(repo.main_worktree(), Some(s.root.as_path()), "{path:?}");
        assert_eq!(repo.common_dir(), s.root.join(".git"), "{path:?}");
        let Head::Branch { name, tip: Some(_) } = repo.head().await.expect("head") else {
            panic!("{path:?}")
        };
        assert_eq!(name, format!("refs/heads/{branch}"));
    }
    s.git(&["checkout", "-q", "--detach"]).await;
    assert_eq!(s.repo.head().await.expect("head"), Head::Detached(s.tip().await));
}

async fn a_bare_repository_has_no_main_worktree_and_its_worktrees_say_so_too() {
    let s = Scratch::new().await;
    s.commit("one").await;
    let (bare, linked) = (s.outside().join("bare.git"), s.outside().join("linked"));
    s.git(&["clone", "-q", "--bare", ".", bare.to_str().expect("utf-8")]).await;
    assert!(try_git(&bare, &["worktree", "add", "-q", "--detach", linked.to_str().expect("utf-8")]).await.0);
    for path in [&bare, &linked] {
        let repo = Repository::open(path, options()).await.expect("opens");
        assert!(repo.is_bare(), "{path:?}");
        assert_eq!(repo.common_dir(), bare, "{path:?}");
    }
}

async fn a_git_directory_elsewhere_does_not_hide_the_files() {
    let s = Scratch::new().await;
    s.commit("one").await;
    let (files, git_dir) = (s.outside().join("files"), s.outside().join("elsewhere"));
    let args = ["clone", "-q", "--separate-git-dir", git_dir.to_str().expect("utf-8"), "."];
    s.git(&[&args[..], &[files.to_str().expect("utf-8")]].concat()).await;
    let repo = Repository::open(&files, options()).await.expect("opens");
    assert_eq!((repo.main_worktree(), repo.common_dir()), (Some(files.as_path()), git_dir.as_path()));
    assert_eq!(repo.list_worktrees().await.expect("lists")[0].path, files);
}

async fn where_the_files_of_the_main_worktree_are_is_never_guessed() {
    // Its git directory is elsewhere; its files are elsewhere; it is a submodule.
    for shape in ["separate", "core.worktree", "submodule"] {
        let s = Scratch::new().await;
        s.commit("one").await;
        let (files, elsewhere) = (s.outside().join("files"), s.outside().join("elsewhere"));
        let text = |path: &std::path::Path| path.to_str().expect("utf-8").to_owned();
        let git_dir = match shape {
            "separate" => {
                s.git(&["clone", "-q", "--separate-git-dir", &text(&elsewhere), ".", &text(&files)]).await;
                elsewhere
            }
            "core.worktree" => {
                s.git(&["clone", "-q", ".", &text(&elsewhere)]).await;
                std::fs::create_dir(&files).expect("creates");
                let set = ["config", "core.worktree", &text(&files)];
                assert!(try_git(&elsewhere, &set).await.0);
                elsewhere.join(".git")
            }
            _ => {
                let allow = ["-c", "protocol.file.allow=always"];
                s.git(&[&allow[..], &["submodule", "--quiet", "add", "./.git", "sub"]].concat()).await;
                s.root.join(".git/modules/sub")
            }
        };
        let linked = s.outside().join("linked");
        let (made, said) = try_git(&git_dir, &["worktree", "add", "-q", "--detach", &text(&linked)]).await;
        assert!(made, "{shape}: {said}");
        let refused = Repository::open(&linked, options()).await.expect_err(shape);
        match &refused {
            GitError::NoMainWorktree { path, git_dir: found } => {
                assert_eq!((path, found), (&linked, &git_dir), "{shape}");
            }
            other => panic!("{shape}: {other}"),
        }
        assert!(refused.to_string().contains("open it from its main worktree"), "{refused}");
        if shape == "separate" {
            Repository::open(&git_dir, options()).await.expect_err("nor does the git directory tell");
            let repo = Repository::open(&files, options()).await.expect("opens");
            assert_eq!(repo.main_worktree(), Some(files.as_path()));
        }
    }
}

async fn longer_object_ids_work() {
    let s = Scratch::with(&["--object-format=sha256"]).await;
    assert_eq!(s.repo.object_format(), ObjectFormat::Sha256);
    let base = s.write("a", "1\n").commit("one").await;
    let orphan = s.repo.commit_tree(&s.repo.empty_tree(), &[], "none", None).await.expect("writes");
    assert_eq!(s.repo.changed_paths(&orphan, &base).await.expect("changes").len(), 1);
}

async fn what_cannot_be_used_is_refused_with_the_reason() {
    let s = Scratch::new().await;
    s.commit("one").await;
    let outside = Repository::open(&s.outside(), options()).await.expect_err("no repository");
    assert!(matches!(outside, GitError::NoRepository { .. }), "{outside}");
    assert!(outside.to_string().contains("git init"), "{outside}");
    let absent = Repository::open(&s.outside().join("absent"), options()).await.expect_err("no folder");
    assert!(matches!(absent, GitError::Io { .. }), "{absent}");
    let allow = ["-c", "protocol.file.allow=always"];
    s.git(&[&allow[..], &["submodule", "--quiet", "add", "./.git", "sub"]].concat()).await;
    let sub = Repository::open(&s.root.join("sub"), options()).await.expect_err("submodule");
    assert!(matches!(&sub, GitError::Submodule { parent, .. } if *parent == s.root), "{sub}");
}

async fn a_git_that_is_missing_or_too_old_is_refused() {
    let s = Scratch::new().await;
    let mut missing = options();
    missing.program = Some("/nowhere/git".into());
    let error = Repository::open(&s.root, missing).await.expect_err("missing");
    assert!(matches!(error, GitError::Missing { .. }), "{error}");
    s.write("old git", "#!/bin/sh\necho 'git version 2.37.7 (Example)'\n").executable("old git");
    let mut old = options();
    old.program = Some(s.root.join("old git"));
    let error = Repository::open(&s.root, old).await.expect_err("old");
    assert!(matches!(&error, GitError::TooOld { found } if found.starts_with("2.37.7")), "{error}");
}

async fn commits_are_made_by_who_is_configured_else_by_the_fallback() {
    let s = Scratch::new().await;
    let tree = s.repo.empty_tree();
    let who = async |repo: &Repository, identity: Option<&Identity>| {
        let commit = repo.commit_tree(&tree, &[], "subject\n\nKey: value\n", identity).await.expect("writes");
        assert_eq!(repo.commit_info(&commit).await.expect("reads").trailers().len(), 1);
        s.git(&["log", "-1", "--format=%an <%ae> %cn <%ce>", commit.as_str()]).await
    };
    assert_eq!(who(&s.repo, None).await, "Convoy <convoy@localhost> Convoy <convoy@localhost>");
    s.git(&["config", "user.name", "Some Ü"]).await;
    s.git(&["config", "user.email", "s@example.org"]).await;
    s.git(&["config", "author.email", "author@example.org"]).await;
    s.git(&["config", "user.useConfigOnly", "true"]).await;
    let repo = Repository::open(&s.root, options()).await.expect("opens");
    assert_eq!(who(&repo, None).await, "Some Ü <author@example.org> Some Ü <s@example.org>");
    let given = Identity::new("Given", "g@example.org");
    assert_eq!(who(&repo, Some(&given)).await, "Given <g@example.org> Given <g@example.org>");
    let mut host = options();
    host.env.insert("GIT_COMMITTER_NAME".into(), "Host".into());
    let repo = Repository::open(&s.root, host).await.expect("opens");
    assert_eq!(repo.identity(), &Identity::new("Host", "s@example.org"));
}
