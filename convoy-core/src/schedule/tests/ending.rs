//! The end of a convoy: its gates, what mends them, its status.

use std::time::Duration;

use super::build::{hook, planned, spec, task};
use super::choose::Choices;
use super::invariants::Watch;
use super::steps::names;
use super::world::World;
use crate::event::{AgentOutcome, ConvoyEvent, RequestKind};
use crate::schedule::{
    Action, EndOrder, EndReport, GateReport, HookReport, Input, Report, SnapshotReport, Turn,
};
use crate::spec::{Budget, Guard, GuardCheck, OnExceeded, OnFailure, Spec, Task};
use crate::state::EndStage;
use crate::types::{ConvoyStatus, FailureKind, TaskId, TaskStatus, Usage};

/// The next thing that a stage of the end says.
pub(super) fn end_report(stopped: bool, order: &EndOrder, choices: &mut Choices<'_>) -> EndReport {
    if stopped && *order != EndOrder::Guard && !choices.one_in(4) {
        return EndReport::Stopped;
    }
    match (order, choices.pick(6)) {
        (EndOrder::Gates { round, .. }, 0..=2) => EndReport::GatesOver { round: *round },
        (EndOrder::Guard, 5) => EndReport::Guarded { found: vec!["a process is left".into()] },
        (EndOrder::Guard, _) => EndReport::Guarded { found: Vec::new() },
        (EndOrder::Hook { index, .. }, n) => EndReport::HookOver { index: *index, result: end_hook(n < 4) },
        (EndOrder::Gates { round, .. }, n) => EndReport::Gate { round: *round, result: gate(n == 3) },
    }
}

/// What a hook says.
fn end_hook(passed: bool) -> HookReport {
    let (error, exit_code) = ((!passed).then(|| "exit code 1".to_owned()), Some(i32::from(!passed)));
    HookReport { error, exit_code, duration_ms: 1, output: "said".into(), usage: Usage::default() }
}

/// What a gate of the convoy says.
fn gate(passed: bool) -> GateReport {
    let exit_code = Some(i32::from(!passed));
    let (gate, output) = ("npm test".into(), "said".into());
    GateReport { gate, passed, exit_code, duration_ms: 1, output, changed_files: vec!["lock".into()] }
}

/// A convoy of two tasks with a gate on the merged result.
fn judged(gate_retries: u32) -> Spec {
    Spec { gates: vec!["npm test".into()], gate_retries, ..spec(vec![task("a"), task("b")]) }
}

/// A convoy of which `a` landed, `b` is what this says, and nothing else is under way but its end.
fn at_the_end(spec: Spec, b: TaskStatus) -> World {
    let mut world = World::new(&planned(spec));
    world.lands("a");
    match b {
        TaskStatus::Done => drop(world.lands("b")),
        _ => drop(fails(&mut world, "b")),
    }
    world.publishes();
    world
}

fn fails(world: &mut World, id: &str) -> Turn {
    world.agent_fails(id, FailureKind::Error);
    world.say(id, Report::Snapshot(SnapshotReport::NoWorktree))
}

/// The round of gates that is under way.
fn round(world: &World) -> Option<u32> {
    world.open.iter().find_map(|open| match &open.action {
        Action::End(EndOrder::Gates { round, .. }) => Some(*round),
        _ => None,
    })
}

/// The hook that is under way comes to its end.
fn hook_ends(world: &mut World, passed: bool) -> Turn {
    let is_hook = |action: &Action| matches!(action, Action::End(EndOrder::Hook { .. }));
    let at = world.open.iter().position(|open| is_hook(&open.action)).expect("a hook is under way");
    let Action::End(EndOrder::Hook { index, .. }) = world.open.remove(at).action else { panic!("found one") };
    world.input(Input::End(EndReport::HookOver { index, result: end_hook(passed) }))
}

