//! How long one decision takes in small and in large convoys of tasks that do nothing:
//! `cargo run --release -p convoy-core --example decide_speed`. A decision costs what it changes, not what
//! exists, so the times of one row are alike.
#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "an example prints and measures")]

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use convoy_core::event::{AgentOutcome, RunOptions, Started, Work};
use convoy_core::plan::Plan;
use convoy_core::schedule::{
    Action, AdvanceReport, AgentEnd, EndOrder, EndReport, Input, PrepareReport, PublishOrder, PublishReport,
    Report, Scheduler, SnapshotReport, StartedReport,
};
use convoy_core::state::{Prepared, RunState};
use convoy_core::types::{ConvoyId, ConvoyStatus, Oid, Timestamp, Usage};

const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// A kind of convoy: its name, its first lines, and the lines of task `i` below its prompt.
type Kind = (&'static str, &'static str, fn(usize) -> String);

const KINDS: [Kind; 6] = [
    ("independent", "concurrency: 8", |_| String::new()),
    ("independent, auto", "concurrency: auto", |_| String::new()),
    ("chained", "concurrency: 8", |i| match i {
        0 => String::new(),
        i => format!("    depends_on: [t{}]\n", i - 1),
    }),
    ("one first, all after it", "concurrency: 8", |i| match i {
        0 => String::new(),
        _ => "    depends_on: [t0]\n".to_owned(),
    }),
    ("one lock for all", "concurrency: 8\nlocks: {one: 1}", |_| "    locks: [one]\n".to_owned()),
    ("conflicts of ten", "concurrency: 8\nlocks: {a: 2, b: 3}", |i| match i % 10 {
        0 => "    locks: [a, b]\n".to_owned(),
        1 => "    locks: [b]\n    priority: 5\n".to_owned(),
        _ => format!("    depends_on: [t{}]\n", i - i % 10),
    }),
];

fn main() {
    println!(
        "{:26}{:>12}{:>12}{:>12}{:>8}",
        "microseconds a decision", SIZES[0], SIZES[1], SIZES[2], "ratio"
    );
    for (name, head, lines) in KINDS {
        let times = SIZES.map(|size| {
            let plan = plan(head, size, lines);
            let mut all: Vec<f64> = (0..5).map(|_| run(&plan)).collect();
            all.sort_by(f64::total_cmp);
            all[2]
        });
        let ratio = times[2] / times[0];
        println!("{name:26}{:12.2}{:12.2}{:12.2}{ratio:8.2}", times[0], times[1], times[2]);
    }
}

fn plan(head: &str, size: usize, lines: fn(usize) -> String) -> Arc<Plan> {
    let mut text = format!("name: speed\nversion: 1\n{head}\ntasks:\n");
    for i in 0..size {
        let _ = write!(text, "  - id: t{i}\n    prompt: nothing\n{}", lines(i));
    }
    Arc::new(convoy_core::plan::check(&text).plan.expect("a valid file"))
}

fn oid(n: usize) -> Oid {
    Oid::new(format!("{n:040x}")).expect("valid")
}

/// Runs a convoy to its end and gives the mean time of its decisions in microseconds.
fn run(plan: &Arc<Plan>) -> f64 {
    let started = Started {
        name: "speed".into(),
        spec_digest: String::new(),
        options: RunOptions::default(),
        adapter: None,
        providers: std::collections::BTreeMap::new(),
        adapter_limits: std::collections::BTreeMap::new(),
        branch: "refs/heads/main".into(),
        base: oid(0),
        integration_ref: "refs/convoy/speed/integration".into(),
        inactive: Vec::new(),
        tasks: u32::try_from(plan.len()).expect("few enough"),
        engine_version: String::new(),
        event_format: 1,
    };
    let now = Timestamp(1);
    let mut scheduler = Scheduler::new(RunState::new(plan.clone(), ConvoyId::from_parts(1, 1), now, started));
    let mut inputs = VecDeque::from([Input::Begin { resumed: false }]);
    let (mut decisions, mut time) = (0_u32, Duration::ZERO);
    while let Some(input) = inputs.pop_front() {
        // To begin and to end are one look at everything each; all the rest is what is measured.
        let counts = !matches!(input, Input::Begin { .. });
        let begin = Instant::now();
        let turn = scheduler.handle(input, now).expect("a legal turn");
        let took = begin.elapsed();
        if counts && scheduler.state().ended().is_none() {
            (decisions, time) = (decisions + 1, time + took);
        }
        inputs.extend(turn.actions.into_iter().flat_map(answers));
    }
    let ended = scheduler.state().ended().map(|end| end.status);
    assert_eq!(ended, Some(ConvoyStatus::Done), "every task is done");
    time.as_secs_f64() * 1e6 / f64::from(decisions)
}

/// What the world says to an action.
fn answers(action: Action) -> Vec<Input> {
    match action {
        Action::Work(order) => {
            let say = |report| Input::worker(order.task, order.attempt, report);
            vec![say(Report::Started(called())), say(Report::AgentEnded(agent_end()))]
        }
        Action::Snapshot(order) => {
            let commit = oid(10 * order.task.index() + 1);
            let tree = oid(10 * order.task.index() + 2);
            let work = Work { commit, tree, base: order.base, changed: true, kept_ref: "refs/k".into() };
            let report = Report::Snapshot(SnapshotReport::Taken {
                work,
                rebased: false,
                files_changed: Some(1),
                artifacts: Vec::new(),
                unfit: None,
            });
            vec![Input::worker(order.task, order.attempt, report)]
        }
        Action::Check(order) => vec![Input::worker(order.task, order.attempt, Report::Checked(None))],
        Action::Prepare { task, attempt, tip, .. } => {
            let prepared = Prepared { commit: oid(10 * task.index() + 3), onto: tip };
            vec![Input::worker(task, attempt, Report::Prepared(PrepareReport::Prepared(prepared)))]
        }
        Action::Advance { task, attempt, .. } => {
            vec![Input::worker(task, attempt, Report::Advanced(AdvanceReport::Landed))]
        }
        Action::Publish(PublishOrder::Plan { tip, .. }) => {
            vec![Input::Publish(PublishReport::UpToDate { commit: tip.clone(), tip })]
        }
        Action::Publish(PublishOrder::Move { moving, .. }) => {
            vec![Input::Publish(PublishReport::Done(moving))]
        }
        Action::End(EndOrder::Gates { round, .. }) => vec![Input::End(EndReport::GatesOver { round })],
        Action::End(EndOrder::Guard) => vec![Input::End(EndReport::Guarded { found: Vec::new() })],
        Action::Verify(order) => panic!("not asked for here: {order:?}"),
        Action::End(order) => panic!("not asked for here: {order:?}"),
        // No adapter has a limit here.
        Action::Stop { .. }
        | Action::StopEnd { .. }
        | Action::StopVerify { .. }
        | Action::AskPlace { .. }
        | Action::LeavePlace { .. } => Vec::new(),
    }
}

fn called() -> StartedReport {
    StartedReport {
        adapter: "none".into(),
        account: None,
        model: None,
        worktree: "/w".into(),
        slot: None,
        prompt_bytes: 1,
        session: "fresh".into(),
    }
}

fn agent_end() -> AgentEnd {
    AgentEnd {
        outcome: AgentOutcome::Succeeded,
        exit_code: Some(0),
        session: None,
        usage: Usage::default(),
        duration_ms: 1,
        summary: String::new(),
        killed: None,
    }
}
