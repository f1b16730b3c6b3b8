//! The places of adapters with a limit, as a world gives them.

use std::collections::{BTreeMap, HashSet};

use super::choose::Choices;
use super::world::{Open, World};
use crate::schedule::{Action, Input, Turn};
use crate::state::{RunState, Stage};
use crate::types::{AdapterLimit, AttemptNo, TaskIx};

/// The places of every adapter, and who has them.
#[derive(Debug, Default)]
pub(super) struct Desks(BTreeMap<String, Desk>);

#[derive(Debug, Default)]
struct Desk {
    most: u32,
    /// Places of this convoy.
    own: u32,
    /// Places of other convoys.
    others: u32,
    asked: bool,
}

impl Desks {
    pub(super) fn new(limits: &BTreeMap<String, AdapterLimit>) -> Self {
        let desk =
            |limit: &AdapterLimit| Desk { most: limit.max_concurrent.unwrap_or(99), ..Desk::default() };
        Self(limits.iter().map(|(name, limit)| (name.clone(), desk(limit))).collect())
    }

    fn of(&mut self, adapter: &str) -> &mut Desk {
        self.0.get_mut(adapter).expect("an adapter with a limit")
    }

    pub(super) fn ask(&mut self, adapter: String) {
        let desk = self.of(&adapter);
        assert!(!desk.asked, "asked twice for {adapter}");
        desk.asked = true;
    }

    pub(super) fn leave(&mut self, adapter: &str) {
        let desk = self.of(adapter);
        assert!(desk.own > 0, "a place at {adapter} that nobody has");
        desk.own -= 1;
    }

    /// Whether a place was asked for, and has not come.
    pub(super) fn is_asked(&self, adapter: &str) -> bool {
        self.0[adapter].asked
    }

    /// The adapters of which a place was asked for.
    pub(super) fn asked(&self) -> HashSet<String> {
        self.0.iter().filter(|(_, desk)| desk.asked).map(|(name, _)| name.clone()).collect()
    }

    /// The adapters that this convoy could have a place of now.
    pub(super) fn served(&mut self) -> Vec<String> {
        let asked = self.0.iter_mut().filter(|(_, desk)| desk.asked);
        let free = asked.filter_map(|(name, desk)| {
            if desk.own + desk.others >= desk.most {
                // They work no longer than this convoy has to wait.
                desk.others = 0;
            }
            (desk.own < desk.most).then(|| name.clone())
        });
        free.collect()
    }

    pub(super) fn others_take(&mut self, adapter: &str) {
        self.of(adapter).others += 1;
    }

    pub(super) fn give(&mut self, adapter: &str) {
        let desk = self.of(adapter);
        assert!(desk.asked && desk.own + desk.others < desk.most, "no place at {adapter}: {desk:?}");
        (desk.asked, desk.own) = (false, desk.own + 1);
    }

    /// After every turn: who has a place works, and who works has one.
    pub(super) fn look(&self, state: &RunState, open: &[Open]) {
        for (name, desk) in &self.0 {
            let works =
                |ix: &_| matches!(state.task(*ix).stage, Stage::Working { .. }) && state.adapter(*ix) == name;
            let working = state.plan().indices().filter(works).count();
            assert_eq!(working, desk.own as usize, "at work at {name}: {desk:?}");
            let agents = open.iter().filter(|open| match &open.action {
                Action::Work(order) => state.adapter(order.task) == name,
                _ => false,
            });
            assert!(agents.count() <= desk.most as usize, "too many at work at {name}");
        }
    }
}

impl World {
    /// A place is free, and this convoy is the next to get it, unless another one is.
    pub(super) fn give_place(&mut self, adapter: &str, choices: &mut Choices<'_>) {
        if choices.one_in(4) {
            self.desks.others_take(adapter);
        } else {
            self.place(adapter);
        }
    }

    /// This convoy gets the place that it asked for.
    pub(super) fn place(&mut self, adapter: &str) -> Turn {
        self.desks.give(adapter);
        self.input(Input::Place { adapter: adapter.to_owned() })
    }
}

/// The task that an action is about.
pub(super) fn task_of(action: &Action) -> Option<TaskIx> {
    attempt_of(action).map(|(task, _)| task)
}

/// The attempt that an action is about.
pub(super) fn attempt_of(action: &Action) -> Option<(TaskIx, AttemptNo)> {
    match action {
        Action::Work(order) => Some((order.task, order.attempt)),
        Action::Snapshot(order) => Some((order.task, order.attempt)),
        Action::Check(order) => Some((order.task, order.attempt)),
        Action::Prepare { task, attempt, .. } | Action::Advance { task, attempt, .. } => {
            Some((*task, *attempt))
        }
        Action::Publish(_)
        | Action::Verify(_)
        | Action::StopVerify { .. }
        | Action::Stop { .. }
        | Action::End(_)
        | Action::StopEnd { .. }
        | Action::AskPlace { .. }
        | Action::LeavePlace { .. } => None,
    }
}
