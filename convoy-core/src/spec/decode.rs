//! Text to a typed [`Spec`].

use super::convoy;
use super::model::Spec;
use super::places::Places;
use super::problem::{Path, Pos, Problem, Problems};
use super::table::CONVOY;
use super::tree::Node;
use super::walk::Walker;
use super::yaml;

/// Largest convoy file in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What became of a convoy file.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The typed spec; `None` when there is an error among the problems.
    pub spec: Option<Spec>,
    /// Every problem, sorted by position.
    pub problems: Vec<Problem>,
}

/// A spec as far as it can be read, with the places of what later checks talk about.
#[derive(Debug)]
pub(crate) struct Draft {
    /// `None` when not even the top level is a mapping.
    pub(crate) spec: Option<Spec>,
    pub(crate) places: Places,
    /// In the order of finding.
    pub(crate) problems: Problems,
}

/// Decodes the text of a convoy file and checks everything that can be checked field by field. What
/// concerns several tasks (cycles, overlapping partitions, unknown dependencies) is found by
/// [`crate::plan::check()`], which includes this.
///
/// The text may start with a byte order mark, use any line ends, or be JSON. It is bounded: at most
/// [`MAX_BYTES`], 100 levels of nesting, four million values with aliases written out.
pub fn decode(text: &str) -> Decoded {
    draft(text).finish()
}

/// [`decode`] for the bytes of a file, which must be UTF-8.
pub fn decode_bytes(bytes: &[u8]) -> Decoded {
    match text_of(bytes) {
        Ok(text) => decode(text),
        Err(problem) => Decoded { spec: None, problems: vec![problem] },
    }
}

/// The text of a file.
///
/// # Errors
/// A problem with the place of the first byte that is not UTF-8, or about the size.
pub(crate) fn text_of(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large(bytes.len()));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::error(Pos::START, "", "is UTF-16 text").with_hint("save the file as UTF-8"));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let message = format!("is not UTF-8 text: the byte {byte:#04x} stands here");
        Problem::error(end_of(&good), "", message).with_hint("save the file as UTF-8")
    })
}

fn too_large(len: usize) -> Problem {
    let message = format!("has {len} bytes; a convoy file has at most {MAX_BYTES} (16 MiB)");
    Problem::error(Pos::START, "", message)
}

/// The place behind the last character.
fn end_of(text: &str) -> Pos {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let last = lines.rsplit('\n').next().unwrap_or_default();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
    Pos { line: count(lines.matches('\n').count()), column: count(last.chars().count()) }
}

pub(crate) fn draft(text: &str) -> Draft {
    if text.len() > MAX_BYTES {
        return Draft::broken(too_large(text.len()).into());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, mut problems) = yaml::parse(text);
    let Some(root) = root.filter(|root| root.meaning() != Some(super::tree::Meaning::Null)) else {
        if problems.errors() == 0 {
            let message = "the file is empty; a convoy has at least `name` and `tasks`";
            problems.push(Problem::error(Pos::START, "", message));
        }
        return Draft::broken(problems);
    };
    draft_of(&root, problems)
}

/// Makes a spec of a tree whose reading found these problems.
pub(super) fn draft_of(root: &Node, problems: Problems) -> Draft {
    let mut walker = Walker::new(problems);
    let record = walker.record(&CONVOY, root, &Path::Root);
    let (problems, unsupported) = walker.finish();
    match record {
        Some(record) => {
            let mut maker = convoy::Maker { problems, unsupported };
            let (mut spec, places) = maker.convoy(&record, root);
            spec.unsupported = maker.unsupported;
            Draft { spec: Some(spec), places, problems: maker.problems }
        }
        None => Draft::broken(problems),
    }
}

impl Draft {
    /// Nothing could be read.
    pub(super) fn broken(problems: Problems) -> Self {
        Self { spec: None, places: Places::default(), problems }
    }

    fn finish(self) -> Decoded {
        let problems = self.problems.sorted();
        let broken = problems.iter().any(Problem::is_error);
        Decoded { spec: self.spec.filter(|_| !broken), problems }
    }
}
