//! Where the things stand that checks over several tasks talk about.

use std::fmt;

use super::problem::Pos;

/// The places of a spec's tasks, in the order of `Spec::tasks`.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) tasks: Vec<TaskPlaces>,
}

/// The places of one task. The lists run beside those of [`crate::spec::Task`].
#[derive(Debug)]
pub(crate) struct TaskPlaces {
    /// Position in the file; broken tasks before it are counted.
    pub(crate) index: usize,
    /// `None` when the id is missing or broken: the task's id is then a stand-in.
    pub(crate) id: Option<Pos>,
    pub(crate) depends_on: Vec<Place>,
    pub(crate) files: Vec<Place>,
    pub(crate) locks: Vec<Place>,
    pub(crate) inputs: Vec<Place>,
}

/// An item of a task's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pos: Pos,
    pub(crate) field: ListField,
    pub(crate) index: usize,
}

/// Which list of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListField {
    DependsOn,
    /// `from` of an input, which is a dependency too.
    Input,
    /// `name` of an input.
    InputName,
    Files,
    Locks,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.index;
        match self.field {
            ListField::DependsOn => write!(f, "depends_on[{index}]"),
            ListField::Input => write!(f, "inputs[{index}].from"),
            ListField::InputName => write!(f, "inputs[{index}].name"),
            ListField::Files => write!(f, "files[{index}]"),
            ListField::Locks => write!(f, "locks[{index}]"),
        }
    }
}
