//! YAML text to a tree with places. Bounded in time, memory and depth whatever the text is.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Seen;
use std::rc::Rc;

use serde_yaml::granit_parser::{ErrorKind, Event, Marker, Options, Parser, ScalarStyle, Span, Tag, options};

use super::problem::{PathKey, Pos, Problem, Problems, Shown};
use super::tree::{Entry, Node, Scalar, Value};

/// Most levels of nesting, aliases followed. The format itself needs about ten.
const MAX_DEPTH: u32 = 100;
/// Most values, aliases counted as if they were written out: 50,000 tasks of 20 paths have less than
/// two million.
const MAX_NODES: u64 = 4_000_000;
/// Most keys that merge keys (`<<`) bring in. They are copied, where aliases are shared.
const MAX_MERGED: usize = 500_000;

/// The document, as far as it could be read; `None` when it is empty or its syntax is broken. Problems
/// are syntax errors, duplicate keys, and notes about merge keys and tags.
pub(super) fn parse(text: &str) -> (Option<Rc<Node>>, Problems) {
    let mut options: Options = options! {
        flow_nesting_limit: MAX_DEPTH as usize,
        block_nesting_limit: MAX_DEPTH as usize,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => Err(syntax_problem(error.kind(), *error.marker())),
        };
        if let Err(fatal) = step {
            builder.problems.push(fatal);
            return (None, builder.problems);
        }
    }
    (builder.root, builder.problems)
}

fn pos(marker: Marker) -> Pos {
    let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Pos { line: clamp(marker.line()).max(1), column: clamp(marker.col()).saturating_add(1) }
}

fn syntax_problem(kind: &ErrorKind, marker: Marker) -> Problem {
    let at = pos(marker);
    match kind {
        ErrorKind::RecursionLimitExceeded => too_deep(at),
        ErrorKind::UnknownAnchor => {
            Problem::error(at, "", "this alias (*) names an anchor (&) that does not exist")
                .with_hint("put text that starts with `*` in quotes")
        }
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation | ErrorKind::TabNotAllowed => {
            Problem::error(at, "", "a tab is used for indentation").with_hint("YAML is indented with spaces")
        }
        ErrorKind::MappingValueNotAllowed => Problem::error(at, "", format!("not valid YAML: {kind}"))
            .with_hint("check the indentation, and quote text that contains `: `"),
        _ => Problem::error(at, "", format!("not valid YAML: {kind}")),
    }
}

fn too_deep(at: Pos) -> Problem {
    Problem::error(at, "", format!("nested deeper than {MAX_DEPTH} levels"))
}

struct Frame {
    pos: Pos,
    anchor: usize,
    weight: u64,
    depth: u32,
    kind: FrameKind,
}

enum FrameKind {
    List(Vec<Rc<Node>>),
    Map(MapFrame),
}

#[derive(Default)]
struct MapFrame {
    entries: Vec<Entry>,
    /// Where each key was first written.
    seen: HashMap<Rc<str>, Pos>,
    key: Key,
    merged: Vec<(Pos, Rc<Node>)>,
}

#[derive(Default)]
enum Key {
    /// The next value is a key.
    #[default]
    Wanted,
    Text(Rc<str>, Pos),
    Merge(Pos),
    /// The key was refused: its value is read and dropped.
    Refused,
}

#[derive(Default)]
struct Builder {
    problems: Problems,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: u32,
    spent: u64,
    merged: usize,
}

