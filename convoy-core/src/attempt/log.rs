//! Where output goes: redacted into a log file, its end into memory.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::agent::AgentSink;
use crate::process::{Next, Sink, Stream, Tail};
use crate::secret::{EscapeFilter, Redactor, StreamRedactor};
use crate::types::SessionId;

/// What is kept of an output in memory, from its start and from its end, in bytes.
const KEPT_HEAD: usize = 1024;
const KEPT_TAIL: usize = 7 * 1024;

/// Redacts a stream of output into a file, without its escape sequences, and keeps its ends. Memory is bounded whatever
/// is printed.
pub(super) struct Log {
    file: File,
    redactor: Redactor,
    /// What the output goes through, until its end.
    filters: Option<(EscapeFilter, StreamRedactor)>,
    plain: Vec<u8>,
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
            redactor: redactor.clone(),
            filters: Some((EscapeFilter::default(), redactor.stream())),
            plain: Vec::new(),
            clean: Vec::new(),
            tail: Tail::new(KEPT_HEAD, KEPT_TAIL),
            failed: None,
        })
    }

    /// Takes a piece of output and returns the redacted text that is ready to be shown.
    pub(super) fn push(&mut self, chunk: &[u8]) -> &[u8] {
        self.clean.clear();
        if let Some((escapes, secrets)) = &mut self.filters {
            self.plain.clear();
            escapes.push(chunk, &mut self.plain);
            secrets.push(&self.plain, &mut self.clean);
        }
        self.keep();
        &self.clean
    }

    /// Starts a new part of the log with a line of its own, for example the command that follows.
    pub(super) fn heading(&mut self, line: &str) {
        let line = format!("$ {}\n", self.redactor.clean(line));
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.failed.get_or_insert(error);
        }
    }

    /// Starts a new part of the log with a title, which is no command.
    pub(super) fn title(&mut self, line: &str) {
        let line = format!("==== {}\n", self.redactor.clean(line));
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
        if let Some((escapes, mut secrets)) = self.filters.take() {
            self.plain.clear();
            escapes.finish(&mut self.plain);
            secrets.push(&self.plain, &mut self.clean);
            secrets.finish(&mut self.clean);
        }
        self.keep();
        (self.redactor.clean(&self.tail.text()), self.failed)
    }
}

/// A log that everything goes to, whoever prints it.
pub(super) struct ToLog(pub(super) Log);

impl Sink for ToLog {
    fn output(&mut self, _stream: Stream, chunk: &[u8]) -> Next {
        self.0.push(chunk);
        Next::Continue
    }
}

impl AgentSink for ToLog {
    fn started(&mut self, _pid: u32, _start_time: Option<u64>) {}

    fn output(&mut self, _stream: Stream, chunk: &[u8]) {
        self.0.push(chunk);
    }

    fn session(&mut self, _id: &SessionId) {}
}

/// The end of a text, at most so many bytes, of them a mark where something is missing.
pub fn last_bytes(text: String, most: usize) -> String {
    const MARK: &str = "[…]";
    if text.len() <= most {
        return text;
    }
    let from = text.ceil_char_boundary(text.len() - most.saturating_sub(MARK.len()));
    format!("{MARK}{}", &text[from..])
}
