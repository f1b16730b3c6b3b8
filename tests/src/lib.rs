//! Support for the end-to-end tests: scratch repositories, the host program under test, scripts for the scripted
//! agent program.
//!
//! The scripted agent (`src/bin/scripted-agent`) is an agent program that does what its prompt says. Its path is
//! `env!("CARGO_BIN_EXE_scripted-agent")` in the integration tests of this package.
#![forbid(unsafe_code)]

mod clock;
mod host;
mod inline;
mod prompt;
mod repo;
mod reviewer;
mod store;

pub use clock::HastyClock;
pub use host::{ConvoyCmd, Outcome, Running};
pub use inline::{Inline, engine, host_env, last_word, write};
pub use prompt::{adapter, claude_on_path, prompt};
pub use repo::{PATH, ScratchRepo, environment, git_in};
pub use reviewer::{Critic, verdict};
pub use store::OddStore;
