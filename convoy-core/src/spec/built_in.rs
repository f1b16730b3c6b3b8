//! The checks that the engine brings: what a task asks of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::value::{Record, Val};

/// The checks that the engine brings, with every default applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltInGates {
    /// No secrets in what was added.
    pub secret_scan: Switch,
    /// Nothing outside the task's `files` was changed.
    pub partition: Partition,
    /// Something was changed.
    pub no_op: Switch,
    /// How large a diff may be; `None` = as large as it likes.
    pub blast_radius: Option<BlastRadius>,
    /// Dependencies have no known holes.
    pub dependency_audit: Switch,
    /// The project's own tests pass.
    pub regression_test: RegressionTest,
    /// Limit of each program that one of these runs.
    pub gate_timeout: Duration,
}

/// Whether the project's own tests are run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegressionTest {
    /// They are not.
    Off,
    /// As the repository says, where it does.
    Auto,
    /// As the repository says; where it does not, the work does not pass.
    On,
    /// By this command.
    Command(String),
}

/// What is written of it; what is not comes from elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Written {
    gates: BuiltInGates,
    /// A written limit; else a task's gates have the same one as its commands.
    limit: Option<Duration>,
}

impl Written {
    /// What `defaults` say.
    pub(super) fn defaults(record: Option<&Record>) -> Self {
        let usual = Self { gates: BuiltInGates::default(), limit: None };
        usual.with(record)
    }

    /// Each written key on its own; the others stay as they are.
    fn with(&self, record: Option<&Record>) -> Self {
        let limit = record.and_then(|record| record.duration("gate_timeout")).or(self.limit);
        Self { gates: built_in_gates(record, &self.gates), limit }
    }

    /// What a task asks for whose commands have this limit.
    pub(super) fn of_task(&self, record: Option<&Record>, gate_timeout: Duration) -> BuiltInGates {
        let Self { gates, limit } = self.with(record);
        BuiltInGates { gate_timeout: limit.unwrap_or(gate_timeout), ..gates }
    }
}

/// Whether a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It is not.
    Off,
    /// It is made where it applies.
    Auto,
    /// It is made, and fails where it cannot be.
    On,
}

/// What happens to changes outside of a task's `files`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partition {
    /// Nobody looks.
    Off,
    /// They are said.
    Warn,
    /// The work does not pass.
    Block,
}

/// From which size on a diff is said to be large, and from which it does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// Changed lines from which it warns.
    pub warn_lines: u32,
    /// Changed files from which it warns.
    pub warn_files: u32,
    /// Changed lines from which it blocks.
    pub block_lines: u32,
    /// Changed files from which it blocks.
    pub block_files: u32,
}

impl Default for BlastRadius {
    fn default() -> Self {
        Self { warn_lines: 200, warn_files: 5, block_lines: 500, block_files: 10 }
    }
}

impl Default for BuiltInGates {
    /// What the format has switched on.
    fn default() -> Self {
        Self {
            secret_scan: Switch::On,
            partition: Partition::Warn,
            no_op: Switch::Auto,
            blast_radius: None,
            dependency_audit: Switch::Off,
            regression_test: RegressionTest::Off,
            gate_timeout: Duration::from_secs(300),
        }
    }
}

impl BuiltInGates {
    /// No check at all.
    pub(super) fn none() -> Self {
        Self { secret_scan: Switch::Off, partition: Partition::Off, no_op: Switch::Off, ..Self::default() }
    }
}

fn built_in_gates(record: Option<&Record>, from: &BuiltInGates) -> BuiltInGates {
    let Some(record) = record else { return from.clone() };
    let partition = match val(record, "partition") {
        Some(Val::Bool(true)) => Partition::Block,
        Some(Val::Bool(false)) => Partition::Off,
        Some(Val::Text(_)) => Partition::Warn,
        _ => from.partition,
    };
    let blast_radius = match val(record, "blast_radius") {
        Some(Val::Bool(false)) => None,
        Some(Val::Bool(true) | Val::Text(_)) => Some(BlastRadius::default()),
        Some(Val::Record(limits)) => Some(blast_radius(limits)),
        _ => from.blast_radius,
    };
    BuiltInGates {
        secret_scan: switch(record, "secret_scan").unwrap_or(from.secret_scan),
        partition,
        no_op: switch(record, "no_op").unwrap_or(from.no_op),
        blast_radius,
        dependency_audit: switch(record, "dependency_audit").unwrap_or(from.dependency_audit),
        regression_test: match val(record, "regression_test") {
            Some(Val::Bool(true)) => RegressionTest::On,
            Some(Val::Bool(false)) => RegressionTest::Off,
            Some(Val::Text(text)) if text == "auto" => RegressionTest::Auto,
            Some(Val::Text(command)) => RegressionTest::Command(command.clone()),
            _ => from.regression_test.clone(),
        },
        gate_timeout: from.gate_timeout,
    }
}

