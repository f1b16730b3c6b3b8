//! What runs at the end of a convoy, on the merged result.

mod gates;
mod guard;
mod hook;
mod room;

pub use self::gates::{ConvoyGates, EndGate, convoy_gates};
pub use self::guard::{clean_up, guard};
pub(super) use self::room::Room;

pub use self::hook::{ConvoyHook, convoy_hook};
