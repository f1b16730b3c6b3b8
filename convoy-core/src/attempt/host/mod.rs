//! Code of the program that embeds the engine: gates, prompt sources and hooks that are closures.
//!
//! A spec asks for them by name (`host_gates`, `host_prompts`, hooks of type `host`), and names are what is stored: a
//! convoy can be taken up by every program that has registered code under them.

mod calls;
mod code;
mod prompts;
mod run;

pub use self::calls::{Answer, GateCall, HookCall, PromptCall, PromptPart};
pub(super) use self::code::Code;
pub use self::code::HostCode;
pub(super) use self::prompts::prompt_parts;
pub(super) use self::run::{Ended, ask, told};
