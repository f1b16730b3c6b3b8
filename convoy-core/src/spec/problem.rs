//! What is wrong with a convoy file, and where.

use std::fmt;

/// A place in the text of a convoy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Pos {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// Whether a problem refuses the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted; the person should know.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One problem of a convoy file. Its text is `LINE:COLUMN: error|warning: PATH: MESSAGE`, followed by
/// the hint in parentheses where there is one; whoever knows the file's name puts it in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it refuses the file.
    pub severity: Severity,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The field, for example `tasks[3].timeout`; empty for the file as a whole.
    pub path: String,
    /// What was found and what is allowed.
    pub message: String,
    /// What the person can do, where the message alone does not say it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem that refuses the file.
    pub fn error(pos: Pos, path: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, pos, path, message)
    }

    /// A problem that does not refuse the file.
    pub fn warning(pos: Pos, path: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, pos, path, message)
    }

    fn new(severity: Severity, pos: Pos, path: impl fmt::Display, message: impl Into<String>) -> Self {
        let (line, column) = (pos.line, pos.column);
        Self { severity, line, column, path: path.to_string(), message: message.into(), hint: None }
    }

    /// The same problem with (another) hint; a second hint is put after the first.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.hint = Some(match self.hint {
            Some(first) => format!("{first}; {hint}"),
            None => hint,
        });
        self
    }

    /// Where it stands.
    pub fn pos(&self) -> Pos {
        Pos { line: self.line, column: self.column }
    }

    /// Whether it refuses the file.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: ", self.line, self.column, self.severity)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Collects problems. A broken file of millions of lines must not become gigabytes of messages, so
/// only so many are kept; the rest is counted.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    errors: Kept,
    warnings: Kept,
}

#[derive(Debug, Default)]
struct Kept {
    list: Vec<Problem>,
    dropped: usize,
    /// Where the first dropped one stands.
    from: Option<Pos>,
}

impl Kept {
    /// Most problems of a severity that are reported one by one.
    const MOST: usize = 10_000;

    fn all(mut self) -> Vec<Problem> {
        if let Some(mut last) = self.from.zip(self.list.last()).map(|(pos, last)| Problem {
            line: pos.line,
            column: pos.column,
            path: String::new(),
            hint: None,
            ..last.clone()
        }) {
            last.message = format!("and {} more {}s", self.dropped, last.severity);
            self.list.push(last);
        }
        self.list
    }
}

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        let kept = if problem.is_error() { &mut self.errors } else { &mut self.warnings };
        if kept.list.len() < Kept::MOST {
            kept.list.push(problem);
        } else {
            kept.dropped += 1;
            kept.from = kept.from.or(Some(problem.pos()));
        }
    }

    /// How many errors there are so far.
    pub(super) fn errors(&self) -> usize {
        self.errors.list.len() + self.errors.dropped
    }

    /// Adds a hint to the newest error, if that was kept.
    pub(super) fn hint_newest_error(&mut self, hint: impl Into<String>) {
        if self.errors.dropped == 0
            && let Some(newest) = self.errors.list.pop()
        {
            self.errors.list.push(newest.with_hint(hint));
        }
    }

    /// All, sorted by position, errors before warnings at the same place.
    pub(crate) fn sorted(self) -> Vec<Problem> {
        let mut all = self.errors.all();
        all.extend(self.warnings.all());
        all.sort_by_key(|p| (p.line, p.column));
        all
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        let mut problems = Self::default();
        problems.push(problem);
        problems
    }
}

/// A field path that is written out only when a problem needs it.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Key(parent, key) => {
                if !matches!(parent, Path::Root) {
                    write!(f, "{parent}.")?;
                }
                write!(f, "{}", PathKey(key))
            }
        }
    }
}

/// A key in a path: as it is when it is short and plain, else quoted, escaped and cut.
pub(super) struct PathKey<'a>(pub(super) &'a str);

impl fmt::Display for PathKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        match self.0 {
            "<<" => f.write_str("<<"),
            key if (1..=60).contains(&key.len()) && key.bytes().all(plain) => f.write_str(key),
            key => write!(f, "{}", Shown(key)),
        }
    }
}

/// A piece of the user's text inside a message: quoted, escaped, at most 60 characters.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(60) {
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_problem_is_position_severity_path_message_and_hint() {
        let at = Pos { line: 3, column: 7 };
        let tasks = Path::Key(&Path::Root, "tasks");
        let task = Path::Index(&tasks, 2);
        let problem =
            Problem::error(at, Path::Key(&task, "my key"), "is wrong").with_hint("a").with_hint("b");
        assert_eq!(problem.to_string(), "3:7: error: tasks[2].\"my key\": is wrong (a; b)");
        assert_eq!(Problem::warning(at, "", "odd").to_string(), "3:7: warning: odd");
        let long = "k".repeat(100);
        assert_eq!(Path::Key(&Path::Root, &long).to_string(), format!("{:?}…", &long[..60]));
    }

    #[test]
    fn beyond_ten_thousand_warnings_are_only_counted_and_hide_no_error() {
        let mut problems = Problems::default();
        for line in 1..=10_002 {
            problems.push(Problem::warning(Pos { line, column: 1 }, "", "odd"));
        }
        problems.push(Problem::error(Pos { line: 10_003, column: 1 }, "name", "bad"));
        assert_eq!(problems.errors(), 1);
        let last: Vec<String> = problems.sorted().iter().skip(10_000).map(Problem::to_string).collect();
        assert_eq!(last, ["10001:1: warning: and 2 more warnings", "10003:1: error: name: bad"]);
    }
}
