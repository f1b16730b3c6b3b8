//! Performs actions in the simulated world, in steps between which the engine may die.

use std::sync::Arc;

use super::git::{What, name};
use super::record::must;
use super::world::{Busy, World};
use crate::engine::perform::{Perform, Reporter, Stop};
use crate::error::{Error, ErrorKind};
use crate::event::{
    AgentOutcome, BuiltInGateResult, GateResult, HookResult, RepositoryGuard, ReviewStarted, Work,
};
use crate::plan::Plan;
use crate::schedule::tests::build::artifacts;
use crate::schedule::tests::world::{drift, review_blocked, review_verdict, step_finished, step_started};
use crate::schedule::{
    Action, AdvanceReport, AgentEnd, CheckOrder, Input, PrepareReport, PublishOrder, PublishReport, Report,
    SnapshotOrder, SnapshotReport, StartedReport, WorkOrder,
};
use crate::spec::{HookMoment, HookType};
use crate::state::{Moving, Prepared, RunState};
use crate::types::{
    Artifact, AttemptNo, BoxFuture, Failure, FailureKind, GateLevel, Oid, ReviewLevel, ReviewVerdict, TaskIx,
    Usage,
};

/// The performer.
#[derive(Debug)]
pub(super) struct SimPerform {
    pub(super) world: Arc<World>,
}

impl Perform for SimPerform {
    fn perform(
        &self,
        action: Action,
        plan: Arc<Plan>,
        stop: Stop,
        reporter: Reporter,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let world = self.world.clone();
        let begun = world.with(|w| {
            w.plan = plan;
            w.begin(&action)
        });
        let busy = begun.map(|doing| Busy { world: world.clone(), doing });
        Box::pin(async move {
            match busy {
                Ok(_busy) => act(&world, action, &stop, &reporter).await,
                Err(wrong) => {
                    world.rule(Err(wrong));
                    Ok(())
                }
            }
        })
    }

    fn recorded(&self, live: &RunState) {
        let same = self.world.with(|w| !w.story.watched || w.record.state() == live);
        self.world.rule(must(same, || "the log says something else than the live state".into()));
    }
}

async fn act(world: &Arc<World>, action: Action, stop: &Stop, reporter: &Reporter) -> Result<(), Error> {
    match action {
        Action::Work(order) => {
            let adapter = world.with(|w| w.record.state().adapter(order.task).to_owned());
            let begun = world.with(|w| w.at_work(&adapter, 1));
            world.rule(begun);
            let end = work(world, &order, stop, reporter).await;
            let ended = world.with(|w| w.at_work(&adapter, -1));
            world.rule(ended);
            reporter.report(order.task, order.attempt, Report::AgentEnded(end));
        }
        Action::Snapshot(order) => snapshot(world, &order, stop, reporter).await?,
        Action::Check(order) => check(world, &order, stop, reporter).await?,
        Action::Prepare { task, attempt, work, tip } => {
            let report = prepare(world, task, attempt, &work, &tip).await;
            world.rule(report.map(|report| reporter.report(task, attempt, Report::Prepared(report))));
        }
        Action::Advance { task, attempt, prepared } => {
            if let Some(report) = advance(world, &prepared).await? {
                reporter.report(task, attempt, Report::Advanced(report));
            }
        }
        Action::Publish(order) => publish(world, order, reporter).await?,
        Action::Verify(order) => super::verify::perform(world, order, stop, reporter).await?,
        Action::End(order) => super::ending::perform(world, order, stop, reporter).await?,
        Action::Stop { .. }
        | Action::StopEnd { .. }
        | Action::StopVerify { .. }
        | Action::AskPlace { .. }
        | Action::LeavePlace { .. } => {}
    }
    Ok(())
}

pub(super) fn git_failed() -> Error {
    Error::new(ErrorKind::Repository, "git failed in the simulation")
}

fn end_of(outcome: AgentOutcome) -> AgentEnd {
    AgentEnd {
        outcome,
        exit_code: None,
        session: None,
        usage: Usage { output: Some(1), ..Usage::default() },
        duration_ms: 1,
        summary: String::new(),
        killed: None,
    }
}

