//! Real programs, started and ended.

mod ending;
mod failures;
mod fallback;
mod leftovers;
mod streams;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::spawn::new_mark;
use super::{Captured, Command, Limits, Next, Sink, Stream, Survivor, capture, end, survivors};

/// Long enough that a test which waits for it has failed.
const FOREVER: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

/// A script for `/bin/sh` with a cookie that no other test has.
fn script(text: &str) -> Command {
    let mut command =
        Command::new("/bin/sh", "/").args(["-c", text]).env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.cookie = Some(format!("test-{}", new_mark()));
    command
}

fn cookie_of(command: &Command) -> String {
    command.cookie.clone().unwrap()
}

fn short() -> Limits {
    Limits { deadline: Some(FOREVER), idle: None, grace: SHORT }
}

async fn captured(command: Command, limits: Limits) -> Captured {
    capture(command, &limits, &CancellationToken::new(), 1 << 20).await.unwrap()
}

/// What a test that fails half-way would leave behind is ended; a test that passes leaves nothing.
async fn assert_nothing_left(cookie: &str) {
    let left = survivors(cookie);
    if !left.is_empty() {
        let still_left: Vec<Survivor> = end(left.clone(), Duration::ZERO).await;
        panic!("left running: {left:?}, could not be ended: {still_left:?}");
    }
}

/// Calls a function for every piece of output.
struct Calling<F>(F);

impl<F: FnMut(&[u8]) -> Next + Send> Sink for Calling<F> {
    fn output(&mut self, _: Stream, chunk: &[u8]) -> Next {
        (self.0)(chunk)
    }
}
