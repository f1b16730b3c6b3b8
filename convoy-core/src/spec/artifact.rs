//! `outputs` and `inputs` of a task.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::convoy::Maker;
use super::places::{ListField, Place};
use super::problem::{Path, Problem, Problems, Shown};
use super::value::Record;
use crate::types::{ArtifactKind, TaskId};

/// An artifact that a task leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its name, unique within the task.
    pub name: String,
    /// What it is made of.
    pub kind: ArtifactKind,
    /// Where a file is, relative to the root; `None`: it is called as the artifact.
    pub path: Option<String>,
    /// What the agent is told of it.
    pub description: Option<String>,
}

/// An artifact of another task that a task needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The task.
    pub from: TaskId,
    /// Its artifact.
    pub name: String,
    /// What stands for it in the prompt: `{{input.AS}}`.
    #[serde(rename = "as")]
    pub as_: String,
}

impl Maker {
    /// The outputs of a task. One that is broken refuses the spec and is kept as far as it can be read, so that
    /// nobody who needs it is blamed as well.
    pub(super) fn outputs(&mut self, record: &Record, path: &Path<'_>) -> Vec<Output> {
        let list = Path::Key(path, "outputs");
        let (mut outputs, mut seen) = (Vec::new(), HashSet::new());
        for (index, output) in record.records("outputs") {
            let here = Path::Index(&list, index);
            let (Some(name), Some(slot)) = (output.text("name"), output.slot("name")) else { continue };
            if !seen.insert(name) {
                let message = format!("another output of the task is called {} too", Shown(name));
                self.problems.push(Problem::error(slot.pos, Path::Key(&here, "name"), message));
            }
            let kind = kind(output.text("type"));
            if let (Some(slot), true) = (output.slot("path"), kind != ArtifactKind::File) {
                let message = format!("has no effect on an output of type `{kind}`");
                self.problems.push(Problem::warning(slot.pos, Path::Key(&here, "path"), message));
            }
            let text = |key| output.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
            outputs.push(Output {
                name: name.to_owned(),
                kind,
                path: text("path").filter(|_| kind == ArtifactKind::File),
                description: text("description"),
            });
        }
        outputs
    }

    /// The inputs of a task, and where their names stand.
    pub(super) fn inputs(&mut self, record: &Record, path: &Path<'_>) -> (Vec<Input>, Vec<Place>) {
        let list = Path::Key(path, "inputs");
        let (mut inputs, mut places, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (index, input) in record.records("inputs") {
            let from = input.text("from").and_then(|from| TaskId::new(from).ok());
            let (Some(from), Some(name), Some(slot)) = (from, input.text("name"), input.slot("name")) else {
                continue;
            };
            let as_ = input.text("as").unwrap_or(name);
            let as_slot = input.slot("as").unwrap_or(slot);
            if !seen.insert(as_) {
                let here = Path::Index(&list, index);
                let message = format!("another input is called {} too", Shown(as_));
                let problem = Problem::error(as_slot.pos, Path::Key(&here, as_slot.field.key), message);
                self.problems.push(problem.with_hint("give each a name of its own with `as`"));
            }
            inputs.push(Input { from, name: name.to_owned(), as_: as_.to_owned() });
            places.push(Place { pos: slot.pos, field: ListField::InputName, index });
        }
        (inputs, places)
    }
}

fn kind(text: Option<&str>) -> ArtifactKind {
    match text {
        Some("summary") => ArtifactKind::Summary,
        Some("json") => ArtifactKind::Json,
        _ => ArtifactKind::File,
    }
}

/// The outputs as they would be written.
pub(super) fn canonical_outputs(outputs: &[Output]) -> Value {
    let one = |output: &Output| {
        let mut value = json!({"name": output.name, "type": output.kind});
        for (key, text) in [("path", &output.path), ("description", &output.description)] {
            if let Some(text) = text {
                value[key] = json!(text);
            }
        }
        value
    };
    outputs.iter().map(one).collect()
}

/// The inputs as they would be written. The name in the prompt stands there only where it is another one: not
/// every name may be written as `as`.
pub(super) fn canonical_inputs(inputs: &[Input]) -> Value {
    let one = |input: &Input| {
        let mut value = json!({"from": input.from, "name": input.name});
        if input.as_ != input.name {
            value["as"] = json!(input.as_);
        }
        value
    };
    inputs.iter().map(one).collect()
}

/// Placeholders that nothing fills, and inputs that no placeholder uses.
pub(super) fn templates(record: &Record, path: &Path<'_>, problems: &mut Problems) {
    let mut inputs = HashSet::new();
    for (_, input) in record.records("inputs") {
        inputs.extend(input.text("as").or_else(|| input.text("name")));
    }
    let mut used = HashSet::new();
    let mut check = |record: &Record, path: &Path<'_>| {
        let (Some(slot), Some(prompt)) = (record.slot("prompt"), record.text("prompt")) else { return };
        let here = Path::Key(path, "prompt");
        for (kind, name) in placeholders(prompt) {
            let message = match kind {
                "input" if inputs.contains(name) => {
                    used.insert(name.to_owned());
                    continue;
                }
                "input" if inputs.is_empty() => {
                    format!("`{{{{input.{name}}}}}`: the task has no such input; it is sent as it stands")
                }
                "input" => format!("`{{{{input.{name}}}}}`: the task has no such input, and would fail"),
                _ => format!("`{{{{scratchpad.{name}}}}}`: not supported yet; it is sent as it stands"),
            };
            problems.push(Problem::warning(slot.pos, here, message));
        }
    };
    check(record, path);
    let list = Path::Key(path, "steps");
    for (index, step) in record.records("steps") {
        check(step, &Path::Index(&list, index));
    }
    let list = Path::Key(path, "inputs");
    for (index, input) in record.records("inputs") {
        let Some(name) = input.text("as").or_else(|| input.text("name")) else { continue };
        if !used.contains(name) {
            let message = format!("the prompt does not use it: nothing is written `{{{{input.{name}}}}}`");
            problems.push(Problem::warning(input.pos, Path::Index(&list, index), message));
        }
    }
}

