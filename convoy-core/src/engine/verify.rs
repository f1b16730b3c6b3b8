//! Performs runs of `merge.verify`.

use super::perform::{Reporter, Stop};
use super::segments::git_error;
use crate::attempt::{self, Context};
use crate::error::Error;
use crate::event::VerifyOutcome;
use crate::schedule::{VerifyOrder, VerifyReport};

pub(super) async fn perform(
    context: &Context,
    order: VerifyOrder,
    stop: &Stop,
    reporter: &Reporter,
) -> Result<(), Error> {
    let VerifyOrder { run, commit } = order;
    let ran = attempt::verify(context, &attempt::VerifyRequest { run, commit }, stop.token()).await;
    let verified = ran.map_err(|error| git_error("prepare `merge.verify`", error))?;
    let (outcome, failure) = match verified.outcome {
        attempt::VerifyEnd::Passed => (VerifyOutcome::Passed, None),
        attempt::VerifyEnd::Failed(failure) => (VerifyOutcome::Failed, Some(failure)),
        attempt::VerifyEnd::Stopped => (VerifyOutcome::Stopped, None),
    };
    let duration_ms = u64::try_from(verified.elapsed.as_millis()).unwrap_or(u64::MAX);
    let changed_files = verified.changed_files;
    reporter.verified(run, VerifyReport { outcome, failure, duration_ms, changed_files });
    Ok(())
}