fn val<'a>(record: &'a Record, key: &str) -> Option<&'a Val> {
    record.slot(key)?.val.as_ref()
}

fn switch(record: &Record, key: &str) -> Option<Switch> {
    match val(record, key)? {
        Val::Bool(true) => Some(Switch::On),
        Val::Bool(false) => Some(Switch::Off),
        Val::Text(_) => Some(Switch::Auto),
        _ => None,
    }
}

fn blast_radius(limits: &Record) -> BlastRadius {
    let usual = BlastRadius::default();
    BlastRadius {
        warn_lines: limits.count("warn_lines").unwrap_or(usual.warn_lines),
        warn_files: limits.count("warn_files").unwrap_or(usual.warn_files),
        block_lines: limits.count("block_lines").unwrap_or(usual.block_lines),
        block_files: limits.count("block_files").unwrap_or(usual.block_files),
    }
}

/// As it would be written, with nothing left out.
pub(super) fn canonical(gates: &BuiltInGates) -> Value {
    let switch = |switch: Switch| match switch {
        Switch::Off => json!(false),
        Switch::Auto => json!("auto"),
        Switch::On => json!(true),
    };
    json!({
        "secret_scan": switch(gates.secret_scan),
        "partition": match gates.partition {
            Partition::Off => json!(false),
            Partition::Warn => json!("warn"),
            Partition::Block => json!(true),
        },
        "no_op": switch(gates.no_op),
        "dependency_audit": switch(gates.dependency_audit),
        "regression_test": match &gates.regression_test {
            RegressionTest::Off => json!(false),
            RegressionTest::Auto => json!("auto"),
            RegressionTest::On => json!(true),
            RegressionTest::Command(command) => json!(command),
        },
        "gate_timeout": gates.gate_timeout.as_secs_f64(),
        "blast_radius": match gates.blast_radius {
            None => json!(false),
            Some(limits) => json!({
                "warn_lines": limits.warn_lines,
                "warn_files": limits.warn_files,
                "block_lines": limits.block_lines,
                "block_files": limits.block_files,
            }),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{canonical as whole, decode};

    fn gates(defaults: &str, task: &str) -> BuiltInGates {
        let text = format!(
            "name: n\nversion: 1\ndefaults: {{built_in_gates: {{{defaults}}}}}\n\
             tasks: [{{id: a, prompt: p, built_in_gates: {{{task}}}}}]\n"
        );
        let spec = decode(&text).spec.expect("valid");
        let again = decode(&whole(&spec)).spec.expect("the canonical text is valid");
        assert_eq!(again, spec);
        spec.tasks[0].built_in_gates.clone()
    }

    #[test]
    fn the_marked_gates_are_on_by_default_and_each_key_is_inherited_alone() {
        assert_eq!(gates("", ""), BuiltInGates::default());
        let found = gates("secret_scan: false, partition: true, no_op: true", "no_op: auto");
        let wanted = BuiltInGates {
            secret_scan: Switch::Off,
            partition: Partition::Block,
            no_op: Switch::Auto,
            ..BuiltInGates::default()
        };
        assert_eq!(found, wanted);
        assert_eq!(gates("partition: true", "partition: false").partition, Partition::Off);
        assert_eq!(gates("partition: false", "partition: warn").partition, Partition::Warn);
    }

    #[test]
    fn tests_are_run_by_switch_or_command_and_within_the_nearest_limit() {
        let tests = |text: &str| gates("", &format!("regression_test: {text}")).regression_test;
        let command = RegressionTest::Command("make check".into());
        assert_eq!(
            [tests("true"), tests("false"), tests("auto"), tests("make check")],
            [RegressionTest::On, RegressionTest::Off, RegressionTest::Auto, command]
        );
        let limit = |defaults: &str, task: &str| gates(defaults, task).gate_timeout.as_secs();
        assert_eq!(
            [limit("", ""), limit("gate_timeout: 20", ""), limit("gate_timeout: 20", "gate_timeout: 10")],
            [300, 20, 10]
        );
        let text = "name: n\nversion: 1\ntasks: [{id: a, prompt: p, gate_timeout: 7}]\n";
        let spec = decode(text).spec.expect("valid");
        assert_eq!(spec.tasks[0].built_in_gates.gate_timeout.as_secs(), 7, "that of the task's commands");
    }

    #[test]
    fn a_blast_radius_is_a_switch_or_limits_of_which_each_has_a_default() {
        assert_eq!(gates("blast_radius: true", "").blast_radius, Some(BlastRadius::default()));
        assert_eq!(gates("blast_radius: auto", "").blast_radius, Some(BlastRadius::default()));
        assert_eq!(gates("blast_radius: true", "blast_radius: false").blast_radius, None);
        let some = gates("", "blast_radius: {block_files: 3}").blast_radius;
        assert_eq!(some, Some(BlastRadius { block_files: 3, ..BlastRadius::default() }));
    }
}
