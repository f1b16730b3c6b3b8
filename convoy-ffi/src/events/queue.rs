//! A bounded queue of events with three ways to hear of it: a call, a wait, a file descriptor.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Events that are fetched before anybody asks for them, in bytes. What is not fetched yet stays in the store.
const MOST_BYTES: usize = 4 << 20;

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Events, the oldest first; at least one.
    Events(Vec<String>),
    /// None now.
    Empty,
    /// None any more.
    End,
}

/// Called when there is something to read.
pub(super) trait Wake: Send + Sync {
    fn wake(&self);
}

#[derive(Default)]
struct State {
    events: VecDeque<String>,
    bytes: usize,
    /// The last event is in the queue, or was read.
    ended: bool,
    /// A reader was told that there is nothing, or nobody ever asked: the next event wakes.
    quiet: bool,
    wake: Option<Arc<dyn Wake>>,
    /// `wake` is to be called as soon as no other call is under way.
    due: bool,
    /// Somebody makes the calls, one after the other, until none is due.
    calling: bool,
    signal: Option<Signal>,
}

/// Shared by the one who fetches and those who read.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    room: Notify,
    /// No call is under way any more.
    called: Notify,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("Queue")
            .field("events", &state.events.len())
            .field("ended", &state.ended)
            .finish_non_exhaustive()
    }
}

/// A descriptor that can be read from as long as there is something.
struct Signal {
    here: UnixStream,
    host: UnixStream,
    raised: bool,
}

impl Signal {
    fn new() -> std::io::Result<Self> {
        let (here, host) = UnixStream::pair()?;
        here.set_nonblocking(true)?;
        host.set_nonblocking(true)?;
        Ok(Self { here, host, raised: false })
    }

    fn set(&mut self, raised: bool) {
        if raised == self.raised {
            return;
        }
        // One byte always fits into an empty socket, and is there to be read when it was written. A host that reads
        // it itself only makes the descriptor quiet until the next event.
        let done = if raised { self.here.write(&[1]) } else { self.host.read(&mut [0; 8]) };
        self.raised = raised;
        drop(done);
    }
}

impl Queue {
    pub(super) fn new() -> Self {
        let state = State { quiet: true, ..State::default() };
        Self { state: Mutex::new(state), filled: Condvar::new(), room: Notify::new(), called: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before the lock is given back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts events in, waiting until there is room. Answers whether [`next_call`](Self::next_call) is to be asked.
    pub(super) async fn put(&self, events: Vec<String>, last: bool) -> bool {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.lock();
                if state.bytes < MOST_BYTES {
                    state.bytes += events.iter().map(String::len).sum::<usize>();
                    state.events.extend(events);
                    state.ended |= last;
                    return self.filled(&mut state);
                }
            }
            room.await;
        }
    }

    /// Tells whoever waits, and answers whether somebody must make a call who does not yet.
    fn filled(&self, state: &mut State) -> bool {
        if state.events.is_empty() {
            return false;
        }
        self.filled.notify_all();
        if let Some(signal) = &mut state.signal {
            signal.set(true);
        }
        if state.quiet && state.wake.is_some() {
            state.quiet = false;
            state.due = true;
        }
        let begin = state.due && !state.calling;
        state.calling |= begin;
        begin
    }

    /// Sets who is woken, in the place of another, which is not called any more. Answers as [`put`](Self::put).
    pub(super) fn set_wake(&self, wake: Option<Arc<dyn Wake>>) -> bool {
        let (before, call) = {
            let mut state = self.lock();
            let before = std::mem::replace(&mut state.wake, wake);
            (state.due, state.quiet) = (false, true);
            (before, self.filled(&mut state))
        };
        // Outside of the lock: it may call the host.
        drop(before);
        call
    }

    /// Whom to call now, for the one who was told to ask: again and again, until there is nobody. What is answered
    /// lives until it is dropped, whatever takes its place meanwhile.
    pub(super) fn next_call(&self) -> Option<Arc<dyn Wake>> {
        let mut state = self.lock();
        let due = std::mem::take(&mut state.due);
        let next = state.wake.clone().filter(|_| due);
        if next.is_none() {
            state.calling = false;
            self.called.notify_one();
        }
        next
    }

    /// That whoever was told to ask does not any more, though there may be somebody to call: the next event, or the next
    /// who is set, has another one asked.
    pub(super) fn stop_calling(&self) {
        self.lock().calling = false;
        self.called.notify_one();
    }

    /// Waits until no call is under way, and none is due but those that nobody could make. For one at a time.
    pub(super) async fn all_called(&self) {
        while self.lock().calling {
            self.called.notified().await;
        }
    }

    /// At most `max` events that are there.
    pub(super) fn take(&self, max: usize) -> Taken {
        let mut state = self.lock();
        self.take_from(&mut state, max)
    }

    fn take_from(&self, state: &mut State, max: usize) -> Taken {
        let count = state.events.len().min(max);
        if count == 0 {
            let over = state.ended && state.events.is_empty();
            state.quiet |= state.events.is_empty();
            return if over { Taken::End } else { Taken::Empty };
        }
        let events: Vec<String> = state.events.drain(..count).collect();
        let was_full = state.bytes >= MOST_BYTES;
        state.bytes -= events.iter().map(String::len).sum::<usize>();
        if was_full && state.bytes < MOST_BYTES {
            self.room.notify_one();
        }
        // After the last event the descriptor stays readable: there is an end to be read.
        let quiet = state.events.is_empty() && !state.ended;
        if let Some(signal) = state.signal.as_mut().filter(|_| quiet) {
            signal.set(false);
        }
        Taken::Events(events)
    }

