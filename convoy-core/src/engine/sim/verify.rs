//! `merge.verify` in the simulated world. Which trees are red follows from the work that is merged in them.

use super::git::{What, name};
use super::perform::{git_failed, nap_unless_stopped};
use super::record::{Wrong, must};
use super::rng::Rng;
use super::world::{Inner, World};
use crate::engine::perform::{Reporter, Stop};
use crate::error::Error;
use crate::event::VerifyOutcome;
use crate::schedule::{PrepareReport, VerifyOrder, VerifyReport};
use crate::state::Prepared;
use crate::types::{AttemptNo, Failure, FailureKind, TaskIx};

/// Merges work onto a commit that may not have landed.
pub(super) fn candidate(
    w: &mut Inner,
    of: (TaskIx, AttemptNo),
    onto: usize,
    made: usize,
    base: usize,
) -> Result<PrepareReport, String> {
    let (task, attempt) = of;
    if w.git.has_landed(task, attempt) {
        return Ok(PrepareReport::Nothing);
    }
    let since = w.git.merged_since(base, onto);
    if w.rivals(task).any(|rival| since.iter().any(|(other, _)| *other == rival)) {
        let (files, onto, tree) = (vec!["shared".into()], name(onto), w.git.tree());
        return Ok(PrepareReport::Conflict { files, onto, tree, conflicts: Vec::new() });
    }
    // By its tries, so that it follows neither crashes nor the order of landing.
    let bad = w.luck(task, 20).percent(15);
    if bad {
        w.bad.insert(of);
    }
    let commit = w.git.commit(What::Landing(task, attempt), &[onto, made]);
    let (tree, onto_tree) = (w.git.tree_of(commit), w.git.tree_of(onto));
    let prepared = Prepared { commit: name(commit), onto: name(onto) };
    Ok(PrepareReport::Candidate { prepared, tree, onto_tree })
}

/// Whether the commands pass on this commit, whatever else happens.
fn passes(w: &Inner, commit: usize) -> bool {
    let merged = w.git.merged_since(0, commit);
    let pair = |one: &(TaskIx, AttemptNo), two: &(TaskIx, AttemptNo)| {
        let key = [one.0.0.min(two.0.0), one.0.0.max(two.0.0)].map(u64::from);
        w.story.wild && one.0 != two.0 && Rng::keyed(&[w.story.seed, 21, key[0], key[1]]).one_in(8)
    };
    // In some of the wild stories the repository was red before, until work of a certain task lands.
    let seed = w.story.seed;
    if w.story.wild && seed % 5 == 4 && !merged.iter().any(|(task, _)| u64::from(task.0) % 3 == seed % 3) {
        return false;
    }
    let alone = merged.iter().all(|of| !w.bad.contains(of));
    alone && !merged.iter().any(|one| merged.iter().any(|two| pair(one, two)))
}

/// The ref moves only to what is recorded as green, and that is green.
pub(super) fn is_green(w: &Inner, commit: usize) -> Wrong {
    let state = w.record.state();
    if !state.verifies() {
        return Ok(());
    }
    must(state.verification().is_green(&w.git.tree_of(commit)), || format!("{commit} is not verified"))?;
    must(passes(w, commit), || format!("{commit} lands and is red"))
}

pub(super) async fn perform(
    world: &World,
    order: VerifyOrder,
    stop: &Stop,
    reporter: &Reporter,
) -> Result<(), Error> {
    world.step(|| format!("verify: {order:?}")).await;
    if world.with(|w| w.breaks()) {
        return Err(git_failed());
    }
    let finished = nap_unless_stopped(world, stop, 120).await;
    let judged = world.with(|w| {
        let commit = w.git.find(&order.commit)?;
        let tree = w.git.tree_of(commit);
        let times = w.verified.entry(tree.clone()).or_default();
        *times += u32::from(finished);
        // Now and then the first run of a tree fails for no reason.
        let flaky = *times == 1 && Rng::keyed(&[w.story.seed, 22, commit as u64]).one_in(8);
        must(*times <= 2 || w.story.disturbed, || format!("{tree} is verified {times} times"))?;
        Ok(!flaky && passes(w, commit))
    });
    let outcome = match (finished, &judged) {
        (false, _) => VerifyOutcome::Stopped,
        (true, Ok(true)) => VerifyOutcome::Passed,
        (true, _) => VerifyOutcome::Failed,
    };
    let red = || Failure::new(FailureKind::Verify("test".into()), "exit code 1");
    let failure = (outcome == VerifyOutcome::Failed).then(red);
    world.step(|| format!("verified: {outcome:?}")).await;
    let report = VerifyReport { outcome, failure, duration_ms: 1, changed_files: Vec::new() };
    world.rule(judged.map(|_| reporter.verified(order.run, report)));
    Ok(())
}
