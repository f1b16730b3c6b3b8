//! Performs the stages of a convoy's end.

use super::perform::{Reporter, Stop};
use super::segments::git_error;
use crate::attempt::{self, Context};
use crate::error::Error;
use crate::schedule::{EndOrder, EndReport, GateReport, HookReport};

pub(super) async fn perform(
    context: &Context,
    order: EndOrder,
    stop: &Stop,
    reporter: &Reporter,
) -> Result<(), Error> {
    match order {
        EndOrder::Gates { round, commit } => {
            let request = attempt::ConvoyGates { round, commit };
            let mut each = |said: attempt::EndGate| {
                let result = GateReport {
                    gate: said.gate,
                    passed: said.passed,
                    exit_code: said.exit_code,
                    duration_ms: said.duration_ms,
                    output: said.output,
                    changed_files: said.changed_files,
                };
                reporter.end(EndReport::Gate { round, result });
            };
            let ran = attempt::convoy_gates(context, &request, stop.token(), &mut each).await;
            let over = ran.map_err(|error| git_error("prepare the gates of the convoy", error))?;
            reporter.end(if over { EndReport::GatesOver { round } } else { EndReport::Stopped });
        }
        EndOrder::Guard => reporter.end(EndReport::Guarded { found: attempt::guard(context).await }),
        EndOrder::Hook { index, commit } => {
            let request = attempt::ConvoyHook { index, commit };
            let ran = attempt::convoy_hook(context, &request, stop.token()).await;
            let ended = ran.map_err(|error| git_error("prepare a hook of the convoy", error))?;
            reporter.end(match ended {
                attempt::HookEnd::Stopped => EndReport::Stopped,
                attempt::HookEnd::Ended(said) => EndReport::HookOver { index, result: hook_report(said) },
            });
        }
    }
    Ok(())
}

fn hook_report(said: attempt::HookReport) -> HookReport {
    HookReport {
        error: (!said.passed).then_some(said.how),
        exit_code: said.exit_code,
        duration_ms: u64::try_from(said.elapsed.as_millis()).unwrap_or(u64::MAX),
        output: said.output,
        usage: said.usage,
    }
}