fn stopped(stop: &Stop) -> AgentEnd {
    end_of(if stop.is_for_good() { AgentOutcome::Cancelled } else { AgentOutcome::Interrupted })
}

/// Waits, unless asked to stop. An agent may come to its end all the same.
pub(super) async fn nap_unless_stopped(world: &World, stop: &Stop, most: u64) -> bool {
    tokio::select! {
        biased;
        () = stop.token().cancelled() => world.with(|w| w.rng.one_in(4)),
        () = world.nap(most) => true,
    }
}

async fn work(world: &World, order: &WorkOrder, stop: &Stop, reporter: &Reporter) -> AgentEnd {
    let (task, attempt) = (order.task, order.attempt);
    let say = |report| reporter.report(task, attempt, report);
    world.step(|| format!("{task:?} {attempt:?} gets a worktree")).await;
    if !nap_unless_stopped(world, stop, 20).await {
        return stopped(stop);
    }
    if world.with(|w| w.fails(task, 1)) {
        let failure = Failure::new(FailureKind::Worktree, "setup failed");
        return end_of(AgentOutcome::Failed { failure });
    }
    world.with(|w| w.worktrees.insert(task));
    let hook = world.with(|w| hook(HookMoment::PreTask, !w.fails(task, 11)));
    say(Report::Hook(hook.clone()));
    if let Some(failure) = hook.failure() {
        return end_of(AgentOutcome::Failed { failure });
    }
    say(Report::Started(StartedReport {
        adapter: "sim".into(),
        account: None,
        model: None,
        worktree: "/w".into(),
        slot: None,
        prompt_bytes: 5,
        session: "fresh".into(),
    }));
    tokio::select! {
        biased;
        () = stop.token().cancelled() => return stopped(stop),
        () = world.start_in_turn(task) => {}
    }
    world.step(|| format!("{task:?} {attempt:?} starts its agent")).await;
    let alone = world.with(|w| w.agents.insert(task, attempt).is_none());
    world.rule(must(alone, || format!("two agents of {task:?} run at once")));
    say(Report::Spawned { pid: task.0 + 1, start_time: 1 });
    say(Report::StepStarted(step_started()));
    say(Report::StepFinished(step_finished()));
    let finished = nap_unless_stopped(world, stop, 400).await;
    let end = world.with(|w| agent_end(w, order, finished, stop));
    if world.with(|w| w.luck(task, 12).percent(10)) {
        let (level, changes) = (GateLevel::Warn, vec!["refs/heads/theirs (new)".into()]);
        say(Report::Guard(RepositoryGuard { level, changes }));
    }
    world.step(|| format!("{task:?} {attempt:?} agent ended: {:?}", end.outcome)).await;
    end
}