/// A part of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// What is sent as it stands.
    Text(&'a str),
    /// A placeholder.
    Slot {
        /// `input` or `scratchpad`.
        kind: &'a str,
        /// What it stands for.
        name: &'a str,
        /// All of it, braces included.
        written: &'a str,
    },
}

/// The parts of a prompt. Only `{{input.NAME}}` and `{{scratchpad.KEY}}` are placeholders; whatever else is in
/// braces is the user's own text.
pub(crate) fn pieces(prompt: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut sent) = (Vec::new(), 0);
    for (at, _) in prompt.match_indices("{{") {
        let rest = &prompt[at + 2..];
        let rest = rest.split("{{").next().unwrap_or(rest);
        let Some((inner, _)) = rest.split_once("}}") else { continue };
        let Some((kind @ ("input" | "scratchpad"), name)) = inner.split_once('.') else { continue };
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            continue;
        }
        let end = at + inner.len() + 4;
        pieces.push(Piece::Text(&prompt[sent..at]));
        pieces.push(Piece::Slot { kind, name, written: &prompt[at..end] });
        sent = end;
    }
    pieces.push(Piece::Text(&prompt[sent..]));
    pieces
}

/// The `{{input.NAME}}` and `{{scratchpad.KEY}}` of a prompt, each once.
fn placeholders(prompt: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for piece in pieces(prompt) {
        if let Piece::Slot { kind, name, .. } = piece
            && !found.contains(&(kind, name))
        {
            found.push((kind, name));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_two_placeholders_are_found_and_all_the_rest_stays() {
        let prompt =
            "{{input.a}} {{input.a}} {{scratchpad.k}} {{user.x}} {{ input.b }} {{input.}} {{input.c {{x}}";
        assert_eq!(placeholders(prompt), [("input", "a"), ("scratchpad", "k")]);
        let odd = "{{{{input.a}}}} {{{input.b}} ü{{input.日本}}{{input.z";
        for prompt in [prompt, odd, ""] {
            let whole: String = pieces(prompt)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(text) | Piece::Slot { written: text, .. } => text,
                })
                .collect();
            assert_eq!(whole, prompt);
        }
        assert_eq!(placeholders(odd), [("input", "a"), ("input", "日本")]);
    }
}
