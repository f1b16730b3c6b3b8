//! Waiting for a future without a runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks this thread until the future is complete. The futures of the stores here need no more than a
/// waker; those of another store may need its runtime's context on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        // A wake that comes before the park makes the park return at once.
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_another_thread_completes_is_awaited() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().spawn(move || send.send(7)).expect("a thread");
        assert_eq!(block_on(receive), Ok(7));
        thread.join().expect("ends").expect("was awaited");
    }
}
