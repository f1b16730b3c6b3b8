//! The closed, versioned events of a convoy, nested by area, and their JSON.
//!
//! Everything that [`crate::state`] needs to rebuild a convoy is in its events and its spec. An event
//! is written once and never changed; a new version of the engine reads every older event.
//!
//! Of the types that opencastle 0.27 writes, these are not there although what they tell is built. `secret_leak_prevented`:
//! a secret in a prompt is `task_failed` with the reason `secret-in-prompt`, one in the work `built_in_gate_result` of
//! `secret_scan`. `file_partition_conflict`: tasks that overlap are refused before there is a convoy, added ones as
//! `injection_refused`. `session` and `delegation`: they repeat what `task_started`, `task_agent_ended` and `task_done` say.

mod convoy;
mod drift;
mod gate;
mod hook;
mod publish;
mod record;
mod request;
mod review;
#[cfg(any(test, feature = "testing"))]
pub mod schema;
mod step;
mod task;
mod text;
mod verify;

pub use self::convoy::{ConvoyEvent, End, RunOptions, Started, TaskSource};
pub use self::drift::DriftResult;
pub use self::gate::{BuiltInGateResult, GateResult, RepositoryGuard};
pub use self::hook::HookResult;
pub use self::publish::PublishEvent;
pub use self::record::{DecodeError, EventRecord};
pub use self::request::{Request, RequestKind};
pub use self::review::{Dispute, ReviewRecord, ReviewStarted};
pub use self::step::{StepFinished, StepStarted};
pub use self::task::{AgentOutcome, AttemptKind, DeadLetter, TaskEvent, Work};
pub use self::verify::{VerifyOutcome, VerifyResult, VerifyStarted};

use crate::types::{AttemptNo, TaskId, TaskIx};

/// Version of the event format, stored with every convoy. It rises when an older engine could not
/// read what a newer one writes.
pub const EVENT_FORMAT: u32 = 1;

/// Something that happened to a convoy.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It concerns the convoy as a whole.
    Convoy(ConvoyEvent),
    /// It concerns one task.
    Task {
        /// Position of the task.
        task: TaskIx,
        /// Id of the task.
        id: TaskId,
        /// The attempt that it belongs to, where it belongs to one.
        attempt: Option<AttemptNo>,
        /// What happened.
        event: TaskEvent,
    },
    /// It concerns the user's branch.
    Publish(PublishEvent),
}

impl Event {
    /// The public name of the event's type, for example `task_done`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Convoy(event) => event.type_name(),
            Self::Task { event, .. } => event.type_name(),
            Self::Publish(event) => event.type_name(),
        }
    }
}

/// Declares an area's enum together with the public name of each variant, so that the name in the JSON
/// and the one in the code cannot differ.
macro_rules! area {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal $body:tt,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "type", content = "data")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant $body,)*
        }

        impl $name {
            /// The public names of all events of this area.
            pub const TYPES: &'static [&'static str] = &[$($text),*];

            /// The public name of the event's type.
            pub fn type_name(&self) -> &'static str {
                match self { $(area!(@pat $variant $body) => $text,)* }
            }
        }
    };
    (@pat $variant:ident ($($t:tt)*)) => { Self::$variant(..) };
    (@pat $variant:ident {$($t:tt)*}) => { Self::$variant { .. } };
}
pub(crate) use area;
