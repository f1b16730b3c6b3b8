//! What the engine tells of itself, handed to a function of the host.
//!
//! The engine never waits for it: what it tells goes through a queue to one thread, which calls the function.

use std::ffi::{c_char, c_void};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::callback::UserData;
use crate::courier;
use crate::error::convoy_error;
use crate::status::convoy_status::CONVOY_BAD_NUMBER;

/// How much a record matters. `convoy_engine_builder_set_log` gets and gives these numbers.
#[expect(non_camel_case_types, reason = "the C name, so that one search finds both sides")]
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum convoy_log_level {
    /// A run stopped without an end.
    CONVOY_LOG_ERROR = 1,
    /// A person should look at it.
    CONVOY_LOG_WARN = 2,
    /// What a person may want to know: convoys and tasks that begin, end, wait.
    CONVOY_LOG_INFO = 3,
    /// Everything that is recorded.
    CONVOY_LOG_DEBUG = 4,
    /// More than that.
    CONVOY_LOG_TRACE = 5,
}

const LEVELS: [(Level, convoy_log_level); 5] = [
    (Level::ERROR, convoy_log_level::CONVOY_LOG_ERROR),
    (Level::WARN, convoy_log_level::CONVOY_LOG_WARN),
    (Level::INFO, convoy_log_level::CONVOY_LOG_INFO),
    (Level::DEBUG, convoy_log_level::CONVOY_LOG_DEBUG),
    (Level::TRACE, convoy_log_level::CONVOY_LOG_TRACE),
];

fn number(level: Level) -> i32 {
    LEVELS.iter().find(|(known, _)| *known == level).map_or(0, |(_, number)| *number as i32)
}

/// Records that wait to be handed over. More are lost, and counted.
const MOST_WAITING: usize = 1024;

/// A function that gets records: its data, the level, and the record as JSON with its length.
pub(crate) type Tell =
    unsafe extern "C" fn(user_data: *mut c_void, level: i32, record: *const c_char, len: usize);

/// The function of a host, as it was registered.
#[derive(Debug)]
pub(crate) struct HostLog {
    most: Level,
    tell: Tell,
    user_data: UserData,
}

type Line = (i32, String);

impl HostLog {
    pub(crate) fn new(level: i32, tell: Tell, user_data: UserData) -> Result<Self, convoy_error> {
        let most = LEVELS.iter().find(|(_, known)| *known as i32 == level).map(|(level, _)| *level);
        let most = most.ok_or_else(|| {
            let message = format!("`level` is {level}: use one of convoy_log_level, 1 to 5");
            convoy_error::new(CONVOY_BAD_NUMBER, message)
        })?;
        Ok(Self { most, tell, user_data })
    }

    /// Where the engine tells. The thread for the function is apart from those of other callbacks, which may all be
    /// taken, and ends when nobody can tell any more.
    pub(crate) fn dispatch(self) -> Result<Dispatch, convoy_error> {
        let (layer, waiting) = ToHost::new(self.most, MOST_WAITING);
        let lost = layer.lost.clone();
        let thread = std::thread::Builder::new().name("convoy-log".to_owned());
        thread.spawn(move || self.deliver(&waiting, &lost)).map_err(|error| courier::no_threads(&error))?;
        Ok(Dispatch::new(Registry::default().with(layer)))
    }

    /// Hands over what comes until nobody can tell any more. What was lost is told when nothing waits, at the latest.
    fn deliver(&self, lines: &Receiver<Line>, lost: &AtomicU64) {
        loop {
            let next = match lines.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.tell_of_lost(lost);
                    lines.recv().ok()
                }
                other => other.ok(),
            };
            let Some(line) = next else { break };
            self.hand_over(&line);
        }
        self.tell_of_lost(lost);
    }

    fn tell_of_lost(&self, lost: &AtomicU64) {
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => self.hand_over(&line_of_lost(lost)),
        }
    }

    fn hand_over(&self, (level, text): &Line) {
        // The NUL is for C readers; it is not part of the text.
        let len = text.len().saturating_sub(1);
        // SAFETY: the host gave the function for this data, which is not destroyed as long as `self` lives; the
        // record is readable during the call.
        unsafe { (self.tell)(self.user_data.get(), *level, text.as_ptr().cast(), len) }
    }
}

/// Says that records were lost.
fn line_of_lost(lost: u64) -> Line {
    let message = format!("{lost} records were lost: the function that gets them is too slow");
    let record = json!({"level": "warn", "target": module_path!(), "message": message, "lost": lost});
    (number(Level::WARN), format!("{record}\0"))
}

/// What turns records into lines.
struct ToHost {
    most: Level,
    lines: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

impl fmt::Debug for ToHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToHost").field("most", &self.most).finish_non_exhaustive()
    }
}

