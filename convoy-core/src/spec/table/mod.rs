//! The field table: every field of the format once, with its type, limits, default, meaning, and
//! whether this version honours it. Decoder, hints, JSON Schema, reference page and the tests that
//! break every field are all made from it.

mod adapter;
mod checks;
mod convoy;
mod defaults;
mod inject;
#[cfg(test)]
mod samples;
mod task;
#[cfg(test)]
mod tests;

use super::rules::Rule;

pub(super) use self::convoy::CONVOY;
pub(super) use self::defaults::DEFAULTS;
pub(super) use self::inject::{INJECTED_TASK, INJECTION};
pub(super) use self::task::TASK;

/// A mapping of the format: which keys it has.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in the reference page and in the schema's definitions.
    pub(super) name: &'static str,
    /// One sentence about it.
    pub(super) doc: &'static str,
    pub(super) fields: &'static [Field],
}

/// One key of a mapping.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// The default as it would be written, for schema and reference; `None` when there is none.
    pub(super) default: Option<&'static str>,
    pub(super) required: bool,
    /// Not part of the format of opencastle 0.27.
    pub(super) ours: bool,
    /// Written without a value it means the default.
    pub(super) nullable: bool,
    pub(super) status: Status,
    /// What it means, in one or two sentences.
    pub(super) doc: &'static str,
}

/// Whether this version honours a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Status {
    Built,
    /// Written it refuses the run, unless its value is one of `off`. `on_as`: it is on by default in
    /// the format, and this is the name under which that is said.
    Unbuilt {
        off: &'static [Off],
        on_as: Option<&'static str>,
    },
}

/// A value that switches a field off.
#[derive(Debug, Clone, Copy)]
pub(super) enum Off {
    False,
    /// An empty list or mapping.
    Empty,
}

/// The type of a value.
#[derive(Debug)]
pub(super) enum Kind {
    Text(Rule),
    /// Text; a number or a boolean is taken as the text that was written.
    Loose(Rule),
    Bool,
    /// `true`, `false`, one of the words, or, with a rule, any other text that it takes.
    BoolOr(&'static [&'static str], Option<Rule>),
    Int(i64, i64),
    /// A whole number or one of the words.
    IntOr(i64, i64, &'static [&'static str]),
    /// 1 or 2, a number, never quoted.
    Version,
    /// A number from 0 (or above it, when `positive`) to `max`.
    Number {
        positive: bool,
        max: f64,
    },
    /// `<whole number><ms|s|m|h>`, at most 24 days.
    Duration {
        zero: bool,
    },
    /// A number of seconds above 0, at most 24 days.
    Seconds,
    Choice(&'static [&'static str]),
    List(&'static Self, Least),
    /// Any keys that the rule takes.
    Map(Rule, &'static Self),
    Record(&'static Section),
    /// A mapping, or else a value of the other kind.
    Or(&'static Self, &'static Section),
    /// A mapping with anything in it.
    Json,
}

/// Whether a list may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Least {
    Zero,
    One,
}

/// The greatest count: fits `u32`.
pub(super) const COUNT: i64 = u32::MAX as i64;
/// The greatest whole number that JSON carries safely.
pub(super) const WHOLE: i64 = 9_007_199_254_740_991;
pub(super) const SWITCH: &[Off] = &[Off::False];
pub(super) const EMPTY: &[Off] = &[Off::Empty];
pub(super) const NEVER: &[Off] = &[];
pub(super) const COMMANDS: Kind = Kind::List(&Kind::Text(Rule::Filled), Least::Zero);
pub(super) const AGENT: Kind = Kind::Loose(Rule::Any);

/// A field that is optional, built, and part of the older format too.
pub(super) const fn field(key: &'static str, kind: Kind, doc: &'static str) -> Field {
    let (default, required, ours, nullable) = (None, false, false, false);
    Field { key, kind, default, required, ours, nullable, status: Status::Built, doc }
}

impl Field {
    const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    const fn unbuilt(mut self, off: &'static [Off]) -> Self {
        self.status = Status::Unbuilt { off, on_as: None };
        self
    }

    /// Not built, and on by default in the format.
    const fn inactive(mut self, off: &'static [Off], on_as: &'static str) -> Self {
        self.status = Status::Unbuilt { off, on_as: Some(on_as) };
        self
    }
}

impl Section {
    pub(super) fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }
}

impl Kind {
    /// The mapping below this kind, looking through lists and maps.
    pub(super) fn section(&self) -> Option<&'static Section> {
        match self {
            Self::Record(section) | Self::Or(_, section) => Some(section),
            Self::List(of, _) | Self::Map(_, of) => of.section(),
            _ => None,
        }
    }
}

/// Where the keys of a section are written, for hints.
pub(super) fn place(section: &Section) -> &'static str {
    match section.name {
        "convoy" => "the top level",
        "defaults" => "`defaults`",
        _ => "a task",
    }
}

/// Every mapping of the format, each once, outer ones first.
pub(super) fn sections() -> Vec<&'static Section> {
    let mut found: Vec<&'static Section> = vec![&CONVOY];
    let mut next = 0;
    while let Some(section) = found.get(next) {
        for below in section.fields.iter().filter_map(|field| field.kind.section()) {
            if !found.iter().any(|known| known.name == below.name) {
                found.push(below);
            }
        }
        next += 1;
    }
    found
}
