//! Where the things stand that checks over several tasks talk about.

use std::fmt;
use std::rc::Rc;

use super::problem::Pos;
use super::tree::{Node, Value};
use super::yaml;

/// Where the value of a field stands in the text of a convoy file or a formula, such as `tasks[3].adapter`. `None`
/// when it is not written there.
pub fn place_of(text: &str, path: &str) -> Option<Pos> {
    let (root, _) = yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut node = root?;
    for part in path.split(['.', '[']) {
        node = match part.strip_suffix(']') {
            Some(index) => item(&node, index.parse().ok()?)?,
            None => value(&node, part)?,
        };
    }
    Some(node.pos)
}

fn item(node: &Node, index: usize) -> Option<Rc<Node>> {
    match &node.value {
        Value::List(items) => items.get(index).cloned(),
        _ => None,
    }
}

fn value(node: &Node, key: &str) -> Option<Rc<Node>> {
    match &node.value {
        Value::Map(entries) => {
            entries.iter().find(|entry| &*entry.key == key).map(|entry| entry.value.clone())
        }
        _ => None,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_the_path_of_its_field() {
        let text = "name: x\ntasks:\n  - id: a\n    host_gates: [m, n]\n";
        for (path, place) in [
            ("name", Some((1, 7))),
            ("tasks[0].id", Some((3, 9))),
            ("tasks[0].host_gates[1]", Some((4, 21))),
            ("tasks[1].id", None),
            ("tasks[0].adapter", None),
            ("name.x", None),
            ("tasks[x]", None),
        ] {
            let wanted = place.map(|(line, column)| Pos { line, column });
            assert_eq!(place_of(text, path), wanted, "{path}");
        }
    }
}
