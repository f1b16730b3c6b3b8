//! Adapters of which an engine lets only so many attempts work at once: who holds a place, and who is asked for one.
//!
//! Places are shared with other convoys, so a place is asked for when there is a task that would start with it, and
//! nothing but that keeps it from starting. One that comes too late, when no task can start any more, is given back in
//! the same turn: nobody holds a place without working.

use std::collections::{BTreeMap, HashSet};

use super::input::Action;
use crate::types::{AdapterLimit, TaskIx};

/// What is known of the places of every adapter that has a limit, sorted by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Vec<Desk>);

#[derive(Debug, Clone)]
struct Desk {
    adapter: String,
    /// Whether a place was asked for, and has not come.
    asked: bool,
    /// Places that have come and that nobody holds.
    spare: u32,
    /// Places whose holders work no more. They go back, since others have waited longer.
    left: u32,
    /// Those who work with one.
    holders: HashSet<TaskIx>,
}

impl Places {
    pub(super) fn new(limits: &BTreeMap<String, AdapterLimit>) -> Self {
        let desk = |adapter: &String| Desk {
            adapter: adapter.clone(),
            asked: false,
            spare: 0,
            left: 0,
            holders: HashSet::new(),
        };
        Self(limits.keys().map(desk).collect())
    }

    /// The position of an adapter; `None`: it has no limit.
    pub(super) fn find(&self, adapter: &str) -> Option<usize> {
        self.0.binary_search_by(|desk| desk.adapter.as_str().cmp(adapter)).ok()
    }

    /// The position of an adapter that has a limit, and of which no place is there.
    pub(super) fn missing(&self, adapter: &str) -> Option<usize> {
        self.find(adapter).filter(|at| self.0[*at].spare == 0)
    }

    /// A place has come; says at which position. `None`: the adapter has no limit.
    pub(super) fn came(&mut self, adapter: &str) -> Option<usize> {
        let at = self.find(adapter)?;
        (self.0[at].asked, self.0[at].spare) = (false, self.0[at].spare + 1);
        Some(at)
    }

    /// A task begins to work.
    pub(super) fn hold(&mut self, adapter: &str, task: TaskIx) {
        if let Some(at) = self.find(adapter) {
            let desk = &mut self.0[at];
            if desk.spare > 0 && desk.holders.insert(task) {
                desk.spare -= 1;
            }
        }
    }

    /// A task does not work any more. One that worked for an engine before this one holds no place.
    pub(super) fn leave(&mut self, task: TaskIx) {
        for desk in &mut self.0 {
            if desk.holders.remove(&task) {
                desk.left += 1;
            }
        }
    }

    /// Gives back what nobody holds, and asks for a place where somebody waits for one alone.
    pub(super) fn settle(&mut self, waits: impl Fn(usize) -> bool, actions: &mut Vec<Action>) {
        for (at, desk) in self.0.iter_mut().enumerate() {
            let adapter = || desk.adapter.clone();
            actions.extend((0..desk.spare + desk.left).map(|_| Action::LeavePlace { adapter: adapter() }));
            if !desk.asked && waits(at) {
                actions.push(Action::AskPlace { adapter: adapter() });
                desk.asked = true;
            }
            (desk.spare, desk.left) = (0, 0);
        }
    }
}
