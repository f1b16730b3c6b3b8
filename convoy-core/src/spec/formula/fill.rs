//! Values into the tree of a spec, and the tree to text.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::rc::Rc;

use super::super::decode::MAX_BYTES;
use super::super::near::nearest;
use super::super::problem::{Path, Pos, Problem, Problems, Shown};
use super::super::tree::{Entry, Meaning, Node, Scalar, Value};
use super::placeholder::{FILTERS, Part, filtered, is_name, parts};
use super::{Formula, PROGRAM, RESERVED};

pub(super) const TOO_LARGE: &str = "is larger than 16 MiB when it is filled in";

/// The spec with the values in place; `None` when something is wrong.
pub(super) fn fill(
    formula: &Formula,
    values: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Option<Rc<Node>> {
    let before = problems.errors();
    missing(formula, values, problems);
    let known = formula.variables.iter().map(|variable| {
        let value = values.get(&variable.name).or(variable.default.as_ref());
        // A variable that may be left out is empty then.
        (variable.name.as_str(), value.map_or("", String::as_str))
    });
    let mut filler = Filler {
        values: values.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(known).collect(),
        used: BTreeSet::new(),
        done: HashMap::new(),
        program: false,
        bytes: 0,
        problems,
    };
    let root = filler.node(&formula.spec, &Path::Key(&Path::Root, "spec"));
    let used = std::mem::take(&mut filler.used);
    unknown(formula, values, &used, problems);
    (problems.errors() == before).then_some(root)
}

/// Says which variables are needed and have no value, all at once.
fn missing(formula: &Formula, values: &BTreeMap<String, String>, problems: &mut Problems) {
    let missing = formula.variables.iter().filter(|variable| {
        variable.required && variable.default.is_none() && !values.contains_key(&variable.name)
    });
    let missing: Vec<_> = missing.collect();
    if let Some(first) = missing.first() {
        let names: Vec<&str> = missing.iter().map(|variable| variable.name.as_str()).collect();
        let (verb, them) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
        let problem = Problem::error(
            first.pos,
            "variables",
            format!("{} {verb} required and not set", names.join(", ")),
        );
        let example = names.iter().map(|name| format!("--set {name}=…")).collect::<Vec<_>>().join(" ");
        problems.push(problem.with_hint(format!("set {them}, as in `{example}`")));
    }
}

/// Says which values are for no variable.
fn unknown(
    formula: &Formula,
    values: &BTreeMap<String, String>,
    used: &BTreeSet<String>,
    problems: &mut Problems,
) {
    let declared = || formula.variables.iter().map(|variable| variable.name.as_str());
    for name in values.keys() {
        if declared().any(|known| known == name) || used.contains(name) {
            continue;
        }
        let message = match name {
            name if RESERVED.contains(&name.as_str()) => {
                format!("{{{{{name}}}}} has a meaning of its own in convoy files and cannot be set")
            }
            name if !is_name(name) => format!("{} is set, but it is no name of a variable", Shown(name)),
            name => format!("{name} is set, but the formula neither declares nor uses it"),
        };
        let problem = Problem::error(Pos::START, "variables", message);
        problems.push(match nearest(name, declared().chain(used.iter().map(String::as_str))) {
            Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
            None => problem,
        });
    }
}

struct Filler<'f> {
    values: HashMap<&'f str, &'f str>,
    /// The variables that the spec names.
    used: BTreeSet<String>,
    /// What aliases share is filled in once, in agent programs and elsewhere.
    done: HashMap<(*const Node, bool), Rc<Node>>,
    /// Whether this is a part of an agent program.
    program: bool,
    /// Bytes of the texts that were filled in.
    bytes: usize,
    problems: &'f mut Problems,
}

