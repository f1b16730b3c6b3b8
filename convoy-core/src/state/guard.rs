//! What the state itself tells the guard.

use serde::Serialize;

use super::run::RunState;
use super::stage::StageKind;
use crate::spec::GuardCheck;
use crate::types::TaskIx;

/// What the guard found, as `status --json` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GuardView {
    /// Whether nothing was found.
    pub passed: bool,
    /// What was found.
    pub warnings: Vec<String>,
}

impl RunState {
    /// Whether the guard makes this check.
    pub fn guards(&self, check: GuardCheck) -> bool {
        self.plan.spec().guard.checks.contains(&check)
    }

    /// What the log itself shows to be missing.
    pub fn guard_findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.guards(GuardCheck::Observability) {
            found.extend(self.plan.indices().filter_map(|ix| self.unobserved(ix)));
        }
        if self.guards(GuardCheck::CostReport) {
            found.extend(self.unmetered());
        }
        found
    }

    /// What the log does not tell of a task.
    fn unobserved(&self, ix: TaskIx) -> Option<String> {
        let (task, id) = (self.task(ix), self.plan.id(ix));
        let kind = task.stage.kind();
        let gates = self.plan.spec_of(ix).gates.len();
        if !kind.is_final() {
            Some(format!("task {id} is not at its end"))
        } else if task.ended != task.attempts {
            Some(format!(
                "task {id}: {} attempts are recorded, and {} ends of them",
                task.attempts, task.ended
            ))
        } else if task.started > task.attempts {
            Some(format!("task {id}: {} attempts are recorded, and {} starts", task.attempts, task.started))
        } else if kind == StageKind::Done && (task.gate_results as usize) < gates {
            let results = task.gate_results;
            Some(format!(
                "task {id} is done; it has {gates} gates, and {results} results of them are recorded"
            ))
        } else {
            None
        }
    }

    /// Sums that leave somebody out. Where nobody tells what was consumed there is no sum, and what a crash cut off
    /// could not tell.
    fn unmetered(&self) -> Option<String> {
        let (mut metered, mut missing) = (0, 0);
        for task in &self.tasks {
            metered += task.metered;
            missing += task.unmetered;
        }
        (metered > 0 && missing > 0).then(|| {
            let called = metered + missing;
            format!(
                "{missing} of {called} calls of agents did not say what they consumed: the totals are too low"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::state::Stage;
    use crate::state::tests::state_of;

    #[test]
    fn what_the_log_does_not_tell_is_found_where_it_is_looked_for() {
        let mut state = state_of(
            "name: n\nversion: 1\ntasks:\n- {id: a, prompt: p}\n- {id: b, prompt: p, gates: [a, b]}\n\
             - {id: c, prompt: p}\n",
        );
        for task in &mut state.tasks {
            (task.stage, task.attempts, task.started) = (Stage::Done, 1, 1);
            (task.ended, task.metered, task.gate_results) = (1, 1, 2);
        }
        assert_eq!(state.guard_findings(), [""; 0]);
        (state.tasks[0].ended, state.tasks[0].unmetered) = (0, 2);
        state.tasks[1].gate_results = 1;
        state.tasks[2].started = 2;
        let found = [
            "task a: 1 attempts are recorded, and 0 ends of them",
            "task b is done; it has 2 gates, and 1 results of them are recorded",
            "task c: 1 attempts are recorded, and 2 starts",
            "2 of 5 calls of agents did not say what they consumed: the totals are too low",
        ];
        assert_eq!(state.guard_findings(), found);
        for task in &mut state.tasks {
            task.metered = 0;
        }
        assert_eq!(state.guard_findings(), found[..3], "nobody says what was consumed");
    }
}
