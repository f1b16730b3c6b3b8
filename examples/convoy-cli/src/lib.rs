//! The command line host of the Convoy engine: the program `convoy`, as a library so that another
//! program can be it, too.
//!
//! It is a host like any other: it parses what was typed, passes its environment on, shows events and
//! turns Ctrl-C into an interrupt. Everything else is `convoy-core`.
#![forbid(unsafe_code)]

mod app;
mod args;
mod commands;
mod demo;
mod drive;
mod exit;
mod host;
mod output;
mod render;
mod signals;
#[cfg(test)]
mod testing;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::app::App;
use crate::args::Args;
use crate::exit::{Exit, Failure};
use crate::host::Host;

/// Runs the program with the arguments, environment, working directory and terminal of this process.
///
/// The exit code is 0 when it did what was asked; 1 when a convoy ended and a task is not done; 2 for a
/// wrong call or spec; 3 when the engine failed; 4 when another engine runs the convoy; 5 when all is done
/// but not published; 130 when a signal ended it.
pub fn main() -> ExitCode {
    match Host::of_process() {
        Ok(host) => run(std::env::args_os(), host).into(),
        Err(failure) => {
            host::process_output(&std::collections::BTreeMap::new())
                .note(format!("convoy: {}", failure.message));
            failure.exit.into()
        }
    }
}

fn run(arguments: impl Iterator<Item = OsString>, host: Host) -> Exit {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to standard output, mistakes to standard error. When neither can be
            // written there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    let json = args.command.wants_json();
    let out = host::process_output(&host.env);
    let mut app = App::new(host, args.place, out);
    let exit = match execute(&mut app, args.command) {
        Ok(exit) => exit,
        Err(failure) => report(&mut app, &failure, json),
    };
    match app.out.finish() {
        Ok(()) => exit,
        Err(error) => {
            app.out.note(format!("convoy: cannot write the output: {error}"));
            if exit == Exit::Success { Exit::Engine } else { exit }
        }
    }
}

fn execute(app: &mut App, command: args::Command) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io("start a runtime", error))?;
    runtime.block_on(async {
        let result = commands::execute(app, command).await;
        // Who asked twice to end does not want to wait for anything.
        if !result.as_ref().is_err_and(Failure::is_killed) {
            app.close().await;
        }
        result
    })
}

/// Says once what failed: to people on standard error, to programs as the last line of the output.
fn report(app: &mut App, failure: &Failure, json: bool) -> Exit {
    app.out.note(format!("convoy: {}", render::safe(&failure.message)));
    if json {
        app.out.json_line(&serde_json::json!({
            "type": "error",
            "kind": failure.kind,
            "message": failure.message,
            "exit_code": failure.exit.code(),
        }));
    }
    failure.exit
}
