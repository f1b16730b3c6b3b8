//! The segments of one attempt (work, snapshot, check, land), each one plain async function.
//!
//! A segment takes typed input and returns a typed result; it decides nothing. What follows from a result
//! is decided elsewhere, after it was recorded. Every segment may be repeated after a crash.

mod artifacts;
mod call;
mod candidate;
mod check;
mod conflict;
mod context;
mod cut_off;
mod dirs;
mod end;
mod environment;
mod guard;
mod hooks;
mod host;
mod inputs;
mod land;
mod links;
mod log;
mod prompt;
mod proof;
mod review;
mod setup;
mod shell;
mod snapshot;
mod space;
mod steps;
mod verify;
mod warm;
mod work;

/// Most bytes of paths that an event lists. The data of an event has at most 64 KiB, and where they make a task fail the
/// message says them a second time.
pub const LISTED: usize = 24 * 1024;

pub use self::candidate::keep_candidate;
pub use self::check::{CheckReport, CheckRequest, Checked, DriftReport, GateReport, Judge, Rating, check};
pub use self::conflict::ConflictWork;
pub use self::context::{CleanTrees, Context, KeptRefs, Publications, WholeTrees};
pub use self::cut_off::{Before, CutOff, Kept};
pub use self::dirs::Dirs;
pub use self::end::{ConvoyGates, ConvoyHook, EndGate, clean_up, convoy_gates, convoy_hook, guard};
pub use self::environment::{MissingVariable, agent_env, check_variables, gate_env, redactor};
pub use self::guard::GuardReport;
pub use self::hooks::{HookEnd, HookPlace, HookReport, run_hook};
pub use self::host::{Answer, GateCall, HookCall, HostCode, PromptCall, PromptPart};
pub use self::inputs::PromptInput;
pub use self::land::{LandRequest, Landing, advance, prepare, publish, publish_plan};
pub use self::log::last_bytes;
pub use self::prompt::{Feedback, Prompt, render};
pub use self::review::{
    ReviewEnd, ReviewNote, ReviewOrder, Reviewed, Reviews, Subject, one_fast_review, review, review_agent,
};
pub use self::snapshot::{TakeReport, TakeRequest, Taken, take};
pub use self::space::{Space, SpaceReport, Waiting};
#[cfg(test)]
pub(crate) use self::space::{Told, Turn};
pub use self::steps::{StepEnd, StepStart};
pub use self::verify::{Verified, VerifyEnd, VerifyRequest, remove_left, verify};
pub use self::work::{KeptSession, Observer, Started, WorkRequest, Worked, work};
