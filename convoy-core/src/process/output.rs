//! The streams a program prints to.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;

/// How much is read at once. A pipe holds no more than this by default; larger reads gain nothing.
pub(super) const CHUNK: usize = 64 * 1024;

/// How much may still be read once nothing of the program is left: more than any pipe holds, so that all it
/// printed is read, yet bounded if a stranger holds the pipe and goes on printing.
const REST: usize = 16 * 1024 * 1024;

/// One of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What to do after a piece of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// The program said that it is finished: give it this long to exit, then end it. A later answer can
    /// shorten the time but not lengthen it.
    EndWithin(Duration),
}

/// Takes what a program prints, as it comes. Called on the task that runs the program: it must not block.
pub trait Sink: Send {
    /// The program was started. `start_time` as in [`start_time`](super::start_time).
    fn started(&mut self, _pid: u32, _start_time: Option<u64>) {}

    /// A piece of at most 64 KiB; pieces end anywhere, also within a line or a character.
    fn output(&mut self, stream: Stream, chunk: &[u8]) -> Next;
}

/// The reading end of one stream.
#[derive(Debug)]
pub(super) struct Output {
    pipe: Option<Receiver>,
}

impl Output {
    /// Must be called within a tokio runtime that has its I/O driver enabled.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: Some(Receiver::from_owned_fd(fd)?) })
    }

    /// Completes when there may be something to read; never, once the stream has ended.
    pub(super) async fn readable(&self) {
        match &self.pipe {
            // An error shows up again in the read that follows.
            Some(pipe) => drop(pipe.readable().await),
            None => std::future::pending().await,
        }
    }

    /// Reads a piece if one is there.
    pub(super) fn read<'a>(&mut self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        match self.pipe.as_ref()?.try_read(buffer) {
            Ok(0) => self.pipe = None,
            Ok(n) => return Some(&buffer[..n]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // Reading a pipe fails in no other way; there is nothing more to have from it.
            Err(_) => self.pipe = None,
        }
        None
    }

    /// Reads what is in the pipe now, past tokio's notion of readiness, and closes it.
    pub(super) fn drain(&mut self, buffer: &mut [u8], mut each: impl FnMut(&[u8])) {
        let Some(pipe) = self.pipe.take() else { return };
        let mut total = 0;
        while total < REST {
            match rustix::io::read(pipe.as_fd(), &mut *buffer) {
                Ok(n) if n > 0 => {
                    each(&buffer[..n]);
                    total += n;
                }
                Err(rustix::io::Errno::INTR) => {}
                _ => return,
            }
        }
    }
}
