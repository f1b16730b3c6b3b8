//! Answers of segments, with nothing in them that matters.

use crate::event::{AgentOutcome, DriftResult, HookResult, ReviewRecord, StepFinished, StepStarted};
use crate::schedule::{AgentEnd, Report, StartedReport};
use crate::spec::{HookMoment, HookType};
use crate::types::{Failure, FailureKind, Oid, ReviewLevel, ReviewVerdict, StepStatus, Usage};

/// Whether nothing of the same action follows this report of a check.
pub(crate) fn is_last_word(report: &Report) -> bool {
    !matches!(
        report,
        Report::Gate(_)
            | Report::BuiltInGate(_)
            | Report::Drift(_)
            | Report::Hook(_)
            | Report::Guard(_)
            | Report::StepStarted(_)
            | Report::StepFinished(_)
            | Report::ReviewStarted(_)
            | Report::ReviewVerdict(_)
    )
}

/// What an agent says of its own work.
pub(crate) fn drift(drifted: bool) -> DriftResult {
    DriftResult {
        checked: true,
        asked: true,
        score: Some(if drifted { 0.25 } else { 0.75 }),
        threshold: 0.5,
        explanation: "it says why".into(),
        drifted,
        reason: None,
        duration_ms: 1,
        usage: Usage { output: Some(1), ..Usage::default() },
    }
}

/// The end of a review.
pub(crate) fn review_verdict(level: ReviewLevel, verdict: ReviewVerdict, tree: Oid) -> Report {
    let usage = Usage { output: Some(3), ..Usage::default() };
    let blocks = u32::from(verdict == ReviewVerdict::Block);
    Report::ReviewVerdict(Box::new(ReviewRecord {
        level,
        verdict,
        tokens: usage.total_tokens(),
        usage,
        model: None,
        could_not: false,
        feedback_length: 2,
        passes: None,
        blocks: (level == ReviewLevel::Panel).then_some(blocks),
        budget_exceeded: false,
        budget_downgrade: false,
        budget_skip: false,
        tree: Some(tree),
        reused: false,
        reason: "so".into(),
    }))
}

/// The tokens for reviews are used up, and work is not to land without one.
pub(crate) fn review_refused(level: ReviewLevel) -> Report {
    let Report::ReviewVerdict(record) = review_verdict(level, ReviewVerdict::Block, super::build::oid(1))
    else {
        unreachable!("it is one")
    };
    let usage = Usage::default();
    Report::ReviewVerdict(Box::new(ReviewRecord {
        usage,
        tokens: None,
        blocks: None,
        budget_exceeded: true,
        ..*record
    }))
}

/// What follows when a review blocks.
pub(crate) fn review_blocked() -> Report {
    Report::Checked(Some(Failure::new(FailureKind::ReviewBlocked, "the review blocks the work")))
}

/// A step begins.
pub(crate) fn step_started() -> StepStarted {
    StepStarted { step: "first".into(), index: 0, of: 2, retry: 0, session: "fresh".into(), failure: None }
}

/// A step is over.
pub(crate) fn step_finished() -> StepFinished {
    StepFinished {
        step: "first".into(),
        index: 0,
        status: StepStatus::Failed,
        exit_code: 1,
        retries: 2,
        duration_ms: 5,
        failure: Some(Failure::new(FailureKind::Error, "it says why")),
    }
}

/// What a hook says.
pub(crate) fn hook(on: HookMoment, passed: bool) -> HookResult {
    HookResult {
        hook: "make check".into(),
        kind: HookType::Validate,
        on,
        passed,
        how: "exit code 1".into(),
        exit_code: Some(i32::from(!passed)),
        duration_ms: 1,
        output: "it says why".into(),
        usage: Usage::default(),
    }
}

/// A call of an agent.
pub(crate) fn started() -> StartedReport {
    StartedReport {
        adapter: "test".into(),
        account: None,
        model: None,
        worktree: "/w".into(),
        slot: None,
        prompt_bytes: 5,
        session: "fresh".into(),
    }
}

/// The end of an agent.
pub(crate) fn agent_end(outcome: AgentOutcome) -> AgentEnd {
    AgentEnd {
        outcome,
        exit_code: Some(0),
        session: None,
        usage: Usage { output: Some(1), ..Usage::default() },
        duration_ms: 1,
        summary: String::new(),
        killed: None,
    }
}
