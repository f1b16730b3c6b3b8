//! Landing: what is no conflict, many at once, and what of the user's is in the way.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use convoy_core::agent::AgentOutcome;
use convoy_core::error::ErrorKind;
use convoy_core::event::RunOptions;
use convoy_core::git::{GitOptions, Repository};
use convoy_core::merge::{
    Advance, GitMergeQueue, MergeError, MergeQueue, PrepareOutcome, PrepareRequest, Prepared, Settled,
};
use convoy_core::types::{BoxFuture, ConvoyStatus};
use convoy_tests::{Inline, ScratchRepo, engine, git_in, host_env, last_word, write};
use tokio::sync::Barrier;

use crate::support::{finish, kept, landed, quoted, run, run_with, spec};

/// Writes `<last word>.txt`.
fn writer() -> Arc<Inline> {
    Inline::new(|request| {
        let name = last_word(&request.prompt);
        write(&request.cwd, &format!("{name}.txt"), &format!("{name}\n"));
        AgentOutcome::Succeeded
    })
}

/// Cannot prepare the landing of one task, or cannot land anything, so many times.
#[derive(Debug)]
struct Faulty {
    inner: GitMergeQueue,
    task: &'static str,
    prepares: AtomicU32,
    advances: AtomicU32,
}

/// Counts down to 0; whether it was there not yet.
fn strikes(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn strike(action: &'static str) -> MergeError {
    MergeError::Failed { action, source: "the medium is on strike".into() }
}

impl Faulty {
    async fn on(repo: &ScratchRepo, task: &'static str, prepares: u32, advances: u32) -> Arc<Self> {
        let mut options = GitOptions::default();
        options.env = host_env(repo);
        let repository = Repository::open(repo.root(), options).await.expect("a repository");
        let (prepares, advances) = (AtomicU32::new(prepares), AtomicU32::new(advances));
        Arc::new(Self { inner: GitMergeQueue::new(repository), task, prepares, advances })
    }
}

impl MergeQueue for Faulty {
    fn prepare<'a>(
        &'a self,
        request: &'a PrepareRequest,
    ) -> BoxFuture<'a, Result<PrepareOutcome, MergeError>> {
        let meant = request.message.contains(&format!("Convoy-Task: {}\n", self.task));
        if meant && strikes(&self.prepares) {
            return Box::pin(async { Err(strike("prepare the landing")) });
        }
        self.inner.prepare(request)
    }

    fn advance<'a>(
        &'a self,
        prepared: &'a Prepared,
        fence: u64,
    ) -> BoxFuture<'a, Result<Advance, MergeError>> {
        if strikes(&self.advances) {
            return Box::pin(async { Err(strike("land")) });
        }
        self.inner.advance(prepared, fence)
    }

    fn settle<'a>(&'a self, prepared: &'a Prepared) -> BoxFuture<'a, Result<Settled, MergeError>> {
        self.inner.settle(prepared)
    }
}

#[tokio::test]
async fn a_landing_that_fails_without_a_conflict_fails_the_task_and_keeps_its_work() {
    let tasks = "  - {id: a, prompt: make a}\n  - {id: b, prompt: make b, max_retries: 0}\n  - {id: c, prompt: make c}\n";
    let repo = ScratchRepo::new();
    let queue = Faulty::on(&repo, "b", u32::MAX, 0).await;
    let ran = run_with(engine(&repo).adapter(writer()).merge_queue(queue), &spec("", tasks)).await;
    assert_eq!((ran.status(), ran.statuses().as_str()), (ConvoyStatus::Failed, "a=done b=failed c=done"));
    assert_eq!(ran.failed_with("b"), "merge-error");
    assert!(ran.failure("b").message.contains("the medium is on strike"), "{:?}", ran.failure("b"));
    for kind in ["merge_done", "task_done", "merge_conflict_detected"] {
        assert!(ran.events_of("b", kind).is_empty(), "{kind}");
    }
    assert_eq!(landed(&repo, "main"), ["a", "c"]);
    assert!(kept(&repo).contains(&"1-b/attempt-1".to_owned()), "{:?}", kept(&repo));
    let work = format!("refs/convoy/{}/1-b/attempt-1", ran.outcome.view.convoy_id);
    assert_eq!(repo.tree(&work)["b.txt"], "b");
    repo.assert_sound_and_clean();
}

