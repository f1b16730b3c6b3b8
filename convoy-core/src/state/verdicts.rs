//! What a task's work has passed already.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{BuiltInGateResult, GateResult, Work};
use crate::types::Oid;

/// The verdicts that hold for the newest tree of a task's work: those of the programs that passed it. They are void
/// for any other tree. Those that failed are not kept: the attempt is made again to get another answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    tree: Option<Oid>,
    commands: BTreeSet<String>,
    host: BTreeSet<String>,
    /// With the commit where the work began: it configures them.
    built_in: BTreeMap<String, Oid>,
}

/// What need not be run again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Commands.
    pub commands: Vec<String>,
    /// Code of the host.
    pub host: Vec<String>,
    /// Gates of the engine.
    pub built_in: Vec<String>,
}

impl Verdicts {
    /// What this work has passed.
    pub fn of(&self, work: &Work) -> Passed {
        if self.tree.as_ref() != Some(&work.tree) {
            return Passed::default();
        }
        let judged_alike = self.built_in.iter().filter(|(_, base)| **base == work.base);
        Passed {
            commands: self.commands.iter().cloned().collect(),
            host: self.host.iter().cloned().collect(),
            built_in: judged_alike.map(|(gate, _)| gate.clone()).collect(),
        }
    }

    pub(super) fn note_command(&mut self, work: &Work, result: &GateResult) {
        if result.tree.as_ref() == Some(&work.tree) {
            self.of_tree(&work.tree);
            let passed = if result.host { &mut self.host } else { &mut self.commands };
            match result.passed {
                true => passed.insert(result.gate.clone()),
                false => passed.remove(&result.gate),
            };
        }
    }

    pub(super) fn note_built_in(&mut self, work: &Work, result: &BuiltInGateResult) {
        if result.tree.as_ref() == Some(&work.tree) {
            self.of_tree(&work.tree);
            match result.passed {
                true => self.built_in.insert(result.gate.clone(), work.base.clone()),
                false => self.built_in.remove(&result.gate),
            };
        }
    }

    /// Another tree voids everything.
    fn of_tree(&mut self, tree: &Oid) {
        if self.tree.as_ref() != Some(tree) {
            *self = Self { tree: Some(tree.clone()), ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(c: char) -> Oid {
        Oid::new(c.to_string().repeat(40)).expect("valid")
    }

    fn work(tree: char, base: char) -> Work {
        Work { commit: oid('c'), tree: oid(tree), base: oid(base), changed: true, kept_ref: "r".into() }
    }

    fn command(gate: &str, passed: bool, tree: Option<char>) -> GateResult {
        GateResult { tree: tree.map(oid), ..GateResult::new(gate, passed, None, 1) }
    }

    #[test]
    fn only_what_passed_this_very_tree_holds() {
        let mut verdicts = Verdicts::default();
        let one = work('1', 'a');
        verdicts.note_command(&one, &command("x", true, Some('1')));
        verdicts.note_command(&one, &command("y", false, Some('1')));
        verdicts.note_command(&one, &command("z", true, None));
        verdicts.note_command(&one, &command("w", true, Some('2')));
        assert_eq!(verdicts.of(&one).commands, ["x"]);
        assert_eq!(verdicts.of(&work('2', 'a')), Passed::default());
        verdicts.note_command(&one, &command("x", false, Some('1')));
        assert_eq!(verdicts.of(&one), Passed::default());
        verdicts.note_command(&one, &command("x", true, Some('1')));
        verdicts.note_command(&work('2', 'a'), &command("y", true, Some('2')));
        assert_eq!(verdicts.of(&one), Passed::default(), "another tree voids them");
    }

    #[test]
    fn a_command_is_not_taken_for_code_of_the_same_name() {
        let (mut verdicts, one) = (Verdicts::default(), work('1', 'a'));
        verdicts.note_command(&one, &GateResult { host: true, ..command("lint", true, Some('1')) });
        assert_eq!(verdicts.of(&one), Passed { host: vec!["lint".to_owned()], ..Passed::default() });
        verdicts.note_command(&one, &command("lint", false, Some('1')));
        assert_eq!(verdicts.of(&one).host, ["lint"]);
    }

    #[test]
    fn a_gate_of_the_engine_is_asked_again_when_what_configures_it_may_differ() {
        let mut verdicts = Verdicts::default();
        let result = BuiltInGateResult {
            gate: "regression_test".into(),
            level: None,
            passed: true,
            output: String::new(),
            tree: Some(oid('1')),
            reused: false,
        };
        verdicts.note_built_in(&work('1', 'a'), &result);
        verdicts.note_command(&work('1', 'a'), &command("x", true, Some('1')));
        assert_eq!(verdicts.of(&work('1', 'a')).built_in, ["regression_test"]);
        let other = verdicts.of(&work('1', 'b'));
        assert_eq!((other.built_in.len(), other.commands.len()), (0, 1));
    }
}