/// The gates that are under way come to their end.
fn gates_say(world: &mut World, passed: bool) -> Turn {
    let round = round(world).expect("gates are under way");
    world.input(Input::End(EndReport::Gate { round, result: gate(passed) }));
    world.open.retain(|open| !matches!(open.action, Action::End(_)));
    world.input(Input::End(EndReport::GatesOver { round }))
}

#[test]
fn the_status_is_the_first_that_applies() {
    use ConvoyStatus as C;
    use TaskStatus as T;
    // Task b, whether the gates and the hook pass, whether it is cancelled before the hook is over.
    let cases = [
        (T::Done, true, true, false, C::Done),
        (T::Done, true, true, true, C::Done),
        (T::Done, true, false, false, C::HookFailed),
        (T::Done, true, false, true, C::Cancelled),
        (T::Done, false, true, false, C::GateFailed),
        (T::Done, false, true, true, C::Cancelled),
        (T::Done, false, false, false, C::GateFailed),
        (T::Failed, true, true, false, C::Failed),
        (T::Failed, true, true, true, C::Cancelled),
        (T::Failed, true, false, false, C::Failed),
        (T::Failed, false, true, false, C::GateFailed),
        (T::Failed, false, false, false, C::GateFailed),
        (T::Failed, false, false, true, C::Cancelled),
    ];
    for (b, gates, hooks, cancelled, wanted) in cases {
        let mut world = at_the_end(Spec { hooks: vec![hook("tell")], ..judged(0) }, b);
        gates_say(&mut world, gates);
        if cancelled {
            world.request(RequestKind::Cancel);
        }
        hook_ends(&mut world, hooks);
        let status = world.state().status();
        assert_eq!(status, wanted, "b {b}, gates {gates}, hook {hooks}, cancelled {cancelled}");
    }
    let mut stopped = at_the_end(judged(0), T::Done);
    stopped.request(RequestKind::Cancel);
    stopped.open.clear();
    stopped.input(Input::End(EndReport::Stopped));
    assert_eq!(stopped.state().status(), C::Cancelled, "what was not judged is not done");
}

#[test]
fn failing_gates_are_mended_by_a_task_of_their_own_and_run_again_on_what_it_landed() {
    let mut world = at_the_end(judged(2), TaskStatus::Done);
    assert_eq!(round(&world), Some(1));
    let turn = gates_say(&mut world, false);
    assert_eq!(names(&turn), ["convoy_gates_finished", "tasks_added", "task_assigned"]);
    let fix = world.ix("convoy-gate-fix-1");
    let added = world.state().plan().spec_of(fix).clone();
    let like = task("convoy");
    assert_eq!((&added.agent, added.max_retries), (&like.agent, like.max_retries));
    assert!(added.prompt.contains("npm test") && added.prompt.contains("said"), "{}", added.prompt);
    world.lands("convoy-gate-fix-1");
    assert_eq!(round(&world), Some(2), "the new merged result is judged");
    gates_say(&mut world, true);
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Done);
    assert_eq!(world.state().injected(), 0, "it is none of those that somebody injected");
}

#[test]
fn a_mended_result_is_handed_on_only_so_often() {
    let mut world = at_the_end(judged(2), TaskStatus::Done);
    gates_say(&mut world, false);
    world.lands("convoy-gate-fix-1");
    gates_say(&mut world, false);
    // It changes nothing: the same merged result is not judged again.
    world.agent_ends("convoy-gate-fix-2", AgentOutcome::Succeeded);
    world.snapshot("convoy-gate-fix-2", false);
    world.passes("convoy-gate-fix-2");
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::GateFailed);
    assert_eq!((world.state().ending().rounds, world.state().plan().len()), (2, 4));
}

