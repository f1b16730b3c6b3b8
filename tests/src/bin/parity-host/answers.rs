//! The answers of scripts, as what the traits want.

use convoy_core::agent::{AgentOutcome, AgentReport};
use convoy_core::attempt::{Answer, PromptPart};
use convoy_core::merge::{Advance, MergeError, PrepareOutcome, PrepareRequest, Prepared, Settled};
use convoy_core::review::{ReviewReport, Verdict};
use convoy_core::types::{Cost, Failure, FailureKind, Oid, SessionId, Timestamp, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::job::Fault;

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn usage(value: &Value) -> Usage {
    let number = |name: &str| value["usage"].get(name).and_then(Value::as_u64);
    Usage {
        input: number("input"),
        cached_input: number("cached_input"),
        cache_write: number("cache_write"),
        output: number("output"),
        cost_usd: value["usage"].get("cost_usd").and_then(Value::as_f64).map(Cost::from),
    }
}

pub(crate) fn failed(message: impl Into<String>) -> AgentReport {
    AgentReport::failed(Failure::new(FailureKind::Error, message))
}

pub(crate) fn agent(value: &Value) -> Result<AgentReport, Fault> {
    let exit_code = value.get("exit_code").and_then(Value::as_i64).map(i32::try_from).transpose()?;
    let outcome = match member(value, "outcome") {
        Some("succeeded") => AgentOutcome::Succeeded,
        Some("cancelled") => AgentOutcome::Cancelled,
        Some("failed") => {
            let given = &value["failure"];
            let kind = member(given, "failure_type").unwrap_or("error").parse()?;
            let mut failure = Failure::new(kind, member(given, "message").unwrap_or_default());
            failure.exit_code = exit_code;
            failure.output_tail = member(given, "output_tail").unwrap_or_default().to_owned();
            failure.retry_at = given.get("retry_at").map(Timestamp::deserialize).transpose()?;
            AgentOutcome::Failed(failure)
        }
        other => return Err(format!("no outcome: {other:?}").into()),
    };
    Ok(AgentReport {
        outcome,
        exit_code,
        session: member(value, "session").map(SessionId::new).transpose()?,
        usage: usage(value),
        result_text: member(value, "result_text").unwrap_or_default().to_owned(),
    })
}

pub(crate) fn could_not(why: impl Into<String>) -> ReviewReport {
    ReviewReport { verdict: Verdict::CouldNot(why.into()), usage: Usage::default() }
}

pub(crate) fn review(value: &Value) -> Result<ReviewReport, Fault> {
    let text = member(value, "text").unwrap_or_default().to_owned();
    let verdict = match member(value, "verdict") {
        Some("pass") => Verdict::Pass(text),
        Some("block") => Verdict::Block(text),
        Some("could-not") => Verdict::CouldNot(text),
        other => return Err(format!("no verdict: {other:?}").into()),
    };
    Ok(ReviewReport { verdict, usage: usage(value) })
}

fn oid(value: &Value, name: &str) -> Result<Oid, Fault> {
    Ok(Oid::new(member(value, name).unwrap_or_default())?)
}

pub(crate) fn prepare(value: &Value, request: &PrepareRequest) -> Result<PrepareOutcome, Fault> {
    let onto = request.tip.clone();
    Ok(match member(value, "outcome") {
        Some("prepared") => PrepareOutcome::Prepared(Prepared {
            commit: oid(value, "commit")?,
            onto,
            integration_ref: request.integration_ref.clone(),
        }),
        Some("nothing-to-land") => PrepareOutcome::NothingToLand,
        Some("conflict") => PrepareOutcome::Conflict {
            tree: oid(value, "tree")?,
            paths: serde_json::from_value(value["paths"].clone())?,
            onto,
        },
        other => return Err(format!("no outcome: {other:?}").into()),
    })
}

pub(crate) fn advance(value: &Value, held: u64) -> Result<Result<Advance, MergeError>, Fault> {
    Ok(match member(value, "outcome") {
        Some("advanced") => Ok(Advance::Advanced),
        Some("moved") if value["now"].is_null() => Ok(Advance::Moved { now: None }),
        Some("moved") => Ok(Advance::Moved { now: Some(oid(value, "now")?) }),
        Some("fenced") => {
            Err(MergeError::Fenced { held, newer: value["newer"].as_u64().ok_or("no newer lease")? })
        }
        other => return Err(format!("no outcome: {other:?}").into()),
    })
}

pub(crate) fn settle(value: &Value) -> Result<Settled, Fault> {
    match member(value, "outcome") {
        Some("landed") => Ok(Settled::Landed),
        Some("not-landed") => Ok(Settled::NotLanded),
        other => Err(format!("no outcome: {other:?}").into()),
    }
}

pub(crate) fn verdict(value: &Value) -> Result<Answer, Fault> {
    match member(value, "outcome") {
        Some("pass") => Ok(Answer::Pass),
        Some("fail") => Ok(Answer::fail(member(value, "reason").ok_or("no reason")?)),
        other => Err(format!("no outcome: {other:?}").into()),
    }
}

pub(crate) fn part(value: &Value) -> Result<PromptPart, Fault> {
    let text = || member(value, "text").map(str::to_owned).ok_or("no text");
    match member(value, "part") {
        Some("nothing") => Ok(PromptPart::Nothing),
        Some("instructions") => Ok(PromptPart::Instructions(text()?)),
        Some("data") => Ok(PromptPart::Data(text()?)),
        other => Err(format!("no part: {other:?}").into()),
    }
}
