//! What the host tells while it works: bounded, in order.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use convoy_core::process::Stream;
use convoy_core::types::SessionId;
use tokio::sync::mpsc;

/// What may wait for the engine, in bytes. The host waits when there is more.
const MOST_WAITING: usize = 4 << 20;

/// Something that the host told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Live {
    /// A piece of output.
    Output(Stream, Vec<u8>),
    /// The session became known.
    Session(SessionId),
    /// A program was started.
    Started(u32),
}

impl Live {
    /// What it takes while it waits: also a piece that is empty, or no output at all, takes room.
    fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Output(_, bytes) => bytes.len(),
                Self::Session(session) => session.as_str().len(),
                Self::Started(_) => 0,
            }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    /// From how many bytes on the host waits.
    most: usize,
    waiting: Mutex<Waiting>,
    less: Condvar,
}

/// The host's end.
#[derive(Debug)]
pub(crate) struct LiveSender {
    shared: Arc<Shared>,
    sender: mpsc::UnboundedSender<Live>,
}

/// The engine's end.
#[derive(Debug)]
pub(crate) struct LiveReceiver {
    shared: Arc<Shared>,
    receiver: mpsc::UnboundedReceiver<Live>,
}

/// Both ends.
pub(crate) fn channel() -> (LiveSender, LiveReceiver) {
    channel_of(MOST_WAITING)
}

/// Both ends of one in which `most` bytes may wait.
fn channel_of(most: usize) -> (LiveSender, LiveReceiver) {
    let shared = Arc::new(Shared { most, waiting: Mutex::default(), less: Condvar::new() });
    let (sender, receiver) = mpsc::unbounded_channel();
    (LiveSender { shared: shared.clone(), sender }, LiveReceiver { shared, receiver })
}

impl LiveSender {
    /// Hands it to the engine, waiting while too much waits; whether anybody still listens.
    pub(crate) fn send(&self, live: Live) -> bool {
        let waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |waiting: &mut Waiting| !waiting.closed && waiting.bytes >= self.shared.most;
        let mut waiting = self.shared.less.wait_while(waiting, full).unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return false;
        }
        waiting.bytes += live.size();
        self.sender.send(live).is_ok()
    }
}

impl LiveReceiver {
    /// The next, as soon as there is one; `None` when no more can come.
    pub(crate) async fn next(&mut self) -> Option<Live> {
        let live = self.receiver.recv().await;
        self.taken(live)
    }

    /// Takes no more: what waits is all that there will be.
    pub(crate) fn close(&mut self) {
        self.receiver.close();
    }

    /// The next, if there is one.
    pub(crate) fn next_now(&mut self) -> Option<Live> {
        let live = self.receiver.try_recv().ok();
        self.taken(live)
    }

    fn taken(&self, live: Option<Live>) -> Option<Live> {
        if let Some(size) = live.as_ref().map(Live::size) {
            self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).bytes -= size;
            self.shared.less.notify_all();
        }
        live
    }
}

impl Drop for LiveReceiver {
    /// Who waits, waits no longer.
    fn drop(&mut self) {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.less.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little, so that Miri is not occupied for hours with filling it.
    const MOST: usize = 16 << 10;

    fn piece(bytes: usize) -> Live {
        Live::Output(Stream::Stdout, vec![b'x'; bytes])
    }

    #[test]
    fn what_is_told_comes_in_order() {
        let (sender, mut receiver) = channel_of(MOST);
        assert!(sender.send(piece(1)));
        assert!(sender.send(Live::Started(7)));
        assert_eq!(pollster::block_on(receiver.next()), Some(piece(1)));
        assert_eq!(receiver.next_now(), Some(Live::Started(7)));
        assert_eq!(receiver.next_now(), None);
    }

    #[test]
    fn a_host_that_tells_too_much_waits_until_it_was_taken() {
        let (sender, mut receiver) = channel_of(MOST);
        assert!(sender.send(piece(MOST)), "the first piece may have any size");
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                assert!(sender.send(piece(1)));
                told.send(()).expect("the test listens");
            });
            assert!(heard.try_recv().is_err(), "it waits: nothing was taken");
            assert_eq!(receiver.next_now(), Some(piece(MOST)));
            heard.recv().expect("it waits no longer");
        });
        assert_eq!(receiver.next_now(), Some(piece(1)));
    }

    #[test]
    fn a_host_that_tells_many_sessions_or_processes_waits_as_one_that_prints_does() {
        let session = || Live::Session(SessionId::new("s".repeat(512)).expect("as long as one may be"));
        let told: [&(dyn Fn() -> Live + Sync); 3] = [&session, &|| Live::Started(7), &|| piece(0)];
        for live in told {
            let (sender, mut receiver) = channel_of(MOST);
            let most = MOST.div_ceil(live().size());
            (0..most).for_each(|_| assert!(sender.send(live())));
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| sender.send(live()));
                assert_eq!(receiver.next_now(), Some(live()));
                assert!(waiting.join().expect("no panic"), "there is room again");
            });
            let waited = std::iter::from_fn(|| receiver.next_now()).count();
            assert_eq!(waited, most, "no more than that waited");
            let left = receiver.shared.waiting.lock().expect("whole").bytes;
            assert_eq!(left, 0, "what was taken waits no longer");
        }
    }

    #[test]
    fn a_host_does_not_wait_for_an_engine_that_is_gone() {
        let (sender, receiver) = channel_of(MOST);
        assert!(sender.send(piece(MOST)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| sender.send(piece(1)));
            drop(receiver);
            assert!(!waiting.join().expect("no panic"), "nobody listens");
        });
    }
}
