//! The tools of the end-to-end tests do what they promise: a test that trusts them can fail.

mod agent;
mod repository;

const AGENT: &str = env!("CARGO_BIN_EXE_scripted-agent");