#[tokio::test]
async fn a_landing_that_failed_once_is_tried_again() {
    let repo = ScratchRepo::new();
    let queue = Faulty::on(&repo, "b", 1, 0).await;
    let tasks = "  - {id: b, prompt: make b, max_retries: 1}\n";
    let ran = run_with(engine(&repo).adapter(writer()).merge_queue(queue), &spec("", tasks)).await;
    ran.assert_done();
    assert_eq!((ran.task("b").attempts, landed(&repo, "main")), (2, vec!["b".to_owned()]));
}

#[tokio::test]
async fn a_ref_that_cannot_be_moved_for_a_moment_goes_unnoticed_and_for_longer_stops_the_engine() {
    let repo = ScratchRepo::new();
    let text = spec("", "  - {id: a, prompt: make a}\n");
    let queue = Faulty::on(&repo, "", 0, 1).await;
    run_with(engine(&repo).adapter(writer()).merge_queue(queue), &text).await.assert_done();

    let repo = ScratchRepo::new();
    let agent = writer();
    let queue = Faulty::on(&repo, "", 0, u32::MAX).await;
    let stopped = engine(&repo).adapter(agent.clone()).merge_queue(queue).build().await.expect("an engine");
    let run = stopped.start(&text, RunOptions::default()).await.expect("started");
    let error = run.wait().await.expect_err("it cannot go on");
    assert!(error.kind() == ErrorKind::Repository && error.to_string().contains("on strike"), "{error}");
    stopped.shutdown().await;

    let mended = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
    finish(&mended, &mended.resume(None).await.expect("resumed")).await.assert_done();
    assert_eq!((landed(&repo, "main"), agent.requests().len()), (vec!["a".to_owned()], 1));
    mended.shutdown().await;
}

#[tokio::test]
async fn work_lands_in_the_form_that_is_asked_for_and_is_the_same_in_each() {
    let agent = || {
        Inline::new(|request| {
            let name = last_word(&request.prompt);
            for part in ["one", "two"] {
                write(&request.cwd, &format!("{name}-{part}.txt"), part);
                let git = |args: &[&str]| git_in(&request.cwd, args);
                git(&["add", "-A"]);
                git(&["commit", "-q", "-m", &format!("{name}: {part}")]);
            }
            write(&request.cwd, &format!("{name}.txt"), name);
            AgentOutcome::Succeeded
        })
    };
    let tasks = "  - {id: a, prompt: make a}\n  - {id: b, prompt: make b}\n";
    let mut trees = Vec::new();
    for (form, subjects) in [
        ("merge", &["b", "a"][..]),
        ("squash", &["b", "a"]),
        ("rebase", &["b: work of attempt 1", "b: two", "b: one", "a: work of attempt 1", "a: two", "a: one"]),
    ] {
        let repo = ScratchRepo::new();
        let head = format!("merge: {{strategy: {form}}}");
        let ran = run_with(engine(&repo).adapter(agent()), &spec(&head, tasks)).await;
        ran.assert_done();
        assert_eq!(landed(&repo, "main"), ["a", "b"], "{form}");
        let made = repo.git(["log", "--first-parent", "--format=%s|%p|%an", "main"]);
        let made: Vec<Vec<&str>> = made.lines().map(|line| line.split('|').collect()).collect();
        let parents = if form == "merge" { 2 } else { 1 };
        for (commit, subject) in made.iter().zip(subjects) {
            assert!(commit[0].starts_with(subject), "{form}: {made:?}");
            assert_eq!(commit[1].split(' ').count(), parents, "{form}: {made:?}");
        }
        assert_eq!(made.len(), subjects.len() + 1, "{form}: {made:?}");
        trees.push(repo.oid("main^{tree}"));
        repo.assert_sound_and_clean();
    }
    assert!(trees.windows(2).all(|two| two[0] == two[1]), "{trees:?}");
}

#[tokio::test]
async fn a_form_that_the_hosts_queue_does_not_know_is_refused_at_the_start() {
    let repo = ScratchRepo::new();
    let queue = Faulty::on(&repo, "", 0, 0).await;
    let engine = engine(&repo).adapter(writer()).merge_queue(queue).build().await.expect("an engine");
    let text = spec("merge: {strategy: squash}", "  - {id: a, prompt: make a}\n");
    let error = engine.start(&text, RunOptions::default()).await.expect_err("it merges alone");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("merge.strategy: squash"), "{error}");
    assert!(engine.list().await.expect("a list").is_empty());
    engine.shutdown().await;
}

