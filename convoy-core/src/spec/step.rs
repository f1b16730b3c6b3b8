//! The steps of a task.

use serde::{Deserialize, Serialize};

use super::rules::normalise;
use super::value::Record;

/// One step of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name for conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the agent is asked.
    pub prompt: String,
    /// Shell commands that judge the step, in the worktree as it stands.
    #[serde(default)]
    pub gates: Vec<String>,
    /// Retries of the step within one attempt.
    pub max_retries: u32,
    /// When it runs; otherwise it is skipped.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// When a step runs: all that is written must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The earlier step that `exit_code` is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What its exit code must be; a step that was skipped has 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<ExitCode>,
    /// A path in the worktree that must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_exists: Option<String>,
}

/// What an exit code must be: all that is written must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitCode {
    /// Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eq: Option<i32>,
    /// Not equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ne: Option<i32>,
    /// Greater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gt: Option<i32>,
    /// Less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lt: Option<i32>,
}

/// What a step that failed for good does to those after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnStepFailure {
    /// The attempt fails.
    #[default]
    Stop,
    /// They run all the same; the last one that ran decides.
    Continue,
}

impl ExitCode {
    /// Whether an exit code is so.
    pub fn holds(self, code: i32) -> bool {
        self.eq.is_none_or(|wanted| code == wanted)
            && self.ne.is_none_or(|other| code != other)
            && self.gt.is_none_or(|least| code > least)
            && self.lt.is_none_or(|most| code < most)
    }
}

/// The steps of a task. `max_retries`: of those that do not say.
pub(super) fn steps(record: &Record, max_retries: u32) -> Vec<Step> {
    let step = |(_, record): (usize, &Record)| {
        Some(Step {
            id: record.text("id").map(str::to_owned),
            prompt: record.text("prompt")?.to_owned(),
            gates: record.texts("gates").unwrap_or_default(),
            max_retries: record.count("max_retries").unwrap_or(max_retries),
            condition: record.record("if").map(condition),
        })
    };
    record.records("steps").filter_map(step).collect()
}

fn condition(record: &Record) -> Condition {
    Condition {
        step: record.text("step").map(str::to_owned),
        exit_code: record.record("exitCode").map(|code| {
            let of = |key| code.int(key).and_then(|int| i32::try_from(int).ok());
            ExitCode { eq: of("eq"), ne: of("ne"), gt: of("gt"), lt: of("lt") }
        }),
        file_exists: record.record("fileExists").and_then(|file| file.text("path")).map(normalise),
    }
}

pub(super) fn on_step_failure(record: &Record) -> OnStepFailure {
    match record.text("on_step_failure") {
        Some("continue") => OnStepFailure::Continue,
        _ => OnStepFailure::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Problem, decode};

    #[test]
    fn all_of_a_condition_on_an_exit_code_must_hold() {
        let code = |eq, ne, gt, lt| ExitCode { eq, ne, gt, lt };
        let cases = [
            (code(None, None, None, None), vec![-1, 0, 1]),
            (code(Some(1), None, None, None), vec![1]),
            (code(None, Some(0), None, None), vec![-1, 1]),
            (code(None, None, Some(0), None), vec![1]),
            (code(None, None, None, Some(0)), vec![-1]),
            (code(None, Some(0), Some(-2), Some(1)), vec![-1]),
            (code(Some(1), Some(1), None, None), vec![]),
        ];
        for (condition, held) in cases {
            let found: Vec<i32> = (-1..=1).filter(|code| condition.holds(*code)).collect();
            assert_eq!(found, held, "{condition:?}");
        }
    }

    fn of(steps: &str) -> (Vec<Step>, Vec<String>) {
        let text =
            format!("name: n\nversion: 1\ntasks:\n- {{id: a, prompt: p, max_retries: 4, steps: {steps}}}\n");
        let decoded = decode(&text);
        let problems = decoded.problems.iter().map(Problem::to_string).collect();
        (decoded.spec.map(|spec| spec.tasks[0].steps.clone()).unwrap_or_default(), problems)
    }

    #[test]
    fn a_step_has_the_retries_of_its_task_unless_it_says_otherwise() {
        let (steps, problems) = of("[{id: x, prompt: a, gates: [make]}, {prompt: b, max_retries: 0, \
                                     if: {step: x, exitCode: {ne: 0}, fileExists: {path: ./src//a}}}]");
        assert_eq!(problems, [""; 0]);
        assert_eq!((steps[0].max_retries, steps[1].max_retries), (4, 0));
        let condition = steps[1].condition.clone().expect("a condition");
        assert_eq!((condition.step.as_deref(), condition.file_exists.as_deref()), (Some("x"), Some("src/a")));
        assert_eq!(condition.exit_code, Some(ExitCode { ne: Some(0), ..ExitCode::default() }));
    }

    #[test]
    fn a_condition_that_makes_no_sense_is_said() {
        let cases = [
            ("[{prompt: a, if: {exitCode: {eq: 0}}}]", "error: tasks[0].steps[0].if.step: is missing"),
            (
                "[{id: x, prompt: a}, {prompt: b, if: {step: x}}]",
                "warning: tasks[0].steps[1].if.step: has no effect",
            ),
            ("[{prompt: a, if: {step: x, exitCode: {eq: 0}}}]", "no earlier step \"x\""),
        ];
        for (text, said) in cases {
            let (_, problems) = of(text);
            assert!(problems.len() == 1 && problems[0].contains(said), "{text}: {problems:?}");
        }
    }
}
