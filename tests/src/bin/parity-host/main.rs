//! The native host of the parity tests: does what a job says, through the traits and types of the core.
//!
//! ```text
//! parity-host JOB    prints one JSON object a line: events, what its parts were asked, what became of its calls
//! ```
//!
//! `tests/parity/host.c`, `host.py` and `host.js` do the same jobs in other languages; what the words of a job mean stands
//! in `tests/parity/main.rs`. Only this one is written without the C interface, and says what the others must say.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a program of the tests that prints, runs programs and waits"
)]

mod adapter;
mod answers;
mod code;
mod drive;
mod job;
mod parts;
mod steps;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(job) = std::env::args_os().nth(1) else {
        eprintln!("usage: parity-host JOB");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(drive::run(job.as_ref()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parity-host: {error}");
            ExitCode::FAILURE
        }
    }
}
