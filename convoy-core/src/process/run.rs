//! Following one program from its start until nothing of it is left.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Status, Stopped};
use super::input::Input;
use super::leader::Leader;
use super::output::{CHUNK, Next, Output, Sink, Stream};
use super::spawn::{Started, spawn};
use super::{Command, Limits, ProcessError};

/// How often what is left is looked at: at first, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(50);

/// A longer grace is cut to this, so that times stay within what a clock can count.
const LONGEST_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a killed process may take to vanish.
const VANISH: Duration = Duration::from_secs(30);

/// Runs a program to its end.
///
/// Returns when nothing of its tree is left (see the [module](super)). On the deadline, on silence, on
/// cancellation and when the program does not exit after [`Next::EndWithin`], the tree gets `TERM`, after
/// `limits.grace` `KILL`, again until it is gone. What the program leaves behind when it ends of itself is ended
/// in the same way. All it printed has then been given to `sink`.
///
/// Dropping the future kills the tree at once.
///
/// # Errors
/// [`ProcessError`] when the program could not be started or followed. Every end of the program, also by a
/// signal, is an [`Exit`].
pub async fn run(
    command: Command,
    limits: &Limits,
    cancel: &CancellationToken,
    sink: &mut dyn Sink,
) -> Result<Exit, ProcessError> {
    if cancel.is_cancelled() {
        return Err(ProcessError::NotStarted { program: command.program });
    }
    let started = spawn(command).await?;
    sink.started(started.leader.id(), started.leader.tree.born());
    follow(started, *limits, cancel, sink).await
}

/// Follows a started program to its end.
pub(super) async fn follow(
    started: Started,
    limits: Limits,
    cancel: &CancellationToken,
    sink: &mut dyn Sink,
) -> Result<Exit, ProcessError> {
    Run::new(started, limits, sink).follow(cancel).await
}

struct Run<'a> {
    leader: Leader,
    stdin: Input,
    stdout: Output,
    stderr: Output,
    sink: &'a mut dyn Sink,
    buffer: Vec<u8>,
    limits: Limits,
    began: Instant,
    phase: Phase,
    stopped: Option<Stopped>,
    left_behind: usize,
    /// Set once the program has ended; its status once it has been reaped.
    ended: bool,
    status: Option<Status>,
}

/// What is being waited for.
enum Phase {
    Running {
        last_output: Instant,
        /// When silence is looked at next: not moved by every piece of output.
        idle_look: Option<Instant>,
        end_by: Option<Instant>,
    },
    Ending {
        kill_at: Instant,
        killed: bool,
        /// Set once the program itself has ended.
        look: Option<Instant>,
        pause: Duration,
    },
}

impl<'a> Run<'a> {
    fn new(started: Started, limits: Limits, sink: &'a mut dyn Sink) -> Self {
        let Started { leader, stdin, stdout, stderr } = started;
        let now = Instant::now();
        let idle_look = limits.idle.and_then(|idle| now.checked_add(idle));
        let phase = Phase::Running { last_output: now, idle_look, end_by: None };
        Self {
            leader,
            stdin,
            stdout,
            stderr,
            sink,
            buffer: vec![0; CHUNK],
            limits,
            began: now,
            phase,
            stopped: None,
            left_behind: 0,
            ended: false,
            status: None,
        }
    }