impl Builder {
    /// Takes one event; an error ends the reading.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = pos(span.start);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document starts here; a convoy file is one document";
                    return Err(Problem::error(at, "", message).with_hint("remove the line `---`"));
                }
                Ok(())
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(Problem::error(at, "", "this alias (*) stands inside its own anchor (&)"));
                };
                // Written out it would be this many values.
                let cost = node.weight;
                self.complete(node, 0, cost)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let mut quoted = style != ScalarStyle::Plain;
                if let Some(tag) = tag {
                    quoted = self.tag(&tag, at, quoted);
                }
                let value = Value::Scalar(Scalar { text: text.into_owned(), quoted });
                self.complete(Rc::new(Node { pos: at, value, weight: 1, depth: 1 }), anchor, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(at, anchor, tag.as_deref(), FrameKind::List(vec![]))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(at, anchor, tag.as_deref(), FrameKind::Map(MapFrame::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    /// Whether a tagged scalar is text; tags that YAML does not define are said to be ignored.
    fn tag(&mut self, tag: &Tag, at: Pos, quoted: bool) -> bool {
        match tag.core_suffix() {
            Some("str") => true,
            Some("int" | "float" | "bool" | "null") => false,
            Some(_) => quoted,
            None if tag.original() == "!" => true,
            None => {
                let message =
                    format!("the tag {} has no meaning here and is ignored", Shown(&tag.original()));
                self.problems.push(Problem::warning(at, place_in(&self.stack), message));
                quoted
            }
        }
    }

    fn open(&mut self, pos: Pos, anchor: usize, tag: Option<&Tag>, kind: FrameKind) -> Result<(), Problem> {
        if let Some(tag) = tag {
            self.tag(tag, pos, false);
        }
        if self.stack.len() >= MAX_DEPTH as usize {
            return Err(too_deep(pos));
        }
        self.stack.push(Frame { pos, anchor, weight: 1, depth: 1, kind });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(mut frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.kind {
            FrameKind::List(items) => Value::List(items),
            FrameKind::Map(mut map) => {
                for (at, source) in std::mem::take(&mut map.merged) {
                    self.merge(&mut map, &mut frame.weight, at, &source)?;
                }
                Value::Map(map.entries)
            }
        };
        let node = Node { pos: frame.pos, value, weight: frame.weight, depth: frame.depth };
        self.complete(Rc::new(node), frame.anchor, 1)
    }

    /// Puts a finished value where it belongs. `cost`: how many values it adds to those counted so far.
    fn complete(&mut self, node: Rc<Node>, anchor: usize, cost: u64) -> Result<(), Problem> {
        self.spend(cost, node.pos)?;
        if self.stack.len() as u64 + u64::from(node.depth) > u64::from(MAX_DEPTH) {
            return Err(too_deep(node.pos));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(top) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        top.depth = top.depth.max(node.depth + 1);
        match &mut top.kind {
            FrameKind::List(items) => {
                top.weight = top.weight.saturating_add(node.weight);
                items.push(node);
            }
            FrameKind::Map(map) => {
                let is_key = matches!(map.key, Key::Wanted);
                if !is_key {
                    top.weight = top.weight.saturating_add(node.weight);
                }
                let problem = if is_key { map.take_key(&node) } else { map.take_value(node) };
                if let Some(mut problem) = problem {
                    problem.path = self.path(&problem.path);
                    self.problems.push(problem);
                }
            }
        }
        Ok(())
    }

    /// The path of a key in the collection that is being read.
    fn path(&self, key: &str) -> String {
        let (top, outer) = match self.stack.split_last() {
            Some((top, outer)) => (Some(top), outer),
            None => (None, self.stack.as_slice()),
        };
        let mut path = place_in(outer);
        match top.map(|frame| &frame.kind) {
            Some(FrameKind::List(items)) => path.push_str(&format!("[{}]", items.len())),
            Some(FrameKind::Map(_)) if !path.is_empty() && !key.is_empty() => path.push('.'),
            _ => {}
        }
        path + key
    }

    fn spend(&mut self, cost: u64, at: Pos) -> Result<(), Problem> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > MAX_NODES {
            let message = format!("more than {MAX_NODES} values, aliases (*) counted as if written out");
            return Err(Problem::error(at, "", message));
        }
        Ok(())
    }

    /// Adds the entries of a merge key's value, those that are not written win.
    fn merge(&mut self, map: &mut MapFrame, weight: &mut u64, at: Pos, source: &Node) -> Result<(), Problem> {
        let mut path = place_in(&self.stack);
        path.push_str(if path.is_empty() { "<<" } else { ".<<" });
        let message = "the mapping behind `<<` is merged in; opencastle 0.27 ignored this key";
        self.problems.push(Problem::warning(at, &path, message));
        let several: &[Rc<Node>] = match &source.value {
            Value::List(items) => items,
            _ => &[],
        };
        for part in std::iter::once(source).chain(several.iter().map(Rc::as_ref)) {
            match &part.value {
                Value::Map(entries) => {
                    self.spend(part.weight, at)?;
                    self.merged += entries.len();
                    if self.merged > MAX_MERGED {
                        let message = format!("merge keys bring in more than {MAX_MERGED} keys");
                        return Err(Problem::error(at, &path, message));
                    }
                    for entry in entries {
                        if let Seen::Vacant(new) = map.seen.entry(Rc::clone(&entry.key)) {
                            new.insert(entry.key_pos);
                            *weight = weight.saturating_add(entry.value.weight);
                            map.entries.push(entry.clone());
                        }
                    }
                }
                Value::List(_) if std::ptr::eq(part, source) => {}
                _ => {
                    let message =
                        format!("`<<` merges a mapping or a list of mappings, found {}", part.found());
                    self.problems.push(Problem::error(part.pos, &path, message));
                }
            }
        }
        Ok(())
    }
}

/// The path of the value that these open collections are waiting for.
fn place_in(stack: &[Frame]) -> String {
    let mut path = String::new();
    for frame in stack {
        match &frame.kind {
            FrameKind::List(items) => path.push_str(&format!("[{}]", items.len())),
            FrameKind::Map(MapFrame { key: Key::Text(key, _), .. }) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(&PathKey(key).to_string());
            }
            FrameKind::Map(_) => {}
        }
    }
    path
}

impl MapFrame {
    fn take_key(&mut self, node: &Node) -> Option<Problem> {
        let Value::Scalar(scalar) = &node.value else {
            self.key = Key::Refused;
            return Some(Problem::error(node.pos, "", format!("a key must be text, found {}", node.found())));
        };
        if scalar.text == "<<" && !scalar.quoted {
            self.key = Key::Merge(node.pos);
            return None;
        }
        let key: Rc<str> = scalar.text.as_str().into();
        let first = *self.seen.entry(Rc::clone(&key)).or_insert(node.pos);
        if first == node.pos {
            self.key = Key::Text(key, node.pos);
            return None;
        }
        self.key = Key::Refused;
        let message = format!("duplicate key {}, first written in line {}", Shown(&key), first.line);
        Some(Problem::error(node.pos, PathKey(&key), message).with_hint("remove one of them"))
    }

    fn take_value(&mut self, value: Rc<Node>) -> Option<Problem> {
        match std::mem::take(&mut self.key) {
            Key::Text(key, key_pos) => self.entries.push(Entry { key, key_pos, value }),
            Key::Merge(at) => self.merged.push((at, value)),
            Key::Refused | Key::Wanted => {}
        }
        None
    }
}
