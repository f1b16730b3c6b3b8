//! The worktree of the merged result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::attempt::context::Context;
use crate::attempt::environment::convoy_env;
use crate::attempt::setup::copy_in;
use crate::attempt::shell::Shell;
use crate::attempt::space::{NoWorktree, Wanted};
use crate::git::GitError;
use crate::types::{Failure, FailureKind, Oid, WorkerId};

/// The limit of a command where the spec was stored without one.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A worktree of the merged result.
pub(in crate::attempt) struct Room {
    pub(super) path: PathBuf,
    pub(super) log: PathBuf,
    pub(super) worker: WorkerId,
    pub(super) env: BTreeMap<String, String>,
    pub(super) timeout: Duration,
}

impl Room {
    /// Makes it anew, whatever an earlier stage or engine left at its place, and with nothing that others may have left in
    /// files: those judge.
    pub(in crate::attempt) async fn make(
        context: &Context,
        path: PathBuf,
        commit: &Oid,
        stage: &str,
        worker: WorkerId,
        cancel: &CancellationToken,
    ) -> Result<Self, NoWorktree> {
        remove(context, &path).await?;
        let log = context.dirs.end_log(stage);
        let wanted = Wanted { path: &path, commit, slot: None, keep: None, log: log.clone() };
        context.add_worktree(wanted, cancel).await?;
        let timeout = context.plan.spec().task_defaults.as_ref().map_or(TIMEOUT, |task| task.gate_timeout);
        Ok(Self { path, log, worker, env: BTreeMap::new(), timeout })
    }

    /// Copies in and sets up what every worktree of the convoy gets.
    pub(in crate::attempt) async fn furnish(
        &mut self,
        context: &Context,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let failed = |doing: &str, error: &(dyn std::error::Error + 'static)| {
            context.failure(FailureKind::Worktree, doing, error)
        };
        self.env = convoy_env(&context.host_env, context.plan.spec())
            .map_err(|error| failed("cannot make the environment", &error))?;
        copy_in(context, &self.path).map_err(|error| failed("worktree.copy", &error))?;
        self.shell().setup(context, cancel).await
    }

    /// Puts back the files of the merged result, and gives those that were changed.
    pub(in crate::attempt) async fn restore(
        &self,
        context: &Context,
        commit: &Oid,
    ) -> Result<Vec<String>, Failure> {
        context.repository.restore_tracked(&self.path, commit).await.map_err(|error| {
            let doing = "cannot put back the files of the merged result";
            context.failure(FailureKind::Worktree, doing, &error)
        })
    }

    pub(in crate::attempt) fn shell(&self) -> Shell<'_> {
        Shell {
            log: self.log.clone(),
            worker: self.worker.clone(),
            timeout: self.timeout,
            worktree: &self.path,
            env: &self.env,
        }
    }

    pub(in crate::attempt) async fn remove(self, context: &Context) -> Result<(), GitError> {
        remove(context, &self.path).await
    }
}

async fn remove(context: &Context, path: &Path) -> Result<(), GitError> {
    let state = context.repository.worktree_state(path).await?;
    if state.exists || state.registered {
        context.repository.remove_worktree(path).await?;
    }
    Ok(())
}
