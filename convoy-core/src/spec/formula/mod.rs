//! Formulas: templates of convoy files. A formula declares variables and has a `spec` whose texts name them
//! as `{{NAME}}`; filled in, it is a convoy.
//!
//! Values are put into the tree that was read from the file, never into its text, so no value changes what
//! the file says beyond the text it stands in; and every problem has its place in the formula.

mod fill;
mod placeholder;
mod read;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::decode::{Draft, draft_of, text_of};
use super::problem::{Pos, Problem, Problems};
use super::tree::Node;

/// Names that a convoy file gives a meaning of its own.
const RESERVED: [&str; 2] = ["prompt", "session"];
/// What they mean only in the calls of agent programs, under `adapters`.
const PROGRAM: [&str; 2] = ["model", "file"];

/// A formula as it was read.
struct Formula {
    variables: Vec<Variable>,
    spec: Rc<Node>,
}

/// A variable that a formula declares.
struct Variable {
    name: String,
    pos: Pos,
    required: bool,
    default: Option<String>,
}

/// A formula with its variables filled in.
pub(crate) struct Filled {
    /// The convoy, its problems at their places in the formula, with the paths they have in the convoy.
    pub(crate) draft: Draft,
    /// The problems of the formula itself.
    pub(crate) problems: Problems,
    /// The same as the text of a convoy file; `None` when the formula cannot be filled in.
    pub(crate) text: Option<String>,
}

/// Reads a formula and fills in these values.
pub(crate) fn fill(bytes: &[u8], values: &BTreeMap<String, String>) -> Filled {
    let text = match text_of(bytes) {
        Ok(text) => text,
        Err(problem) => return broken(problem.into()),
    };
    let (formula, mut problems) = read::read(text);
    let Some(formula) = formula else { return broken(problems) };
    let Some(root) = fill::fill(&formula, values, &mut problems) else { return broken(problems) };
    let text = fill::to_text(&root);
    if text.is_none() {
        problems.push(Problem::error(root.pos, "spec", fill::TOO_LARGE));
        return broken(problems);
    }
    Filled { draft: draft_of(&root, Problems::default()), problems, text }
}

fn broken(problems: Problems) -> Filled {
    Filled { draft: Draft::broken(Problems::default()), problems, text: None }
}
