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

mod guard;
mod pointer;

// In the order in which the header shows them.
mod version;

mod status;

mod error;

mod text;

mod spec;

pub use self::error::{convoy_error, convoy_error_free, convoy_error_message, convoy_error_status};
pub use self::spec::convoy_check_spec;
pub use self::status::convoy_status;
pub use self::text::{convoy_string, convoy_string_free};
pub use self::version::{CONVOY_ABI_VERSION, convoy_abi_version, convoy_version};