#[test]
fn a_fixing_task_that_fails_is_followed_by_no_other() {
    for on_failure in [OnFailure::Continue, OnFailure::Stop] {
        let mut world = at_the_end(Spec { on_failure, ..judged(5) }, TaskStatus::Done);
        gates_say(&mut world, false);
        fails(&mut world, "convoy-gate-fix-1");
        assert_eq!(world.state().status(), ConvoyStatus::GateFailed);
        assert_eq!(world.state().plan().len(), 3);
    }
    // Nothing new starts once a failed task stopped the convoy.
    let mut world = at_the_end(Spec { on_failure: OnFailure::Stop, ..judged(5) }, TaskStatus::Failed);
    gates_say(&mut world, false);
    assert_eq!((world.state().status(), world.state().plan().len()), (ConvoyStatus::GateFailed, 2));
}

#[test]
fn the_id_of_a_fixing_task_is_nobody_elses() {
    let mut world =
        World::new(&planned(Spec { tasks: vec![task("a"), task("convoy-gate-fix-1")], ..judged(1) }));
    world.lands("a");
    world.lands("convoy-gate-fix-1");
    gates_say(&mut world, false);
    assert_eq!(world.status("convoy-gate-fix-2"), TaskStatus::Assigned);
}

#[test]
fn gates_start_neither_while_the_convoy_is_paused_nor_when_nothing_landed() {
    let mut world = World::new(&planned(judged(0)));
    world.request(RequestKind::Pause);
    world.lands("a");
    world.lands("b");
    world.publishes();
    assert_eq!((round(&world), world.state().end_stage()), (None, EndStage::Gates));
    world.request(RequestKind::Unpause);
    assert_eq!(round(&world), Some(1));
    let mut nothing = World::new(&planned(judged(0)));
    fails(&mut nothing, "a");
    fails(&mut nothing, "b");
    assert_eq!(nothing.state().status(), ConvoyStatus::Failed);
}

#[test]
fn gates_that_an_interrupt_or_a_crash_cut_off_begin_again() {
    let plan = planned(judged(0));
    let mut world = at_the_end(judged(0), TaskStatus::Done);
    world.input(Input::End(EndReport::Gate { round: 1, result: gate(false) }));
    for interrupted in [true, false] {
        let mut world = World::resumed(&plan, &world.log, false);
        if interrupted {
            world.request(RequestKind::Interrupt { reason: "Ctrl-C".into() });
            world.open.clear();
            assert_eq!(world.input(Input::End(EndReport::Stopped)), Turn::default());
            world = World::resumed(&plan, &world.log, false);
        }
        assert_eq!(round(&world), Some(1));
        world.publishes();
        gates_say(&mut world, true);
        assert_eq!(world.state().status(), ConvoyStatus::Done, "what the first try said counts no more");
        let stale = world.input(Input::End(EndReport::GatesOver { round: 1 }));
        assert_eq!(stale, Turn::default());
    }
}

#[test]
fn a_retry_judges_the_merged_result_anew() {
    let mut world = at_the_end(judged(1), TaskStatus::Done);
    gates_say(&mut world, false);
    fails(&mut world, "convoy-gate-fix-1");
    let turn = world.retry(&["convoy-gate-fix-1"]);
    assert!(names(&turn).contains(&"convoy_retried"), "{turn:?}");
    world.lands("convoy-gate-fix-1");
    world.publishes();
    gates_say(&mut world, false);
    assert_eq!(world.status("convoy-gate-fix-2"), TaskStatus::Assigned, "it may be mended again");
    let mut world = at_the_end(judged(0), TaskStatus::Done);
    gates_say(&mut world, false);
    let turn = world.input(Input::Retry { tasks: Vec::new(), actor: "me".into() });
    assert_eq!(names(&turn), ["convoy_retried", "convoy_gates_started"], "no task has to be done again");
    gates_say(&mut world, true);
    assert_eq!(world.state().status(), ConvoyStatus::Done);
    let done = world.input(Input::Retry { tasks: Vec::new(), actor: "me".into() });
    assert_eq!(done, Turn::default());
}

