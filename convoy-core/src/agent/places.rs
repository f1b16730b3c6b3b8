//! How many attempts of an adapter work at once, and how far apart its programs start, over all convoys of an engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::{
    AgentAdapter, AgentError, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe,
    ProbeContext,
};
use crate::clock::Clock;
use crate::types::{AdapterLimit, BoxFuture, Timestamp};

/// The places that the convoys of an engine share. Whoever asks first is served first, whatever convoy it is of.
pub struct Places {
    clock: Arc<dyn Clock>,
    desks: BTreeMap<String, Desk>,
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.desks.iter().map(|(name, desk)| (name, desk.limit))).finish()
    }
}

/// One adapter.
struct Desk {
    limit: AdapterLimit,
    places: Arc<Semaphore>,
    /// When a place was given last.
    given: Pace,
    /// When a program was started last.
    started: Pace,
}

/// The right to work on one attempt. Given back when it is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not looked at")] OwnedSemaphorePermit);

impl Places {
    /// Places within these limits, by the name of the adapter. An adapter without a limit needs no place.
    pub fn new(limits: BTreeMap<String, AdapterLimit>, clock: Arc<dyn Clock>) -> Self {
        let desk = |limit: AdapterLimit| {
            let most = limit.max_concurrent.and_then(|most| usize::try_from(most).ok());
            let most = most.map_or(Semaphore::MAX_PERMITS, |most| most.clamp(1, Semaphore::MAX_PERMITS));
            Desk {
                limit,
                places: Arc::new(Semaphore::new(most)),
                given: Pace::default(),
                started: Pace::default(),
            }
        };
        Self { clock, desks: limits.into_iter().map(|(name, limit)| (name, desk(limit))).collect() }
    }

    /// The limits.
    pub fn limits(&self) -> BTreeMap<String, AdapterLimit> {
        self.desks.iter().map(|(name, desk)| (name.clone(), desk.limit)).collect()
    }

    /// Waits for a place, behind all who waited before, and until the last one was given long enough ago. `None`: the
    /// adapter has no limit. Whoever drops the future waits no longer.
    pub async fn take(&self, adapter: &str) -> Option<Place> {
        let desk = self.desks.get(adapter)?;
        // The semaphore is never closed.
        let place = desk.places.clone().acquire_owned().await.ok()?;
        desk.given.turn(&*self.clock, desk.limit.stagger).await;
        Some(Place(place))
    }

    /// Waits until the last start of a program of this adapter was long enough ago; the next one waits for this.
    pub async fn start(&self, adapter: &str) {
        if let Some(desk) = self.desks.get(adapter) {
            desk.started.turn(&*self.clock, desk.limit.stagger).await;
        }
    }

    /// The adapter, with its starts as far apart as its limit says.
    pub(super) fn paced(
        self: &Arc<Self>,
        adapter: Arc<dyn AgentAdapter>,
        name: &str,
    ) -> Arc<dyn AgentAdapter> {
        match self.desks.get(name) {
            Some(desk) if !desk.limit.stagger.is_zero() => {
                Arc::new(Paced { name: name.to_owned(), adapter, places: self.clone() })
            }
            _ => adapter,
        }
    }
}

/// Moments that are a time apart.
#[derive(Debug, Default)]
struct Pace(Mutex<Option<Timestamp>>);

impl Pace {
    /// Waits for one's turn. The lock is fair: those who come later wait behind.
    async fn turn(&self, clock: &dyn Clock, apart: Duration) {
        if apart.is_zero() {
            return;
        }
        let mut last = self.0.lock().await;
        // A clock that is set back makes nobody wait longer than usual.
        let wait = last.map(|last| last.plus(apart).since(clock.now()).min(apart));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            clock.sleep(wait).await;
        }
        *last = Some(clock.now());
    }
}

/// An adapter whose programs do not start all at once.
struct Paced {
    name: String,
    adapter: Arc<dyn AgentAdapter>,
    places: Arc<Places>,
}

impl AgentAdapter for Paced {
    fn name(&self) -> &str {
        self.adapter.name()
    }

    fn account(&self) -> Option<&str> {
        self.adapter.account()
    }

    fn capabilities(&self) -> Capabilities {
        self.adapter.capabilities()
    }

    fn probe<'a>(&'a self, context: &'a ProbeContext) -> BoxFuture<'a, Result<Probe, AgentError>> {
        self.adapter.probe(context)
    }

    fn execute<'a>(
        &'a self,
        request: AgentRequest,
        sink: &'a mut dyn AgentSink,
    ) -> BoxFuture<'a, AgentReport> {
        Box::pin(async move {
            let stopped = tokio::select! {
                biased;
                () = request.cancel.cancelled() => true,
                () = self.places.start(&self.name) => false,
            };
            if stopped {
                return AgentReport::ended(AgentOutcome::Cancelled);
            }
            self.adapter.execute(request, sink).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use tokio::time::Instant;

    use super::*;

    /// Goes as tokio's own; somebody may have set it back.
    #[derive(Debug)]
    struct TestClock(Instant, StdMutex<i64>);

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            let shifted = 1_000_000_000 + *self.1.lock().expect("whole");
            Timestamp(shifted).plus(self.0.elapsed())
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep(duration))
        }
    }

    fn places(limit: AdapterLimit) -> (Arc<Places>, Arc<TestClock>) {
        let clock = Arc::new(TestClock(Instant::now(), StdMutex::new(0)));
        (Arc::new(Places::new([("a".to_owned(), limit)].into(), clock.clone())), clock)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asked_first_is_served_first_and_a_dropped_place_is_free() {
        let (places, _) = places(AdapterLimit::max_concurrent(1));
        assert!(places.take("b").await.is_none(), "an adapter without a limit needs no place");
        let first = places.take("a").await;
        let (mut second, mut third) = (Box::pin(places.take("a")), Box::pin(places.take("a")));
        assert!(once(&mut second).is_none() && once(&mut third).is_none());
        drop(first);
        assert!(once(&mut third).is_none(), "not its turn");
        drop(second);
        assert!(once(&mut third).flatten().is_some(), "who gave up stands in nobody's way");
    }

    /// What a future says when it is asked once.
    fn once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_given_and_programs_started_a_time_apart_also_when_the_clock_is_set_back() {
        let apart = Duration::from_secs(3);
        let (places, clock) = places(AdapterLimit::default().stagger(apart));
        let begun = Instant::now();
        let mut held = Vec::new();
        for n in 0..4_u32 {
            held.push(places.take("a").await.expect("a limit"));
            assert_eq!(begun.elapsed(), apart * n);
        }
        *clock.1.lock().expect("whole") -= 3_600_000;
        places.take("a").await;
        assert_eq!(begun.elapsed(), apart * 4, "no longer than usual");
        tokio::time::sleep(apart * 2).await;
        let begun = Instant::now();
        places.take("a").await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "long ago");
        let starts = (0..3).map(|_| async {
            places.start("a").await;
            begun.elapsed()
        });
        let mut seen = Vec::new();
        for start in starts {
            seen.push(start.await);
        }
        assert_eq!(seen, [Duration::ZERO, apart, apart * 2]);
    }
}
