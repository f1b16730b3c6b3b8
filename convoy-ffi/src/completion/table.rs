//! The table of completions. A number is used once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::live::LiveSender;
use super::reply::{Expects, Reply};
use crate::error::convoy_error;
use crate::handle::must_be_own_process;
use crate::status::convoy_status::CONVOY_NO_COMPLETION;

/// What the host said in the end.
#[derive(Debug)]
pub(crate) enum Answer {
    /// An answer of the kind that was expected.
    Resolved(Reply),
    /// It failed, in the host's words.
    Rejected(String),
}

/// A call of the host's code that has not been answered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) expects: Expects,
    pub(super) live: LiveSender,
    answer: Mutex<Option<oneshot::Sender<Answer>>>,
}

type Table = BTreeMap<u64, Arc<Pending>>;

static TABLE: Mutex<Table> = Mutex::new(Table::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

fn table() -> MutexGuard<'static, Table> {
    // The table is whole at every moment, also after a panic elsewhere.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a completion.
pub(super) fn open(expects: Expects, live: LiveSender) -> (u64, oneshot::Receiver<Answer>) {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (answer, answered) = oneshot::channel();
    table().insert(id, Arc::new(Pending { expects, live, answer: Mutex::new(Some(answer)) }));
    (id, answered)
}

/// Closes a completion; whether it was open.
pub(super) fn close(id: u64) -> bool {
    let closed = table().remove(&id);
    closed.is_some()
}

/// An open completion.
pub(super) fn find(id: u64) -> Result<Arc<Pending>, convoy_error> {
    must_be_own_process()?;
    table().get(&id).cloned().ok_or_else(|| none(id))
}

/// Answers a completion, and closes it.
pub(super) fn answer(id: u64, with: Answer) -> Result<(), convoy_error> {
    let pending = table().remove(&id).ok_or_else(|| none(id))?;
    let sender = pending.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    let sent = sender.map(|sender| sender.send(with).is_ok());
    if sent == Some(true) { Ok(()) } else { Err(none(id)) }
}

fn none(id: u64) -> convoy_error {
    let message = format!(
        "nothing waits for completion {id}: it was answered before, or the engine gave it up; forget it"
    );
    convoy_error::new(CONVOY_NO_COMPLETION, message)
}

#[cfg(test)]
mod tests {
    use super::super::live;
    use super::*;

    #[test]
    fn a_completion_is_answered_once() {
        let (sender, _live) = live::channel();
        let (id, answered) = open(Expects::Agent, sender);
        assert_eq!(find(id).expect("open").expects, Expects::Agent);
        answer(id, Answer::Rejected("no".to_owned())).expect("the first");
        let again = answer(id, Answer::Rejected("no".to_owned())).expect_err("the second");
        assert_eq!(again.status(), CONVOY_NO_COMPLETION);
        assert_eq!(find(id).expect_err("closed").status(), CONVOY_NO_COMPLETION);
        assert!(!close(id));
        let got = pollster::block_on(answered);
        assert!(matches!(got, Ok(Answer::Rejected(text)) if text == "no"));
    }

    #[test]
    fn what_was_given_up_cannot_be_answered() {
        let (sender, _live) = live::channel();
        let (id, answered) = open(Expects::Settle, sender);
        drop(answered);
        let late = answer(id, Answer::Rejected("no".to_owned())).expect_err("nobody waits");
        assert_eq!(late.status(), CONVOY_NO_COMPLETION);
        let (sender, _live) = live::channel();
        let (id, _answered) = open(Expects::Settle, sender);
        assert!(close(id));
        assert_eq!(find(id).expect_err("closed").status(), CONVOY_NO_COMPLETION);
    }
}