impl Filler<'_> {
    fn node(&mut self, node: &Rc<Node>, path: &Path<'_>) -> Rc<Node> {
        if let Some(done) = self.done.get(&(Rc::as_ptr(node), self.program)) {
            return Rc::clone(done);
        }
        let value = match &node.value {
            Value::Scalar(scalar) => match self.text(&scalar.text, node.pos, path) {
                Some(text) => Value::Scalar(Scalar { text, quoted: true }),
                None => return Rc::clone(node),
            },
            Value::List(items) => {
                let items = items.iter().enumerate();
                Value::List(items.map(|(index, item)| self.node(item, &Path::Index(path, index))).collect())
            }
            Value::Map(entries) => Value::Map(entries.iter().map(|entry| self.entry(entry, path)).collect()),
        };
        let filled = Rc::new(Node { pos: node.pos, value, weight: node.weight, depth: node.depth });
        self.done.insert((Rc::as_ptr(node), self.program), Rc::clone(&filled));
        filled
    }

    fn entry(&mut self, entry: &Entry, path: &Path<'_>) -> Entry {
        let here = Path::Key(path, &entry.key);
        let named = |part: &Part<'_>| matches!(part, Part::Value { name, .. } if !RESERVED.contains(name));
        if parts(&entry.key).iter().any(named) {
            let message = "a key is not filled in; only values are";
            self.problems.push(Problem::error(entry.key_pos, here, message));
        }
        let outer = self.program;
        self.program |= &*entry.key == "adapters" && matches!(path, Path::Key(Path::Root, _));
        let value = self.node(&entry.value, &here);
        self.program = outer;
        Entry { value, ..entry.clone() }
    }

    /// The text with the values in place; `None` when it stays as it is.
    fn text(&mut self, text: &str, pos: Pos, path: &Path<'_>) -> Option<String> {
        let parts = parts(text);
        let mut filled = String::new();
        let mut changed = false;
        for part in parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Value { name, filters } if self.stays(name) && filters.is_empty() => {
                    let _ = write!(filled, "{{{{{name}}}}}");
                }
                Part::Value { name, filters } => {
                    changed = true;
                    if self.bytes + filled.len() > MAX_BYTES {
                        break;
                    }
                    filled.push_str(&self.value(name, &filters, pos, path));
                }
            }
        }
        if !changed {
            return None;
        }
        let before = self.bytes;
        self.bytes += filled.len();
        if before <= MAX_BYTES && self.bytes > MAX_BYTES {
            self.problems.push(Problem::error(pos, path, TOO_LARGE));
        }
        Some(filled)
    }

    /// Whether the name is filled in when a task runs.
    fn stays(&self, name: &str) -> bool {
        RESERVED.contains(&name) || (self.program && PROGRAM.contains(&name))
    }

    fn value(&mut self, name: &str, filters: &[&str], pos: Pos, path: &Path<'_>) -> String {
        let mut value = match self.values.get(name) {
            Some(value) => (*value).to_owned(),
            None if RESERVED.contains(&name) => {
                let message = format!("{{{{{name}}}}} is filled in when the task runs and takes no filter");
                self.problems.push(Problem::error(pos, path, message));
                return String::new();
            }
            None if self.used.contains(name) => return String::new(),
            None => {
                let problem = Problem::error(pos, path, format!("there is no variable {name}"));
                let near =
                    nearest(name, self.values.keys().copied()).map(|near| format!("did you mean `{near}`?"));
                let hint = near
                    .unwrap_or_else(|| format!("declare it under `variables`, or set it: `--set {name}=…`"));
                self.problems.push(problem.with_hint(hint));
                self.used.insert(name.to_owned());
                return String::new();
            }
        };
        self.used.insert(name.to_owned());
        for filter in filters {
            let Some(next) = filtered(&value, filter) else {
                let message =
                    format!("there is no filter {}; there are {}", Shown(filter), FILTERS.join(", "));
                self.problems.push(Problem::error(pos, path, message));
                return String::new();
            };
            value = next;
        }
        value
    }
}

/// The tree as a text that reads as the same tree; `None` when it is too large.
pub(super) fn to_text(root: &Node) -> Option<String> {
    let mut out = String::new();
    write_node(root, &mut out).then_some(out)
}

fn write_node(node: &Node, out: &mut String) -> bool {
    match &node.value {
        Value::Scalar(scalar) => match scalar.meaning() {
            Meaning::Text(text) => write_text(text, out),
            Meaning::Null => out.push_str("null"),
            Meaning::Bool(_) | Meaning::Int(_) | Meaning::Float(_) => out.push_str(&scalar.text),
        },
        Value::List(items) => {
            out.push('[');
            for item in items {
                if !write_node(item, out) {
                    return false;
                }
                out.push_str(",\n");
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for entry in entries {
                write_text(&entry.key, out);
                out.push_str(": ");
                if !write_node(&entry.value, out) {
                    return false;
                }
                out.push_str(",\n");
            }
            out.push('}');
        }
    }
    out.len() <= MAX_BYTES
}

fn write_text(text: &str, out: &mut String) {
    let _ = write!(out, "{}", serde_json::Value::from(text));
}