#[test]
fn what_is_injected_while_gates_run_is_judged_too() {
    let mut world = at_the_end(judged(0), TaskStatus::Done);
    let tasks: Vec<Task> = vec![task("late")];
    world.request(RequestKind::Inject { tasks, source: "test".into(), idempotency_key: None });
    world.lands("late");
    gates_say(&mut world, true);
    assert_eq!(round(&world), Some(2), "the verdict was of what was there before");
    world.run(&mut Choices::new(&[]));
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

#[test]
fn hooks_run_one_after_the_other_also_after_one_that_failed_and_none_twice() {
    let spec = || Spec { gates: Vec::new(), hooks: vec![hook("one"), hook("two")], ..judged(0) };
    let mut world = at_the_end(spec(), TaskStatus::Failed);
    let turn = hook_ends(&mut world, false);
    assert_eq!(names(&turn), ["post_convoy_hook_failed", "post_convoy_hook_started"]);
    // A crash runs the one again that had not ended, and only that.
    let mut world = World::resumed(&planned(spec()), &world.log, false);
    hook_ends(&mut world, true);
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Failed);
    assert_eq!(world.state().ending().failed_hooks, ["one"]);
    let turn = world.retry(&["b"]);
    assert_eq!(names(&turn), ["dlq_entry_resolved", "convoy_retried", "task_assigned"]);
    world.lands("b");
    hook_ends(&mut world, true);
    hook_ends(&mut world, true);
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Done, "a retry runs all of them anew");
}

#[test]
fn nothing_is_injected_once_the_hooks_have_begun() {
    let spec = Spec { gates: Vec::new(), hooks: vec![hook("one")], ..judged(0) };
    let mut world = at_the_end(spec, TaskStatus::Done);
    let tasks: Vec<Task> = vec![task("late")];
    let turn = world.request(RequestKind::Inject { tasks, source: "test".into(), idempotency_key: None });
    assert_eq!(names(&turn), ["injection_refused"]);
    hook_ends(&mut world, true);
    assert_eq!(world.state().status(), ConvoyStatus::Done);
}

/// The guard comes to its end.
fn guard_ends(world: &mut World, found: &[&str]) -> Turn {
    let at = world.open.iter().position(|open| open.action == Action::End(EndOrder::Guard));
    world.open.remove(at.expect("the guard is under way"));
    let found = found.iter().map(|text| (*text).to_owned()).collect();
    world.input(Input::End(EndReport::Guarded { found }))
}

#[test]
fn the_guard_is_the_last_and_tells_what_it_found_once() {
    let spec = || Spec { guard: Guard::all(), ..judged(0) };
    let mut world = at_the_end(spec(), TaskStatus::Done);
    gates_say(&mut world, true);
    let turn = guard_ends(&mut world, &[]);
    assert_eq!(names(&turn), ["convoy_guard", "convoy_finished"]);
    let mut world = at_the_end(spec(), TaskStatus::Done);
    world.request(RequestKind::Pause);
    gates_say(&mut world, true);
    let turn = guard_ends(&mut world, &["a process is left"]);
    assert_eq!(names(&turn), ["convoy_guard", "convoy_finished"], "what it finds changes no status");
    let found = world.state().ending().guard.clone().expect("it looked");
    assert_eq!((found.passed, found.warnings), (false, vec!["a process is left".to_owned()]));
    let mut cancelled = at_the_end(spec(), TaskStatus::Done);
    cancelled.request(RequestKind::Cancel);
    gates_say(&mut cancelled, false);
    guard_ends(&mut cancelled, &[]);
    assert_eq!(cancelled.state().status(), ConvoyStatus::Cancelled);
    // Without a look at the world there is nothing to wait for.
    let guard = Guard { checks: vec![GuardCheck::Observability], ..Guard::all() };
    let mut world =
        at_the_end(Spec { guard, gates: Vec::new(), hooks: vec![hook("h")], ..judged(0) }, TaskStatus::Done);
    let turn = hook_ends(&mut world, true);
    assert_eq!(names(&turn), ["post_convoy_hook_passed", "convoy_guard", "convoy_finished"]);
}

