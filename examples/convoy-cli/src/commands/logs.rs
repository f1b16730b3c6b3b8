//! `logs`: what an agent printed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use convoy_core::types::{AttemptNo, TaskId};

use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::output::Out;
use crate::render::{quoted, safe, safe_line};

/// Longest piece that is held at once, in bytes: a log may be one endless line.
const PIECE: u64 = 64 * 1024;

/// Prints the log of an attempt, free of what could drive a terminal.
pub(super) async fn logs(
    app: &mut App,
    task: &TaskId,
    wanted: Option<&str>,
    attempt: Option<u32>,
) -> Result<Exit, Failure> {
    let (engine, id) = app.convoy(wanted).await?;
    let path = engine.log_path(&id, task, attempt.map(AttemptNo)).await?;
    let failed = |error: std::io::Error| Failure::io(format!("read the log {}", path.display()), error);
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let show = app.hints().line(&format!("show {} --convoy {id}", quoted(task.as_str())));
            let text = format!(
                "there is no log of task {}: its agent was not started or printed nothing; `{show}` tells what happened",
                safe_line(task.as_str())
            );
            return Err(Failure { kind: "not_found", ..Failure::usage(text) });
        }
        opened => opened.map_err(failed)?,
    };
    copy(&mut BufReader::new(file), &mut app.out).map_err(failed)?;
    Ok(Exit::Success)
}

fn copy(log: &mut impl BufRead, out: &mut Out) -> Result<(), std::io::Error> {
    let mut piece = Vec::new();
    loop {
        piece.clear();
        log.by_ref().take(PIECE).read_until(b'\n', &mut piece)?;
        if piece.is_empty() || out.is_closed() {
            return Ok(());
        }
        out.text(&safe(&String::from_utf8_lossy(&piece)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Captured, failing};

    #[test]
    fn a_log_is_printed_whole_and_without_controls() {
        let long = "x".repeat(200_000);
        let log = format!("one\u{1b}[31m red\n{long}\nlast\u{7}");
        let (mut out, captured) = Captured::out();
        copy(&mut log.as_bytes(), &mut out).expect("copied");
        assert_eq!(captured.stdout(), format!("one red\n{long}\nlast\u{fffd}"));
    }

    #[test]
    fn nothing_more_is_read_once_the_reader_went_away() {
        let mut log = "one\ntwo\nthree\n".as_bytes();
        copy(&mut log, &mut failing(std::io::ErrorKind::BrokenPipe)).expect("no error");
        assert_eq!(log, b"three\n");
    }
}
