//! What the stages of a check share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::{CheckReport, CheckRequest, Judge, programs};
use crate::attempt::context::Context;
use crate::attempt::environment::gate_env;
use crate::attempt::guard::Guard;
use crate::attempt::setup::prepare_files;
use crate::attempt::space::{NoWorktree, Wanted};
use crate::attempt::warm;
use crate::gate::Verdict;
use crate::git::GitError;
use crate::spec::{RegressionTest, Switch, Task};
use crate::types::{Failure, FailureKind};

/// Longest text of a verdict in bytes.
const LONGEST: usize = 16 * 1024;

/// Why a check ends before its last stage.
#[derive(Debug)]
pub(super) enum End {
    /// The work did not pass.
    Failed(Failure),
    /// It was asked to stop.
    Stopped,
    /// git failed: nobody knows whether the work would pass.
    Trouble(GitError),
}

impl From<GitError> for End {
    fn from(error: GitError) -> Self {
        Self::Trouble(error)
    }
}

impl From<NoWorktree> for End {
    fn from(none: NoWorktree) -> Self {
        match none {
            NoWorktree::Stopped => Self::Stopped,
            NoWorktree::Failed(error) => Self::Trouble(error),
        }
    }
}

/// One check under way.
pub(super) struct Bench<'a> {
    pub(super) context: &'a Context,
    pub(super) request: &'a CheckRequest,
    pub(super) task: &'a Task,
    pub(super) cancel: &'a CancellationToken,
    report: &'a mut (dyn FnMut(CheckReport) + Send),
    path: PathBuf,
    /// Nothing was done in the worktree since the work was taken from it, or put back.
    rests: bool,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        context: &'a Context,
        request: &'a CheckRequest,
        cancel: &'a CancellationToken,
        report: &'a mut (dyn FnMut(CheckReport) + Send),
    ) -> Self {
        let task = context.plan.spec_of(request.task);
        let path = context.dirs.worktree(&context.plan, request.task);
        Self { context, request, task, cancel, report, path, rests: true }
    }

    /// Whether anything has to be run, rather than only read.
    pub(super) fn runs_programs(&self) -> bool {
        !self.programs().is_empty()
    }

    /// Whether everything that would have to be run has passed this very tree before. A part of it is no use: what
    /// runs may need what the programs before it left behind, in a worktree that is not there any more.
    pub(super) fn has_passed_all(&self) -> bool {
        let programs = self.programs();
        let is_known = |(gate, by): &(String, Judge)| match by {
            Judge::Command => self.request.passed_commands.contains(gate),
            Judge::BuiltIn => self.request.passed_built_in.contains(gate),
            Judge::Host => self.request.passed_host.contains(gate),
        };
        !programs.is_empty() && programs.iter().all(is_known)
    }

    /// Tells that nothing had to be run.
    pub(super) fn report_known(&mut self) {
        for (gate, by) in self.programs() {
            self.report(CheckReport::Known { gate, by });
        }
    }

    /// Everything that has to be run, under the names that it is reported by.
    fn programs(&self) -> Vec<(String, Judge)> {
        let gates = &self.task.built_in_gates;
        let audit = (gates.dependency_audit != Switch::Off).then_some(programs::AUDIT);
        let tests = (gates.regression_test != RegressionTest::Off).then_some(programs::TESTS);
        let commands = self.task.gates.iter().map(|gate| (self.clean(gate), Judge::Command));
        let host = self.task.host_gates.iter().map(|gate| (self.clean(gate), Judge::Host));
        let built_in = audit.into_iter().chain(tests).map(|gate| (gate.to_owned(), Judge::BuiltIn));
        commands.chain(host).chain(built_in).collect()
    }

    /// The folder of the worktree, for whoever does something there.
    pub(super) fn worktree(&mut self) -> PathBuf {
        self.rests = false;
        self.path.clone()
    }

    pub(super) fn report(&mut self, report: CheckReport) {
        (self.report)(report);
    }

    /// Tells of a built-in gate's verdict, and ends the check when the work did not pass.
    pub(super) fn verdict(&mut self, verdict: Verdict, kind: FailureKind) -> Result<(), End> {
        let output = self.clean(&verdict.output);
        let verdict = Verdict { output, ..verdict };
        let mut failure = None;
        if !verdict.passed {
            let (line, list) = verdict.output.split_once('\n').unwrap_or((&verdict.output, ""));
            let message = format!("gate `{}` did not pass: {line}", verdict.gate);
            failure = Some(Failure { output_tail: list.to_owned(), ..Failure::new(kind, message) });
        }
        self.report(CheckReport::BuiltIn(verdict));
        failure.map_or(Ok(()), |failure| Err(End::Failed(failure)))
    }

    /// What git cannot read of the work fails its task. A full disk is nobody's fault.
    pub(super) fn unreadable(&self, end: End) -> End {
        match end {
            End::Trouble(error) if !error.is_disk_full() => {
                let doing = "the work that is to land cannot be read";
                End::Failed(self.context.failure(FailureKind::MergeError, doing, &error))
            }
            other => other,
        }
    }

    /// Text that may hold anything: redacted, printable, bounded.
    pub(super) fn clean(&self, text: &str) -> String {
        self.context.redactor.clean_bounded(text, LONGEST)
    }

    /// A list of paths, each as [`clean`](Self::clean).
    pub(super) fn clean_paths(&self, paths: &[String]) -> Vec<String> {
        self.context.redactor.clean_list(paths, crate::attempt::LISTED)
    }

    /// The environment of what judges.
    pub(super) fn env(&self) -> Result<BTreeMap<String, String>, End> {
        gate_env(&self.context.host_env, self.context.plan.spec(), self.task).map_err(|error| {
            End::Failed(self.context.failure(FailureKind::Worktree, "cannot run the gates", &error))
        })
    }

    /// Makes the worktree again, as the work segment would have left it, when this run of the engine has not
    /// made it: what a crash or a stop left of it tells nothing about the work.
    pub(super) async fn restore_worktree(&mut self, env: &BTreeMap<String, String>) -> Result<(), End> {
        self.rests = false;
        let (context, request) = (self.context, self.request);
        let state = context.repository.worktree_state(&self.path).await?;
        if state.exists && context.whole.contains(request.task, request.attempt) {
            return Ok(());
        }
        if state.exists || state.registered {
            // Its work is the commit that is being judged.
            context.repository.remove_worktree(&self.path).await?;
        }
        let commit = &request.commit;
        let keep = warm::keep(context);
        let log = context.dirs.agent_log(&context.plan, request.task, request.attempt);
        let wanted = Wanted { path: &self.path, commit, slot: None, keep: keep.as_ref(), log };
        context.add_worktree(wanted, self.cancel).await?;
        let of = (request.task, request.attempt);
        match prepare_files(context, of, &self.path, Some(commit), env, self.cancel).await {
            Ok(()) => {
                context.whole.insert(request.task, request.attempt);
                Ok(())
            }
            Err(_) if self.cancel.is_cancelled() => Err(End::Stopped),
            Err(failure) => Err(End::Failed(failure)),
        }
    }

    /// Gives the worktree back.
    pub(super) async fn leave_worktree(self) -> Result<(), GitError> {
        let repository = &self.context.repository;
        match self.rests {
            true => repository.remove_resting_worktree(&self.path).await,
            false => repository.remove_worktree(&self.path).await,
        }
    }

    /// Tells what was changed of the repository since the guard began; some of it does not pass.
    pub(super) async fn look_around<T>(&mut self, guard: Guard, ran: Result<T, End>) -> Result<T, End> {
        let (found, failure) = guard.end(self.context).await;
        found.into_iter().for_each(|found| self.report(CheckReport::Guard(found)));
        let ran = ran?;
        failure.map_or(Ok(ran), |failure| Err(End::Failed(failure)))
    }

    /// Puts the files of the work back, and gives those that differed.
    pub(super) async fn restore_files(&mut self) -> Result<Vec<String>, Failure> {
        let restored = self.context.repository.restore_tracked(&self.path, &self.request.commit).await;
        self.rests = restored.is_ok();
        // A gate may have destroyed the worktree: that is this task's trouble, nobody else's.
        restored.map_err(|error| {
            self.context.failure(FailureKind::Worktree, "cannot put back the files of the work", &error)
        })
    }
}
