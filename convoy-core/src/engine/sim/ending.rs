//! The stages of a convoy's end in the simulated world.

use super::perform::{git_failed, nap_unless_stopped};
use super::record::must;
use super::rng::Rng;
use super::world::World;
use crate::engine::perform::{Reporter, Stop};
use crate::error::Error;
use crate::schedule::{EndOrder, EndReport, GateReport, HookReport};
use crate::types::Usage;

pub(super) async fn perform(
    world: &World,
    order: EndOrder,
    stop: &Stop,
    reporter: &Reporter,
) -> Result<(), Error> {
    world.step(|| format!("the end: {order:?}")).await;
    if world.with(|w| w.breaks()) {
        return Err(git_failed());
    }
    let (round, commit) = match order {
        EndOrder::Gates { round, commit } => (round, commit),
        EndOrder::Guard => {
            world.nap(10).await;
            let finds = world.with(|w| Rng::keyed(&[w.story.seed, 9]).percent(20));
            let found = if finds { vec!["a process is left".to_owned()] } else { Vec::new() };
            reporter.end(EndReport::Guarded { found });
            return Ok(());
        }
        EndOrder::Hook { index, .. } => {
            if !nap_unless_stopped(world, stop, 60).await {
                reporter.end(EndReport::Stopped);
                return Ok(());
            }
            let fails = world.with(|w| Rng::keyed(&[w.story.seed, 8, u64::from(index)]).percent(20));
            let error = fails.then(|| "exit code 1".to_owned());
            let usage = Usage { output: Some(1), ..Usage::default() };
            let result = HookReport { error, exit_code: None, duration_ms: 1, output: String::new(), usage };
            reporter.end(EndReport::HookOver { index, result });
            return Ok(());
        }
    };
    let there = world.with(|w| w.git.find(&commit).map(|commit| w.git.position(commit).is_some()));
    world.rule(there.and_then(|there| must(there, || format!("{commit} is not on the integration ref"))));
    for gate in 0..2 {
        if !nap_unless_stopped(world, stop, 60).await {
            reporter.end(EndReport::Stopped);
            return Ok(());
        }
        let passed = world.with(|w| !w.gate_of_convoy_fails(gate));
        let (gate, exit_code) = (format!("gate {gate}"), Some(i32::from(!passed)));
        let (output, changed_files) = (String::new(), Vec::new());
        let result = GateReport { gate, passed, exit_code, duration_ms: 1, output, changed_files };
        reporter.end(EndReport::Gate { round, result });
        world.step(|| format!("a gate of the convoy passed: {passed}")).await;
    }
    reporter.end(EndReport::GatesOver { round });
    Ok(())
}
