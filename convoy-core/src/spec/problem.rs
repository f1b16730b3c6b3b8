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

/// Sorts by position, errors before warnings at the same place; otherwise in the order of finding.
pub(crate) fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|p| (p.line, p.column, p.severity));
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
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                if !key.is_empty() && key.bytes().all(plain) {
                    f.write_str(key)
                } else {
                    write!(f, "{}", Shown(key))
                }
            }
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
    }
}