/// Says of a step, as often as it is asked, that the engine ends.
#[derive(Debug)]
struct Leaving {
    inner: GitMergeQueue,
    from_prepare_on: bool,
}

impl MergeQueue for Leaving {
    fn prepare<'a>(
        &'a self,
        request: &'a PrepareRequest,
    ) -> BoxFuture<'a, Result<PrepareOutcome, MergeError>> {
        if self.from_prepare_on {
            return Box::pin(async { Err(MergeError::Stopped) });
        }
        self.inner.prepare(request)
    }

    /// Lands it all the same.
    fn advance<'a>(
        &'a self,
        prepared: &'a Prepared,
        fence: u64,
    ) -> BoxFuture<'a, Result<Advance, MergeError>> {
        Box::pin(async move {
            let advanced = self.inner.advance(prepared, fence).await;
            assert!(matches!(advanced, Ok(Advance::Advanced)), "{advanced:?}");
            Err(MergeError::Stopped)
        })
    }

    fn settle<'a>(&'a self, prepared: &'a Prepared) -> BoxFuture<'a, Result<Settled, MergeError>> {
        self.inner.settle(prepared)
    }
}

#[tokio::test]
async fn a_queue_that_leaves_with_the_engine_costs_no_attempt_and_lands_nothing_twice() {
    for from_prepare_on in [true, false] {
        let repo = ScratchRepo::new();
        let inner = Faulty::on(&repo, "", 0, 0).await.inner.clone();
        let (queue, agent) = (Arc::new(Leaving { inner, from_prepare_on }), writer());
        let leaving =
            engine(&repo).adapter(agent.clone()).merge_queue(queue).build().await.expect("an engine");
        let text = spec("", "  - {id: a, prompt: make a, max_retries: 0}\n");
        let run = leaving.start(&text, RunOptions::default()).await.expect("started");
        let error = run.wait().await.expect_err("the engine goes on, its queue does not");
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        leaving.shutdown().await;

        let next = engine(&repo).adapter(agent.clone()).build().await.expect("an engine");
        let ran = finish(&next, &next.resume(None).await.expect("resumed")).await;
        ran.assert_done();
        assert_eq!((landed(&repo, "main"), agent.requests().len()), (vec!["a".to_owned()], 1));
        assert_eq!(
            (ran.task("a").attempts, repo.git(["rev-list", "--count", "--merges", "main"])),
            (1, "1".into())
        );
        next.shutdown().await;
    }
}

#[tokio::test]
async fn a_damaged_object_is_a_merge_error_of_its_task_alone() {
    let repo = ScratchRepo::new();
    // The gate judges the work, and then destroys the tree that is to be merged.
    let gate = "tree=$(git for-each-ref --format='%(tree)' 'refs/convoy/*/1-b/attempt-1') && \
                rm -f \"$(git rev-parse --git-common-dir)/objects/$(echo $tree | cut -c1-2)/$(echo $tree | cut -c3-)\"";
    let tasks = format!(
        "  - {{id: a, prompt: make a}}\n  - {{id: b, prompt: make b, depends_on: [a], max_retries: 0, gates: [{}]}}\n  \
         - {{id: c, prompt: make c, depends_on: [a]}}\n",
        quoted(gate)
    );
    let ran = run(&repo, writer(), &spec("", &tasks)).await;
    assert_eq!(ran.statuses(), "a=done b=failed c=done");
    assert_eq!(ran.failed_with("b"), "merge-error", "{:?}", ran.failure("b"));
    assert_eq!(landed(&repo, "main"), ["a", "c"]);
    assert!(kept(&repo).contains(&"1-b/attempt-1".to_owned()), "{:?}", kept(&repo));
}

