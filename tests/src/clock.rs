//! A clock for runs that wait for hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use convoy_core::clock::Clock;
use convoy_core::types::{BoxFuture, Timestamp};

/// A clock by which every wait is over in a moment. It begins at a given time and moves only by waiting.
#[derive(Debug)]
pub struct HastyClock(Arc<AtomicI64>);

impl HastyClock {
    /// A clock that begins so many seconds after 1970.
    pub fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(Arc::new(AtomicI64::new(seconds * 1000))))
    }
}

impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let now = self.0.clone();
        Box::pin(async move {
            // Whoever waits for a message at the same time gets a chance to hear it.
            tokio::time::sleep(Duration::from_millis(1)).await;
            now.fetch_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        })
    }
}
