//! Rate limits and broken adapters: who waits, and until when.

use std::time::Duration;

use super::handle::{Scheduler, Turn};
use crate::event::TaskEvent;
use crate::state::{IllegalEvent, Stage};
use crate::types::{Failure, TaskIx, Timestamp};

/// The wait after the first limit that names no time; doubled for each further one in a row.
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// The longest wait where no time is named.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A time further ahead than any limit of a provider is a mistake, and counts as none.
const BELIEVED: Duration = Duration::from_secs(35 * 24 * 3600);

impl Scheduler {
    /// Parks the provider of a task that met a rate limit, and the task with it. Uses no retry; what the
    /// task knew (its session, what failed before) stays.
    pub(super) fn park(
        &mut self,
        task: TaskIx,
        failure: Failure,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let provider = self.state.provider(task).to_owned();
        let known = self.state.parked_until(&provider).filter(|until| *until > now);
        let times = self.state.parked_times(&provider);
        let named = failure.retry_at.filter(|at| *at > now && at.since(now) <= BELIEVED);
        let until = named.or(known).unwrap_or_else(|| now.plus(wait(times)));
        self.emit_task(task, TaskEvent::Parked { provider, until, failure }, now, turn)?;
        match (self.state.stopped_by(), &self.state.task(task).stage) {
            // The rest of the convoy does not wait for hours until it may end.
            (Some(root), Stage::Pending { .. }) => self.skip_stopped(task, root, now, turn),
            _ => self.is_over_budget(task, now, turn).map(drop),
        }
    }

    /// Lets a task fail without a try whose adapter is known not to work; says whether it did.
    pub(super) fn fails_at_start(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<bool, IllegalEvent> {
        // Finished work that only has to be merged is worth a try.
        let pending = matches!(self.state.task(task).stage, Stage::Pending { .. });
        let Some(known) = self.state.broken(task).filter(|_| pending) else { return Ok(false) };
        let message = format!("not tried, because it failed for another task: {}", known.message);
        let failure = Failure::new(known.kind.clone(), message);
        self.exhausted(task, failure, now, turn)?;
        Ok(true)
    }
}

/// How long a provider is left alone that says no time, after so many limits in a row.
fn wait(times: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(times)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_an_hour() {
        let minutes: Vec<u64> = (0..9).map(|times| wait(times).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(wait(u32::MAX), LONGEST_WAIT);
    }
}