    async fn follow(mut self, cancel: &CancellationToken) -> Result<Exit, ProcessError> {
        let mut timer = pin!(tokio::time::sleep_until(self.began));
        let mut set_for = None;
        loop {
            let wake = self.wake();
            if wake != set_for {
                set_for = wake;
                if let Some(wake) = wake {
                    timer.as_mut().reset(wake);
                }
            }
            // A program that floods us must not keep other tasks of this thread waiting.
            tokio::task::consume_budget().await;
            let over = tokio::select! {
                () = cancel.cancelled(), if self.is_running() => self.stop(Stopped::Cancelled),
                () = &mut timer, if wake.is_some() => self.on_time()?,
                ended = self.leader.ended(), if !self.ended => {
                    ended.map_err(|source| self.lost(source))?;
                    self.on_end()?
                }
                () = self.stdout.readable() => self.read(Stream::Stdout),
                () = self.stderr.readable() => self.read(Stream::Stderr),
                () = self.stdin.writable() => self.write(),
            };
            if over {
                return self.finish();
            }
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// When there is something to do even if nothing happens.
    fn wake(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Running { idle_look, end_by, .. } => {
                [self.deadline(), *idle_look, *end_by].into_iter().flatten().min()
            }
            Phase::Ending { kill_at, killed, look, .. } => {
                let next = if *killed { look.unwrap_or(*kill_at + VANISH) } else { *kill_at };
                Some(look.map_or(next, |look| look.min(next)))
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.limits.deadline.and_then(|deadline| self.began.checked_add(deadline))
    }

    /// A time came. True when nothing is left.
    fn on_time(&mut self) -> Result<bool, ProcessError> {
        let now = Instant::now();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let deadline = self.deadline();
        let Phase::Running { last_output, idle_look, end_by } = &mut self.phase else {
            return self.look(now);
        };
        if due(*end_by) {
            return Ok(self.stop(Stopped::AfterEnd));
        }
        if due(deadline) {
            return Ok(self.stop(Stopped::Deadline));
        }
        if due(*idle_look) {
            *idle_look = self.limits.idle.and_then(|idle| last_output.checked_add(idle));
            if due(*idle_look) {
                return Ok(self.stop(Stopped::Idle));
            }
        }
        Ok(false)
    }

    /// The program has ended. True when nothing is left of it.
    fn on_end(&mut self) -> Result<bool, ProcessError> {
        self.ended = true;
        self.stdin.close();
        if !self.leader.tree.sees_members() {
            self.reap()?;
        }
        if self.is_running() {
            let left = self.leader.tree.left();
            if left.is_empty() {
                return Ok(true);
            }
            self.left_behind = left.len();
            self.begin_ending();
        }
        // Nobody is there any more to end what was started since.
        self.leader.tree.terminate();
        self.look(Instant::now())
    }

    /// Begins to end the program. Never the end yet: returns false.
    fn stop(&mut self, why: Stopped) -> bool {
        self.stopped = Some(why);
        self.begin_ending();
        false
    }

    /// `TERM` to everything there is.
    fn begin_ending(&mut self) {
        self.leader.tree.terminate();
        let kill_at = Instant::now() + self.limits.grace.min(LONGEST_GRACE);
        self.phase = Phase::Ending { kill_at, killed: false, look: None, pause: FIRST_LOOK };
    }

    /// Looks what is left, and kills it when its time is over. True when nothing is left.
    fn look(&mut self, now: Instant) -> Result<bool, ProcessError> {
        let Phase::Ending { kill_at, killed, look, pause } = &mut self.phase else { return Ok(false) };
        let kill = now >= *kill_at;
        let left = if kill { self.leader.tree.kill() } else { self.leader.tree.left() };
        if self.ended && left.is_empty() {
            return Ok(true);
        }
        *killed |= kill;
        if now >= *kill_at + VANISH {
            let mut pids: Vec<u32> = left.iter().map(|process| process.pid.unsigned_abs()).collect();
            if !self.ended {
                pids.insert(0, self.leader.id());
            }
            return Err(ProcessError::Unkillable { pids });
        }
        // Until the program itself has ended, that is what wakes us; after that, only looking does.
        if self.ended || *killed {
            *look = now.checked_add(*pause);
            *pause = (*pause * 2).min(LAST_LOOK);
        }
        Ok(false)
    }

    fn read(&mut self, stream: Stream) -> bool {
        let output = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let Some(chunk) = output.read(&mut self.buffer) else { return false };
        let next = self.sink.output(stream, chunk);
        if let Phase::Running { last_output, end_by, .. } = &mut self.phase {
            *last_output = Instant::now();
            if let Next::EndWithin(time) = next {
                let at = last_output.checked_add(time);
                *end_by = [*end_by, at].into_iter().flatten().min();
            }
        }
        false
    }

    fn write(&mut self) -> bool {
        self.stdin.write();
        false
    }

    fn reap(&mut self) -> Result<Status, ProcessError> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let status = self.leader.reap().map_err(|source| self.lost(source))?;
        self.status = Some(status);
        Ok(status)
    }

    /// Nothing is left: takes what it had printed, and its status.
    fn finish(mut self) -> Result<Exit, ProcessError> {
        let sink = &mut *self.sink;
        for (stream, output) in [(Stream::Stdout, &mut self.stdout), (Stream::Stderr, &mut self.stderr)] {
            output.drain(&mut self.buffer, |chunk| {
                sink.output(stream, chunk);
            });
        }
        if self.leader.tree.sees_members() {
            // Whatever slipped into the group between the look and now; the group is still ours.
            self.leader.tree.kill_group();
        }
        let status = self.reap()?;
        Ok(Exit {
            status,
            stopped: self.stopped,
            killed: matches!(self.phase, Phase::Ending { killed: true, .. }),
            left_behind: self.left_behind,
            elapsed: self.began.elapsed(),
        })
    }

    fn lost(&self, source: std::io::Error) -> ProcessError {
        ProcessError::Lost { pid: self.leader.id(), source }
    }
}
