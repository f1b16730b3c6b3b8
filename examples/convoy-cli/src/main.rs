//! The `convoy` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    convoy_cli::main()
}