/// What comes of an agent that ran.
fn agent_end(w: &mut super::world::Inner, order: &WorkOrder, finished: bool, stop: &Stop) -> AgentEnd {
    let (task, attempt) = (order.task, order.attempt);
    w.agents.remove(&task);
    w.meddle();
    if !finished {
        return stopped(stop);
    }
    *w.bought.entry((task, attempt)).or_default() += 1;
    if let Some(failure) = w.limited(task) {
        return end_of(AgentOutcome::Failed { failure });
    }
    match w.fails(task, 2) || order.conflict.is_some() && w.gives_up(task) {
        true => {
            // Who else fails because of a broken adapter depends on the moment.
            let worst = if w.story.wild { FailureKind::Auth } else { FailureKind::Refused };
            let kinds = [FailureKind::Error, FailureKind::Timeout, FailureKind::Idle, worst];
            let kind = w.luck(task, 3).of(&[0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
            let kind = kinds[kind].clone();
            end_of(AgentOutcome::Failed { failure: Failure::new(kind, "the agent did not do it") })
        }
        false => end_of(AgentOutcome::Succeeded),
    }
}

fn hook(on: HookMoment, passed: bool) -> HookResult {
    HookResult {
        hook: "hook".into(),
        kind: HookType::Guard,
        on,
        passed,
        how: "exit code".into(),
        exit_code: None,
        duration_ms: 1,
        output: String::new(),
        usage: Usage { output: Some(1), ..Usage::default() },
    }
}

async fn snapshot(
    world: &World,
    order: &SnapshotOrder,
    stop: &Stop,
    reporter: &Reporter,
) -> Result<(), Error> {
    let (task, attempt) = (order.task, order.attempt);
    world.step(|| format!("{task:?} {attempt:?} takes its tree")).await;
    let mut succeeded = order.succeeded;
    if order.hooks && world.with(|w| w.worktrees.contains(&task)) {
        if nap_unless_stopped(world, stop, 30).await {
            succeeded = world.with(|w| !w.fails(task, 10));
            let hook = hook(HookMoment::PostTask, succeeded);
            reporter.report(task, attempt, Report::Hook(hook));
            world.step(|| format!("{task:?} {attempt:?} ran its hook: {succeeded}")).await;
        } else if !stop.is_for_good() {
            reporter.report(task, attempt, Report::SnapshotStopped);
            return Ok(());
        }
    }
    world.nap(10).await;
    if world.with(|w| w.breaks()) {
        return Err(git_failed());
    }
    let report = world.with(|w| {
        if !w.worktrees.contains(&task) {
            return Ok(SnapshotReport::NoWorktree);
        }
        if succeeded && w.fails(task, 4) {
            let failure = Failure::new(FailureKind::Snapshot, "an unfinished merge");
            return Ok(SnapshotReport::Failed(failure));
        }
        let base = w.git.find(&order.base)?;
        let commit = name(w.git.commit(What::Work(task), &[base]));
        let changed = succeeded && !w.luck(task, 5).percent(15);
        let (tree, kept_ref) = (w.git.tree(), "refs/convoy/sim/kept".to_owned());
        let work = Work { commit, tree, base: order.base.clone(), changed, kept_ref };
        let files_changed = Some(u64::from(changed));
        let (artifacts, unfit) = left(w, order);
        Ok(SnapshotReport::Taken { work, rebased: false, files_changed, artifacts, unfit })
    });
    world.step(|| format!("{task:?} {attempt:?} took its tree")).await;
    world.with(|w| w.occupied.remove(&task));
    world.rule(report.map(|report| reporter.report(task, attempt, Report::Snapshot(report))));
    Ok(())
}

/// What a finished agent left. A resolution leaves what the work left; what a person made leaves nothing.
fn left(w: &super::world::Inner, order: &SnapshotOrder) -> (Vec<Artifact>, Option<Failure>) {
    let task = w.plan.spec_of(order.task);
    if task.outputs.is_empty() || !order.succeeded || order.conflict.is_some() {
        return (Vec::new(), None);
    }
    if w.fails(order.task, 14) {
        return (Vec::new(), Some(Failure::new(FailureKind::Artifact, "one is missing")));
    }
    let nothing = w.luck(order.task, 13).percent(35);
    let number = u64::from(order.task.0) * 100 + u64::from(order.attempt.0);
    (if nothing { Vec::new() } else { artifacts(task, number) }, None)
}

async fn check(world: &World, order: &CheckOrder, stop: &Stop, reporter: &Reporter) -> Result<(), Error> {
    let (task, attempt) = (order.task, order.attempt);
    let say = |report| reporter.report(task, attempt, report);
    world.step(|| format!("{task:?} {attempt:?} is checked")).await;
    if world.with(|w| w.breaks()) {
        return Err(git_failed());
    }
    if world.with(|w| w.luck(task, 10).percent(30)) {
        let level = world.with(|w| w.luck(task, 11).percent(30)).then_some(GateLevel::Warn);
        say(Report::BuiltInGate(BuiltInGateResult {
            gate: "partition".into(),
            level,
            passed: true,
            output: String::new(),
            tree: Some(order.work.tree.clone()),
            reused: false,
        }));
        world.step(|| format!("{task:?} {attempt:?} passed a gate of the engine")).await;
    }
    for gate in 0..world.with(|w| w.luck(task, 6).below(3)) {
        if !nap_unless_stopped(world, stop, 60).await {
            say(Report::CheckStopped);
            return Ok(());
        }
        let gate = format!("gate {gate}");
        say(Report::Gate(GateResult::new(gate, true, Some(0), 1)));
        world.step(|| format!("{task:?} {attempt:?} passed a gate")).await;
    }
    if world.with(|w| w.fails(task, 7)) {
        let failure = Failure::new(FailureKind::Gate("test".into()), "exit code 1");
        say(Report::Checked(Some(failure)));
        return Ok(());
    }
    if rated_low(world, order, &say).await {
        return Ok(());
    }
    review(world, order, stop, &say).await;
    Ok(())
}

/// Whether the agent says that its work is not what it was asked for. Some are asked, once for the same work.
async fn rated_low(world: &World, order: &CheckOrder, say: &(impl Fn(Report) + Sync)) -> bool {
    if world.with(|w| w.luck(order.task, 13).below(2)) > 0 {
        return false;
    }
    let low = match &order.rated {
        Some((score, _)) => *score < 0.5,
        None => {
            let low = world.with(|w| w.fails(order.task, 14));
            say(Report::Drift(drift(low)));
            world.step(|| format!("{:?} {:?} rated its work", order.task, order.attempt)).await;
            low
        }
    };
    if low {
        say(Report::Checked(Some(Failure::new(FailureKind::Drift, "it rates its work low"))));
    }
    low
}

/// Reviewers look at work that passed its gates.
async fn review(world: &World, order: &CheckOrder, stop: &Stop, say: &(impl Fn(Report) + Sync)) {
    let (task, attempt) = (order.task, order.attempt);
    let (kind, blocks) = world.with(|w| match w.is_stubborn(task) {
        true => (4, true),
        false => (w.luck(task, 10).below(5), w.fails(task, 11)),
    });
    let level = match kind {
        0 => return say(Report::Checked(None)),
        1 => ReviewLevel::Fast,
        _ => ReviewLevel::Panel,
    };
    let known = order.reviewed.is_some();
    let sum = world.with(|w| w.record.state().review_tokens());
    world.rule(must(order.review_tokens <= sum, || format!("{task:?}: {} tokens", order.review_tokens)));
    if !known {
        let (reviewer, reason) = ("sim".into(), String::new());
        say(Report::ReviewStarted(ReviewStarted { level, reviewer, model: None, reason }));
        world.step(|| format!("{task:?} {attempt:?} is reviewed")).await;
        if !nap_unless_stopped(world, stop, 60).await {
            return say(Report::CheckStopped);
        }
    }
    let verdict = match (known, blocks, kind) {
        (false, true, _) => ReviewVerdict::Block,
        (false, false, 2) => ReviewVerdict::Skipped,
        _ => ReviewVerdict::Pass,
    };
    say(review_verdict(level, verdict, order.work.tree.clone()));
    world.step(|| format!("{task:?} {attempt:?} has its verdict")).await;
    say(if verdict == ReviewVerdict::Block { review_blocked() } else { Report::Checked(None) });
}

async fn prepare(
    world: &World,
    task: TaskIx,
    attempt: AttemptNo,
    work: &Work,
    tip: &Oid,
) -> Result<PrepareReport, String> {
    world.step(|| format!("{task:?} {attempt:?} prepares onto {tip}")).await;
    world.nap(10).await;
    let report = world.with(|w| {
        if w.fails(task, 8) {
            return Ok(PrepareReport::Failed(Failure::new(FailureKind::MergeError, "no space left")));
        }
        let (onto, made, base) = (w.git.find(tip)?, w.git.find(&work.commit)?, w.git.find(&work.base)?);
        let verifies = w.record.state().verifies();
        let is_there = w.git.position(onto).is_some();
        must(is_there || verifies, || format!("{tip} is not on the integration ref"))?;
        if verifies {
            return super::verify::candidate(w, (task, attempt), onto, made, base);
        }
        if w.git.has_landed(task, attempt) {
            return Ok(PrepareReport::Nothing);
        }
        if w.rivals(task).any(|rival| w.git.landed_after(rival, base, onto)) {
            let (files, onto, tree) = (vec!["shared".into()], tip.clone(), w.git.tree());
            return Ok(PrepareReport::Conflict { files, onto, tree, conflicts: Vec::new() });
        }
        let commit = name(w.git.commit(What::Landing(task, attempt), &[onto, made]));
        Ok(PrepareReport::Prepared(Prepared { commit, onto: tip.clone() }))
    });
    world.step(|| format!("{task:?} {attempt:?} prepared: {report:?}")).await;
    report
}

async fn advance(world: &World, prepared: &Prepared) -> Result<Option<AdvanceReport>, Error> {
    world.step(|| format!("the ref is to move to {}", prepared.commit)).await;
    world.nap(10).await;
    if world.with(|w| w.breaks()) {
        return Err(git_failed());
    }
    let moved = world.with(|w| {
        w.meddle();
        let (commit, onto) = (w.git.find(&prepared.commit)?, w.git.find(&prepared.onto)?);
        super::verify::is_green(w, commit)?;
        w.git.advance(commit, onto)
    });
    world.step(|| format!("the ref moved: {moved:?}")).await;
    if world.with(|w| w.breaks()) {
        return Err(git_failed());
    }
    Ok(match moved {
        Ok(true) => Some(AdvanceReport::Landed),
        Ok(false) => Some(AdvanceReport::Moved { tip: prepared.onto.clone() }),
        Err(wrong) => {
            world.rule(Err(wrong));
            None
        }
    })
}

async fn publish(world: &World, order: PublishOrder, reporter: &Reporter) -> Result<(), Error> {
    world.step(|| format!("the branch: {order:?}")).await;
    world.nap(15).await;
    if world.with(|w| w.breaks()) {
        return Err(git_failed());
    }
    let report = match order {
        PublishOrder::Plan { tip, known } => world.with(|w| plan(w, tip, &known)),
        PublishOrder::Move { moving, recover } => move_branch(world, moving, recover).await,
    };
    world.step(|| format!("the branch: {report:?}")).await;
    if world.with(|w| w.breaks()) {
        return Err(git_failed());
    }
    world.rule(report.map(|report| reporter.publish(report)));
    Ok(())
}

fn blocked(tip: Oid) -> PublishReport {
    PublishReport::Blocked { tip, reason: "in the way".into(), paths: vec!["edited".into()] }
}

fn plan(w: &mut super::world::Inner, tip: Oid, known: &Oid) -> Result<PublishReport, String> {
    if !w.calm && w.rng.one_in(8) {
        return Ok(blocked(tip));
    }
    if !w.calm && w.rng.one_in(8) {
        w.git.user_commits();
    }
    let (from, target) = (w.git.branch, w.git.find(&tip)?);
    let known = w.git.find(known)?;
    must(w.git.reaches(from, known), || "the log takes the branch for somewhere else".into())?;
    if w.git.reaches(from, target) {
        return Ok(PublishReport::UpToDate { commit: name(from), tip });
    }
    let forward = w.git.reaches(target, from);
    let to = if forward { target } else { w.git.commit(What::Merge, &[from, target]) };
    Ok(PublishReport::Planned(Moving { from: name(from), to: name(to), tip, checkout: None, lock: None }))
}

/// Moves the files, then the branch, as the real one does.
async fn move_branch(world: &World, moving: Moving, recover: bool) -> Result<PublishReport, String> {
    let (from, to) = world.with(|w| Ok::<_, String>((w.git.find(&moving.from)?, w.git.find(&moving.to)?)))?;
    let refused = world.with(|w| {
        if !w.calm && w.rng.one_in(8) {
            w.git.user_commits();
        }
        let half_done = recover && (w.git.branch == to || w.git.files == to);
        if w.git.branch != from && !(recover && w.git.branch == to) {
            return Some(PublishReport::Moved { tip: moving.tip.clone() });
        }
        // Files that are neither as before nor as this move leaves them look like a person's.
        if w.git.files != w.git.branch && !half_done {
            return Some(blocked(moving.tip.clone()));
        }
        w.git.files = to;
        None
    });
    if let Some(refused) = refused {
        return Ok(refused);
    }
    world.step(|| "the files have moved, the branch has not".into()).await;
    if world.with(|w| w.git.branch != to) {
        world.with(|w| w.git.move_branch(to))?;
    }
    Ok(PublishReport::Done(moving))
}

/// Wraps a request as the driver is sent it.
pub(super) fn asked(kind: crate::event::RequestKind) -> Input {
    Input::Request(crate::event::Request::new("me", kind))
}
