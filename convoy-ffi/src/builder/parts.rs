//! What a builder holds, and the engine that is made of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use convoy_core::engine::Engine;
use tokio_util::sync::CancellationToken;

use super::Options;
use crate::adapter::HostAdapter;
use crate::courier::Courier;
use crate::error::convoy_error;
use crate::host_code::HostPart;
use crate::log::HostLog;
use crate::merger::HostQueue;
use crate::reviewer::HostReviewer;
use crate::status::convoy_status::CONVOY_USED_UP;

/// What is behind a builder; `None` once an engine was built.
#[derive(Debug)]
pub(crate) struct BuilderObject(Mutex<Option<Parts>>);

/// What was set so far.
#[derive(Debug, Default)]
pub(super) struct Parts {
    repository: String,
    pub(super) options: Options,
    pub(super) adapters: Vec<HostAdapter>,
    pub(super) reviewer: Option<HostReviewer>,
    pub(super) queue: Option<HostQueue>,
    pub(super) code: Vec<HostPart>,
    pub(super) log: Option<HostLog>,
}

impl BuilderObject {
    /// For the repository that a path is in.
    pub(super) fn new(repository: String) -> Self {
        Self(Mutex::new(Some(Parts { repository, ..Parts::default() })))
    }

    /// Takes the parts out: the builder is used up.
    pub(super) fn take(&self) -> Result<Parts, convoy_error> {
        self.lock().take().ok_or_else(used_up)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Parts>> {
        // Parts are put in or taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the parts; what `change` took out of them, or holds itself when there are none, is dropped when no lock
    /// is held, as it may call the host.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Parts) -> T) -> Result<(), convoy_error> {
        let mut parts = self.lock();
        let taken = match parts.as_mut() {
            Some(parts) => Ok(change(parts)),
            None => Err(change),
        };
        drop(parts);
        taken.map(drop).map_err(|_| used_up())
    }
}

fn used_up() -> convoy_error {
    convoy_error::new(
        CONVOY_USED_UP,
        "an engine was built from this builder: make a new one for another engine",
    )
}

impl Parts {
    /// The engine. `end`: when it is shut down or freed.
    pub(super) async fn build(
        self,
        courier: Arc<Courier>,
        end: CancellationToken,
    ) -> Result<Engine, convoy_error> {
        let Self { repository, options, adapters, reviewer, queue, code, log } = self;
        let mut builder = options.builder(repository);
        if let Some(log) = log {
            builder = builder.log_to(log.dispatch()?);
        }
        for adapter in adapters {
            builder = builder.adapter(adapter.with(courier.clone()));
        }
        if let Some(reviewer) = reviewer {
            builder = builder.review_runner(reviewer.with(courier.clone()));
        }
        if let Some(queue) = queue {
            builder = builder.merge_queue(queue.with(courier.clone(), (end, options.grace())));
        }
        builder = code.into_iter().fold(builder, |builder, part| part.register(builder, courier.clone()));
        options.open(builder).await
    }
}