#[test]
fn the_guard_looks_again_when_tasks_were_added_while_it_looked() {
    let mut world =
        at_the_end(Spec { gates: Vec::new(), guard: Guard::all(), ..judged(0) }, TaskStatus::Done);
    let tasks: Vec<Task> = vec![task("late")];
    world.request(RequestKind::Inject { tasks, source: "test".into(), idempotency_key: None });
    assert_eq!(guard_ends(&mut world, &["worktree of late"]), Turn::default());
    world.lands("late");
    world.publishes();
    let turn = guard_ends(&mut world, &[]);
    assert_eq!(names(&turn), ["convoy_guard", "convoy_finished"]);
    assert_eq!(world.state().ending().guard.as_ref().map(|guard| guard.passed), Some(true));
}

#[test]
fn a_fixing_task_is_a_task_like_any_other_for_people() {
    let fix = || TaskId::new("convoy-gate-fix-1").expect("valid");
    let spec = || Spec { guard: Guard::all(), ..judged(3) };
    let mut world = at_the_end(spec(), TaskStatus::Done);
    gates_say(&mut world, false);
    world.request(RequestKind::Skip { task: fix(), reason: "by hand".into() });
    world.agent_ends("convoy-gate-fix-1", AgentOutcome::Cancelled);
    world.snapshot("convoy-gate-fix-1", false);
    guard_ends(&mut world, &[]);
    assert_eq!(world.state().status(), ConvoyStatus::GateFailed, "what nobody wants is not tried again");
    assert_eq!(world.state().plan().len(), 3);
    // A person's own commit mends it: the books are complete without an agent.
    let mut world = at_the_end(spec(), TaskStatus::Done);
    world.request(RequestKind::Pause);
    gates_say(&mut world, false);
    let work = world.by_hand(true);
    world.request(RequestKind::Accept { task: fix(), work, reason: String::new() });
    world.passes("convoy-gate-fix-1");
    world.request(RequestKind::Unpause);
    world.prepares("convoy-gate-fix-1");
    world.advances("convoy-gate-fix-1");
    assert_eq!(round(&world), Some(2));
    gates_say(&mut world, true);
    world.publishes();
    guard_ends(&mut world, &[]);
    assert_eq!(world.state().status(), ConvoyStatus::Done);
    assert_eq!(world.state().ending().guard.as_ref().map(|guard| guard.warnings.len()), Some(0));
}

#[test]
fn nothing_is_mended_beyond_the_budget_of_the_convoy() {
    for on_exceeded in [OnExceeded::Stop, OnExceeded::Pause] {
        let budget =
            Budget { tokens: None, cost_usd: None, wall_time: Some(Duration::from_secs(9)), on_exceeded };
        let mut world = at_the_end(Spec { budget: Some(budget), ..judged(1) }, TaskStatus::Done);
        world.now = world.now.plus(Duration::from_secs(10));
        let turn = gates_say(&mut world, false);
        if on_exceeded == OnExceeded::Stop {
            assert_eq!(names(&turn), ["convoy_gates_finished", "convoy_failed"]);
            let retried = world.input(Input::Retry { tasks: Vec::new(), actor: "me".into() });
            assert_eq!(names(&retried), ["convoy_retried", "convoy_gates_started"], "a new budget");
        } else {
            assert_eq!(names(&turn), ["convoy_gates_finished", "tasks_added"]);
            assert_eq!(world.state().status(), ConvoyStatus::Paused);
            assert_eq!(names(&world.request(RequestKind::Unpause)), ["convoy_unpaused", "task_assigned"]);
        }
    }
}

