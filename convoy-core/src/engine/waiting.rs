//! Actions that wait for room on a full disk: for a worktree that another action of their convoy gives back.
//!
//! One at a time tries again, so that none takes from another what would have been enough for it alone. All of them do,
//! in the order in which they came, when an action of the convoy has ended, and every 30 seconds: another convoy may
//! have given a worktree back, or a person freed space, of which nobody hears here.
//!
//! When nothing but such actions is under way, one tries alone. If it finds no room either, and nothing has ended or
//! begun to wait meanwhile, it is told that there is no hope, which ends the run in order: so none waits for another
//! that waits. What other convoys have in use is not waited for then.

use std::collections::VecDeque;
use std::time::Duration;

use crate::attempt::{SpaceReport, Waiting};
use crate::types::Timestamp;

/// How often those who wait try again although nothing has ended.
const EVERY: Duration = Duration::from_secs(30);

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct WaitingList {
    waiting: VecDeque<Waiting>,
    /// One was told to try again, and has not said yet what came of it.
    trying: bool,
    /// So many at the front are to try again.
    due: usize,
    /// An action has ended, or begun to wait, since the last one that tried alone was told to: that it found no room
    /// says nothing any more.
    changed: bool,
    /// When all of them try again in any case.
    next: Option<Timestamp>,
}

impl WaitingList {
    /// What one that waits tells.
    pub(crate) fn hear(&mut self, report: SpaceReport) {
        match report {
            SpaceReport::Wanted(waiting) => {
                // It may have tried beside others, or before one of them ended.
                self.changed = true;
                self.waiting.push_back(waiting);
            }
            SpaceReport::Tried(waiting) => {
                self.trying = false;
                self.waiting.extend(waiting);
            }
        }
    }

    /// An action has ended.
    pub(crate) fn ended(&mut self) {
        self.changed = true;
        self.due = self.waiting.len();
    }

