//! What is gathered from the output of an agent program, whatever its format.

use crate::process::{Status, Tail};
use crate::types::{Failure, SessionId, Usage};

use super::lines::Lines;

/// The longest end of what an agent said that is kept.
pub(super) const LONGEST_TEXT: usize = 64 * 1024;
/// The longest single JSON document.
pub(super) const LONGEST_DOCUMENT: usize = 16 * 1024 * 1024;
/// While a single document is not larger than this, it is tried whenever it may be complete.
const TRIED_EARLY: usize = 1024 * 1024;

/// What a run told about itself so far.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) session: Option<SessionId>,
    pub(super) usage: Usage,
    /// The final text, as the program names it.
    pub(super) result: Option<String>,
    /// Whether the program said that it is finished.
    pub(super) finished: bool,
    /// The failure that the program itself declared.
    pub(super) failure: Option<Failure>,
}

impl Facts {
    /// Takes a session id in the program's words; one that is no valid id is ignored.
    pub(super) fn set_session(&mut self, id: &str) {
        if let Ok(id) = SessionId::new(id) {
            self.session = Some(id);
        }
    }

    pub(super) fn set_result(&mut self, text: &str) {
        self.result = Some(last_bytes(text, LONGEST_TEXT).to_owned());
    }
}

/// Understands the JSON that one program prints.
pub(super) trait Dialect: Send {
    /// Takes one document. Returns whether it was JSON, and not merely text.
    fn document(&mut self, raw: &[u8], facts: &mut Facts) -> bool;

    /// Whether a run without a document that ends it has failed.
    fn needs_end(&self) -> bool;

    /// Whether documents count as text that the agent said, because none is known to name the text.
    fn documents_are_text(&self) -> bool {
        false
    }

    /// Tells more about a run that ended badly, from how it ended and the end of its error output.
    fn explain(&self, _status: Status, _errors: &str) -> Option<Failure> {
        None
    }
}

/// How output becomes documents.
pub(super) enum Shape {
    /// It does not.
    Text,
    /// All of it is one.
    Whole(Vec<u8>),
    /// Each line is one.
    Lines(Lines),
}

/// Reads the standard output of a program.
pub(super) struct Reader {
    shape: Shape,
    dialect: Box<dyn Dialect>,
    pub(super) facts: Facts,
    /// The end of what was printed as plain text.
    text: Tail,
}

impl Reader {
    pub(super) fn new(shape: Shape, dialect: Box<dyn Dialect>) -> Self {
        Self { shape, dialect, facts: Facts::default(), text: Tail::new(0, LONGEST_TEXT) }
    }

    pub(super) fn dialect(&self) -> &dyn Dialect {
        self.dialect.as_ref()
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        let Self { shape, dialect, facts, text } = self;
        match shape {
            Shape::Text => text.push(chunk),
            Shape::Lines(lines) => {
                lines.push(chunk, &mut |line| one_line(line, dialect.as_mut(), facts, text))
            }
            Shape::Whole(all) => {
                text.push(chunk);
                // One byte over the limit is kept, which tells that it was passed.
                let room = (LONGEST_DOCUMENT + 1).saturating_sub(all.len());
                all.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if dialect.needs_end() && all.len() <= TRIED_EARLY && all.trim_ascii_end().ends_with(b"}") {
                    dialect.document(all.trim_ascii(), facts);
                }
            }
        }
    }

    /// Takes what has no end of its own.
    pub(super) fn finish(&mut self) {
        let Self { shape, dialect, facts, text } = self;
        match shape {
            Shape::Text => {}
            Shape::Lines(lines) => lines.finish(&mut |line| one_line(line, dialect.as_mut(), facts, text)),
            Shape::Whole(all) if facts.finished || all.len() > LONGEST_DOCUMENT => {}
            Shape::Whole(all) => {
                *facts = Facts::default();
                // Programs print a notice in front of their document, or behind it.
                let whole = all.trim_ascii();
                let last = whole.rsplit(|byte| *byte == b'\n').find(|line| line.starts_with(b"{"));
                let open = whole.iter().position(|byte| *byte == b'{').map(|at| &whole[at..]);
                for part in [Some(whole), last, open].into_iter().flatten() {
                    if dialect.document(part, facts) {
                        break;
                    }
                }
            }
        }
    }

    /// What was left out because it was too large to be understood, if anything.
    pub(super) fn left_out(&self) -> Option<String> {
        match &self.shape {
            Shape::Lines(lines) if lines.skipped() > 0 => {
                Some(format!("{} lines of more than 2 MiB were not looked at", lines.skipped()))
            }
            Shape::Whole(all) if all.len() > LONGEST_DOCUMENT => {
                Some("it printed more than 16 MiB where one JSON document was expected".to_owned())
            }
            _ => None,
        }
    }

    /// The end of what was printed as plain text.
    pub(super) fn text(&self) -> String {
        without_cut(&self.text)
    }
}

fn one_line(line: &[u8], dialect: &mut dyn Dialect, facts: &mut Facts, text: &mut Tail) {
    if !dialect.document(line, facts) || dialect.documents_are_text() {
        text.push(line);
        text.push(b"\n");
    }
}

/// The end of a tail, without the note that says what is missing in front.
pub(super) fn without_cut(tail: &Tail) -> String {
    let text = tail.text();
    match (tail.omitted(), text.split_once(" bytes left out ...]\n")) {
        (1.., Some((_, rest))) => rest.to_owned(),
        _ => text,
    }
}

/// The end of a text, at most `len` bytes, whole characters.
pub(super) fn last_bytes(text: &str, len: usize) -> &str {
    let from = text.len().saturating_sub(len);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[from..]
}

/// The beginning of a text as one line for a message, at most 600 characters.
pub(super) fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(600) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line,
    }
}
