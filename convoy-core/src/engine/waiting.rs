//! Actions that wait until another one gives a worktree back, because the disk has no room for one more.
//!
//! Every action that ends has all of them try again; when nothing but such actions is under way, one is told that there is
//! no hope, which ends the run in order. So none waits for another that waits.

use crate::attempt::Waiting;

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct WaitingList(Vec<Waiting>);

impl WaitingList {
    /// One more.
    pub(crate) fn add(&mut self, waiting: Waiting) {
        self.0.push(waiting);
    }

    /// An action has ended.
    pub(crate) fn try_again(&mut self) {
        for waiting in self.0.drain(..) {
            // Who was stopped waits no more.
            let _: Result<(), bool> = waiting.send(true);
        }
    }

    /// So many actions are under way, those who wait among them.
    pub(crate) fn settle(&mut self, under_way: usize) {
        self.0.retain(|waiting| !waiting.is_closed());
        if self.0.len() >= under_way
            && let Some(waiting) = self.0.pop()
        {
            let _: Result<(), bool> = waiting.send(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn who_waits_is_told_when_something_ends_and_one_of_them_when_nothing_else_is_under_way() {
        let mut list = WaitingList::default();
        let wait = oneshot::channel::<bool>;
        let ((a, mut told_a), (b, mut told_b), (c, told_c)) = (wait(), wait(), wait());
        list.settle(0);
        list.add(a);
        list.settle(2);
        assert!(told_a.try_recv().is_err(), "another is under way");
        list.try_again();
        assert_eq!(told_a.try_recv(), Ok(true));
        let (a, mut told_a) = wait();
        list.add(a);
        list.add(b);
        list.add(c);
        drop(told_c);
        list.settle(3);
        assert!(told_a.try_recv().is_err() && told_b.try_recv().is_err(), "the third one works again");
        list.settle(2);
        assert!(told_a.try_recv().is_err(), "one is enough");
        assert_eq!(told_b.try_recv(), Ok(false));
        list.settle(2);
        assert!(told_a.try_recv().is_err(), "the other one is still under way");
        list.settle(1);
        assert_eq!(told_a.try_recv(), Ok(false));
    }
}
