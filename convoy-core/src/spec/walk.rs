//! Checks a tree against the field table: types, limits, unknown keys, what is not built.

use std::rc::Rc;

use super::model::UnsupportedField;
use super::near::{meant, nearest};
use super::problem::{Path, Pos, Problem, Problems, Shown};
use super::scalar;
use super::table::{self, Field, Kind, Least, Off, Section, Status};
use super::tree::{Entry, Meaning, Node, Scalar, Value};
use super::value::{Item, Record, Slot, Val};

/// Keys of a task that people look for elsewhere, where being ignored would leave work unjudged; and what to do instead.
const MISPLACED: &[(&str, &str)] = &[
    (
        "host_gates",
        "code of the host judges the work of a task, so it is a key of a task or of `defaults`; steps and the merged \
         result have `gates`, and a hook of type `host` with `on: post_convoy` sees the merged result",
    ),
    (
        "host_prompts",
        "it is a key of a task or of `defaults`, and adds to the prompt of every step of the task",
    ),
];

/// Collects problems while it turns nodes into checked values.
#[derive(Default)]
pub(super) struct Walker {
    problems: Problems,
    unsupported: Vec<UnsupportedField>,
    /// Above 0 inside a field that is already said to be unsupported, or switched off.
    quiet: u32,
    is_version_2: bool,
    /// An unknown key is an error: nobody would read a warning.
    strict: bool,
}

impl Walker {
    /// Starts with problems that are already known.
    pub(super) fn new(problems: Problems) -> Self {
        Self { problems, ..Self::default() }
    }

    /// The same, for a text in which unknown keys are errors.
    pub(super) fn strict(problems: Problems) -> Self {
        Self { strict: true, ..Self::new(problems) }
    }

    /// The problems, and the fields that are written but not built.
    pub(super) fn finish(self) -> (Problems, Vec<UnsupportedField>) {
        (self.problems, self.unsupported)
    }

    fn error(&mut self, pos: Pos, path: &Path<'_>, message: impl Into<String>) {
        self.problems.push(Problem::error(pos, path, message));
    }

    /// "must be WANTED, found FOUND".
    fn wrong(&mut self, node: &Node, path: &Path<'_>, wanted: &str) -> Option<Val> {
        self.error(node.pos, path, format!("must be {wanted}, found {}", node.found()));
        None
    }

    /// A hint for the error just found.
    fn hint(&mut self, hint: impl Into<String>) {
        self.problems.hint_newest_error(hint);
    }

    /// Checks a mapping; `None` when the node is none.
    pub(super) fn record(
        &mut self,
        section: &'static Section,
        node: &Node,
        path: &Path<'_>,
    ) -> Option<Record> {
        let Value::Map(entries) = &node.value else {
            self.wrong(node, path, "a mapping");
            return None;
        };
        if section.name == table::CONVOY.name {
            self.is_version_2 = is_version_2(entries);
        }
        let mut record = Record { section, pos: node.pos, slots: Vec::with_capacity(entries.len()) };
        for entry in entries {
            match section.field(&entry.key) {
                Some(field) => record.slots.push(self.slot(field, entry, path)),
                None => self.unknown_key(section, entry, path),
            }
        }
        for field in section.fields.iter().filter(|field| field.required) {
            if record.slot(field.key).is_none() {
                self.error(node.pos, &Path::Key(path, field.key), "is required and missing");
            }
        }
        Some(record)
    }

    fn slot(&mut self, field: &'static Field, entry: &Entry, path: &Path<'_>) -> Slot {
        let path = Path::Key(path, field.key);
        let node = entry.value.as_ref();
        let before = self.problems.errors();
        let is_container = matches!(field.status, Status::Built);
        self.quiet += u32::from(!is_container);
        let val = self.field_value(field, node, &path);
        self.quiet -= u32::from(!is_container);
        if val.is_none() && field.ours && self.problems.errors() > before {
            self.hint(format!(
                "`{0}` is a new field; if it is a key of your own, rename it to `x-{0}`",
                field.key
            ));
        }
        if let (Status::Unbuilt { off, .. }, Some(val)) = (field.status, &val)
            && self.quiet == 0
            && !self.is_ineffective(field)
            && !off.iter().any(|off| is_off(*off, val))
        {
            self.not_built(entry.key_pos, &path);
        }
        Slot { field, key_pos: entry.key_pos, pos: node.pos, val }
    }

    fn field_value(&mut self, field: &'static Field, node: &Node, path: &Path<'_>) -> Option<Val> {
        if node.meaning() != Some(Meaning::Null) {
            return self.value(&field.kind, node, path);
        }
        if field.nullable {
            return None;
        }
        let what = if field.required { "is required and has no value" } else { "has no value" };
        self.error(node.pos, path, what);
        if !field.required {
            self.hint("write one, or remove the key");
        }
        None
    }

    fn not_built(&mut self, pos: Pos, path: &Path<'_>) {
        let full = path.to_string();
        // The path says which task; the message names the field.
        let name =
            full.split_once("].").filter(|_| full.starts_with("tasks[")).map_or(full.as_str(), |(_, n)| n);
        self.problems.push(Problem::warning(pos, &full, format!("not supported yet: {name}")));
        self.unsupported.push(UnsupportedField { path: full, line: pos.line, column: pos.column });
    }

