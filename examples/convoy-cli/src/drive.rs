//! A run from its start to its end: events shown as they come, signals passed on, the result last.

use std::future::Future;
use std::time::Duration;

use convoy_core::clock::{Clock, SystemClock};
use convoy_core::engine::{Engine, Outcome, Run, RunEvent};
use convoy_core::error::Error;
use convoy_core::event::{EventRecord, RequestKind};
use convoy_core::process;
use indicatif::ProgressDrawTarget;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::host::cursor_home;
use crate::output::Out;
use crate::render::{
    Board, Hints, Live, count, duration, notable, retention_lines, safe_line, summary_lines,
};
use crate::signals::{Signals, killed};

/// How often the live display is redrawn.
const REDRAW: Duration = Duration::from_millis(200);

/// Begins a run and follows it to its end.
pub(crate) async fn drive(
    app: &mut App,
    engine: &Engine,
    begin: impl Future<Output = Result<Run, Error>>,
    json: bool,
) -> Result<Exit, Failure> {
    let mut signals = Signals::install()?;
    let result = to_the_end(app, &mut signals, begin, json).await;
    if !result.as_ref().is_err_and(Failure::is_killed) {
        signals.through_first(engine.shutdown()).await?;
    }
    for line in engine.last_retention().iter().flat_map(retention_lines) {
        app.out.note(line);
    }
    result
}

async fn to_the_end(
    app: &mut App,
    signals: &mut Signals,
    begin: impl Future<Output = Result<Run, Error>>,
    json: bool,
) -> Result<Exit, Failure> {
    let run = signals.through_first(begin).await?.map_err(Failure::before)?;
    let hints = app.hints();
    let mut screen = Screen::new(&mut app.out, &run, json);
    let followed = follow(&run, signals, &mut screen).await;
    screen.clear();
    let outcome = match followed {
        Ok(outcome) => outcome?,
        Err(killed) => {
            // The engine's own way of ending them was too slow for the person.
            process::end(process::survivors(run.id().as_str()), Duration::ZERO).await;
            return Err(killed);
        }
    };
    let exit = Exit::of_run(outcome.ended, &outcome.view);
    screen.result(&outcome, exit, &hints);
    Ok(exit)
}

/// Shows events until the last, and answers what became of the run. Fails at the second signal.
async fn follow(
    run: &Run,
    signals: &mut Signals,
    screen: &mut Screen<'_>,
) -> Result<Result<Outcome, Error>, Failure> {
    screen.begin(run);
    if let Some(signal) = signals.seen() {
        interrupt(run, screen, signal);
    }
    let mut events = run.subscribe(screen.first_wanted(run).saturating_sub(1));
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            (signal, again) = signals.next() => {
                if again {
                    return Err(killed());
                }
                interrupt(run, screen, signal);
            }
            event = events.next() => match event {
                Ok(Some(RunEvent::Recorded(record))) => screen.event(&record, run.first_seq()),
                // What agents print is in their logs.
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            },
            _ = redraw.tick(), if screen.live.is_some() => screen.redraw(),
        }
    }
    signals.through_first(run.wait()).await
}

fn interrupt(run: &Run, screen: &mut Screen<'_>, signal: &str) {
    match run.request(RequestKind::Interrupt { reason: signal.to_owned() }) {
        Ok(()) => screen.note(&format!("{signal}: ending the agents; once more kills them at once")),
        Err(error) => screen.note(&error.to_string()),
    }
}

/// Where a run is shown: JSON lines, plain lines, or plain lines above a live board.
struct Screen<'a> {
    out: &'a mut Out,
    json: bool,
    board: Board,
    live: Option<Live>,
}

impl<'a> Screen<'a> {
    fn new(out: &'a mut Out, run: &Run, json: bool) -> Self {
        let live = (!json && out.is_live()).then(|| Live::new(ProgressDrawTarget::stdout(), cursor_home));
        Self { out, json, board: Board::new(run.plan().len(), SystemClock.now()), live }
    }

    fn begin(&mut self, run: &Run) {
        if !self.json {
            let name = safe_line(&run.plan().spec().name);
            let tasks = u64::try_from(run.plan().len()).unwrap_or(u64::MAX);
            self.out.line(format!("{}: {name}, {}", run.id(), count(tasks, "task")));
        }
    }

    /// The first event that is of use here: the board wants all, lines only those of this run.
    fn first_wanted(&self, run: &Run) -> u64 {
        if self.live.is_some() { 1 } else { run.first_seq() }
    }

    /// Takes in an event; `first` is the first one of this run, earlier ones are history.
    fn event(&mut self, record: &EventRecord, first: u64) {
        if self.json {
            self.out.json_line(&record.to_flat_json());
            return;
        }
        self.board.apply(record);
        if record.seq >= first
            && let Some(text) = notable(record)
        {
            let since = duration(record.time.since(self.board.began()));
            let line = format!("{since:>8}  {text}");
            match &self.live {
                Some(live) => live.aside(|| self.out.line(line)),
                None => self.out.line(line),
            }
        }
    }

    fn redraw(&mut self) {
        if let Some(live) = &mut self.live {
            live.show(self.board.lines(SystemClock.now()));
        }
    }

    fn note(&mut self, text: &str) {
        match &self.live {
            Some(live) => live.aside(|| self.out.note(text)),
            None => self.out.note(text),
        }
    }

    fn clear(&mut self) {
        if let Some(live) = &mut self.live {
            live.clear();
        }
    }

    fn result(&mut self, outcome: &Outcome, exit: Exit, hints: &Hints) {
        if self.json {
            self.out.json_line(&result(outcome, exit));
            return;
        }
        // The summary says why nothing is published.
        let said = outcome.view.publish_blocked.as_deref();
        let others = |warning: &&String| !said.is_some_and(|said| warning.contains(said));
        for warning in outcome.warnings.iter().filter(others) {
            self.note(&format!("warning: {}", safe_line(warning)));
        }
        let interrupted = exit == Exit::Interrupted;
        self.out.lines(&summary_lines(&outcome.view, interrupted, hints));
    }
}

/// The last line of `--json`.
fn result(outcome: &Outcome, exit: Exit) -> Value {
    let warnings: Vec<&String> = outcome.file_warnings.iter().chain(&outcome.warnings).collect();
    let mut result =
        json!({ "type": "result", "ended": outcome.ended, "exit_code": exit.code(), "warnings": warnings });
    if let (Value::Object(result), Ok(Value::Object(view))) =
        (&mut result, serde_json::to_value(&outcome.view))
    {
        result.extend(view);
    }
    result
}

#[cfg(test)]
mod tests {
    use convoy_core::engine::Ended;
    use convoy_core::types::TaskStatus;

    use super::*;
    use crate::testing::view;

    #[test]
    fn the_result_is_the_status_and_how_it_ended() {
        let outcome = Outcome {
            ended: Ended::Finished,
            view: view(&[("a", TaskStatus::Done)]),
            warnings: vec!["w".into()],
            file_warnings: vec!["f".into()],
        };
        let result = result(&outcome, Exit::Success);
        let whole = serde_json::to_value(&outcome.view).expect("json");
        for (name, value) in whole.as_object().expect("an object") {
            assert_eq!(&result[name], value, "{name}");
        }
        assert_eq!(
            (&result["type"], &result["ended"], &result["exit_code"]),
            (&json!("result"), &json!("finished"), &json!(0))
        );
        assert_eq!(result["warnings"], json!(["f", "w"]), "those of the file, too");
    }
}
