//! Finds and redacts secrets, safe across chunk borders; registered values are replaced exactly.
//!
//! A [`Redactor`] knows the formats of common provider tokens, private keys, passwords in URLs and in
//! assignments, and the values that were registered with it. Each finding becomes
//! `[REDACTED:<kind>]`; everything around it stays as it was. [`Redactor::redact`] and
//! [`StreamRedactor`] give the same bytes for the same input, however the input is cut into chunks.
//!
//! Text that is stored or shown goes through [`Redactor::clean`], output through an [`EscapeFilter`] first: a secret
//! with colours in its middle is one, too.
//!
//! How far a finding can reach is bounded: a line is looked at in windows of 64 KiB that overlap by
//! 16 KiB, so no secret of up to 16 KiB is missed and no input makes memory grow.

mod config;
mod escapes;
mod formats;
mod generic;
mod key;
mod pattern;
mod redactor;
mod scan;
mod search;
mod text;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

pub use self::config::ScanConfig;
pub use self::escapes::EscapeFilter;
pub use self::redactor::{Finding, Redactor, SHORTEST_VALUE, StreamRedactor};
pub use self::text::{has_marker, looks_secret, looks_secret_variable, printable};
