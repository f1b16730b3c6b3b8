//! Whose work is reviewed, and what follows from that: where reviewers look, and what they are told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::attempt::context::Context;
use crate::attempt::environment::{MissingVariable, agent_env, convoy_agent_env};
use crate::attempt::inputs::{self, PromptInput};
use crate::attempt::prompt::render_asked;
use crate::types::{AttemptNo, TaskId, TaskIx, WorkerId};

/// Most bytes of the prompts of all tasks together.
const MOST_PROMPTS: usize = 64 * 1024;

/// Whose work is reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// That of an attempt.
    Attempt(TaskIx, AttemptNo),
    /// What an attempt is about to build upon: all that was merged before.
    Before(TaskIx, AttemptNo),
    /// The merged result, by the hook of the convoy at this position.
    Convoy(u32),
}

impl Subject {
    pub(super) fn task(self) -> Option<TaskIx> {
        match self {
            Self::Attempt(task, _) | Self::Before(task, _) => Some(task),
            Self::Convoy(_) => None,
        }
    }

    /// Where the base is checked out.
    pub(super) fn checkout(self, context: &Context) -> PathBuf {
        match self.task() {
            Some(task) => context.dirs.review_checkout(&context.plan, task),
            None => context.dirs.end_review_checkout(),
        }
    }

    /// What the reviewer with this number prints goes there.
    pub(super) fn log(self, context: &Context, member: usize) -> PathBuf {
        match self {
            Self::Attempt(task, attempt) | Self::Before(task, attempt) => {
                context.dirs.review_log(&context.plan, task, attempt, member)
            }
            Self::Convoy(index) => context.dirs.end_log(&format!("hook-{index}-review-{member}")),
        }
    }

    /// Where it is told that a review waits for room.
    pub(super) fn waiting_log(self, context: &Context) -> PathBuf {
        match self {
            Self::Attempt(task, attempt) | Self::Before(task, attempt) => {
                context.dirs.agent_log(&context.plan, task, attempt)
            }
            Self::Convoy(_) => self.log(context, 1),
        }
    }

    pub(super) fn env(self, context: &Context) -> Result<BTreeMap<String, String>, MissingVariable> {
        let (host, spec) = (&context.host_env, context.plan.spec());
        match self.task() {
            Some(task) => agent_env(host, spec, context.plan.spec_of(task)),
            None => convoy_agent_env(host, spec),
        }
    }

    pub(super) fn worker(self, context: &Context) -> WorkerId {
        match self {
            Self::Attempt(task, attempt) | Self::Before(task, attempt) => context.worker(task, attempt),
            Self::Convoy(index) => WorkerId::of_hook(&context.convoy, index),
        }
    }

    /// The adapter that its agents have, where one is set.
    pub(super) fn adapter(self, context: &Context) -> Option<&str> {
        let defaults = context.plan.spec().task_defaults.as_deref();
        let of = self.task().map(|task| context.plan.spec_of(task)).or(defaults);
        of.and_then(|task| task.adapter.as_deref())
    }

    /// What it is called.
    pub(super) fn id(self, context: &Context) -> TaskId {
        let defaults = context.plan.spec().task_defaults.as_deref();
        match (self.task(), defaults) {
            (Some(task), _) => context.plan.id(task).clone(),
            (None, Some(like)) => like.id.clone(),
            // Stored by a version without hooks at the end.
            (None, None) => context.plan.id(TaskIx(0)).clone(),
        }
    }

    /// What was asked for, redacted: of an attempt all that its agent was asked, with what its inputs hold; else the
    /// prompts of all tasks as they are written, bounded.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub(super) async fn prompt(self, context: &Context, inputs: &[PromptInput]) -> Result<String, String> {
        let Self::Attempt(task, _) = self else { return Ok(self.all_prompts(context)) };
        let values = inputs::read(context, inputs).await.map_err(|failure| failure.message)?;
        let filled = inputs::fill_known(context.plan.spec_of(task), &values);
        let filled = filled.map_err(|failure| failure.message)?;
        Ok(context.redactor.clean(&render_asked(&filled)))
    }

    fn all_prompts(self, context: &Context) -> String {
        let mut text =
            format!("All that was merged in the run {}, by these tasks:\n", context.plan.spec().name);
        for task in context.plan.indices().map(|ix| context.plan.spec_of(ix)) {
            text.push_str(&format!("\nTask {}:\n{}\n", task.id, render_asked(task).trim_end()));
        }
        context.redactor.clean_bounded(&text, MOST_PROMPTS)
    }
}