#[test]
fn what_hooks_consume_counts_for_the_budget() {
    let budget = Budget { tokens: Some(5), cost_usd: None, wall_time: None, on_exceeded: OnExceeded::Pause };
    let hooks = vec![hook("one"), hook("two")];
    let spec = Spec { gates: Vec::new(), hooks, budget: Some(budget), ..judged(0) };
    let mut world = at_the_end(spec, TaskStatus::Done);
    world.open.clear();
    let used = |output| Usage { output, ..Usage::default() };
    let result = HookReport { usage: used(Some(7)), ..end_hook(true) };
    let turn = world.input(Input::End(EndReport::HookOver { index: 0, result }));
    assert_eq!(names(&turn), ["post_convoy_hook_passed", "budget_exceeded", "convoy_paused"]);
    let budget = world.state().budget(world.now);
    assert_eq!((budget[0].used, budget[0].at_least), (Some(9.0), false), "the tasks used 2");
}

#[test]
fn an_agent_gets_what_the_guard_found_and_its_work_is_judged_like_any_other() {
    let guard = || Guard { agent: Some("keeper".into()), ..Guard::all() };
    let spec = || Spec { guard: guard(), ..judged(0) };
    let mut quiet = at_the_end(spec(), TaskStatus::Done);
    gates_say(&mut quiet, true);
    guard_ends(&mut quiet, &[]);
    assert_eq!((quiet.state().status(), quiet.state().plan().len()), (ConvoyStatus::Done, 2));
    let mut world = at_the_end(spec(), TaskStatus::Done);
    gates_say(&mut world, true);
    let turn = guard_ends(&mut world, &["a process is left"]);
    assert_eq!(names(&turn), ["convoy_guard", "tasks_added", "task_assigned"]);
    let added = world.state().plan().spec_of(world.ix("convoy-guard-1")).clone();
    assert_eq!(added.agent, "keeper");
    assert!(added.prompt.contains("a process is left"), "{}", added.prompt);
    world.lands("convoy-guard-1");
    gates_say(&mut world, true);
    world.publishes();
    assert_eq!(world.state().status(), ConvoyStatus::Done);
    assert_eq!(world.state().ending().rounds, 2);
}

impl Watch {
    /// Follows the stages of the end.
    pub(super) fn at_the_end(&mut self, event: &ConvoyEvent) {
        let state = self.state();
        match event {
            ConvoyEvent::GatesStarted { commit, .. } => {
                assert_eq!((commit, state.totals().open), (state.tip(), 0), "gates judge the merged result");
                assert!(*commit != state.started().base, "they have something to judge");
                assert!(!state.is_paused() && !state.is_cancelling(), "nothing starts while it is held");
                let judged = self.gates.as_ref().map(|(judged, _)| judged);
                assert_ne!(judged, Some(commit), "the same is not judged twice");
                self.gate_failed = false;
            }
            ConvoyEvent::Gate { passed, .. } => self.gate_failed |= !passed,
            ConvoyEvent::GatesFinished { commit, passed, .. } => {
                assert_eq!(*passed, !self.gate_failed);
                self.gates = Some((commit.clone(), *passed));
            }
            ConvoyEvent::HookStarted { index, commit, .. } => {
                assert_eq!((commit, state.totals().open), (state.tip(), 0), "hooks see the merged result");
                assert!(!state.is_paused() && !state.is_cancelling(), "nothing starts while it is held");
                assert_eq!(
                    *index as usize,
                    self.hooks.len(),
                    "hooks run in order, and none that ended again"
                );
            }
            ConvoyEvent::Guard { passed, warnings } => {
                assert_eq!((*passed, self.guarded), (warnings.is_empty(), None), "once, and all of it");
                assert_eq!(state.totals().open, 0);
                let untold = warnings.iter().find(|warning| warning.starts_with("task "));
                assert_eq!(untold, None, "the log tells of everything");
                self.guarded = Some(!passed);
            }
            ConvoyEvent::HookPassed { .. } => self.hooks.push(true),
            ConvoyEvent::HookFailed { .. } => self.hooks.push(false),
            _ => {}
        }
    }
}