    /// The same, waiting for the first. `None`: as long as it takes.
    pub(super) fn wait(&self, max: usize, limit: Option<Duration>) -> Taken {
        let state = self.lock();
        let nothing = |state: &mut State| state.events.is_empty() && !state.ended;
        let mut state = match limit {
            None => self.filled.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                self.filled
                    .wait_timeout_while(state, limit, nothing)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        self.take_from(&mut state, max)
    }

    /// The descriptor, which is open as long as the queue.
    pub(super) fn descriptor(&self) -> std::io::Result<RawFd> {
        let mut state = self.lock();
        let full = !state.events.is_empty() || state.ended;
        if let Some(signal) = &state.signal {
            return Ok(signal.host.as_raw_fd());
        }
        let mut signal = Signal::new()?;
        signal.set(full);
        let descriptor = signal.host.as_raw_fd();
        state.signal = Some(signal);
        Ok(descriptor)
    }

    /// Nothing more will come, and nobody is to be called. Whoever waits is told.
    pub(super) fn close(&self) {
        let wake = {
            let mut state = self.lock();
            (state.ended, state.due) = (true, false);
            state.wake.take()
        };
        self.filled.notify_all();
        drop(wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn put(queue: &Queue, events: &[&str], last: bool) -> bool {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        let told = pollster::block_on(queue.put(events, last));
        called(queue, told)
    }

    /// Makes the calls that are due, and answers whether there were any.
    fn called(queue: &Queue, told: bool) -> bool {
        told && std::iter::from_fn(|| queue.next_call()).map(|wake| wake.wake()).count() > 0
    }

    fn events(events: &[&str]) -> Taken {
        Taken::Events(events.iter().map(|event| (*event).to_owned()).collect())
    }

    #[test]
    fn events_come_in_order_and_then_the_end() {
        let queue = Queue::new();
        assert_eq!(queue.take(1), Taken::Empty);
        put(&queue, &["a", "b", "c"], false);
        assert_eq!(queue.take(0), Taken::Empty);
        assert_eq!(queue.take(2), events(&["a", "b"]));
        assert_eq!(queue.take(2), events(&["c"]));
        assert_eq!(queue.take(2), Taken::Empty);
        put(&queue, &["d"], true);
        assert_eq!(queue.wait(9, None), events(&["d"]));
        assert_eq!(queue.take(1), Taken::End);
        assert_eq!(queue.wait(1, None), Taken::End);
    }

    #[test]
    fn a_reader_is_woken_once_until_it_was_told_that_there_is_nothing() {
        let queue = Queue::new();
        assert!(!queue.set_wake(Some(Arc::new(Count::default()))));
        assert!(put(&queue, &["a"], false), "the first");
        assert!(!put(&queue, &["b"], false), "it knows");
        assert_eq!(queue.take(9), events(&["a", "b"]));
        assert!(!put(&queue, &["c"], false), "it was not told that there was nothing");
        assert_eq!(queue.take(9), events(&["c"]));
        assert_eq!(queue.take(9), Taken::Empty);
        assert!(put(&queue, &["d"], false), "it was told");
        assert!(
            called(&queue, queue.set_wake(Some(Arc::new(Count::default())))),
            "a new one is told what is there"
        );
    }

    #[test]
    fn a_full_queue_lets_the_fetcher_wait_until_there_is_room() {
        let queue = Queue::new();
        let large = "x".repeat(MOST_BYTES);
        put(&queue, &[&large], false);
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        let mut waiting = Box::pin(queue.put(vec!["b".to_owned()], false));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert_eq!(queue.take(1), events(&[&large]));
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        drop(waiting);
        assert_eq!(queue.take(1), events(&["b"]));
    }

    #[test]
    fn waiting_ends_with_an_event_the_time_or_the_end() {
        let queue = Queue::new();
        assert_eq!(queue.wait(1, Some(Duration::from_millis(1))), Taken::Empty);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait(1, None));
            put(&queue, &["a"], false);
            assert_eq!(waiting.join().expect("no panic"), events(&["a"]));
            let waiting = scope.spawn(|| queue.wait(1, None));
            queue.close();
            assert_eq!(waiting.join().expect("no panic"), Taken::End);
        });
    }

    #[test]
    fn the_descriptor_is_readable_as_long_as_there_is_something() {
        let queue = Queue::new();
        let descriptor = queue.descriptor().expect("a pair of sockets");
        assert_eq!(queue.descriptor().expect("the same"), descriptor);
        let readable = || {
            let state = queue.lock();
            let host = &state.signal.as_ref().expect("made").host;
            let mut peeked = [0; 1];
            rustix::net::recv(host, &mut peeked, rustix::net::RecvFlags::PEEK).is_ok()
        };
        assert!(!readable());
        put(&queue, &["a", "b"], false);
        assert!(readable());
        queue.take(1);
        assert!(readable());
        queue.take(1);
        assert!(!readable());
        put(&queue, &["c"], true);
        queue.take(1);
        assert!(readable(), "the end is something, too");
    }
}
