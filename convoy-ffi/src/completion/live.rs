//! What the host tells while it works: bounded, in order.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use convoy_core::process::Stream;
use convoy_core::types::SessionId;
use tokio::sync::mpsc;

/// Output that may wait for the engine, in bytes. The host waits when there is more.
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
    fn size(&self) -> usize {
        match self {
            Self::Output(_, bytes) => bytes.len(),
            Self::Session(_) | Self::Started(_) => 0,
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
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
    let shared = Arc::new(Shared::default());
    let (sender, receiver) = mpsc::unbounded_channel();
    (LiveSender { shared: shared.clone(), sender }, LiveReceiver { shared, receiver })
}

impl LiveSender {
    /// Hands it to the engine, waiting while too much waits; whether anybody still listens.
    pub(crate) fn send(&self, live: Live) -> bool {
        let waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |waiting: &mut Waiting| !waiting.closed && waiting.bytes >= MOST_WAITING;
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

    /// The next, if there is one.
    pub(crate) fn next_now(&mut self) -> Option<Live> {
        let live = self.receiver.try_recv().ok();
        self.taken(live)
    }

    fn taken(&self, live: Option<Live>) -> Option<Live> {
        if let Some(size) = live.as_ref().map(Live::size).filter(|size| *size > 0) {
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

    fn piece(bytes: usize) -> Live {
        Live::Output(Stream::Stdout, vec![b'x'; bytes])
    }

    #[test]
    fn what_is_told_comes_in_order() {
        let (sender, mut receiver) = channel();
        assert!(sender.send(piece(1)));
        assert!(sender.send(Live::Started(7)));
        assert_eq!(pollster::block_on(receiver.next()), Some(piece(1)));
        assert_eq!(receiver.next_now(), Some(Live::Started(7)));
        assert_eq!(receiver.next_now(), None);
    }

    #[test]
    fn a_host_that_tells_too_much_waits_until_it_was_taken() {
        let (sender, mut receiver) = channel();
        assert!(sender.send(piece(MOST_WAITING)), "the first piece may have any size");
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                assert!(sender.send(piece(1)));
                told.send(()).expect("the test listens");
            });
            assert!(heard.try_recv().is_err(), "it waits: nothing was taken");
            assert_eq!(receiver.next_now(), Some(piece(MOST_WAITING)));
            heard.recv().expect("it waits no longer");
        });
        assert_eq!(receiver.next_now(), Some(piece(1)));
    }

    #[test]
    fn a_host_does_not_wait_for_an_engine_that_is_gone() {
        let (sender, receiver) = channel();
        assert!(sender.send(piece(MOST_WAITING)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| sender.send(piece(1)));
            drop(receiver);
            assert!(!waiting.join().expect("no panic"), "nobody listens");
        });
    }
}