#[tokio::test]
async fn tasks_that_finish_at_the_same_moment_all_land_and_so_do_two_convoys() {
    let repo = ScratchRepo::new();
    let together = Arc::new(Barrier::new(8));
    let agent = Inline::waiting(move |request| {
        let together = together.clone();
        async move {
            let name = last_word(&request.prompt);
            together.wait().await;
            write(&request.cwd, &format!("{name}.txt"), name);
            AgentOutcome::Succeeded
        }
    });
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let tasks = |convoy: &str| {
        let task = |n| format!("  - {{id: t{n}, prompt: make {convoy}{n}}}\n");
        spec("concurrency: 4", &(0..4).map(task).collect::<String>())
    };
    let one = engine.start(&tasks("x"), RunOptions::default()).await.expect("started");
    let two = engine.start(&tasks("y"), RunOptions::default()).await.expect("started");
    let (one, two) = tokio::join!(finish(&engine, &one), finish(&engine, &two));
    one.assert_done();
    two.assert_done();
    assert_eq!(landed(&repo, "main"), ["t0", "t0", "t1", "t1", "t2", "t2", "t3", "t3"]);
    let files = repo.files("main");
    for name in ["x0", "x1", "x2", "x3", "y0", "y1", "y2", "y3"] {
        assert!(files.contains(&format!("{name}.txt")), "{name} is missing from {files:?}");
    }
    repo.assert_sound_and_clean();
    engine.shutdown().await;
}

#[tokio::test]
async fn a_local_edit_is_never_touched_and_what_landed_is_published_when_it_is_gone() {
    let repo = ScratchRepo::new();
    let agent = Inline::new(|request| {
        write(&request.cwd, "README.md", "theirs\n");
        write(&request.cwd, "new.txt", "new\n");
        AgentOutcome::Succeeded
    });
    repo.write("README.md", "mine\n");
    let engine = engine(&repo).adapter(agent).build().await.expect("an engine");
    let run =
        engine.start(&spec("", "  - {id: a, prompt: do}\n"), RunOptions::default()).await.expect("started");
    let ran = finish(&engine, &run).await;
    let view = &ran.outcome.view;
    assert_eq!((view.status, view.published), (ConvoyStatus::Done, false), "{view:#?}");
    assert_eq!(view.paths_in_the_way.as_deref(), Some(&["README.md".to_owned()][..]));
    assert_eq!(
        (repo.read("README.md"), repo.status()),
        ("mine\n".to_owned(), vec![" M README.md".to_owned()])
    );
    assert_eq!(landed(&repo, &view.integration_ref), ["a"]);
    assert_eq!(landed(&repo, "main"), [""; 0]);

    repo.write("README.md", "scratch\n");
    let published = finish(&engine, &engine.publish(run.id()).await.expect("taken up")).await;
    published.assert_done();
    assert_eq!(
        (repo.read("README.md"), landed(&repo, "main")),
        ("theirs\n".to_owned(), vec!["a".to_owned()])
    );
    repo.assert_sound_and_clean();
    engine.shutdown().await;
}

#[tokio::test]
async fn failing_hooks_of_the_repository_and_another_branch_checked_out_lose_nothing() {
    let repo = ScratchRepo::new();
    for hook in [
        "pre-commit",
        "commit-msg",
        "post-checkout",
        "pre-merge-commit",
        "post-merge",
        "reference-transaction",
    ] {
        let path = format!(".git/hooks/{hook}");
        repo.write(&path, "#!/bin/sh\nexit 1\n");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(repo.root().join(path), mode).expect("a mode");
    }
    let root = repo.root().to_owned();
    let agent = Inline::new(move |request| {
        // As `git switch --create theirs` leaves it.
        write(&root, ".git/refs/heads/theirs", &head(&root));
        write(&root, ".git/HEAD", "ref: refs/heads/theirs\n");
        write(&request.cwd, "a.txt", "a\n");
        AgentOutcome::Succeeded
    });
    let ran = run(&repo, agent, &spec("", "  - {id: a, prompt: do}\n")).await;
    ran.assert_done();
    assert_eq!(repo.git(["symbolic-ref", "HEAD"]), "refs/heads/theirs");
    assert_eq!((landed(&repo, "main"), landed(&repo, "theirs")), (vec!["a".to_owned()], vec![]));
    repo.assert_sound_and_clean();
}

/// The commit of `main`, which was made a moment ago and is a file therefore.
fn head(root: &Path) -> String {
    std::fs::read_to_string(root.join(".git/refs/heads/main")).expect("a loose ref")
}
