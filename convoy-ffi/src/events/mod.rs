//! The events of a run, on their way to the host.

mod functions;
mod pump;
mod queue;
mod waker;

pub(crate) use self::functions::list;
pub use self::functions::{
    convoy_run_event_fd, convoy_run_events_after, convoy_run_next_event, convoy_run_next_events,
    convoy_run_set_wake, convoy_run_wait_event, convoy_run_wait_events,
};
pub(crate) use self::pump::Watch;
