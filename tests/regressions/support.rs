//! Running a convoy to its end, and looking at what became of it.

use std::sync::Arc;
use std::time::Duration;

use convoy_core::agent::AgentAdapter;
use convoy_core::engine::{Engine, EngineBuilder, Outcome, Run};
use convoy_core::event::{EventRecord, RunOptions};
use convoy_core::state::TaskView;
use convoy_core::types::{ConvoyStatus, Failure, TaskStatus};
use convoy_tests::{ScratchRepo, engine};

/// The scripted agent program.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_scripted-agent");

/// No run of a test takes this long, however busy the machine is: one that does hangs.
const LIMIT: Duration = Duration::from_secs(900);

/// A spec for the agent `inline` with these tasks after its head.
pub(crate) fn spec(head: &str, tasks: &str) -> String {
    format!("name: test\nversion: 1\nadapter: inline\n{head}\ntasks:\n{tasks}")
}

/// A spec for the scripted agent program, which prints JSON.
pub(crate) fn scripted(head: &str, tasks: &str) -> String {
    let adapters = convoy_tests::adapter(AGENT);
    format!("name: test\nversion: 1\nadapter: scripted\n{adapters}{head}\ntasks:\n{tasks}")
}

/// A text as one word of YAML, whatever it holds.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// A convoy that was run to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    /// All events of the convoy.
    pub(crate) events: Vec<EventRecord>,
}

/// Waits for the end of a run and reads its events.
pub(crate) async fn finish(engine: &Engine, run: &Run) -> Ran {
    let Ok(outcome) = tokio::time::timeout(LIMIT, run.wait()).await else {
        panic!("the run hangs: {:#?}", engine.status(run.id()).await);
    };
    let outcome = outcome.expect("an outcome");
    let events = engine.events(run.id(), 0, usize::MAX).await.expect("events");
    Ran { outcome, events }
}

/// Starts a convoy and waits for its end.
pub(crate) async fn start(engine: &Engine, spec: &str) -> Ran {
    let run = engine.start(spec, RunOptions::default()).await.expect("started");
    finish(engine, &run).await
}

/// Builds an engine, runs one convoy and ends the engine.
pub(crate) async fn run_with(builder: EngineBuilder, spec: &str) -> Ran {
    let engine = builder.grace(Duration::from_millis(200)).build().await.expect("an engine");
    let ran = start(&engine, spec).await;
    engine.shutdown().await;
    ran
}

/// Runs one convoy with this agent.
pub(crate) async fn run(repo: &ScratchRepo, agent: Arc<impl AgentAdapter + 'static>, spec: &str) -> Ran {
    run_with(engine(repo).adapter(agent), spec).await
}

impl Ran {
    pub(crate) fn status(&self) -> ConvoyStatus {
        self.outcome.view.status
    }

    /// The full name of the branch that the work went to.
    pub(crate) fn branch_ref(&self) -> &str {
        &self.outcome.view.branch_ref
    }

    pub(crate) fn task(&self, id: &str) -> &TaskView {
        let found = self.outcome.view.tasks.iter().find(|task| task.id.as_str() == id);
        found.unwrap_or_else(|| panic!("no task {id}"))
    }

    /// `id=status` of every task, in file order.
    pub(crate) fn statuses(&self) -> String {
        let tasks = &self.outcome.view.tasks;
        tasks.iter().map(|task| format!("{}={}", task.id, task.status.as_str())).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub(crate) fn assert_done(&self) {
        let view = &self.outcome.view;
        assert!(view.status == ConvoyStatus::Done && view.published, "{view:#?}");
        assert!(view.tasks.iter().all(|task| task.status == TaskStatus::Done), "{view:#?}");
    }

    #[track_caller]
    pub(crate) fn failure(&self, id: &str) -> &Failure {
        self.task(id)
            .failure
            .as_ref()
            .unwrap_or_else(|| panic!("{id} has no failure: {:#?}", self.outcome.view))
    }

    /// The text of the kind of a task's failure.
    #[track_caller]
    pub(crate) fn failed_with(&self, id: &str) -> String {
        self.failure(id).kind.to_string()
    }

    /// The events of a task of this type, as flat JSON.
    pub(crate) fn events_of(&self, id: &str, kind: &str) -> Vec<serde_json::Value> {
        let of = |record: &&EventRecord| {
            record.task_id().is_some_and(|task| task.as_str() == id) && record.event.type_name() == kind
        };
        self.events.iter().filter(of).map(EventRecord::to_flat_json).collect()
    }

    /// The place of the first such event in the log.
    #[track_caller]
    pub(crate) fn place(&self, id: &str, kind: &str) -> usize {
        let is = |record: &EventRecord| {
            record.task_id().is_some_and(|task| task.as_str() == id) && record.event.type_name() == kind
        };
        self.events.iter().position(is).unwrap_or_else(|| panic!("no {kind} of {id}"))
    }
}

/// The ids of the tasks that landed on a revision, one for each landing, sorted.
pub(crate) fn landed(repo: &ScratchRepo, revision: &str) -> Vec<String> {
    let text = repo.git(["log", "--format=%(trailers:key=Convoy-Task,valueonly)", revision]);
    let mut ids: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    ids.sort_unstable();
    ids
}

/// The refs that keep the work of attempts, without what is before the task.
pub(crate) fn kept(repo: &ScratchRepo) -> Vec<String> {
    let all = repo.git(["for-each-ref", "--format=%(refname)", "refs/convoy"]);
    all.lines().filter_map(|name| name.splitn(4, '/').nth(3)).map(str::to_owned).collect()
}
