//! The text of a formula to its variables and its spec.

use std::rc::Rc;

use super::super::near::nearest;
use super::super::problem::{Path, PathKey, Pos, Problem, Problems, Shown};
use super::super::tree::{Entry, Meaning, Node, Value};
use super::super::yaml;
use super::placeholder::is_name;
use super::{Formula, RESERVED, Variable};

const KEYS: [&str; 4] = ["name", "description", "variables", "spec"];
const VARIABLE_KEYS: [&str; 3] = ["description", "required", "default"];

/// The formula; `None` when there is no reading it.
pub(super) fn read(text: &str) -> (Option<Formula>, Problems) {
    let (root, mut problems) = yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text));
    if problems.errors() > 0 {
        problems.hint_newest_error("a text with {{…}} in a formula stands in quotes");
        return (None, problems);
    }
    let Some(root) = root else {
        problems.push(Problem::error(
            Pos::START,
            "",
            "the file is empty; a formula has at least `name` and `spec`",
        ));
        return (None, problems);
    };
    let Value::Map(entries) = &root.value else {
        let message = format!("a formula is a mapping, found {}", root.found());
        problems.push(Problem::error(root.pos, "", message));
        return (None, problems);
    };
    let mut reader = Reader { problems };
    reader.unknown(entries, &KEYS, &Path::Root);
    for key in ["name", "spec"] {
        if value_of(entries, key).is_none() {
            reader.error(root.pos, key, "is required and missing");
        }
    }
    for key in ["name", "description"] {
        reader.text(entries, key, &Path::Root);
    }
    let variables = value_of(entries, "variables").map(|node| reader.variables(node)).unwrap_or_default();
    let formula = value_of(entries, "spec").map(|spec| Formula { variables, spec: Rc::clone(spec) });
    let readable = reader.problems.errors() == 0;
    (formula.filter(|_| readable), reader.problems)
}

/// The value of a key, if there is one and it is not empty.
fn value_of<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Rc<Node>> {
    let entry = entries.iter().find(|entry| &*entry.key == key)?;
    (entry.value.meaning() != Some(Meaning::Null)).then_some(&entry.value)
}

struct Reader {
    problems: Problems,
}

impl Reader {
    fn error(&mut self, pos: Pos, path: impl std::fmt::Display, message: impl Into<String>) {
        self.problems.push(Problem::error(pos, path, message));
    }

    fn unknown(&mut self, entries: &[Entry], known: &[&str], path: &Path<'_>) {
        for entry in
            entries.iter().filter(|entry| !known.contains(&&*entry.key) && !entry.key.starts_with("x-"))
        {
            let here = Path::Key(path, &entry.key);
            let problem = Problem::error(entry.key_pos, here, format!("unknown key {}", Shown(&entry.key)));
            let hint = match nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}; keys of your own start with `x-`", known.join(", ")),
            };
            self.problems.push(problem.with_hint(hint));
        }
    }

    /// The text of a scalar, of whatever type.
    fn text(&mut self, entries: &[Entry], key: &str, path: &Path<'_>) -> Option<String> {
        let node = value_of(entries, key)?;
        if let Value::Scalar(scalar) = &node.value {
            return Some(scalar.text.clone());
        }
        self.error(node.pos, Path::Key(path, key), format!("must be text, found {}", node.found()));
        None
    }

    fn variables(&mut self, node: &Node) -> Vec<Variable> {
        let Value::Map(entries) = &node.value else {
            self.error(node.pos, "variables", format!("must be a mapping of names, found {}", node.found()));
            return Vec::new();
        };
        entries.iter().filter_map(|entry| self.variable(entry)).collect()
    }

    fn variable(&mut self, entry: &Entry) -> Option<Variable> {
        let (outer, name) = (Path::Key(&Path::Root, "variables"), &*entry.key);
        let path = Path::Key(&outer, name);
        if !is_name(name) {
            let message =
                "a variable has a name of letters, digits, `_` and `-` that starts with a letter or `_`";
            self.error(entry.key_pos, path, message);
            return None;
        }
        if RESERVED.contains(&name) {
            let message =
                format!("{{{{{name}}}}} has a meaning of its own in convoy files; choose another name");
            self.error(entry.key_pos, path, message);
            return None;
        }
        let mut variable =
            Variable { name: name.to_owned(), pos: entry.key_pos, required: false, default: None };
        match &entry.value.value {
            Value::Map(fields) => {
                self.unknown(fields, &VARIABLE_KEYS, &path);
                self.text(fields, "description", &path);
                variable.default = self.text(fields, "default", &path);
                variable.required = self.required(fields, &path);
            }
            _ if entry.value.meaning() == Some(Meaning::Null) => {}
            _ => {
                let message = format!("must be a mapping, found {}", entry.value.found());
                let hint = format!("write `{}: {{default: …}}`", PathKey(name));
                self.problems.push(Problem::error(entry.value.pos, path, message).with_hint(hint));
            }
        }
        Some(variable)
    }

    fn required(&mut self, fields: &[Entry], path: &Path<'_>) -> bool {
        let Some(node) = value_of(fields, "required") else { return false };
        if let Some(Meaning::Bool(required)) = node.meaning() {
            return required;
        }
        let message = format!("must be `true` or `false`, found {}", node.found());
        self.error(node.pos, Path::Key(path, "required"), message);
        false
    }
}
