//! One who watches a run.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{broadcast, watch};
use tokio_util::sync::ReusableBoxFuture;

use super::driver::store_error;
use super::run::{Finish, Piece, RunEvent, RunInner};
use crate::error::Error;
use crate::event::EventRecord;
use crate::store::StoreError;

/// Events that are read from the store at once.
const PAGE: usize = 256;

/// A watcher of a run. Keeps the run alive.
#[derive(Debug)]
pub struct Subscription {
    run: Arc<RunInner>,
    after: u64,
    page: std::vec::IntoIter<EventRecord>,
    /// The page behind this one, where this one is full: it is read while this one is looked at.
    ahead: Option<ReusableBoxFuture<'static, Result<Vec<EventRecord>, StoreError>>>,
    reached: watch::Receiver<u64>,
    output: broadcast::Receiver<Piece>,
    /// How many pieces of output were given, or told as lost.
    accounted: u64,
    /// A piece before which others were lost.
    held: Option<Piece>,
    finish: watch::Receiver<Option<Finish>>,
}

impl Subscription {
    pub(super) fn new(run: Arc<RunInner>, after: u64) -> Self {
        Self {
            after,
            page: Vec::new().into_iter(),
            ahead: None,
            reached: run.live.watch(),
            output: run.live.listen(),
            accounted: 0,
            held: None,
            finish: run.run.finish.clone(),
            run,
        }
    }

