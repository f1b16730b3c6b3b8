//! Calls of the host that say that there is something to read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::queue::{Queue, Wake};
use crate::courier::Courier;

/// Wakes the host of one queue, on threads of the courier: one call at a time, and while one is made no lock is held. So
/// whoever is woken may replace or clear the wake, or free the run; what is called lives until it has returned.
#[derive(Debug, Clone)]
pub(super) struct Waker {
    queue: Arc<Queue>,
    courier: Arc<Courier>,
}

impl Waker {
    pub(super) fn new(queue: Arc<Queue>, courier: Arc<Courier>) -> Self {
        Self { queue, courier }
    }

    /// Puts events into the queue when there is room. It returns when whoever was woken by them has returned, or panicked: a
    /// wake that never returns stops only this queue.
    pub(super) async fn put(&self, events: Vec<String>, last: bool) {
        if self.queue.put(events, last).await {
            self.call();
        }
        self.queue.all_called().await;
    }

    /// Sets who is woken. Never waits: where another call is under way, the new one comes after it.
    pub(super) fn set(&self, wake: Option<Arc<dyn Wake>>) {
        if self.queue.set_wake(wake) {
            self.call();
        }
    }

    fn call(&self) {
        hand_over(self.queue.clone(), |call| drop(self.courier.deliver(call)));
    }
}

/// Hands over the calls that are due to a thread that makes them. Where there is none, they wait for the next event.
fn hand_over(queue: Arc<Queue>, deliver: impl FnOnce(Box<dyn FnOnce() + Send>)) {
    let turn = Arc::new(Mutex::new(Some(Turn(Some(queue)))));
    let handed = turn.clone();
    let call = move || {
        // Not held while calls are made.
        let turn = handed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(turn) = turn {
            turn.take();
        }
    };
    // It panics when the system gives no thread, and may keep what was handed over then, for much later.
    if catch_unwind(AssertUnwindSafe(|| deliver(Box::new(call)))).is_err() {
        drop(turn.lock().unwrap_or_else(PoisonError::into_inner).take());
        tracing::warn!("there is no thread to tell the program of events: it is told with the next one");
    }
}

/// The turn of the one who makes the calls. When it is dropped before they are made, or while one panics, it is over too:
/// nobody waits for them for ever.
struct Turn(Option<Arc<Queue>>);

impl Turn {
    fn take(mut self) {
        while let Some(wake) = self.0.as_ref().and_then(|queue| queue.next_call()) {
            wake.wake();
        }
        // That it is over was told with the last answer, and the next turn may have begun.
        self.0 = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.stop_calling();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

    use super::super::queue::Taken;
    use super::*;

    fn waker() -> Waker {
        Waker::new(Arc::new(Queue::new()), Courier::spawn().expect("threads"))
    }

    fn put(waker: &Waker, event: &str) {
        pollster::block_on(waker.put(vec![event.to_owned()], false));
    }

    /// Reads what is there, so that the next event wakes.
    fn read(waker: &Waker) {
        while let Taken::Events(_) = waker.queue.take(9) {}
    }

    /// Says what becomes of it: "called", then whatever its code does, "returned", and "destroyed".
    struct Told<F> {
        name: &'static str,
        says: Mutex<Sender<(&'static str, &'static str)>>,
        code: F,
    }

    impl<F> Told<F> {
        fn say(&self, what: &'static str) {
            self.says.lock().expect("whole").send((self.name, what)).expect("the test listens");
        }
    }

    impl<F: Fn() + Send + Sync> Wake for Told<F> {
        fn wake(&self) {
            self.say("called");
            (self.code)();
            self.say("returned");
        }
    }

    impl<F> Drop for Told<F> {
        fn drop(&mut self) {
            self.say("destroyed");
        }
    }

    fn told<F: Fn() + Send + Sync + 'static>(
        name: &'static str,
        says: &Sender<(&'static str, &'static str)>,
        code: F,
    ) -> Arc<dyn Wake> {
        Arc::new(Told { name, says: Mutex::new(says.clone()), code })
    }