/// Members of a span or a record.
#[derive(Default)]
struct Members(Map<String, Value>);

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl ToHost {
    fn new(most: Level, room: usize) -> (Self, Receiver<Line>) {
        let (lines, waiting) = sync_channel(room);
        (Self { most, lines, lost: Arc::default() }, waiting)
    }

    fn send(&self, level: Level, record: &Value) {
        let line = (number(level), format!("{record}\0"));
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells that records were lost, once there is room again.
    fn tell_of_lost(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && self.lines.try_send(line_of_lost(lost)).is_err() {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ToHost {
    /// The engine's own words only: what its dependencies tell is free of secrets for nobody's promise.
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        let ours = ["convoy", "convoy_core"].iter().any(|name| {
            metadata.target().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        // Spans are kept at every level: they say what a record is about.
        ours && (metadata.is_span() || *metadata.level() <= self.most)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut members = Members::default();
        attributes.record(&mut members);
        span.extensions_mut().insert(members);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(members) = span.extensions_mut().get_mut::<Members>() {
            values.record(members);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut members = Members::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Members>() {
                members.0.extend(of_span.0.clone());
            }
            members.0.insert("span".to_owned(), span.name().into());
        }
        event.record(&mut members);
        let level = *event.metadata().level();
        members.0.insert("level".to_owned(), level.as_str().to_ascii_lowercase().into());
        members.0.insert("target".to_owned(), event.metadata().target().into());
        self.tell_of_lost();
        self.send(level, &Value::Object(members.0));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;

    fn told(most: Level, room: usize, act: impl FnOnce()) -> Vec<(i32, Value)> {
        let (layer, waiting) = ToHost::new(most, room);
        let dispatch = Dispatch::new(Registry::default().with(layer));
        tracing::dispatcher::with_default(&dispatch, act);
        drop(dispatch);
        let read = |(level, line): Line| {
            let text = line.strip_suffix('\0').expect("a NUL at the end");
            (level, serde_json::from_str(text).expect("JSON"))
        };
        waiting.iter().map(read).collect()
    }

    #[test]
    fn a_record_has_its_message_its_members_and_those_of_its_spans() {
        let told = told(Level::INFO, 8, || {
            let outer = tracing::info_span!("run", convoy = "c", task = tracing::field::Empty);
            outer.record("task", "t");
            let _outer = outer.entered();
            let _inner = tracing::debug_span!("work", attempt = 2_u64).entered();
            tracing::warn!(pid = 7_i64, late = true, "the \"agent\" is {}", "slow");
            tracing::debug!("too quiet");
            tracing::error!(target: "rusqlite", "of another");
            tracing::error!(target: "convoy_core2", "of another");
        });
        let expected = json!({
            "level": "warn", "target": module_path!(), "span": "work", "message": "the \"agent\" is slow",
            "convoy": "c", "task": "t", "attempt": 2, "pid": 7, "late": true,
        });
        // `tests` is below the module whose path is expected.
        assert_eq!(told, [(2, expected)]);
    }

    #[test]
    fn what_is_lost_is_counted() {
        let (layer, waiting) = ToHost::new(Level::INFO, 1);
        let dispatch = Dispatch::new(Registry::default().with(layer));
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!("1");
            tracing::info!("2");
            tracing::info!("3");
            assert!(waiting.recv().expect("a line").1.contains("\"1\""));
            tracing::info!("4");
        });
        assert!(waiting.recv().expect("a line").1.contains("2 records were lost"));
    }

    /// Keeps what it is told in the `Mutex<Vec<String>>` that its data points to.
    unsafe extern "C" fn keep(told: *mut c_void, _: i32, record: *const c_char, len: usize) {
        // SAFETY: the tests below hand over such a pointer, and readable records.
        let (told, record) = unsafe {
            (&*told.cast::<Mutex<Vec<String>>>(), std::slice::from_raw_parts(record.cast::<u8>(), len))
        };
        told.lock().expect("whole").push(String::from_utf8_lossy(record).into_owned());
    }

    #[test]
    fn what_is_lost_at_the_end_is_counted_too() {
        let told = Mutex::new(Vec::<String>::new());
        let log =
            HostLog::new(3, keep, UserData::new((&raw const told).cast_mut().cast(), None)).expect("a log");
        let (layer, waiting) = ToHost::new(Level::INFO, 1);
        let lost = layer.lost.clone();
        let dispatch = Dispatch::new(Registry::default().with(layer));
        tracing::dispatcher::with_default(&dispatch, || (0..4).for_each(|n| tracing::info!("record {n}")));
        drop(dispatch);
        log.deliver(&waiting, &lost);
        let told = told.into_inner().expect("whole");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("record 0") && told[1].contains("3 records were lost"), "{told:?}");
    }

    #[test]
    fn what_was_registered_is_destroyed_when_nobody_can_tell_any_more() {
        unsafe extern "C" fn let_go(ended: *mut c_void) {
            // SAFETY: the pointer was made of such a box below, and comes back once.
            drop(unsafe { Box::from_raw(ended.cast::<mpsc::Sender<()>>()) });
        }
        unsafe extern "C" fn nothing(_: *mut c_void, _: i32, _: *const c_char, _: usize) {}
        let (ended, end) = mpsc::channel::<()>();
        let data = UserData::new(Box::into_raw(Box::new(ended)).cast(), Some(let_go));
        let dispatch = HostLog::new(3, nothing, data).expect("a log").dispatch().expect("a thread");
        tracing::dispatcher::with_default(&dispatch, || tracing::info!("one"));
        drop(dispatch);
        assert!(end.recv().is_err(), "the sender is gone");
    }

    #[test]
    fn every_level_has_a_number_and_other_numbers_have_none() {
        unsafe extern "C" fn nothing(_: *mut c_void, _: i32, _: *const c_char, _: usize) {}
        let log = |level| HostLog::new(level, nothing, UserData::new(std::ptr::null_mut(), None));
        for level in 1..=5 {
            assert_eq!(number(log(level).expect("a level").most), level);
        }
        for level in [0, 6, -1, i32::MAX] {
            assert_eq!(log(level).expect_err("no level").status(), CONVOY_BAD_NUMBER);
        }
    }
}