    /// Whether the field has no effect in this file, which another check says: then it needs no support.
    fn is_ineffective(&self, field: &Field) -> bool {
        field.key == "depends_on_convoy" && !self.is_version_2
    }

    fn unknown_key(&mut self, section: &'static Section, entry: &Entry, path: &Path<'_>) {
        let key: &str = &entry.key;
        if key.starts_with("x-") {
            return;
        }
        let here = Path::Key(path, key);
        let message = format!("unknown key {}", Shown(key));
        let keys = || section.fields.iter().map(|field| field.key);
        if let Some(near) = meant(key, keys()).or_else(|| nearest(key, keys())) {
            let hint = format!("did you mean `{near}`?");
            self.problems.push(Problem::error(entry.key_pos, here, message).with_hint(hint));
            return;
        }
        if let Some((_, hint)) = MISPLACED.iter().find(|(misplaced, _)| *misplaced == key) {
            self.problems.push(Problem::error(entry.key_pos, here, message).with_hint(*hint));
            return;
        }
        let others = [&table::CONVOY, &table::DEFAULTS, &table::TASK];
        if self.strict {
            let hint = match others.iter().rev().find(|other| other.field(key).is_some()) {
                Some(other) => format!("it is a key of {}, here it has no meaning", table::place(other)),
                None => format!("keys of your own start with `x-`, as in `x-{key}`"),
            };
            self.problems.push(Problem::error(entry.key_pos, here, message).with_hint(hint));
            return;
        }
        let hint = match others.iter().find(|other| other.field(key).is_some()) {
            Some(other) => format!("it is a key of {}, here it is ignored", table::place(other)),
            None => format!("it is ignored; keys of your own start with `x-`, as in `x-{key}`"),
        };
        self.problems.push(Problem::warning(entry.key_pos, here, message).with_hint(hint));
    }

    fn value(&mut self, kind: &'static Kind, node: &Node, path: &Path<'_>) -> Option<Val> {
        match (kind, &node.value) {
            (Kind::List(of, least), Value::List(items)) => self.list(of, *least, items, node, path),
            (Kind::List(..), _) => self.wrong(node, path, "a list"),
            (Kind::Map(rule, of), Value::Map(entries)) => Some(self.map(*rule, of, entries, path)),
            (Kind::Record(section) | Kind::Or(_, section), Value::Map(_)) => {
                self.record(section, node, path).map(Val::Record)
            }
            (Kind::Or(other, _), Value::Scalar(scalar)) => self.scalar(other, scalar, node, path),
            (Kind::Json, Value::Map(_)) => Some(Val::Json),
            (Kind::Map(..) | Kind::Record(_) | Kind::Json, _) => self.wrong(node, path, "a mapping"),
            (_, Value::Scalar(scalar)) => self.scalar(kind, scalar, node, path),
            _ => self.wrong(node, path, &scalar::wanted(kind)),
        }
    }

    fn list(
        &mut self,
        of: &'static Kind,
        least: Least,
        items: &[Rc<Node>],
        node: &Node,
        path: &Path<'_>,
    ) -> Option<Val> {
        if items.is_empty() && least == Least::One {
            self.error(node.pos, path, "must not be empty");
            return None;
        }
        let mut good = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if let Some(val) = self.value(of, item, &Path::Index(path, index)) {
                good.push(Item { pos: item.pos, index, val });
            }
        }
        Some(Val::List(good))
    }

    fn map(
        &mut self,
        rule: super::rules::Rule,
        of: &'static Kind,
        entries: &[Entry],
        path: &Path<'_>,
    ) -> Val {
        let mut good = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let here = Path::Key(path, &entry.key);
            if let Err(message) = scalar::check_text(rule, &entry.key) {
                self.error(entry.key_pos, &here, format!("the name {message}"));
            } else if let Some(val) = self.value(of, &entry.value, &here) {
                good.push((entry.key.to_string(), Item { pos: entry.value.pos, index, val }));
            }
        }
        Val::Map(good)
    }

    fn scalar(&mut self, kind: &'static Kind, scalar: &Scalar, node: &Node, path: &Path<'_>) -> Option<Val> {
        match scalar::read(kind, scalar) {
            Ok((val, None)) => Some(val),
            Ok((val, Some(odd))) => {
                self.problems.push(Problem::warning(node.pos, path, odd));
                Some(val)
            }
            Err(wrong) => {
                self.error(node.pos, path, wrong.message);
                if let Some(hint) = wrong.hint {
                    self.hint(hint);
                }
                None
            }
        }
    }
}

fn is_off(off: Off, val: &Val) -> bool {
    match (off, val) {
        (Off::False, Val::Bool(b)) => !b,
        (Off::Empty, Val::List(items)) => items.is_empty(),
        (Off::Empty, Val::Map(entries)) => entries.is_empty(),
        (Off::Empty, Val::Record(record)) => record.slots.is_empty(),
        _ => false,
    }
}

fn is_version_2(entries: &[Entry]) -> bool {
    let version =
        entries.iter().find(|entry| &*entry.key == "version").and_then(|entry| entry.value.meaning());
    matches!(version, Some(Meaning::Int(2))) || version == Some(Meaning::Float(2.0))
}
