//! What the engine waits for from the host, by number.

mod call;
mod live;
mod reply;
mod table;

pub(crate) use self::call::{Ask, Ended, Limits, Why};
pub(crate) use self::live::Live;
pub(crate) use self::reply::{Expects, Reply};

mod functions;

pub use self::functions::{
    convoy_completion_output, convoy_completion_reject, convoy_completion_resolve, convoy_completion_session,
    convoy_completion_started,
};
