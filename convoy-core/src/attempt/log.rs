//! Where output goes: redacted into a log file, its end into memory.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::process::Tail;
use crate::secret::{Redactor, StreamRedactor, printable};

/// What is kept of an output in memory, from its start and from its end, in bytes.
const KEPT_HEAD: usize = 1024;
const KEPT_TAIL: usize = 7 * 1024;

/// Redacts a stream of output into a file and keeps its ends. Memory is bounded whatever is printed.
pub(super) struct Log {
    file: File,
    redactor: Option<StreamRedactor>,
    clean: Vec<u8>,
    tail: Tail,
    failed: Option<std::io::Error>,
}

impl Log {
    /// Opens the file for appending, with its folders. What it holds stays: an attempt that is repeated
    /// after a crash adds to its log.
    pub(super) fn open(path: &Path, redactor: &Redactor) -> std::io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            file,
            redactor: Some(redactor.stream()),
            clean: Vec::new(),
            tail: Tail::new(KEPT_HEAD, KEPT_TAIL),
            failed: None,
        })
    }

    /// Takes a piece of output and returns the redacted text that is ready to be shown.
    pub(super) fn push(&mut self, chunk: &[u8]) -> &[u8] {
        self.clean.clear();
        if let Some(redactor) = &mut self.redactor {
            redactor.push(chunk, &mut self.clean);
        }
        self.keep();
        &self.clean
    }

    /// Starts a new part of the log with a line of its own, for example the command that follows.
    pub(super) fn heading(&mut self, redactor: &Redactor, line: &str) {
        let line = format!("$ {}\n", redactor.redact(line));
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.failed.get_or_insert(error);
        }
    }

    /// Starts a new part of the log with a title, which is no command.
    pub(super) fn title(&mut self, redactor: &Redactor, line: &str) {
        let line = format!("==== {}\n", printable(&redactor.redact(line)));
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.failed.get_or_insert(error);
        }
    }

    fn keep(&mut self) {
        self.tail.push(&self.clean);
        if let (None, Err(error)) = (&self.failed, self.file.write_all(&self.clean)) {
            // The run goes on; the loss is told at its end.
            self.failed = Some(error);
        }
    }

    /// Writes what is held back. Returns the ends of the output, redacted and printable, and what kept a
    /// part of it from being written.
    pub(super) fn finish(mut self) -> (String, Option<std::io::Error>) {
        self.clean.clear();
        if let Some(redactor) = self.redactor.take() {
            redactor.finish(&mut self.clean);
        }
        self.keep();
        (printable(&self.tail.text()).into_owned(), self.failed)
    }
}

/// The end of a text, at most so many bytes, with a mark where something is missing.
pub fn last_bytes(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let mut from = text.len() - most;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    format!("[…]{}", &text[from..])
}