    /// So many actions are under way, those who wait among them.
    pub(crate) fn settle(&mut self, under_way: usize, now: Timestamp) {
        self.waiting.retain(|waiting| !waiting.is_over());
        if self.waiting.is_empty() {
            self.next = None;
            return;
        }
        // A clock that is set back keeps nobody waiting for longer than usual.
        let left = self.next.map_or(EVERY, |next| next.since(now).min(EVERY));
        self.next = Some(now.plus(left));
        if self.trying {
            return;
        }
        if left.is_zero() {
            self.due = self.waiting.len();
            self.next = Some(now.plus(EVERY));
        }
        let alone = self.waiting.len() >= under_way;
        if self.due > 0 || (alone && self.changed) {
            self.due = self.due.saturating_sub(1);
            self.changed &= !alone;
            if let Some(waiting) = self.waiting.pop_front() {
                self.trying = true;
                waiting.try_again();
            }
        } else if alone && let Some(waiting) = self.waiting.pop_back() {
            // The one that has just tried.
            waiting.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use tokio::sync::oneshot;

    use super::*;
    use crate::attempt::{Told, Turn};

    /// A list, and what it is told.
    struct Room {
        list: WaitingList,
        sender: mpsc::Sender<SpaceReport>,
        reports: mpsc::Receiver<SpaceReport>,
        now: Timestamp,
    }

    /// One that waits.
    struct Waiter(oneshot::Receiver<Told>);

    impl Waiter {
        fn tries(&mut self) -> Turn {
            match self.0.try_recv() {
                Ok(Told::TryAgain(turn)) => turn,
                other => panic!("it is not told to try again: {other:?}"),
            }
        }

        fn gives_up(&mut self) {
            let told = self.0.try_recv();
            assert!(matches!(told, Ok(Told::NoHope)), "{told:?}");
        }

        fn waits(&mut self) {
            let told = self.0.try_recv();
            assert!(matches!(told, Err(oneshot::error::TryRecvError::Empty)), "{told:?}");
        }
    }

    impl Room {
        fn new() -> Self {
            let (sender, reports) = mpsc::channel();
            Self { list: WaitingList::default(), sender, reports, now: Timestamp(1_000_000) }
        }

        fn waiting(&self) -> (Waiting, Waiter) {
            let sender = self.sender.clone();
            let (waiting, told) = Waiting::new(Arc::new(move |report| sender.send(report).expect("listens")));
            (waiting, Waiter(told))
        }

        /// One that has found no room.
        fn comes(&mut self) -> Waiter {
            let (waiting, waiter) = self.waiting();
            self.list.hear(SpaceReport::Wanted(waiting));
            waiter
        }

        /// One that was told to try again has found no room.
        fn fails(&mut self, turn: Turn) -> Waiter {
            let (waiting, waiter) = self.waiting();
            turn.failed(waiting);
            waiter
        }

        fn settle(&mut self, under_way: usize) {
            self.reports.try_iter().for_each(|report| self.list.hear(report));
            self.list.settle(under_way, self.now);
        }

        fn after(&mut self, time: Duration) {
            self.now = self.now.plus(time);
        }
    }

    #[test]
    fn one_that_finds_no_room_alone_has_no_hope() {
        let mut room = Room::new();
        room.settle(0);
        let mut a = room.comes();
        room.settle(2);
        a.waits();
        room.settle(1);
        let turn = a.tries();
        room.settle(1);
        let mut a = room.fails(turn);
        room.settle(1);
        a.gives_up();
    }

    #[test]
    fn what_ended_while_one_filled_its_worktree_is_not_lost() {
        let mut room = Room::new();
        // The other action ends before this one says that it found no room.
        room.list.ended();
        room.settle(1);
        let mut a = room.comes();
        room.settle(1);
        drop(a.tries());
        room.settle(1);

        // And also when that happens while it tries alone.
        let mut a = room.comes();
        room.settle(1);
        let turn = a.tries();
        room.list.ended();
        let mut a = room.fails(turn);
        room.settle(1);
        let turn = a.tries();
        let mut a = room.fails(turn);
        room.settle(1);
        a.gives_up();
    }

    #[test]
    fn of_two_that_fail_beside_each_other_one_tries_alone() {
        let mut room = Room::new();
        let (mut a, mut b) = (room.comes(), room.comes());
        room.settle(2);
        let turn = a.tries();
        b.waits();
        room.settle(2);
        b.waits();
        // It finds room, and works.
        drop(turn);
        room.settle(2);
        b.waits();
        room.list.ended();
        room.settle(1);
        drop(b.tries());
        // Without room, one is told.
        let (mut a, mut b) = (room.comes(), room.comes());
        room.settle(2);
        let turn = a.tries();
        let mut a = room.fails(turn);
        room.settle(2);
        a.gives_up();
        b.waits();
        room.list.ended();
        room.settle(1);
        let turn = b.tries();
        let mut b = room.fails(turn);
        room.settle(1);
        b.gives_up();
    }

    #[test]
    fn when_something_ends_all_try_again_one_after_the_other() {
        let mut room = Room::new();
        let (mut a, mut b, mut c) = (room.comes(), room.comes(), room.comes());
        room.settle(5);
        room.list.ended();
        room.settle(4);
        let turn = a.tries();
        b.waits();
        let mut a = room.fails(turn);
        room.settle(4);
        let turn = b.tries();
        c.waits();
        drop(turn);
        room.settle(4);
        let turn = c.tries();
        let mut c = room.fails(turn);
        room.settle(4);
        a.waits();
        c.waits();
        // Who is stopped waits no more, and what it was told is not lost for the others.
        room.list.ended();
        drop(a);
        room.settle(3);
        drop(c.tries());
    }

    #[test]
    fn all_try_again_after_a_while_although_nothing_has_ended() {
        let mut room = Room::new();
        let (mut a, mut b) = (room.comes(), room.comes());
        room.settle(3);
        room.after(EVERY.saturating_sub(Duration::from_millis(1)));
        room.settle(3);
        a.waits();
        room.after(Duration::from_millis(1));
        room.settle(3);
        let turn = a.tries();
        let mut a = room.fails(turn);
        room.settle(3);
        let turn = b.tries();
        let mut b = room.fails(turn);
        room.settle(3);
        a.waits();
        b.waits();
        // Also with a clock that was set back.
        room.now = Timestamp(0);
        room.settle(3);
        a.waits();
        room.after(EVERY);
        room.settle(3);
        drop(a.tries());
        b.waits();
    }
}
