//! Stable C ABI of the Convoy engine: what `include/convoy.h` declares.
//!
//! The header is generated from this crate (`cargo run -p convoy-tests --bin gen-header`), so the documentation of
//! every exported item is written for its C reader, and exported items carry their C names here too.
//! This crate converts pointers and text, catches panics, and leaves all behaviour to `convoy-core`.
//!
//! It holds the only `unsafe` code of the workspace. Every entry point has the same shape: `guard::call` around a
//! body that first turns its pointers into references (refusing NULL), then its text into `str` (refusing what is
//! not UTF-8), and writes its outputs last, when nothing can fail any more.

// A panic must become a status: aborting would take the host's process with it.
#[cfg(not(panic = "unwind"))]
compile_error!(
    "convoy-ffi must be built with panic = \"unwind\": a panic is reported to the host as CONVOY_PANICKED"
);

mod callback;
mod courier;
mod guard;
mod handle;
mod json;
mod pointer;

// In the order in which the header shows them.
mod version;

mod status;

mod error;

mod text;

mod spec;

mod builder;

mod adapter;

mod reviewer;

mod merger;

mod host_code;

mod log;

mod engine;

mod look;

mod people;

mod prune;

mod run;

mod events;

mod completion;

pub use self::adapter::convoy_agent_adapter;
pub use self::builder::*;
pub use self::completion::*;
pub use self::engine::*;
pub use self::error::*;
pub use self::events::*;
pub use self::host_code::convoy_host_code;
pub use self::log::convoy_log_level;
pub use self::look::*;
pub use self::merger::convoy_merge_queue;
pub use self::people::*;
pub use self::prune::{convoy_engine_last_retention, convoy_engine_prune};
pub use self::reviewer::convoy_review_runner;
pub use self::run::*;
pub use self::spec::{convoy_check_formula, convoy_check_spec};
pub use self::status::{convoy_status, convoy_status_name};
pub use self::text::{convoy_string, convoy_string_free};
pub use self::version::{CONVOY_ABI_VERSION, convoy_abi_version, convoy_version};
