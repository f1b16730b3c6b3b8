//! The engine: builder, driver, recovery, run handle, subscribers. Holds no policy.
//!
//! [`Engine`] opens a repository and a store; [`Engine::start`] and its sisters hand out a [`Run`]. Each run
//! is one loop: inputs are drained, decided on, recorded in one transaction, published, acted upon.

mod accept;
mod asked;
mod begin;
mod builder;
mod close;
mod conclude;
mod disputes;
mod driver;
mod ending;
mod export;
#[cfg(test)]
mod full_disk;
mod handle;
mod host;
mod inject;
mod inject_file;
mod journal;
mod landing;
mod launch;
mod people;
mod perform;
mod prune;
mod query;
mod request;
mod run;
mod seats;
mod segments;
mod show;
#[cfg(test)]
mod sim;
mod stored;
mod subscription;
mod verify;
mod waiting;

pub use self::builder::EngineBuilder;
pub use self::disputes::DisputeView;
pub use self::handle::{Asked, Engine};
pub use self::prune::{
    KeepReason, KeptConvoy, PruneOptions, PruneReport, PrunedConvoy, RemovedLogs, Retention,
};
pub use self::query::DeadLetterView;
pub use self::request::Answer;
pub use self::run::{Ended, Outcome, Run, RunEvent};
pub use self::show::{AttemptOutcome, AttemptView, DiffView, KeptText};
pub use self::subscription::Subscription;

use crate::error::{Error, ErrorKind};

/// The public form of an error of git that comes up before anything has started.
pub(crate) fn git_open_error(error: crate::git::GitError) -> Error {
    let message = error.to_string();
    match std::error::Error::source(&error) {
        Some(_) => Error::new(ErrorKind::Repository, message).because(ErrorText(cause(&error))),
        None => Error::new(ErrorKind::Repository, message),
    }
}

/// The causes of an error as one text, so that its own message is not printed twice.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ErrorText(String);

fn cause(error: &dyn std::error::Error) -> String {
    let mut texts = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.join(": ")
}
