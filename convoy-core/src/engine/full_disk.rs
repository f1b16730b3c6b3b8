//! A whole engine on a disk that is full: what waits for room, and what then comes of it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, mpsc};

use super::{Ended, Engine, Outcome, Run};
use crate::agent::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use crate::attempt::Answer;
use crate::error::ErrorKind;
use crate::event::{RequestKind, RunOptions};
use crate::git::testing::{FULL, Scratch, small_disk};
use crate::review::{ReviewReport, ReviewRequest, ReviewRunner, Verdict};
use crate::types::{BoxFuture, ConvoyStatus, TaskId, TaskStatus, Usage};

/// What the log says of one that waits.
const WAITS: &str = "==== waiting until another task gives its worktree back: no room is left";

/// Writes a file that is named at the end of its prompt, and waits before where that says `wait for`.
#[derive(Debug)]
struct Hand {
    begun: mpsc::UnboundedSender<String>,
    go: Arc<Semaphore>,
}

impl AgentAdapter for Hand {
    fn name(&self) -> &str {
        "hand"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }

    fn probe<'a>(&'a self, _context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        Box::pin(async { Ok(Probe::available(None)) })
    }

    fn execute<'a>(&'a self, request: AgentRequest, _: &'a mut dyn AgentSink) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            let name = request.prompt.split_whitespace().next_back().expect("a name").to_owned();
            self.begun.send(name.clone()).expect("the test listens");
            if request.prompt.contains("wait for") && !passes(&self.go, &request.cancel).await {
                return AgentReport::ended(AgentOutcome::Cancelled);
            }
            // More than passes without a review.
            std::fs::write(request.cwd.join(&name), "made\n".repeat(20)).expect("written");
            AgentReport::ended(AgentOutcome::Succeeded)
        })
    }
}

async fn passes(door: &Semaphore, stop: &tokio_util::sync::CancellationToken) -> bool {
    let passed = stop.run_until_cancelled(door.acquire()).await;
    passed.map(|permit| permit.expect("is open").forget()).is_some()
}

/// Passes everything, and counts.
struct Kind(Arc<AtomicUsize>);

impl ReviewRunner for Kind {
    fn name(&self) -> &str {
        "kind"
    }

    fn review<'a>(&'a self, request: ReviewRequest) -> BoxFuture<'a, ReviewReport> {
        assert!(request.checkout.join(".gitattributes").exists(), "the checkout is whole");
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { ReviewReport { verdict: Verdict::Pass("ok".into()), usage: Usage::default() } })
    }
}

struct World {
    scratch: Scratch,
    engine: Engine,
    /// The files whose agents have begun.
    begun: mpsc::UnboundedReceiver<String>,
    /// Lets agents go on that wait.
    go: Arc<Semaphore>,
    /// The tasks whose gate has begun.
    gates: mpsc::UnboundedReceiver<TaskId>,
    /// Lets gates pass.
    open: Arc<Semaphore>,
    reviews: Arc<AtomicUsize>,
}

impl World {
    async fn new() -> Self {
        Self::of(Scratch::new().await, "git").await
    }

