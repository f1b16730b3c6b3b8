//! Processes that outlive the agent, or try to.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// In a session of its own: starts [`STAY`] and goes, so that nobody is the parent of what stays.
const DETACH: &str = "--detach";

/// Writes its process id to a file and stays.
const STAY: &str = "--stay";

/// Between two looks at a file.
const PAUSE: Duration = Duration::from_millis(5);

/// A test that failed must not leave programs for ever.
const LOOKS: u32 = 10 * 60 * 200;

pub(crate) fn is_role(arg: &str) -> bool {
    arg == DETACH || arg == STAY
}

/// The whole life of a background process.
pub(crate) fn run(role: &str, args: &[String]) -> ExitCode {
    let done = match role {
        DETACH => {
            rustix::process::setsid().map_err(Into::into).and_then(|_| start(STAY, args, false)).map(drop)
        }
        _ => stay(args),
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn stay(args: &[String]) -> io::Result<()> {
    let _deaf = if args.iter().any(|arg| arg == "ignore-term") { Some(ignore_term()?) } else { None };
    let path = Path::new(args.first().ok_or(io::ErrorKind::InvalidInput)?);
    // All of it at once: who waits for the file reads it.
    let new = path.with_extension("new");
    std::fs::write(&new, format!("{}\n", std::process::id()))?;
    std::fs::rename(new, path)?;
    hang();
    Ok(())
}

/// A grandchild in a session of its own, without a parent. Its process id is in `file` when this returns.
pub(crate) fn daemonize(file: &str, ignore_term: bool, quiet: bool) -> Result<(), String> {
    let args = arguments(file, ignore_term);
    let run = || -> io::Result<()> { start(DETACH, &args, quiet)?.wait().map(drop) };
    run().map_err(|error| format!("no daemon: {error}"))?;
    wait_for(file)
}

/// A child in this group. Its process id is in `file` when this returns.
pub(crate) fn leave_behind(file: &str, ignore_term: bool, quiet: bool) -> Result<(), String> {
    start(STAY, &arguments(file, ignore_term), quiet).map_err(|error| format!("no child: {error}"))?;
    wait_for(file)
}

fn arguments(file: &str, ignore_term: bool) -> Vec<String> {
    let mut args = vec![file.to_owned()];
    args.extend(ignore_term.then(|| "ignore-term".to_owned()));
    args
}

#[expect(clippy::disallowed_methods, reason = "this program starts itself")]
fn start(role: &str, args: &[String], quiet: bool) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role).args(args).stdin(Stdio::null());
    if quiet {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    command.spawn()
}

/// From now on `TERM` does nothing, also after what is returned is dropped.
pub(crate) fn ignore_term() -> io::Result<Signal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _within = runtime.enter();
    signal(SignalKind::terminate())
}

/// Waits until a file exists.
pub(crate) fn wait_for(file: &str) -> Result<(), String> {
    for _ in 0..LOOKS {
        if Path::new(file).exists() {
            return Ok(());
        }
        pause();
    }
    Err(format!("`{file}` never came"))
}

/// Does nothing, as good as for ever.
pub(crate) fn hang() {
    (0..LOOKS).for_each(|_| pause());
}

pub(crate) fn linger_if(lingers: bool) {
    if lingers {
        hang();
    }
}

#[expect(clippy::disallowed_methods, reason = "an agent that dawdles is what the tests need")]
fn pause() {
    std::thread::sleep(PAUSE);
}