    fn next(
        heard: &Receiver<(&'static str, &'static str)>,
        count: usize,
    ) -> Vec<(&'static str, &'static str)> {
        (0..count).map(|_| heard.recv().expect("it is said")).collect()
    }

    /// Notices when it is called while it runs.
    #[derive(Default)]
    struct Alone {
        called: AtomicU32,
        inside: AtomicBool,
        met: AtomicBool,
    }

    struct Reads(Arc<Alone>, Weak<Queue>);

    impl Wake for Reads {
        fn wake(&self) {
            let alone = &self.0;
            if alone.inside.swap(true, Ordering::SeqCst) {
                alone.met.store(true, Ordering::SeqCst);
            }
            std::thread::yield_now();
            alone.called.fetch_add(1, Ordering::SeqCst);
            // Before it is read empty: from then on the next call may be due.
            if let Some(queue) = self.1.upgrade() {
                while let Taken::Events(_) = queue.take(9) {}
            }
            alone.inside.store(false, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_host_is_never_woken_twice_at_the_same_time() {
        let (waker, alone) = (waker(), Arc::new(Alone::default()));
        let wake = || Some(Arc::new(Reads(alone.clone(), Arc::downgrade(&waker.queue))) as Arc<dyn Wake>);
        waker.set(wake());
        std::thread::scope(|scope| {
            scope.spawn(|| (0..400).for_each(|_| waker.set(wake())));
            (0..400).for_each(|_| put(&waker, "a"));
        });
        assert!(!alone.met.load(Ordering::SeqCst));
        assert!(alone.called.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn every_event_that_meets_a_reader_who_had_nothing_wakes_once() {
        let (waker, alone) = (waker(), Arc::new(Alone::default()));
        waker.set(Some(Arc::new(Reads(alone.clone(), Arc::downgrade(&waker.queue)))));
        for count in 1..=20 {
            put(&waker, "a");
            assert_eq!(alone.called.load(Ordering::SeqCst), count, "`put` returns after the call");
        }
    }

    #[test]
    fn a_wake_may_replace_itself_and_is_destroyed_after_it_returned() {
        let (waker, (says, heard)) = (waker(), channel());
        let (again, says_again) = (waker.clone(), says.clone());
        let first = told("first", &says, move || {
            again.set(Some(told("second", &says_again, || {})));
            // The new one is due, as there is an event: it comes when this one has returned.
            says_again.send(("first", "replaced")).expect("the test listens");
        });
        waker.set(Some(first));
        put(&waker, "a");
        let expected = [
            ("first", "called"),
            ("first", "replaced"),
            ("first", "returned"),
            ("first", "destroyed"),
            ("second", "called"),
            ("second", "returned"),
        ];
        assert_eq!(next(&heard, 6), expected);
        waker.queue.close();
        assert_eq!(next(&heard, 1), [("second", "destroyed")]);
        assert_eq!(heard.try_recv(), Err(TryRecvError::Empty), "once each");
    }

    #[test]
    fn a_wake_may_clear_itself_and_is_destroyed_after_it_returned() {
        let (waker, (says, heard)) = (waker(), channel());
        let (again, says_again) = (waker.clone(), says.clone());
        waker.set(Some(told("only", &says, move || {
            again.set(None);
            says_again.send(("only", "cleared")).expect("the test listens");
        })));
        put(&waker, "a");
        let expected = [("only", "called"), ("only", "cleared"), ("only", "returned"), ("only", "destroyed")];
        assert_eq!(next(&heard, 4), expected);
        read(&waker);
        put(&waker, "b");
        assert_eq!(heard.try_recv(), Err(TryRecvError::Empty), "nobody is called any more");
    }

    #[test]
    fn a_wake_that_another_thread_takes_away_while_it_runs_is_destroyed_after_it_returned() {
        for replaced in [false, true] {
            let (waker, (says, heard)) = (waker(), channel());
            let (let_go, held) = channel::<()>();
            let held = Mutex::new(held);
            let hangs = told("first", &says, move || held.lock().expect("whole").recv().expect("let go"));
            waker.set(Some(hangs));
            std::thread::scope(|scope| {
                let putting = scope.spawn(|| put(&waker, "a"));
                assert_eq!(next(&heard, 1), [("first", "called")]);
                // Each of them returns, though the call has not. One that never was called is destroyed at once.
                waker.set(Some(told("between", &says, || {})));
                waker.set(replaced.then(|| told("second", &says, || {})));
                assert_eq!(next(&heard, 1), [("between", "destroyed")]);
                assert_eq!(heard.try_recv(), Err(TryRecvError::Empty), "the first one still runs");
                let_go.send(()).expect("it waits");
                putting.join().expect("no panic");
            });
            assert_eq!(next(&heard, 2), [("first", "returned"), ("first", "destroyed")]);
            if replaced {
                assert_eq!(next(&heard, 2), [("second", "called"), ("second", "returned")]);
            }
            waker.queue.close();
            let destroyed = heard.try_recv();
            assert_eq!(destroyed.ok(), replaced.then_some(("second", "destroyed")));
        }
    }

    #[test]
    fn a_queue_that_is_closed_while_its_wake_runs_calls_nobody_any_more() {
        let (waker, (says, heard)) = (waker(), channel());
        let (let_go, held) = channel::<()>();
        let held = Mutex::new(held);
        waker.set(Some(told("only", &says, move || held.lock().expect("whole").recv().expect("let go"))));
        std::thread::scope(|scope| {
            scope.spawn(|| put(&waker, "a"));
            assert_eq!(next(&heard, 1), [("only", "called")]);
            read(&waker);
            waker.queue.close();
            assert_eq!(heard.try_recv(), Err(TryRecvError::Empty), "it still runs");
            let_go.send(()).expect("it waits");
        });
        assert_eq!(next(&heard, 2), [("only", "returned"), ("only", "destroyed")]);
    }

    #[test]
    fn a_call_that_nobody_makes_or_that_panics_is_not_waited_for_and_the_next_event_calls() {
        type Call = Box<dyn FnOnce() + Send>;
        let no_thread = |call: Call| drop(call);
        let run_out_of_threads = |_: Call| panic!("no thread");
        let it_panics = |call: Call| {
            assert!(catch_unwind(AssertUnwindSafe(call)).is_err(), "the wake panics the first time");
        };
        let cases: [(fn(Call), u32); 3] = [(no_thread, 1), (run_out_of_threads, 1), (it_panics, 2)];
        for (deliver, expected) in cases {
            let (queue, called) = (Arc::new(Queue::new()), Arc::new(AtomicU32::new(0)));
            let is_first = AtomicBool::new(expected == 2);
            queue.set_wake(Some(Arc::new(Counts(called.clone(), is_first))));
            let put = || pollster::block_on(queue.put(vec!["a".to_owned()], false));
            assert!(put());
            hand_over(queue.clone(), deliver);
            pollster::block_on(queue.all_called());
            while let Taken::Events(_) = queue.take(9) {}
            assert!(put(), "somebody is to call again");
            hand_over(queue.clone(), |call| call());
            pollster::block_on(queue.all_called());
            assert_eq!(called.load(Ordering::SeqCst), expected);
        }
    }

    #[test]
    fn a_call_that_is_made_long_after_it_was_given_up_calls_nobody() {
        let (queue, called) = (Arc::new(Queue::new()), Arc::new(AtomicU32::new(0)));
        queue.set_wake(Some(Arc::new(Counts(called.clone(), AtomicBool::new(false)))));
        let put = || pollster::block_on(queue.put(vec!["a".to_owned()], false));
        assert!(put());
        let mut kept = None;
        hand_over(queue.clone(), |call| {
            kept = Some(call);
            panic!("no thread");
        });
        assert!(put(), "the next one tries again");
        kept.expect("is kept")();
        assert_eq!(called.load(Ordering::SeqCst), 0, "another one makes the calls");
        hand_over(queue.clone(), |call| call());
        assert_eq!(called.load(Ordering::SeqCst), 1);
    }

    /// Counts its calls, and panics in the first one where it is to.
    struct Counts(Arc<AtomicU32>, AtomicBool);

    impl Wake for Counts {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            assert!(!self.1.swap(false, Ordering::SeqCst), "it panics");
        }
    }
}