    /// The same, with this git.
    async fn of(scratch: Scratch, git: impl Into<PathBuf>) -> Self {
        // With this, git makes every worktree, and it is deleted when nobody needs it: there are no slots.
        scratch.write(".gitattributes", "*.txt text eol=crlf\n").commit("begin").await;
        let env: BTreeMap<String, String> = crate::git::testing::options().env;
        let ((begins, begun), (calls, gates)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let (go, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (door, reviews) = (open.clone(), Arc::<AtomicUsize>::default());
        let engine = Engine::builder(&scratch.root)
            .env(env)
            .git(git)
            .adapter(Arc::new(Hand { begun: begins, go: go.clone() }))
            .review_runner(Arc::new(Kind(reviews.clone())))
            .gate("hold", move |call| {
                let (calls, door) = (calls.clone(), door.clone());
                async move {
                    calls.send(call.task.id).expect("the test listens");
                    passes(&door, &call.stop).await;
                    Answer::Pass
                }
            });
        let engine = engine.build().await.expect("an engine");
        Self { scratch, engine, begun, go, gates, open, reviews }
    }

    /// From now on there is room for so many worktrees; 0: for all.
    fn has_room_for(&self, most: usize) {
        small_disk(&self.engine.parts().repository).holds(most);
    }

    async fn start(&self, rest: &str) -> Run {
        let spec = format!("name: n\nversion: 1\nadapter: hand\nconcurrency: 2\n{rest}");
        self.engine.start(&spec, RunOptions::default()).await.expect("started")
    }

    async fn resume(&self, run: &Run) -> Run {
        self.engine.resume(Some(run.id())).await.expect("resumed")
    }

    /// Until a log says that something waits.
    async fn waits(&self, run: &Run) {
        let logs = self.scratch.root.join(".convoy/logs").join(run.id().as_str());
        let told = || {
            files(&logs).iter().any(|log| std::fs::read_to_string(log).unwrap_or_default().contains(WAITS))
        };
        let mut end = std::pin::pin!(run.wait());
        while !told() {
            tokio::select! {
                biased;
                end = &mut end => panic!("nothing waits: {end:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }

    /// The files whose agents have begun since this was asked last.
    fn begun(&mut self) -> Vec<String> {
        let mut begun: Vec<String> = std::iter::from_fn(|| self.begun.try_recv().ok()).collect();
        begun.sort_unstable();
        begun
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).flat_map(|at| if at.is_dir() { files(&at) } else { vec![at] }).collect()
}

async fn outcome(run: &Run) -> Outcome {
    run.wait().await.expect("an outcome")
}

fn interrupt() -> RequestKind {
    RequestKind::Interrupt { reason: "a test".to_owned() }
}

fn statuses(outcome: &Outcome) -> Vec<TaskStatus> {
    outcome.view.tasks.iter().map(|task| task.status).collect()
}

/// Two tasks whose work is being checked, in a run that was taken up again with room for one of them. Gives that run, and
/// the task whose check waits.
async fn one_check_waits(world: &mut World) -> (Run, TaskId) {
    let tasks = "tasks:\n- {id: a, prompt: make a, review: none, host_gates: [hold]}\n\
                 - {id: b, prompt: make b, review: none, host_gates: [hold]}\n";
    let run = world.start(tasks).await;
    for _ in 0..2 {
        world.gates.recv().await.expect("a gate");
    }
    run.request(interrupt()).expect("asked");
    assert_eq!(outcome(&run).await.ended, Ended::Interrupted);
    world.has_room_for(1);
    let run = world.resume(&run).await;
    let judged = world.gates.recv().await.expect("a gate");
    world.waits(&run).await;
    let other = if judged.as_str() == "a" { "b" } else { "a" };
    (run, TaskId::new(other).expect("an id"))
}

#[tokio::test]
async fn skipping_a_task_whose_check_waits_for_room_ends_nothing_else() {
    let mut world = World::new().await;
    let (run, waits) = one_check_waits(&mut world).await;
    run.request(RequestKind::Skip { task: waits.clone(), reason: String::new() }).expect("asked");
    world.open.add_permits(1);
    let outcome = outcome(&run).await;
    assert_eq!(outcome.ended, Ended::Finished);
    for task in &outcome.view.tasks {
        let skipped = task.id == waits;
        assert_eq!(task.status, if skipped { TaskStatus::Skipped } else { TaskStatus::Done }, "{}", task.id);
    }
}

#[tokio::test]
async fn cancelling_a_convoy_with_a_check_that_waits_for_room_is_no_error() {
    let mut world = World::new().await;
    let (run, _) = one_check_waits(&mut world).await;
    run.request(RequestKind::Cancel).expect("asked");
    assert_eq!(outcome(&run).await.view.status, ConvoyStatus::Cancelled);
}

#[tokio::test]
async fn a_check_that_waits_for_room_is_interrupted_and_made_later() {
    let mut world = World::new().await;
    let (run, _) = one_check_waits(&mut world).await;
    run.request(interrupt()).expect("asked");
    assert_eq!(outcome(&run).await.ended, Ended::Interrupted);
    let run = world.resume(&run).await;
    world.open.add_permits(2);
    assert_eq!(statuses(&outcome(&run).await), [TaskStatus::Done, TaskStatus::Done]);
    assert_eq!(world.begun(), ["a", "b"], "no agent was called again");
}

#[tokio::test]
async fn tasks_that_fill_their_worktrees_at_once_with_room_for_one_are_done_one_after_the_other() {
    let mut world = World::new().await;
    world.has_room_for(1);
    let run = world
        .start("tasks:\n- {id: a, prompt: make a, review: none}\n- {id: b, prompt: make b, review: none}\n")
        .await;
    assert_eq!(statuses(&outcome(&run).await), [TaskStatus::Done, TaskStatus::Done]);
    assert_eq!(world.begun(), ["a", "b"]);
}

#[tokio::test]
async fn a_review_waits_for_room_and_is_made() {
    for level in ["fast", "auto"] {
        let mut world = World::new().await;
        // Both worktrees, and no checkout for a reviewer beside them.
        world.has_room_for(2);
        let tasks = format!(
            "tasks:\n- {{id: a, prompt: make a, review: {level}, host_gates: [hold]}}\n\
             - {{id: b, prompt: wait for b, review: none}}\n"
        );
        let run = world.start(&tasks).await;
        let begun = [world.begun.recv().await, world.begun.recv().await].map(|name| name.expect("an agent"));
        assert!(begun.contains(&"b".to_owned()), "both worktrees are made");
        world.open.add_permits(1);
        world.waits(&run).await;
        assert_eq!(world.reviews.load(Ordering::SeqCst), 0);
        world.go.add_permits(1);
        let outcome = outcome(&run).await;
        assert_eq!(statuses(&outcome), [TaskStatus::Done, TaskStatus::Done], "{level}");
        assert_eq!((world.reviews.load(Ordering::SeqCst), outcome.view.totals.unreviewed), (1, 0), "{level}");
        assert_eq!(world.begun(), Vec::<String>::new(), "no agent was called again");
    }
}

#[tokio::test]
async fn a_review_that_will_find_no_room_stops_the_engine_and_no_work_is_bought_again() {
    for hook in [false, true] {
        let mut world = World::new().await;
        world.has_room_for(1);
        let by = if hook { "review: none, hooks: [{type: review, on: post_task}]" } else { "review: fast" };
        let run = world.start(&format!("tasks:\n- {{id: a, prompt: make a, {by}}}\n")).await;
        let error = run.wait().await.expect_err("the disk is full");
        assert_eq!(error.kind(), ErrorKind::Repository);
        assert!(error.to_string().contains("free space on its disk"), "{error}");
        world.has_room_for(0);
        let outcome = outcome(&world.resume(&run).await).await;
        assert_eq!(statuses(&outcome), [TaskStatus::Done]);
        assert_eq!(world.reviews.load(Ordering::SeqCst), 1);
        assert_eq!(world.begun(), ["a"], "its agent was called once");
    }
}

#[tokio::test]
async fn merge_verify_waits_for_room() {
    let mut world = World::new().await;
    let tasks = "merge: {verify: ['true']}\ntasks:\n- {id: a, prompt: wait for a, review: none}\n\
                 - {id: b, prompt: wait for b, review: none}\n";
    let run = world.start(tasks).await;
    for _ in 0..2 {
        world.begun.recv().await.expect("an agent");
    }
    // The worktree of the one that goes on is given back when its work is taken; the other one's stays.
    world.has_room_for(1);
    world.go.add_permits(1);
    world.waits(&run).await;
    world.go.add_permits(1);
    assert_eq!(statuses(&outcome(&run).await), [TaskStatus::Done, TaskStatus::Done]);
    assert_eq!(world.begun(), Vec::<String>::new(), "no agent was called again");
}

#[tokio::test]
async fn finished_work_that_a_full_disk_has_no_room_for_is_taken_when_there_is_room() {
    let scratch = Scratch::new().await;
    let (full, program) =
        (scratch.root.join(".git").join(FULL), scratch.outside().join("git-on-a-full-disk"));
    let fails =
        format!("case \" $* \" in *\" ls-files \"*) [ ! -e '{}' ] || exit 128;; esac", full.display());
    std::fs::write(&program, format!("#!/bin/sh\n{fails}\nexec git \"$@\"\n")).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
    let mut world = World::of(scratch, &program).await;
    let run = world.start("tasks: [{id: a, prompt: wait for made, review: none}]\n").await;
    assert_eq!(world.begun.recv().await.as_deref(), Some("made"));
    std::fs::write(&full, "").expect("written");
    world.go.add_permits(1);
    let error = run.wait().await.expect_err("the disk is full");
    assert_eq!(error.kind(), ErrorKind::Repository, "{error}");
    assert!(error.to_string().contains("free space"), "{error}");
    std::fs::remove_file(&full).expect("frees space");
    let outcome = outcome(&world.resume(&run).await).await;
    assert_eq!((statuses(&outcome), outcome.view.tasks[0].attempts), (vec![TaskStatus::Done], 1));
    assert_eq!(world.begun(), [""; 0], "no work is bought twice");
}
