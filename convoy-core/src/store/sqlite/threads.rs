//! The thread that writes and the one that reads.
//!
//! The writer takes everything that waits into one transaction, so that many writes share one wait for
//! the disk. Each write stands in a savepoint of its own: one that is refused does not harm the others.
//! A thread ends when every sender is gone and what was sent is done.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rusqlite::{Connection, TransactionBehavior, ffi};
use tokio::sync::oneshot;

use super::medium;
use crate::store::StoreError;

/// Writes of one transaction at most; it bounds how long the first of them waits for its answer.
const GROUP: usize = 256;

/// A write that waits for its turn.
pub(super) trait Write: Send {
    /// Does it, within a savepoint. Whether the savepoint is to be kept.
    fn run(&mut self, db: &Connection) -> bool;

    /// Tells the one who waits.
    fn answer(self: Box<Self>, commit: &Result<(), Shared>);
}

/// The error of a commit that many wait for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Shared(#[source] Arc<rusqlite::Error>);

struct Job<F, T> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Write for Job<F, T>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        self.outcome = self.work.take().map(|work| work(db));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, commit: &Result<(), Shared>) {
        let outcome = match (self.outcome, commit) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(medium("write")(error.clone())),
            // A group is committed only after each of its writes was run.
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // Who does not wait any more does not want to know.
        let _: Result<(), Result<T, StoreError>> = self.reply.send(outcome);
    }
}

/// A write and where its answer will be.
pub(super) fn job<T, F>(work: F) -> (Box<dyn Write>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Job { work: Some(work), outcome: None, reply }), answer)
}

/// How writes reach the writer.
pub(super) type Writes = Sender<Box<dyn Write>>;

/// Answers when a thread has closed its connection and is about to end.
pub(super) type Ended<T> = oneshot::Receiver<T>;

/// Starts the writer. At its end it tells the number of transactions it made.
pub(super) fn start_writer(mut db: Connection) -> Result<(Writes, Ended<u64>), StoreError> {
    let (sender, queue) = channel();
    let (end, ended) = oneshot::channel();
    let serve = move || {
        let transactions = serve_writes(&mut db, &queue);
        drop(db);
        // Mostly nobody waits for it.
        let _: Result<(), u64> = end.send(transactions);
    };
    let named = thread::Builder::new().name("convoy-store-write".to_owned());
    named.spawn(serve).map_err(medium("start its thread"))?;
    Ok((sender, ended))
}

fn serve_writes(db: &mut Connection, queue: &Receiver<Box<dyn Write>>) -> u64 {
    let mut transactions = 0;
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP - 1));
        let commit = write_group(db, &mut group).map_err(|error| Shared(Arc::new(error)));
        transactions += 1;
        group.into_iter().for_each(|write| write.answer(&commit));
    }
    transactions
}

fn write_group(db: &mut Connection, group: &mut [Box<dyn Write>]) -> rusqlite::Result<()> {
    let mut turn = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for write in group {
        let savepoint = turn.savepoint()?;
        let undone = if write.run(&savepoint) { savepoint.commit() } else { savepoint.finish() };
        // When the disk is full SQLite may undo the whole transaction on its own; then those that were
        // done before are undone too and must not be told otherwise.
        if turn.is_autocommit() {
            let why = "the disk is full or failed; the whole transaction was undone".to_owned();
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ABORT), Some(why)));
        }
        undone?;
    }
    turn.commit()
}

/// A question to the reader; it answers by itself.
pub(super) type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// Starts the reader.
pub(super) fn start_reader(mut db: Connection) -> Result<(Sender<Read>, Ended<()>), StoreError> {
    let (sender, queue) = channel::<Read>();
    let (end, ended) = oneshot::channel();
    let serve = move || {
        while let Ok(read) = queue.recv() {
            read(&mut db);
        }
        drop(db);
        // Mostly nobody waits for it.
        let _: Result<(), ()> = end.send(());
    };
    let named = thread::Builder::new().name("convoy-store-read".to_owned());
    named.spawn(serve).map_err(medium("start its thread"))?;
    Ok((sender, ended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::wait::block_on;

    fn table() -> Connection {
        let db = Connection::open_in_memory().expect("opens");
        db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)").expect("is made");
        db
    }

    fn insert(n: u32) -> impl FnOnce(&Connection) -> Result<u32, StoreError> {
        move |db| {
            db.execute("INSERT INTO t VALUES (?1)", [n]).map_err(medium("insert"))?;
            Ok(n)
        }
    }

    #[test]
    fn what_waits_shares_a_transaction_and_a_refused_write_harms_nobody() {
        let (writes, thread) = start_writer(table()).expect("starts");
        let (entered, begun) = channel();
        let (open, gate) = channel::<()>();
        let (block, _) = job(move |_| {
            entered.send(()).expect("the test waits");
            gate.recv().expect("the test opens it");
            Ok(())
        });
        writes.send(block).expect("runs");
        begun.recv().expect("the writer is busy");
        let answers: Vec<_> = (0..64)
            .map(|n| {
                // Every fourth one repeats the number of the one before it and is refused.
                let (write, answer) = job(insert(if n % 4 == 3 { n - 1 } else { n }));
                writes.send(write).expect("runs");
                (n, answer)
            })
            .collect();
        open.send(()).expect("the writer waits");
        for (n, answer) in answers {
            let answer = block_on(answer).expect("answers");
            assert_eq!(answer.is_ok(), n % 4 != 3, "{n}: {answer:?}");
        }
        drop(writes);
        assert_eq!(block_on(thread).expect("no panic"), 2);
    }

    #[test]
    fn the_thread_ends_after_what_was_sent_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.db");
        let db = Connection::open(&path).expect("opens");
        db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)").expect("is made");
        let (writes, thread) = start_writer(db).expect("starts");
        for n in 0..100 {
            let (write, answer) = job(insert(n));
            drop(answer);
            writes.send(write).expect("runs");
        }
        drop(writes);
        block_on(thread).expect("no panic");
        let db = Connection::open(&path).expect("opens");
        assert_eq!(db.query_row("SELECT count(*) FROM t", (), |row| row.get(0)), Ok(100));
    }

    #[test]
    fn a_group_that_cannot_be_written_is_refused_as_a_whole() {
        let mut db = table();
        db.execute_batch("PRAGMA max_page_count = 3").expect("set");
        let fill = |db: &Connection| {
            let filled = db.execute("INSERT OR ROLLBACK INTO t VALUES (1), (1)", ());
            filled.map(|_| ()).map_err(medium("fill"))
        };
        let (good, good_answer) = job(insert(1));
        let (bad, bad_answer) = job(fill);
        let (later, later_answer) = job(insert(2));
        let mut group = vec![good, bad, later];
        let commit = write_group(&mut db, &mut group).map_err(|error| Shared(Arc::new(error)));
        assert!(commit.is_err());
        group.into_iter().for_each(|write| write.answer(&commit));
        for answer in [block_on(good_answer), block_on(later_answer)] {
            let answer = answer.expect("answers");
            assert!(matches!(answer, Err(StoreError::Medium { doing: "write", .. })), "{answer:?}");
        }
        let answer = block_on(bad_answer).expect("answers");
        assert!(matches!(answer, Err(StoreError::Medium { doing: "fill", .. })), "{answer:?}");
        assert_eq!(db.query_row("SELECT count(*) FROM t", (), |row| row.get(0)), Ok(0));
        assert!(db.is_autocommit(), "the next group can begin");
    }
}
