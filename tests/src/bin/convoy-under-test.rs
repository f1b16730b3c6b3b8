//! The program `convoy`, built with the tests so that they run the one they were built from.

use std::process::ExitCode;

fn main() -> ExitCode {
    convoy_cli::main()
}
