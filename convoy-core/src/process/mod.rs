//! Runs a program in a group of its own: bounded streamed output, deadlines, the whole tree killed.
//!
//! [`run`] starts a [`Command`], hands its output to a [`Sink`] as it comes and returns only when nothing of
//! it is left: neither the program, nor its children, nor (on Linux) what left its group or its session.
//! [`capture`] is the same for programs whose output is an answer to be kept, up to a bound.
//!
//! **What belongs to a program** ("its tree"): every process of its group, every descendant, and every process
//! whose environment holds the mark this run put there. The mark survives a double fork and `setsid`. Outside
//! Linux, or without `/proc`, the tree is the group alone.
//!
//! **After a crash** of the engine, [`survivors`] finds by [`COOKIE`] what it left running, and [`end`] ends it.
//!
//! Programs are started without `pre_exec`, so that the standard library takes its `posix_spawn` path: the cost
//! does not grow with the memory of the host. Everything here must run within a tokio runtime that has its
//! I/O and time drivers enabled. No signal handler is installed, and a program that closes its standard input
//! early never raises `SIGPIPE` in the host.

mod capture;
mod command;
mod error;
mod exit;
mod input;
mod leader;
mod output;
mod procfs;
mod run;
mod spawn;
mod survivors;
mod tail;
#[cfg(test)]
mod tests;
mod tree;

pub use capture::{Captured, capture};
pub use command::{COOKIE, Command, Limits};
pub use error::ProcessError;
pub use exit::{Exit, Status, Stopped};
pub use output::{Next, Sink, Stream};
pub use procfs::{boot_id, is_running, start_time};
pub use run::run;
pub use survivors::{Survivor, end, survivors, wait_gone};
pub use tail::Tail;