    /// The next thing to see, or `None` after the last event of the run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<RunEvent>, Error> {
        if let Some(piece) = self.held.take() {
            return Ok(Some(self.heard(piece)));
        }
        loop {
            if let Some(record) = self.page.next() {
                self.after = record.seq;
                return Ok(Some(RunEvent::Recorded(Arc::new(record))));
            }
            if let Some(ahead) = &mut self.ahead {
                let page = ahead.await;
                self.ahead = None;
                // When it is empty nothing follows from that: it was read before the end, or the news, was seen.
                self.turn_to(page)?;
                continue;
            }
            // Order matters: what was recorded before the end is read after the end was seen.
            let over = self.finish.borrow_and_update().is_some();
            self.reached.borrow_and_update();
            let (store, convoy) = (&self.run.store, &self.run.convoy);
            let page = store.read_from(Some(convoy), self.after, PAGE).await;
            self.turn_to(page)?;
            if self.page.len() > 0 {
                continue;
            }
            if over {
                return Ok(self.last_output());
            }
            tokio::select! {
                biased;
                _ = self.reached.changed() => {}
                _ = self.finish.changed() => {}
                live = self.output.recv() => match live {
                    Ok(piece) => return Ok(Some(self.heard(piece))),
                    // How many went by, the next one says. The run holds a sender, so this is never closed while it
                    // can be watched.
                    Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {}
                },
            }
        }
    }

    fn turn_to(&mut self, page: Result<Vec<EventRecord>, StoreError>) -> Result<(), Error> {
        let page = page.map_err(store_error)?;
        if let Some(last) = page.last().filter(|_| page.len() == PAGE) {
            let (store, convoy, after) = (self.run.store.clone(), self.run.convoy.clone(), last.seq);
            let read = async move { store.read_from(Some(&convoy), after, PAGE).await };
            let mut ahead = ReusableBoxFuture::new(read);
            // The store sets to work when it is asked for the first time.
            if let Poll::Ready(page) = ahead.poll(&mut Context::from_waker(Waker::noop())) {
                ahead.set(std::future::ready(page));
            }
            self.ahead = Some(ahead);
        }
        self.page = page.into_iter();
        Ok(())
    }

    /// A piece of output, or how many before it went by.
    fn heard(&mut self, piece: Piece) -> RunEvent {
        let lost = piece.number.saturating_sub(self.accounted);
        self.accounted += lost;
        if lost > 0 {
            self.held = Some(piece);
            return RunEvent::Lagged(lost);
        }
        self.accounted += 1;
        let Piece { task, attempt, text, .. } = piece;
        RunEvent::Output { task, attempt, text }
    }

    /// What is left of the output when no more follows.
    fn last_output(&mut self) -> Option<RunEvent> {
        loop {
            match self.output.try_recv() {
                Ok(piece) => return Some(self.heard(piece)),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => break,
            }
        }
        let lost = self.run.live.pieces().saturating_sub(self.accounted);
        self.accounted += lost;
        (lost > 0).then_some(RunEvent::Lagged(lost))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;

    use tokio::sync::mpsc;

    use super::super::host::LiveRun;
    use super::super::run::{Live, Run};
    use super::*;
    use crate::error::ErrorKind;
    use crate::plan::check;
    use crate::store::conformance::{block_on, samples};
    use crate::store::{Appended, Lease, MemoryStore, SqliteStore, Store};

    /// A run of which only the store and its news are there.
    struct Recorded {
        store: Arc<dyn Store>,
        lease: Lease,
        at: Appended,
        live: Live,
        finish: watch::Sender<Option<Finish>>,
        run: Run,
    }

    impl Recorded {
        /// A convoy with so many events.
        fn new(store: Arc<dyn Store>, events: usize) -> Self {
            let (lease, at) = block_on(store.create(samples::new_convoy(1))).expect("created");
            let plan = check("{name: c, version: 1, tasks: [{id: t0, prompt: p}]}").plan.expect("valid");
            let (finish, live) = (watch::Sender::new(None), Live::new());
            let (messages, _) = mpsc::unbounded_channel();
            let run = LiveRun {
                messages,
                live: live.clone(),
                redactor: Default::default(),
                finish: finish.subscribe(),
            };
            let run = Run::new(Arc::new(RunInner {
                convoy: lease.convoy.clone(),
                plan: Arc::new(plan),
                actor: "a".to_owned(),
                first_seq: at.first_seq,
                store: store.clone(),
                live: live.clone(),
                run,
                host: Default::default(),
            }));
            let mut recorded = Self { store, lease, at, live, finish, run };
            recorded.append(events - 1);
            recorded
        }

        fn append(&mut self, events: usize) {
            let events = (0..events).map(|_| samples::landed(0, 'a')).collect();
            let turn = samples::batch(5, events);
            self.at = block_on(self.store.append(&self.lease, self.at.last_seq, turn)).expect("appended");
            self.live.reached(self.at.last_seq);
        }

        fn end(&self) {
            self.finish.send_replace(Some(Err((ErrorKind::Store, "it failed".to_owned()))));
        }

        fn numbers(&self) -> Vec<u64> {
            let events = block_on(self.store.load(&self.lease.convoy)).expect("loads").events;
            events.iter().map(|record| record.seq).collect()
        }
    }

    fn number(event: Option<RunEvent>) -> Option<u64> {
        match event? {
            RunEvent::Recorded(record) => Some(record.seq),
            other => panic!("{other:?}"),
        }
    }

    fn next(events: &mut Subscription) -> Option<u64> {
        number(block_on(events.next()).expect("reads"))
    }

    #[test]
    fn every_event_is_seen_once_and_in_order_however_many_pages_there_are() {
        for events in [1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 7] {
            let recorded = Recorded::new(Arc::new(MemoryStore::new()), events);
            recorded.end();
            let mut reader = recorded.run.subscribe(0);
            let seen: Vec<u64> = std::iter::from_fn(|| next(&mut reader)).collect();
            assert_eq!(seen, recorded.numbers());
            assert_eq!(seen.len(), events);
            let mut later = recorded.run.subscribe(seen[events / 2]);
            let rest: Vec<u64> = std::iter::from_fn(|| next(&mut later)).collect();
            assert_eq!(rest, seen[events / 2 + 1..]);
        }
    }

    #[test]
    fn what_is_recorded_after_a_page_was_read_ahead_is_seen_before_the_end() {
        for events in [PAGE, 2 * PAGE, PAGE + 1] {
            let mut recorded = Recorded::new(Arc::new(MemoryStore::new()), events);
            let mut reader = recorded.run.subscribe(0);
            let mut seen: Vec<u64> = (0..events).filter_map(|_| next(&mut reader)).collect();
            recorded.append(3);
            recorded.end();
            seen.extend(std::iter::from_fn(|| next(&mut reader)));
            assert_eq!(seen, recorded.numbers(), "{events}");
        }
    }

    #[test]
    fn nothing_is_lost_when_the_reader_gives_up_waiting() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(folder.path().join("convoy.db")).expect("opens");
        let recorded = Recorded::new(Arc::new(store), 3 * PAGE);
        recorded.end();
        let mut reader = recorded.run.subscribe(0);
        let mut seen = Vec::new();
        loop {
            let mut context = Context::from_waker(Waker::noop());
            let given_up = Box::pin(reader.next()).as_mut().poll(&mut context);
            let event = match given_up {
                Poll::Ready(event) => number(event.expect("reads")),
                Poll::Pending => next(&mut reader),
            };
            let Some(number) = event else { break };
            seen.push(number);
        }
        assert_eq!(seen, recorded.numbers());
    }

    #[test]
    fn a_store_that_fails_is_told_and_can_be_asked_again() {
        let memory = MemoryStore::new();
        let recorded = Recorded::new(Arc::new(memory.clone()), PAGE + 1);
        let mut reader = recorded.run.subscribe(0);
        assert!(next(&mut reader).is_some());
        memory.close();
        // The next page was read before.
        let seen = (0..PAGE).filter_map(|_| next(&mut reader)).count();
        assert_eq!(seen, PAGE);
        for _ in 0..2 {
            let failed = block_on(reader.next()).expect_err("it is closed");
            assert_eq!(failed.kind(), ErrorKind::Closed, "{failed}");
        }
    }
}
