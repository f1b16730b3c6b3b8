//! Standard input: written while the output is read, so that neither side waits for the other for ever.

use std::io::{self, PipeReader};

use tokio::net::unix::pipe::Sender;

/// What is still to be written, and the pipe for it.
#[derive(Debug)]
pub(super) struct Input {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    pipe: Sender,
    /// The reading end is kept open here as well: a program that closes its input then leaves a full pipe,
    /// not a broken one, and no `SIGPIPE` reaches a host that has not switched it off.
    _reader: PipeReader,
    text: Vec<u8>,
    written: usize,
}

impl Input {
    /// Nothing to write.
    pub(super) fn none() -> Self {
        Self { open: None }
    }

    /// A pipe that will carry `text`, and the end for the program.
    pub(super) fn pipe(text: Vec<u8>) -> io::Result<(Self, PipeReader)> {
        let (reader, writer) = io::pipe()?;
        let theirs = reader.try_clone()?;
        let pipe = Sender::from_owned_fd(writer.into())?;
        Ok((Self { open: Some(Open { pipe, _reader: reader, text, written: 0 }) }, theirs))
    }

    /// Completes when more can be written; never, when there is nothing to write.
    pub(super) async fn writable(&self) {
        match &self.open {
            // An error shows up again in the write that follows.
            Some(open) => drop(open.pipe.writable().await),
            None => std::future::pending().await,
        }
    }

    /// Writes what the pipe takes; closes it after the last byte.
    pub(super) fn write(&mut self) {
        let Some(open) = &mut self.open else { return };
        match open.pipe.try_write(&open.text[open.written..]) {
            Ok(n) => open.written += n,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => open.written = open.text.len(),
        }
        if open.written == open.text.len() {
            self.close();
        }
    }

    /// Closes it, whatever is left to write.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}
