//! How agent programs are called: the adapter trait, command line profiles, the registry.
//!
//! An [`AgentAdapter`] runs one agent on one prompt in one directory and reports how that ended.
//! [`CliAdapter`] does it for any program that a [`CliProfile`](crate::spec::CliProfile) describes;
//! `claude` is such a profile with a parser of its own. [`Registry`] finds adapters by name.
//!
//! Everything an agent prints is foreign text: adapters hand it on as it came, because they must parse
//! it, and callers redact it ([`AgentReport::redacted`], [`StreamRedactor`](crate::secret::StreamRedactor))
//! before it is stored or shown.

mod adapter;
mod claude;
mod claude_errors;
mod cli;
mod command;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod dialect;
mod environment;
mod error;
mod fields;
mod judge;
mod lines;
mod places;
mod registry;

#[cfg(test)]
mod tests;

pub use self::adapter::{
    AgentAdapter, AgentOutcome, AgentReport, AgentRequest, AgentSink, Capabilities, Probe, ProbeContext,
};
pub use self::cli::CliAdapter;
pub use self::environment::{misleads, scrub};
pub use self::error::AgentError;
pub use self::places::{Place, Places};
pub use self::registry::{Registry, RegistryError, canonical_name};
pub use crate::types::write_fenced;
