//! Running a program whose output is an answer.

use tokio_util::sync::CancellationToken;

use super::{Command, Exit, Limits, Next, ProcessError, Sink, Stream, run};

/// What a program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// How it ended.
    pub exit: Exit,
    /// The first bytes of its standard output.
    pub stdout: Vec<u8>,
    /// The first bytes of its standard error.
    pub stderr: Vec<u8>,
    /// Whether either stream was longer than what is kept.
    pub truncated: bool,
}

/// [`run`]s a program and keeps what it prints: at most `max_bytes` of each stream, from the start. What goes
/// beyond is read and dropped, so the program ends as it would have; `truncated` then says so.
///
/// # Errors
/// As [`run`].
pub async fn capture(
    command: Command,
    limits: &Limits,
    cancel: &CancellationToken,
    max_bytes: usize,
) -> Result<Captured, ProcessError> {
    let mut kept = Kept { stdout: Vec::new(), stderr: Vec::new(), max_bytes, truncated: false };
    let exit = run(command, limits, cancel, &mut kept).await?;
    let Kept { stdout, stderr, truncated, .. } = kept;
    Ok(Captured { exit, stdout, stderr, truncated })
}

struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    max_bytes: usize,
    truncated: bool,
}

impl Sink for Kept {
    fn output(&mut self, stream: Stream, chunk: &[u8]) -> Next {
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = self.max_bytes.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        self.truncated |= chunk.len() > room;
        Next::Continue
    }
}
